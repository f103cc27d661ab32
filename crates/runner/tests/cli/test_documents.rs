//! What the documents show is done, and what they say comes out. `SLOTH_BLESS=1` writes outputs anew; read the diff.

use std::fs;
use std::path::{Path, PathBuf};

use sloth_testkit::document::{blocks, carry_out};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sloth-runner");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Pages that are written by people: the README and everything below `docs/` that is not generated.
fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    files(&root().join("docs"), "md", &mut found);
    found.retain(|name| !name.starts_with("docs/reference/"));
    found.sort();
    found
}

fn files(dir: &Path, ending: &str, found: &mut Vec<String>) {
    for path in fs::read_dir(dir).unwrap().flatten().map(|e| e.path()) {
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

macro_rules! carried_out {
    ($($test:ident: $name:literal;)*) => {
        /// Pages with something to carry out. What other pages show is there to be looked at.
        const CARRIED_OUT: &[&str] = &[$($name),*];
        $(#[test] fn $test() { as_it_says($name); })*
    };
}

carried_out! {
    readme: "README.md";
    architecture: "docs/en/architecture.md";
    best_practices: "docs/en/stack-state-best-practices.md";
    cli_reference: "docs/en/stack-state-cli-reference.md";
    core_concepts: "docs/en/core-concepts.md";
    getting_started: "docs/en/getting-started.md";
    hooks: "docs/guide/hooks.md";
    managing_files: "docs/en/managing-files.md";
    migration: "docs/en/migration.md";
    state_management: "docs/en/stack-state-management.md";
    troubleshooting: "docs/en/stack-state-troubleshooting.md";
    use_cases: "docs/en/use-cases.md";
    workflow_integration: "docs/en/workflow-integration.md";
}

fn as_it_says(name: &str) {
    let text = page(name);
    let told = carry_out(Path::new(PROGRAM), &root().join("examples"), &text).unwrap();
    if let (Some(after), true) = (&told.page, std::env::var_os("SLOTH_BLESS").is_some()) {
        fs::write(root().join(name), after).unwrap();
        assert!(!told.failed, "{name}, {}", told.problems);
        return;
    }
    assert!(told.problems.is_empty(), "{name}, {}\naccept it with SLOTH_BLESS=1", told.problems);
}

#[test]
fn every_page_with_commands_is_carried_out() {
    let runs = |name: &String| {
        let found = blocks(&page(name)).unwrap_or_else(|e| panic!("{name}, {e}"));
        let shows = |l: &str| matches!(l, "text" | "mermaid" | "rust");
        found.iter().any(|b| !shows(&b.language) && b.reason.is_none())
    };
    let with_commands: Vec<String> = pages().into_iter().filter(runs).collect();
    let mut listed = CARRIED_OUT.to_vec();
    listed.sort_unstable();
    assert_eq!(with_commands, listed);
}

#[test]
fn what_is_not_carried_out_says_why() {
    let mut left_out = String::new();
    for name in pages() {
        for block in blocks(&page(&name)).unwrap().iter().filter(|b| b.reason.is_some()) {
            let first = block.lines.first().map_or("", String::as_str);
            left_out +=
                &format!("{name}: {} `{first}`: {}\n", block.language, block.reason.as_deref().unwrap());
        }
    }
    insta::assert_snapshot!(left_out);
}

#[test]
fn rust_is_carried_out_by_the_crate_that_includes_the_page() {
    let mut crates = String::new();
    for entry in fs::read_dir(root().join("crates")).unwrap().flatten() {
        crates += &fs::read_to_string(entry.path().join("src/lib.rs")).unwrap_or_default();
    }
    for name in pages() {
        for block in blocks(&page(&name)).unwrap().iter().filter(|b| b.language == "rust") {
            assert!(
                crates.contains(&format!("include_str!(\"../../../{name}\")")),
                "no crate includes {name}"
            );
            if let Some(file) = &block.name {
                let text = fs::read_to_string(root().join(file)).unwrap();
                assert!(
                    text.contains(&block.text()),
                    "{name}, line {}: {file} says something else",
                    block.line
                );
            }
        }
    }
}

#[test]
fn the_index_names_every_page_and_every_example() {
    let index = page("docs/en/README.md");
    let beside = pages().into_iter().filter_map(|name| name.strip_prefix("docs/en/").map(str::to_owned));
    let mut examples = Vec::new();
    files(&root().join("examples"), "sloth", &mut examples);
    assert!(examples.len() > 5, "{examples:?}");
    let examples = examples.iter().map(|name| format!("../../{name}"));
    for name in beside.filter(|name| name != "README.md").chain(examples) {
        assert!(index.contains(&format!("]({name})")), "{name} is not in docs/en/README.md");
    }
}

#[test]
fn every_example_of_a_resource_can_be_planned() {
    let env = crate::env();
    let found = blocks(&page("docs/reference/resources.md")).unwrap();
    let examples: Vec<String> = found.iter().filter(|b| b.language == "lua").map(|b| b.text()).collect();
    assert!(examples.len() > 10, "{}", examples.len());
    for example in examples {
        // Files of the controller that it names are there.
        for name in example
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|name| name.starts_with("files/") || name.starts_with("templates/"))
        {
            env.write(name, "text\n");
        }
        env.write("example.sloth", &format!("task(\"t\", {{ run = function()\n{example}end }})\n"));
        let ran = env.run(&["plan", "example.sloth"]);
        // The machine may not have what an example is about, which is said of an address. What is wrong with a call
        // begins with its name.
        let of_the_machine = ran.code == 1 && !ran.says("task `t` failed: `");
        assert!(ran.code == 0 || of_the_machine, "{example}{}", ran.text());
    }
}

#[test]
fn links_lead_somewhere() {
    let mut everything = Vec::new();
    files(&root().join("docs"), "md", &mut everything);
    for name in everything.into_iter().chain(["README.md".to_owned(), "ARCHITECTURE.md".to_owned()]) {
        let here = root().join(&name);
        let text = page(&name);
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.starts_with("https://") || file.starts_with("http://") {
                continue;
            }
            let target = if file.is_empty() { here.clone() } else { here.parent().unwrap().join(file) };
            assert!(target.exists(), "{name}: {link} is not there");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let anchors: Vec<String> =
                    text.lines().filter(|l| l.starts_with('#')).map(anchor_of).collect();
                assert!(anchors.iter().any(|a| a == anchor), "{name}: {link} is not there: {anchors:?}");
            }
        }
    }
}

/// As the common renderers make them: lower case, blanks to hyphens, other signs left out.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

const STORY: &str = "```lua a.sloth
task(\"t\", { run = function() file.content({ path = \"/srv/demo/a.txt\", content = \"a\\n\" }) end })
```
```console
$ sloth-runner run a.sloth >/dev/null 2>&1; cat a.txt
a

# A remark.
$ sloth-runner --as ben stack lock acquire a \\
    --reason 'a test' | head -n 1
Lock acquired for stack a
$ sloth-runner stack nothing
[…]
$ echo $?
2
```
```sh
sloth-runner stack drift detect a
echo b >> a.txt
sloth-runner stack drift detect a   # exit code 3
```
";

#[test]
fn a_page_that_is_right_stays_as_it_is_and_one_that_is_not_is_noticed() {
    let told = |page: &str| carry_out(Path::new(PROGRAM), &root().join("examples"), page).unwrap();
    let right = told(STORY);
    assert_eq!((right.problems.as_str(), &right.page), ("", &None));
    for (from, to, says) in [
        ("\na\n\n#", "\nb\n\n#", "-b\n+a"),
        ("stack a\n$", "stack b\n$", "-Lock acquired for stack b"),
        ("$ echo $?\n2", "$ echo $?\n0", "-0\n+2"),
        ("$ echo $?\n2\n", "", "ended with 2, and no `echo $?` follows"),
        ("   # exit code 3", "", "ended with 3 instead of 0"),
        ("drift detect a\necho", "drfit detect a\necho", "unrecognized subcommand"),
        ("run = function", "rnu = function", "ended with 5"),
        ("```sh", "```yaml", "`yaml` needs a file name"),
    ] {
        let page = STORY.replace(from, to);
        assert_ne!(page, STORY, "{from}");
        let wrong = told(&page);
        assert!(wrong.problems.contains(says), "{from:?} to {to:?}: {}", wrong.problems);
    }
    let wrong = told(&STORY.replace("stack a\n$", "stack b\n$"));
    assert_eq!(wrong.page.as_deref(), Some(STORY), "what is written anew is what came out");
}
