//! Packages through the real apt and dpkg: below a root that lies over the system's and is thrown away, with an archive
//! of packages made for the test.

use crate::throw_away::below_another_root;

/// The archive: `offer NAME VERSION NEEDS POSTINST`, `publish` after the last one.
const ARCHIVE: &str = r#"
mkdir -p /archive
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
"#;

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
    let Some(said) = below_another_root(&format!("{ARCHIVE}\n{script}")) else { return };
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
    let Some(said) = below_another_root(&format!("{ARCHIVE}\n{script}")) else { return };
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
