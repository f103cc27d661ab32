//! Text diffs of file contents: what the record names by digest is read from the content store, what is live is read
//! from its machine.

use crate::context::Context;
use crate::stacks::Comparison;
use sloth_core::diff::{AttributeDiff, Diff, unified};
use sloth_core::digest::{Blob, Digest};
use sloth_core::drift::{DriftStatus, Finding};
use sloth_core::store::{Store, StoreError};
use sloth_core::value::Value;

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

/// Findings that get text diffs; more of them nobody reads.
const MOST: usize = 50;

/// Adds a unified diff to each drifted content, live against recorded. What cannot be read stays as it is.
///
/// # Errors
/// The store failed.
pub fn explain_findings(ctx: &Context, findings: &mut [Finding]) -> Result<(), StoreError> {
    let drifted = |f: &&mut Finding| f.status == DriftStatus::Drifted && f.actual.is_some();
    for finding in findings.iter_mut().filter(drifted).take(MOST) {
        let address = &finding.address;
        let Some((machine, live)) = ctx.machine(address.host()).zip(finding.actual.as_ref()) else {
            continue;
        };
        if finding.diff.attributes().iter().all(|a| a.text.is_some() || content_of(a.to.as_ref()).is_none()) {
            continue;
        }
        let Ok(captured) = machine.capture(address.kind(), address.id(), live) else { continue };
        let mut explained = Diff::none();
        for attribute in finding.diff.attributes() {
            let mut attribute = attribute.clone();
            let now = content_of(attribute.from.as_ref());
            let now = now.and_then(|digest| captured.blobs.iter().find(|blob| blob.digest() == digest));
            if let (None, Some(now), Some(then)) =
                (&attribute.text, now, content(&*ctx.store, attribute.to.as_ref())?)
            {
                attribute.text = text(&attribute, address.id(), now, &then);
            }
            explained.push(attribute);
        }
        finding.diff = explained;
    }
    Ok(())
}

fn text(attribute: &AttributeDiff, name: &str, from: &Blob, to: &Blob) -> Option<String> {
    if attribute.secret { None } else { unified(from.bytes(), to.bytes(), name, name) }
}

fn content(store: &dyn Store, value: Option<&Value>) -> Result<Option<Blob>, StoreError> {
    content_of(value).map_or(Ok(None), |digest| store.blobs().get(&digest))
}

fn content_of(value: Option<&Value>) -> Option<Digest> {
    let text = value.and_then(Value::as_str)?;
    text.strip_prefix("sha256:").unwrap_or(text).parse().ok()
}
