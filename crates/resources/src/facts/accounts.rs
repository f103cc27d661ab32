//! `/etc/passwd`, `/etc/shadow`, `/etc/group`, `/etc/gshadow` and `/etc/login.defs`: passwd(5), shadow(5), group(5),
//! gshadow(5), login.defs(5).
//!
//! A [`Database`] keeps every line it does not understand (comments, blank lines, `+` entries of NIS) byte for byte, and so
//! it does with every line nobody changed.

use std::collections::BTreeSet;

/// A colon-separated file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    lines: Vec<String>,
}

/// Is it a line about an account, and not a comment, a blank or an entry that refers to a directory server?
fn is_entry(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', '+', '-', ' ', '\t']) && line.contains(':')
}

impl Database {
    /// Takes a text apart.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }
    /// The text; every line ends in a newline.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.lines.iter().map(|l| l.len() + 1).sum());
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
    /// The fields of every entry, in order.
    pub fn entries(&self) -> impl Iterator<Item = Vec<&str>> {
        self.lines.iter().filter(|l| is_entry(l)).map(|l| l.split(':').collect())
    }
    /// The fields of the first entry of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Vec<&str>> {
        self.entries().find(|fields| fields.first() == Some(&name))
    }
    /// A field of the first entry of this name.
    #[must_use]
    pub fn field(&self, name: &str, at: usize) -> Option<&str> {
        self.find(name)?.get(at).copied()
    }
    /// Replaces the first entry of this name, or adds it at the end, but before entries that refer to a directory server.
    pub fn put(&mut self, fields: &[String]) {
        let line = fields.join(":");
        let name = fields.first().map_or("", String::as_str);
        match self.position(name) {
            Some(at) => self.lines[at] = line,
            None => {
                let at = self.lines.iter().position(|l| l.starts_with('+')).unwrap_or(self.lines.len());
                self.lines.insert(at, line);
            }
        }
    }
    /// Changes one field of the first entry of this name; missing fields before it become empty.
    pub fn set(&mut self, name: &str, at: usize, value: &str) {
        let Some(line) = self.position(name) else { return };
        let mut fields: Vec<&str> = self.lines[line].split(':').collect();
        while fields.len() <= at {
            fields.push("");
        }
        fields[at] = value;
        let line_now = fields.join(":");
        self.lines[line] = line_now;
    }
    /// Removes every entry of this name.
    pub fn remove(&mut self, name: &str) {
        self.lines.retain(|line| !(is_entry(line) && line.split(':').next() == Some(name)));
    }
    fn position(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|l| is_entry(l) && l.split(':').next() == Some(name))
    }
}

/// The names of a comma-separated field, sorted.
#[must_use]
pub fn members(field: &str) -> BTreeSet<String> {
    field.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect()
}

/// A comma-separated field with one name more or less, the order of the others kept.
#[must_use]
pub fn with_member(field: &str, name: &str, present: bool) -> String {
    let mut names: Vec<&str> =
        field.split(',').filter(|m| !m.is_empty() && (present || *m != name)).collect();
    if present && !names.contains(&name) {
        names.push(name);
    }
    names.join(",")
}

/// A setting of `/etc/login.defs`, the last one of its name.
#[must_use]
pub fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let of = |line: &'t str| {
        let (key, value) = line.trim_start().split_once([' ', '\t'])?;
        let value = value.trim();
        (key == name && !value.is_empty()).then_some(value.trim_matches('"'))
    };
    text.lines().filter_map(of).next_back()
}

/// A number of `/etc/login.defs`: decimal, or octal with a leading `0`.
#[must_use]
pub fn number(text: &str, name: &str) -> Option<i64> {
    let value = setting(text, name)?;
    match value.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => i64::from_str_radix(octal, 8).ok(),
        _ => value.parse().ok(),
    }
}

/// Where new ids come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Lowest.
    pub min: u32,
    /// Highest.
    pub max: u32,
    /// Are they given out from the top, as for system accounts?
    pub downwards: bool,
}

impl Range {
    /// The range of a kind of id (`"UID"` or `"GID"`) according to `/etc/login.defs`, with the defaults of shadow-utils.
    #[must_use]
    pub fn of(login_defs: &str, what: &str, system: bool) -> Self {
        let read = |name: String, default: u32| {
            number(login_defs, &name).and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
        };
        let first = read(format!("{what}_MIN"), 1000);
        match system {
            false => Self { min: first, max: read(format!("{what}_MAX"), 60000), downwards: false },
            true => Self {
                min: read(format!("SYS_{what}_MIN"), 101),
                max: read(format!("SYS_{what}_MAX"), first.saturating_sub(1)),
                downwards: true,
            },
        }
    }
    /// The id a new account gets, by the rule of useradd(8) and groupadd(8): next to the outermost one in use, and only
    /// when that is at the end of the range the first free one.
    #[must_use]
    pub fn next(self, used: &BTreeSet<u32>) -> Option<u32> {
        let mut inside = used.range(self.min..=self.max);
        let free = |id: &u32| !used.contains(id);
        if self.downwards {
            match inside.next() {
                None => Some(self.max),
                Some(lowest) if *lowest > self.min => Some(lowest - 1),
                Some(_) => (self.min..=self.max).rev().find(free),
            }
        } else {
            match inside.next_back() {
                None => Some(self.min),
                Some(highest) if *highest < self.max => Some(highest + 1),
                Some(_) => (self.min..=self.max).find(free),
            }
        }
    }
}

/// May a user or group be called this? The rule of shadow-utils without its exceptions: lower-case letters, digits, `_`
/// and `-`, not a digit or `-` first, at most 32 characters; capital letters and `.` inside are taken, too.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let body = name.strip_suffix('$').unwrap_or(name);
    first && name.len() <= 32 && body.chars().all(good)
}

/// Is it what crypt(3) makes, or one of the words that let nobody in (`!`, `*`), and not a password in clear?
#[must_use]
pub fn is_hash(text: &str) -> bool {
    let body = text.trim_start_matches('!');
    if matches!(body, "" | "*") {
        return !text.is_empty();
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '$' | '=' | ',' | '-' | '_');
    let parts = body.split('$').count();
    body.starts_with('$') && parts >= 3 && body.len() >= 12 && body.chars().all(good)
}

/// Days since 1970-01-01 of a date such as `2027-03-31`.
#[must_use]
pub fn days_of(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let shape = parts.next().is_none() && year.len() == 4 && month.len() == 2 && day.len() == 2;
    let (y, m, d): (i64, i64, i64) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if !shape || !(1..=12).contains(&m) || !(1970..=9999).contains(&y) {
        return None;
    }
    let days = days_from_civil(y, m, d);
    // A day that does not exist comes back as another one.
    (d >= 1 && date_of(days) == date).then_some(days)
}

/// The reverse of [`days_of`].
#[must_use]
pub fn date_of(days: i64) -> String {
    // Howard Hinnant's `civil_from_days`: eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let march = (month + 9) % 12;
    let of_year = (153 * march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\n# by hand\n\nwww:x:33:33::/var/www:/usr/sbin/nologin\n+::::::\n";

    #[test]
    fn what_is_not_touched_stays() {
        let mut database = Database::parse(PASSWD);
        assert_eq!(database.text(), PASSWD);
        assert_eq!(database.entries().count(), 2);
        database.put(&["new".into(), "x".into(), "1000".into()]);
        assert!(database.text().ends_with("nologin\nnew:x:1000\n+::::::\n"), "{}", database.text());
        database.set("new", 4, "A. New");
        assert_eq!(database.find("new").unwrap(), ["new", "x", "1000", "", "A. New"]);
        database.remove("new");
        assert_eq!(database.text(), PASSWD);
        assert_eq!(database.field("+", 0), None);
    }

    #[test]
    fn lists_keep_their_order() {
        assert_eq!(with_member("b,a", "c", true), "b,a,c");
        assert_eq!(with_member("b,a", "a", true), "b,a");
        assert_eq!(with_member("b,a,c", "a", false), "b,c");
        assert_eq!(with_member("", "a", true), "a");
        assert_eq!(members("b,,a").into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn settings_are_found() {
        let text =
            "# UID_MIN 5\nUID_MIN\t\t 2000\nUMASK\t022\nENV_PATH \"PATH=/bin\"\nUID_MIN 3000\nHOME_MODE\n";
        assert_eq!(number(text, "UID_MIN"), Some(3000));
        assert_eq!(number(text, "UMASK"), Some(0o22));
        assert_eq!(setting(text, "ENV_PATH"), Some("PATH=/bin"));
        assert_eq!(setting(text, "HOME_MODE"), None);
        assert_eq!(Range::of(text, "UID", false), Range { min: 3000, max: 60000, downwards: false });
        assert_eq!(Range::of(text, "UID", true), Range { min: 101, max: 2999, downwards: true });
    }

    #[test]
    fn new_ids_are_next_to_the_others() {
        let used = |ids: &[u32]| ids.iter().copied().collect::<BTreeSet<_>>();
        let up = Range { min: 10, max: 13, downwards: false };
        let down = Range { downwards: true, ..up };
        for (range, ids, next) in [
            (up, &[][..], Some(10)),
            (up, &[1, 10, 99], Some(11)),
            (up, &[12], Some(13)),
            (up, &[10, 13], Some(11)),
            (up, &[10, 11, 12, 13], None),
            (down, &[], Some(13)),
            (down, &[13, 99], Some(12)),
            (down, &[10, 13], Some(12)),
            (down, &[10, 11, 12, 13], None),
        ] {
            assert_eq!(range.next(&used(ids)), next, "{ids:?}");
        }
    }

    #[test]
    fn names_and_hashes_are_told_from_others() {
        for good in ["deploy", "_apt", "www-data", "a.b", "Machine$", "D1"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(33);
        for bad in ["", "1a", "-a", "a b", "a:b", "a\nb", "ä", "a/b", ".", "a$b", long.as_str()] {
            assert!(!is_name(bad), "{bad}");
        }
        let sha512 = format!("$6$salt${}", "a".repeat(86));
        for good in ["!", "*", "!!", "!*", "$y$j9T$abc/def.$ghi123", &sha512, &format!("!{sha512}")] {
            assert!(is_hash(good), "{good}");
        }
        for bad in ["", "secret", "$ecret", "pa$$word$$$$", "$6$a:b$cccccccccc", "$6$a\nb$cccccccccc"] {
            assert!(!is_hash(bad), "{bad}");
        }
    }

    #[test]
    fn dates_are_days() {
        for (date, days) in
            [("1970-01-01", 0), ("1970-03-01", 59), ("2000-02-29", 11016), ("2026-11-24", 20781)]
        {
            assert_eq!(days_of(date), Some(days), "{date}");
            assert_eq!(date_of(days), date);
        }
        for bad in ["", "2026", "2026-02-30", "2026-13-01", "2026-1-1", "1969-12-31", "2026-11-24-1", "x-y-z"]
        {
            assert_eq!(days_of(bad), None, "{bad}");
        }
    }
}
