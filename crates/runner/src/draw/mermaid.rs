//! Mermaid, as wikis and code forges show it.

use std::fmt::Write as _;

use super::{Drawing, Line};
use crate::out::escape;

/// Draws it. An arrow leads to what is needed.
pub fn draw(drawing: &Drawing) -> String {
    let mut text = String::from("flowchart RL\n");
    for (at, node) in drawing.nodes.iter().enumerate() {
        let _ = writeln!(text, "    n{at}[\"{}\"]", label(&node.name));
    }
    for edge in &drawing.edges {
        let arrow = match edge.line {
            Line::Explicit => "-->",
            Line::Inferred => "-.->",
            Line::Missing => "-.->|missing|",
        };
        let _ = writeln!(text, "    n{} {arrow} n{}", edge.from, edge.to);
    }
    let gone: Vec<String> = drawing
        .nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.missing)
        .map(|(at, _)| format!("n{at}"))
        .collect();
    if !gone.is_empty() {
        let _ = writeln!(text, "    classDef missing stroke-dasharray: 4 4");
        let _ = writeln!(text, "    class {} missing", gone.join(","));
    }
    let round: Vec<String> = drawing
        .edges
        .iter()
        .enumerate()
        .filter(|(_, edge)| edge.circle)
        .map(|(at, _)| at.to_string())
        .collect();
    if !round.is_empty() {
        let _ = writeln!(text, "    linkStyle {} stroke:#cf222e,stroke-width:3px", round.join(","));
    }
    text
}

/// Inside quotes mermaid still reads Markdown, HTML and its own words, so all that is not plain becomes a number.
fn label(name: &str) -> String {
    let mut out = String::new();
    for c in escape::line(name).chars() {
        if c.is_alphanumeric() || matches!(c, '/' | ':' | '.' | '-' | '_') {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
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
            "flowchart RL\n    n0[\"t:a\"]\n    n1[\"t:b\"]\n    n0 -.-> n1\n    n1 --> n0\n    n1 -.->|missing| n0\n    \
             classDef missing stroke-dasharray: 4 4\n    class n0 missing\n    \
             linkStyle 1 stroke:#cf222e,stroke-width:3px\n"
        );
    }

    #[test]
    fn nothing_in_a_name_is_read_as_anything_else() {
        let text = draw(&drawing(&HOSTILE, &[]));
        assert_eq!(text.lines().count(), HOSTILE.len() + 1);
        for line in text.lines().skip(1) {
            let inner = line.split_once("[\"").unwrap().1.strip_suffix("\"]").unwrap();
            assert!(!inner.contains(['"', '<', '>', '&', '`', ' ', '\\', '\u{1b}', '[', ']']), "{line}");
        }
        assert!(text.contains("t:#34;quoted#34;") && text.contains("#129445;"), "{text}");
    }
}
