//! Side by side with Ansible: the same inputs, the same bytes, and the same answer to whether something changed.
//!
//! Ansible comes from PyPI into `target/ansible`, which `scripts/test` prepares. All of its modules run in one process.
//! Where we differ on purpose, the reason is in [`Differs`], and a test counts each of them, so that none is a fairy tale.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sloth_core::machine::{Machine as _, Sight};
use sloth_resources::os::memory::Memory;
use sloth_resources::os::{Look as _, Put, Rights, Touch as _, Want};

use crate::support::{Files, bring_about, declare, machine};

const PATH: &str = "/it";

/// Why an answer is another one on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Differs {
    /// A file without a newline at its end keeps being one; Ansible adds it.
    LastNewline,
    /// A file with DOS line ends keeps them in all its lines, and expressions do not see them; Ansible writes the other
    /// kind into it, and `$` matches in front of the newline only.
    DosLines,
    /// A line that is there already is not put in a second time, even when another one matches the expression.
    LineIsThere,
    /// A block whose second marker is missing is named; Ansible puts in another one.
    DamagedBlock,
    /// A block without lines is a block; Ansible takes it for `state = "absent"`.
    EmptyBlock,
    /// `\w` is any letter; where Ansible looks at bytes, it is an ASCII one.
    Letters,
    /// What comes in the place of a match and matches again is refused; Ansible replaces it again with every run.
    Grows,
}

struct Case {
    module: &'static str,
    ours: &'static str,
    args: Map<String, Value>,
    content: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    changed: bool,
    content: Option<String>,
    mode: Option<u32>,
    failed: Option<String>,
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
    fn often(&mut self, of_ten: usize) -> bool {
        self.roll(10) < of_ten
    }
    fn lines(&mut self, of: &[&str], most: usize) -> String {
        let count = self.roll(most + 1);
        let end = if self.often(1) { "\r\n" } else { "\n" };
        let mut text: String = (0..count).map(|_| format!("{}{end}", self.one(of))).collect();
        if self.often(1) {
            text.truncate(text.trim_end().len());
        }
        text
    }
}

const LINES: &[&str] = &[
    "",
    "# comment",
    "Port 22",
    "#Port 22",
    "PermitRootLogin yes",
    "a",
    "b",
    "key=1",
    "key = 2",
    "other=x y",
    "  indented",
    "päth=/ü",
    "key=1 # note",
    "[section]",
    "a.b",
    "(x)",
];
const EXPRESSIONS: &[&str] = &[
    "^a",
    "b$",
    "^key",
    "^#?Port",
    "=",
    "^$",
    "^nothing$",
    r"^\s+\w",
    r"^(\w+)=(.*)$",
    r"^(?P<name>\w+) = (\d)",
    ".",
    r"\[",
    "ü",
];

fn case(module: &'static str, ours: &'static str, args: Value, content: Option<String>) -> Case {
    let Value::Object(args) = args else { panic!("{args} is not a table") };
    Case { module, ours, args, content }
}

fn line(dice: &mut Dice) -> Case {
    let content = (!dice.often(1)).then(|| dice.lines(LINES, 7));
    let mut args = json!({"create": content.is_none() || dice.often(3)});
    let args = args.as_object_mut().unwrap();
    if dice.often(5) {
        args.insert("regexp".to_owned(), json!(dice.one(EXPRESSIONS)));
    } else if dice.often(2) {
        args.insert("search_string".to_owned(), json!(dice.one(&["a", "key", "a.b", "(x)", "Port"])));
    }
    if dice.often(2) {
        args.insert("state".to_owned(), json!("absent"));
        if !args.contains_key("regexp") && !args.contains_key("search_string") {
            args.insert("line".to_owned(), json!(dice.one(LINES)));
        }
        return case("lineinfile", "file.lineinfile", Value::Object(args.clone()), content);
    }
    args.insert("line".to_owned(), json!(dice.one(LINES)));
    if args.contains_key("regexp") && dice.often(3) {
        args.insert("backrefs".to_owned(), json!(true));
        let groups = Regex::new(args["regexp"].as_str().unwrap()).unwrap().captures_len();
        let line = match groups {
            3 => dice.one(&[r"\1=9", r"\2 \1", r"\g<1>-\g<2>", "plain"]),
            _ => dice.one(&["plain", r"a\\b", r"[\g<0>]"]),
        };
        args.insert("line".to_owned(), json!(line));
    } else {
        match dice.roll(5) {
            0 => drop(args.insert("insertafter".to_owned(), json!(dice.one(EXPRESSIONS)))),
            1 => drop(args.insert("insertbefore".to_owned(), json!(dice.one(EXPRESSIONS)))),
            2 => drop(args.insert("insertafter".to_owned(), json!("EOF"))),
            3 => drop(args.insert("insertbefore".to_owned(), json!("BOF"))),
            _ => {}
        }
    }
    if dice.often(2) {
        args.insert("firstmatch".to_owned(), json!(true));
    }
    case("lineinfile", "file.lineinfile", Value::Object(args.clone()), content)
}

fn block(dice: &mut Dice) -> Case {
    let marker = dice.one(&["# {mark} MANAGED BLOCK", "; {mark} x", "// {mark}"]);
    let (begin, end) = (marker.replace("{mark}", "BEGIN"), marker.replace("{mark}", "END"));
    let mut content = (!dice.often(1)).then(|| dice.lines(LINES, 4));
    if let Some(content) = &mut content
        && dice.often(5)
        && !content.contains('\r')
        && (content.is_empty() || content.ends_with('\n'))
    {
        let inside = dice.lines(&["a", "b", "x = 1"], 2).replace('\r', "");
        let inside = if inside.is_empty() || inside.ends_with('\n') { inside } else { format!("{inside}\n") };
        let close = if dice.often(1) { String::new() } else { format!("{end}\n") };
        *content = format!("{content}{begin}\n{inside}{close}{}", dice.one(&["", "tail\n", "a\nb\n"]));
    }
    let mut args = json!({"marker": marker, "create": content.is_none() || dice.often(3)});
    let args = args.as_object_mut().unwrap();
    let lines =
        if dice.often(1) { "" } else { dice.one(&["a", "a\n", "x = 1\ny = 2", "\nb", "b\n\n", "ü\n# c\n"]) };
    args.insert("block".to_owned(), json!(lines));
    match dice.roll(6) {
        0 => drop(args.insert("insertafter".to_owned(), json!(dice.one(EXPRESSIONS)))),
        1 => drop(args.insert("insertbefore".to_owned(), json!(dice.one(EXPRESSIONS)))),
        2 => drop(args.insert("insertafter".to_owned(), json!("EOF"))),
        3 => drop(args.insert("insertbefore".to_owned(), json!("BOF"))),
        4 => drop(args.insert("state".to_owned(), json!("absent"))),
        _ => {}
    }
    case("blockinfile", "file.blockinfile", Value::Object(args.clone()), content)
}

fn replace(dice: &mut Dice) -> Case {
    let content = dice.lines(LINES, 8);
    let mut args = json!({"regexp": dice.one(EXPRESSIONS)});
    let args = args.as_object_mut().unwrap();
    if args["regexp"] == "^$" {
        args.insert("regexp".to_owned(), json!(r"^#.*\n"));
    }
    if !dice.often(2) {
        let groups = Regex::new(args["regexp"].as_str().unwrap()).unwrap().captures_len();
        let with = match groups {
            3 => dice.one(&[r"\1 := \2", r"\g<2>", "", r"\1\n\2"]),
            _ => dice.one(&["Q", "", r"x\\y", "two\nlines", r"<\g<0>>", "$HOME"]),
        };
        args.insert("replace".to_owned(), json!(with));
    }
    if dice.often(2) {
        args.insert("after".to_owned(), json!(dice.one(&["a", r"\[section\]", "^#", "nowhere"])));
    }
    if dice.often(2) {
        args.insert("before".to_owned(), json!(dice.one(&["b", r"Port 22", "nowhere"])));
    }
    case("replace", "file.replace", Value::Object(args.clone()), Some(content))
}

fn copy(dice: &mut Dice) -> Case {
    let content = (!dice.often(2)).then(|| dice.lines(LINES, 3));
    let wished = match &content {
        Some(content) if dice.often(4) => content.clone(),
        _ => dice.lines(LINES, 3),
    };
    let mut args = json!({"content": wished});
    if dice.often(5) {
        args["mode"] = json!(dice.one(&["0600", "0644", "0755", "4711"]));
    }
    case("copy", "file.copy", args, content)
}

fn template(dice: &mut Dice) -> Case {
    const PARTS: &[&str] = &[
        "{{ name }}\n",
        "port = {{ port }}\n",
        "{{ port + 1 }} {{ port * 2 }}\n",
        "{% for h in hosts %}\nhost {{ loop.index }}: {{ h }}\n{% endfor %}\n",
        "{% if on %}\nyes\n{% else %}\nno\n{% endif %}\n",
        "{{ hosts | join(',') }}\n",
        "{{ name | upper }}-{{ name | length }}\n",
        "{{ missing | default('none') }}\n",
        "{# nobody sees this #}\n",
        "{%- set x = 3 -%}\n x={{ x }}\n",
        "{{ '<&>' }} \"quoted\" 'ü'\n",
        "{% raw %}{{ as it is }}{% endraw %}\n",
        "{{ map.a.b }} {{ map['a']['b'] }}\n",
        "{% if port > 80 and not off %}\nhigh\n{% endif %}\n",
        "{{ hosts | sort | first }} {{ hosts[1] }} {{ hosts | last }}\n",
        "{{ name | replace('e', 'E') }} {{ '%s' | length }}\n",
        "{% for k in map.a %}\n{{ k }}{% if not loop.last %}, {% endif %}\n{% endfor %}\n",
        "no newline",
    ];
    let count = 1 + dice.roll(4);
    let text: String = (0..count).map(|_| dice.one(PARTS)).collect();
    let port = [22, 80, 8080][dice.roll(3)];
    let vars = json!({
        "name": dice.one(&["web", "ünïcode", "e e"]),
        "port": port,
        "hosts": ["b", "a", "c"],
        "on": dice.often(5),
        "off": false,
        "map": {"a": {"b": "deep"}},
    });
    case("template", "file.template", json!({"content": text, "vars": vars}), None)
}

/// The Python that has Ansible, if there is one.
fn python() -> Option<String> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/ansible/bin/python");
    let python = std::env::var("SLOTH_ANSIBLE_PYTHON").unwrap_or_else(|_| own.to_owned());
    let has = Command::new(&python).args(["-c", "import ansible.modules.lineinfile"]).output();
    if has.is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    println!("SKIPPED: there is no Ansible in `{python}`; `scripts/test` puts it there");
    None
}

fn ask_ansible(python: &str, cases: &[Case]) -> Vec<Answer> {
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ansible/driver.py"))
        .env("ANSIBLE_DEPRECATION_WARNINGS", "0")
        .env("ANSIBLE_LOCALHOST_WARNING", "0")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = cases
        .iter()
        .map(|c| format!("{}\n", json!({"module": c.module, "args": c.args, "content": c.content})))
        .collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let answers = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    answers
}

fn ask_us(case: &Case) -> Answer {
    let memory = Arc::new(Memory::memory());
    if let Some(content) = &case.content {
        memory.put(PATH, &Put::new(content.as_bytes(), Rights::default())).unwrap();
    }
    let mut args = Value::Object(case.args.clone());
    args["path"] = json!(PATH);
    let done = (|| {
        let declared = declare(case.ours, &args, &Files::default()).map_err(|e| e.to_string())?;
        let kind = crate::support::operation(&*sloth_resources::catalog(), case.ours).kind;
        let host = machine(memory.clone());
        let (id, spec, blobs) = (&declared.id, &declared.spec, &declared.blobs);
        let sight = Sight { kind, id, spec: Some(spec), blobs, recorded: None };
        let seen = host.observe(&[sight]).unwrap().remove(0).map_err(|e| e.to_string())?;
        let changed = !seen.diff.is_empty();
        if changed {
            bring_about(&*host, kind, id, spec, blobs).map_err(|e| e.to_string())?;
        }
        Ok::<bool, String>(changed)
    })();
    let entry = memory.entry(PATH, Want::default()).unwrap();
    let bytes = memory.read(PATH, u64::MAX, false).unwrap();
    Answer {
        changed: *done.as_ref().unwrap_or(&false),
        content: bytes.map(|b| String::from_utf8(b.to_vec()).unwrap()),
        mode: entry.map(|e| e.meta.mode),
        failed: done.err(),
    }
}

fn reason(case: &Case, ours: &Answer) -> Option<Differs> {
    let content = case.content.clone().unwrap_or_default();
    let text = |name: &str| case.args.get(name).and_then(Value::as_str);
    let lines: Vec<&str> = content.split_terminator('\n').map(|l| l.trim_end_matches('\r')).collect();
    let others = ["regexp", "search_string"].iter().any(|a| case.args.contains_key(*a));
    let first = case.args.contains_key("firstmatch");
    let block = text("marker").map(|marker| {
        let has = |mark: &str| lines.contains(&marker.replace("{mark}", mark).as_str());
        (has("BEGIN") != has("END"), text("block").is_some_and(str::is_empty))
    });
    let edited = matches!(case.module, "lineinfile" | "blockinfile");
    let expressions = ["regexp", "insertafter", "insertbefore"].iter().filter_map(|name| text(name));
    if edited && !content.is_ascii() && expressions.into_iter().any(|e| e.contains(r"\w")) {
        return Some(Differs::Letters);
    }
    match block {
        Some((true, _)) => return Some(Differs::DamagedBlock),
        Some((_, true)) => return Some(Differs::EmptyBlock),
        _ => {}
    }
    if edited && content.contains("\r\n") {
        return Some(Differs::DosLines);
    }
    if edited && !content.is_empty() && !content.ends_with('\n') {
        return Some(Differs::LastNewline);
    }
    match case.module {
        "lineinfile" if others || first => {
            lines.iter().any(|l| Some(*l) == text("line")).then_some(Differs::LineIsThere)
        }
        "replace" => {
            ours.failed.as_ref().is_some_and(|f| f.contains("matches again")).then_some(Differs::Grows)
        }
        _ => None,
    }
}

#[test]
fn ansible_makes_the_same_bytes() {
    let Some(python) = python() else { return };
    let mut dice = Dice(0x5107_4242_1234_9876);
    let mut cases = Vec::new();
    for (count, make) in
        [(700, line as fn(&mut Dice) -> Case), (350, block), (450, replace), (150, copy), (150, template)]
    {
        cases.extend((0..count).map(|_| make(&mut dice)));
    }
    let theirs = ask_ansible(&python, &cases);
    assert_eq!(theirs.len(), cases.len(), "Ansible gave up in between");
    let (mut same, mut differs, mut wrong) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (case, theirs) in cases.iter().zip(&theirs) {
        let ours = ask_us(case);
        let mode = case.module != "copy" || ours.mode == theirs.mode;
        let equal = ours.failed.is_some() == theirs.failed.is_some()
            && ours.changed == theirs.changed
            && ours.content == theirs.content
            && mode;
        if equal {
            *same.entry(case.module).or_insert(0) += 1;
            continue;
        }
        let reason = reason(case, &ours);
        // What is about the end of the file differs in nothing else.
        let plain = |a: &Answer| a.content.as_ref().map(|c| c.trim_end_matches('\n').to_owned());
        match reason {
            Some(Differs::LastNewline) if plain(&ours) != plain(theirs) => {
                wrong.push(format!(
                    "{} {:?} {:?}\n   we: {ours:?}\n they: {theirs:?}",
                    case.module, case.args, case.content
                ));
            }
            Some(reason) => *differs.entry(reason).or_insert(0) += 1,
            None => {
                wrong.push(format!(
                    "{} {:?} {:?}\n   we: {ours:?}\n they: {theirs:?}",
                    case.module, case.args, case.content
                ));
            }
        }
    }
    println!("the same: {same:?}\nanother on purpose: {differs:?}");
    assert!(
        wrong.is_empty(),
        "{} cases differ without a reason:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
    assert!(same.values().sum::<usize>() >= 1000, "too few cases are comparable: {same:?}");
    assert_eq!(differs.len(), 7, "a difference that is documented does not exist: {differs:?}");
}
