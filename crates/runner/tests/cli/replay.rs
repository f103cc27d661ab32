//! Command lines of the documents people have, carried out in their order.

use sloth_testkit::env::{Ran, TestEnv};

/// Splits a command line as a shell would, as far as double quotes go.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quoted, mut open) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '"' => (quoted, open) = (!quoted, true),
            ' ' if !quoted => {
                if open || !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
                open = false;
            }
            c => word.push(c),
        }
    }
    if open || !word.is_empty() {
        all.push(word);
    }
    all
}

/// One line: how it ends, what was typed after the program's name, and something that it says.
pub type Line<'a> = (i32, &'a str, &'a str);

/// Carries lines out, one after the other. `names` are put in for the words a document uses for what it cannot know.
pub fn replay(env: &TestEnv, names: &[(&str, &str)], lines: &[Line<'_>]) {
    for (code, line, says) in lines {
        one(env, names, *code, line, says);
    }
}

/// Carries out one line.
pub fn one(env: &TestEnv, names: &[(&str, &str)], code: i32, line: &str, says: &str) -> Ran {
    let put_in = |word: String| {
        names
            .iter()
            .fold(word, |word, (name, is)| if word.contains(name) { word.replace(name, is) } else { word })
    };
    let arguments: Vec<String> = words(line).into_iter().map(put_in).collect();
    let ran = env.expect(code, &arguments);
    assert!(ran.says(says), "`{line}` does not say `{says}`:\n{}", ran.text());
    assert!(!ran.says("panicked"), "{}", ran.text());
    ran
}

/// A file and a record of something elsewhere, which differ with every `--var n=N`, below `values.root`.
pub const DEPLOYMENT: &str = r#"
workflow({ name = values.name or "deploy-prod", metadata = { environment = "production", commit_sha = "a1b2c3d4" } })
task("deploy", { run = function()
    file.content({ path = values.root .. "/prod.conf", content = "n = " .. values.n .. "\n", mode = "0644" })
    stack.register_resource({ type = "docker_container", name = "web-server-1", module = "docker",
        properties = { image = "nginx:1." .. values.n } })
    stack.update_resource("docker_container", "web-server-1", { state = "applied" })
    stack.set_output("load_balancer_ip", "192.168.1.100")
    stack.set_output("deployment_url", "https://example.com/" .. values.n)
end })
"#;

/// Runs it so often that its stack has this many versions.
pub fn deploy(env: &TestEnv, name: &str, versions: u32) {
    env.write("deployment.sloth", DEPLOYMENT);
    let root = format!("root={}", env.path(name).display());
    std::fs::create_dir_all(env.path(name)).unwrap();
    let name = format!("name={name}");
    for n in 1..=versions {
        let n = format!("n={n}");
        env.expect(0, &["run", "deployment.sloth", "--var", &root, "--var", &name, "--var", &n]);
    }
}
