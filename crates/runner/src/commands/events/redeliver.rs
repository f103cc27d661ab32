//! `events redeliver`

use sloth_engine::hooks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::hook::Redelivery;

/// Give events to hooks again
///
/// Whether they took them before or not. The hooks get the same event with the same id.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner events redeliver 01995f3a-7c1e-7a44-8d2b-0f5a6c7d8e9f\n  sloth-runner events redeliver 01995f3a-7c1e-7a44-8d2b-0f5a6c7d8e9f --hook notify"
)]
pub struct Args {
    /// Ids of events, or the beginnings of them
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// To this hook, whatever it waits for [default: to all that wait for such events]
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such event or hook, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let events =
        args.ids.iter().map(|id| super::find(&*view, id)).collect::<Result<Vec<_>, CommandError>>()?;
    drop(view);
    let told = hooks::redeliver(&app.context(None)?, &events, args.hook.as_deref())?;
    let list: Vec<Redelivery> = told.into_iter().map(|(event, hooks)| Redelivery { event, hooks }).collect();
    app.out.list(&Redelivery::page(&list), &list);
    Ok(Exit::Ok)
}
