//! What the files and programs of a Linux system say about the host: pure readers, text in, facts out.
//! Sources: os-release(5), proc(5), df(1), ip-address(8), rpm(8), pacman(8), apk-package(5), systemctl(1).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sloth_core::value::{Map, Value};

use super::dpkg;

/// The variables of an os-release file.
#[must_use]
pub fn variables(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let value = value.trim();
        let inner =
            ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q)).unwrap_or(value);
        let mut plain = String::new();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            plain.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
        }
        all.insert(name.trim().to_owned(), plain);
    }
    all
}

/// The family a distribution belongs to, from its own name and from those it says it is like.
#[must_use]
pub fn family(id: &str, like: &str) -> String {
    let of = |id: &str| {
        Some(match id {
            "debian" | "ubuntu" | "linuxmint" | "raspbian" | "pop" | "kali" | "devuan" => "debian",
            "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => "redhat",
            "suse" | "opensuse" | "sles" | "opensuse-leap" | "opensuse-tumbleweed" => "suse",
            "alpine" | "postmarketos" => "alpine",
            "arch" | "manjaro" | "endeavouros" | "archarm" => "arch",
            "gentoo" => "gentoo",
            "void" => "void",
            "nixos" => "nixos",
            "slackware" => "slackware",
            _ => return None,
        })
    };
    std::iter::once(id)
        .chain(like.split_whitespace())
        .find_map(of)
        .map_or_else(|| if id.is_empty() { "unknown".to_owned() } else { id.to_owned() }, str::to_owned)
}

/// Processors, from `/proc/cpuinfo`.
#[must_use]
pub fn cpu(text: &str) -> Value {
    let (mut count, mut model) = (0u64, String::new());
    let mut cores: BTreeSet<(String, String)> = BTreeSet::new();
    let mut sockets: BTreeSet<String> = BTreeSet::new();
    let (mut socket, mut flags) = (String::new(), "");
    let (mut per_socket, mut revision) = (0u64, String::new());
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.trim() {
            "processor" if value.bytes().all(|b| b.is_ascii_digit()) => count += 1,
            "model name" | "cpu model" | "Model" | "cpu" if model.is_empty() => value.clone_into(&mut model),
            "Hardware" if revision.is_empty() => value.clone_into(&mut revision),
            "physical id" => {
                value.clone_into(&mut socket);
                sockets.insert(socket.clone());
            }
            "core id" => drop(cores.insert((socket.clone(), value.to_owned()))),
            "cpu cores" => per_socket = value.parse().unwrap_or(0),
            "flags" | "Features" => flags = value,
            _ => {}
        }
    }
    let sockets = (sockets.len() as u64).max(u64::from(count > 0));
    let cores = match cores.len() as u64 {
        0 if per_socket > 0 => per_socket * sockets,
        0 => count,
        known => known,
    };
    json!({
        "count": count,
        "cores": cores,
        "sockets": sockets,
        "model": if model.is_empty() { revision } else { model },
        "hypervisor": flags.split_whitespace().any(|f| f == "hypervisor"),
    })
}

/// Memory in bytes, from `/proc/meminfo`.
#[must_use]
pub fn memory(text: &str) -> Value {
    let all: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let mut words = value.split_whitespace();
            let number: u64 = words.next()?.parse().ok()?;
            Some((name, if words.next() == Some("kB") { number * 1024 } else { number }))
        })
        .collect();
    let of = |name: &str| all.get(name).copied().unwrap_or(0);
    let cached = of("Cached") + of("SReclaimable");
    // Kernels before 3.14 do not say what is available.
    let available =
        all.get("MemAvailable").copied().unwrap_or_else(|| of("MemFree") + of("Buffers") + cached);
    let used = of("MemTotal").saturating_sub(available);
    json!({
        "total": of("MemTotal"),
        "free": of("MemFree"),
        "available": available,
        "used": used,
        "used_percent": percent(used, of("MemTotal")),
        "buffers": of("Buffers"),
        "cached": cached,
        "swap_total": of("SwapTotal"),
        "swap_free": of("SwapFree"),
    })
}

/// With one digit after the point.
fn percent(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a per mille value is small")]
    match whole {
        0 => 0.0,
        _ => (u128::from(part) * 1000 / u128::from(whole)) as f64 / 10.0,
    }
}

/// `\040` and its like, as in `/proc/mounts`.
fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\')
            .then(|| text.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is mounted, from `/proc/self/mounts`.
#[must_use]
pub fn mounts(text: &str) -> Value {
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        let (device, place) = (words.next()?, words.next()?);
        let (sort, options) = (words.next()?, words.next()?);
        Some(json!({
            "device": unescaped(device),
            "mountpoint": unescaped(place),
            "fstype": sort,
            "options": options,
        }))
    };
    text.lines().filter_map(one).collect()
}

/// File systems with their sizes in bytes, from `df -P -T -k`. Those without a size, and those that are only views of the
/// kernel, are left out.
#[must_use]
pub fn disks(text: &str) -> Value {
    const VIEWS: [&str; 7] = ["devtmpfs", "efivarfs", "overlay", "squashfs", "tmpfs", "devfs", "ramfs"];
    let one = |line: &str| {
        // Names of devices may have spaces in them, so the numbers are looked for from the right.
        let (front, place) = line.split_once("% ")?;
        let mut words = front.split_whitespace().rev();
        let _use = words.next()?;
        let mut size = || words.next()?.parse::<u64>().ok().map(|k| k * 1024);
        let (free, used, total) = (size()?, size()?, size()?);
        let sort = words.next()?;
        let device: Vec<&str> = words.rev().collect();
        let place = place.trim();
        if total == 0 || VIEWS.contains(&sort) && place != "/" {
            return None;
        }
        Some(json!({
            "device": device.join(" "),
            "mountpoint": place,
            "fstype": sort,
            "total": total,
            "used": used,
            "free": free,
            "used_percent": percent(used, used + free),
        }))
    };
    text.lines().skip(1).filter_map(one).collect()
}

/// Addresses by interface, from `ip -o address`.
#[must_use]
pub fn addresses(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(name) = words.get(1) else { continue };
        let name = name.trim_end_matches(':').split('@').next().unwrap_or(name);
        if let Some(at) = words.iter().position(|w| matches!(*w, "inet" | "inet6"))
            && let Some(address) = words.get(at + 1)
        {
            all.entry(name.to_owned()).or_default().push((*address).to_owned());
        }
    }
    all
}

/// The gateway and its interface, from `/proc/net/route`.
#[must_use]
pub fn gateway(text: &str) -> Option<(String, String)> {
    text.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, to, by, mask) = (words.first()?, words.get(1)?, words.get(2)?, words.get(7)?);
        if *to != "00000000" || *mask != "00000000" {
            return None;
        }
        let address = u32::from_str_radix(by, 16).ok()?;
        Some((std::net::Ipv4Addr::from(address.to_le_bytes()).to_string(), (*name).to_owned()))
    })
}

/// Sockets that wait for others, from `/proc/net/tcp`, `tcp6`, `udp` and `udp6`.
#[must_use]
pub fn listening(text: &str, protocol: &str) -> Vec<Value> {
    let one = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (local, state) = (words.get(1)?, words.get(3)?);
        // LISTEN of TCP, and the only state of UDP sockets that are not connected.
        let waits = if protocol.starts_with("tcp") { *state == "0A" } else { *state == "07" };
        let (address, port) = local.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok().filter(|_| waits)?;
        // Words of 32 bits, each in the order of the processor.
        let words: Vec<u32> = (0..address.len() / 8)
            .filter_map(|i| u32::from_str_radix(&address[8 * i..8 * i + 8], 16).ok())
            .collect();
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
            Ok(four) => std::net::Ipv4Addr::from(four).to_string(),
            Err(_) => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string(),
        };
        Some(json!({ "protocol": protocol.trim_end_matches('6'), "address": address, "port": port }))
    };
    text.lines().skip(1).filter_map(one).collect()
}

/// Services, from `systemctl list-units --all --plain --no-legend`.
#[must_use]
pub fn units(text: &str) -> Value {
    let one = |line: &str| {
        let mut words = line.trim_start_matches(['●', '*', '×', '○', ' ']).split_whitespace();
        let (name, load) = (words.next()?, words.next()?);
        let (active, state) = (words.next()?, words.next()?);
        let name = name.strip_suffix(".service")?;
        Some(json!({
            "name": name,
            "load": load,
            "status": active,
            "state": state,
            "description": words.collect::<Vec<_>>().join(" "),
        }))
    };
    text.lines().filter_map(one).collect()
}

fn package(name: &str, version: &str, architecture: &str) -> Value {
    json!({ "name": name, "version": version, "architecture": architecture })
}

/// Installed packages of dpkg's status file, by name.
#[must_use]
pub fn dpkg_packages(text: &[u8]) -> Vec<Value> {
    let mut all: Vec<Value> =
        dpkg::Status::parse(text).installed().map(|(name, p)| package(name, &p.version, &p.arch)).collect();
    all.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    all
}

/// The format that [`rpm_packages`] reads.
pub const RPM: &str = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\n";

/// Installed packages, from `rpm -qa --queryformat` with [`RPM`].
#[must_use]
pub fn rpm_packages(text: &str) -> Vec<Value> {
    let one = |line: &str| {
        let mut fields = line.split('\t');
        let (name, version, arch) = (fields.next()?, fields.next()?, fields.next()?);
        // Keys for signatures are kept as packages, but are none.
        (name != "gpg-pubkey").then(|| package(name, version, arch))
    };
    let mut all: Vec<Value> = text.lines().filter_map(one).collect();
    all.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    all
}

/// Installed packages, from `/lib/apk/db/installed`.
#[must_use]
pub fn apk_packages(text: &str) -> Vec<Value> {
    let one = |paragraph: &str| {
        let field = |key: &str| paragraph.lines().find_map(|line| line.strip_prefix(key));
        Some(package(field("P:")?, field("V:")?, field("A:").unwrap_or_default()))
    };
    text.split("\n\n").filter_map(one).collect()
}

/// Installed packages, from `pacman -Q`, which does not say for what they were built.
#[must_use]
pub fn pacman_packages(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, version)| package(name, version.trim(), ""))
        .collect()
}

/// Accounts of a passwd(5) file.
#[must_use]
pub fn users(text: &str) -> Value {
    let database = super::accounts::Database::parse(text);
    let number = |text: &str| text.parse::<u64>().map_or(Value::Null, Value::from);
    let one = |f: Vec<&str>| {
        let at = |n: usize| f.get(n).copied().unwrap_or_default();
        json!({
            "username": at(0), "uid": number(at(2)), "gid": number(at(3)), "comment": at(4), "home": at(5),
            "shell": at(6),
        })
    };
    database.entries().map(one).collect()
}

/// Groups of a group(5) file.
#[must_use]
pub fn groups(text: &str) -> Value {
    let database = super::accounts::Database::parse(text);
    let one = |f: Vec<&str>| {
        let at = |n: usize| f.get(n).copied().unwrap_or_default();
        let members: Vec<String> = super::accounts::members(at(3)).into_iter().collect();
        json!({ "name": at(0), "gid": at(2).parse::<u64>().map_or(Value::Null, Value::from), "members": members })
    };
    database.entries().map(one).collect()
}

/// State and name of a process, from `/proc/PID/stat`. The name may hold anything, so its end is looked for from behind.
#[must_use]
pub fn process(stat: &str) -> Option<(char, String)> {
    let (front, rest) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(front + 1..rest)?.to_owned();
    let state = stat.get(rest + 1..)?.trim_start().chars().next()?;
    Some((state, name))
}

/// The load of the last one, five and fifteen minutes, from `/proc/loadavg`.
#[must_use]
pub fn load(text: &str) -> Value {
    let numbers: Vec<f64> = text.split_whitespace().take(3).filter_map(|w| w.parse().ok()).collect();
    let names = ["load1", "load5", "load15"];
    Value::Object(names.iter().zip(numbers).map(|(n, v)| ((*n).to_owned(), Value::from(v))).collect::<Map>())
}

/// The machine behind a system, from what its firmware says and whether its processor knows of a hypervisor.
#[must_use]
pub fn virtualization(vendor: &str, product: &str, hypervisor: bool) -> &'static str {
    let text = format!("{vendor} {product}").to_lowercase();
    const KNOWN: [(&str, &str); 10] = [
        ("vmware", "vmware"),
        ("virtualbox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("kvm", "kvm"),
        ("qemu", "kvm"),
        ("amazon ec2", "amazon"),
        ("google", "google"),
        ("microsoft corporation virtual", "hyperv"),
        ("xen", "xen"),
        ("parallels", "parallels"),
    ];
    match KNOWN.iter().find(|(part, _)| text.contains(part)) {
        Some((_, name)) => name,
        None if hypervisor => "unknown",
        None => "",
    }
}
