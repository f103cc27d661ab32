//! `stack migrate`

use std::path::{Path, PathBuf};

use sloth_core::clock::Clock as _;
use sloth_engine::migrate;
use sloth_store::import::{legacy, script};

use crate::app::App;
use crate::cli::Globals;
use crate::clock::SystemClock;
use crate::config;
use crate::env;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files::{self, Flush};
use crate::views::migration::{MigrationView, Told};

/// Take over the databases of the Go program
///
/// Reads `state.db` (values and workflows) and `stacks.db` (stacks with versions, runs, outputs, findings and tags) in all
/// the forms they had. A source is copied and the copy is read: nothing is written to it. What is taken over is one
/// operation, which `undo` takes back; what was taken over before is not taken over again. Resources are registered:
/// machines are not looked at. The executions of one workflow become the runs of one stack.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack migrate --source ~/.sloth-runner/state.db --dry-run\n  sloth-runner stack migrate --source state.db --source old/stacks.db --target /etc/sloth-runner/stacks.db"
)]
pub struct Args {
    /// Database of the Go program; may be given more than once [default: those in `~/.sloth-runner` and `/etc/sloth-runner`]
    #[arg(long, value_name = "PATH")]
    source: Vec<PathBuf>,
    /// Database of this program, the same as `--db`
    #[arg(long, value_name = "PATH", conflicts_with = "db")]
    target: Option<String>,
    /// Only list what would be taken over, and what would not and why
    #[arg(long)]
    dry_run: bool,
    /// Write an SQL script instead of taking over: `sqlite3 NEW.db < FILE` makes a database with the tables of the Go program
    /// that holds what would be taken over, for `stack migrate --source NEW.db`
    #[arg(long, value_name = "FILE")]
    generate_script: Option<PathBuf>,
    /// Report in JSON [default: `migration_report.json` beside the target; none with `--dry-run`]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Take over the stacks, too, that the program made to keep account of itself
    #[arg(long)]
    with_internal: bool,
}

/// Runs it.
///
/// # Errors
/// There is nothing to read, a source is not a database of the Go program or damaged, or the store failed. Nothing was
/// changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    match &args.target {
        None => carry(app, args),
        Some(target) => {
            let globals = Globals { db: Some(target.clone()), ..app.globals.clone() };
            carry(&App::new(globals, app.arguments().to_vec()), args)
        }
    }
}

fn carry(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let begun = SystemClock.now();
    let location = app.location()?;
    let path = location.path();
    let sources = sources(args, path)?;
    let beside = match path.and_then(Path::parent).filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) => dir.to_owned(),
        None if path.is_some() => PathBuf::from("."),
        None => config::data_dir()
            .ok_or_else(|| CommandError::usage("there is no directory for copies of the sources"))?,
    };
    let found = legacy::read(&sources, &beside, begun)
        .map_err(|e| CommandError::new(Exit::Invalid, format!("{e}; nothing was changed")))?;
    let writes = !args.dry_run && args.generate_script.is_none();
    let view = if writes || location.exists() { Some(app.view()?) } else { None };
    let migration = migrate::prepare(view.as_deref(), found, args.with_internal)?;
    drop(view);
    if let Some(file) = &args.generate_script {
        let (pasts, values, notes) = migration.for_script();
        let what = "an SQL script of what would be taken over";
        files::give(&app.out, Some(file), &script::write(&pasts, &values, &notes), what)?;
    } else if writes && !migration.is_empty() {
        migrate::carry_out(&app.context(None)?, &migration)?;
    }
    let told = Told {
        target: location.to_string(),
        sources: &sources,
        done: writes,
        begun,
        ended: SystemClock.now(),
    };
    let shown = MigrationView::new(&migration, &told);
    let report = match &args.report {
        Some(file) => Some(file.clone()),
        None => writes.then(|| beside.join("migration_report.json")),
    };
    app.out.show(&shown);
    if let Some(file) = report {
        let text = serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n";
        files::write_private(&file, text.as_bytes(), Flush::Now).map_err(|e| {
            let done = if writes { "what could be taken over was taken over" } else { "nothing was changed" };
            CommandError::new(Exit::Failed, format!("could not write `{}`; {done}", file.display()))
                .system(&e)
        })?;
        app.out.talk(&format!("report written to `{}`", file.display()));
    }
    Ok(Exit::Ok)
}

/// The databases that are read.
fn sources(args: &Args, target: Option<&Path>) -> Result<Vec<PathBuf>, CommandError> {
    let same = |path: &Path| {
        target.is_some_and(|target| match (path.canonicalize(), target.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => path == target,
        })
    };
    if let Some(source) = args.source.iter().find(|source| same(source)) {
        let what = format!("`{}` cannot be source and target; nothing was changed", source.display());
        return Err(CommandError::usage(what)
            .hint("give it another name and migrate from that, or choose another `--target`"));
    }
    if !args.source.is_empty() {
        return Ok(args.source.clone());
    }
    let home = env::path(env::HOME).map(|home| home.join(".sloth-runner"));
    let mut dirs: Vec<PathBuf> = home.into_iter().chain(config::data_dir()).collect();
    dirs.dedup();
    let all = dirs.iter().flat_map(|dir| ["state.db", "stacks.db"].map(|name| dir.join(name)));
    let found: Vec<PathBuf> =
        all.filter(|path| path.is_file() && !same(path) && !legacy::is_ours(path)).collect();
    if found.is_empty() {
        let places: Vec<String> = dirs.iter().map(|dir| format!("`{}`", dir.display())).collect();
        let what =
            format!("there is no database of the Go program in {}; nothing was changed", places.join(" or "));
        return Err(CommandError::not_found(what).hint("name one with `--source PATH`"));
    }
    Ok(found)
}
