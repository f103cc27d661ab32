//! The canonical text of a record, written once and without building a value first.
//!
//! It equals `canonical(&recorded.body())`: keys in order, no white space. Tests compare the two.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sloth_core::address::Address;
use sloth_core::clock::Timestamp;
use sloth_core::desired::Options;
use sloth_core::recorded::{Condition, Origin, Recorded, RecordedText};
use sloth_core::value::{Value, ValueText};

use crate::failure::{Failure, Outcome};

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

/// The text that is stored, hashed and exported.
pub fn write(recorded: &Recorded) -> Outcome<String> {
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
    serde_json::to_writer(&mut text, &body)?;
    String::from_utf8(text).map_err(|_| Failure::bad("a record is not text"))
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

/// The record a text and its times make, with its values as they are written.
pub fn outline(text: &str, created_at: i64, updated_at: i64) -> Outcome<RecordedText> {
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
        created_at: Timestamp::from_nanos(created_at),
        updated_at: Timestamp::from_nanos(updated_at),
    })
}

fn address(text: &str) -> Outcome<Address> {
    text.parse().map_err(|_| Failure::bad(format!("`{text}` is not an address")))
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

/// The record a text and its times make.
pub fn read(text: &str, created_at: i64, updated_at: i64) -> Outcome<Recorded> {
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
            (Was::Present, None) => return Err(Failure::bad("a record does not say what was there before")),
        },
        condition: text.condition,
        error: text.error,
        options: text.options,
        task: text.task,
        created_at: Timestamp::from_nanos(created_at),
        updated_at: Timestamp::from_nanos(updated_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sloth_core::value::canonical;

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
                address: Address::new(sloth_core::address::HostName::new(host), "file", format!("x{id}")),
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
            let text = write(&recorded).unwrap();
            prop_assert_eq!(&text, &canonical(&recorded.body()));
            let back = read(&text, recorded.created_at.as_nanos(), recorded.updated_at.as_nanos()).unwrap();
            prop_assert_eq!(&canonical(&back.body()), &text);
            prop_assert_eq!(back.created_at, recorded.created_at);
            let outlined = outline(&text, recorded.created_at.as_nanos(), recorded.updated_at.as_nanos()).unwrap();
            prop_assert_eq!(outlined, RecordedText::from(recorded));
        }
    }
}
