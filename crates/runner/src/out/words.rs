//! Numbers, plurals and durations the way people read them.

use std::time::Duration;

use sloth_core::value::Value;

/// `1 stack`, `2 stacks`, `0 stacks`.
pub fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {}", plural(one)) }
}

/// `once`, or how many times.
pub fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
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

/// A size: `812 B`, `1.5 MiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(number) * 10 / 1024;
    if tenths < 10 {
        return format!("{number} B");
    }
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A duration as it would be typed, and read back as the same: `30s`, `1h30m`, `30d`.
pub fn typed_duration(d: Duration) -> String {
    let mut rest = d.as_millis();
    let mut text = String::new();
    for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// An URL without what would let somebody in: user and password before the host, passwords among the parameters.
/// A path stays as it is.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (place, parameters) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
    // A password may hold `?` and `/` that somebody forgot to escape; what stands before the last `@` is hidden then, too.
    let (hidden, shown, parameters) = match (place.rsplit_once('@'), rest.rsplit_once('@')) {
        (Some((_, host)), _) => (true, host, parameters),
        (None, Some((_, host))) => (true, host, None),
        (None, None) => (false, place, parameters),
    };
    let mut text = format!("{scheme}://{}{shown}", if hidden { "…@" } else { "" });
    for (at, parameter) in parameters.into_iter().flat_map(|q| q.split('&')).enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if name.to_lowercase().contains("pass") => text.push_str(&format!("{name}=…")),
            _ => text.push_str(parameter),
        }
    }
    text
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
    fn durations_are_short() {
        let of = |ms| duration(Duration::from_millis(ms));
        assert_eq!((of(71), of(2_450), of(150_000)), ("71ms".into(), "2.4s".into(), "2m30s".into()));
        assert_eq!((of(0), of(3_900_000), of(270_000_000)), ("0s".into(), "1h05m".into(), "3d03h".into()));
        assert_eq!(duration(Duration::from_micros(3)), "<1ms");
    }

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1023, 1024, 1536, 1 << 20, 5 << 40].map(bytes);
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "5.0 TiB"]);
    }

    #[test]
    fn what_is_printed_can_be_typed() {
        for text in ["0s", "30s", "1h", "1h30m", "30d", "1d1h1m1s1ms", "250ms"] {
            assert_eq!(typed_duration(crate::parse::duration(text).unwrap()), text);
        }
    }

    #[test]
    fn urls_keep_no_password() {
        for (url, shown) in [
            ("postgres://u:p@h/d", "postgres://…@h/d"),
            ("postgres://u:a?b@h/d", "postgres://…@h/d"),
            ("postgres://h/d?password=x&sslmode=require", "postgres://h/d?password=…&sslmode=require"),
            ("postgres://u:p@h/d?sslpassword=x", "postgres://…@h/d?sslpassword=…"),
            ("/var/a@b.db", "/var/a@b.db"),
            ("sqlite:///var/x.db", "sqlite:///var/x.db"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
