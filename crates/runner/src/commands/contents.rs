//! Text diffs of file contents for comparisons: what the record names by digest is read from the content store.

use sloth_core::diff::{AttributeDiff, Diff, unified};
use sloth_core::digest::{Blob, Digest};
use sloth_core::store::{Store, StoreError};
use sloth_core::value::Value;
use sloth_engine::stacks::Comparison;

/// Adds a unified diff to each attribute whose two values are digests of kept contents.
///
/// # Errors
/// The store failed.
pub fn explain(store: &dyn Store, found: &mut Comparison) -> Result<(), StoreError> {
    for (address, diff) in &mut found.changed {
        let mut explained = Diff::none();
        for attribute in diff.attributes() {
            let mut attribute = attribute.clone();
            if let (Some(from), Some(to)) =
                (content(store, attribute.from.as_ref())?, content(store, attribute.to.as_ref())?)
            {
                attribute.text = text(&attribute, address.id(), &from, &to);
            }
            explained.push(attribute);
        }
        *diff = explained;
    }
    Ok(())
}

fn text(attribute: &AttributeDiff, name: &str, from: &Blob, to: &Blob) -> Option<String> {
    if attribute.secret { None } else { unified(from.bytes(), to.bytes(), name, name) }
}

fn content(store: &dyn Store, value: Option<&Value>) -> Result<Option<Blob>, StoreError> {
    let digest = value.and_then(Value::as_str).map(|t| t.strip_prefix("sha256:").unwrap_or(t));
    match digest.and_then(|t| t.parse::<Digest>().ok()) {
        Some(digest) => store.blobs().get(&digest),
        None => Ok(None),
    }
}
