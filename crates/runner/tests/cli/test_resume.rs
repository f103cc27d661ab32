use std::time::Duration;

use super::{env, ran_site};

#[test]
fn there_is_nothing_to_resume_after_a_run_that_ended() {
    let env = ran_site();
    env.expect(0, &["resume", "site"]);
    env.expect(2, &["resume", "site", "--adopt", "x:1", "--redo", "x:2"]);
    let ran = env.run(&["resume", "site", "--adopt", "nothing:1"]);
    assert_ne!(ran.code, 0, "{}", ran.text());
    env.expect(7, &["resume", "nobody"]);
}

#[test]
fn heavy_a_killed_run_is_ended_by_the_next_one() {
    let env = env();
    env.write("slow.sloth", super::SLOW);
    let root = format!("root={}", env.work().display());
    let mut child = env
        .command()
        .args(["run", "slow.sloth", "--var", &root])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !env.path("waiting").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = env.expect(0, &["stack", "show", "slow", "-o", "json"]).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(root, format!("root={}", shown["metadata"]["values"]["root"].as_str().unwrap()));
    env.write("go", "");
    let asked = env.expect(8, &["run", "slow.sloth", "--var", &root]);
    assert!(asked.says("--adopt"), "{}", asked.text());
    let list = env.expect(0, &["resume", "slow", "--list", "-o", "json"]);
    let steps: Vec<serde_json::Value> = serde_json::from_str(&list.stdout).unwrap();
    let id = steps.iter().find(|s| s["unknown"] == true).unwrap()["id"].as_str().unwrap().to_owned();
    env.expect(0, &["resume", "slow", "--adopt", &id]);
    env.expect(0, &["run", "slow.sloth", "--var", &root]);
    assert_eq!(env.read("two"), "2");
    assert_eq!(env.read("waiting"), "ran\n", "what was adopted does not run again");
}
