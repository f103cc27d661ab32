//! Documents that are executed: what a page shows is done, and what it says comes out is compared.
//!
//! Fenced blocks are told apart by the first word after the fence:
//!
//! * `console`: lines that begin with `$ ` are carried out by `sh`, in order; what follows is what has to come out of
//!   them, both streams as they came. A command that does not end with 0 has to be followed by `$ echo $?`.
//! * `sh`: every line is carried out and has to end with 0, or with what `# exit code N` behind it says.
//! * `lua FILE`: written to that file and loaded; `lua fragment`: run as the body of a task.
//! * `yaml FILE`, `json FILE`, `text FILE` and so on: written to that file. Without a file, `text`, `mermaid` and `svg`
//!   are there to be looked at.
//! * `rust`: carried out by `cargo test --doc`, because a crate includes the page in its documentation.
//!
//! `no-run: REASON` at the end of that line says why a block is not carried out.
//!
//! Each document has a place of its own. Pages call it `/srv/demo` (or `/tmp/demo`), the home directory `/home/ann`, the
//! user `ann` and the host `web1`; the real directories are just as long, so that tables are the same. Ids, digests,
//! times and durations are compared by their shape; `[…]` stands for anything within a line, and on a line of its own for any lines. Other names in `/tmp` are
//! names in the place, too.

#![expect(clippy::disallowed_methods, reason = "tests prepare files directly")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::env::redact_words;

/// One fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Line of the opening fence, from 1.
    pub line: usize,
    /// First word behind the fence.
    pub language: String,
    /// What else stands there, without the reason.
    pub name: Option<String>,
    /// Why it is not carried out.
    pub reason: Option<String>,
    /// What is between the fences.
    pub lines: Vec<String>,
}

impl Block {
    /// The text between the fences.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

/// The fenced blocks of a page.
///
/// # Errors
/// A fence is not closed, or says nothing about what is in it.
pub fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        let fence = line.strip_prefix("```");
        match (open.as_mut(), fence) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, Some(info)) => open = Some(opening(at + 1, info)?),
            (None, None) if line.trim_start().starts_with("```") => {
                return Err(format!("line {}: a fence is indented", at + 1));
            }
            (None, None) => {}
        }
    }
    match open {
        Some(block) => Err(format!("line {}: the fence is not closed", block.line)),
        None => Ok(found),
    }
}

fn opening(line: usize, info: &str) -> Result<Block, String> {
    let (head, reason) = match info.split_once("no-run:") {
        Some((head, reason)) if !reason.trim().is_empty() => (head, Some(reason.trim().to_owned())),
        Some(_) => return Err(format!("line {line}: `no-run:` has no reason")),
        None => (info, None),
    };
    let mut words = head.split_whitespace();
    let language = words.next().ok_or_else(|| format!("line {line}: the fence names no language"))?;
    let name = words.next().map(str::to_owned);
    if let Some(more) = words.next() {
        return Err(format!("line {line}: `{more}` is not understood"));
    }
    Ok(Block { line, language: language.to_owned(), name, reason, lines: Vec::new() })
}

/// A command of a `console` block with what has to come out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exchange {
    /// Lines as they stand there.
    shown: Vec<String>,
    script: String,
    output: Vec<String>,
}

/// What a `console` block says: remarks, and commands with their output.
fn exchanges(block: &Block) -> Result<Vec<Exchange>, String> {
    let mut found: Vec<Exchange> = Vec::new();
    let mut at = 0;
    while let Some(line) = block.lines.get(at) {
        at += 1;
        if let Some(typed) = line.strip_prefix("$ ") {
            let mut exchange =
                Exchange { shown: vec![line.clone()], script: typed.to_owned(), output: vec![] };
            while is_unfinished(&exchange.script) {
                let more = block.lines.get(at).ok_or("the last command is not finished")?;
                at += 1;
                exchange.shown.push(more.clone());
                exchange.script.push('\n');
                exchange.script.push_str(more);
            }
            found.push(exchange);
            continue;
        }
        // A remark stands before the command it is about.
        let next = block.lines[at..].iter().find(|l| !l.starts_with("# "));
        if line.starts_with("# ") && next.is_some_and(|l| l.starts_with("$ ")) {
            found.push(Exchange { shown: vec![line.clone()], script: String::new(), output: vec![] });
        } else {
            let last = found.last_mut().ok_or("it begins with something that is no command")?;
            last.output.push(line.clone());
        }
    }
    Ok(found)
}

/// Does the shell wait for more: after `\`, or for the end of a here-document?
fn is_unfinished(script: &str) -> bool {
    if script.ends_with('\\') {
        return true;
    }
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        if let Some((_, word)) = line.split_once("<<") {
            let end: String = word
                .trim_start_matches(['-', '\'', '"'])
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            if !lines.any(|line| line.trim() == end) {
                return true;
            }
        }
    }
    false
}

/// Commands of an `sh` block, each with the exit code it has to end with.
fn commands(block: &Block) -> Vec<(String, i32)> {
    let mut found = Vec::new();
    let mut script = String::new();
    for line in &block.lines {
        if script.is_empty() && (line.trim().is_empty() || line.starts_with('#')) {
            continue;
        }
        script.push_str(line);
        if is_unfinished(&script) {
            script.push('\n');
            continue;
        }
        let code = script.rsplit_once("# exit code ").and_then(|(_, code)| code.trim().parse().ok());
        found.push((std::mem::take(&mut script), code.unwrap_or(0)));
    }
    if !script.is_empty() {
        found.push((script, 0));
    }
    found
}

/// A place to carry out one document in.
#[derive(Debug)]
pub struct Place {
    work: TempDir,
    home: TempDir,
    called: &'static str,
    last: i32,
}

/// What pages call the place.
const CALLED: [&str; 2] = ["/srv/demo", "/tmp/demo"];
const HOME: &str = "/home/ann";
const HOST: &str = "web1";

impl Place {
    /// A place for the program at `program` and this page, with the directory `examples` when the page speaks of it.
    ///
    /// # Panics
    /// There is no room for it.
    #[must_use]
    pub fn new(program: &Path, examples: &Path, page: &str) -> Self {
        // As long as the names on the page.
        let short = |prefix| {
            let dir = tempfile::Builder::new().prefix(prefix).rand_bytes(3).tempdir_in("/tmp");
            dir.unwrap_or_else(|e| panic!("no temp directory: {e}"))
        };
        let called = CALLED.into_iter().find(|name| page.contains(name)).unwrap_or(CALLED[0]);
        let place = Self { work: short("w"), home: short("h"), called, last: 0 };
        place.stand_in(program);
        if page.contains(" examples/") {
            let made = std::os::unix::fs::symlink(examples, place.work.path().join("examples"));
            made.unwrap_or_else(|e| panic!("examples: {e}"));
        }
        place
    }

    /// `sloth-runner` for the shell, run by Ann unless somebody else is named.
    fn stand_in(&self, program: &Path) {
        let bin = self.home.path().join("bin");
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *\" --as \"*) ;; *) set -- --as ann \"$@\" ;; esac\nexec '{}' \"$@\"\n",
            program.display()
        );
        let path = bin.join("sloth-runner");
        let made = fs::create_dir(&bin)
            .and_then(|()| fs::write(&path, script))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)));
        made.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }

    /// Text of the page with the real directories.
    fn real(&self, text: &str) -> String {
        // One pass, because the real directories are in the temp directory, too.
        let text = CALLED.iter().fold(text.to_owned(), |text, name| text.replace(name, "\u{1}"));
        let text = text.replace("/tmp/", "\u{1}/").replace('\u{1}', &shown(self.work.path()));
        text.replace(HOME, &shown(self.home.path()))
    }

    /// What came out, with the names of the page.
    fn told(&self, text: &str) -> String {
        let text =
            text.replace(&*shown(self.work.path()), self.called).replace(&*shown(self.home.path()), HOME);
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let lines = text.split('\n').map(|line| match line.trim_start().split_once(':') {
            Some(("Host" | "host" | "\"host\"", _)) => line.replace(host.trim(), HOST),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.work.path().join(self.real(name));
        let parent = path.parent().unwrap_or_else(|| self.work.path());
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, self.real(text)))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// Carries one line out. Both streams in one text, as a person sees them.
    fn shell(&mut self, script: &str) -> Result<(String, i32), String> {
        let script = self.real(script);
        let home = shown(self.home.path());
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("exec 2>&1\n(exit {})\n{script}\n", self.last))
            .env_clear()
            .env("HOME", &home)
            .env("PATH", format!("{home}/bin:/usr/bin:/bin"))
            .env("SLOTH_RUNNER_DATA_DIR", format!("{home}/.sloth-runner"))
            .env("TMPDIR", &home)
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("COLUMNS", "100")
            .current_dir(self.work.path())
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("sh: {e}"))?;
        self.last = output.status.code().unwrap_or(-1);
        Ok((self.told(&String::from_utf8_lossy(&output.stdout)), self.last))
    }

    /// Carries a block out. Returns what its lines have to be, when it is one with output.
    fn carry_out(&mut self, block: &Block) -> Result<Option<Vec<String>>, String> {
        match (block.language.as_str(), block.name.as_deref()) {
            ("console", None) => return self.console(block).map(Some),
            ("sh", None) => {
                for (script, code) in commands(block) {
                    let (text, ended) = self.shell(&script)?;
                    if ended != code {
                        return Err(format!("`{script}` ended with {ended} instead of {code}:\n{text}"));
                    }
                }
            }
            ("lua", Some("fragment")) => {
                let name = format!("fragment-{}.sloth", block.line);
                let text = format!("task(\"fragment\", {{ run = function()\n{}end }})\n", block.text());
                self.write(&name, &text)?;
                self.well(&format!("sloth-runner run {name} --stack fragment"))?;
                self.well(&format!("rm {name}"))?;
            }
            ("lua", Some(name)) => {
                self.write(name, &block.text())?;
                // Most files want to be told where things go.
                self.well(&format!("sloth-runner check {name} --var root={}/root", self.called))?;
            }
            ("text" | "mermaid" | "svg", None) => {}
            (_, Some(name)) => drop(self.write(name, &block.text())?),
            (other, None) => return Err(format!("`{other}` needs a file name, or `no-run:` and a reason")),
        }
        Ok(None)
    }

    fn well(&mut self, script: &str) -> Result<(), String> {
        let before = self.last;
        let (text, code) = self.shell(script)?;
        self.last = before;
        if code == 0 { Ok(()) } else { Err(format!("`{script}` ended with {code}:\n{text}")) }
    }

    fn console(&mut self, block: &Block) -> Result<Vec<String>, String> {
        let all = exchanges(block)?;
        let mut lines = Vec::new();
        for (at, exchange) in all.iter().enumerate() {
            lines.extend(exchange.shown.iter().cloned());
            if exchange.script.is_empty() {
                lines.extend(exchange.output.iter().cloned());
                continue;
            }
            let (text, code) = self.shell(&exchange.script)?;
            if code == 127 && OPTIONAL.iter().any(|program| exchange.script.starts_with(program)) {
                skipped(&exchange.script);
                lines.extend(exchange.output.iter().cloned());
                continue;
            }
            let asked = all.get(at + 1).is_some_and(|next| next.script.trim() == "echo $?");
            if code != 0 && !asked {
                let line = &exchange.script;
                return Err(format!("`{line}` ended with {code}, and no `echo $?` follows:\n{text}"));
            }
            // Blank lines before the next command belong to the page.
            let kept = exchange.output.iter().rposition(|l| !l.trim().is_empty()).map_or(0, |last| last + 1);
            let (output, blank) = exchange.output.split_at(kept);
            let came: Vec<String> = text.trim_end_matches('\n').lines().map(str::to_owned).collect();
            if same(output, &came) {
                lines.extend(output.iter().cloned());
            } else {
                lines.extend(came.iter().map(|line| kept_or_fixed(output, line)));
            }
            lines.extend(blank.iter().cloned());
        }
        Ok(lines)
    }
}

/// Programs that pages show and that need not be installed.
const OPTIONAL: [&str; 1] = ["sqlite3 "];

#[expect(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn skipped(script: &str) {
    eprintln!("SKIPPED, because it is not installed: {script}");
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Is this what came out, apart from ids, digests, times, durations and what `[…]` leaves open?
fn same(expected: &[String], came: &[String]) -> bool {
    fn from(expected: &[String], came: &[String]) -> bool {
        match (expected.split_first(), came.split_first()) {
            (None, None) => true,
            (Some((e, rest)), _) if e == ANYTHING => (0..=came.len()).any(|at| from(rest, &came[at..])),
            (Some((e, rest)), Some((c, more))) => fits(e, c) && from(rest, more),
            _ => false,
        }
    }
    from(&masked(expected), &masked(came))
}

fn masked(lines: &[String]) -> Vec<String> {
    redact_words(&lines.join("\n")).split('\n').map(|l| steps(l.trim_end())).collect()
}

/// Ids of steps, such as `6681b6ed:1`, begin with a piece of the id of their run.
fn steps(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let length = rest[at..].bytes().take_while(u8::is_ascii_hexdigit).count();
        let (before, word) = (&rest[..at], &rest[at..at + length]);
        let follows = &rest.as_bytes()[at + length..];
        let is_id = length == 8
            && !before.ends_with(|c: char| c.is_alphanumeric())
            && matches!(follows, [b':', digit, ..] if digit.is_ascii_digit());
        out.push_str(before);
        out.push_str(if is_id { "########" } else { word });
        rest = &rest[at + length..];
    }
    out + rest
}

const ANYTHING: &str = "[…]";

fn fits(expected: &str, came: &str) -> bool {
    let mut parts = expected.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = came.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let at = if part.is_empty() { Some(rest.len()) } else { rest.find(part) };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last.is_some_and(|part| came.ends_with(part) && !part.is_empty())
}

/// The line of the page that leaves open what came out here; else what came out.
fn kept_or_fixed(expected: &[String], came: &str) -> String {
    let open = |line: &&String| {
        let (masked, came) = (masked(std::slice::from_ref(*line)), masked(&[came.to_owned()]));
        line.contains(ANYTHING) && **line != ANYTHING && fits(&masked[0], &came[0])
    };
    expected.iter().find(open).map_or_else(|| fixed(came), Clone::clone)
}

/// A line with the time of all documents, so that writing it anew changes nothing else.
fn fixed(line: &str) -> String {
    crate::env::at_time(line, "2026-11-20T14:30:00.000000000").trim_end().to_owned()
}

/// What carrying a page out came to.
#[derive(Debug, Default)]
pub struct Told {
    /// The page as it has to be, when outputs differ.
    pub page: Option<String>,
    /// What differs, or could not be carried out; nothing when all is well.
    pub problems: String,
    /// Could something not be carried out? Then nothing after it was.
    pub failed: bool,
}

/// Carries a page out from its beginning to its end. `examples` is where the project's examples are.
///
/// # Errors
/// The page is not well formed.
pub fn carry_out(program: &Path, examples: &Path, page: &str) -> Result<Told, String> {
    let mut place = Place::new(program, examples, page);
    let mut told = Told::default();
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    let mut shift = 0isize;
    let mut differs = false;
    for block in blocks(page)?.into_iter().filter(|b| b.reason.is_none() && b.language != "rust") {
        match place.carry_out(&block) {
            Err(problem) => {
                let _ = writeln!(told.problems, "line {}: {problem}", block.line);
                // What follows builds on it.
                told.failed = true;
                break;
            }
            Ok(Some(after)) if after != block.lines => {
                let diff = sloth_core::diff::unified(
                    block.text().as_bytes(),
                    Block { lines: after.clone(), ..block.clone() }.text().as_bytes(),
                    "page",
                    "came out",
                );
                let _ = writeln!(told.problems, "line {}:\n{}", block.line, diff.unwrap_or_default());
                let start = block.line.saturating_add_signed(shift);
                let length = after.len();
                lines.splice(start..start + block.lines.len(), after);
                shift +=
                    isize::try_from(length).unwrap_or(0) - isize::try_from(block.lines.len()).unwrap_or(0);
                differs = true;
            }
            Ok(_) => {}
        }
    }
    told.page = differs.then(|| lines.join("\n") + "\n");
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_apart() {
        let page = "a\n```console\n$ x \\\n  y\nout\n\n$ z\n```\n```sh no-run: needs a second host\nq\n```\n```lua a.sloth\n```\n";
        let found = blocks(page).unwrap();
        assert_eq!((found.len(), found[0].line, found[2].name.as_deref()), (3, 2, Some("a.sloth")));
        assert_eq!(found[1].reason.as_deref(), Some("needs a second host"));
        let exchanges = exchanges(&found[0]).unwrap();
        assert_eq!((exchanges.len(), exchanges[0].script.as_str()), (2, "x \\\n  y"));
        assert_eq!(exchanges[0].output, ["out", ""]);
        for bad in ["```\nx\n```\n", "```sh no-run:\n```\n", "```sh\n", "```lua a b\n```\n"] {
            assert!(blocks(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn wildcards_are_narrow() {
        assert!(fits("a […] c", "a b c") && fits("[…]", "x") && fits("a[…]", "abc") && fits("same", "same"));
        assert!(!fits("a […] c", "a b d") && !fits("a", "ab") && !fits("a[…]b", "abc"));
    }

    #[test]
    fn ids_of_steps_are_masked_and_other_words_are_not() {
        assert_eq!(
            steps("see `6681b6ed:1` or decade, deadbeef: 12345678"),
            "see `########:1` or decade, deadbeef: 12345678"
        );
        assert_eq!(steps("line:12 abad1dea:7x"), "line:12 ########:7x");
    }

    #[test]
    fn what_was_left_open_stays_open_when_outputs_are_written_anew() {
        let page = ["Size: […]".to_owned(), "[…]".to_owned(), "Stacks: 4".to_owned()];
        let came = ["Size: 5 KiB", "Stacks: 5", "at 2025-01-02"].map(|line| kept_or_fixed(&page, line));
        assert_eq!(came, ["Size: […]", "Stacks: 5", "at 2026-11-20"]);
    }

    #[test]
    fn only_times_are_fixed() {
        assert_eq!(
            fixed("at 2025-01-02 03:04:05 took 71ms, title t"),
            "at 2026-11-20 14:30:00 took 71ms, title t"
        );
        assert_eq!(fixed("v3  ann  2025-01-02 03:04"), "v3  ann  2026-11-20 14:30");
    }

    #[test]
    fn commands_of_scripts_say_how_they_end() {
        let block = opening(1, "sh").unwrap();
        let lines = ["# remark", "a b \\", "  c", "", "d   # exit code 3", "cat <<'END'", "x", "END"];
        let block = Block { lines: lines.map(str::to_owned).to_vec(), ..block };
        let found = commands(&block);
        assert_eq!(found[0], ("a b \\\n  c".to_owned(), 0));
        assert_eq!(found[1].1, 3);
        assert_eq!(found[2].0, "cat <<'END'\nx\nEND");
    }
}
