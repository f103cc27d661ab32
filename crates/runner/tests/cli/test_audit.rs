use super::{env, ran_site};

#[test]
fn the_log_proves_itself() {
    let env = ran_site();
    env.expect(0, &["state", "set", "n", "1"]);
    env.expect(0, &["state", "set", "token", "1", "--as", "ann"]);
    env.expect(0, &["undo", "--yes"]);
    let whole = env.expect(0, &["audit", "verify"]);
    assert!(whole.says("4 operations, each follows from the one before"), "{}", whole.text());
    env.expect(0, &["audit", "export", "audit.jsonl"]);
    let exported = env.read("audit.jsonl");
    assert_eq!(env.expect(0, &["audit", "export"]).stdout, exported);
    let from_file = env.expect(0, &["audit", "verify", "audit.jsonl"]);
    assert_eq!(from_file.stdout, whole.stdout);

    let lines: Vec<&str> = exported.lines().collect();
    assert!(lines[2].contains("\"ann\""));
    let forged = lines[2].replace("\"ann\"", "\"eve\"");
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n")
    };
    for (text, why) in [
        (
            [lines[0], lines[1], &forged, lines[3]].join("\n"),
            "operation 3 was changed after it was written (state set, by eve",
        ),
        (without(2), "the operations before 4 are missing: 3 was expected"),
        (without(0), "the operations before 2 are missing: 1 was expected"),
        ([lines[0], lines[2], lines[1], lines[3]].join("\n"), "operations before"),
    ] {
        env.write("forged.jsonl", &text);
        let broken = env.expect(1, &["audit", "verify", "forged.jsonl"]);
        assert!(broken.says(why), "{why}: {}", broken.text());
    }
    env.write("forged.jsonl", "{}");
    env.expect(5, &["audit", "verify", "forged.jsonl"]);
    env.expect(7, &["audit", "verify", "missing.jsonl"]);
}

#[test]
fn a_forged_row_is_named() {
    let env = env();
    for n in 0..3 {
        env.expect(0, &["state", "set", "n", &n.to_string()]);
    }
    if !env.tamper("UPDATE operations SET verb = 'state get' WHERE seq = 2") {
        return;
    }
    let broken = env.expect(1, &["audit", "verify"]);
    assert!(broken.says("operation 2 was changed after it was written"), "{}", broken.text());
    assert!(env.tamper("DELETE FROM operations WHERE seq = 3"));
    let json = env.run(&["audit", "verify", "-o", "json"]);
    assert_ne!(json.code, 0, "{}", json.text());
}
