//! The language of Graphviz, for those who have it.

use std::fmt::Write as _;

use super::{Drawing, Line};
use crate::out::escape;

/// Draws it. An arrow leads to what is needed.
pub fn draw(drawing: &Drawing) -> String {
    let mut text = format!("digraph {} {{\n    rankdir=RL;\n", quoted(&drawing.stack));
    text.push_str("    node [shape=box, fontname=\"monospace\"];\n");
    for (at, node) in drawing.nodes.iter().enumerate() {
        let style = if node.missing { ", style=dashed" } else { "" };
        let _ = writeln!(text, "    n{at} [label={}{style}];", quoted(&node.name));
    }
    for edge in &drawing.edges {
        let mut look = match edge.line {
            Line::Explicit => vec![],
            Line::Inferred => vec!["style=dashed"],
            Line::Missing => vec!["style=dotted", "label=\"missing\""],
        };
        if edge.circle {
            look.extend(["color=\"#cf222e\"", "penwidth=3"]);
        }
        let look = if look.is_empty() { String::new() } else { format!(" [{}]", look.join(", ")) };
        let _ = writeln!(text, "    n{} -> n{}{look};", edge.from, edge.to);
    }
    text.push_str("}\n");
    text
}

/// In labels Graphviz reads backslashes and HTML entities even between quotes.
fn quoted(name: &str) -> String {
    let plain = escape::line(name).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;");
    format!("\"{plain}\"")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{HOSTILE, drawing};
    use super::*;

    #[test]
    fn kinds_and_circles_can_be_told_apart() {
        let mut sample = drawing(&["t:a", "t:b"], &[(0, 1), (1, 0), (1, 0)]);
        sample.edges[0].line = Line::Inferred;
        sample.edges[1].circle = true;
        sample.edges[2].line = Line::Missing;
        sample.nodes[0].missing = true;
        assert_eq!(
            draw(&sample),
            "digraph \"sample\" {\n    rankdir=RL;\n    node [shape=box, fontname=\"monospace\"];\n    \
             n0 [label=\"t:a\", style=dashed];\n    n1 [label=\"t:b\"];\n    n0 -> n1 [style=dashed];\n    \
             n1 -> n0 [color=\"#cf222e\", penwidth=3];\n    n1 -> n0 [style=dotted, label=\"missing\"];\n}\n"
        );
    }

    #[test]
    fn no_name_ends_its_quotes() {
        let text = draw(&drawing(&HOSTILE, &[]));
        let labels: Vec<&str> =
            text.lines().filter_map(|l| l.trim().split_once("[label=")).map(|l| l.1).collect();
        assert_eq!(labels.len(), HOSTILE.len());
        for label in labels {
            let inner = label.strip_prefix('"').unwrap().strip_suffix("\"];").unwrap();
            let mut escaped = false;
            for c in inner.chars() {
                assert!(c != '"' || escaped, "{label}");
                escaped = c == '\\' && !escaped;
            }
            assert!(!escaped && !inner.contains('\u{1b}'), "{label}");
        }
    }
}
