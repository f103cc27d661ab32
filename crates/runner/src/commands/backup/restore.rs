//! `backup restore`

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use sloth_core::clock::{Clock, Timestamp};
use sloth_core::digest::Digest;
use sloth_core::operation::Operation;
use sloth_store::RestoreRequest;

use super::{bad, default_file, make_room, verified};
use crate::app::App;
use crate::clock::SystemClock;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::person;
use crate::views::backup::{BackupView, Preview, RestoredView, UNSEALED};

/// Put a copy in the place of the database
///
/// The present database is kept as another copy first. Machines are not touched: what differs from the restored record
/// shows as drift. Refused while somebody holds a stack; every lease from before is invalid afterwards.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner backup verify /mnt/usb/stacks.db\n  sloth-runner backup restore /mnt/usb/stacks.db --yes"
)]
pub struct Args {
    /// Backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// The copy is damaged, somebody holds a stack, nobody agreed, or something could not be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let info = verified(&args.file)?;
    let location = app.location()?;
    let backup = sloth_store::open_backup(&args.file, Arc::clone(&clock)).map_err(|e| bad(&args.file, e))?;
    let held: HashSet<Digest> = backup.view()?.operation_list(0)?.into_iter().map(|o| o.hash).collect();
    let present: Vec<Operation> = if location.exists() { known(app)? } else { Vec::new() };
    let lost: Vec<Operation> = present.into_iter().filter(|o| !held.contains(&o.hash)).collect();
    if !info.sealed {
        app.out.warn(UNSEALED);
    }
    if !app.out.quiet {
        app.out.talk_page(&Preview { backup: BackupView::new(&info), lost: &lost });
    }
    let question = format!("put `{}` in the place of `{location}`?", args.file.display());
    if !args.consent.ask(app, &question)? {
        return Ok(Exit::Ok);
    }
    let now: Timestamp = clock.now();
    let path = location.path().ok_or_else(|| CommandError::usage("there is no file to restore into"))?;
    let keep = default_file(path, now, "-before-restore");
    if location.exists() {
        make_room(&keep)?;
    }
    let request = RestoreRequest {
        from: &args.file,
        keep: &keep,
        actor: &person::actor(app.globals.as_name.as_deref()),
        arguments: app.arguments(),
        clock,
    };
    let done = sloth_store::restore(&location, &request).map_err(|e| bad(&args.file, e))?;
    app.out.show(&RestoredView::new(&location.to_string(), &info, &done, &lost));
    Ok(Exit::Ok)
}

fn known(app: &App) -> Result<Vec<Operation>, CommandError> {
    let read = || Ok(app.view()?.operation_list(0)?);
    read().map_err(|e: CommandError| {
        e.hint("what would be lost cannot be told; to restore all the same, put the database and the files beside it away first")
    })
}
