use std::process::Command;

use serde_json::{Value, json};
use sloth_testkit::env::TestEnv;

use super::{env, ran_site};

const NETWORK: &str = include_str!("foreign/network.tfstate");
const SHOP: &str = include_str!("foreign/shop.pulumi.json");

fn json_of(env: &TestEnv, arguments: &[&str]) -> Value {
    serde_json::from_str(&env.expect(0, arguments).stdout).unwrap()
}

fn network() -> TestEnv {
    let env = env();
    env.write("network.tfstate", NETWORK);
    env
}

#[test]
fn a_terraform_state_is_taken_over() {
    let env = network();
    env.tell(&["stack", "import", "terraform", "network.tfstate", "--dry-run"]);
    env.expect(7, &["stack", "show", "network"]);
    env.tell(&["stack", "import", "terraform", "network.tfstate"]);
    env.tell(&["stack", "resources", "network"]);
    env.tell(&["stack", "output", "network"]);
    env.tell(&["stack", "import", "terraform", "network.tfstate"]);
    env.tell(&["stack", "drift", "detect", "network"]);
    crate::assert_snapshot!(env.story());
    let resources = json_of(&env, &["stack", "resources", "network", "-o", "json"]);
    let of = |id: &str| -> Value {
        let all = resources.as_array().unwrap();
        all.iter().find(|r| r["name"] == id).unwrap_or_else(|| panic!("{id}: {resources}")).clone()
    };
    // Names without keys, as the state has them, are the resources they stand for.
    let needs = of("aws_instance.web[0]")["dependencies"].clone();
    assert_eq!(
        needs,
        json!([
            "aws_vpc:aws_vpc.main",
            "aws_ami:data.aws_ami.debian",
            "aws_subnet:module.net.aws_subnet.a[\"a:80/b [\\\"c\\\"]\"]",
        ])
    );
    assert_eq!(of("aws_instance.web[1]")["state"], "failed");
    assert_eq!(of("aws_instance.web[1]#deposed-0123abcd")["state"], "failed");
    // What is secret in Terraform is secret here.
    let all = env.expect(0, &["stack", "show", "network", "-o", "json"]).stdout + &resources.to_string();
    assert!(!all.contains("hunter2") && !all.contains("s3cr3t"), "{all}");
    env.expect(0, &["doctor"]);
    env.expect(0, &["undo", "--yes"]);
    env.expect(7, &["stack", "show", "network"]);
}

#[test]
fn what_came_from_terraform_goes_back_byte_for_byte() {
    let env = network();
    env.expect(0, &["stack", "import", "terraform", "network.tfstate"]);
    let back = |env: &TestEnv| env.expect(0, &["stack", "export", "network", "--format", "tfstate"]).stdout;
    assert_eq!(back(&env), NETWORK);
    // Every version here is one serial there.
    env.expect(0, &["stack", "snapshot", "create", "network"]);
    assert_eq!(back(&env), NETWORK.replace("\"serial\": 42", "\"serial\": 43"));
    let old = env.expect(0, &["stack", "export", "network", "--format", "tfstate", "--at", "v1"]).stdout;
    assert_eq!(old, NETWORK);
    // The same by way of another database.
    env.expect(0, &["stack", "export", "network", "network.json"]);
    let other = env.path("other/stacks.db").display().to_string();
    env.expect(0, &["--db", &other, "stack", "import", "network.json"]);
    let there = env.expect(0, &["--db", &other, "stack", "export", "network", "--format", "tfstate"]).stdout;
    assert_eq!(there, NETWORK.replace("\"serial\": 42", "\"serial\": 43"));
}

/// A directory in which the real client works, and what it does there; `None` when there is none.
#[test]
fn a_newer_serial_becomes_a_new_version() {
    let env = network();
    env.expect(0, &["stack", "import", "terraform", "network.tfstate"]);
    let import = |name: &str| -> Vec<String> {
        ["stack", "import", "terraform", name, "--stack", "network"].map(str::to_owned).into()
    };
    let tell = |arguments: Vec<String>, more: &[&str]| {
        let all: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        env.tell(&all);
    };
    let newer = NETWORK.replace("\"serial\": 42", "\"serial\": 47").replace("10.0.0.0/16", "10.8.0.0/16");
    assert_ne!(newer.replace("47", "42"), NETWORK);
    env.write("newer.tfstate", &newer);
    env.write("foreign.tfstate", &newer.replace("\"lineage\": \"", "\"lineage\": \"other-"));
    env.write("same.tfstate", &NETWORK.replace("10.0.0.0/16", "10.8.0.0/16"));
    tell(import("network.tfstate"), &[]);
    tell(import("same.tfstate"), &[]);
    tell(import("foreign.tfstate"), &[]);
    tell(import("newer.tfstate"), &["--dry-run"]);
    assert_eq!(
        json_of(&env, &["stack", "snapshot", "list", "network", "-o", "json"]).as_array().unwrap().len(),
        1
    );
    tell(import("newer.tfstate"), &[]);
    tell(import("network.tfstate"), &[]);
    env.tell(&["stack", "snapshot", "compare", "network", "v1", "v2"]);
    crate::assert_snapshot!(env.story());
    let back = |env: &TestEnv| env.expect(0, &["stack", "export", "network", "--format", "tfstate"]).stdout;
    assert_eq!(back(&env), newer, "byte for byte, with its own serial");
    // What was exported of the first version is still that.
    env.expect(0, &["stack", "import", "terraform", "foreign.tfstate", "--stack", "network", "--overwrite"]);
    assert!(back(&env).contains("\"lineage\": \"other-"));
    env.expect(0, &["undo", "--yes"]);
    assert!(back(&env).contains("10.8.0.0/16") && !back(&env).contains("other-"));
    env.expect(0, &["doctor"]);
    env.expect(0, &["audit", "verify"]);
}

#[test]
fn a_stack_that_is_there_is_only_replaced_when_asked() {
    let env = ran_site();
    env.expect(0, &["stack", "export", "site", "site.json"]);
    let refused = env.expect(6, &["stack", "import", "site.json"]);
    assert!(refused.says("--overwrite"), "{}", refused.text());
    let before = env.inventory(env.path("site"));
    env.expect(0, &["stack", "import", "site.json", "--overwrite"]);
    assert_eq!(env.inventory(env.path("site")), before, "no machine is touched");
    let history = json_of(&env, &["stack", "snapshot", "list", "site", "-o", "json"]);
    assert_eq!(history.as_array().unwrap().len(), 2, "{history}");
    // Somebody who holds the stack is not overrun.
    let elsewhere = env
        .command()
        .args(["stack", "lock", "acquire", "site"])
        .env("SLOTH_RUNNER_DATA_DIR", env.path("elsewhere"))
        .output()
        .unwrap();
    assert!(elsewhere.status.success(), "{elsewhere:?}");
    let refused = env.run(&["stack", "import", "site.json", "--overwrite"]);
    assert_eq!(refused.code, 4, "{}", refused.text());
}

#[test]
fn what_a_stack_needs_comes_along() {
    let env = env();
    env.write(
        "db.sloth",
        "workflow({ name = \"db\" })\ntask({ name = \"t\", run = function() stack.set_output(\"url\", \"x\") end })\n",
    );
    env.write(
        "web.sloth",
        "workflow({ name = \"web\" })\ntask({ name = \"t\", run = function() print(stack.output_of(\"db\", \"url\")) end })\n",
    );
    env.expect(0, &["run", "db.sloth"]);
    env.expect(0, &["run", "web.sloth"]);
    env.expect(0, &["stack", "export", "db", "db.json"]);
    env.expect(0, &["stack", "export", "web", "web.json"]);
    let needs = |env: &TestEnv, db: &str| {
        env.expect(0, &["--db", db, "stack", "deps", "show", "web", "-o", "json"]).stdout
    };
    // The stacks have other ids in another database.
    env.expect(0, &["--db", "other.db", "stack", "import", "db.json"]);
    env.expect(0, &["--db", "other.db", "stack", "import", "web.json"]);
    assert!(needs(&env, "other.db").contains("\"db\""), "{}", needs(&env, "other.db"));
    env.expect(0, &["--db", "other.db", "doctor"]);
    // Where what it needs is not there, that is said.
    let alone = env.expect(0, &["--db", "alone.db", "stack", "import", "web.json"]);
    assert!(alone.says("stack `db`, which it needs, is not here"), "{}", alone.text());
    env.expect(0, &["--db", "alone.db", "doctor"]);
}

fn terraform(env: &TestEnv, arguments: &[&str]) -> Option<(i32, String)> {
    let path = std::env::var_os("PATH")?;
    let client = ["terraform", "tofu"]
        .into_iter()
        .find_map(|name| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()));
    let Some(client) = client else {
        println!("skipped: neither terraform nor tofu is there");
        return None;
    };
    let ran = Command::new(client)
        .args(arguments)
        .current_dir(env.path("tf"))
        .env_clear()
        .env("PATH", path)
        .env("HOME", env.home())
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_IN_AUTOMATION", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    Some((ran.status.code().unwrap(), text))
}

const MAIN_TF: &str = r#"
resource "terraform_data" "a" {
  input = { n = 12345678901234567890123, s = "<&>", z = null, l = [1, 2.5, true] }
}
resource "terraform_data" "c" {
  count      = 2
  input      = "x${count.index}"
  depends_on = [terraform_data.a]
}
resource "terraform_data" "e" {
  for_each = toset(["k/1:80/x", "b"])
  input    = sensitive("hunter2")
}
output "o" {
  value = { a = 1.5, b = [1, "x"], n = 12345678901234567890123 }
}
output "s" {
  value     = "p"
  sensitive = true
}
"#;

#[test]
fn a_real_client_reads_what_is_written() {
    let env = ran_site();
    env.write("tf/main.tf", MAIN_TF);
    let Some((code, text)) = terraform(&env, &["init", "-no-color"]) else { return };
    assert_eq!(code, 0, "{text}");
    let (code, text) = terraform(&env, &["apply", "-auto-approve", "-no-color"]).unwrap();
    assert_eq!(code, 0, "{text}");
    // Its own state goes through this program without a change, and it plans nothing afterwards.
    let own = env.read("tf/terraform.tfstate");
    env.expect(0, &["stack", "import", "terraform", "tf/terraform.tfstate", "--stack", "real"]);
    env.expect(0, &["stack", "export", "real", "tf/terraform.tfstate", "--format", "tfstate"]);
    assert_eq!(env.read("tf/terraform.tfstate"), own);
    let (code, text) = terraform(&env, &["plan", "-detailed-exitcode", "-no-color"]).unwrap();
    assert_eq!(code, 0, "{text}");
    // What this program looks after can be read there, too.
    env.write("tf/main.tf", "");
    env.expect(0, &["stack", "export", "site", "tf/terraform.tfstate", "--format", "tfstate"]);
    let (code, text) = terraform(&env, &["state", "list"]).unwrap();
    assert_eq!(code, 0, "{text}");
    let resources = json_of(&env, &["stack", "resources", "site", "-o", "json"]);
    let count = resources.as_array().unwrap().len();
    assert_eq!(text.lines().filter(|line| line.starts_with("terraform_data.")).count(), count, "{text}");
    let (code, text) = terraform(&env, &["show", "-no-color"]).unwrap();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("page.txt"), "{text}");
    let (code, text) = terraform(&env, &["plan", "-no-color"]).unwrap();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("{count} to destroy")), "{text}");
    let state: Value = serde_json::from_str(&env.read("tf/terraform.tfstate")).unwrap();
    let stack = json_of(&env, &["stack", "show", "site", "-o", "json"]);
    assert_eq!((&state["lineage"], &state["serial"]), (&stack["id"], &json!(1)));
}

#[test]
fn a_pulumi_export_is_taken_over_with_its_secrets_closed() {
    let env = env();
    env.write("shop.json", SHOP);
    env.tell(&["stack", "import", "pulumi", "shop.json", "--dry-run"]);
    env.tell(&["stack", "import", "pulumi", "shop.json"]);
    env.tell(&["stack", "resources", "dev"]);
    env.tell(&["stack", "output", "dev"]);
    env.tell(&["stack", "import", "pulumi", "shop.json", "--stack", "again", "-o", "json"]);
    crate::assert_snapshot!(env.story());
    let resources = json_of(&env, &["stack", "resources", "dev", "-o", "json"]);
    let text = resources.to_string();
    assert!(!text.contains("v1:CCCC"), "{text}");
    let instance =
        resources.as_array().unwrap().iter().find(|r| r["name"].as_str().unwrap().ends_with("::a::b"));
    let needs = &instance.unwrap()["dependencies"];
    assert_eq!(needs, &json!(["aws.ec2.vpc.Vpc:urn:pulumi:dev::shop::aws:ec2/vpc:Vpc::main"]));
    // A number with more digits than a machine's is still there, digit by digit.
    assert!(text.contains("12345678901234567890123"), "{text}");
    env.expect(0, &["stack", "export", "dev", "--format", "tfstate"]);
    env.expect(0, &["doctor"]);
}

/// A document with one thing changed, by JSON pointer; `None` takes it away.
fn with(text: &str, pointer: &str, value: Option<Value>) -> String {
    let mut whole: Value = serde_json::from_str(text).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = whole.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(map), None) => {
            map.remove(key).unwrap();
        }
        (Value::Object(map), Some(value)) => {
            map.insert(key.to_owned(), value);
        }
        (Value::Array(list), Some(value)) => list[key.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other:?}"),
    }
    whole.to_string()
}

#[test]
fn broken_states_are_refused_with_the_place() {
    let tf = |pointer: &str, value: Option<Value>| ("terraform", with(NETWORK, pointer, value));
    let pu = |pointer: &str, value: Option<Value>| ("pulumi", with(SHOP, pointer, value));
    let text = |format: &'static str, text: &str| (format, text.to_owned());
    let first = "/resources/0/instances/0";
    let r = "/deployment/resources";
    let cases: Vec<((&str, String), &str)> = vec![
        (text("terraform", ""), "line 1 column 0"),
        (text("terraform", "{"), "line 1 column 1"),
        (text("terraform", "[]"), "a list, not an object"),
        (text("terraform", "null"), "null, not an object"),
        (text("terraform", "\u{1b}[31m"), "line 1"),
        (text("terraform", &NETWORK[..NETWORK.len() / 2]), "it is not JSON"),
        (text("terraform", &NETWORK.replacen("\"serial\"", "\"lineage\": \"x\", \"serial\"", 1)), "twice"),
        (text("terraform", &"[".repeat(10_000)), "it is not JSON"),
        (text("terraform", "{\"version\": 3, \"backend\": {}}"), "terraform state pull"),
        (text("terraform", "{\"version\": 3, \"serial\": 1}"), "Terraform 0.12"),
        (text("terraform", "{\"version\": 5}"), "newer than 4"),
        (text("terraform", "{\"version\": 4.0, \"serial\": 1}"), "not the number of a format"),
        (text("terraform", "{\"encrypted_data\": \"x\", \"serial\": 1}"), "tofu state pull"),
        (text("terraform", SHOP), "format 3"),
        (tf("/version", None), "not a Terraform state"),
        (tf("/version", Some(json!("4"))), "`version`"),
        (tf("/serial", None), "`serial`"),
        (tf("/serial", Some(json!(-1))), "`serial`"),
        (tf("/lineage", Some(json!(7))), "`lineage`"),
        (tf("/outputs", Some(json!([]))), "`outputs`"),
        (tf("/outputs/zones", Some(json!("x"))), "`outputs.zones`"),
        (tf("/outputs/zones/value", None), "`outputs.zones.value`"),
        (tf("/outputs/zones/type", None), "`outputs.zones.type`"),
        (tf("/outputs/zones/sensitive", Some(json!("yes"))), "`outputs.zones.sensitive`"),
        (tf("/resources", Some(json!({}))), "`resources`"),
        (tf("/resources/0", Some(json!(1))), "`resources[0]`"),
        (tf("/resources/0/mode", Some(json!("list"))), "`resources[0].mode`"),
        (tf("/resources/0/type", None), "`resources[0].type`"),
        (tf("/resources/0/type", Some(json!("a b"))), "cannot be the address"),
        (tf("/resources/0/name", Some(json!(""))), "`resources[0].name`"),
        (tf("/resources/0/provider", None), "`resources[0].provider`"),
        (tf("/resources/0/module", Some(json!([]))), "`resources[0].module`"),
        (tf("/resources/0/instances", Some(json!("x"))), "`resources[0].instances`"),
        (tf(first, Some(json!(null))), "`resources[0].instances[0]`"),
        (tf(&format!("{first}/schema_version"), None), "schema_version"),
        (tf(&format!("{first}/schema_version"), Some(json!(1.5))), "schema_version"),
        (tf(&format!("{first}/attributes"), None), "`resources[0].instances[0].attributes`"),
        (tf(&format!("{first}/attributes"), Some(json!([]))), "attributes"),
        (tf(&format!("{first}/index_key"), Some(json!(true))), "index_key"),
        (tf(&format!("{first}/status"), Some(json!("odd"))), "`odd` is not a status"),
        (tf(&format!("{first}/deposed"), Some(json!("12"))), "8 hexadecimal digits"),
        (tf(&format!("{first}/dependencies"), Some(json!([1]))), "dependencies[0]"),
        (tf("/resources/1/instances/1/index_key", Some(json!(0))), "is there twice"),
        (text("pulumi", "{}"), "`version`"),
        (text("pulumi", NETWORK), "pulumi stack export"),
        (text("pulumi", "{\"version\":3,\"checkpoint\":{}}"), "pulumi stack export"),
        (pu("/version", Some(json!(2))), "format 2"),
        (pu("/version", None), "`version`"),
        (pu("/features", Some(json!(["byteString"]))), "`byteString` is not understood"),
        (pu("/deployment", None), "`deployment`"),
        (pu("/deployment/manifest", None), "manifest"),
        (pu("/deployment/resources", Some(json!({}))), "resources"),
        (pu(&format!("{r}/0/urn"), None), "resources[0].urn"),
        (pu(&format!("{r}/0/urn"), Some(json!("urn:x"))), "is not a URN"),
        (pu(&format!("{r}/0/type"), Some(json!(1))), "resources[0].type"),
        (pu(&format!("{r}/0/id"), Some(json!("x"))), "a component has no id"),
        (pu(&format!("{r}/2/parent"), Some(json!("urn:pulumi:dev::shop::x::y"))), "does not come before it"),
        (pu(&format!("{r}/3/dependencies/0"), Some(json!("urn:pulumi:dev::shop::x::y"))), "dependencies[0]"),
        (pu(&format!("{r}/3/propertyDependencies/vpc"), Some(json!("x"))), "propertyDependencies.vpc"),
        (pu(&format!("{r}/4/delete"), Some(json!(false))), "is there twice"),
        (pu(&format!("{r}/3/protect"), Some(json!("yes"))), "protect"),
        (pu("/deployment/pending_operations/0/type", None), "pending_operations[0].type"),
    ];
    assert!(cases.len() >= 40, "{}", cases.len());
    let env = env();
    env.expect(0, &["stack", "list"]);
    for ((format, text), why) in &cases {
        env.write("broken", text);
        let ran = env.run(&["stack", "import", format, "broken", "--stack", "broken"]);
        assert_eq!(ran.code, 5, "{why}: {}", ran.text());
        assert!(ran.says(why) && ran.says("nothing was changed"), "{why}: {}", ran.text());
        assert!(!ran.text().contains('\u{1b}') && !ran.says("panicked"), "{why}");
        // A dry run finds the same.
        assert_eq!(env.run(&["stack", "import", format, "broken", "--stack", "broken", "--dry-run"]).code, 5);
    }
    env.expect(7, &["stack", "show", "broken"]);
    assert_eq!(json_of(&env, &["op", "log", "-o", "json"]), json!([]));
    env.write("bytes", "");
    std::fs::write(env.path("bytes"), b"{\xff}").unwrap();
    env.expect(5, &["stack", "import", "terraform", "bytes"]);
    env.expect(7, &["stack", "import", "terraform", "missing"]);
    env.write("network.tfstate", NETWORK);
    for name in ["a/b", "a\nb", "-x", "..", &"n".repeat(256)] {
        let name = format!("--stack={name}");
        let ran = env.run(&["stack", "import", "terraform", "network.tfstate", &name]);
        assert!(ran.code == 2 || ran.code == 5 || ran.code == 1, "{name}: {}", ran.text());
        assert_eq!(json_of(&env, &["stack", "list", "-o", "json"]), json!([]));
    }
    let stdin = env.run(&["stack", "import", "terraform", "-"]);
    assert_ne!(stdin.code, 0, "nothing comes from nowhere");
}
