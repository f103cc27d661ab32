//! `hook add`

use std::path::{Path, PathBuf};
use std::time::Duration;

use sloth_core::clock::Clock as _;
use sloth_core::hook::{Action, Hook, SecretRef};
use sloth_engine::hooks;

use crate::app::App;
use crate::clock::SystemClock;
use crate::commands::events::event_type;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;

/// Make a hook
///
/// It is told about every event of its type from now on, at least once, after the command that caused the event has done
/// its work. What it does never changes what that command did, nor how it ends. `undo` removes it again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner hook add notify --event 'stack.execution.*' --file ./notify.sloth\n  sloth-runner hook add page --event drift.detected --stack production --url https://example.com/hook --secret-file /etc/sloth-runner/page.key\n  sloth-runner hook add log --event '*' --shell 'cat >> /var/log/sloth-events.jsonl'",
    group = clap::ArgGroup::new("action").required(true).args(["file", "shell", "url"])
)]
pub struct Args {
    /// Name
    #[arg(value_name = "NAME")]
    name: String,
    /// Type of the events; `stack.*` is a family, `*` is all
    #[arg(short, long, value_name = "TYPE", value_parser = event_type)]
    event: String,
    /// Script (`.sloth`, `.lua`, `.luau`) or program; it is read when an event comes, not copied
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Line for `/bin/sh`, with the event on standard input
    #[arg(long, value_name = "LINE")]
    shell: Option<String>,
    /// Web address to send the event to
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Sign what is sent with the secret in this file
    #[arg(long, value_name = "FILE", requires = "url")]
    secret_file: Option<PathBuf>,
    /// Sign what is sent with the secret in this environment variable of whoever delivers
    #[arg(long, value_name = "VARIABLE", requires = "url", conflicts_with = "secret_file", value_parser = parse::named)]
    secret_env: Option<String>,
    /// Only events of this stack
    #[arg(short, long, value_name = "STACK")]
    stack: Option<String>,
    /// Free text
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    description: String,
    /// How long an attempt may take [default: `hooks.timeout` of the configuration, 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    timeout: Option<Duration>,
    /// How often to try again after a failure, each time later
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=20))]
    retries: u32,
    /// `false` makes a hook that is told nothing until it is enabled
    #[arg(long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1, action = clap::ArgAction::Set)]
    enabled: bool,
    /// Arguments for a program
    #[arg(last = true, value_name = "ARGUMENT", requires = "file")]
    arguments: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// The name is taken or cannot be used, there is no such file or stack, the address cannot be used, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = match &args.stack {
        Some(text) => Some(app.stack(&*app.view()?, text)?.id),
        None => None,
    };
    if args.timeout.is_some_and(|limit| limit.is_zero()) {
        return Err(CommandError::usage("`--timeout` has to be longer than `0s`; nothing was changed"));
    }
    let now = SystemClock.now();
    let hook = Hook {
        name: args.name.clone(),
        description: args.description.clone(),
        pattern: args.event.clone(),
        stack,
        action: action(args)?,
        enabled: args.enabled,
        timeout: args.timeout,
        retries: args.retries,
        created_at: now,
        updated_at: now,
    };
    hooks::add(&app.context(None)?, &hook)?;
    let told = if hook.enabled { "is told about" } else { "is made, and told nothing yet, for" };
    app.out.talk(&format!("hook `{}` {told} `{}`", hook.name, hook.pattern));
    Ok(Exit::Ok)
}

fn action(args: &Args) -> Result<Action, CommandError> {
    if let Some(line) = &args.shell {
        return Ok(Action::Shell { line: parse::named(line).map_err(CommandError::usage)? });
    }
    if let Some(url) = &args.url {
        let secret = match (&args.secret_file, &args.secret_env) {
            (Some(path), _) => Some(SecretRef::File(existing(path, "secret")?)),
            (None, Some(name)) => Some(SecretRef::Env(name.clone())),
            (None, None) => None,
        };
        return Ok(Action::Webhook { url: address(url)?, secret });
    }
    let path = args.file.as_deref().unwrap_or(Path::new(""));
    let file = existing(path, "hook")?;
    let script = path.extension().is_some_and(|e| e == "sloth" || e == "lua" || e == "luau");
    if !script {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).map_or(0, |meta| meta.permissions().mode());
        if mode & 0o111 == 0 {
            return Err(CommandError::new(
                Exit::Invalid,
                format!("`{file}` is neither a script nor a program; nothing was changed"),
            )
            .hint("scripts end in `.sloth` or `.lua`; make it a program with `chmod +x`"));
        }
        let argv = std::iter::once(file).chain(args.arguments.iter().cloned()).collect();
        return Ok(Action::Program { argv });
    }
    if !args.arguments.is_empty() {
        return Err(CommandError::usage("a script takes no arguments; nothing was changed"));
    }
    Ok(Action::Script { file })
}

/// The absolute path of a file that is there.
fn existing(path: &Path, what: &str) -> Result<String, CommandError> {
    let failed = |error: &std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
        CommandError::new(
            exit,
            format!("could not read the {what} file `{}`; nothing was changed", path.display()),
        )
        .system(error)
    };
    let absolute = std::path::absolute(path).map_err(|e| failed(&e))?;
    if !std::fs::metadata(&absolute).map_err(|e| failed(&e))?.is_file() {
        let message =
            format!("the {what} file `{}` is not a regular file; nothing was changed", path.display());
        return Err(CommandError::new(Exit::Invalid, message));
    }
    absolute.into_os_string().into_string().map_err(|path| {
        let message =
            format!("the name of the {what} file `{}` is not UTF-8; nothing was changed", path.display());
        CommandError::new(Exit::Invalid, message)
    })
}

/// A web address that nobody's password stands in.
fn address(url: &str) -> Result<String, CommandError> {
    let wrong = |why: &str| {
        let shown = crate::out::words::without_password(url);
        CommandError::usage(format!("`{shown}` cannot be the address of a hook: {why}; nothing was changed"))
    };
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else { return Err(wrong("it begins with neither `https://` nor `http://`")) };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(wrong("it names no host, or has white space in it"));
    }
    if host.contains('@') {
        return Err(wrong("it has a user name or a password in it, which would be shown and stored")
            .hint("sign what is sent with `--secret-file` instead"));
    }
    Ok(url.to_owned())
}
