//! Packages through the real apt and dpkg: below a root that lies over the system's and is thrown away, with an archive
//! of packages made for the test.

use std::process::{Command, Stdio};

const PRELUDE: &str = r#"
set -eu
mount -t tmpfs none "$1"; cd "$1"; mkdir up work root
mount -t overlay none -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" root
mount --rbind /dev root/dev; mount -t proc none root/proc
cat > root/script; exec chroot root sh -eu /script </dev/null
"#;

/// The archive: `offer NAME VERSION NEEDS POSTINST`, `publish` after the last one.
const ARCHIVE: &str = r#"
export HOME=/root LC_ALL=C
mkdir -p /archive /work.d; cd /work.d
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/preferences.d /var/lib/apt/lists
rm -f /etc/apt/apt.conf.d/*; mkdir -p /etc/apt/sources.list.d /etc/apt/preferences.d /var/lib/apt/lists/partial
echo 'deb [trusted=yes] file:/archive ./' > /etc/apt/sources.list
offer() {
  rm -rf build; mkdir -p "build/DEBIAN" "build/usr/share/$1"; echo "$2" > "build/usr/share/$1/version"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: t\n' "$1" "$2" > build/DEBIAN/control
  [ -z "$3" ] || echo "Depends: $3" >> build/DEBIAN/control
  [ -z "$4" ] || { printf '#!/bin/sh\nset -e\n%s\n' "$4" > build/DEBIAN/postinst; chmod 755 build/DEBIAN/postinst; }
  dpkg-deb -Znone --build build "/archive/$1_$2.deb" >/dev/null
}
publish() {
  for deb in /archive/*.deb; do
    dpkg-deb -f "$deb"; printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${deb##*/}" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done > /archive/Packages
}
offer sloth-web 1.0 sloth-lib ''; offer sloth-web 2.0 sloth-lib ''
offer sloth-lib 1.0 '' ''; offer sloth-tool 1.0 '' ''; offer sloth-tool 1.5 '' ''
offer sloth-bad 1.0 '' '[ -e /allowed ]'
offer sloth-slow 1.0 '' 'echo begun > /begun; while [ ! -e /go-on ]; do sleep 0.1; done'
publish
there() { dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\n' 'sloth-*' 2>/dev/null | grep '^.i' || true; }
code() { code=0; "$@" >/dev/null 2>&1 || code=$?; echo "$1 $2 $code" | sed 's,.*/,,'; }
"#;

/// Runs a script on a system that is thrown away; `None` where that is not permitted.
fn below_another_root(script: &str) -> Option<String> {
    let works = |program: &str, args: &[&str]| {
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let overlay = "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/m && \
        mount -t overlay none -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m";
    if !works("apt-get", &["--version"]) || !works("unshare", &["-m", "-p", "-f", "sh", "-c", overlay]) {
        println!(
            "SKIPPED: no apt, or no overlay in a mount namespace here, so no real packages are installed"
        );
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new("unshare")
        .args(["-m", "-p", "-f", "--kill-child", "sh", "-c", PRELUDE, "sh"])
        .arg(dir.path())
        .env("SLOTH", env!("CARGO_BIN_EXE_sloth-runner"))
        .env("SLOTH_RUNNER_DB", "/work.d/state.db")
        .env("SLOTH_RUNNER_DATA_DIR", "/work.d/data")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let whole = format!("{ARCHIVE}\n{script}");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), whole.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    Some(stdout)
}

#[test]
fn real_packages_are_installed_found_changed_put_right_and_removed() {
    let script = r#"
: > /var/log/apt/history.log
cat > site.sloth <<'END'
task("site", function()
  local done = pkg.install{ packages = { "sloth-web=1.0", "sloth-tool" }, refresh = true }
  local web = done.results["sloth-web"]
  print(table.concat({"changed", tostring(done.changed), web.action, table.concat(web.notes or {}, "; ")}, " "))
end)
END
code "$SLOTH" plan site.sloth --stack site --detailed-exitcode
there
"$SLOTH" run site.sloth --stack site 2>&1 | grep -o 'changed true.*'
there
grep -c '^Commandline: apt-get' /var/log/apt/history.log
code "$SLOTH" plan site.sloth --stack site --detailed-exitcode
apt-get -qq remove -y sloth-tool >/dev/null; apt-get -qq install -y sloth-web >/dev/null
code "$SLOTH" stack drift detect site
"$SLOTH" stack drift fix site --yes >/dev/null 2>&1
there
sed -i 's/sloth-web=1.0/sloth-web/; s/refresh = true/state = "latest"/' site.sloth
"$SLOTH" run site.sloth --stack site >/dev/null 2>&1
there
"$SLOTH" stack snapshot restore site v1 --yes >/dev/null 2>&1
there
"$SLOTH" stack destroy site --yes >/dev/null 2>&1
there
"#;
    let Some(said) = below_another_root(script) else { return };
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "sloth-runner plan 3",
            "changed true create comes along: sloth-lib",
            "ii sloth-lib 1.0",
            "ii sloth-tool 1.5",
            "ii sloth-web 1.0",
            "1",
            "sloth-runner plan 0",
            "sloth-runner stack 3",
            "ii sloth-lib 1.0",
            "ii sloth-tool 1.5",
            "ii sloth-web 1.0",
            "ii sloth-lib 1.0",
            "ii sloth-tool 1.5",
            "ii sloth-web 2.0",
            "ii sloth-lib 1.0",
            "ii sloth-tool 1.5",
            "ii sloth-web 1.0",
            "ii sloth-lib 1.0",
        ],
        "{said}"
    );
}

#[test]
fn a_package_that_fails_and_one_that_is_interrupted_are_finished_by_the_next_run() {
    let script = r#"
apt-get -qq update
echo 'task("bad", function() pkg.install{"sloth-bad", "sloth-tool"} end)' > bad.sloth
code "$SLOTH" run bad.sloth --stack bad
touch /allowed
code "$SLOTH" run bad.sloth --stack bad
there
code "$SLOTH" plan bad.sloth --stack bad --detailed-exitcode
echo 'task("slow", function() pkg.install("sloth-slow") end)' > slow.sloth
"$SLOTH" run slow.sloth --stack slow >/dev/null 2>&1 & pid=$!
while [ ! -e /begun ]; do sleep 0.05; done
kill -9 $pid; pkill -9 -x apt-get; pkill -9 -x dpkg; pkill -9 -f sloth-slow.postinst; wait $pid 2>/dev/null || true
dpkg-query -W -f '${db:Status-Abbrev}\n' sloth-slow
touch /go-on
code "$SLOTH" resume slow
code "$SLOTH" run slow.sloth --stack slow
there
code "$SLOTH" plan slow.sloth --stack slow --detailed-exitcode
code "$SLOTH" stack destroy slow --yes
there
"#;
    let Some(said) = below_another_root(script) else { return };
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "sloth-runner run 1",
            "sloth-runner run 0",
            "ii sloth-bad 1.0",
            "ii sloth-tool 1.5",
            "sloth-runner plan 0",
            "iF ",
            "sloth-runner resume 0",
            "sloth-runner run 0",
            "ii sloth-bad 1.0",
            "ii sloth-slow 1.0",
            "ii sloth-tool 1.5",
            "sloth-runner plan 0",
            "sloth-runner stack 0",
            "ii sloth-bad 1.0",
            "ii sloth-tool 1.5",
        ],
        "{said}"
    );
}
