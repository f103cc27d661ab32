//! `config show`

use sloth_core::value::Value;

use crate::app::App;
use crate::config::KEYS;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::views::config::{ConfigView, Setting};

/// Show the configuration as it is used
///
/// Files, variables and flags are put together. A password in the URL of a database is left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner config show --origin\n  sloth-runner config show -o json")]
pub struct Args {
    /// Say for each value where it comes from
    #[arg(long)]
    origin: bool,
}

/// Runs it.
///
/// # Errors
/// The configuration is not valid, or it is not clear where the database is.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let config = app.config()?;
    let mut settings = Vec::new();
    for key in KEYS {
        let (value, origin) = match key.name {
            "stacks.database_path" => {
                let (location, origin) = app.database()?;
                (Value::from(words::without_password(&location)), origin)
            }
            name => ((key.value)(config), config.origin(name)),
        };
        settings.push(Setting::new(key.name, value, args.origin.then_some(&origin)));
    }
    app.out.show(&ConfigView { settings });
    Ok(Exit::Ok)
}
