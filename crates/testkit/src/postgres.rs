//! A PostgreSQL server for tests: a cluster of our own, made in a temp directory, that ends by itself.
//!
//! All test processes of one target directory share one cluster; each test has a schema of its own in it. The first one
//! that asks starts it, below a shell that looks whether somebody still holds the lock of those who use it. Locks go with
//! their processes, so tests that are killed leave nothing behind; and when the shell is killed, the server goes with it.
//!
//! Without PostgreSQL, tests that need it say that they were skipped. With `SLOTH_TEST_POSTGRES=required` they fail instead.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests prepare files directly")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The password of the user `remote`, who comes over TLS.
pub const PASSWORD: &str = "open sesame";

/// A running cluster, as long as this exists.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    port: u16,
    programs: PathBuf,
    /// Held shared by everybody who uses the server.
    user: File,
    /// Of a cluster that only one test uses.
    own: Option<TempDir>,
}

/// The cluster that tests share, or `None` after having said that there is no PostgreSQL on this machine.
///
/// # Panics
/// It cannot be started, or is not there and has to be.
pub fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    let found = SHARED.get_or_init(|| {
        // `target/debug/deps/test-0123` is beside the others that share its cluster.
        let program = std::env::current_exe().unwrap();
        let place = program.ancestors().nth(2).unwrap().join("postgres");
        fs::create_dir_all(&place).unwrap();
        Some(Cluster::join(programs()?, &place, Duration::from_secs(20)))
    });
    found.as_ref().or_else(skipped)
}

/// A cluster that nobody else uses, for tests that harm it.
///
/// # Panics
/// It cannot be started, or is not there and has to be.
pub fn own() -> Option<Cluster> {
    let Some(programs) = programs() else { return skipped() };
    let place = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::join(programs, place.path(), Duration::ZERO);
    cluster.own = Some(place);
    Some(cluster)
}

fn skipped<T>() -> Option<T> {
    let wish = std::env::var("SLOTH_TEST_POSTGRES").unwrap_or_default();
    assert_ne!(wish, "required", "PostgreSQL is not installed on this machine, and the tests have to use it");
    println!("skipped: there is no PostgreSQL on this machine");
    None
}

/// The newest `initdb`, `postgres` and `psql` of this machine, as their directory.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .chain(std::env::split_paths(&path))
        .filter(|dir| ["initdb", "postgres", "psql"].iter().all(|name| dir.join(name).exists()))
        .collect();
    let version = |dir: &PathBuf| -> u32 {
        let name = dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        name.parse().unwrap_or(0)
    };
    found.sort_by_key(version);
    found.pop()
}

/// Starts the server again whenever it ends, until nobody has used it for a while; then everything is removed. `$1` holds the
/// locks, `$2` the data, `$3` is how many seconds a while has, and the rest is the server. The locks are not its business.
const KEEPER: &str = r#"
exec 8<>"$1/lock" 9<>"$1/users"
cd / && dir=$2 while=$3 && shift 3
idle=0 pid=
trap 'kill -QUIT "$pid"; exit' TERM INT HUP
while :; do
    if [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null; then "$@" 8>&- 9>&- & pid=$!; fi
    sleep 0.3
    flock 8
    if flock -n 9; then
        [ "$idle" -lt "$while" ] || break
        idle=$((idle + 1))
    else
        idle=0
    fi
    flock -u 9
    flock -u 8
done
kill -QUIT "$pid"
wait "$pid"
rm -rf "$dir"
"#;

impl Cluster {
    /// Takes part in the cluster whose locks are in `place`, and starts it if it does not run.
    fn join(programs: PathBuf, place: &Path, while_idle: Duration) -> Self {
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).open(place.join(name)).unwrap()
        };
        let (mut lock, user) = (open("lock"), open("users"));
        lock.lock().unwrap();
        // From here on the keeper does not stop it.
        user.lock_shared().unwrap();
        let mut text = String::new();
        lock.read_to_string(&mut text).unwrap();
        if let Some((dir, port)) = text.trim().rsplit_once(' ') {
            let found = Self { dir: dir.into(), port: port.parse().unwrap(), programs, user, own: None };
            if UnixStream::connect(found.socket()).is_ok() {
                return found;
            }
            // Its keeper was killed, and the server went with it.
            let _ = fs::remove_dir_all(&found.dir);
            let Self { programs, user, .. } = found;
            return Self::start(programs, place, lock, user, while_idle);
        }
        Self::start(programs, place, lock, user, while_idle)
    }

    fn start(programs: PathBuf, place: &Path, mut lock: File, user: File, while_idle: Duration) -> Self {
        let made = tempfile::Builder::new().prefix("sloth-pg.").tempdir_in("/tmp").unwrap();
        let dir = made.path().to_owned();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
        let as_whom = as_whom();
        for name in ["data", "s"] {
            fs::create_dir(dir.join(name)).unwrap();
            give(&dir.join(name), as_whom);
        }
        fs::set_permissions(dir.join("s"), fs::Permissions::from_mode(0o755)).unwrap();
        // Words are sorted as in English here, so what must not depend on that shows itself.
        let english: &[&str] = &["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"];
        let plain: &[&str] = &["--no-locale"];
        let made_in = |locale: &[&str]| {
            let mut initdb = as_user(&programs.join("initdb"), as_whom);
            initdb.args([
                "--no-sync",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--wal-segsize=1",
            ]);
            initdb.args(locale).arg("--pgdata").arg(dir.join("data")).current_dir("/").output().unwrap()
        };
        let mut done = made_in(english);
        if !done.status.success() {
            done = made_in(plain);
        }
        assert!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        certificates(&dir, as_whom);
        let settings = format!(
            "unix_socket_directories = '{0}/s'\nlisten_addresses = '127.0.0.1'\nport = {port}\nssl = on\n\
             ssl_cert_file = '{0}/s/server.pem'\nssl_key_file = '{0}/s/server.key'\nmax_connections = 250\n\
             shared_buffers = 16MB\nmin_wal_size = 8MB\nmax_wal_size = 128MB\nfsync = on\nautovacuum_naptime = 10s\n\
             timezone = 'Asia/Kathmandu'\nstatement_timeout = 60s\n",
            dir.display()
        );
        append(&dir.join("data/postgresql.conf"), &settings);
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(dir.join("data/pg_hba.conf"), rules).unwrap();
        let server = as_user(&programs.join("postgres"), as_whom);
        let log = File::create(dir.join("log")).unwrap();
        Command::new("setsid")
            .args(["-f", "sh", "-c", KEEPER, "sloth-runner-test-postgres"])
            .args([place, &dir])
            // It looks three times a second.
            .arg((while_idle.as_secs() * 3).to_string())
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(dir.join("data"))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let cluster = Self { dir: made.keep(), port, programs, user, own: None };
        cluster.wait();
        cluster.psql(&format!(
            "CREATE ROLE remote LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON DATABASE postgres TO remote"
        ));
        lock.set_len(0).unwrap();
        lock.rewind().unwrap();
        write!(lock, "{} {port}", cluster.dir.display()).unwrap();
        cluster
    }

    /// Waits until the server accepts connections, as after a restart.
    ///
    /// # Panics
    /// It does not within a minute.
    pub fn wait(&self) {
        let begun = Instant::now();
        while !self.try_psql("SELECT 1").is_ok_and(|text| text == "1") {
            if begun.elapsed() > Duration::from_secs(60) {
                let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                panic!("the PostgreSQL server does not start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The socket of the server.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join(format!("s/.s.PGSQL.{}", self.port))
    }
    /// The directory of the socket.
    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.dir.join("s")
    }
    /// The port, on `127.0.0.1` and in the name of the socket.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
    /// The certificate of whoever signed that of the server, which is for `localhost`.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.dir.join("s/ca.pem")
    }
    /// The certificate of somebody who did not.
    #[must_use]
    pub fn other_authority(&self) -> PathBuf {
        self.dir.join("s/other.pem")
    }
    /// The URL of a schema that nobody else has, over the socket.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@/postgres?{}&schema={}", self.place(&self.socket_dir()), schema())
    }
    /// The part of an URL that says where the server is, if its socket is in this directory.
    #[must_use]
    pub fn place(&self, dir: &Path) -> String {
        format!("host={}&port={}", dir.display(), self.port)
    }
    /// The URL of a schema that nobody else has, over TLS, with a password.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!(
            "postgres://remote:{}@localhost:{}/postgres?sslrootcert={}&schema={}",
            PASSWORD.replace(' ', "%20"),
            self.port,
            self.authority().display(),
            schema()
        )
    }

    /// What the server answers to statements of its administrator, without headings.
    ///
    /// # Panics
    /// It refuses.
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    fn try_psql(&self, sql: &str) -> Result<String, String> {
        let done = Command::new(self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-h"])
            .arg(self.socket_dir())
            .args(["-p", &self.port.to_string(), "-c", sql])
            .output()
            .unwrap();
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned());
        }
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }

    /// Stops the server as a power cut would, and waits until it is there again.
    ///
    /// # Panics
    /// It is not the test's own cluster, or does not come back.
    pub fn crash(&self) {
        assert!(self.own.is_some(), "others use this cluster");
        let file = self.dir.join("data/postmaster.pid");
        let pid = fs::read_to_string(&file).unwrap().lines().next().unwrap().to_owned();
        assert!(Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        let gone = || fs::read_to_string(&file).map_or(true, |text| text.lines().next() != Some(&pid));
        while !gone() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.wait();
    }
}

/// The name of a schema that nobody else has.
fn schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos());
    format!("t{pid}_{count}_{nanos}")
}

/// The server refuses to be root. Somebody else is, then: user and group.
fn as_whom() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let known = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = known.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2);
        Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
    };
    Some(of("postgres").or_else(|| of("nobody")).expect("a user who is not root"))
}

/// The program run by them, which ends with whoever started it.
fn as_user(program: &Path, whom: Option<(u32, u32)>) -> Command {
    let mut command = Command::new("setpriv");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").process_group(0);
    if let Some((user, group)) = whom {
        command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
    }
    command.args(["--pdeathsig", "QUIT"]).arg(program);
    command
}

fn give(path: &Path, whom: Option<(u32, u32)>) {
    if let Some((user, group)) = whom {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// An authority, a certificate for `localhost` that it signed, and an authority that did not.
fn certificates(dir: &Path, whom: Option<(u32, u32)>) {
    let authority = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        (rcgen::Issuer::new(params, key), pem)
    };
    let (issuer, ca) = authority("tests of sloth-runner");
    let (_, other) = authority("somebody else");
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    for (name, text) in [
        ("ca.pem", ca),
        ("other.pem", other),
        ("server.pem", certificate),
        ("server.key", key.serialize_pem()),
    ] {
        let path = dir.join("s").join(name);
        fs::write(&path, text).unwrap();
        let mode = if name == "server.key" { 0o600 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        give(&path, whom);
    }
}
