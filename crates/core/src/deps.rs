//! What recorded resources need of each other: edges, circles with their path, order, and what may run in parallel.
//!
//! A resource needs what its `depends_on` names, the nearest managed directory above its path, when it lives inside a file
//! (`line:/etc/hosts#key`) that file, and what its wish names as [`LINKS`] says. Everything here takes time near to linear in resources and edges, except
//! [`Dependencies::circles`] in a stack that is full of circles.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::address::Address;
use crate::recorded::Recorded;
use crate::value::Value;

/// How an edge is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Named in `depends_on`.
    Explicit,
    /// Seen in the paths, or in what the wish names.
    Inferred,
}

impl Kind {
    /// The word printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Inferred => "inferred",
        }
    }
}

/// A field of a wish that names another resource on the same host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Type of the resource whose wish it is.
    pub kind: &'static str,
    /// Field with a name, or with a list of names.
    pub field: &'static str,
    /// Type of the resources that are named.
    pub to: &'static str,
}

/// What the wishes of each type name, by type and field. A new type adds its lines here.
pub const LINKS: &[Link] = &[
    Link { kind: "file", field: "group", to: "group" },
    Link { kind: "file", field: "owner", to: "user" },
    Link { kind: "user", field: "group", to: "group" },
    Link { kind: "user", field: "groups", to: "group" },
];

/// A resource as far as dependencies go.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Which.
    pub address: &'a Address,
    /// What it says it needs.
    pub depends_on: &'a [String],
    /// Its wish.
    pub spec: &'a Value,
}

impl<'a> Node<'a> {
    /// Of a record.
    #[must_use]
    pub fn of(recorded: &'a Recorded) -> Self {
        Self { address: &recorded.address, depends_on: &recorded.options.depends_on, spec: &recorded.spec }
    }

    /// Addresses that its wish names.
    fn linked(&self) -> impl Iterator<Item = Address> + '_ {
        LINKS.iter().filter(|link| link.kind == self.address.kind()).flat_map(|link| {
            let names: Vec<&str> = match self.spec.get(link.field) {
                Some(Value::String(name)) => vec![name],
                Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            names.into_iter().map(|name| Address::new(self.address.host().clone(), link.to, name))
        })
    }
}

/// The other end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the other resource.
    pub to: usize,
    /// How it is known.
    pub kind: Kind,
}

/// A name in `depends_on` that no resource of the stack has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Index of the resource that names it.
    pub from: usize,
    /// As written.
    pub name: String,
}

/// A way from a resource along what it needs and back to itself; first and last are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle(pub Vec<usize>);

/// Resources by index, in the order in which they were given, and what each needs.
#[derive(Clone, Debug)]
pub struct Dependencies {
    needs: Vec<Vec<Edge>>,
    needed_by: Vec<Vec<Edge>>,
    missing: Vec<Missing>,
    own: BTreeSet<usize>,
}

impl Dependencies {
    /// Finds the edges among resources. An edge that is both named and seen counts as named; what a wish names is no edge
    /// when the other end says that it is the other way round.
    #[must_use]
    pub fn build(items: &[Node<'_>]) -> Self {
        let index: HashMap<String, usize> =
            items.iter().enumerate().map(|(at, node)| (node.address.to_string(), at)).collect();
        let paths: HashMap<(&str, &str), usize> = items
            .iter()
            .enumerate()
            .filter(|(_, node)| node.address.kind() == "file")
            .map(|(at, node)| ((node.address.host().as_str(), node.address.id()), at))
            .collect();
        let mut found = Self {
            needs: vec![Vec::new(); items.len()],
            needed_by: vec![Vec::new(); items.len()],
            missing: Vec::new(),
            own: BTreeSet::new(),
        };
        for (at, node) in items.iter().enumerate() {
            let mut seen = BTreeSet::new();
            let mut unknown = BTreeSet::new();
            let mut edges = Vec::new();
            for name in node.depends_on {
                match index.get(name) {
                    Some(&to) => edges.push(Edge { to, kind: Kind::Explicit }),
                    None if unknown.insert(name) => {
                        found.missing.push(Missing { from: at, name: name.clone() });
                    }
                    None => {}
                }
            }
            edges.extend(container(node.address, &paths).map(|to| Edge { to, kind: Kind::Inferred }));
            let mut own_name = None;
            for address in node.linked() {
                let Some(&to) = index.get(&address.to_string()).filter(|to| **to != at) else { continue };
                let own_name = own_name.get_or_insert_with(|| node.address.to_string());
                if !items[to].depends_on.contains(own_name) {
                    edges.push(Edge { to, kind: Kind::Inferred });
                }
            }
            for edge in edges {
                if edge.to == at {
                    found.own.insert(at);
                } else if seen.insert(edge.to) {
                    found.needs[at].push(edge);
                    found.needed_by[edge.to].push(Edge { to: at, kind: edge.kind });
                }
            }
        }
        found
    }

    /// From edges that are known already, each list without the same end twice. An edge back to itself is told apart.
    #[must_use]
    pub fn of_edges(needs: Vec<Vec<Edge>>) -> Self {
        let mut found = Self {
            needed_by: vec![Vec::new(); needs.len()],
            needs: vec![Vec::new(); needs.len()],
            missing: Vec::new(),
            own: BTreeSet::new(),
        };
        for (at, edges) in needs.into_iter().enumerate() {
            for edge in edges {
                if edge.to == at {
                    found.own.insert(at);
                } else {
                    found.needs[at].push(edge);
                    found.needed_by[edge.to].push(Edge { to: at, kind: edge.kind });
                }
            }
        }
        found
    }

    /// Number of resources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.needs.len()
    }
    /// No resources?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needs.is_empty()
    }
    /// What a resource needs directly, without itself: first what it names, then what is seen.
    #[must_use]
    pub fn needs(&self, resource: usize) -> &[Edge] {
        &self.needs[resource]
    }
    /// What needs a resource directly, in the order given.
    #[must_use]
    pub fn needed_by(&self, resource: usize) -> &[Edge] {
        &self.needed_by[resource]
    }
    /// Does a resource name itself?
    #[must_use]
    pub fn needs_itself(&self, resource: usize) -> bool {
        self.own.contains(&resource)
    }
    /// Names that belong to no resource, by the resource that names them.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }
    /// Number of edges, without those from a resource to itself.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.needs.iter().map(Vec::len).sum()
    }
    /// Resources that need no other.
    #[must_use]
    pub fn roots(&self) -> Vec<usize> {
        (0..self.len()).filter(|&at| self.needs[at].is_empty()).collect()
    }

    /// The resources sorted so that each comes after what it needs; otherwise the given order is kept. Where there is a
    /// circle, its first member comes before what it needs, and nothing outside the circle does.
    #[must_use]
    pub fn creation_order(&self) -> Vec<usize> {
        let knots = self.knots();
        let mut outside = vec![0usize; knots.members.len()];
        for (at, edges) in self.needs.iter().enumerate() {
            outside[knots.of[at]] += edges.iter().filter(|e| knots.of[e.to] != knots.of[at]).count();
        }
        let mut waits: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        let mut ready: BTreeSet<usize> = (0..self.len()).filter(|&at| waits[at] == 0).collect();
        // Members of circles that wait for nothing but each other.
        let mut stuck: BTreeSet<usize> = BTreeSet::new();
        for (knot, members) in knots.members.iter().enumerate() {
            if members.len() > 1 && outside[knot] == 0 {
                stuck.extend(members);
            }
        }
        let mut placed = vec![false; self.len()];
        let mut order = Vec::with_capacity(self.len());
        while let Some(next) = ready.pop_first().or_else(|| stuck.pop_first()) {
            if std::mem::replace(&mut placed[next], true) {
                continue;
            }
            order.push(next);
            for after in &self.needed_by[next] {
                waits[after.to] -= 1;
                if waits[after.to] == 0 {
                    ready.insert(after.to);
                }
                let knot = knots.of[after.to];
                if knot != knots.of[next] {
                    outside[knot] -= 1;
                    if outside[knot] == 0 && knots.members[knot].len() > 1 {
                        stuck.extend(&knots.members[knot]);
                    }
                }
            }
        }
        order
    }

    /// The resources sorted so that each comes after what it needs; otherwise the given order is kept.
    ///
    /// # Errors
    /// There is none, because of this circle.
    pub fn order(&self) -> Result<Vec<usize>, Circle> {
        match self.circles().into_iter().next() {
            Some(circle) => Err(circle),
            None => Ok(self.creation_order()),
        }
    }

    /// Groups whose members may run in parallel: each resource stands in the earliest group after all it needs.
    ///
    /// # Errors
    /// There are none, because of this circle.
    pub fn levels(&self) -> Result<Vec<Vec<usize>>, Circle> {
        let mut level = vec![0usize; self.len()];
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for at in self.order()? {
            level[at] = self.needs[at].iter().map(|e| level[e.to] + 1).max().unwrap_or(0);
            if groups.len() <= level[at] {
                groups.resize_with(level[at] + 1, Vec::new);
            }
            groups[level[at]].push(at);
        }
        for group in &mut groups {
            group.sort_unstable();
        }
        Ok(groups)
    }

    /// Circles, each a shortest one through its first resource, so many that every resource that is in a circle is in one
    /// of them.
    #[must_use]
    pub fn circles(&self) -> Vec<Circle> {
        let knots = self.knots();
        let mut covered = vec![false; self.len()];
        let mut all = Vec::new();
        for at in 0..self.len() {
            if self.own.contains(&at) {
                all.push(Circle(vec![at, at]));
            }
            if covered[at] || knots.members[knots.of[at]].len() < 2 {
                continue;
            }
            if let Some(path) = self.way_back(at, &knots.of) {
                for &member in &path {
                    covered[member] = true;
                }
                all.push(Circle(path));
            }
        }
        all
    }

    /// A shortest way from a resource back to itself.
    #[must_use]
    pub fn circle_through(&self, at: usize) -> Option<Circle> {
        if self.own.contains(&at) {
            return Some(Circle(vec![at, at]));
        }
        self.way_back(at, &self.knots().of).map(Circle)
    }

    /// The edge between two resources.
    #[must_use]
    pub fn edge(&self, from: usize, to: usize) -> Option<Kind> {
        if from == to && self.own.contains(&from) {
            return Some(Kind::Explicit);
        }
        self.needs[from].iter().find(|e| e.to == to).map(|e| e.kind)
    }

    fn way_back(&self, start: usize, knot: &[usize]) -> Option<Vec<usize>> {
        let mut came: HashMap<usize, usize> = HashMap::new();
        let mut todo = VecDeque::from([start]);
        while let Some(at) = todo.pop_front() {
            for edge in self.needs[at].iter().filter(|e| knot[e.to] == knot[start]) {
                if edge.to == start {
                    let mut path = vec![start, at];
                    while let Some(&before) = path.last().and_then(|last| came.get(last)) {
                        path.push(before);
                    }
                    path.reverse();
                    return Some(path);
                }
                if let Entry::Vacant(first) = came.entry(edge.to) {
                    first.insert(at);
                    todo.push_back(edge.to);
                }
            }
        }
        None
    }

    /// Tarjan's strongly connected components, with a stack of its own: a chain of resources may be very long.
    fn knots(&self) -> Knots {
        const NEW: usize = usize::MAX;
        let count = self.len();
        let mut number = vec![NEW; count];
        let mut low = vec![0usize; count];
        let mut of = vec![NEW; count];
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut next = 0;
        for start in 0..count {
            if number[start] != NEW {
                continue;
            }
            let mut walk: Vec<(usize, usize)> = vec![(start, 0)];
            while let Some((at, edge)) = walk.pop() {
                if edge == 0 {
                    number[at] = next;
                    low[at] = next;
                    next += 1;
                    open.push(at);
                }
                if let Some(to) = self.needs[at].get(edge).map(|e| e.to) {
                    walk.push((at, edge + 1));
                    if number[to] == NEW {
                        walk.push((to, 0));
                    } else if of[to] == NEW {
                        low[at] = low[at].min(number[to]);
                    }
                    continue;
                }
                if low[at] == number[at] {
                    let mut knot = Vec::new();
                    while let Some(member) = open.pop() {
                        of[member] = members.len();
                        knot.push(member);
                        if member == at {
                            break;
                        }
                    }
                    knot.sort_unstable();
                    members.push(knot);
                }
                if let Some(&(above, _)) = walk.last() {
                    low[above] = low[above].min(low[at]);
                }
            }
        }
        Knots { of, members }
    }
}

/// Resources that reach each other.
struct Knots {
    of: Vec<usize>,
    members: Vec<Vec<usize>>,
}

/// The file a resource lives in, or else the nearest managed directory above it.
fn container(address: &Address, paths: &HashMap<(&str, &str), usize>) -> Option<usize> {
    // `line:/etc/hosts#key` lives in `file:/etc/hosts`.
    let path = address.id().split('#').next().unwrap_or_default();
    if !path.starts_with('/') {
        return None;
    }
    let host = address.host().as_str();
    if address.kind() != "file"
        && let Some(&own) = paths.get(&(host, path))
    {
        return Some(own);
    }
    let mut rest = path;
    while let Some(at) = rest.rfind('/') {
        rest = &rest[..at];
        if rest.is_empty() {
            return None;
        }
        if let Some(&found) = paths.get(&(host, rest)) {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `(address, depends_on)` pairs as they are written.
    fn graph(items: &[(&str, &[&str])]) -> Dependencies {
        let owned: Vec<(Address, Vec<String>)> = items
            .iter()
            .map(|(a, d)| (a.parse().unwrap(), d.iter().map(|d| (*d).to_owned()).collect()))
            .collect();
        of(&owned)
    }

    fn of(owned: &[(Address, Vec<String>)]) -> Dependencies {
        let items: Vec<Node<'_>> = owned
            .iter()
            .map(|(address, depends_on)| Node { address, depends_on, spec: &Value::Null })
            .collect();
        Dependencies::build(&items)
    }

    #[test]
    fn parents_and_named_dependencies_come_first_and_a_circle_does_not_hang() {
        let found = graph(&[
            ("thing:d", &["line:/srv/a/x#k"]),
            ("line:/srv/a/x#k", &[]),
            ("file:/srv/a/x", &[]),
            ("file:/srv", &[]),
        ]);
        assert_eq!(found.creation_order(), [3, 2, 1, 0]);
        assert_eq!(graph(&[("thing:a", &["thing:b"]), ("thing:b", &["thing:a"])]).creation_order().len(), 2);
    }

    #[test]
    fn what_a_wish_names_is_needed() {
        let of = |text: &str| text.parse::<Address>().unwrap();
        let owned: Vec<(Address, Vec<String>, Value)> = vec![
            (of("file:/srv/app"), vec![], serde_json::json!({ "owner": "deploy", "group": "web" })),
            (of("user:deploy"), vec![], serde_json::json!({ "group": "web", "groups": ["docker", "gone"] })),
            (of("group:web"), vec![], Value::Null),
            (of("group:docker"), vec!["user:deploy".to_owned()], Value::Null),
            (of("web1/user:deploy"), vec![], Value::Null),
            (of("file:/root"), vec![], serde_json::json!({ "owner": "root", "group": 0 })),
            // A hand-made type may use the same words for something else.
            (of("app:shop"), vec![], serde_json::json!({ "owner": "deploy" })),
        ];
        let items: Vec<Node<'_>> =
            owned.iter().map(|(address, depends_on, spec)| Node { address, depends_on, spec }).collect();
        let found = Dependencies::build(&items);
        let inferred = |to| Edge { to, kind: Kind::Inferred };
        assert_eq!(found.needs(0), [inferred(2), inferred(1)]);
        assert_eq!(found.needs(1), [inferred(2)], "the docker group says that it needs the user");
        assert!(found.needs(5).is_empty() && found.needs(6).is_empty());
        assert!(found.missing().is_empty() && found.circles().is_empty());
        assert_eq!(found.creation_order(), [2, 1, 0, 3, 4, 5, 6]);
    }

    #[test]
    fn edges_are_named_or_seen_in_paths() {
        let found = graph(&[
            ("file:/srv", &[]),
            ("file:/srv/a/b", &["thing:x", "thing:gone", "thing:gone"]),
            ("line:/srv/a/b#key", &["file:/srv/a/b"]),
            ("block:/srv/a/b#key", &[]),
            ("thing:x", &["thing:x"]),
            ("web1/file:/srv/a", &[]),
        ]);
        let (explicit, inferred) = (Kind::Explicit, Kind::Inferred);
        assert_eq!(found.needs(1), [Edge { to: 4, kind: explicit }, Edge { to: 0, kind: inferred }]);
        assert_eq!(found.needs(2), [Edge { to: 1, kind: explicit }]);
        assert_eq!(found.needs(3), [Edge { to: 1, kind: inferred }]);
        assert_eq!(found.needed_by(1), [Edge { to: 2, kind: explicit }, Edge { to: 3, kind: inferred }]);
        assert_eq!(found.missing(), [Missing { from: 1, name: "thing:gone".to_owned() }]);
        assert_eq!(found.roots(), [0, 4, 5]);
        assert!(found.needs_itself(4) && !found.needs_itself(1));
        assert_eq!((found.edge(4, 4), found.edge(0, 1)), (Some(explicit), None));
        assert_eq!(found.edge_count(), 4);
    }

    #[test]
    fn circles_come_with_their_whole_path() {
        let found = graph(&[
            ("t:out", &["t:a"]),
            ("t:a", &["t:b"]),
            ("t:b", &["t:c"]),
            ("t:c", &["t:a"]),
            ("t:own", &["t:own"]),
            ("file:/d", &["file:/d/x"]),
            ("file:/d/x", &[]),
        ]);
        let paths: Vec<Vec<usize>> = found.circles().into_iter().map(|c| c.0).collect();
        assert_eq!(paths, [vec![1, 2, 3, 1], vec![4, 4], vec![5, 6, 5]]);
        assert_eq!(found.order(), Err(Circle(vec![1, 2, 3, 1])));
        assert_eq!(found.levels(), Err(Circle(vec![1, 2, 3, 1])));
    }

    #[test]
    fn what_only_waits_for_a_circle_does_not_break_it() {
        let found = graph(&[("t:out", &["t:a"]), ("t:a", &["t:b"]), ("t:b", &["t:a"])]);
        assert_eq!(found.creation_order(), [1, 0, 2]);
    }

    #[test]
    fn levels_are_as_early_as_can_be() {
        let found = graph(&[("t:a", &["t:b", "t:c"]), ("t:b", &["t:c"]), ("t:c", &[]), ("t:d", &[])]);
        assert_eq!(found.order().unwrap(), [2, 1, 0, 3]);
        assert_eq!(found.levels().unwrap(), [vec![2, 3], vec![1], vec![0]]);
        assert!(graph(&[]).levels().unwrap().is_empty());
    }

    #[test]
    fn a_long_chain_and_a_wide_circle_are_quick() {
        const MANY: usize = 50_000;
        let begun = std::time::Instant::now();
        let chain: Vec<(Address, Vec<String>)> = (0..MANY)
            .map(|i| (Address::local("t", i.to_string()), vec![format!("t:{}", (i + 1) % MANY)]))
            .collect();
        assert_eq!(of(&chain).circles().len(), 1);
        let levels = of(&chain[..MANY - 1]).levels().unwrap();
        assert_eq!(levels.len(), MANY - 1);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    /// Any graph of up to twelve resources; with `circles`, edges may go anywhere.
    fn any_graph(circles: bool) -> impl Strategy<Value = Dependencies> {
        proptest::collection::vec(proptest::collection::vec(0usize..12, 0..4), 0..12).prop_map(move |rows| {
            let owned: Vec<(Address, Vec<String>)> = rows
                .iter()
                .enumerate()
                // Needing later ones makes the right order differ from the given one.
                .map(|(at, needs)| {
                    let allowed = needs.iter().filter(|to| circles || **to > at);
                    (Address::local("t", at.to_string()), allowed.map(|to| format!("t:{to}")).collect())
                })
                .collect();
            of(&owned)
        })
    }

    /// Which resources each can reach, itself only around a circle.
    fn reach(graph: &Dependencies) -> Vec<BTreeSet<usize>> {
        let from = |at: usize| {
            let mut all = BTreeSet::new();
            let mut todo: Vec<usize> = graph.needs(at).iter().map(|e| e.to).collect();
            while let Some(next) = todo.pop() {
                if all.insert(next) {
                    todo.extend(graph.needs(next).iter().map(|e| e.to));
                }
            }
            all
        };
        (0..graph.len()).map(from).collect()
    }

    fn places(order: &[usize], len: usize) -> Vec<usize> {
        let mut place = vec![usize::MAX; len];
        for (i, &at) in order.iter().enumerate() {
            place[at] = i;
        }
        place
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]
        #[test]
        fn every_order_is_right(graph in any_graph(false)) {
            let order = graph.order().unwrap();
            let place = places(&order, graph.len());
            prop_assert!(order.len() == graph.len() && !place.contains(&usize::MAX));
            for at in 0..graph.len() {
                for edge in graph.needs(at) {
                    prop_assert!(place[edge.to] < place[at]);
                }
            }
        }
        #[test]
        fn levels_hold_everything_once_and_as_early_as_can_be(graph in any_graph(false)) {
            let levels = graph.levels().unwrap();
            let mut level = vec![usize::MAX; graph.len()];
            for (n, group) in levels.iter().enumerate() {
                prop_assert!(!group.is_empty());
                for &at in group {
                    prop_assert_eq!(std::mem::replace(&mut level[at], n), usize::MAX);
                }
            }
            for at in 0..graph.len() {
                let earliest = graph.needs(at).iter().map(|e| level[e.to] + 1).max().unwrap_or(0);
                prop_assert_eq!(level[at], earliest);
            }
        }
        #[test]
        fn circles_hold_exactly_what_reaches_itself(graph in any_graph(true)) {
            let reach = reach(&graph);
            let circles = graph.circles();
            let mut covered = BTreeSet::new();
            for Circle(path) in &circles {
                prop_assert!(path.len() >= 2 && path.first() == path.last());
                for pair in path.windows(2) {
                    prop_assert!(graph.edge(pair[0], pair[1]).is_some());
                }
                let inner: BTreeSet<usize> = path[1..].iter().copied().collect();
                prop_assert_eq!(inner.len(), path.len() - 1);
                covered.extend(inner);
            }
            let expected = (0..graph.len()).filter(|&at| reach[at].contains(&at) || graph.needs_itself(at));
            prop_assert_eq!(covered, expected.collect::<BTreeSet<usize>>());
            prop_assert_eq!(graph.order().is_ok(), circles.is_empty());
        }
        #[test]
        fn a_circle_disturbs_nothing_outside_it(graph in any_graph(true)) {
            let reach = reach(&graph);
            let place = places(&graph.creation_order(), graph.len());
            prop_assert!(!place.contains(&usize::MAX));
            for at in 0..graph.len() {
                for edge in graph.needs(at).iter().filter(|e| !reach[e.to].contains(&at)) {
                    prop_assert!(place[edge.to] < place[at]);
                }
            }
        }
    }
}
