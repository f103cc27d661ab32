//! Statements are written once for every engine, so they say nothing that only one engine knows.

use std::path::{Path, PathBuf};

/// What only one engine knows, and what to write instead.
const FOREIGN: &[(&str, &str)] = &[
    ("char(", "a parameter"),
    ("datetime(", "a number of nanoseconds"),
    ("glob ", "substr"),
    ("insert or ", "ON CONFLICT … DO"),
    ("json_", "text, taken apart in Rust"),
    ("->", "text, taken apart in Rust"),
    ("last_insert_rowid", "RETURNING"),
    ("limit -1", "sql::limit"),
    ("randomblob(", "a parameter"),
    ("rowid", "the key of the table"),
    ("strftime(", "a number of nanoseconds"),
    ("zeroblob(", "a parameter"),
    ("::", "CAST"),
];

/// Files that talk to one engine by its own names, or that hold no statements.
const OF_ONE_ENGINE: &[&str] = &["backup.rs", "connection.rs", "restore.rs", "sqlite.rs"];
const FOLDERS_OF_ONE_ENGINE: &[&str] = &["schema", "server", "sql"];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !FOLDERS_OF_ONE_ENGINE.contains(&name) {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs") && !OF_ONE_ENGINE.contains(&name) {
            into.push(path);
        }
    }
}

/// The string literals of a source file, with their line continuations joined. Knows as much of Rust as the statements
/// need: comments, characters and escapes.
fn literals(source: &str) -> Vec<String> {
    let (mut out, mut chars) = (Vec::new(), source.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => {
                chars.by_ref().find(|c| *c == '\n');
            }
            '\'' => {
                // A character, or the beginning of a lifetime.
                let mut ahead = chars.clone();
                let first = ahead.next();
                if first == Some('\\') || ahead.next() == Some('\'') {
                    if first == Some('\\') {
                        chars.next();
                    }
                    chars.next();
                    chars.find(|c| *c == '\'');
                }
            }
            '"' => {
                let mut text = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => match chars.next() {
                            Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                            Some(other) => text.push(other),
                            None => {}
                        },
                        c => text.push(c),
                    }
                }
                out.push(text);
            }
            _ => {}
        }
    }
    out
}

fn is_statement(text: &str) -> bool {
    ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "REPLACE "]
        .iter()
        .any(|verb| text.trim_start().starts_with(verb))
}

/// What is wrong with a statement.
fn faults(sql: &str) -> Vec<String> {
    let lower = sql.to_lowercase();
    let mut out: Vec<String> = FOREIGN
        .iter()
        .filter(|(word, _)| lower.contains(word))
        .map(|(word, instead)| format!("`{word}` (write {instead})"))
        .collect();
    if sql.split('?').skip(1).any(|after| !after.starts_with(|c: char| c.is_ascii_digit())) {
        out.push("a parameter without a number".to_owned());
    }
    out
}

#[test]
fn statements_say_nothing_that_only_one_engine_knows() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let (mut seen, mut wrong) = (0, Vec::new());
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        for sql in literals(&source).iter().filter(|text| is_statement(text)) {
            seen += 1;
            for fault in faults(sql) {
                wrong.push(format!("{}: {fault} in `{sql}`", file.strip_prefix(&src).unwrap().display()));
            }
        }
    }
    assert!(seen > 60, "only {seen} statements were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rules_notice_what_they_are_for() {
    assert!(faults("SELECT a FROM t WHERE a = ?2 AND b = ?1 AND c = ?1").is_empty());
    for bad in [
        "SELECT a FROM t WHERE a = ?",
        "INSERT OR REPLACE INTO t (a) VALUES (?1)",
        "INSERT INTO t (a) VALUES (zeroblob(32))",
        "SELECT a ->> 'b' FROM t",
    ] {
        assert_eq!(faults(bad).len(), 1, "{bad}: {:?}", faults(bad));
    }
    let source = "let a: &'static str = \"SELECT \\\n   a\"; // \"not\"\nlet b = ('\"', '\\'', \"x\\\"y\");";
    assert_eq!(literals(source), ["SELECT a", "x\"y"]);
}
