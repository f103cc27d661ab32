use std::process::{Command, Stdio};

use sloth_testkit::env::TestEnv;

use crate::{env, ran_site};

/// What bash offers after this line, with the script as a person installs it.
fn offered(env: &TestEnv, line: &str) -> Vec<String> {
    let script = env.expect(0, &["completions", "bash"]).stdout;
    env.write("script.bash", &script);
    // Readline is not there, so the words are cut here the way it does: at blanks, `:` and `=`.
    let driver = r#"
        source script.bash
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=()
        rest=$1
        while [[ -n $rest ]]; do
            case $rest in
                ' '*) rest=${rest# }; [[ -z $rest ]] && COMP_WORDS+=('');;
                [:=]*) COMP_WORDS+=("${rest:0:1}"); rest=${rest:1};;
                *) word=${rest%%[ :=]*}; COMP_WORDS+=("$word"); rest=${rest#"$word"};;
            esac
        done
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        current=${COMP_WORDS[COMP_CWORD]}
        [[ $current == [:=] ]] && current=''
        _sloth_runner sloth-runner "$current" ''
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut command = Command::new("bash");
    for (name, value) in env.command().get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let output = command
        .args(["--norc", "-c", driver, "bash", line])
        .current_dir(env.work())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).filter(|l| !l.is_empty()).collect()
}

#[test]
fn bash_completes_what_the_database_knows() {
    if Command::new("bash").arg("--version").output().is_err() {
        println!("SKIPPED: there is no bash");
        return;
    }
    let env = ran_site();
    env.expect(0, &["stack", "new", "sites-of-others"]);
    env.expect(0, &["stack", "snapshot", "create", "site"]);
    let root = env.path("site").display().to_string();
    assert_eq!(offered(&env, "sloth-runner sta"), ["stack", "state"]);
    assert_eq!(offered(&env, "sloth-runner stack show s"), ["site", "sites-of-others"]);
    assert_eq!(offered(&env, "sloth-runner stack show sites"), ["sites-of-others"]);
    // Where nothing is typed yet, flags follow.
    assert_eq!(offered(&env, "sloth-runner stack snapshot show site ")[..3], ["v2", "v1", "--db"]);
    assert_eq!(offered(&env, "sloth-runner stack snapshot compare site v1 v"), ["v2", "v1"]);
    assert_eq!(offered(&env, "sloth-runner stack snapshot show nothing v"), Vec::<String>::new());
    assert_eq!(offered(&env, "sloth-runner stack drift fix site --only fi").len(), 3);
    assert_eq!(
        offered(&env, &format!("sloth-runner stack drift fix site --only file:{root}/p")),
        [format!("{root}/page.txt")]
    );
    assert!(offered(&env, "sloth-runner run si").contains(&"site.sloth".to_owned()));
    let elsewhere = format!("sloth-runner --db {} stack show s", env.path("other.db").display());
    assert_eq!(offered(&env, &elsewhere), Vec::<String>::new());
    assert!(!env.path("other.db").exists(), "asking makes no database");
}

fn asked(env: &TestEnv, shell: &str, words: &[&str]) -> std::process::Output {
    let mut command = Command::new(env.command().get_program());
    for (name, value) in env.command().get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .env("SLOTH_RUNNER_COMPLETE", shell)
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .arg("--")
        .args(words)
        .current_dir(env.work())
        .output()
        .unwrap()
}

#[test]
fn asking_leaves_no_traces_and_says_nothing_when_it_fails() {
    let mut env = env();
    let stacks = ["sloth-runner", "stack", "show", ""];
    let before = env.inventory(env.home());
    for shell in ["bash", "elvish", "fish", "powershell", "zsh", "nonsense"] {
        let output = asked(&env, shell, &stacks);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    assert_eq!(env.inventory(env.home()), before);
    env.write("not.db", "this is no database\n".repeat(500).as_str());
    env.set("SLOTH_RUNNER_DB", &env.path("not.db").to_string_lossy());
    let output = asked(&env, "bash", &stacks);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    env.set("SLOTH_RUNNER_DB", "");
    env.set("SLOTH_RUNNER_CONFIG", "missing.yaml");
    let output = asked(&env, "bash", &stacks);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn names_are_told_while_somebody_writes() {
    let env = ran_site();
    let begun = std::time::Instant::now();
    let writer = held(&env);
    let output = asked(&env, "bash", &["sloth-runner", "stack", "show", "s"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "site");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    drop(writer);
}

/// Another process that holds the stack: a run that waits.
fn held(env: &TestEnv) -> impl Drop {
    struct Child(std::process::Child);
    impl Drop for Child {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    env.write("slow.sloth", "task(\"t\", { run = function() exec.run(\"touch begun; sleep 30\") end })\n");
    let child = env
        .command()
        .args(["run", "slow.sloth", "--stack", "site"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Child(child);
    while !env.path("begun").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child
}

#[test]
fn every_shell_has_a_script() {
    let env = env();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = env.expect(0, &["completions", shell]);
        assert!(ran.stdout.contains("SLOTH_RUNNER_COMPLETE"), "{}", ran.text());
    }
    let ran = env.expect(0, &["completions", "zsh", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(shown["shell"], "zsh");
    env.expect(2, &["completions", "tcsh"]);
}
