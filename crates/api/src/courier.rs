//! How hooks on this host are told: scripts run in the sandbox of workflows, programs are started, web addresses are sent
//! to.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sloth_core::body::Scope;
use sloth_core::command::Command;
use sloth_core::hook::{Action, Courier, Parcel, Receipt, SecretRef};
use sloth_core::machine::Watch;
use sloth_core::value::Value;
use sloth_engine::hook_scope::HookScope;
use sloth_engine::{Context, Stop};
use sloth_lua::{HookScript, HostLayer, Limits, RealHost};
use sloth_resources::os::{command, http};

/// So much of what a program or an answer says is read, in bytes of each stream.
const READ: usize = 4096;
/// Memory a hook script may take, in bytes: many may run at once.
const MEMORY: usize = 64 << 20;

/// Tells the hooks of this host.
pub struct HostCourier {
    context: Context,
    host: Arc<dyn HostLayer>,
}

impl HostCourier {
    /// With what scripts may see of the world.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), host: Arc::new(RealHost::new()) }
    }

    fn script(&self, file: &str, parcel: &Parcel<'_>) -> Receipt {
        let stack = parcel.event.get("stack").and_then(Value::as_str);
        // A little later than the script's own end, so that it is told that its time is over.
        let end = Instant::now() + parcel.timeout + Duration::from_millis(200);
        let scope = Arc::new(HookScope::new(&self.context, stack, end));
        let limits = Limits { memory: MEMORY, workers: 2, ..Limits::default() };
        let script = HookScript {
            file: Path::new(file),
            event: parcel.event,
            catalog: sloth_resources::catalog(),
            host: Arc::clone(&self.host),
            limits,
            timeout: parcel.timeout,
        };
        let port: Arc<dyn Scope> = Arc::clone(&scope) as Arc<dyn Scope>;
        let outcome = sloth_lua::run_hook(&script, &port);
        let mut output = scope.said();
        if let Ok(Some(message)) = &outcome {
            output.push_str(message);
        }
        Receipt { status: None, error: outcome.err(), output }
    }

    fn program(&self, mut wanted: Command, parcel: &Parcel<'_>) -> Receipt {
        let text = |name: &str| parcel.event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let body = parcel.event.to_string();
        for (name, value) in [
            ("SLOTH_EVENT_ID", text("id")),
            ("SLOTH_EVENT_TYPE", text("type")),
            ("SLOTH_EVENT_SEVERITY", text("severity")),
            ("SLOTH_HOOK", parcel.hook.name.clone()),
            ("SLOTH_HOOK_ATTEMPT", parcel.attempt.to_string()),
            ("SLOTH_RUN_ID", text("run_id")),
            ("SLOTH_STACK", text("stack")),
            // What a hook runs writes to the same database, and leaves the hooks of its own events to us.
            (INSIDE, parcel.hook.name.clone()),
            ("SLOTH_RUNNER_DB", self.context.store.location()),
        ] {
            wanted.env.insert(name.to_owned(), value);
        }
        wanted.stdin = Some(body);
        wanted.timeout = Some(parcel.timeout);
        match command::run_brief(&wanted, &Stopped(&self.context.stop), READ) {
            Err(error) => Receipt { error: Some(error.to_string()), ..Receipt::default() },
            Ok(ran) => {
                let error = if ran.timed_out {
                    Some(format!("it was killed after {}", seconds(parcel.timeout)))
                } else if ran.exit_code == 0 {
                    None
                } else {
                    Some(format!("exit status {}", ran.exit_code))
                };
                let status = Some(i64::from(ran.exit_code));
                Receipt { status, error, output: ran.stdout + &ran.stderr }
            }
        }
    }

    fn webhook(&self, url: &str, secret: Option<&SecretRef>, parcel: &Parcel<'_>) -> Receipt {
        let failed = |error: String| Receipt { error: Some(error), ..Receipt::default() };
        let text = |name: &str| parcel.event.get(name).and_then(Value::as_str).unwrap_or_default();
        let body = parcel.event.to_string();
        let stamp = (self.context.clock.now().as_nanos() / 1_000_000_000).to_string();
        let attempt = parcel.attempt.to_string();
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("User-Agent", concat!("sloth-runner/", env!("CARGO_PKG_VERSION"))),
            ("X-Sloth-Event-Id", text("id")),
            ("X-Sloth-Event-Type", text("type")),
            ("X-Sloth-Hook", parcel.hook.name.as_str()),
            ("X-Sloth-Attempt", attempt.as_str()),
            ("X-Sloth-Timestamp", stamp.as_str()),
        ];
        // Names that a header cannot carry are in the body all the same.
        headers.retain(|(_, value)| value.bytes().all(|b| (0x20..0x7f).contains(&b)));
        let signature;
        if let Some(secret) = secret {
            let key = match self.secret(secret) {
                Ok(key) => key,
                Err(error) => return failed(error),
            };
            let digits = http::hmac_sha256(&key, &[stamp.as_bytes(), b".", body.as_bytes()]);
            signature = format!("sha256={digits}");
            headers.push(("X-Sloth-Signature", signature.as_str()));
        }
        match http::post(url, &headers, body.as_bytes(), parcel.timeout, READ) {
            Err(error) => failed(error),
            Ok((status, output)) => Receipt {
                status: Some(i64::from(status)),
                error: (!(200..300).contains(&status)).then(|| format!("status {status}")),
                output,
            },
        }
    }

    fn secret(&self, at: &SecretRef) -> Result<Vec<u8>, String> {
        let key = match at {
            SecretRef::Env(name) => self
                .host
                .var(name)
                .map(String::into_bytes)
                .ok_or_else(|| format!("the variable `{name}` is not set"))?,
            SecretRef::File(path) => {
                let read = self.host.read(Path::new(path));
                let mut key =
                    read.map_err(|e| format!("could not read the secret in `{path}`: {}", e.kind()))?;
                if key.last() == Some(&b'\n') {
                    key.pop();
                }
                key
            }
        };
        if key.is_empty() { Err(format!("the secret in {at} is empty")) } else { Ok(key) }
    }
}

/// Set for everything a hook starts; who finds it leaves hooks to whoever started it.
pub const INSIDE: &str = "SLOTH_RUNNER_HOOK";

impl Courier for HostCourier {
    fn deliver(&self, parcel: &Parcel<'_>) -> Receipt {
        match &parcel.hook.action {
            Action::Script { file } => self.script(file, parcel),
            Action::Program { argv } => {
                let line = argv.join(" ");
                self.program(Command { line, argv: argv.clone(), ..Command::default() }, parcel)
            }
            Action::Shell { line } => self.program(Command::shell(line), parcel),
            Action::Webhook { url, secret } => self.webhook(url, secret.as_ref(), parcel),
        }
    }
}

struct Stopped<'a>(&'a Stop);

impl Watch for Stopped<'_> {
    fn line(&self, _: &'static str, _: &str) {}
    fn cancelled(&self) -> bool {
        self.0.asked()
    }
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 { format!("{}s", duration.as_secs()) } else { format!("{duration:?}") }
}
