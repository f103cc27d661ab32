//! What holds for a PostgreSQL server only: how it is reached, who it is, and what is said when it is not there.

use sloth_testkit::env::{Ran, TestEnv};
use sloth_testkit::postgres::{self, Cluster, PASSWORD};

use crate::env;

/// A place, with a server that has a schema for it.
fn place() -> Option<(TestEnv, &'static Cluster)> {
    let server = postgres::shared()?;
    let mut env = env();
    env.keep_on(server);
    Some((env, server))
}

/// Runs with this URL instead.
fn at(env: &TestEnv, url: &str, code: i32, arguments: &[&str]) -> Ran {
    env.expect(code, &[&["--db", url], arguments].concat())
}

fn schema_of(url: &str) -> &str {
    url.rsplit_once("schema=").unwrap().1
}

#[test]
fn looking_makes_nothing() {
    let Some((env, server)) = place() else { return };
    let url = env.kept_at();
    for line in [
        &["stack", "list"][..],
        &["state", "list"],
        &["state", "workflow", "list"],
        &["events", "list"],
        &["hook", "list"],
        &["op", "log"],
        &["audit", "verify"],
        &["doctor"],
        &["config", "show"],
        &["stack", "lock", "status", "--all"],
    ] {
        let ran = env.run(line);
        assert!(!ran.says("panicked") && ran.code != 101, "{line:?}: {}", ran.text());
        let made =
            server.psql(&format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", schema_of(&url)));
        assert_eq!(made, "0", "{line:?} made a schema: {}", ran.text());
    }
    env.expect(0, &["state", "set", "k", "1"]);
    assert_eq!(env.expect(0, &["state", "get", "k"]).stdout, "1\n");
}

#[test]
fn over_the_network_the_server_proves_who_it_is() {
    let Some((env, server)) = place() else { return };
    let url = server.tls_url();
    at(&env, &url, 0, &["state", "set", "k", "1"]);
    assert_eq!(at(&env, &url, 0, &["state", "get", "k"]).stdout, "1\n");
    let (ours, other) = (server.authority(), server.other_authority());
    let (ours, other) = (ours.display().to_string(), other.display().to_string());
    for (wrong, says) in [
        (url.replace(&ours, &other), "certificate"),
        (url.replace("@localhost:", "@127.0.0.1:"), "certificate"),
        (url.replace(&ours, "/nonexistent.pem"), "/nonexistent.pem"),
        (url.replace("%20", "%21"), "password"),
        (format!("{url}&sslmode=require"), "sslmode"),
    ] {
        for command in [&["state", "get", "k"][..], &["state", "set", "k", "2"]] {
            let ran = env.run(&[&["--db", &wrong], command].concat());
            assert!(matches!(ran.code, 1 | 2), "{wrong}: {}", ran.text());
            assert!(ran.stderr.starts_with("error: ") && ran.says(says), "{wrong}: {}", ran.text());
            assert!(!ran.says(PASSWORD) && !ran.says("sesame"), "{}", ran.text());
        }
    }
    // This server takes nobody who comes in plain text, and nothing is sent to it.
    let plain = format!("{url}&sslmode=disable");
    let ran = env.run(&["--db", &plain, "state", "get", "k"]);
    assert!(matches!(ran.code, 1 | 2) && !ran.says("sesame"), "{}", ran.text());
    assert_eq!(at(&env, &url, 0, &["state", "get", "k"]).stdout, "1\n");
}

#[test]
fn the_password_is_shown_to_nobody() {
    let Some((env, server)) = place() else { return };
    let url = server.tls_url();
    at(&env, &url, 0, &["state", "set", "k", "1"]);
    for line in [
        &["config", "show"][..],
        &["config", "show", "-o", "json"],
        &["doctor"],
        &["doctor", "-o", "json"],
        &["op", "log", "-o", "json"],
        &["audit", "list", "-o", "json"],
        &["state", "stats", "-o", "json"],
    ] {
        let ran = env.run(&[&["--db", &url], line].concat());
        assert!(!ran.says("sesame"), "{line:?}: {}", ran.text());
    }
    // From the environment and from a file, too.
    let bare = url.replace(&format!(":{}@", PASSWORD.replace(' ', "%20")), "@");
    at(&env, &bare, 1, &["state", "get", "k"]);
    let with = |name: &str, value: &str| {
        let output =
            env.command().env(name, value).args(["--db", &bare, "state", "get", "k"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(with("PGPASSWORD", PASSWORD), "1\n");
    let file = env.write("pgpass", &format!("localhost:*:*:remote:{PASSWORD}\n"));
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(with("PGPASSFILE", file.to_str().unwrap()), "1\n");
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_not_there() {
    let Some((env, server)) = place() else { return };
    let gone = env.kept_at().replace(&format!("port={}", server.port()), "port=1");
    for line in [&["stack", "list"][..], &["state", "set", "k", "1"]] {
        let ran = at(&env, &gone, 1, line);
        assert!(ran.stderr.starts_with("error: ") && ran.says("cannot be reached"), "{}", ran.text());
    }
    let nobody = env.kept_at().replace("/postgres?", "/nobody?");
    let ran = at(&env, &nobody, 1, &["stack", "list"]);
    assert!(ran.says("nobody"), "{}", ran.text());
}

#[test]
fn what_a_newer_program_wrote_is_left_alone() {
    let Some((env, _)) = place() else { return };
    env.expect(0, &["state", "set", "k", "1"]);
    assert!(env.tamper("UPDATE meta SET value = '99' WHERE key = 'schema'"));
    assert!(env.tamper("UPDATE meta SET value = '7.8.9' WHERE key IN ('min_reader', 'min_writer')"));
    let ran = env.run(&["state", "set", "k", "2"]);
    assert!(ran.code == 1 && ran.says("7.8.9"), "{}", ran.text());
    let ran = env.run(&["state", "get", "k"]);
    assert!(ran.says("7.8.9") || ran.stdout == "1\n", "{}", ran.text());
}

#[test]
fn tables_of_somebody_else_are_left_alone() {
    let Some((env, server)) = place() else { return };
    let schema = schema_of(&env.kept_at()).to_owned();
    server.psql(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.meta (key text, value text)"));
    for line in [&["stack", "list"][..], &["state", "set", "k", "1"], &["doctor"]] {
        let ran = env.run(line);
        assert!(ran.code == 1 && ran.says("another schema"), "{}", ran.text());
    }
    assert_eq!(server.psql(&format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'")), "1");
}

#[test]
fn a_backup_is_a_copy_into_a_file() {
    let Some((env, _)) = place() else { return };
    env.expect(0, &["state", "set", "k", "1"]);
    let refused = env.expect(1, &["backup", "create", "copy.db"]);
    let instead = format!("state copy --to {} --keep", "copy.db");
    assert!(refused.says(&instead) && !env.path("copy.db").exists(), "{}", refused.text());
    env.expect(0, &instead.split(' ').collect::<Vec<_>>());
    // A server that was lost comes back from it.
    let again = sloth_testkit::postgres::shared().unwrap().url();
    at(&env, "copy.db", 0, &["state", "copy", "--to", &again, "--yes"]);
    assert_eq!(at(&env, &again, 0, &["state", "get", "k"]).stdout, "1\n");
}
