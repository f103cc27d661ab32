//! House rules that are read from the tree: which crate may know which, and that no test file is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Who may know whom. A crate that is not here may know nobody.
const ALLOWED: &[(&str, &[&str])] = &[
    ("sloth-api", &["sloth-core", "sloth-engine", "sloth-lua", "sloth-resources", "sloth-store"]),
    ("sloth-core", &[]),
    ("sloth-engine", &["sloth-core"]),
    ("sloth-lua", &["sloth-core"]),
    ("sloth-net", &["sloth-core", "sloth-engine"]),
    ("sloth-resources", &["sloth-core"]),
    (
        "sloth-runner",
        &[
            "sloth-api",
            "sloth-core",
            "sloth-engine",
            "sloth-lua",
            "sloth-net",
            "sloth-resources",
            "sloth-store",
        ],
    ),
    ("sloth-store", &["sloth-core"]),
    ("sloth-testkit", &["sloth-core", "sloth-resources"]),
];

/// Arrows between the crates below `crates` that are not allowed, as `from -> to` with the section they stand in.
///
/// Everybody may use the testkit for development, and nobody otherwise.
///
/// # Errors
/// A `Cargo.toml` cannot be read.
pub fn forbidden(crates: &Path) -> Result<Vec<String>, String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut found = Vec::new();
    for (name, sections) in manifests(crates)? {
        let may = allowed.get(name.as_str()).copied().unwrap_or_default();
        for (section, dependencies) in sections {
            for dependency in dependencies.iter().filter(|d| d.starts_with("sloth-")) {
                let testing = section == "dev-dependencies" && dependency == "sloth-testkit";
                if !testing && !may.contains(&dependency.as_str()) {
                    found.push(format!("{name} -> {dependency} ({section})"));
                }
            }
        }
    }
    Ok(found)
}

type Sections = BTreeMap<String, BTreeSet<String>>;

fn manifests(crates: &Path) -> Result<Vec<(String, Sections)>, String> {
    let entries = fs::read_dir(crates).map_err(|e| format!("{}: {e}", crates.display()))?;
    let mut all = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path().join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let manifest: toml::Table = text.parse().map_err(|e| format!("{}: {e}", path.display()))?;
        let name = manifest.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str);
        let name = name.ok_or_else(|| format!("{} has no name", path.display()))?;
        let mut sections = Sections::new();
        collect(&manifest, &mut sections);
        for target in
            manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values)
        {
            if let Some(table) = target.as_table() {
                collect(table, &mut sections);
            }
        }
        all.push((name.to_owned(), sections));
    }
    all.sort();
    Ok(all)
}

fn collect(table: &toml::Table, sections: &mut Sections) {
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in table.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            let real = value.get("package").and_then(toml::Value::as_str).unwrap_or(name);
            sections.entry(section.to_owned()).or_default().insert(real.to_owned());
        }
    }
}

/// Rust files beside a test binary's root file that it does not name as modules.
///
/// # Errors
/// The root file or its directory cannot be read.
pub fn forgotten(root: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(root).map_err(|e| format!("{}: {e}", root.display()))?;
    let named: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let dir = root.parent().unwrap_or_else(|| Path::new("."));
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut lost = Vec::new();
    for path in entries.flatten().map(|e| e.path()) {
        let module = if path.is_dir() && path.join("mod.rs").is_file() {
            path.file_name()
        } else if path.extension().is_some_and(|e| e == "rs") && path != root {
            path.file_stem()
        } else {
            None
        };
        if let Some(name) = module.and_then(|n| n.to_str()).filter(|n| !named.contains(n)) {
            lost.push(name.to_owned());
        }
    }
    lost.sort();
    Ok(lost)
}
