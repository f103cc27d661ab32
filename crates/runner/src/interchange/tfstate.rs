//! Terraform's and OpenTofu's state, format 4.
//!
//! What was read from such a file is written again as it was: every field of an instance is kept in its record, and what
//! belongs to the whole state in the stack's metadata. Resources of any other origin are written as `terraform_data`,
//! which every client knows without a provider.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::clock::Timestamp;
use sloth_core::desired::Options;
use sloth_core::digest::Digest;
use sloth_core::output::Output;
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::stack::Stack;
use sloth_core::value::{Map, Value};
use sloth_core::version::Version;
use sloth_engine::transfer::Carried;

use super::json::{self, Read};
use super::{Broken, Fields, Foreign, address, registered};

/// Module of the records, and key of what the stack keeps of the state.
pub const TERRAFORM: &str = "terraform";
/// Provider of `terraform_data`, part of every client.
const BUILTIN: &str = "provider[\"terraform.io/builtin/terraform\"]";
/// Version of the client that is named when no client has written the state.
const CLIENT: &str = "1.11.4";

const TOP: &[&str] =
    &["version", "terraform_version", "serial", "lineage", "outputs", "resources", "check_results"];
const OUTPUT: &[&str] = &["value", "type", "sensitive"];
const RESOURCE: &[&str] = &["module", "mode", "type", "name", "each", "provider", "instances"];
const INSTANCE: &[&str] = &[
    "index_key",
    "status",
    "deposed",
    "schema_version",
    "attributes_flat",
    "attributes",
    "sensitive_attributes",
    "identity_schema_version",
    "identity",
    "private",
    "dependencies",
    "depends_on",
    "create_before_destroy",
];
const DYNAMIC: &[&str] = &["value", "type"];

/// In which order Terraform writes the fields of an object.
fn order(pointer: &str) -> &'static [&'static str] {
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    match steps.as_slice() {
        [] => TOP,
        ["outputs", _] => OUTPUT,
        ["resources", _] => RESOURCE,
        ["resources", _, "instances", _] => INSTANCE,
        ["resources", _, "instances", _, "attributes", "input" | "output" | "triggers_replace"] => DYNAMIC,
        _ => &[],
    }
}

/// Reads a state. Its serial and lineage, types of outputs and whatever else belongs to all of it become metadata of the
/// stack.
///
/// # Errors
/// Says where it is not a state that can be taken over.
pub fn read(text: &str, now: Timestamp) -> Result<Foreign, Broken> {
    let read = json::read(text)?;
    let top = Fields::of(&read.value, "")?;
    check_version(&top)?;
    let serial = top.number("serial")?;
    let lineage = top.maybe_text("lineage")?.unwrap_or_default();
    let mut notes = Vec::new();
    let mut kept = Map::new();
    for (key, value) in
        top.map.iter().filter(|(key, _)| !["outputs", "resources", "serial"].contains(&key.as_str()))
    {
        kept.insert(key.clone(), value.clone());
    }
    kept.insert("serial".to_owned(), Value::from(serial));
    let (outputs, types) = read_outputs(&read, &top)?;
    kept.insert("outputs".to_owned(), Value::Object(types));
    let resources = read_resources(&read, &top, now, &mut notes)?;
    let mut metadata = Map::new();
    metadata.insert(TERRAFORM.to_owned(), Value::Object(kept));
    let client = top.maybe_text("terraform_version")?.unwrap_or("an unknown version");
    let carried = Carried {
        name: format!("terraform state {lineage}"),
        description: format!("Terraform state {lineage}, serial {serial}, written by {client}"),
        version_label: String::new(),
        workflow_file: None,
        configuration: Map::new(),
        metadata,
        version: Version(serial),
        resources,
        outputs,
        upstreams: Vec::new(),
        contents: Vec::new(),
        missing: Vec::new(),
    };
    Ok(Foreign { carried, notes })
}

fn check_version(top: &Fields<'_, '_>) -> Result<(), Broken> {
    if top.map.contains_key("encrypted_data") {
        let what = "the state is encrypted by OpenTofu";
        return Err(Broken::new("encrypted_data", what).hint("write it in clear with `tofu state pull`"));
    }
    let Some(version) = top.get("version") else {
        return Err(Broken::new("version", "it is missing: this is not a Terraform state"));
    };
    match version.as_u64() {
        Some(4) => Ok(()),
        Some(3) if top.map.contains_key("backend") => {
            let what = "this is what `terraform init` remembers of a backend, not a state";
            Err(Broken::new("backend", what)
                .hint("write the state itself with `terraform state pull > state.tfstate`"))
        }
        Some(n @ 1..=3) => {
            let hint = "let Terraform 0.12 or newer write it once: `terraform apply -refresh-only`, then `terraform state pull`";
            Err(Broken::new("version", format!("the state has format {n}, and format 4 is read")).hint(hint))
        }
        Some(n) => Err(Broken::new("version", format!("the state has format {n}, which is newer than 4"))),
        None => Err(Broken::new("version", "it is not the number of a format")),
    }
}

fn read_outputs(read: &Read, top: &Fields<'_, '_>) -> Result<(Vec<Output>, Map), Broken> {
    let (mut outputs, mut types) = (Vec::new(), Map::new());
    for (name, value) in top.object("outputs")?.into_iter().flatten() {
        let place = format!("outputs.{name}");
        let fields = Fields::of(value, &place)?;
        let Some(value) = fields.map.get("value") else {
            return Err(Broken::new(format!("{place}.value"), "it is missing"));
        };
        if fields.get("type").is_none() {
            return Err(Broken::new(format!("{place}.type"), "it is missing"));
        }
        let sensitive = fields.truth("sensitive")?;
        let mut rest: Map = fields.map.clone();
        rest.retain(|key, _| key != "value" && key != "sensitive");
        let mut pointer = "/outputs".to_owned();
        json::push(&mut pointer, name);
        pointer.push_str("/value");
        keep_spelling(&mut rest, read.within(&pointer));
        types.insert(name.clone(), Value::Object(rest));
        outputs.push(Output { name: name.clone(), value: value.clone(), sensitive });
    }
    Ok((outputs, types))
}

fn keep_spelling(map: &mut Map, spelled: Vec<String>) {
    if !spelled.is_empty() {
        map.insert("spelled".to_owned(), Value::from(spelled));
    }
}

fn spelling(map: &Map) -> impl Iterator<Item = &str> {
    map.get("spelled").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// One instance on its way into a record.
struct Instance {
    record: Recorded,
    /// The address without instance keys, which is what dependencies name.
    config: String,
    needs: Vec<String>,
}

fn read_resources(
    read: &Read,
    top: &Fields<'_, '_>,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Result<Vec<Recorded>, Broken> {
    let mut instances: Vec<Instance> = Vec::new();
    let mut seen = BTreeSet::new();
    for (n, value) in top.list("resources")?.iter().enumerate() {
        let place = format!("resources[{n}]");
        let fields = Fields::of(value, &place)?;
        let (kind, name) = (fields.text("type")?, fields.text("name")?);
        fields.text("provider")?;
        let data = match fields.text("mode")? {
            "managed" => "",
            "data" => "data.",
            other => return Err(Broken::new(format!("{place}.mode"), format!("`{other}` is not a mode"))),
        };
        let module = fields.maybe_text("module")?.map(|m| format!("{m}.")).unwrap_or_default();
        let whole = format!("{module}{data}{kind}.{name}");
        let config = format!("{}{data}{kind}.{name}", without_keys(&module));
        let mut shared = fields.map.clone();
        shared.remove("instances");
        let list = fields.list("instances")?;
        if list.is_empty() {
            notes.push(format!("`{whole}` has no instances and is left out"));
        }
        for (i, value) in list.iter().enumerate() {
            let place = format!("{place}.instances[{i}]");
            let (record, needs) = read_instance(&place, value, kind, &whole, &shared, now, || {
                read.within(&format!("/resources/{n}/instances/{i}"))
            })?;
            if !seen.insert(record.address.clone()) {
                return Err(Broken::new(place, format!("`{}` is there twice", record.address.id())));
            }
            instances.push(Instance { record, config: config.clone(), needs });
        }
    }
    let mut by_config: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in &instances {
        by_config.entry(&one.config).or_default().push(one.record.address.to_string());
    }
    let needs: Vec<Vec<String>> = instances
        .iter()
        .map(|one| {
            let own = one.record.address.to_string();
            let found = one.needs.iter().filter_map(|name| by_config.get(name.as_str())).flatten();
            found.filter(|address| **address != own).cloned().collect()
        })
        .collect();
    let finished = instances.into_iter().zip(needs).map(|(mut one, needs)| {
        one.record.options.depends_on = needs;
        one.record
    });
    Ok(finished.collect())
}

fn read_instance(
    place: &str,
    value: &Value,
    kind: &str,
    whole: &str,
    shared: &Map,
    now: Timestamp,
    spelled: impl FnOnce() -> Vec<String>,
) -> Result<(Recorded, Vec<String>), Broken> {
    let fields = Fields::of(value, place)?;
    fields.number("schema_version")?;
    let attributes = fields.object("attributes")?;
    if attributes.is_none() && fields.object("attributes_flat")?.is_none() {
        return Err(Broken::new(fields.at("attributes"), "it is missing"));
    }
    let key = match fields.get("index_key") {
        None => String::new(),
        Some(Value::Number(n)) if n.is_u64() => format!("[{n}]"),
        Some(Value::String(key)) => format!("[{}]", Value::from(key.as_str())),
        other => return Err(fields.wrong("index_key", other, "a whole number or a text")),
    };
    let deposed = match fields.maybe_text("deposed")? {
        None | Some("") => String::new(),
        Some(id) if id.len() == 8 && id.chars().all(|c| c.is_ascii_hexdigit()) => format!("#deposed-{id}"),
        Some(id) => {
            return Err(Broken::new(fields.at("deposed"), format!("`{id}` is not 8 hexadecimal digits")));
        }
    };
    let unfinished = match fields.maybe_text("status")? {
        _ if !deposed.is_empty() => {
            Some((Condition::Failed, "deposed: replaced, and still to be deleted".to_owned()))
        }
        None | Some("") => None,
        Some("tainted") => Some((Condition::Failed, "tainted: to be replaced by the next apply".to_owned())),
        Some(other) => return Err(Broken::new(fields.at("status"), format!("`{other}` is not a status"))),
    };
    let needs: Vec<String> = fields.texts("dependencies")?.into_iter().map(str::to_owned).collect();
    let options =
        Options { sensitive: !fields.list("sensitive_attributes")?.is_empty(), ..Options::default() };
    let mut rest = fields.map.clone();
    let attributes = rest.remove("attributes");
    let mut origin = Map::new();
    origin.insert("resource".to_owned(), Value::Object(shared.clone()));
    origin.insert("instance".to_owned(), Value::Object(rest));
    keep_spelling(&mut origin, spelled());
    let mut spec = Map::new();
    if let Some(attributes) = attributes {
        spec.insert("attributes".to_owned(), attributes);
    }
    spec.insert(TERRAFORM.to_owned(), Value::Object(origin));
    let address = address(place, kind, &format!("{whole}{key}{deposed}"))?;
    Ok((registered(address, TERRAFORM, Value::Object(spec), options, unfinished, now), needs))
}

/// `module.a["x"].module.b[0].` without what is in brackets.
fn without_keys(module: &str) -> String {
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0_u32, false, false);
    for c in module.chars() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if quoted => escaped = true,
            '"' if depth > 0 => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Where an instance belongs in the file, and what is written of it.
struct Placed {
    resource: Map,
    instance: Map,
    spelled: Vec<String>,
}

/// The text of a state. The lineage is the one that was read, or the stack's id; the serial is the version, counted on from
/// the one that was read.
pub fn write(stack: &Stack, carried: &Carried) -> String {
    let known = stack.metadata.get(TERRAFORM).and_then(Value::as_object);
    let empty = Map::new();
    let kept = known.unwrap_or(&empty);
    let mut spelled = BTreeSet::new();
    let mut top = kept.clone();
    top.insert("version".to_owned(), Value::from(4));
    top.entry("terraform_version").or_insert_with(|| Value::from(CLIENT));
    let lineage = top.get("lineage").and_then(Value::as_str).filter(|l| !l.is_empty());
    let lineage = lineage.unwrap_or(stack.id.as_str()).to_owned();
    top.insert("lineage".to_owned(), Value::from(lineage));
    top.insert("serial".to_owned(), Value::from(serial_of(kept, carried.version)));
    top.entry("check_results").or_insert(Value::Null);
    let types = kept.get("outputs").and_then(Value::as_object).unwrap_or(&empty);
    top.insert("outputs".to_owned(), write_outputs(&carried.outputs, types, &mut spelled));
    top.insert("resources".to_owned(), write_resources(&carried.resources, &mut spelled));
    json::write(&Value::Object(top), &spelled, order)
}

/// Does a state that was read go on where a stack is? By the rules by which Terraform pushes one over another.
pub enum Follows {
    /// It is newer.
    Newer,
    /// It is what the stack holds.
    Same,
    /// It does not; the words say why.
    Not(String),
}

/// Compares what was read with a stack at its newest version; nothing when one of them did not come from Terraform.
pub fn follows(stack: &Stack, now: &Carried, read: &Carried) -> Option<Follows> {
    let here = stack.metadata.get(TERRAFORM)?.as_object()?;
    let there = read.metadata.get(TERRAFORM)?.as_object()?;
    let text = |map: &Map| map.get("lineage").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (ours, theirs) = (text(here), text(there));
    if ours != theirs {
        let words = format!("its lineage is `{theirs}`, and that of stack `{}` is `{ours}`", stack.name);
        return Some(Follows::Not(words));
    }
    let (serial, theirs) = (serial_of(here, now.version), serial_of(there, Version(1)));
    Some(match serial.cmp(&theirs) {
        std::cmp::Ordering::Less => Follows::Newer,
        std::cmp::Ordering::Greater => Follows::Not(format!(
            "its serial is {theirs}, and stack `{}` is at serial {serial} already",
            stack.name
        )),
        std::cmp::Ordering::Equal => {
            let first = Carried { version: Version(1), ..read.clone() };
            let theirs = write(&Stack { metadata: read.metadata.clone(), ..stack.clone() }, &first);
            if write(stack, now) == theirs {
                Follows::Same
            } else {
                let words = format!("it differs from stack `{}` at the same serial {serial}", stack.name);
                Follows::Not(words)
            }
        }
    })
}

/// The serial of a version of what is kept of a state.
fn serial_of(kept: &Map, version: Version) -> u64 {
    match kept.get("serial").and_then(Value::as_u64) {
        Some(first) => first.saturating_add(version.0.saturating_sub(1)),
        None => version.0,
    }
}

/// A state becomes this version of a stack instead of the first: serials are counted so that it keeps its own.
pub fn count_back(metadata: &mut Map, version: Version) {
    let serial = metadata.get_mut(TERRAFORM).and_then(|kept| kept.get_mut("serial"));
    if let Some((serial, own)) = serial.and_then(|serial| serial.as_u64().map(|own| (serial, own))) {
        *serial = Value::from(own.saturating_sub(version.0.saturating_sub(1)));
    }
}

/// Of a stack that came from Terraform, one version becomes the first of another stack: the serial goes on from there.
pub fn count_on(metadata: &mut Map, version: Version) {
    let serial = metadata.get_mut(TERRAFORM).and_then(|kept| kept.get_mut("serial"));
    if let Some((serial, first)) = serial.and_then(|serial| serial.as_u64().map(|first| (serial, first))) {
        *serial = Value::from(first.saturating_add(version.0.saturating_sub(1)));
    }
}

fn write_outputs(outputs: &[Output], types: &Map, spelled: &mut BTreeSet<String>) -> Value {
    let empty = Map::new();
    let one = |output: &Output| {
        let kept = types.get(&output.name).and_then(Value::as_object).unwrap_or(&empty);
        let numbers: BTreeSet<&str> = spelling(kept).collect();
        let mut fields = kept.clone();
        fields.remove("spelled");
        let declared = fields.get("type").filter(|t| fits(t, &output.value, &mut String::new(), &numbers));
        match declared {
            Some(_) => {
                let mut at = "/outputs".to_owned();
                json::push(&mut at, &output.name);
                spelled.extend(numbers.iter().map(|pointer| format!("{at}/value{pointer}")));
            }
            None => {
                fields.insert("type".to_owned(), type_of(&output.value));
            }
        }
        fields.insert("value".to_owned(), output.value.clone());
        if output.sensitive {
            fields.insert("sensitive".to_owned(), Value::Bool(true));
        }
        (output.name.clone(), Value::Object(fields))
    };
    Value::Object(outputs.iter().map(one).collect())
}

/// Can a value be of this type? `numbers` are the places of texts that stand for numbers.
fn fits(kind: &Value, value: &Value, at: &mut String, numbers: &BTreeSet<&str>) -> bool {
    let length = at.len();
    let mut step = |name: &str, kind: &Value, value: &Value| {
        json::push(at, name);
        let fine = fits(kind, value, at, numbers);
        at.truncate(length);
        fine
    };
    match (kind, value) {
        (_, Value::Null) => true,
        (Value::String(name), value) => match (name.as_str(), value) {
            ("number", Value::String(_)) => numbers.contains(at.as_str()),
            ("string", Value::String(_)) => !numbers.contains(at.as_str()),
            ("number", Value::Number(_)) | ("bool", Value::Bool(_)) => true,
            ("dynamic", Value::Object(map)) => {
                map.len() == 2 && map.contains_key("value") && map.contains_key("type")
            }
            _ => false,
        },
        (Value::Array(parts), value) => match (parts.as_slice(), value) {
            ([Value::String(name), of, ..], Value::Array(list)) if name == "list" || name == "set" => {
                list.iter().enumerate().all(|(n, v)| step(&n.to_string(), of, v))
            }
            ([Value::String(name), of, ..], Value::Object(map)) if name == "map" => {
                map.iter().all(|(key, v)| step(key, of, v))
            }
            ([Value::String(name), Value::Array(of), ..], Value::Array(list)) if name == "tuple" => {
                of.len() == list.len()
                    && of.iter().zip(list).enumerate().all(|(n, (k, v))| step(&n.to_string(), k, v))
            }
            ([Value::String(name), Value::Object(of), ..], Value::Object(map)) if name == "object" => {
                of.len() == map.len()
                    && of.iter().all(|(key, k)| map.get(key).is_some_and(|v| step(key, k, v)))
            }
            _ => false,
        },
        _ => false,
    }
}

/// The type of a value in Terraform's words.
fn type_of(value: &Value) -> Value {
    match value {
        Value::Null => Value::from("dynamic"),
        Value::Bool(_) => Value::from("bool"),
        Value::Number(_) => Value::from("number"),
        Value::String(_) => Value::from("string"),
        Value::Array(list) => Value::from(vec![Value::from("tuple"), list.iter().map(type_of).collect()]),
        Value::Object(map) => {
            let fields: Map = map.iter().map(|(key, value)| (key.clone(), type_of(value))).collect();
            Value::from(vec![Value::from("object"), Value::Object(fields)])
        }
    }
}

fn write_resources(resources: &[Recorded], spelled: &mut BTreeSet<String>) -> Value {
    let names = names(resources);
    let mut groups: BTreeMap<(String, String, String, String, String), Vec<Placed>> = BTreeMap::new();
    for recorded in resources {
        let placed = placed(recorded).unwrap_or_else(|| native(recorded, &names));
        let text =
            |name: &str| placed.resource.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = (text("module"), text("mode"), text("type"), text("name"), text("provider"));
        groups.entry(key).or_default().push(placed);
    }
    let mut out = Vec::with_capacity(groups.len());
    for (n, mut group) in groups.into_values().enumerate() {
        group.sort_by_cached_key(|placed| rank(&placed.instance));
        let mut resource = group.first().map(|placed| placed.resource.clone()).unwrap_or_default();
        let mut instances = Vec::with_capacity(group.len());
        for (i, placed) in group.into_iter().enumerate() {
            spelled.extend(placed.spelled.iter().map(|p| format!("/resources/{n}/instances/{i}{p}")));
            instances.push(Value::Object(placed.instance));
        }
        resource.insert("instances".to_owned(), Value::Array(instances));
        out.push(Value::Object(resource));
    }
    Value::Array(out)
}

/// Without a key before numbers before texts, what is deposed last.
fn rank(instance: &Map) -> (u8, u64, String, String) {
    let deposed = instance.get("deposed").and_then(Value::as_str).unwrap_or_default().to_owned();
    match instance.get("index_key") {
        Some(Value::Number(n)) => (1, n.as_u64().unwrap_or(u64::MAX), String::new(), deposed),
        Some(Value::String(key)) => (2, 0, key.clone(), deposed),
        _ => (0, 0, String::new(), deposed),
    }
}

/// What was read is written as it was.
fn placed(recorded: &Recorded) -> Option<Placed> {
    let spec =
        recorded.spec.as_object().filter(|_| recorded.module == TERRAFORM && recorded.is_registered())?;
    let origin = spec.get(TERRAFORM)?.as_object()?;
    let resource = origin.get("resource")?.as_object()?.clone();
    let mut instance = origin.get("instance")?.as_object()?.clone();
    if let Some(attributes) = spec.get("attributes") {
        instance.insert("attributes".to_owned(), attributes.clone());
    }
    Some(Placed { resource, instance, spelled: spelling(origin).map(str::to_owned).collect() })
}

/// Names in Terraform of what it does not know, by address.
fn names(resources: &[Recorded]) -> BTreeMap<String, String> {
    let (mut names, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for recorded in resources.iter().filter(|r| placed(r).is_none()) {
        let address = recorded.address.to_string();
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
        let mut name: String = address.chars().map(plain).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert(0, '_');
        }
        if !taken.insert(name.clone()) {
            name = format!("{name}_{}", Digest::of(address.as_bytes()).short());
            taken.insert(name.clone());
        }
        names.insert(address, name);
    }
    names
}

/// A resource that Terraform does not know: its address, and the state it was left in.
fn native(recorded: &Recorded, names: &BTreeMap<String, String>) -> Placed {
    let address = recorded.address.to_string();
    let mut resource = Map::new();
    for (key, value) in [
        ("mode", "managed"),
        ("type", "terraform_data"),
        ("name", names.get(&address).map_or("unnamed", String::as_str)),
        ("provider", BUILTIN),
    ] {
        resource.insert(key.to_owned(), Value::from(value));
    }
    let input = serde_json::json!({
        "address": address,
        "module": recorded.module,
        "operation": recorded.operation,
        "state": recorded.state,
    });
    let wrapped = serde_json::json!({ "value": input, "type": type_of(&input) });
    let mut instance = Map::new();
    instance.insert("schema_version".to_owned(), Value::from(0));
    instance.insert(
        "attributes".to_owned(),
        serde_json::json!({ "id": address, "input": wrapped, "output": wrapped, "triggers_replace": null }),
    );
    if recorded.options.sensitive {
        let step = |name: &str| serde_json::json!([{ "type": "get_attr", "value": name }]);
        instance.insert("sensitive_attributes".to_owned(), Value::from(vec![step("input"), step("output")]));
    }
    if recorded.condition != Condition::Applied {
        instance.insert("status".to_owned(), Value::from("tainted"));
    }
    let needs: BTreeSet<String> = recorded
        .options
        .depends_on
        .iter()
        .filter_map(|needed| names.get(needed).filter(|_| *needed != address))
        .map(|name| format!("terraform_data.{name}"))
        .collect();
    if !needs.is_empty() {
        instance.insert("dependencies".to_owned(), needs.into_iter().map(Value::from).collect());
    }
    Placed { resource, instance, spelled: Vec::new() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            "-?[1-9][0-9]{0,30}",
            "-?(0|[1-9][0-9]{0,9})\\.[0-9]{1,25}",
            "[1-9](\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,4}",
        ]
    }

    /// A value, as text with its numbers spelled as somebody might.
    fn value() -> impl Strategy<Value = String> {
        let text = any::<String>().prop_map(|t| Value::from(t).to_string());
        let leaf = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), number(), text];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|l| format!("[{}]", l.join(","))),
                prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|m| {
                    let pairs: Vec<String> =
                        m.into_iter().map(|(k, v)| format!("{}:{v}", Value::from(k))).collect();
                    format!("{{{}}}", pairs.join(","))
                }),
            ]
        })
    }

    fn state() -> impl Strategy<Value = String> {
        let instance = (value(), any::<bool>(), any::<bool>());
        let resource = (prop::option::of("[a-z]{1,3}"), any::<bool>(), prop::collection::vec(instance, 1..4));
        let resources = prop::collection::vec(resource, 0..5);
        (resources, any::<u64>()).prop_map(|(resources, serial)| {
            let resources: Vec<String> = resources
                .iter()
                .enumerate()
                .map(|(n, (module, data, instances))| {
                    let instances: Vec<String> = instances
                        .iter()
                        .enumerate()
                        .map(|(i, (value, tainted, secret))| {
                            let status = if *tainted { "\"status\":\"tainted\"," } else { "" };
                            let secret = if *secret {
                                "[[{\"type\":\"get_attr\",\"value\":\"v\"}]]"
                            } else {
                                "[]"
                            };
                            format!(
                                "{{\"index_key\":{i},{status}\"schema_version\":{n},\"attributes\":{{\"v\":{value}}},\
                                 \"sensitive_attributes\":{secret}}}"
                            )
                        })
                        .collect();
                    let module = module.as_ref().map(|m| format!("\"module\":\"module.{m}\",")).unwrap_or_default();
                    let mode = if *data { "data" } else { "managed" };
                    format!(
                        "{{{module}\"mode\":\"{mode}\",\"type\":\"t\",\"name\":\"n{n}\",\"provider\":\"p\",\
                         \"instances\":[{}]}}",
                        instances.join(",")
                    )
                })
                .collect();
            format!(
                "{{\"version\":4,\"terraform_version\":\"1.9.0\",\"serial\":{serial},\"lineage\":\"l\",\"outputs\":{{}},\
                 \"resources\":[{}],\"check_results\":null}}",
                resources.join(",")
            )
        })
    }

    fn again(text: &str) -> (Carried, String) {
        let now = Timestamp::from_nanos(1);
        let mut carried = read(text, now).unwrap().carried;
        let stack = Stack { metadata: carried.metadata.clone(), ..Stack::fresh("s", now) };
        carried.version = Version(1);
        let written = write(&stack, &carried);
        (carried, written)
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in state()) {
            let (carried, written) = again(&text);
            let (same, twice) = again(&written);
            prop_assert_eq!(&twice, &written);
            let mut records = carried.resources;
            records.sort_by_key(|r| r.address.to_string());
            let mut others = same.resources;
            others.sort_by_key(|r| r.address.to_string());
            prop_assert_eq!(records.len(), others.len());
            for (a, b) in records.iter().zip(&others) {
                prop_assert_eq!(&a.spec["attributes"], &b.spec["attributes"]);
                prop_assert_eq!(a, b);
            }
            // Nothing is rounded: every number of the text is in what is written, letter by letter.
            let digits = |text: &str| {
                let mut all: Vec<String> = text
                    .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '+'))
                    .filter(|t| t.len() > 20 && t.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-'))
                    .map(str::to_owned)
                    .collect();
                all.sort();
                all
            };
            prop_assert_eq!(digits(&text), digits(&written));
        }
    }
}
