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
