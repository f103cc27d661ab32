//! Types of resources that a module file makes.

use crate::env;

#[test]
fn a_type_of_ones_own_is_planned_drifts_and_goes_back_like_any_other() {
    let env = env();
    env.write(
        "lib/setting.lua",
        r#"
return custom.type({
    name = "setting",
    id = "key",
    params = { key = { required = true }, value = { required = true }, root = { required = true } },
    probe = 'cat "$root/$key" 2>/dev/null || exit 1',
    apply = 'mkdir -p "$root" && printf %s "$value" > "$root/$key"',
    delete = 'rm -f "$root/$key"',
    expect = function(p) return p.value end,
})
"#,
    );
    env.write(
        "own.sloth",
        r#"
local setting = require("./lib/setting")
task("set", { run = function()
    local r = setting("colour", { value = values.colour or "green", root = values.root })
    log.info(r.message)
    setting({ key = "$(touch injected)", value = "; touch injected", root = values.root })
end })
"#,
    );
    let root = env.path("settings");
    let given = format!("root={}", root.display());
    let with = |words: &[&str]| -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).chain(["--var".to_owned(), given.clone()]).collect()
    };
    let planned = env.expect(0, &with(&["plan", "own.sloth"]));
    assert!(planned.says("custom:setting/colour") && planned.says("2 to create"), "{}", planned.text());
    assert!(!root.exists());
    env.expect(0, &with(&["run", "own.sloth"]));
    assert_eq!(std::fs::read_to_string(root.join("colour")).unwrap(), "green");
    assert_eq!(std::fs::read_to_string(root.join("$(touch injected)")).unwrap(), "; touch injected");
    assert!(!env.path("injected").exists());
    let again = env.expect(0, &with(&["run", "own.sloth"]));
    assert!(again.says("custom:setting/colour unchanged"), "{}", again.text());
    env.expect(0, &["stack", "drift", "detect", "own"]);
    std::fs::write(root.join("colour"), "grey").unwrap();
    let drift = env.expect(3, &["stack", "drift", "detect", "own"]);
    assert!(drift.says("custom:setting/colour"), "{}", drift.text());
    env.expect(0, &["stack", "drift", "fix", "own", "--yes"]);
    assert_eq!(std::fs::read_to_string(root.join("colour")).unwrap(), "green");
    env.expect(0, &with(&["run", "own.sloth", "--var", "colour=blue"]));
    assert_eq!(std::fs::read_to_string(root.join("colour")).unwrap(), "blue");
    env.expect(0, &["stack", "snapshot", "restore", "own", "v1", "--yes"]);
    assert_eq!(std::fs::read_to_string(root.join("colour")).unwrap(), "green");
    env.expect(0, &["stack", "destroy", "own", "--yes"]);
    assert!(!root.join("colour").exists());
    let wrong = env.write("wrong.sloth", "local setting = require('./lib/setting')\ntask('t', { run = function() setting('x', { valu = 1 }) end })\n");
    let ran = env.expect(1, &["run", &wrong.display().to_string()]);
    assert!(ran.says("did you mean `value`?") && ran.says("wrong.sloth:2"), "{}", ran.text());
}
