//! Questions about a host: what it is, what is installed, what runs, what is at a path. Answers come from reading files,
//! and from programs only where no file says it. Nothing is changed.

use serde_json::json;
use sloth_core::command::{Command, CommandOutput};
use sloth_core::value::{Map, Value};

use crate::facts::{host, systemd};
use crate::os::{Look, OsError, Sort, Want};
use crate::types::authorized_key;

/// So much of one file is read.
const MOST: u64 = 64 << 20;

/// Answers as a command would: JSON on standard output, or why there is no answer on standard error.
pub fn answer(os: &dyn Look, topic: &str, of: Option<&str>) -> CommandOutput {
    match ask(os, topic, of) {
        Ok(value) => CommandOutput { stdout: value.to_string(), ..CommandOutput::default() },
        Err(stderr) => CommandOutput { stderr, exit_code: 1, ..CommandOutput::default() },
    }
}

fn ask(os: &dyn Look, topic: &str, of: Option<&str>) -> Result<Value, String> {
    let needed = || of.ok_or_else(|| format!("`{topic}` needs the name of something"));
    match topic {
        "authorized_key" => authorized_key::exists(os, needed()?),
        "authorized_keys" => authorized_key::list(os, needed()?),
        "content" => content(os, needed()?),
        "cpu" => Ok(host::cpu(&need(os, "/proc/cpuinfo")?)),
        "disks" => Ok(host::disks(&run(os, &["df", "-P", "-T", "-k"])?)),
        "groups" => Ok(host::groups(&need(os, "/etc/group")?)),
        "load" => Ok(host::load(&need(os, "/proc/loadavg")?)),
        "memory" => Ok(host::memory(&need(os, "/proc/meminfo")?)),
        "mounts" => Ok(host::mounts(&need(os, "/proc/self/mounts")?)),
        "network" => network(os),
        "os" => system(os),
        "package" => package(os, needed()?),
        "packages" => packages(os),
        "path" => path(os, needed()?),
        "ports" => ports(os),
        "processes" => processes(os),
        "service" => service(os, needed()?),
        "services" => services(os),
        "uptime" => uptime(os),
        "users" => Ok(host::users(&need(os, "/etc/passwd")?)),
        other => Err(format!("nothing is known of `{other}`")),
    }
}

fn text(os: &dyn Look, path: &str) -> Result<Option<String>, String> {
    match os.read(path, MOST, true) {
        Ok(bytes) => Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned())),
        Err(error) => Err(error.to_string()),
    }
}
/// The text of a file, or nothing when it cannot be had.
fn maybe(os: &dyn Look, path: &str) -> String {
    text(os, path).ok().flatten().unwrap_or_default()
}
fn need(os: &dyn Look, path: &str) -> Result<String, String> {
    text(os, path)?.ok_or_else(|| format!("there is no `{path}`"))
}
fn there(os: &dyn Look, path: &str) -> bool {
    matches!(os.entry(path, Want { follow: true, ..Want::default() }), Ok(Some(_)))
}
fn run(os: &dyn Look, argv: &[&str]) -> Result<String, String> {
    let mut command = Command::argv(argv);
    command.read_only = true;
    command.env.insert("LC_ALL".to_owned(), "C".to_owned());
    let output = os.query(&command).map_err(|e: OsError| e.to_string())?;
    // `df` fails because of one file system it may not look at, and tells the others.
    if output.success() || (argv.first() == Some(&"df") && !output.stdout.is_empty()) {
        return Ok(output.stdout);
    }
    let why = output.stderr.trim().lines().last().unwrap_or("it failed").to_owned();
    Err(format!("`{}`: {why}", argv.join(" ")))
}

fn system(os: &dyn Look) -> Result<Value, String> {
    let release = match text(os, "/etc/os-release")? {
        Some(text) => text,
        None => maybe(os, "/usr/lib/os-release"),
    };
    let release = host::variables(&release);
    let of = |name: &str| release.get(name).map_or("", String::as_str);
    let line = |path: &str| maybe(os, path).trim().to_owned();
    let hostname = match line("/proc/sys/kernel/hostname") {
        name if name.is_empty() => line("/etc/hostname"),
        name => name,
    };
    let container = if there(os, "/.dockerenv") {
        "docker".to_owned()
    } else if there(os, "/run/.containerenv") {
        "podman".to_owned()
    } else {
        line("/run/systemd/container")
    };
    let init = [("/run/systemd/system", "systemd"), ("/run/openrc", "openrc"), ("/run/runit", "runit")]
        .into_iter()
        .find(|(path, _)| there(os, path))
        .map_or("unknown", |(_, name)| name);
    let hypervisor = host::cpu(&maybe(os, "/proc/cpuinfo"))["hypervisor"].as_bool().unwrap_or(false);
    let (vendor, product) = (line("/sys/class/dmi/id/sys_vendor"), line("/sys/class/dmi/id/product_name"));
    Ok(json!({
        "id": of("ID"),
        "name": of("NAME"),
        "pretty_name": of("PRETTY_NAME"),
        "version": of("VERSION_ID"),
        "codename": of("VERSION_CODENAME"),
        "family": host::family(of("ID"), of("ID_LIKE")),
        "kernel": "Linux",
        "kernel_version": line("/proc/sys/kernel/osrelease"),
        "architecture": std::env::consts::ARCH,
        "hostname": hostname,
        "machine_id": line("/etc/machine-id"),
        "init": init,
        "package_manager": manager(os).unwrap_or(""),
        "container": container,
        "virtualization": host::virtualization(&vendor, &product, hypervisor),
        "selinux": match maybe(os, "/sys/fs/selinux/enforce").trim() {
            "1" => "enforcing",
            "0" => "permissive",
            _ => "disabled",
        },
    }))
}

/// The package manager of this host, by its own program.
fn manager(os: &dyn Look) -> Option<&'static str> {
    [
        ("/usr/bin/apt-get", "apt"),
        ("/usr/bin/dnf", "dnf"),
        ("/usr/bin/yum", "yum"),
        ("/usr/bin/zypper", "zypper"),
        ("/usr/bin/pacman", "pacman"),
        ("/sbin/apk", "apk"),
        ("/usr/sbin/apk", "apk"),
        ("/usr/bin/xbps-install", "xbps"),
        ("/usr/bin/emerge", "portage"),
    ]
    .into_iter()
    .find(|(path, _)| there(os, path))
    .map(|(_, name)| name)
}

fn network(os: &dyn Look) -> Result<Value, String> {
    let mut names = Vec::new();
    for name in os.list("/sys/class/net").map_err(|e| e.to_string())? {
        names.push(name.to_string_lossy().into_owned());
    }
    // A host without `ip` still has names and hardware.
    let addresses = run(os, &["ip", "-o", "address"]).map(|text| host::addresses(&text)).unwrap_or_default();
    let line = |name: &str, what: &str| maybe(os, &format!("/sys/class/net/{name}/{what}")).trim().to_owned();
    let one = |name: &String| {
        let state = line(name, "operstate");
        json!({
            "name": name,
            "mac": line(name, "address"),
            "mtu": line(name, "mtu").parse::<u64>().unwrap_or(0),
            // Loopback and tunnels do not say.
            "is_up": state == "up" || state == "unknown",
            "speed": line(name, "speed").parse::<i64>().ok().filter(|s| *s > 0),
            "addresses": addresses.get(name).cloned().unwrap_or_default(),
        })
    };
    let mut all: Map = Map::new();
    if let Some((gateway, interface)) = host::gateway(&maybe(os, "/proc/net/route")) {
        all.insert("gateway".to_owned(), Value::from(gateway));
        all.insert("default_interface".to_owned(), Value::from(interface));
    }
    let servers = maybe(os, "/etc/resolv.conf");
    let servers = servers.lines().filter_map(|l| l.trim().strip_prefix("nameserver")).map(str::trim);
    all.insert("nameservers".to_owned(), servers.map(Value::from).collect());
    all.insert("interfaces".to_owned(), names.iter().filter(|n| *n != "bonding_masters").map(one).collect());
    Ok(Value::Object(all))
}

fn ports(os: &dyn Look) -> Result<Value, String> {
    let mut all = Vec::new();
    let mut any = false;
    for protocol in ["tcp", "tcp6", "udp", "udp6"] {
        if let Some(text) = text(os, &format!("/proc/net/{protocol}"))? {
            any = true;
            all.extend(host::listening(&text, protocol));
        }
    }
    if any { Ok(Value::Array(all)) } else { Err("there is no `/proc/net/tcp`".to_owned()) }
}

fn installed(os: &dyn Look) -> Result<(&'static str, Vec<Value>), String> {
    if let Ok(Some(status)) = os.read("/var/lib/dpkg/status", MOST, true) {
        return Ok(("apt", host::dpkg_packages(&status)));
    }
    for path in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
        if let Some(text) = text(os, path)? {
            return Ok(("apk", host::apk_packages(&text)));
        }
    }
    if there(os, "/usr/bin/rpm") {
        let text = run(os, &["rpm", "-qa", "--queryformat", host::RPM])?;
        return Ok((manager(os).unwrap_or("rpm"), host::rpm_packages(&text)));
    }
    if there(os, "/usr/bin/pacman") {
        return Ok(("pacman", host::pacman_packages(&run(os, &["pacman", "-Q"])?)));
    }
    Err("no package manager of this host is known".to_owned())
}

fn packages(os: &dyn Look) -> Result<Value, String> {
    let (manager, packages) = installed(os)?;
    Ok(json!({ "manager": manager, "installed_count": packages.len(), "packages": packages }))
}

fn package(os: &dyn Look, name: &str) -> Result<Value, String> {
    let (_, packages) = installed(os)?;
    Ok(match packages.into_iter().find(|p| p["name"] == name) {
        Some(Value::Object(mut found)) => {
            found.insert("installed".to_owned(), Value::Bool(true));
            Value::Object(found)
        }
        _ => json!({ "name": name, "installed": false }),
    })
}

fn services(os: &dyn Look) -> Result<Value, String> {
    let argv = [
        "systemctl",
        "list-units",
        "--type=service",
        "--all",
        "--plain",
        "--no-legend",
        "--no-pager",
        "--full",
    ];
    run(os, &argv).map(|text| host::units(&text))
}

fn service(os: &dyn Look, name: &str) -> Result<Value, String> {
    if !systemd::is_name(name) {
        return Err(format!("no unit can be called `{}`", name.escape_debug()));
    }
    let unit = systemd::unit(name);
    let wanted = "--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,Description";
    let text = run(os, &["systemctl", "show", wanted, "--", &unit])?;
    let said = systemd::properties(&text);
    let of = |name: &str| said.get(name).copied().unwrap_or_default();
    let enabled = systemd::Enabled::from_word(of("UnitFileState"));
    Ok(json!({
        "name": name,
        "exists": of("LoadState") == "loaded" || of("LoadState") == "masked",
        "status": of("ActiveState"),
        "state": of("SubState"),
        "active": of("ActiveState") == "active",
        "enabled": enabled == systemd::Enabled::Yes,
        "pid": of("MainPID").parse::<u64>().unwrap_or(0),
        "description": of("Description"),
    }))
}

fn processes(os: &dyn Look) -> Result<Value, String> {
    let mut list = Vec::new();
    let (mut running, mut sleeping, mut zombie) = (0u64, 0u64, 0u64);
    let own = std::process::id().to_string();
    for name in os.list("/proc").map_err(|e| e.to_string())? {
        let name = name.to_string_lossy();
        if !name.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        // Processes come and go while they are counted.
        let Some((state, short)) = host::process(&maybe(os, &format!("/proc/{name}/stat"))) else { continue };
        match state {
            'R' => running += 1,
            'Z' => zombie += 1,
            _ => sleeping += 1,
        }
        if *name == own {
            continue;
        }
        let line = maybe(os, &format!("/proc/{name}/cmdline"));
        let line = line.trim_end_matches('\0').replace('\0', " ");
        list.push(json!({ "pid": name.parse::<u64>().unwrap_or(0), "name": short, "state": state.to_string(), "command": line }));
    }
    Ok(
        json!({ "total": running + sleeping + zombie, "running": running, "sleeping": sleeping, "zombie": zombie, "list": list }),
    )
}

fn uptime(os: &dyn Look) -> Result<Value, String> {
    let text = need(os, "/proc/uptime")?;
    let seconds: f64 = text
        .split_whitespace()
        .next()
        .and_then(|w| w.parse().ok())
        .ok_or_else(|| "`/proc/uptime` says no number".to_owned())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds since the host started"
    )]
    let seconds = seconds.max(0.0) as u64;
    let zone = maybe(os, "/etc/timezone").trim().to_owned();
    let zone = if zone.is_empty() { linked_zone(os) } else { zone };
    Ok(json!({ "seconds": seconds, "boot_time": os.now().saturating_sub(seconds), "timezone": zone }))
}

/// The zone that `/etc/localtime` points to.
fn linked_zone(os: &dyn Look) -> String {
    let entry = os.entry("/etc/localtime", Want::default()).ok().flatten();
    let target = entry.and_then(|e| e.target).unwrap_or_default();
    target.split_once("zoneinfo/").map_or_else(String::new, |(_, zone)| zone.to_owned())
}

fn absolute(path: &str) -> Result<(), String> {
    if path.starts_with('/') { Ok(()) } else { Err(format!("`{path}` is not an absolute path")) }
}

fn path(os: &dyn Look, path: &str) -> Result<Value, String> {
    absolute(path)?;
    let look = |follow| os.entry(path, Want { follow, ..Want::default() }).map_err(|e| e.to_string());
    let Some(own) = look(false)? else { return Ok(json!({ "exists": false, "path": path })) };
    // What a link points to may be gone; then the link is all there is.
    let entry = match own.meta.sort {
        Sort::Link => look(true).ok().flatten(),
        _ => Some(own.clone()),
    };
    let meta = entry.map_or(own.meta, |e| e.meta);
    let accounts = os.accounts();
    Ok(json!({
        "exists": true,
        "path": path,
        "is_link": own.meta.sort == Sort::Link,
        "target": own.target,
        "is_file": meta.sort == Sort::File,
        "is_dir": meta.sort == Sort::Directory,
        "mode": format!("{:04o}", meta.mode),
        "owner": &*accounts.user_name(meta.uid),
        "group": &*accounts.group_name(meta.gid),
        "uid": meta.uid,
        "gid": meta.gid,
        "size": meta.size,
    }))
}

fn content(os: &dyn Look, path: &str) -> Result<Value, String> {
    absolute(path)?;
    need(os, path).map(Value::from)
}
