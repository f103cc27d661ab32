//! SVG that stands alone: no scripts, no fonts or pictures from elsewhere.

use std::fmt::Write as _;

use super::layout::{Label, Layout, Look};

/// Size of the letters whose width is that of a cell.
const LETTERS: u32 = 20;
/// From the middle of a letter down to the line it stands on.
const BASELINE: f64 = 7.0;

/// Draws it.
pub fn draw(layout: &Layout) -> String {
    let (width, height) = (layout.width, layout.height);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <g font-family=\"monospace\" font-size=\"{LETTERS}\" fill=\"#1f2328\">\n"
    );
    for line in &layout.head {
        label(&mut text, line);
    }
    text.push_str("<g fill=\"none\">\n");
    for stroke in &layout.strokes {
        let points: Vec<String> = stroke.points.iter().map(|&p| point(p)).collect();
        let (color, width) = pen(stroke.look);
        let dashes = if stroke.look.dashed { " stroke-dasharray=\"8 6\"" } else { "" };
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" stroke=\"{color}\" stroke-width=\"{width}\"{dashes}/>",
            points.join(" ")
        );
    }
    text.push_str("</g>\n");
    for arrow in &layout.arrows {
        let points: Vec<String> = arrow.corners.iter().map(|&p| point(p)).collect();
        let _ = writeln!(text, "<polygon points=\"{}\" fill=\"{}\"/>", points.join(" "), pen(arrow.look).0);
    }
    for frame in &layout.frames {
        let dashes = if frame.missing { " stroke-dasharray=\"8 6\"" } else { "" };
        let _ = writeln!(
            text,
            "<g><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#f6f8fa\" \
             stroke=\"#1f2328\" stroke-width=\"2\"{dashes}/>",
            escaped(&frame.name),
            frame.x,
            frame.y,
            frame.width,
            frame.height
        );
        label(&mut text, &frame.label);
        text.push_str("</g>\n");
    }
    text.push_str("</g>\n</svg>\n");
    text
}

/// Colour and width.
const fn pen(look: Look) -> (&'static str, u32) {
    if look.circle { ("#cf222e", 4) } else { ("#57606a", 2) }
}

fn point((x, y): (f64, f64)) -> String {
    format!("{x:.1},{y:.1}")
}

/// The width is said, because each viewer has another monospace font.
fn label(text: &mut String, label: &Label) {
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\">{}</text>",
        label.x,
        label.y + BASELINE,
        label.width(),
        escaped(&label.text)
    );
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no way to write these.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::layout::place;
    use super::super::samples::{HOSTILE, drawing};
    use super::*;

    #[test]
    fn it_is_well_formed_whatever_the_names_are() {
        let text = draw(&place(&drawing(&HOSTILE, &[(1, 0), (2, 1), (7, 0)])));
        let mut open = Vec::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find('<') {
            let between = &rest[..at];
            assert!(!between.contains(['>', '"', '\'']), "{between:?}");
            for (amp, _) in between.match_indices('&') {
                let entity = between[amp..].split(';').next().unwrap();
                assert!(["&amp", "&lt", "&gt", "&quot", "&#39"].contains(&entity), "{entity}");
            }
            let (tag, after) = rest[at + 1..].split_once('>').unwrap();
            assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "{tag}");
            let name = tag.split([' ', '/']).find(|n| !n.is_empty()).unwrap();
            assert!(["svg", "rect", "g", "text", "title", "polyline", "polygon"].contains(&name), "{tag}");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
            rest = after;
        }
        assert!(open.is_empty() && rest.trim().is_empty());
        assert!(!text.contains(['\u{1b}', '\u{0}', '\u{202e}', '\u{fffe}', '\u{ffff}']));
        assert!(text.contains("&lt;script&gt;") && text.contains("emoji 🦥 漢字"));
    }

    #[test]
    fn kinds_and_circles_can_be_told_apart() {
        let mut sample = drawing(&["t:a", "t:b", "t:c"], &[(1, 0), (2, 1), (1, 1)]);
        sample.edges[1].line = super::super::Line::Inferred;
        sample.edges[2].circle = true;
        sample.nodes[0].missing = true;
        let text = draw(&place(&sample));
        assert!(text.contains("stroke=\"#cf222e\" stroke-width=\"4\"/>"), "{text}");
        assert_eq!(text.matches("stroke-dasharray").count(), 2, "{text}");
        assert!(text.contains(">t:a (missing)</text>") && text.contains("Dashed"), "{text}");
        assert_eq!(text.matches("<polygon").count(), 3, "{text}");
    }
}
