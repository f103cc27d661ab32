//! The task graph: order, cycles with their path, and the set that is ready.

use std::collections::{BTreeMap, BTreeSet};

use crate::span::Span;
use crate::suggest::nearest;
use crate::workflow::Task;

/// Why tasks cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two tasks of one name.
    #[error("task `{name}` is declared twice, first at {first}")]
    Duplicate {
        /// Name.
        name: String,
        /// Earlier declaration.
        first: Span,
        /// Later declaration.
        span: Span,
    },
    /// A dependency nobody declared.
    #[error("task `{task}` depends on `{missing}`, which does not exist")]
    Unknown {
        /// The task.
        task: String,
        /// The name that is missing.
        missing: String,
        /// Nearest declared name.
        nearest: Option<String>,
        /// Where the dependency was written.
        span: Span,
    },
    /// A circle.
    #[error("tasks depend on each other in a circle: {}", path.join(" → "))]
    Cycle {
        /// The circle; first and last name are the same.
        path: Vec<String>,
        /// Where one of its dependencies was written.
        span: Span,
    },
}

impl GraphError {
    /// Where to look.
    #[must_use]
    pub const fn span(&self) -> &Span {
        match self {
            Self::Duplicate { span, .. } | Self::Unknown { span, .. } | Self::Cycle { span, .. } => span,
        }
    }
}

/// Tasks by index, with their dependencies resolved.
#[derive(Clone, Debug)]
pub struct TaskGraph {
    names: Vec<String>,
    needs: Vec<BTreeSet<usize>>,
    needed_by: Vec<BTreeSet<usize>>,
}

impl TaskGraph {
    /// Builds the graph.
    ///
    /// # Errors
    /// A name is used twice, a dependency is unknown, or there is a circle.
    pub fn build(tasks: &[Task]) -> Result<Self, GraphError> {
        let mut index: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, task) in tasks.iter().enumerate() {
            if let Some(first) = index.insert(&task.name, at) {
                return Err(GraphError::Duplicate {
                    name: task.name.clone(),
                    first: tasks[first].span.clone(),
                    span: task.span.clone(),
                });
            }
        }
        let mut needs = vec![BTreeSet::new(); tasks.len()];
        let mut needed_by = vec![BTreeSet::new(); tasks.len()];
        for (at, task) in tasks.iter().enumerate() {
            for dep in &task.depends_on {
                let Some(&on) = index.get(dep.name.as_str()) else {
                    return Err(GraphError::Unknown {
                        task: task.name.clone(),
                        missing: dep.name.clone(),
                        nearest: nearest(&dep.name, index.keys().copied()).map(str::to_owned),
                        span: dep.span.clone(),
                    });
                };
                needs[at].insert(on);
                needed_by[on].insert(at);
            }
        }
        let graph = Self { names: tasks.iter().map(|t| t.name.clone()).collect(), needs, needed_by };
        if let Some(path) = graph.cycle() {
            let span = tasks[path[0]]
                .depends_on
                .iter()
                .find(|d| path.get(1).is_some_and(|&n| d.name == tasks[n].name))
                .map_or_else(|| tasks[path[0]].span.clone(), |d| d.span.clone());
            return Err(GraphError::Cycle {
                path: path.iter().map(|&i| graph.names[i].clone()).collect(),
                span,
            });
        }
        Ok(graph)
    }

    /// Number of tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }
    /// No tasks?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
    /// Direct dependencies of a task.
    #[must_use]
    pub fn needs(&self, task: usize) -> &BTreeSet<usize> {
        &self.needs[task]
    }
    /// Tasks that need this one directly.
    #[must_use]
    pub fn needed_by(&self, task: usize) -> &BTreeSet<usize> {
        &self.needed_by[task]
    }
    /// Declaration order adjusted by dependencies: always the earliest declared task whose dependencies are done.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = self.needs.iter().map(BTreeSet::len).collect();
        let mut ready: BTreeSet<usize> = (0..self.len()).filter(|&i| missing[i] == 0).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(next) = ready.pop_first() {
            order.push(next);
            for &after in &self.needed_by[next] {
                missing[after] -= 1;
                if missing[after] == 0 {
                    ready.insert(after);
                }
            }
        }
        order
    }
    /// The tasks and everything they need, transitively.
    #[must_use]
    pub fn closure(&self, tasks: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut todo: Vec<usize> = tasks.into_iter().collect();
        let mut all = BTreeSet::new();
        while let Some(next) = todo.pop() {
            if all.insert(next) {
                todo.extend(&self.needs[next]);
            }
        }
        all
    }

    fn cycle(&self) -> Option<Vec<usize>> {
        let ordered: BTreeSet<usize> = self.order().into_iter().collect();
        let start = (0..self.len()).find(|i| !ordered.contains(i))?;
        // Every task left over needs another one left over, so walking must come round.
        let mut path = vec![start];
        loop {
            let last = *path.last()?;
            let next = *self.needs[last].iter().find(|n| !ordered.contains(n))?;
            if let Some(at) = path.iter().position(|&p| p == next) {
                let mut circle = path.split_off(at);
                circle.push(next);
                return Some(circle);
            }
            path.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::TaskRef;

    fn task(name: &str, line: u32, needs: &[&str]) -> Task {
        let span = Span::new("t.sloth", line);
        Task {
            name: name.to_owned(),
            description: String::new(),
            depends_on: needs.iter().map(|n| TaskRef { name: (*n).to_owned(), span: span.clone() }).collect(),
            tags: vec![],
            delegate_to: vec![],
            span,
        }
    }

    #[test]
    fn order_is_declaration_adjusted_by_dependencies() {
        let graph = TaskGraph::build(&[
            task("c", 1, &["a"]),
            task("a", 2, &[]),
            task("b", 3, &[]),
            task("d", 4, &["c"]),
        ])
        .unwrap();
        assert_eq!(graph.order(), vec![1, 0, 2, 3]);
        assert_eq!(graph.closure([3]), BTreeSet::from([0, 1, 3]));
    }

    #[test]
    fn a_cycle_is_reported_with_its_path_and_place() {
        let error = TaskGraph::build(&[
            task("x", 1, &[]),
            task("a", 2, &["b"]),
            task("b", 3, &["c"]),
            task("c", 4, &["a"]),
        ])
        .unwrap_err();
        assert_eq!(error.to_string(), "tasks depend on each other in a circle: a → b → c → a");
        assert_eq!(error.span().to_string(), "t.sloth:2");
        let own = TaskGraph::build(&[task("a", 2, &["a"])]).unwrap_err();
        assert_eq!(own.to_string(), "tasks depend on each other in a circle: a → a");
    }

    #[test]
    fn unknown_and_double_names_are_reported() {
        let error = TaskGraph::build(&[task("install", 1, &[]), task("b", 9, &["instal"])]).unwrap_err();
        assert_eq!(
            error,
            GraphError::Unknown {
                task: "b".into(),
                missing: "instal".into(),
                nearest: Some("install".into()),
                span: Span::new("t.sloth", 9)
            }
        );
        let twice = TaskGraph::build(&[task("a", 1, &[]), task("a", 2, &[])]).unwrap_err();
        assert_eq!(twice.to_string(), "task `a` is declared twice, first at t.sloth:1");
    }
}
