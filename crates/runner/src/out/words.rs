//! Numbers, plurals and durations the way people read them.

use std::time::Duration;

use sloth_core::value::Value;

/// `1 stack`, `2 stacks`, `0 stacks`.
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {}", plural(one)) }
}

fn plural(one: &str) -> String {
    match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{one}s"),
    }
}

/// `count` of a length.
pub fn len<T>(items: &[T], one: &str) -> String {
    count(items.len() as u64, one)
}

/// `71ms`, `2.4s`, `2m30s`, `1h05m`, `3d04h`.
pub fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        0 if d.is_zero() => "0s".to_owned(),
        0 if d.as_millis() == 0 => "<1ms".to_owned(),
        0 => format!("{}ms", d.as_millis()),
        1..60 => format!("{}.{}s", seconds, d.subsec_millis() / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `0 B`, `812 B`, `1.4 KiB`, `23 MiB`.
pub fn bytes(number: u64) -> String {
    let mut unit = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter();
    let mut name = unit.next().copied().unwrap_or_default();
    let (mut whole, mut tenths) = (number, 0);
    while whole >= 1024
        && let Some(next) = unit.next()
    {
        (name, tenths, whole) = (next, whole % 1024 * 10 / 1024, whole / 1024);
    }
    if whole < 10 && name != "B" { format!("{whole}.{tenths} {name}") } else { format!("{whole} {name}") }
}

/// A value on one line: text as it is, everything else as JSON.
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value on one line, at most `limit` characters.
pub fn short_value(v: &Value, limit: usize) -> String {
    let text = value(v);
    if text.chars().count() <= limit {
        text
    } else {
        text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_real() {
        assert_eq!(count(1, "stack"), "1 stack");
        assert_eq!(count(0, "entry"), "0 entries");
        assert_eq!(count(2, "key"), "2 keys");
    }

    #[test]
    fn sizes_are_short() {
        let of = [0, 1023, 1024, 1500, 10 * 1024, 5 << 20, u64::MAX].map(bytes);
        assert_eq!(of, ["0 B", "1023 B", "1.0 KiB", "1.4 KiB", "10 KiB", "5.0 MiB", "15 EiB"]);
    }

    #[test]
    fn durations_are_short() {
        let of = |ms| duration(Duration::from_millis(ms));
        assert_eq!((of(71), of(2_450), of(150_000)), ("71ms".into(), "2.4s".into(), "2m30s".into()));
        assert_eq!((of(0), of(3_900_000), of(270_000_000)), ("0s".into(), "1h05m".into(), "3d03h".into()));
        assert_eq!(duration(Duration::from_micros(3)), "<1ms");
    }
}
