//! What stacks and their resources need of each other.

use serde::Serialize;
use sloth_core::deps::{Circle, Dependencies, Edge, Kind};
use sloth_core::stack::Stack;
use sloth_core::upstream::Stale;
use sloth_engine::upstreams::{self, StackGraph};

use crate::draw::{Drawing, tree};
use crate::out::{Human, Page, escape, words};

/// The resources of a stack as recorded, and what they need of each other.
#[derive(Debug)]
pub struct StackDeps {
    /// The stack.
    pub stack: Stack,
    /// Addresses as typed, by index.
    pub names: Vec<String>,
    /// Who needs whom.
    pub graph: Dependencies,
    /// All stacks, and what they need of each other.
    pub all: StackGraph,
    /// What the stack was made with and is not so any more.
    pub stale: Vec<Stale>,
}

impl StackDeps {
    /// `a → b → a`
    pub fn path(&self, circle: &Circle) -> String {
        circle.0.iter().map(|&at| self.names[at].as_str()).collect::<Vec<_>>().join(" → ")
    }
}

/// The other end of a dependency.
#[derive(Debug, Serialize)]
struct EndView {
    address: String,
    kind: Kind,
}

/// Another stack at the end of a dependency.
#[derive(Debug, Serialize)]
struct StackEnd {
    stack: String,
    /// Named in the workflow, or only read?
    declared: bool,
    /// Outputs that were read.
    outputs: Vec<String>,
    missing: bool,
    #[serde(skip)]
    how: String,
}

/// What a stack needs, and what needs it.
#[derive(Debug, Serialize)]
struct StackEnds {
    depends_on: Vec<StackEnd>,
    dependents: Vec<StackEnd>,
    stale: Vec<Stale>,
}

impl StackEnds {
    fn new(deps: &StackDeps) -> Self {
        let all = &deps.all;
        let at = all.find(&deps.stack.name);
        let end = |of: usize, edge: (usize, usize)| {
            let upstream = all.upstreams.get(&edge)?;
            Some(StackEnd {
                stack: all.names[of].clone(),
                declared: upstream.declared,
                outputs: upstream.reads.keys().cloned().collect(),
                missing: of >= all.there,
                how: upstream.how(),
            })
        };
        let needs =
            at.iter().flat_map(|&at| all.graph.needs(at).iter().filter_map(move |e| end(e.to, (at, e.to))));
        let needed = at
            .iter()
            .flat_map(|&at| all.graph.needed_by(at).iter().filter_map(move |e| end(e.to, (e.to, at))));
        Self { depends_on: needs.collect(), dependents: needed.collect(), stale: deps.stale.clone() }
    }

    fn is_empty(&self) -> bool {
        self.depends_on.is_empty() && self.dependents.is_empty()
    }

    fn lines(&self) -> Vec<String> {
        let needs = self.depends_on.iter().map(|end| {
            let missing = if end.missing { ", missing" } else { "" };
            format!("depends on {} ({}{missing})", end.stack, end.how)
        });
        let needed = self.dependents.iter().map(|end| format!("needed by {} ({})", end.stack, end.how));
        let stale =
            self.stale.iter().filter(|s| s.output.is_some()).map(|s| format!("stale: {}", s.sentence()));
        needs.chain(needed).chain(stale).collect()
    }
}

/// One resource.
#[derive(Debug, Serialize)]
struct ResourceDeps {
    address: String,
    depends_on: Vec<EndView>,
    missing: Vec<String>,
    dependents: Vec<EndView>,
}

/// Resources with what they depend on and what needs them.
#[derive(Debug, Serialize)]
pub struct DepsView {
    stack: String,
    stack_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stacks: Option<StackEnds>,
    resources: Vec<ResourceDeps>,
}

impl DepsView {
    /// All resources, or only one.
    pub fn new(deps: &StackDeps, only: Option<usize>) -> Self {
        let graph = &deps.graph;
        let mut missing: Vec<Vec<String>> = vec![Vec::new(); graph.len()];
        for one in graph.missing() {
            missing[one.from].push(one.name.clone());
        }
        let ends = |at: usize, edges: &[Edge]| {
            let own = graph.needs_itself(at).then_some(Edge { to: at, kind: Kind::Explicit });
            let end = |e: &Edge| EndView { address: deps.names[e.to].clone(), kind: e.kind };
            own.iter().chain(edges).map(end).collect()
        };
        let one = |at: usize| ResourceDeps {
            address: deps.names[at].clone(),
            depends_on: ends(at, graph.needs(at)),
            missing: std::mem::take(&mut missing[at]),
            dependents: ends(at, graph.needed_by(at)),
        };
        let shown = only.map_or(0..graph.len(), |at| at..at + 1);
        Self {
            stack: deps.stack.name.clone(),
            stack_id: deps.stack.id.to_string(),
            stacks: only.is_none().then(|| StackEnds::new(deps)),
            resources: shown.map(one).collect(),
        }
    }
}

/// A name, and below it what there is to say of it.
fn branches(page: &mut Page, name: &str, lines: &[String]) {
    let name = page.theme.strong(&escape::line(name));
    page.raw(&name);
    for (at, line) in lines.iter().enumerate() {
        let branch = if at + 1 == lines.len() { "└──" } else { "├──" };
        page.line(&format!("{branch} {line}"));
    }
    page.gap();
}

impl Human for DepsView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Dependencies of stack: {}", self.stack));
        page.gap();
        if let Some(ends) = self.stacks.as_ref().filter(|ends| !ends.is_empty()) {
            branches(page, &self.stack, &ends.lines());
        }
        let (mut explicit, mut inferred, mut missing) = (0, 0, 0);
        for resource in &self.resources {
            let mut lines = Vec::new();
            for end in &resource.depends_on {
                *(if end.kind == Kind::Explicit { &mut explicit } else { &mut inferred }) += 1;
                lines.push(format!("depends on {} ({})", end.address, end.kind.as_str()));
            }
            for name in &resource.missing {
                missing += 1;
                lines.push(format!("depends on {name} (missing)"));
            }
            for end in &resource.dependents {
                lines.push(format!("needed by {} ({})", end.address, end.kind.as_str()));
            }
            branches(page, &resource.address, &lines);
        }
        let mut kinds = vec![format!("{explicit} explicit"), format!("{inferred} inferred")];
        if missing > 0 {
            kinds.push(format!("{missing} missing"));
        }
        page.line(&format!(
            "Total: {}, {} ({})",
            words::len(&self.resources, "resource"),
            words::count(explicit + inferred + missing, "dependency"),
            kinds.join(", ")
        ));
    }
}

/// One step of a circle.
#[derive(Debug, Serialize)]
struct StepView {
    from: String,
    to: String,
    kind: Kind,
}

/// A circle.
#[derive(Debug, Serialize)]
struct CycleView {
    path: Vec<String>,
    edges: Vec<StepView>,
}

/// A dependency on what is not there.
#[derive(Debug, Serialize)]
struct MissingView {
    address: String,
    depends_on: String,
}

/// What is wrong with dependencies.
#[derive(Debug, Serialize)]
pub struct CheckView {
    stack: String,
    stack_id: String,
    valid: bool,
    resources: usize,
    dependencies: usize,
    cycles: Vec<CycleView>,
    missing: Vec<MissingView>,
    /// Stacks that need each other by way of this one; first and last are the same.
    stack_cycle: Option<Vec<String>>,
    /// Stacks this one needs that are gone.
    missing_stacks: Vec<String>,
}

impl CheckView {
    /// Looks for it.
    pub fn new(deps: &StackDeps) -> Self {
        let graph = &deps.graph;
        let name = |at: usize| deps.names[at].clone();
        let step = |pair: &[usize]| {
            let (&from, &to) = (pair.first()?, pair.get(1)?);
            Some(StepView { from: name(from), to: name(to), kind: graph.edge(from, to)? })
        };
        let cycles: Vec<CycleView> = graph
            .circles()
            .iter()
            .map(|circle| CycleView {
                path: circle.0.iter().map(|&at| name(at)).collect(),
                edges: circle.0.windows(2).filter_map(step).collect(),
            })
            .collect();
        let missing: Vec<MissingView> = graph
            .missing()
            .iter()
            .map(|m| MissingView { address: name(m.from), depends_on: m.name.clone() })
            .collect();
        let all = &deps.all;
        let place = all.find(&deps.stack.name);
        let stack_cycle = place
            .and_then(|at| all.graph.circle_through(at))
            .map(|circle| circle.0.iter().map(|&at| all.names[at].clone()).collect::<Vec<_>>());
        let needed = place.map_or(&[][..], |at| all.graph.needs(at));
        let gone = needed.iter().filter(|e| e.to >= all.there).map(|e| all.names[e.to].clone());
        let own = (0..graph.len()).filter(|&at| graph.needs_itself(at)).count();
        Self {
            stack: deps.stack.name.clone(),
            stack_id: deps.stack.id.to_string(),
            valid: cycles.is_empty() && stack_cycle.is_none(),
            resources: graph.len(),
            dependencies: graph.edge_count() + own + missing.len(),
            cycles,
            missing,
            stack_cycle,
            missing_stacks: gone.collect(),
        }
    }
    /// Is there no circle?
    pub const fn is_valid(&self) -> bool {
        self.valid
    }
}

impl Human for CheckView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Dependency check: {}", self.stack));
        page.gap();
        if let Some(path) = &self.stack_cycle {
            let title = page.theme.bad("circle of stacks:");
            page.raw(&format!("{title} {}", escape::line(&upstreams::path(path))));
        }
        for name in &self.missing_stacks {
            let title = page.theme.warning("missing:");
            page.raw(&format!("{title} the stack depends on stack {}, which is gone", escape::line(name)));
        }
        page.gap();
        for cycle in &self.cycles {
            let first = cycle.path.first().map_or("", String::as_str);
            let title = page.theme.bad("circle:");
            page.raw(&format!("{title} {}", escape::line(first)));
            for edge in &cycle.edges {
                page.line(&format!("  → {} ({})", edge.to, edge.kind.as_str()));
            }
        }
        page.gap();
        for one in &self.missing {
            let title = page.theme.warning("missing:");
            let (from, to) = (escape::line(&one.address), escape::line(&one.depends_on));
            page.raw(&format!("{title} {from} depends on {to}, which is not in the stack"));
        }
        page.gap();
        let circles = match self.cycles.len() + usize::from(self.stack_cycle.is_some()) {
            0 => "no circle".to_owned(),
            many => words::count(many as u64, "circle"),
        };
        let missing = match self.missing.len() + self.missing_stacks.len() {
            0 => "nothing missing".to_owned(),
            many => format!("{many} missing"),
        };
        page.line(&format!(
            "{}, {}: {circles}, {missing}",
            words::count(self.resources as u64, "resource"),
            words::count(self.dependencies as u64, "dependency"),
        ));
    }
}

/// In which order resources are made.
#[derive(Debug, Serialize)]
pub struct OrderView {
    stack: String,
    stack_id: String,
    order: Vec<String>,
    groups: Vec<Vec<String>>,
}

impl OrderView {
    /// From indexes in order, and in groups.
    pub fn new(deps: &StackDeps, order: &[usize], groups: &[Vec<usize>]) -> Self {
        let named = |of: &[usize]| of.iter().map(|&at| deps.names[at].clone()).collect();
        Self {
            stack: deps.stack.name.clone(),
            stack_id: deps.stack.id.to_string(),
            order: named(order),
            groups: groups.iter().map(|group| named(group)).collect(),
        }
    }
}

impl Human for OrderView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Order of stack: {}", self.stack));
        ordered(page, &self.order, &self.groups, "resource");
    }
}

fn ordered(page: &mut Page, order: &[String], groups: &[Vec<String>], what: &str) {
    page.gap();
    let width = order.len().to_string().len();
    for (at, name) in order.iter().enumerate() {
        page.line(&format!("{:>width$}. {name}", at + 1));
    }
    if !groups.is_empty() {
        page.heading("Groups that may run in parallel");
        page.gap();
    }
    for (at, group) in groups.iter().enumerate() {
        page.line(&format!("Group {} ({})", at + 1, words::len(group, what)));
        for name in group {
            page.line(&format!("  {name}"));
        }
    }
    page.gap();
    page.line(&format!("Total: {} in {}", words::len(order, what), words::len(groups, "group")));
}

/// In which order stacks are run.
#[derive(Debug, Serialize)]
pub struct StackOrderView {
    order: Vec<String>,
    groups: Vec<Vec<String>>,
}

impl StackOrderView {
    /// From indexes in order, and in groups.
    pub fn new(names: &[String], order: &[usize], groups: &[Vec<usize>]) -> Self {
        let named = |of: &[usize]| of.iter().map(|&at| names[at].clone()).collect();
        Self { order: named(order), groups: groups.iter().map(|group| named(group)).collect() }
    }
}

impl Human for StackOrderView {
    fn human(&self, page: &mut Page) {
        page.heading("Execution order");
        ordered(page, &self.order, &self.groups, "stack");
    }
}

/// One node.
#[derive(Debug, Serialize)]
struct NodeView {
    address: String,
    missing: bool,
}

/// One edge.
#[derive(Debug, Serialize)]
struct EdgeView {
    from: String,
    to: String,
    kind: &'static str,
    cycle: bool,
}

/// What is drawn: a tree for people, nodes and edges for programs.
#[derive(Debug, Serialize)]
pub struct GraphView<'a> {
    stack: String,
    stack_id: String,
    nodes: Vec<NodeView>,
    edges: Vec<EdgeView>,
    #[serde(skip)]
    drawing: &'a Drawing,
}

impl<'a> GraphView<'a> {
    /// From a drawing.
    pub fn new(stack: &Stack, drawing: &'a Drawing) -> Self {
        let name = |at: usize| drawing.nodes[at].name.clone();
        let edges = drawing.edges.iter().map(|e| EdgeView {
            from: name(e.from),
            to: name(e.to),
            kind: e.line.as_str(),
            cycle: e.circle,
        });
        let nodes = drawing.nodes.iter().map(|n| NodeView { address: n.name.clone(), missing: n.missing });
        Self {
            stack: stack.name.clone(),
            stack_id: stack.id.to_string(),
            nodes: nodes.collect(),
            edges: edges.collect(),
            drawing,
        }
    }
}

impl Human for GraphView<'_> {
    fn human(&self, page: &mut Page) {
        tree::draw(self.drawing).lines().for_each(|line| page.raw(line));
    }
}
