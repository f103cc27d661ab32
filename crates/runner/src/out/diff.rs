//! Differences of one resource: attribute by attribute, file contents as unified text.

use sloth_core::diff::{AttributeDiff, Diff};

use super::page::Page;
use super::{escape, words};

/// Longest value shown on one line.
const VALUE_LIMIT: usize = 120;

/// Prints a difference below the line that names its resource.
pub fn print(page: &mut Page, indent: usize, diff: &Diff) {
    for attribute in diff.attributes() {
        print_attribute(page, indent, attribute);
    }
}

fn print_attribute(page: &mut Page, indent: usize, attribute: &AttributeDiff) {
    let pad = " ".repeat(indent);
    let name = escape::line(&attribute.name).into_owned();
    let replaces = if attribute.replaces { "  (cannot change in place)" } else { "" };
    if attribute.secret {
        page.raw(&format!("{pad}{name}: (sensitive){replaces}"));
        return;
    }
    if let Some(text) = &attribute.text {
        page.raw(&format!("{pad}{name}:{replaces}"));
        for line in text.lines() {
            let line = page.theme.diff_line(&escape::lines(line));
            page.raw(format!("{pad}  {line}").trim_end());
        }
        return;
    }
    let side = |value: Option<&sloth_core::value::Value>| {
        value.map_or_else(|| "(none)".to_owned(), |v| escape::line(&short(v)).into_owned())
    };
    let (from, to) = (side(attribute.from.as_ref()), side(attribute.to.as_ref()));
    let text = if attribute.from.is_none() { to } else { format!("{from} → {to}") };
    page.raw(&format!("{pad}{name}: {text}{replaces}"));
}

/// A value on one line; of a digest, as much as tells it apart.
fn short(value: &sloth_core::value::Value) -> String {
    match value.as_str().and_then(|text| text.parse::<sloth_core::digest::Digest>().ok()) {
        Some(digest) => digest.short(),
        None => words::short_value(value, VALUE_LIMIT),
    }
}
