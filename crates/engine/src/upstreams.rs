//! What stacks need of each other: noted while a run reads it, and asked about afterwards.

use std::collections::{BTreeMap, HashMap};

use sloth_core::body::CallError;
use sloth_core::deps::{Dependencies, Edge, Kind};
use sloth_core::id::StackId;
use sloth_core::output::Output;
use sloth_core::stack::Stack;
use sloth_core::store::{StackMatch, VersionAt, View};
use sloth_core::suggest::nearest;
use sloth_core::upstream::{Reading, Stale, Upstream};
use sloth_core::version::Version;
use sloth_core::workflow::Workflow;

use crate::error::EngineError;
use crate::session::{Session, store_failed};

/// What a stack needs is stale when something it read is not so any more. Worked out from what was recorded, whenever
/// it is asked.
///
/// # Errors
/// The store failed.
pub fn stale(view: &dyn View, stack: &StackId) -> Result<Vec<Stale>, EngineError> {
    let needs = view.upstream_list(stack, VersionAt::Head)?;
    if needs.is_empty() {
        return Ok(Vec::new());
    }
    let stacks = view.stack_list()?;
    let mut now = Now { view, stacks: by_id(&stacks), outputs: HashMap::new() };
    Ok(now.stale(&needs)?)
}

/// The same for all stacks at once; those that are not stale are left out.
///
/// # Errors
/// The store failed.
pub fn stale_all(view: &dyn View, stacks: &[Stack]) -> Result<BTreeMap<StackId, Vec<Stale>>, EngineError> {
    let mut now = Now { view, stacks: by_id(stacks), outputs: HashMap::new() };
    let mut found: BTreeMap<StackId, Vec<Stale>> = BTreeMap::new();
    for (stack, upstream) in view.upstream_all()? {
        let stale = now.stale(&[upstream])?;
        if !stale.is_empty() {
            found.entry(stack).or_default().extend(stale);
        }
    }
    Ok(found)
}

/// The stacks that need this one, by name.
///
/// # Errors
/// The store failed.
pub fn dependents(view: &dyn View, stack: &StackId) -> Result<Vec<String>, EngineError> {
    let all = view.upstream_all()?;
    let mut names = Vec::new();
    for id in all.iter().filter(|(_, upstream)| upstream.id == *stack).map(|(id, _)| id) {
        names.extend(view.stack_get(id)?.map(|found| found.name));
    }
    names.sort_unstable();
    Ok(names)
}

fn by_id(stacks: &[Stack]) -> HashMap<&StackId, &Stack> {
    stacks.iter().map(|stack| (&stack.id, stack)).collect()
}

/// Stacks and their outputs as they are, each read once.
struct Now<'a> {
    view: &'a dyn View,
    stacks: HashMap<&'a StackId, &'a Stack>,
    outputs: HashMap<StackId, Vec<Output>>,
}

impl Now<'_> {
    fn stale(&mut self, needs: &[Upstream]) -> Result<Vec<Stale>, sloth_core::store::StoreError> {
        let mut found = Vec::new();
        for upstream in needs {
            let Some(stack) = self.stacks.get(&upstream.id) else {
                found.extend(upstream.stale(None));
                continue;
            };
            if upstream.reads.is_empty() {
                continue;
            }
            if !self.outputs.contains_key(&upstream.id) {
                let outputs = self.view.output_list(&upstream.id, VersionAt::Head)?;
                self.outputs.insert(upstream.id.clone(), outputs);
            }
            let outputs = self.outputs.get(&upstream.id).map_or(&[][..], Vec::as_slice);
            found.extend(upstream.stale(Some((&stack.name, outputs))));
        }
        Ok(found)
    }
}

/// All stacks and what they need of each other.
#[derive(Clone, Debug)]
pub struct StackGraph {
    /// Stacks by name; after them those that are needed and gone.
    pub names: Vec<String>,
    /// How many of them are there.
    pub there: usize,
    /// What is recorded of each edge, by who needs and what is needed.
    pub upstreams: BTreeMap<(usize, usize), Upstream>,
    /// Who needs whom. An edge is explicit when it was declared, and inferred when it was only read.
    pub graph: Dependencies,
}

impl StackGraph {
    /// Reads it.
    ///
    /// # Errors
    /// The store failed.
    pub fn load(view: &dyn View) -> Result<Self, EngineError> {
        Self::of(view, view.upstream_all()?)
    }

    /// Reads it, with what one stack needed at a version of it.
    ///
    /// # Errors
    /// There is no such version, or the store failed.
    pub fn load_as_of(view: &dyn View, stack: &StackId, at: VersionAt) -> Result<Self, EngineError> {
        let mut all = view.upstream_all()?;
        all.retain(|(id, _)| id != stack);
        all.extend(view.upstream_list(stack, at)?.into_iter().map(|upstream| (stack.clone(), upstream)));
        Self::of(view, all)
    }

    fn of(view: &dyn View, all: Vec<(StackId, Upstream)>) -> Result<Self, EngineError> {
        let stacks = view.stack_list()?;
        let mut index: HashMap<StackId, usize> =
            stacks.iter().enumerate().map(|(at, stack)| (stack.id.clone(), at)).collect();
        let mut names: Vec<String> = stacks.iter().map(|stack| stack.name.clone()).collect();
        let there = names.len();
        let mut upstreams = BTreeMap::new();
        for (stack, upstream) in all {
            let Some(&from) = index.get(&stack) else { continue };
            let to = *index.entry(upstream.id.clone()).or_insert_with(|| {
                names.push(upstream.name.clone());
                names.len() - 1
            });
            upstreams.insert((from, to), upstream);
        }
        let mut edges = vec![Vec::new(); names.len()];
        for (&(from, to), upstream) in &upstreams {
            let kind = if upstream.declared { Kind::Explicit } else { Kind::Inferred };
            edges[from].push(Edge { to, kind });
        }
        Ok(Self { names, there, upstreams, graph: Dependencies::of_edges(edges) })
    }

    /// Where a stack stands.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names[..self.there].iter().position(|known| known == name)
    }

    /// These stacks alone, in the order given. One needs another also when it does so by way of stacks that are left out.
    #[must_use]
    pub fn among(&self, wanted: &[usize]) -> Dependencies {
        let place: HashMap<usize, usize> =
            wanted.iter().enumerate().map(|(place, &at)| (at, place)).collect();
        let edges = wanted.iter().map(|&from| {
            let mut found: Vec<Edge> = Vec::new();
            let mut seen = vec![false; self.names.len()];
            let mut todo: Vec<(usize, Kind)> =
                self.graph.needs(from).iter().map(|e| (e.to, e.kind)).collect();
            while let Some((at, kind)) = todo.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                match place.get(&at) {
                    Some(&to) => found.push(Edge { to, kind }),
                    None => todo.extend(self.graph.needs(at).iter().map(|e| (e.to, Kind::Inferred))),
                }
            }
            found.sort_by_key(|e| e.to);
            found
        });
        Dependencies::of_edges(edges.collect())
    }

    /// Everything a stack needs and everything that needs it, itself included, by way of others too.
    #[must_use]
    pub fn around(&self, stack: usize) -> Vec<usize> {
        let mut found = vec![false; self.names.len()];
        for down in [true, false] {
            let mut todo = vec![stack];
            let mut seen = vec![false; self.names.len()];
            while let Some(at) = todo.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                found[at] = true;
                let next = if down { self.graph.needs(at) } else { self.graph.needed_by(at) };
                todo.extend(next.iter().map(|e| e.to));
            }
        }
        (0..found.len()).filter(|&at| found[at]).collect()
    }
}

/// `a → b → a`
#[must_use]
pub fn path(names: &[String]) -> String {
    names.join(" → ")
}

/// The way from one stack along what it needs to another, both included.
fn way(
    view: &dyn View,
    from: &Stack,
    to: &StackId,
) -> Result<Option<Vec<String>>, sloth_core::store::StoreError> {
    let mut needs: HashMap<StackId, Vec<Upstream>> = HashMap::new();
    for (stack, upstream) in view.upstream_all()? {
        needs.entry(stack).or_default().push(upstream);
    }
    let mut came: HashMap<StackId, (StackId, String)> = HashMap::new();
    let mut todo = vec![from.id.clone()];
    while let Some(at) = todo.pop() {
        for upstream in needs.get(&at).map_or(&[][..], Vec::as_slice) {
            if upstream.id == from.id || came.contains_key(&upstream.id) {
                continue;
            }
            came.insert(upstream.id.clone(), (at.clone(), upstream.name.clone()));
            todo.push(upstream.id.clone());
        }
    }
    if *to == from.id {
        return Ok(Some(vec![from.name.clone()]));
    }
    let mut names = Vec::new();
    let mut at = to.clone();
    while let Some((before, name)) = came.get(&at) {
        names.push(name.clone());
        at = before.clone();
    }
    if names.is_empty() {
        return Ok(None);
    }
    names.push(from.name.clone());
    names.reverse();
    Ok(Some(names))
}

/// The stack something is read of.
pub(crate) enum Found {
    One(Box<Stack>),
    None(Option<String>),
    Many(Vec<String>),
}

fn find(view: &dyn View, text: &str) -> Result<Found, sloth_core::store::StoreError> {
    Ok(match view.stack_find(text)? {
        StackMatch::One(stack) => Found::One(stack),
        StackMatch::Many(names) => Found::Many(names),
        StackMatch::None => {
            let all = view.stack_list()?;
            Found::None(nearest(text, all.iter().map(|s| s.name.as_str())).map(str::to_owned))
        }
    })
}

/// Every stack a workflow declares has to be there, and none may need the one that is run. Asked before anything begins.
///
/// # Errors
/// [`EngineError::NoUpstream`], [`EngineError::StackCircle`], or the store failed.
pub(crate) fn declared_are_there(
    view: &dyn View,
    stack: &Stack,
    workflow: &Workflow,
) -> Result<(), EngineError> {
    for name in &workflow.config.depends_on {
        let upstream = match find(view, name)? {
            Found::One(upstream) => upstream,
            Found::Many(names) => return Err(EngineError::AmbiguousStack { text: name.clone(), names }),
            Found::None(_) if *name == stack.name => {
                return Err(EngineError::StackCircle { path: vec![name.clone(), name.clone()] });
            }
            Found::None(nearest) => {
                let (stack, upstream) = (stack.name.clone(), name.clone());
                return Err(EngineError::NoUpstream { stack, upstream, nearest });
            }
        };
        if let Some(way) = way(view, &upstream, &stack.id)? {
            let mut path = vec![stack.name.clone()];
            path.extend(way);
            return Err(EngineError::StackCircle { path });
        }
    }
    Ok(())
}

impl Session {
    /// Notes what the workflow declares.
    pub fn declare_upstreams(&self, workflow: &Workflow) -> Result<(), CallError> {
        workflow.config.depends_on.iter().try_for_each(|name| self.upstream_declared(name))
    }

    /// Another stack is needed, whatever is read of it.
    pub fn upstream_declared(&self, name: &str) -> Result<(), CallError> {
        let view = self.view()?;
        let stack = self.upstream(&*view, name)?;
        if stack.id == self.stack_id {
            let name = &stack.name;
            return Err(CallError::Refused(format!("stack `{name}` cannot depend on itself")));
        }
        self.note_upstream(&*view, &stack, |upstream| upstream.declared = true)
    }

    /// Reads an output of another stack, and remembers that and what was read.
    pub fn upstream_output(&self, name: &str, output: &str) -> Result<Option<Output>, CallError> {
        let view = self.view()?;
        let stack = self.upstream(&*view, name)?;
        let outputs = view.output_list(&stack.id, VersionAt::Head).map_err(|e| store_failed(&e))?;
        let found = outputs.into_iter().find(|o| o.name == output);
        if stack.id != self.stack_id {
            let reading = Reading::of(found.as_ref());
            self.note_upstream(&*view, &stack, |upstream| {
                upstream.reads.insert(output.to_owned(), reading);
            })?;
        }
        Ok(found)
    }

    fn upstream(&self, view: &dyn View, name: &str) -> Result<Box<Stack>, CallError> {
        let refused = match find(view, name).map_err(|e| store_failed(&e))? {
            Found::One(stack) => return Ok(stack),
            Found::None(None) => format!("there is no stack `{name}` to depend on"),
            Found::None(Some(near)) => {
                format!("there is no stack `{name}` to depend on; did you mean `{near}`?")
            }
            Found::Many(names) => format!("`{name}` could be any of these stacks: {}", names.join(", ")),
        };
        Err(CallError::Refused(refused))
    }

    fn note_upstream(
        &self,
        view: &dyn View,
        stack: &Stack,
        note: impl FnOnce(&mut Upstream),
    ) -> Result<(), CallError> {
        let known = self.ledger().upstreams.contains_key(&stack.id);
        if !known && let Some(way) = way(view, stack, &self.stack_id).map_err(|e| store_failed(&e))? {
            let mine = self.stack().name;
            let circle = format!("{mine} → {}", path(&way));
            let text =
                format!("stack `{mine}` cannot depend on `{}`, that would be a circle: {circle}", stack.name);
            return Err(CallError::Refused(text));
        }
        let mut ledger = self.ledger();
        let upstream = ledger.upstreams.entry(stack.id.clone()).or_insert_with(|| Upstream {
            id: stack.id.clone(),
            name: stack.name.clone(),
            declared: false,
            version: stack.head,
            reads: BTreeMap::new(),
        });
        note(upstream);
        Ok(())
    }

    /// Queues what this run found out for the last commit. What only a complete run knows is that something is not needed
    /// any more, and that everything follows what was read now; after any other run a stack stays as stale as it was.
    pub fn settle_upstreams(&self, complete: bool) {
        let mut ledger = self.ledger();
        let mine = std::mem::take(&mut ledger.upstreams);
        if complete {
            let gone: Vec<StackId> =
                ledger.upstreams_before.keys().filter(|id| !mine.contains_key(*id)).cloned().collect();
            ledger.upstream_rows.extend(gone.into_iter().map(|id| (id, None)));
        }
        for (id, upstream) in mine {
            let keep = match ledger.upstreams_before.get(&id) {
                Some(before) => complete && !before.says_the_same(&upstream),
                None => true,
            };
            if keep {
                ledger.upstream_rows.insert(id, Some(upstream));
            }
        }
    }

    /// Queues what a version needed, when the stack goes back to it.
    pub fn upstreams_as_of(&self, version: Version) -> Result<(), EngineError> {
        let was = match version {
            Version::ZERO => Vec::new(),
            _ => self.ctx.store.view()?.upstream_list(&self.stack_id, VersionAt::Number(version))?,
        };
        let mut ledger = self.ledger();
        let now = ledger.upstreams_before.clone();
        for id in now.keys().filter(|id| !was.iter().any(|u| u.id == **id)) {
            ledger.upstream_rows.insert(id.clone(), None);
        }
        for upstream in was {
            if now.get(&upstream.id) != Some(&upstream) {
                ledger.upstream_rows.insert(upstream.id.clone(), Some(upstream));
            }
        }
        Ok(())
    }
}
