//! What the README shows is what happens.

use std::path::Path;

use crate::env;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

/// Fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let found = sloth_testkit::document::blocks(text).unwrap();
    found.iter().filter(|b| b.language == language).map(|b| b.text()).collect()
}

/// What is between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_example_does_what_its_commands_say() {
    let text = readme();
    let env = env();
    let root = env.path("made").to_string_lossy().into_owned();
    let [example] = &blocks(&text, "lua")[..] else { panic!("one example") };
    assert!(example.contains("/tmp/site"));
    env.write("site.sloth", &example.replace("/tmp/site", &root));
    let page = || env.read("made/index.html");
    let mut verbs = Vec::new();
    let commands = blocks(&text, "sh").concat();
    for line in commands.lines().filter_map(|line| line.strip_prefix("sloth-runner ")) {
        let (typed, says) = line.split_once('#').unwrap();
        let arguments: Vec<&str> = typed.split_whitespace().collect();
        let ran = env.expect(0, &arguments);
        match says.trim() {
            "what would be done" => {
                assert!(ran.says("+ create") && !env.path("made").exists(), "{}", ran.text());
            }
            "nothing to do any more" => assert!(ran.says("3 unchanged"), "{}", ran.text()),
            s if s.starts_with("is it still so?") => assert!(ran.says("0 drifted"), "{}", ran.text()),
            s if s.starts_with("another title") => {
                assert!(ran.says("1 updated") && page().contains("Welcome"), "{}", ran.text());
            }
            s if s.starts_with("what differs") => assert!(ran.says("+<h1>Welcome</h1>"), "{}", ran.text()),
            s if s.starts_with("the first one again") => assert!(page().contains("Hello")),
            s if s.starts_with("what the stack offers") => {
                assert_eq!(ran.stdout, format!("{root}/index.html\n"));
            }
            s if s.starts_with("take the last step back") => assert!(page().contains("Welcome")),
            s if s.starts_with("remove it") => {
                assert!(!env.path("made/index.html").exists() && env.path("made/backup.tar").exists());
            }
            _ => {}
        }
        verbs.push(arguments[0].to_owned());
    }
    assert!(verbs.len() >= 10, "{verbs:?}");
}

#[test]
fn drift_ends_with_3_as_the_readme_says() {
    let env = env();
    let root = env.path("made").to_string_lossy().into_owned();
    env.write("site.sloth", &blocks(&readme(), "lua")[0].replace("/tmp/site", &root));
    env.expect(0, &["run", "site.sloth"]);
    env.write("made/index.html", "edited by hand\n");
    env.expect(3, &["stack", "drift", "detect", "site"]);
}

#[test]
fn every_command_it_names_exists_and_none_is_missing() {
    let text = readme();
    let cli =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md"))
            .unwrap();
    let exists = |path: &str| cli.contains(&format!("\n## `sloth-runner {path}`\n"));
    let table = text.split("## Commands").nth(1).unwrap().split("\n\n").nth(1).unwrap();
    let mut named = Vec::new();
    for command in quoted(table) {
        let path = command.split(' ').take_while(|w| w.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        let path = path.take_while(|w| !w.starts_with('-')).collect::<Vec<_>>().join(" ");
        assert!(exists(&path), "`{path}` is in the README and is no command");
        named.push(path);
    }
    let all = cli.lines().filter_map(|l| l.strip_prefix("## `sloth-runner ")?.strip_suffix('`'));
    for path in all.filter(|p| !cli.contains(&format!("\n## `sloth-runner {p} "))) {
        assert!(named.iter().any(|n| n == path), "`{path}` is not in the README");
    }
}

#[test]
fn files_it_points_to_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for link in readme().split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()) {
        assert!(link.starts_with("https://") || root.join(&link).exists(), "{link} is not there");
    }
    for script in ["scripts/quickstart", "scripts/build", "scripts/test", ".ci/run"] {
        assert!(readme().contains(script) && root.join(script).is_file(), "{script}");
    }
}
