//! Text from the command line into values: durations, `key=value`, versions.

use std::time::Duration;

use sloth_core::value::{Map, Value};

/// Reads `90`, `90s`, `5m`, `1h30m`, `250ms`, `2d`. A bare number counts seconds.
///
/// # Errors
/// Says what would be accepted.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration; write `90s`, `5m`, `1h30m` or `2d`");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let millis: u64 = match &rest[digits..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(bad()),
        };
        let part = number.checked_mul(millis).ok_or_else(bad)?;
        total = total.checked_add(Duration::from_millis(part)).ok_or_else(bad)?;
        rest = &rest[unit..];
    }
    Ok(total)
}

/// A name of a person or a lock: any text but none.
///
/// # Errors
/// It is empty or blank.
pub fn named(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// One `--var`: `a.b=5` is the number 5 at `b` inside `a`.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// The key's parts.
    pub path: Vec<String>,
    /// The value.
    pub value: Value,
}

/// Reads `key=value`. The value is a boolean or number when it is written exactly as one would be printed; anything
/// else, `0644` and `1.10` among it, stays text.
///
/// # Errors
/// There is no `=`, or a part of the key is empty.
pub fn variable(text: &str) -> Result<Variable, String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`; write `key=value`"))?;
    let path: Vec<String> = key.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(format!("`{key}` is not a key; write `name` or `name.part`"));
    }
    Ok(Variable { path, value: scalar(value) })
}

fn scalar(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) if number.to_string() == text => Value::Number(number),
            _ => Value::from(text),
        },
    }
}

/// Puts a variable into values; what stands in the way is replaced.
pub fn insert(values: &mut Map, variable: &Variable) {
    let Some((last, parents)) = variable.path.split_last() else { return };
    let mut here = values;
    for name in parents {
        let slot = here.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        let Value::Object(inner) = slot else { return };
        here = inner;
    }
    here.insert(last.clone(), variable.value.clone());
}

/// A value typed on the command line for `state set`: JSON when it is JSON, text otherwise.
pub fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "m", "5x", "-1", "1h30", "99999999999999999999s", "18446744073709551615w"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scalars_keep_what_was_written() {
        assert_eq!(scalar("5"), Value::from(5));
        assert_eq!(scalar("-0.5"), Value::from(-0.5));
        assert_eq!(scalar("true"), Value::Bool(true));
        for text in ["0644", "1.10", "1e5", "", "null", "[1]", "123456789012345678901234567890"] {
            assert_eq!(scalar(text), Value::from(text));
        }
    }

    #[test]
    fn dots_nest_and_later_wins() {
        let mut values = Map::new();
        for text in ["a=1", "a.b.c=x=y", "a.b.d=2"] {
            insert(&mut values, &variable(text).unwrap());
        }
        assert_eq!(Value::Object(values), serde_json::json!({"a": {"b": {"c": "x=y", "d": 2}}}));
        assert!(variable("novalue").is_err() && variable(".a=1").is_err() && variable("=1").is_err());
    }
}
