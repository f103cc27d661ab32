//! A tree for the terminal: what needs nothing stands left, what needs it below it.

use super::{Drawing, Edge, Line};
use crate::out::escape;

/// A branch that is still to be drawn.
struct Branch<'d> {
    node: usize,
    edge: Option<&'d Edge>,
    /// What stands before its own branch sign.
    indent: String,
    last: bool,
}

/// Draws it. Each node has its branches once; where it stands again, it says so.
pub fn draw(drawing: &Drawing) -> String {
    let mut needed_by: Vec<Vec<&Edge>> = vec![Vec::new(); drawing.nodes.len()];
    let mut needs = vec![0usize; drawing.nodes.len()];
    for edge in &drawing.edges {
        needed_by[edge.to].push(edge);
        needs[edge.from] += 1;
    }
    let mut drawn = vec![false; drawing.nodes.len()];
    let mut text = String::new();
    let free = drawing.order.iter().filter(|&&at| needs[at] == 0);
    // What nothing free leads to is in a circle or behind one; the order has the circle first.
    for &root in free.chain(&drawing.order) {
        if drawn[root] {
            continue;
        }
        let mut todo = vec![Branch { node: root, edge: None, indent: String::new(), last: true }];
        while let Some(branch) = todo.pop() {
            let again = std::mem::replace(&mut drawn[branch.node], true);
            let below = &needed_by[branch.node];
            text.push_str(&line(drawing, &branch, again && !below.is_empty()));
            if again {
                continue;
            }
            let indent = match (branch.edge, branch.last) {
                (None, _) => String::new(),
                (Some(_), true) => branch.indent + "    ",
                (Some(_), false) => branch.indent + "│   ",
            };
            for (at, edge) in below.iter().enumerate().rev() {
                let (node, last) = (edge.from, at + 1 == below.len());
                todo.push(Branch { node, edge: Some(edge), indent: indent.clone(), last });
            }
        }
    }
    text
}

fn line(drawing: &Drawing, branch: &Branch<'_>, again: bool) -> String {
    let node = &drawing.nodes[branch.node];
    let mut notes: Vec<&str> = Vec::new();
    match branch.edge {
        // The node it hangs on says that it is missing.
        Some(edge) if edge.line != Line::Missing => notes.push(edge.line.as_str()),
        _ => {}
    }
    if branch.edge.is_some_and(|e| e.circle) {
        notes.push("circle");
    }
    if node.missing {
        notes.push("missing");
    }
    if again {
        notes.push("see above");
    }
    let sign = match (branch.edge, branch.last) {
        (None, _) => "",
        (Some(_), true) => "└── ",
        (Some(_), false) => "├── ",
    };
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!("{}{sign}{}{notes}\n", branch.indent, escape::line(&node.name))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{HOSTILE, drawing};
    use super::*;

    #[test]
    fn everything_stands_below_what_it_needs_and_is_opened_once() {
        let text = draw(&drawing(&["a", "b", "c", "d"], &[(1, 0), (2, 0), (2, 1), (3, 2)]));
        assert_eq!(
            text,
            "a\n├── b (explicit)\n│   └── c (explicit)\n│       └── d (explicit)\n└── c (explicit, see above)\n"
        );
    }

    #[test]
    fn circles_are_drawn_and_end() {
        let text = draw(&drawing(&["a", "b", "c"], &[(0, 1), (1, 0), (2, 1)]));
        assert_eq!(text, "a\n└── b (explicit)\n    ├── a (explicit, see above)\n    └── c (explicit)\n");
    }

    #[test]
    fn names_stay_on_their_line() {
        let text = draw(&drawing(&HOSTILE, &[]));
        assert_eq!(text.lines().count(), HOSTILE.len());
        assert!(!text.contains(['\u{1b}', '\u{0}', '\r', '\t', '\u{202e}']), "{text:?}");
    }
}
