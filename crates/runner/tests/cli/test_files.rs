//! Parts of files from a workflow: planned with their text, run once, found when they moved, put right, taken back.

use std::process::{Command, Output};

const WORKFLOW: &str = r#"
task("configure", function()
  file.replace{ path = DIR .. "/app.conf", pattern = "^port=(\\d+)$", replacement = "listen=$1" }
  file.lineinfile{ path = DIR .. "/app.conf", regexp = "^(host)=.*$", line = "\\1=b", backrefs = true }
  file.ini{ path = DIR .. "/app.ini", section = "server", key = "workers", value = 4 }
  file.json{ path = DIR .. "/app.json", key = "log.level", value = "info" }
  file.toml{ path = DIR .. "/app.toml", key = "log.level", value = "info" }
  file.yaml{ path = DIR .. "/app.yaml", key = "log.level", value = "info" }
end)
"#;

/// Files before, after the run, and after the run with something beside it that others did.
const FILES: &[(&str, &str, &str)] = &[
    ("app.conf", "# top\nport=80\nhost=a\nport=90\n", "# top\nlisten=80\nhost=b\nlisten=90\n"),
    ("app.ini", "; top\n[server]\nworkers=2\n", "; top\n[server]\nworkers=4\n"),
    ("app.json", "{\n\t\"log\": {\"level\": \"debug\"}\n}\n", "{\n\t\"log\": {\"level\": \"info\"}\n}\n"),
    ("app.toml", "# top\n[log]\nlevel = 'debug' # d\n", "# top\n[log]\nlevel = \"info\" # d\n"),
    ("app.yaml", "# top\nname: x\n", "# top\nname: x\nlog:\n  level: info\n"),
];

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.write("site.sloth", &place.source(WORKFLOW));
        for (name, before, _) in FILES {
            place.write(name, before);
        }
        place
    }
    fn source(&self, text: &str) -> String {
        text.replace("DIR", &format!("{:?}", self.dir.path().to_str().unwrap()))
    }
    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.dir.path().join(name), content).unwrap();
    }
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }
    fn sloth(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sloth-runner"))
            .args(args)
            .current_dir(self.dir.path())
            .env("SLOTH_RUNNER_DB", self.dir.path().join("state.db"))
            .env("SLOTH_RUNNER_DATA_DIR", self.dir.path().join("data"))
            .output()
            .unwrap()
    }
    fn exits(&self, code: i32, args: &[&str]) -> String {
        let output = self.sloth(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
    fn are(&self, after: bool) {
        for (name, was, is) in FILES {
            assert_eq!(self.read(name), if after { *is } else { *was }, "{name}");
        }
    }
}

#[test]
fn parts_of_files_are_planned_run_found_put_right_and_taken_back() {
    let place = Place::new();
    let plan = place.exits(0, &["plan", "site.sloth", "--stack", "web"]);
    for part in [
        "-port=80",
        "+listen=80",
        "+listen=90",
        "-workers=2",
        "+workers=4",
        "+host=b",
        "+level = \"info\" # d",
        "+  level: info",
    ] {
        assert!(plan.contains(part), "{part} is not in the plan:\n{plan}");
    }
    place.are(false);

    place.exits(0, &["run", "site.sloth", "--stack", "web"]);
    place.are(true);
    place.exits(0, &["plan", "site.sloth", "--stack", "web", "--detailed-exitcode"]);

    place.write("app.ini", "; top\n[server]\nworkers=9\n# mine\n");
    place.write("app.conf", "# top\nlisten=80\nhost=b\nlisten=90\nport=7\n");
    place.write("app.yaml", "# top\nname: x\nlog:\n  level: trace\n");
    place.exits(3, &["stack", "drift", "detect", "web"]);
    place.exits(0, &["stack", "drift", "fix", "web", "--yes"]);
    assert_eq!(place.read("app.ini"), "; top\n[server]\nworkers=4\n# mine\n");
    assert_eq!(place.read("app.conf"), "# top\nlisten=80\nhost=b\nlisten=90\nlisten=7\n");
    assert_eq!(place.read("app.yaml"), "# top\nname: x\nlog:\n  level: info\n");

    place.exits(0, &["stack", "destroy", "web", "--yes"]);
    assert_eq!(place.read("app.ini"), "; top\n[server]\nworkers=2\n# mine\n");
    assert_eq!(place.read("app.conf"), "# top\nport=80\nhost=a\nport=90\nlisten=7\n");
    for (name, was, _) in &FILES[2..] {
        assert_eq!(place.read(name), *was, "{name}");
    }

    place.exits(0, &["undo", "--yes"]);
    assert_eq!(place.read("app.ini"), "; top\n[server]\nworkers=4\n# mine\n");
    assert_eq!(place.read("app.conf"), "# top\nlisten=80\nhost=b\nlisten=90\nlisten=7\n");
    for (name, _, is) in &FILES[2..] {
        assert_eq!(place.read(name), *is, "{name}");
    }
}

#[test]
fn what_cannot_be_edited_is_named_and_left_alone() {
    let place = Place::new();
    place.write("broken.json", "{\"a\": 1,}");
    for (call, part) in [
        (r#"file.replace{ path = "/x", pattern = "(" }"#, "is not a regular expression"),
        (r#"file.replace{ path = "/x", pattern = "a", replacement = "$7" }"#, "has no group `7`"),
        (r#"file.ini{ path = "/x", key = "a=b", value = "1" }"#, "cannot be the key"),
        (r#"file.ini{ path = "/x", section = "a]", key = "b\n\27[31m", value = "1" }"#, "bracket"),
        (
            r#"file.ini{ path = "/x", section = "a", key = "b", value = "1", exclusive = false }"#,
            "has no argument `exclusive`",
        ),
        (r#"file.json{ path = "/x", key = "a\n\27[31m", value = "1" }"#, "more than one line"),
        (r#"file.json{ path = DIR .. "/broken.json", key = "🦥", value = 1 }"#, "it is not JSON"),
        (r#"file.toml{ path = DIR .. "/app.toml", key = "log", value = 1 }"#, "cannot be edited"),
        (r#"file.yaml{ path = DIR .. "/app.yaml", key = "name.x", value = 1 }"#, "`name` is a single value"),
        (r#"file.yaml{ path = DIR .. "/none.yaml", key = "name", value = 1 }"#, "`create = true` makes it"),
        (r#"file.lineinfile{ path = "/x", line = "\\1", backrefs = true }"#, "refers to nothing"),
        (r#"file.blockinfile{ path = "/x", block = "a", marker = "🦥" }"#, "`{mark}`"),
        (r#"file.replace{ path = "/x/../y", pattern = "a" }"#, "has `..` in it"),
        (
            r#"file.replace{ path = DIR .. "/app.conf", pattern = "port", replacement = "report" }"#,
            "nothing was changed",
        ),
    ] {
        place.write("bad.sloth", &place.source(&format!("task(\"t\", function() {call} end)\n")));
        let output = place.sloth(&["run", "bad.sloth", "--stack", "bad"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{call}: {said}");
        assert!(said.contains(part), "{call}: `{part}` is not in {said}");
        assert!(!said.contains("\u{1b}[31m"), "{call}: {said}");
    }
    place.are(false);
    assert_eq!(place.read("broken.json"), "{\"a\": 1,}");
}

fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn rights_of_a_directory_are_planned_set_found_and_put_back_and_links_lead_nowhere() {
    let place = Place::new();
    let (root, canary) = (place.dir.path().join("app"), place.dir.path().join("canary"));
    std::fs::create_dir_all(root.join("in/deep")).unwrap();
    for name in ["app/a", "app/in/b", "app/in/deep/c", "canary"] {
        place.write(name, "x");
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(place.dir.path().join(name), std::fs::Permissions::from_mode(0o600))
            .unwrap();
    }
    std::os::unix::fs::symlink(&canary, root.join("link")).unwrap();
    std::os::unix::fs::symlink(place.dir.path(), root.join("in/up")).unwrap();
    let call = r#"task("t", function() file.permissions{ path = DIR .. "/app", mode = "0644" } end)"#;
    place.write("rights.sloth", &place.source(call));
    let plan = place.exits(0, &["plan", "rights.sloth", "--stack", "rights"]);
    for part in ["3 entries in ", "/app/in/deep/c", "0600", "0644"] {
        assert!(plan.contains(part), "{part} is not in the plan:\n{plan}");
    }
    assert!(!plan.contains("canary"), "{plan}");
    place.exits(0, &["run", "rights.sloth", "--stack", "rights"]);
    for name in ["a", "in/b", "in/deep/c"] {
        assert_eq!(mode(&root.join(name)), 0o644, "{name}");
    }
    assert_eq!(mode(&canary), 0o600);
    place.exits(0, &["plan", "rights.sloth", "--stack", "rights", "--detailed-exitcode"]);
    place.write("app/in/new", "x");
    std::process::Command::new("chmod").arg("600").arg(root.join("in/new")).status().unwrap();
    place.exits(3, &["stack", "drift", "detect", "rights"]);
    place.exits(0, &["stack", "drift", "fix", "rights", "--yes"]);
    assert_eq!(mode(&root.join("in/new")), 0o644);
    place.exits(0, &["undo", "--yes"]);
    for name in ["a", "in/b", "in/deep/c"] {
        assert_eq!(mode(&root.join(name)), 0o600, "{name}");
    }

    // The other name of a file may be anywhere.
    std::fs::hard_link(&canary, root.join("in/second")).unwrap();
    let output = place.sloth(&["run", "rights.sloth", "--stack", "rights"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in/second`") && said.contains("several names"), "{said}");
    assert_eq!((mode(&canary), mode(&root.join("a"))), (0o600, 0o600));
}

#[test]
fn what_is_at_a_path_is_told() {
    let place = Place::new();
    place.write("it", "hello\n");
    std::process::Command::new("chmod").arg("4750").arg(place.dir.path().join("it")).status().unwrap();
    std::os::unix::fs::symlink("it", place.dir.path().join("link\n'")).unwrap();
    let call = r#"
task("t", function()
  local s, same = file.stat(DIR .. "/it")
  assert(s == same and s.exists and s.is_file and not s.is_dir and s.kind == "file")
  assert(s.size == 6 and s.mode == "4750" and s.links == 1 and s.mtime > 0, s.mode)
  assert(s.checksum == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", s.checksum)
  assert(file.stat{ path = DIR .. "/it", checksum = false }.checksum == nil)
  local l = file.stat(DIR .. "/link\n'")
  assert(l.is_link and l.target == "it" and l.checksum == nil)
  assert(file.stat{ path = DIR .. "/link\n'", follow = true }.size == 6)
  assert(file.stat(DIR).is_dir)
  assert(file.stat("/dev/null").kind == "other")
  for _, none in { DIR .. "/none", DIR .. "/it/none", "/-x; touch /pwned" } do
    assert(file.stat(none).exists == false, none)
  end
  assert(file_ops.stat{ path = DIR .. "/it" }.owner)
  local ok, why = pcall(file.stat, "it")
  assert(not ok and tostring(why):find("not an absolute path"), tostring(why))
  local ok, why = pcall(file.stat, { path = "/it", chekcsum = true })
  assert(not ok and tostring(why):find("no argument `chekcsum`"), tostring(why))
end)
"#;
    place.write("stat.sloth", &place.source(call));
    place.exits(0, &["run", "stat.sloth", "--stack", "stat"]);
    place.exits(0, &["plan", "stat.sloth", "--stack", "stat"]);
    assert!(!std::path::Path::new("/pwned").exists());
}
