//! Users and groups on a real system: in a mount namespace with copies of `/etc` and `/home`, beside the system's own
//! programs.

use std::process::{Command, Stdio};

/// Runs a script as root where it can do no harm; `None` where that is not permitted.
fn confined(script: &str) -> Option<String> {
    let allowed = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        println!("SKIPPED: mount namespaces are not permitted here, so no real users are made");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let prelude = "set -eu\ncp -a /etc etc; cp -a /etc before; mkdir home\nmount --bind etc /etc; mount --bind home /home\n";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &format!("{prelude}{script}")])
        .current_dir(dir.path())
        .env("SLOTH", env!("CARGO_BIN_EXE_sloth-runner"))
        .env("SLOTH_RUNNER_DB", dir.path().join("state.db"))
        .env("SLOTH_RUNNER_DATA_DIR", dir.path().join("data"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    Some(stdout)
}

#[test]
fn a_real_user_is_made_found_changed_put_right_and_removed() {
    let script = r#"
cat > people.sloth <<'END'
task("people", function()
  group.create("ops", { gid = 4000 })
  user.create("deploy", { groups = { "ops" }, shell = "/bin/bash", comment = "De Ploy" })
  file.content("/home/deploy/motd", { content = "x\n", owner = "deploy", mode = "0600" })
end)
END
"$SLOTH" plan people.sloth --stack people >/dev/null 2>&1
getent passwd deploy && exit 1
"$SLOTH" run people.sloth --stack people >/dev/null 2>&1
"$SLOTH" plan people.sloth --stack people --detailed-exitcode >/dev/null 2>&1
id deploy
stat -c '%U %G %a %n' /home/deploy /home/deploy/motd
pwck -rq; grpck -rq
usermod -s /bin/sh deploy
gpasswd -d deploy ops >/dev/null
code=0; "$SLOTH" stack drift detect people >/dev/null 2>&1 || code=$?; echo "drift $code"
"$SLOTH" stack drift fix people --yes >/dev/null 2>&1
getent passwd deploy | cut -d: -f5-
id -nG deploy
"$SLOTH" stack destroy people --yes >/dev/null 2>&1
for file in passwd shadow group gshadow subuid subgid; do cmp "/etc/$file" "before/$file"; done
"#;
    let Some(said) = confined(script) else { return };
    let mut lines = said.lines();
    let id = lines.next().unwrap();
    assert!(id.contains("(deploy)") && id.ends_with(",4000(ops)"), "{said}");
    let rest: Vec<&str> = lines.collect();
    assert_eq!(
        rest,
        [
            "deploy deploy 755 /home/deploy",
            "deploy root 600 /home/deploy/motd",
            "drift 3",
            "De Ploy:/home/deploy:/bin/bash",
            "deploy ops",
        ],
        "{said}"
    );
}
