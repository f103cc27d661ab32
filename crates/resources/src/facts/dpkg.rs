//! What Debian's package tools write and say: the status file of dpkg, versions, and what `apt-get --simulate` prints.
//! Sources: deb-version(7), dpkg-query(1), apt-get(8).

use std::cmp::Ordering;
use std::collections::HashMap;

/// What dpkg knows about one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Architecture.
    pub arch: String,
    /// Version, also when only its configuration files are left.
    pub version: String,
    /// Is it on hold?
    pub hold: bool,
    /// How far it got: `installed`, `config-files`, `half-configured`, …
    pub status: String,
}

impl Package {
    /// Is it there and working?
    #[must_use]
    pub fn installed(&self) -> bool {
        matches!(self.status.as_str(), "installed" | "triggers-awaited" | "triggers-pending")
    }
    /// Did something stop in the middle of it?
    #[must_use]
    pub fn interrupted(&self) -> bool {
        matches!(self.status.as_str(), "half-configured" | "half-installed" | "unpacked")
    }
}

/// The status file of dpkg.
#[derive(Clone, Debug, Default)]
pub struct Status {
    packages: HashMap<String, Vec<Package>>,
}

impl Status {
    /// Takes the file apart. Paragraphs that make no sense are passed over.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let mut packages: HashMap<String, Vec<Package>> = HashMap::new();
        let (mut name, mut package) = (None::<&str>, Package::default());
        for line in text.lines().chain([""]) {
            if line.is_empty() {
                let done = std::mem::take(&mut package);
                if let Some(name) = name.take().filter(|_| !done.status.is_empty()) {
                    packages.entry(name.to_owned()).or_default().push(done);
                }
                continue;
            }
            match line.split_once(": ") {
                Some(("Package", value)) => name = Some(value.trim()),
                Some(("Architecture", value)) => value.trim().clone_into(&mut package.arch),
                Some(("Version", value)) => value.trim().clone_into(&mut package.version),
                Some(("Status", value)) => {
                    let mut words = value.split_ascii_whitespace();
                    package.hold = words.next() == Some("hold");
                    package.status = words.nth(1).unwrap_or_default().to_owned();
                }
                _ => {}
            }
        }
        Self { packages }
    }
    /// A package by its name, or by `name:architecture`. Of several architectures the one that is installed.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Package> {
        let (name, arch) = id.split_once(':').map_or((id, None), |(name, arch)| (name, Some(arch)));
        let of_arch = |p: &&Package| arch.is_none_or(|arch| p.arch == arch || p.arch == "all");
        let mut found = self.packages.get(name)?.iter().filter(of_arch);
        let first = found.next()?;
        Some(if first.installed() { first } else { found.find(|p| p.installed()).unwrap_or(first) })
    }
    /// Names and packages of what is installed, in no order.
    pub fn installed(&self) -> impl Iterator<Item = (&str, &Package)> {
        let all = self.packages.iter().flat_map(|(name, all)| all.iter().map(move |p| (name.as_str(), p)));
        all.filter(|(_, package)| package.installed())
    }
    /// Did something stop in the middle of any package?
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.packages.values().flatten().any(Package::interrupted)
    }
}

/// Can a package be called so, with or without its architecture?
#[must_use]
pub fn is_name(id: &str) -> bool {
    let (name, arch) = id.split_once(':').map_or((id, None), |(name, arch)| (name, Some(arch)));
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() >= 2
        && name.bytes().next().is_some_and(good)
        && name.bytes().all(|b| good(b) || matches!(b, b'+' | b'-' | b'.'))
        && arch.is_none_or(|arch| !arch.is_empty() && arch.bytes().all(|b| good(b) || b == b'-'))
}

/// How the parts of a version that are no digits are ordered: `~` before the end, letters before all others.
const fn weight(byte: Option<u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b) if b.is_ascii_alphabetic() => b as i32,
        Some(b) => b as i32 + 256,
    }
}

/// One of upstream version and revision.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let word = |text: &[u8]| text.first().is_some_and(|b| !b.is_ascii_digit());
        while word(a) || word(b) {
            match weight(a.first().copied()).cmp(&weight(b.first().copied())) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            (a, b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default());
        }
        let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
        let (of_a, rest_a) = a.split_at(digits(a));
        let (of_b, rest_b) = b.split_at(digits(b));
        let plain = |text: &[u8]| text.iter().position(|b| *b != b'0').unwrap_or(text.len());
        let (of_a, of_b) = (&of_a[plain(of_a)..], &of_b[plain(of_b)..]);
        match of_a.len().cmp(&of_b.len()).then_with(|| of_a.cmp(of_b)) {
            Ordering::Equal => (a, b) = (rest_a, rest_b),
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// Which of two versions is the newer one, by the rules of deb-version(7).
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    fn parts(version: &str) -> (u64, &str, &str) {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.trim().parse().unwrap_or(0), upstream, revision)
    }
    let (a, b) = (parts(a), parts(b));
    a.0.cmp(&b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| compare_part(a.2, b.2))
}

/// What `apt-get --simulate` says would happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// What would be installed or changed, with its architecture and new version.
    pub installs: Vec<(String, String, String)>,
    /// What would be configured only, because it was unpacked before: name, architecture, version.
    pub configures: Vec<(String, String, String)>,
    /// What would go.
    pub removes: Vec<String>,
}

impl Forecast {
    /// Takes the lines apart that start with `Inst`, `Conf`, `Remv` and `Purg`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut forecast = Self::default();
        for line in text.lines() {
            let Some((verb, rest)) = line.split_once(' ') else { continue };
            let name = rest.split(' ').next().unwrap_or_default().to_owned();
            match verb {
                "Inst" | "Conf" => {
                    let Some((_, inside)) = rest.split_once('(') else { continue };
                    let inside = inside.split(')').next().unwrap_or_default();
                    let version = inside.split(' ').next().unwrap_or_default().to_owned();
                    let arch = inside.rsplit_once('[').map_or("", |(_, arch)| arch.trim_end_matches(']'));
                    let list = if verb == "Inst" { &mut forecast.installs } else { &mut forecast.configures };
                    list.push((name, arch.to_owned(), version));
                }
                "Remv" | "Purg" => forecast.removes.push(name),
                _ => {}
            }
        }
        forecast
    }
    /// The version a package would get.
    #[must_use]
    pub fn version(&self, id: &str) -> Option<&str> {
        let (name, arch) = id.split_once(':').map_or((id, None), |(name, arch)| (name, Some(arch)));
        let is = |(n, a, _): &&(String, String, String)| {
            (n == id) || (n == name && arch.is_none_or(|arch| a == arch || a == "all"))
        };
        self.installs.iter().chain(&self.configures).find(is).map(|(_, _, version)| version.as_str())
    }
}

/// The newest version that `apt-cache policy` offers, by package, in the order asked.
#[must_use]
pub fn candidates(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut name = None;
    for line in text.lines() {
        match line.trim().split_once(": ") {
            None if !line.starts_with(' ') => name = line.strip_suffix(':'),
            Some(("Candidate", version)) if version != "(none)" => {
                if let Some(name) = name {
                    found.insert(name.to_owned(), version.to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_by_the_manual() {
        let rising = [
            "0~", "0", "0.0~rc1", "0.0", "1.0~~", "1.0~~a", "1.0~", "1.0-0~", "1.0", "1.0-1", "1.0-1+b1",
            "1.0-1.1", "1.0a", "1.0+dfsg", "1.0.1", "1.2", "1.10", "1:0", "2:0.1",
        ];
        for (at, low) in rising.iter().enumerate() {
            assert_eq!(compare(low, low), Ordering::Equal);
            for high in &rising[at + 1..] {
                assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
                assert_eq!(compare(high, low), Ordering::Greater, "{high} {low}");
            }
        }
        assert_eq!(compare("1.0", "1.0-0"), Ordering::Equal);
        assert_eq!(compare("01.002", "1.2"), Ordering::Equal);
    }

    #[test]
    fn a_simulation_is_read() {
        let text = "NOTE: This is only a simulation!\nReading package lists...\n\
            Remv exim4 [4.96-15]\nInst libc6 [2.36-9] (2.36-9+deb12u4 Debian:12.4/stable [amd64]) []\n\
            Inst nginx (1.22.1-9 Debian:12.0/stable [amd64])\nConf nginx (1.22.1-9 Debian:12.0/stable [amd64])\n\
            Purg mawk [1.3]\nInst libc6:i386 (2.36-9 Debian:12.0/stable [i386])\n";
        let forecast = Forecast::parse(text);
        assert_eq!(forecast.removes, ["exim4", "mawk"]);
        assert_eq!(forecast.version("nginx"), Some("1.22.1-9"));
        assert_eq!(forecast.version("libc6"), Some("2.36-9+deb12u4"));
        assert_eq!(forecast.version("libc6:i386"), Some("2.36-9"));
        assert_eq!(forecast.version("exim4"), None);
    }

    #[test]
    fn a_status_file_is_read() {
        let text = b"Package: a1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2\n\n\
            Package: b1\nStatus: hold ok installed\nArchitecture: all\nVersion: 3\nConffiles:\n /etc/b x\n\n\
            Package: c1\nStatus: deinstall ok config-files\nVersion: 4\nArchitecture: amd64\n\n\
            Package: a1\nStatus: install ok half-configured\nArchitecture: i386\nVersion: 1:1\n";
        let status = Status::parse(text);
        assert_eq!(status.find("a1").unwrap().version, "1:2");
        assert_eq!(status.find("a1:i386").unwrap().version, "1:1");
        assert!(status.find("b1").unwrap().hold);
        assert!(status.find("b1:amd64").unwrap().installed());
        assert!(!status.find("c1").unwrap().installed());
        assert!(status.find("d1").is_none());
        assert!(status.interrupted());
    }

    #[test]
    fn the_newest_version_is_found() {
        let text = "nginx:\n  Installed: (none)\n  Candidate: 1.22.1-9\n  Version table:\n     1.22.1-9 500\n\
            ghost:\n  Installed: (none)\n  Candidate: (none)\n";
        let found = candidates(text);
        assert_eq!(found.get("nginx").map(String::as_str), Some("1.22.1-9"));
        assert_eq!(found.get("ghost"), None);
    }
}
