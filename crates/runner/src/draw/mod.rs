//! Pictures of dependencies, drawn by the program itself: from what resources need to text, SVG and PNG.

pub mod dot;
pub mod layout;
pub mod mermaid;
pub mod png;
pub mod svg;
pub mod tree;

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::deps::{Circle, Kind};
use sloth_engine::upstreams::StackGraph;

use crate::views::deps::StackDeps;

/// What an edge looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Named in `depends_on`.
    Explicit,
    /// Seen in the paths.
    Inferred,
    /// To what is not there.
    Missing,
}

impl Line {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Inferred => "inferred",
            Self::Missing => "missing",
        }
    }
}

/// A resource, or a name nobody has.
#[derive(Clone, Debug)]
pub struct Node {
    /// Address, or the name as written. It is not escaped.
    pub name: String,
    /// Is there no such resource?
    pub missing: bool,
}

/// One dependency.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Who depends.
    pub from: usize,
    /// On what.
    pub to: usize,
    /// How it is known.
    pub line: Line,
    /// Is it a part of a circle that is told?
    pub circle: bool,
}

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// The stack's name.
    pub stack: String,
    /// Resources, and after them the names that are missing.
    pub nodes: Vec<Node>,
    /// By who depends.
    pub edges: Vec<Edge>,
    /// Nodes, each after what it depends on, except in circles.
    pub order: Vec<usize>,
}

impl Drawing {
    /// All resources of a stack.
    pub fn new(deps: &StackDeps) -> Self {
        let graph = &deps.graph;
        let mut nodes: Vec<Node> =
            deps.names.iter().map(|name| Node { name: name.clone(), missing: false }).collect();
        let mut around: BTreeSet<(usize, usize)> = BTreeSet::new();
        for Circle(path) in graph.circles() {
            around.extend(path.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))));
        }
        let mut edges = Vec::new();
        let mut edge = |from, to, line| {
            edges.push(Edge { from, to, line, circle: around.contains(&(from, to)) });
        };
        for at in 0..graph.len() {
            if graph.needs_itself(at) {
                edge(at, at, Line::Explicit);
            }
            for end in graph.needs(at) {
                let line = if end.kind == Kind::Explicit { Line::Explicit } else { Line::Inferred };
                edge(at, end.to, line);
            }
        }
        let mut gone: BTreeMap<&str, usize> = BTreeMap::new();
        for one in graph.missing() {
            let to = *gone.entry(&one.name).or_insert_with(|| {
                nodes.push(Node { name: one.name.clone(), missing: true });
                nodes.len() - 1
            });
            edge(one.from, to, Line::Missing);
        }
        edges.sort_by_key(|e| e.from);
        let order = (graph.len()..nodes.len()).chain(graph.creation_order()).collect();
        Self { stack: deps.stack.name.clone(), nodes, edges, order }
    }
}

impl Drawing {
    /// A stack, what it needs and what needs it, by way of others too.
    pub fn of_stacks(all: &StackGraph, stack: usize) -> Self {
        let shown = all.around(stack);
        let place: BTreeMap<usize, usize> =
            shown.iter().enumerate().map(|(place, &at)| (at, place)).collect();
        let nodes: Vec<Node> =
            shown.iter().map(|&at| Node { name: all.names[at].clone(), missing: at >= all.there }).collect();
        let mut around: BTreeSet<(usize, usize)> = BTreeSet::new();
        for Circle(path) in all.graph.circles() {
            around.extend(path.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))));
        }
        let mut edges = Vec::new();
        for &at in &shown {
            for end in all.graph.needs(at) {
                let Some(&to) = place.get(&end.to) else { continue };
                let line = match end.kind {
                    _ if end.to >= all.there => Line::Missing,
                    Kind::Explicit => Line::Explicit,
                    Kind::Inferred => Line::Inferred,
                };
                edges.push(Edge { from: place[&at], to, line, circle: around.contains(&(at, end.to)) });
            }
        }
        let order = all.graph.creation_order().into_iter().filter_map(|at| place.get(&at).copied()).collect();
        Self { stack: all.names[stack].clone(), nodes, edges, order }
    }
}

/// Drawings for tests.
#[cfg(test)]
pub mod samples {
    use super::{Drawing, Edge, Line, Node};

    /// Nodes with these names, and edges `(from, to)`; `order` is that of the names.
    pub fn drawing(names: &[&str], edges: &[(usize, usize)]) -> Drawing {
        Drawing {
            stack: "sample".to_owned(),
            nodes: names.iter().map(|n| Node { name: (*n).to_owned(), missing: false }).collect(),
            edges: edges
                .iter()
                .map(|&(from, to)| Edge { from, to, line: Line::Explicit, circle: false })
                .collect(),
            order: (0..names.len()).collect(),
        }
    }

    /// Names nobody should have.
    pub const HOSTILE: [&str; 8] = [
        "t:\"quoted\" & 'single'",
        "t:<script>alert(1)</script>",
        "t:a\nb\r\tc\\n\\",
        "t:emoji 🦥 漢字",
        "t:`1. list`;#35;&lt;end",
        "t:]]>-->\u{1b}[31m\u{0}\u{202e}",
        "t:\u{fffe}\u{ffff}%%{init}%%",
        "t:a very long name that goes on and on and on and on and on and on and on and on and on",
    ];
}
