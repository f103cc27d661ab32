//! Keys on a real system: who is let in by the real `sshd`.

use std::path::Path;

use crate::throw_away::below_another_root;

/// What every script finds: `sshd` from `target/sshd`, which `scripts/test` prepares, or the one that is installed, and
/// `login KEY`, which tries to come in as `deploy` without a network.
fn with_sshd(script: &str) -> Option<String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/sshd/usr/sbin/sshd");
    if !own.exists() && !Path::new("/usr/sbin/sshd").exists() {
        println!("SKIPPED: there is no sshd on this machine, and no target/sshd");
        return None;
    }
    let own = own.canonicalize().unwrap_or_else(|_| "/usr/sbin/sshd".into());
    let prelude = format!(
        r#"
SSHD='{}'
export LD_LIBRARY_PATH="$(ls -d "${{SSHD%/usr/sbin/sshd}}"/usr/lib/*-linux-gnu 2>/dev/null | head -n 1)"
grep -q '^sshd:' /etc/passwd || echo 'sshd:x:996:65534::/run/sshd:/usr/sbin/nologin' >> /etc/passwd
mkdir -p /run/sshd; chmod 755 /run/sshd
for key in host one two; do ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$key"; done
cat > sshd.conf <<'END'
HostKey /work.d/host
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes yes
LogLevel VERBOSE
END
login() {{
  ssh -F none -i "$1" -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR \
    -o UserKnownHostsFile=/dev/null -o "ProxyCommand=$SSHD -i -f /work.d/sshd.conf -E /work.d/sshd.log" \
    deploy@here 'echo in as $(id -un)' 2>/dev/null || echo "$1 stays out"
}}
"#,
        own.display()
    );
    below_another_root(&format!("{prelude}\n{script}"))
}

#[test]
fn a_real_sshd_lets_in_who_has_the_key_and_nobody_else() {
    let script = r#"
cat > keys.sloth <<END
task("keys", function()
  user.create("deploy", { shell = "/bin/sh" })
  ssh.authorized_key{ user = "deploy", key = "$(cat one.pub)" }
end)
END
"$SLOTH" plan keys.sloth --stack keys >/dev/null 2>&1
"$SLOTH" run keys.sloth --stack keys >/dev/null 2>&1
sed -i 's/^deploy:!/deploy:*/' /etc/shadow
stat -c '%U %G %a %n' /home/deploy/.ssh /home/deploy/.ssh/authorized_keys
login one; login two
cat > keys.sloth <<END
task("keys", function()
  user.create("deploy", { shell = "/bin/sh" })
  ssh.authorized_key{ user = "deploy", keys = {'restrict,command="echo forced" $(cat two.pub)'}, exclusive = true }
end)
END
"$SLOTH" run keys.sloth --stack keys >/dev/null 2>&1
login one; login two
"$SLOTH" plan keys.sloth --stack keys --detailed-exitcode >/dev/null 2>&1; echo "nothing to do"
sed -i 's/^restrict,command="echo forced" //' /home/deploy/.ssh/authorized_keys
login two
code=0; "$SLOTH" stack drift detect keys >/dev/null 2>&1 || code=$?; echo "drift $code"
"$SLOTH" stack drift fix keys --yes >/dev/null 2>&1
login two
stat -c '%U %G %a %n' /home/deploy/.ssh/authorized_keys
# A prisoner's trick: what the user puts in the way leads nowhere else.
rm -r /home/deploy/.ssh; ln -s /root /home/deploy/.ssh; chown -h deploy: /home/deploy/.ssh
code=0; "$SLOTH" run keys.sloth --stack keys >out 2>&1 || code=$?; echo "led astray $code"
ls -A /root | grep -c authorized_keys || true
"#;
    let Some(said) = with_sshd(script) else { return };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "deploy deploy 700 /home/deploy/.ssh",
            "deploy deploy 600 /home/deploy/.ssh/authorized_keys",
            "in as deploy",
            "two stays out",
            "one stays out",
            "forced",
            "nothing to do",
            "in as deploy",
            "drift 3",
            "forced",
            "deploy deploy 600 /home/deploy/.ssh/authorized_keys",
            "led astray 1",
            "0",
        ],
        "{said}"
    );
}

#[test]
fn a_real_ssh_believes_a_host_it_knows_and_no_other() {
    let script = r#"
ssh() { command ssh -F none -i one -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no \
  -o "ProxyCommand=$SSHD -i -f /work.d/sshd.conf -E /work.d/sshd.log" "$@" 'echo believed' 2>/dev/null || echo "not believed"; }
cat > hosts.sloth <<END
task("hosts", function()
  ssh.authorized_key{ user = "root", key = "$(cat one.pub)" }
  ssh.known_hosts{ host = "here", user = "root", key = "$(cat host.pub)", hash = true }
  ssh.known_hosts{ host = "there", port = 2222, user = "root", key = "$(cat host.pub)" }
end)
END
sed -i 's/^root:[^:]*/root:*/' /etc/shadow; rm -rf /root/.ssh
ssh root@here
"$SLOTH" run hosts.sloth --stack hosts >/dev/null 2>&1
ssh root@here; ssh root@there; ssh -p 2222 root@there
grep -cw here /root/.ssh/known_hosts || true
ssh-keygen -q -t ed25519 -N '' -f other
sed -i "s,key = \"ssh-ed25519 [^\"]*\"\, hash,key = \"$(cut -d' ' -f1,2 other.pub)\"\, hash," hosts.sloth
"$SLOTH" run hosts.sloth --stack hosts >/dev/null 2>&1
ssh root@here; ssh -p 2222 root@there
"$SLOTH" stack destroy hosts --yes >/dev/null 2>&1
ls -A /root/.ssh | wc -l
"#;
    let Some(said) = with_sshd(script) else { return };
    let lines: Vec<&str> = said.lines().collect();
    let expected =
        ["not believed", "believed", "not believed", "believed", "0", "not believed", "believed", "0"];
    assert_eq!(lines, expected, "{said}");
}

#[test]
fn keys_that_let_in_are_told_while_planning_and_running() {
    let script = r#"
useradd -m -d /home/ann -s /bin/sh ann
ssh-keygen -q -t ed25519 -N '' -C one -f one; ssh-keygen -q -t ed25519 -N '' -C two -f two
cat > keys.sloth <<END
local one, two = "$(cat one.pub)", "$(cat two.pub)"
task("keys", function()
  print("before", #ssh.list_authorized_keys("ann"), ssh.key_exists("ann", one))
  ssh.authorized_key{ user = "ann", key = one, options = "restrict" }
  local fingerprint = "$(ssh-keygen -lf one.pub | cut -d' ' -f2)"
  for at, key in ssh.list_authorized_keys{ user = "ann" } do
    print("after", at, key.at, key.type, key.comment, key.options, key.fingerprint == fingerprint)
  end
  print((ssh.key_exists{ user = "ann", key = one }), (ssh.key_exists("ann", two)), ssh.key_exists("ann", fingerprint))
  user.create("eve")
  print(ssh.list_authorized_keys("eve") ~= nil, ssh.list_authorized_keys("nobody-here"))
end)
END
"$SLOTH" plan keys.sloth --stack keys 2>&1 | grep -v '^ \|^$\|^Plan\|^task' | sed 's/^/plan: /'
ls -A /home/ann/.ssh 2>/dev/null || echo 'planning made nothing'
"$SLOTH" run keys.sloth --stack keys 2>&1 | grep '^keys | '
# What leads out of a home is read with the rights of its owner.
rm -r /home/ann/.ssh; mkdir -m 700 /root/secret; mkdir /home/ann/.ssh; cat two.pub > /root/secret/keys
ln -s /root/secret/keys /home/ann/.ssh/authorized_keys
echo 'task("t", function() print("astray", ssh.list_authorized_keys("ann")) end)' > astray.sloth
"$SLOTH" run astray.sloth --stack astray 2>&1 | grep '^t |'
"#;
    let Some(said) = below_another_root(script) else { return };
    insta::assert_snapshot!(said);
}
