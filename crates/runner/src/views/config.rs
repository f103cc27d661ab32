//! The configuration and its files.

use std::path::Path;

use serde::Serialize;
use sloth_core::value::Value;

use crate::config::{Candidate, Origin};
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// Where a value or the name of a file comes from.
#[derive(Debug, Serialize)]
pub struct OriginView {
    from: &'static str,
    name: Option<String>,
    line: Option<u64>,
}

impl OriginView {
    fn new(origin: &Origin) -> Self {
        let (from, name, line) = match origin {
            Origin::Default => ("default", None, None),
            Origin::File(path, line) => ("file", Some(path.display().to_string()), *line),
            Origin::Variable(name) => ("variable", Some((*name).to_owned()), None),
            Origin::Flag(name) => ("flag", Some((*name).to_owned()), None),
        };
        Self { from, name, line }
    }
    fn short(&self) -> String {
        match (&self.name, self.line) {
            (Some(name), Some(line)) => format!("{name}:{line}"),
            (Some(name), None) => name.clone(),
            (None, _) => self.from.to_owned(),
        }
    }
}

/// One key with its value.
#[derive(Debug, Serialize)]
pub struct Setting {
    key: String,
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginView>,
}

impl Setting {
    /// A key; the origin when it was asked for.
    pub fn new(key: &str, value: Value, origin: Option<&Origin>) -> Self {
        Self { key: key.to_owned(), value, origin: origin.map(OriginView::new) }
    }
}

/// All keys.
#[derive(Debug, Serialize)]
pub struct ConfigView {
    /// By name.
    pub settings: Vec<Setting>,
}

impl Human for ConfigView {
    fn human(&self, page: &mut Page) {
        let value = |s: &Setting| if s.value.is_null() { "-".to_owned() } else { words::value(&s.value) };
        let origins = self.settings.iter().any(|s| s.origin.is_some());
        let mut table = Table::new(if origins { &["KEY", "VALUE", "ORIGIN"] } else { &["KEY", "VALUE"] });
        for setting in &self.settings {
            match &setting.origin {
                Some(origin) => table.row([setting.key.clone(), value(setting), origin.short()]),
                None => table.row([setting.key.clone(), value(setting)]),
            }
        }
        page.table(&table);
    }
}

/// A file that is looked for.
#[derive(Debug, Serialize)]
pub struct FileView {
    path: String,
    named_by: OriginView,
    there: Option<bool>,
}

impl FileView {
    /// Looks whether it is there; `there` stays empty when that cannot be found out.
    pub fn new(candidate: &Candidate) -> Self {
        Self {
            path: candidate.path.display().to_string(),
            named_by: OriginView::new(&candidate.named_by),
            there: candidate.path.try_exists().ok(),
        }
    }
}

/// The files that are looked for; later ones win.
#[derive(Debug)]
pub struct FileList<'a>(pub &'a [FileView]);

impl Human for FileList<'_> {
    fn human(&self, page: &mut Page) {
        let mut table = Table::new(&["FILE", "NAMED BY", "STATUS"]);
        for file in self.0 {
            let status = match file.there {
                Some(true) => "there",
                Some(false) => "missing",
                None => "unknown",
            };
            table.row([file.path.clone(), file.named_by.short(), status.to_owned()]);
        }
        page.table(&table);
    }
}

/// A file that was checked and has nothing wrong.
#[derive(Debug, Serialize)]
pub struct CheckedFile {
    path: String,
    there: bool,
    keys: u64,
}

impl CheckedFile {
    /// With the number of keys it sets.
    pub fn new(path: &Path, there: bool, keys: u64) -> Self {
        Self { path: path.display().to_string(), there, keys }
    }
}

/// Everything that was checked.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// In the order they are read.
    pub files: Vec<CheckedFile>,
}

impl Human for Checked {
    fn human(&self, page: &mut Page) {
        for file in &self.files {
            page.line(&if file.there {
                format!("`{}` is valid: {}", file.path, words::count(file.keys, "key"))
            } else {
                format!("`{}` is not there", file.path)
            });
        }
    }
}
