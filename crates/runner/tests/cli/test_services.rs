//! Units through the real `systemctl`, as far as it goes without a running systemd, and through one that answers.

use crate::throw_away::below_another_root;

#[test]
fn real_units_are_enabled_masked_and_put_back() {
    if std::process::Command::new("systemctl").arg("--version").output().is_err() {
        println!("SKIPPED: there is no systemctl on this machine");
        return;
    }
    let script = r#"
printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/sloth-a.service
printf '[Service]\nExecStart=/bin/true\n' > /usr/lib/systemd/system/sloth-b.service
cat > units.sloth <<'END'
task("units", function()
  systemd.enable("sloth-a")
  systemd.mask("sloth-b")
end)
END
now() { for unit in sloth-a sloth-b; do systemctl is-enabled $unit || true; done | paste -sd' '; }
now
code "$SLOTH" run units.sloth --stack units
now
code "$SLOTH" plan units.sloth --stack units --detailed-exitcode
systemctl disable --quiet sloth-a
code "$SLOTH" stack drift detect units
code "$SLOTH" stack drift fix units --yes
now
code "$SLOTH" stack destroy units --yes
now
echo 'task("t", function() systemd.start("sloth-a") end)' > start.sloth
"$SLOTH" run start.sloth --stack start 2>&1 | grep -o 'systemd does not run on this host' | sort -u
echo 'task("t", function() systemd.disable("sloth-b") end)' > fixed.sloth
"$SLOTH" run fixed.sloth --stack fixed 2>&1 | grep -o 'can neither be enabled nor disabled' | sort -u
"#;
    let Some(said) = below_another_root(script) else { return };
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "disabled static",
            "sloth-runner run 0",
            "enabled masked",
            "sloth-runner plan 0",
            "sloth-runner stack 3",
            "sloth-runner stack 0",
            "enabled masked",
            "sloth-runner stack 0",
            "disabled static",
            "systemd does not run on this host",
            "can neither be enabled nor disabled",
        ],
        "{said}"
    );
}

#[test]
fn a_unit_is_started_and_restarted_once_when_its_file_changed() {
    let script = r##"
mkdir -p bin; export PATH="$PWD/bin:$PATH"
cat > bin/systemctl <<'END'
#!/bin/sh
case "$*" in
  *NeedDaemonReload*) echo "NeedDaemonReload=yes" ;;
  *show*) echo "LoadState=loaded"; echo "UnitFileState=enabled"; [ -e /running ] && echo ActiveState=active || echo ActiveState=inactive ;;
  *) echo "$*" >> /calls; case "$*" in *start*) touch /running ;; *stop*) rm -f /running ;; esac ;;
esac
END
chmod 755 bin/systemctl
cat > web.sloth <<'END'
task("web", function()
  file.content("/etc/web.conf", { content = values.text or "one\n", notify = "restart web" })
  systemd.ensure{ name = "web", state = "started", enabled = true }
end)
handler("restart web", function() systemd.restart("web") end)
END
code "$SLOTH" run web.sloth --stack web; cat /calls; : > /calls
code "$SLOTH" run web.sloth --stack web; cat /calls
rm /running
code "$SLOTH" stack drift detect web
code "$SLOTH" run web.sloth --stack web; cat /calls; : > /calls
code "$SLOTH" stack destroy web --yes; cat /calls
"##;
    let Some(said) = below_another_root(script) else { return };
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "sloth-runner run 0",
            "daemon-reload",
            "--no-pager start -- web.service",
            "restart -- web",
            "sloth-runner run 0",
            "sloth-runner stack 3",
            "sloth-runner run 0",
            "daemon-reload",
            "--no-pager start -- web.service",
            "sloth-runner stack 0",
            "--no-pager stop -- web.service",
        ],
        "{said}"
    );
}
