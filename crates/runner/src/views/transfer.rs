//! Stacks as `stack export` writes them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sloth_core::digest::{Blob, Digest};
use sloth_core::output::Output;
use sloth_core::recorded::Recorded;
use sloth_core::stack::Stack;
use sloth_core::upstream::Upstream;
use sloth_core::value::{Map, Value};
use sloth_core::version::Version;
use sloth_engine::transfer::Carried;

use crate::interchange::tfstate;
use crate::out::{Human, Page, words};

/// What an import comes to.
pub enum Becomes {
    /// A new stack; none while nothing is changed.
    New { made: Option<Stack> },
    /// A version of a stack that is there; none while nothing is changed.
    Newer { stack: Stack, version: Option<Version> },
    /// The stack holds it already.
    Same { stack: Stack },
}

/// What becomes of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Made,
    Replaced,
    Unchanged,
}

/// What an import made, or would make.
#[derive(Debug, Serialize)]
pub struct ImportedView {
    stack: String,
    stack_id: Option<String>,
    outcome: Outcome,
    version: Option<u64>,
    dry_run: bool,
    from: String,
    from_version: u64,
    resources: usize,
    outputs: usize,
    sensitive: usize,
    contents: usize,
    notes: Vec<String>,
}

impl ImportedView {
    /// What `carried` becomes under a name: of a new stack, of one that is there, or nothing new.
    pub fn new(carried: &Carried, name: &str, becomes: &Becomes, dry_run: bool, notes: &[String]) -> Self {
        let secret = carried.resources.iter().filter(|r| r.options.sensitive).count()
            + carried.outputs.iter().filter(|o| o.sensitive).count();
        let (id, version, outcome) = match becomes {
            Becomes::New { made } => (made.as_ref().map(|stack| stack.id.to_string()), None, Outcome::Made),
            Becomes::Newer { stack, version } => (Some(stack.id.to_string()), *version, Outcome::Replaced),
            Becomes::Same { stack } => (Some(stack.id.to_string()), Some(stack.head), Outcome::Unchanged),
        };
        Self {
            stack: name.to_owned(),
            stack_id: id,
            outcome,
            version: version.map(|version| version.0),
            dry_run,
            from: carried.name.clone(),
            from_version: carried.version.0,
            resources: carried.resources.len(),
            outputs: carried.outputs.len(),
            sensitive: secret,
            contents: carried.contents.len(),
            notes: notes.to_vec(),
        }
    }
}

impl Human for ImportedView {
    fn human(&self, page: &mut Page) {
        let count = |n: usize, what: &str| words::count(n as u64, what);
        let (resources, outputs) = (count(self.resources, "resource"), count(self.outputs, "output"));
        let what = match self.contents {
            0 => format!("{resources} and {outputs}"),
            n => format!("{resources}, {outputs} and {}", count(n, "content")),
        };
        let what = format!("{what} of `{}` at {}", self.from, Version(self.from_version));
        let version = self.version.map_or_else(|| "a new version".to_owned(), |n| Version(n).to_string());
        let stack = &self.stack;
        page.line(&match (self.outcome, self.dry_run) {
            (Outcome::Unchanged, _) => {
                format!("stack `{stack}` holds {what} already, at {version}; nothing was changed")
            }
            (Outcome::Replaced, true) => {
                format!("{what} would become {version} of stack `{stack}`; nothing was changed")
            }
            (Outcome::Replaced, false) => {
                format!("{what} became {version} of stack `{stack}`; `sloth-runner undo` takes it back")
            }
            (Outcome::Made, true) => format!("stack `{stack}` would be made of {what}; nothing was changed"),
            (Outcome::Made, false) => {
                format!("stack `{stack}` made of {what}; `sloth-runner undo` takes it back")
            }
        });
        if self.sensitive > 0 && self.outcome != Outcome::Unchanged {
            let verb = if self.sensitive == 1 { "is" } else { "are" };
            page.line(&format!("{} of them {verb} sensitive", self.sensitive));
        }
    }
}

/// Format of [`Document`].
const FORMAT: &str = "sloth-runner-stack/1";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    stack: Head,
    version: u64,
    resources: Vec<Recorded>,
    outputs: Vec<Output>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    upstreams: Vec<Upstream>,
    /// Base64, by digest.
    contents: BTreeMap<Digest, String>,
    missing_contents: Vec<Digest>,
    /// Of everything else, in canonical form.
    digest: Digest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: String,
    description: String,
    version: String,
    workflow_file: Option<String>,
    configuration: Map,
    metadata: Map,
}

fn digest_of(whole: &Value) -> Digest {
    let mut rest = whole.clone();
    if let Value::Object(map) = &mut rest {
        map.remove("digest");
    }
    Digest::of_value(&rest)
}

/// The text of a file.
///
/// # Errors
/// Something in it cannot be written as JSON.
pub fn write(carried: Carried) -> Result<String, serde_json::Error> {
    let document = Document {
        format: FORMAT.to_owned(),
        stack: Head {
            name: carried.name,
            description: carried.description,
            version: carried.version_label,
            workflow_file: carried.workflow_file,
            configuration: carried.configuration,
            metadata: carried.metadata,
        },
        version: carried.version.0,
        resources: carried.resources,
        outputs: carried.outputs,
        upstreams: carried.upstreams,
        contents: carried.contents.iter().map(|b| (b.digest(), STANDARD.encode(b.bytes()))).collect(),
        missing_contents: carried.missing,
        digest: Digest::ZERO,
    };
    let mut whole = serde_json::to_value(&document)?;
    whole["digest"] = serde_json::to_value(digest_of(&whole))?;
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

/// Reads such a text.
///
/// # Errors
/// Says what is wrong with it.
pub fn read(text: &str) -> Result<Carried, String> {
    let whole: Value = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
    match whole.get("format").and_then(Value::as_str) {
        Some(FORMAT) => {}
        Some(other) => return Err(format!("it has format `{other}`, which is not `{FORMAT}`")),
        None => return Err(format!("it has no `format`, which would be `{FORMAT}`")),
    }
    let digest = digest_of(&whole);
    let this: Document = serde_json::from_value(whole).map_err(|e| e.to_string())?;
    if this.digest != digest {
        return Err("it was changed after it was written".to_owned());
    }
    let mut contents = Vec::with_capacity(this.contents.len());
    for (digest, text) in this.contents {
        let bytes = STANDARD.decode(text).map_err(|e| format!("the content {}: {e}", digest.short()))?;
        let blob = Blob::new(bytes);
        if blob.digest() != digest {
            return Err(format!("the content {} is another one", digest.short()));
        }
        contents.push(blob);
    }
    let mut metadata = this.stack.metadata;
    tfstate::count_on(&mut metadata, Version(this.version));
    Ok(Carried {
        name: this.stack.name,
        description: this.stack.description,
        version_label: this.stack.version,
        workflow_file: this.stack.workflow_file,
        configuration: this.stack.configuration,
        metadata,
        version: Version(this.version),
        resources: this.resources,
        outputs: this.outputs,
        upstreams: this.upstreams,
        contents,
        missing: this.missing_contents,
    })
}
