//! What `pulumi stack export` writes, formats 3 and 4.
//!
//! Secrets stay as Pulumi encrypted them, and what holds one is marked. Nothing is decrypted.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::clock::Timestamp;
use sloth_core::desired::Options;
use sloth_core::output::Output;
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::value::{Map, Value};
use sloth_core::version::Version;
use sloth_engine::transfer::Carried;

use super::json;
use super::{Broken, Fields, Foreign, address, registered};

/// Module of the records, and key of what the stack keeps of the export.
pub const PULUMI: &str = "pulumi";
/// Key of values that are not what they seem, and what it says of secrets.
const SIGNATURE: &str = "4dabf18193072939515e22adb298388d";
const SECRET: &str = "1b47061264138c4ac30d75fd1eb44270";
/// Type of the resource that holds the outputs of a stack.
const ROOT: &str = "pulumi:pulumi:Stack";
/// What a format 4 may use and this program understands well enough to take over.
const FEATURES: &[&str] = &["hooks", "refreshBeforeUpdate", "replaceWith", "taint", "views"];

/// Reads an export.
///
/// # Errors
/// Says where it is not an export that can be taken over.
pub fn read(text: &str, now: Timestamp) -> Result<Foreign, Broken> {
    let read = json::read(text)?;
    let top = Fields::of(&read.value, "")?;
    check_version(&top)?;
    let Some(deployment) = top.get("deployment") else {
        return Err(Broken::new(
            "deployment",
            "it is missing: this is not what `pulumi stack export` writes",
        ));
    };
    let deployment = Fields::of(deployment, "deployment")?;
    if deployment.object("manifest")?.is_none() {
        return Err(Broken::new("deployment.manifest", "it is missing"));
    }
    let pending = pending(&deployment)?;
    let mut notes = Vec::new();
    let mut found = Resources::default();
    for (n, value) in deployment.list("resources")?.iter().enumerate() {
        let place = format!("deployment.resources[{n}]");
        let spelled = read.within(&format!("/deployment/resources/{n}"));
        found.take(&place, value, spelled, &pending, now)?;
    }
    for (urn, what) in pending.iter().filter(|(urn, _)| !found.known.contains_key::<str>(urn)) {
        notes.push(format!(
            "`{what}` of `{urn}` was going on; whether it was made is unknown, and it is left out"
        ));
    }
    let mut kept = Map::new();
    for (key, value) in [("version", top.get("version")), ("features", top.get("features"))] {
        kept.extend(value.map(|value| (key.to_owned(), value.clone())));
    }
    for (key, value) in deployment.map.iter().filter(|(key, _)| *key != "resources") {
        kept.insert(key.clone(), value.clone());
    }
    let name = found.stack.unwrap_or_else(|| "pulumi".to_owned());
    let carried = Carried {
        description: format!("Pulumi stack `{name}`"),
        name,
        version_label: String::new(),
        workflow_file: None,
        configuration: Map::new(),
        metadata: Map::from_iter([(PULUMI.to_owned(), Value::Object(kept))]),
        version: Version(1),
        resources: found.records,
        outputs: found.outputs,
        upstreams: Vec::new(),
        contents: Vec::new(),
        missing: Vec::new(),
    };
    Ok(Foreign { carried, notes })
}

fn check_version(top: &Fields<'_, '_>) -> Result<(), Broken> {
    if top.map.contains_key("checkpoint") {
        let what = "this is a file of a Pulumi backend, not an export";
        return Err(Broken::new("checkpoint", what)
            .hint("write an export with `pulumi stack export --file export.json`"));
    }
    match top.number("version")? {
        3 | 4 => {}
        n => return Err(Broken::new("version", format!("the export has format {n}, and 3 and 4 are read"))),
    }
    let unknown = top.texts("features")?.into_iter().find(|feature| !FEATURES.contains(feature));
    match unknown {
        Some(feature) => Err(Broken::new("features", format!("`{feature}` is not understood"))),
        None => Ok(()),
    }
}

/// What was going on when the deployment was written, by URN.
fn pending<'v>(deployment: &Fields<'v, '_>) -> Result<BTreeMap<&'v str, &'v str>, Broken> {
    let mut pending = BTreeMap::new();
    for (n, value) in deployment.list("pending_operations")?.iter().enumerate() {
        let place = format!("deployment.pending_operations[{n}]");
        let fields = Fields::of(value, &place)?;
        let what = fields.text("type")?;
        let place = format!("{place}.resource");
        let resource = fields.get("resource").unwrap_or(&Value::Null);
        pending.insert(Fields::of(resource, &place)?.text("urn")?, what);
    }
    Ok(pending)
}

#[derive(Default)]
struct Resources {
    records: Vec<Recorded>,
    outputs: Vec<Output>,
    stack: Option<String>,
    /// Address of each URN that stays.
    known: BTreeMap<String, String>,
    /// Every URN there was so far.
    earlier: BTreeSet<String>,
}

impl Resources {
    fn take(
        &mut self,
        place: &str,
        value: &Value,
        spelled: Vec<String>,
        pending: &BTreeMap<&str, &str>,
        now: Timestamp,
    ) -> Result<(), Broken> {
        let fields = Fields::of(value, place)?;
        let (urn, kind) = (fields.text("urn")?, fields.text("type")?);
        let parts: Vec<&str> = urn.strip_prefix("urn:pulumi:").unwrap_or_default().splitn(4, "::").collect();
        let [stack, _, _, _] = parts.as_slice() else {
            return Err(Broken::new(format!("{place}.urn"), format!("`{urn}` is not a URN")));
        };
        self.stack.get_or_insert_with(|| (*stack).to_owned());
        if !fields.truth("custom")? && fields.maybe_text("id")?.is_some_and(|id| !id.is_empty()) {
            return Err(Broken::new(format!("{place}.id"), "a component has no id"));
        }
        let needs = self.needs(&fields)?;
        let deleting = fields.truth("delete")?;
        if !deleting && self.known.contains_key(urn) {
            return Err(Broken::new(format!("{place}.urn"), format!("`{urn}` is there twice")));
        }
        fields.object("inputs")?;
        if let Some(outputs) = fields.object("outputs")?.filter(|_| kind == ROOT) {
            let output = |(name, value): (&String, &Value)| Output {
                name: name.clone(),
                value: value.clone(),
                sensitive: holds_secret(value),
            };
            self.outputs.extend(outputs.iter().map(output));
        }
        let unfinished =
            match (pending.get(urn), deleting, fields.truth("pendingReplacement")?, fields.truth("taint")?) {
                (_, true, ..) => Some("replaced, and still to be deleted".to_owned()),
                (Some(what), ..) => Some(format!("`{what}` was going on; look before you believe it")),
                (_, _, true, _) => Some("its replacement was going on".to_owned()),
                (.., true) => Some("tainted: to be replaced".to_owned()),
                _ => None,
            };
        let options = Options {
            depends_on: needs,
            protect: fields.truth("protect")?,
            keep: fields.truth("retainOnDelete")?,
            sensitive: holds_secret(value),
            ..Options::default()
        };
        let mut spec = fields.map.clone();
        if !spelled.is_empty() {
            spec.insert("spelled".to_owned(), Value::from(spelled));
        }
        let earlier = self.records.len();
        let id = if deleting { format!("{urn}#delete-{earlier}") } else { urn.to_owned() };
        let address = address(place, &kind.replace([':', '/'], "."), &id)?;
        if !deleting {
            self.known.insert(urn.to_owned(), address.to_string());
        }
        self.earlier.insert(urn.to_owned());
        let unfinished = unfinished.map(|why| (Condition::Failed, why));
        self.records.push(registered(address, PULUMI, Value::Object(spec), options, unfinished, now));
        Ok(())
    }

    /// What a resource needs, all of which has to come before it.
    fn needs(&self, fields: &Fields<'_, '_>) -> Result<Vec<String>, Broken> {
        let mut urns: Vec<(String, &str)> = Vec::new();
        for name in ["parent", "deletedWith"] {
            urns.extend(fields.maybe_text(name)?.map(|urn| (name.to_owned(), urn)));
        }
        if let Some(reference) = fields.maybe_text("provider")? {
            // An id follows the URN of the provider.
            urns.extend(reference.rsplit_once("::").map(|(urn, _)| ("provider".to_owned(), urn)));
        }
        for name in ["dependencies", "replaceWith"] {
            let list = fields.texts(name)?.into_iter().enumerate();
            urns.extend(list.map(|(n, urn)| (format!("{name}[{n}]"), urn)));
        }
        if let Some(properties) = fields.object("propertyDependencies")? {
            let at = fields.at("propertyDependencies");
            let properties = Fields { map: properties, place: &at };
            for name in properties.map.keys() {
                let list = properties.texts(name)?.into_iter();
                urns.extend(list.map(|urn| (format!("propertyDependencies.{name}"), urn)));
            }
        }
        let mut addresses = BTreeSet::new();
        for (name, urn) in urns.into_iter().filter(|(_, urn)| !urn.is_empty()) {
            match self.known.get(urn) {
                Some(address) => {
                    addresses.insert(address.clone());
                }
                None if self.earlier.contains(urn) => {}
                None => {
                    return Err(Broken::new(fields.at(&name), format!("`{urn}` does not come before it")));
                }
            }
        }
        Ok(addresses.into_iter().collect())
    }
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => {
            map.get(SIGNATURE).and_then(Value::as_str) == Some(SECRET) || map.values().any(holds_secret)
        }
        Value::Array(list) => list.iter().any(holds_secret),
        _ => false,
    }
}
