//! A root that lies over the system's and is thrown away.

use std::process::{Command, Stdio};

const PRELUDE: &str = r#"
set -eu
mount -t tmpfs none "$1"; cd "$1"; mkdir up work root
mount -t overlay none -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" root
mount --rbind /dev root/dev; mount -t proc none root/proc
cat > root/script; exec chroot root sh -eu /script </dev/null
"#;

/// What every script finds: a directory of its own, and `code`, which runs a command and says how it ended.
const COMMON: &str = r#"
export HOME=/root LC_ALL=C
mkdir -p /work.d; cd /work.d
code() { code=0; "$@" >/dev/null 2>&1 || code=$?; echo "$1 $2 $code" | sed 's,.*/,,'; }
"#;

/// Runs a script on a system that is thrown away; `None` where that is not permitted.
pub fn below_another_root(script: &str) -> Option<String> {
    let works = |program: &str, args: &[&str]| {
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let overlay = "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/m && \
        mount -t overlay none -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m";
    if !works("unshare", &["-m", "-p", "-f", "sh", "-c", overlay]) {
        println!("SKIPPED: no overlay in a mount namespace here, so nothing can be changed on a real system");
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
    let whole = format!("{COMMON}\n{script}");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), whole.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    Some(stdout)
}
