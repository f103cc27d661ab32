//! `state copy`

use std::sync::Arc;

use sloth_core::store::StoreError;
use sloth_store::CopyRequest;

use crate::app::App;
use crate::clock::SystemClock;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::person;
use crate::views::copied::CopiedView;

/// Move the whole store to another place, or copy it there
///
/// Everything comes along: stacks, versions with their chain, values, runs, events, hooks, contents. The copy is compared
/// with the source before it counts. Afterwards the source can be read and not be changed, and says where the store is
/// now; with `--keep` it stays in use, and the copy is a store of its own. Refused while somebody holds a stack. When it
/// is interrupted, do it again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state copy --to /srv/sloth/stacks.db --yes\n  sloth-runner state copy --to postgres://db.example.com/ops --yes\n  sloth-runner state copy --to trial.db --keep"
)]
pub struct Args {
    /// Where to, a file or a server; nothing may be there, or a store without content
    #[arg(long, value_name = "LOCATION")]
    to: String,
    /// Leave the source in use
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no store, somebody works with it, the target is not empty, or something could not be read or written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let from = app.location()?;
    let to = App::location_of(&args.to)?;
    if !from.exists() {
        return Err(CommandError::not_found(format!("there is no database at `{from}` to copy")));
    }
    let question = format!("move the store at `{from}` to `{to}`, and change nothing at `{from}` any more?");
    if !args.keep && !args.consent.ask(app, &question)? {
        return Ok(Exit::Ok);
    }
    let request = CopyRequest {
        from: &from,
        to: &to,
        keep: args.keep,
        actor: &person::actor(app.globals.as_name.as_deref()),
        arguments: app.arguments(),
        clock: Arc::new(SystemClock),
    };
    let done = sloth_store::copy(&request).map_err(|error| match error {
        // What is in the way is the target, and it is named.
        StoreError::Refused { location, why } => {
            CommandError::new(Exit::Conflict, format!("could not copy to or from `{location}`: {why}"))
        }
        other => other.into(),
    })?;
    app.out.show(&CopiedView::new(&from.to_string(), &done, args.keep));
    Ok(Exit::Ok)
}
