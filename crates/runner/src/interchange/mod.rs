//! State of other programs: read into what a stack is made of, and written from it.
//!
//! All of them end in the same [`Carried`] that `stack export` writes, and go into the store on the same road.

pub mod json;
pub mod pulumi;
pub mod tfstate;

use sloth_core::address::Address;
use sloth_core::clock::Timestamp;
use sloth_core::desired::Options;
use sloth_core::recorded::{Condition, Origin, REGISTERED, Recorded};
use sloth_core::value::Value;
use sloth_engine::transfer::Carried;

/// What was read, and what a person should know about it.
#[derive(Debug)]
pub struct Foreign {
    /// The stack.
    pub carried: Carried,
    /// What is not as it was, or was left out, and why.
    pub notes: Vec<String>,
}

/// Why a document cannot be taken in: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Such as `resources[2].instances[0].schema_version`, or `line 3 column 7`; empty is the whole document.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Broken {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), hint: None }
    }
    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.place.is_empty() {
            write!(f, "`{}`: ", self.place)?;
        }
        f.write_str(&self.what)
    }
}

/// A record of something another program looks after.
fn registered(
    address: Address,
    module: &str,
    spec: Value,
    options: Options,
    unfinished: Option<(Condition, String)>,
    now: Timestamp,
) -> Recorded {
    let (condition, error) = match unfinished {
        Some((condition, why)) => (condition, Some(why)),
        None => (Condition::Applied, None),
    };
    Recorded {
        address,
        module: module.to_owned(),
        operation: REGISTERED.to_owned(),
        state: Some(spec.clone()),
        spec,
        origin: Origin::Absent,
        condition,
        error,
        options,
        task: String::new(),
        created_at: now,
        updated_at: now,
    }
}

/// An address that can be typed.
fn address(place: &str, kind: &str, id: &str) -> Result<Address, Broken> {
    let address = Address::local(kind, id);
    match address.to_string().parse::<Address>() {
        Ok(read) if read == address => Ok(address),
        _ => Err(Broken::new(place, format!("`{address}` cannot be the address of a resource"))),
    }
}

/// Fields of an object, with the place they are at.
#[derive(Clone, Copy)]
struct Fields<'v, 'p> {
    map: &'v sloth_core::value::Map,
    place: &'p str,
}

impl<'v, 'p> Fields<'v, 'p> {
    fn of(value: &'v Value, place: &'p str) -> Result<Self, Broken> {
        match value {
            Value::Object(map) => Ok(Self { map, place }),
            other => Err(Broken::new(place, format!("it is {}, not an object", word(other)))),
        }
    }
    fn at(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }
    /// What is there; `null` is nothing.
    fn get(&self, name: &str) -> Option<&'v Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }
    fn wrong(&self, name: &str, value: Option<&Value>, wanted: &str) -> Broken {
        let found = value.map_or("missing", word);
        Broken::new(self.at(name), format!("it is {found}, not {wanted}"))
    }
    fn maybe_text(&self, name: &str) -> Result<Option<&'v str>, Broken> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            other => Err(self.wrong(name, other, "a text")),
        }
    }
    fn text(&self, name: &str) -> Result<&'v str, Broken> {
        match self.maybe_text(name)? {
            Some("") => Err(Broken::new(self.at(name), "it is empty")),
            Some(text) => Ok(text),
            None => Err(self.wrong(name, None, "a text")),
        }
    }
    fn number(&self, name: &str) -> Result<u64, Broken> {
        let value = self.get(name);
        value.and_then(Value::as_u64).ok_or_else(|| self.wrong(name, value, "a whole number"))
    }
    fn truth(&self, name: &str) -> Result<bool, Broken> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            other => Err(self.wrong(name, other, "true or false")),
        }
    }
    fn list(&self, name: &str) -> Result<&'v [Value], Broken> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            other => Err(self.wrong(name, other, "a list")),
        }
    }
    fn texts(&self, name: &str) -> Result<Vec<&'v str>, Broken> {
        let text = |(n, value): (usize, &'v Value)| {
            value.as_str().ok_or_else(|| self.wrong(&format!("{name}[{n}]"), Some(value), "a text"))
        };
        self.list(name)?.iter().enumerate().map(text).collect()
    }
    fn object(&self, name: &str) -> Result<Option<&'v sloth_core::value::Map>, Broken> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            other => Err(self.wrong(name, other, "an object")),
        }
    }
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
