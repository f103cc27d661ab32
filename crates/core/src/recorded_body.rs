//! A record as its canonical text: what is stored, hashed, exported, and kept in memory by the thousand.
//!
//! The text is written once and without building a value first. It equals `canonical(&recorded.body())`: keys in order, no
//! white space. Tests compare the two.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::address::Address;
use crate::clock::Timestamp;
use crate::desired::Options;
use crate::digest::Digest;
use crate::recorded::{Condition, Origin, Recorded, RecordedText};
use crate::value::{Value, ValueText};

/// A text that is not that of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record cannot be read: {0}")]
pub struct BadRecord(pub String);

impl From<serde_json::Error> for BadRecord {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// The record of one resource, not taken apart. A tenth of the memory of a [`Recorded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBody {
    address: Address,
    text: Box<str>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// How every text begins: `address` is the first of the keys.
const HEAD: &str = "{\"address\":";

impl RecordedBody {
    /// The text of a record.
    #[must_use]
    pub fn of(recorded: &Recorded) -> Self {
        Self {
            address: recorded.address.clone(),
            text: write(recorded).into(),
            created_at: recorded.created_at,
            updated_at: recorded.updated_at,
        }
    }
    /// Takes a text that was stored for what it is. Only the address is looked at.
    ///
    /// # Errors
    /// It does not begin as the text of a record does.
    pub fn from_stored(text: &str, created_at: Timestamp, updated_at: Timestamp) -> Result<Self, BadRecord> {
        let rest = text
            .strip_prefix(HEAD)
            .ok_or_else(|| BadRecord("it does not begin with its address".to_owned()))?;
        let mut first = serde_json::Deserializer::from_str(rest).into_iter::<Cow<'_, str>>();
        let name = first.next().ok_or_else(|| BadRecord("it ends in its address".to_owned()))??;
        Ok(Self { address: address(&name)?, text: text.into(), created_at, updated_at })
    }
    /// Which resource.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// When it was first recorded.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }
    /// When it was changed last.
    #[must_use]
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
    /// Digest of the text: that of [`Recorded::body`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
    /// The record.
    ///
    /// # Errors
    /// The text is damaged.
    pub fn record(&self) -> Result<Recorded, BadRecord> {
        read(&self.text, self.created_at, self.updated_at)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    address: &'a Address,
    condition: Condition,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    module: &'a str,
    operation: &'a str,
    options: Choices<'a>,
    origin: Past<'a>,
    spec: &'a Value,
    state: Option<&'a Value>,
    task: &'a str,
}

#[derive(Serialize)]
struct Choices<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    depends_on: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notify: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    protect: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sensitive: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    take_over: bool,
}

#[derive(Serialize)]
struct Past<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a Value>,
    was: &'static str,
}

fn write(recorded: &Recorded) -> String {
    // Taken apart completely, so that a new field cannot be forgotten here.
    let Recorded {
        address,
        module,
        operation,
        spec,
        state,
        origin,
        condition,
        error,
        options,
        task,
        created_at: _,
        updated_at: _,
    } = recorded;
    let Options { depends_on, notify, protect, keep, sensitive, take_over } = options;
    let body = Body {
        address,
        condition: *condition,
        error: error.as_deref(),
        module,
        operation,
        options: Choices {
            depends_on,
            keep: *keep,
            notify,
            protect: *protect,
            sensitive: *sensitive,
            take_over: *take_over,
        },
        origin: match origin {
            Origin::Absent => Past { state: None, was: "absent" },
            Origin::Present { state } => Past { state: Some(state), was: "present" },
        },
        spec,
        state: state.as_ref(),
        task,
    };
    let mut text = Vec::with_capacity(512);
    // Writing to memory succeeds, and JSON is UTF-8; a text that is not could not be read and would be refused then.
    if serde_json::to_writer(&mut text, &body).is_err() {
        text.clear();
    }
    String::from_utf8(text).unwrap_or_default()
}

/// The text taken apart as far as lists need it.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    condition: Condition,
    #[serde(default)]
    error: Option<String>,
    module: String,
    operation: String,
    #[serde(default)]
    options: Options,
    origin: PastOutline,
    #[serde(borrow)]
    spec: &'a RawValue,
    #[serde(borrow)]
    state: Option<&'a RawValue>,
    #[serde(default)]
    task: String,
}

#[derive(Deserialize)]
struct PastOutline {
    was: Was,
}

/// The record a stored text and its times make, with its values as they are written.
///
/// # Errors
/// The text is damaged.
pub fn outline(text: &str, created_at: Timestamp, updated_at: Timestamp) -> Result<RecordedText, BadRecord> {
    let text: Outline<'_> = serde_json::from_str(text)?;
    Ok(RecordedText {
        address: address(&text.address)?,
        module: text.module,
        operation: text.operation,
        spec: ValueText::from_canonical(text.spec.get()),
        state: text.state.map(|state| ValueText::from_canonical(state.get())),
        existed: matches!(text.origin.was, Was::Present),
        condition: text.condition,
        error: text.error,
        options: text.options,
        task: text.task,
        created_at,
        updated_at,
    })
}

fn address(text: &str) -> Result<Address, BadRecord> {
    text.parse().map_err(|_| BadRecord(format!("`{text}` is not an address")))
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    address: Cow<'a, str>,
    condition: Condition,
    #[serde(default)]
    error: Option<String>,
    module: String,
    operation: String,
    #[serde(default)]
    options: Options,
    origin: Before,
    spec: Value,
    state: Option<Value>,
    #[serde(default)]
    task: String,
}

/// [`Origin`], read in one go: what decides comes after what is decided.
#[derive(Deserialize)]
struct Before {
    #[serde(default, deserialize_with = "there")]
    state: Option<Value>,
    was: Was,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Was {
    Absent,
    Present,
}

/// A value that is there, even if it is `null`.
fn there<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(d).map(Some)
}

/// The record a stored text and its times make.
///
/// # Errors
/// The text is damaged.
pub fn read(text: &str, created_at: Timestamp, updated_at: Timestamp) -> Result<Recorded, BadRecord> {
    let text: Text<'_> = serde_json::from_str(text)?;
    Ok(Recorded {
        address: address(&text.address)?,
        module: text.module,
        operation: text.operation,
        spec: text.spec,
        state: text.state,
        origin: match (text.origin.was, text.origin.state) {
            (Was::Absent, _) => Origin::Absent,
            (Was::Present, Some(state)) => Origin::Present { state },
            (Was::Present, None) => {
                return Err(BadRecord("it does not say what was there before".to_owned()));
            }
        },
        condition: text.condition,
        error: text.error,
        options: text.options,
        task: text.task,
        created_at,
        updated_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::canonical;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    prop_compose! {
        fn record()(
            id in "[a-z/:#]{1,20}", host in "[a-z0-9]{1,8}", spec in json(), state in prop::option::of(json()),
            past in prop::option::of(json()), error in prop::option::of(".{0,10}"), flags in any::<[bool; 4]>(),
            names in prop::collection::vec(".{0,8}", 0..3), notify in prop::collection::vec(".{0,8}", 0..3),
            condition in 0..3usize, times in any::<(i64, i64)>(),
        ) -> Recorded {
            Recorded {
                address: Address::new(crate::address::HostName::new(host), "file", format!("x{id}")),
                module: "file".to_owned(),
                operation: "copy".to_owned(),
                spec,
                state,
                origin: past.map_or(Origin::Absent, |state| Origin::Present { state }),
                condition: [Condition::Applied, Condition::Pending, Condition::Failed][condition],
                error,
                options: Options {
                    depends_on: names, notify, protect: flags[0], keep: flags[1], sensitive: flags[2],
                    take_over: flags[3],
                },
                task: "t".to_owned(),
                created_at: Timestamp::from_nanos(times.0),
                updated_at: Timestamp::from_nanos(times.1),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]
        #[test]
        fn the_text_is_the_canonical_body(recorded in record()) {
            let body = RecordedBody::of(&recorded);
            prop_assert_eq!(body.text(), &canonical(&recorded.body()));
            prop_assert_eq!(body.digest(), recorded.digest());
            let (created, updated) = (recorded.created_at, recorded.updated_at);
            prop_assert_eq!(&RecordedBody::from_stored(body.text(), created, updated).unwrap(), &body);
            let back = body.record().unwrap();
            prop_assert_eq!(&canonical(&back.body()), body.text());
            prop_assert_eq!(back.created_at, recorded.created_at);
            let outlined = outline(body.text(), created, updated).unwrap();
            prop_assert_eq!(outlined, RecordedText::from(recorded));
        }
    }
}
