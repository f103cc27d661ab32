use crate::env;

#[test]
fn definitions_are_those_of_the_reference() {
    let env = env();
    for (server, file) in [("luau", "sloth.d.luau"), ("luals", "sloth.lua")] {
        let ran = env.expect(0, &["types", server]);
        let path = format!("{}/../../docs/reference/{file}", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(ran.stdout.trim_end(), std::fs::read_to_string(path).unwrap().trim_end(), "{server}");
        let json: serde_json::Value =
            serde_json::from_str(&env.expect(0, &["types", server, "-o", "json"]).stdout).unwrap();
        assert_eq!(json["server"], server);
        assert_eq!(json["definitions"].as_str().unwrap().trim_end(), ran.stdout.trim_end());
    }
    assert!(!env.db().exists(), "no database is opened");
}

#[test]
fn other_servers_are_refused() {
    let env = env();
    let ran = env.expect(2, &["types", "emacs\n\u{1b}[31m"]);
    assert!(ran.says("luals") && !ran.text().contains('\u{1b}'), "{}", ran.text());
    env.expect(2, &["types"]);
}
