//! Users and groups on a real system, beside the system's own programs.

use crate::throw_away::below_another_root;

#[test]
fn a_real_user_is_made_found_changed_put_right_and_removed() {
    let script = r#"
cp -a /etc before
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
    let Some(said) = below_another_root(script) else { return };
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
