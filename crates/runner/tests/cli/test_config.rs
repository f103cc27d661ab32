use crate::env;

#[test]
fn every_value_says_where_it_comes_from() {
    let mut env = env();
    env.tell(&["config", "show"]);
    env.tell(&["config", "show", "--origin"]);
    env.set("SLOTH_RUNNER_DB", "");
    env.tell(&["config", "show", "--origin"]);
    env.write(
        "config.yaml",
        "# comment\nstacks:\n  lock_timeout: 90m\n\n  database_path: \"configured.db\"\n  snapshot_retention: 30d\n",
    );
    env.tell(&["--config", "config.yaml", "config", "show", "--origin"]);
    env.tell(&["--config", "config.yaml", "--db", "typed.db", "config", "show", "--origin", "-o", "yaml"]);
    assert!(!env.db().exists() && !env.path("typed.db").exists(), "looking opens no database");
    insta::assert_snapshot!(env.story());
}

#[test]
fn the_system_file_is_overlaid_by_the_user_s() {
    let mut env = env();
    env.set("SLOTH_RUNNER_DB", "");
    env.write("../home/.sloth-runner/config.yaml", "stacks: { lease_ttl: 5s }\n");
    env.tell(&["config", "path"]);
    let shown = env.expect(0, &["config", "show", "--origin", "-o", "json"]).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let ttl = shown["settings"].as_array().unwrap().iter().find(|s| s["key"] == "stacks.lease_ttl").unwrap();
    assert_eq!((&ttl["value"], &ttl["origin"]["line"]), (&"5s".into(), &1.into()), "{ttl}");
    env.tell(&["config", "check"]);
    env.set("SLOTH_RUNNER_CONFIG", "named.yaml");
    env.tell(&["config", "path"]);
    env.tell(&["--config", "other.yaml", "config", "path", "-o", "json"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn what_is_not_valid_is_named() {
    let env = env();
    env.write("good.yaml", "stacks:\n  auto_lock: true\n  snapshot_retention: 30d\n");
    env.tell(&["config", "check", "good.yaml"]);
    env.write("slip.yaml", "stacks:\n  lock_timout: 1h\n");
    env.tell(&["config", "check", "slip.yaml"]);
    env.tell(&["--config", "slip.yaml", "config", "show"]);
    env.write("where.yaml", "stacks:\n  database_path: mysql://u:secret@h/d\n");
    env.tell(&["config", "check", "where.yaml"]);
    env.tell(&["config", "check", "missing.yaml"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn passwords_are_not_shown() {
    let env = env();
    for url in ["postgres://ann:s3cr3t@host/db", "postgres://host/db?password=s3cr3t"] {
        env.write("config.yaml", "stacks: {}\n");
        for format in ["table", "json", "yaml"] {
            let ran = env.expect(0, &["--db", url, "config", "show", "--origin", "-o", format]);
            assert!(!ran.says("s3cr3t") && ran.says("host/db"), "{}", ran.text());
        }
    }
}

/// A workflow whose task asks the program itself something, with the same configuration and database.
fn asking(env: &sloth_testkit::env::TestEnv, arguments: &str) -> String {
    let (program, home) = (env.command().get_program().to_string_lossy().into_owned(), env.home());
    let (home, db) = (home.display(), env.db());
    let db = db.display();
    format!(
        r#"
        workflow({{ name = "asking" }})
        task("t", {{ run = function()
            local asked = exec.run("'{program}' --as asker --db '{db}' --config c.yaml {arguments}", {{
                cwd = "{work}",
                env = {{ HOME = "{home}", SLOTH_RUNNER_DATA_DIR = "{home}", TZ = "UTC" }},
            }})
            print("exit " .. asked.exit_code .. ": " .. asked.stdout .. asked.stderr)
        end }})
        "#,
        work = env.work().display(),
    )
}

/// The seconds from one time of a lease to its end.
fn life(status: &str, from: &str) -> String {
    let status: serde_json::Value = serde_json::from_str(status).unwrap();
    let second = |key: &str| {
        let time = status["locks"][0][key].as_str().unwrap().split_once('T').unwrap().1;
        let number = |at: usize| time[at..at + 2].parse::<i64>().unwrap();
        number(0) * 3600 + number(3) * 60 + number(6)
    };
    (second("expires_at") - second(from)).rem_euclid(86_400).to_string()
}

/// What is seen of a key when it has this value.
fn seen(key: &str, value: &str) -> String {
    let mut env = env();
    env.write("c.yaml", &format!("stacks:\n  {key}: {value}\n"));
    env.write(
        "w.sloth",
        "workflow({ name = \"w\" })\ntask(\"t\", { run = function() stack.set_output(\"n\", values.n or \"1\") end })\n",
    );
    let number = |text: &str| text.lines().filter(|line| line.contains("\"version\"")).count().to_string();
    match key {
        "auto_lock" => env.run(&["--config", "c.yaml", "run", "w.sloth"]).code.to_string(),
        "auto_snapshot" | "snapshot_retention" => {
            for n in ["n=1", "n=2", "n=3"] {
                env.expect(0, &["--config", "c.yaml", "run", "w.sloth", "--var", n]);
            }
            number(&env.expect(0, &["stack", "snapshot", "list", "w", "-o", "json"]).stdout)
        }
        "database_path" => {
            env.set("SLOTH_RUNNER_DB", "");
            env.expect(0, &["--config", "c.yaml", "stack", "new", "here"]);
            env.path(value).exists().to_string()
        }
        "lease_ttl" => {
            env.write("asking.sloth", &asking(&env, "stack lock status asking -o json > status.json"));
            env.expect(0, &["--config", "c.yaml", "run", "asking.sloth"]);
            life(&env.read("status.json"), "renewed_at")
        }
        "lock_timeout" => {
            env.expect(0, &["stack", "new", "w"]);
            env.expect(0, &["--config", "c.yaml", "stack", "lock", "acquire", "w", "--reason", "r"]);
            life(&env.expect(0, &["stack", "lock", "status", "w", "-o", "json"]).stdout, "created_at")
        }
        "max_concurrent_executions" => {
            env.write("asking.sloth", &asking(&env, "run w.sloth"));
            let ran = env.expect(0, &["--config", "c.yaml", "run", "asking.sloth"]);
            let says = ["exit 0", "exit 4"].into_iter().find(|code| ran.says(code));
            if says == Some("exit 4") {
                assert!(ran.says("1 run of at most 1 at once are going on, in `asking`"), "{}", ran.text());
            }
            says.unwrap_or_else(|| panic!("{}", ran.text())).to_owned()
        }
        other => panic!("no test says what `stacks.{other}` changes"),
    }
}

#[test]
fn every_key_changes_what_is_done() {
    let reference = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/config.md");
    let reference = std::fs::read_to_string(reference).unwrap();
    let keys: Vec<&str> = reference
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `stacks.")?.split_once('`')?.0))
        .collect();
    assert!(keys.len() >= 7, "{keys:?}");
    for key in keys {
        let (one, other) = match key {
            "auto_lock" => (("true", "0"), ("false", "5")),
            "auto_snapshot" => (("false", "3"), ("true", "5")),
            "database_path" => (("here.db", "true"), ("there.db", "true")),
            "lease_ttl" => (("30s", "30"), ("90s", "90")),
            "lock_timeout" => (("1h", "3600"), ("5m", "300")),
            "max_concurrent_executions" => (("2", "exit 0"), ("1", "exit 4")),
            "snapshot_retention" => (("30d", "3"), ("1ms", "2")),
            other => panic!("no test says what `stacks.{other}` changes"),
        };
        for (value, expected) in [one, other] {
            assert_eq!(seen(key, value), expected, "stacks.{key}: {value}");
        }
    }
}
