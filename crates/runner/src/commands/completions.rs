//! `completions`

use std::path::Path;

use serde::Serialize;

use crate::app::App;
use crate::complete::SHELLS;
use crate::env;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::{Human, Page};

/// Print the script that completes commands in a shell
///
/// It asks this program while somebody types, so names of stacks, versions and resources are completed, too. Put it
/// where the shell reads it at its start.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner completions bash > ~/.local/share/bash-completion/completions/sloth-runner\n  sloth-runner completions fish > ~/.config/fish/completions/sloth-runner.fish"
)]
pub struct Args {
    /// Shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

#[derive(Debug, Serialize)]
struct Script {
    shell: String,
    script: String,
}

impl Human for Script {
    fn human(&self, page: &mut Page) {
        page.raw(self.script.trim_end());
    }
}

/// Runs it.
///
/// # Errors
/// None that could be provoked.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    let shell = SHELLS.completer(&args.shell);
    let shell = shell.ok_or_else(|| CommandError::usage(format!("`{}` is not a known shell", args.shell)))?;
    shell
        .write_registration(env::COMPLETE.name, "sloth-runner", "sloth-runner", &program(), &mut script)
        .map_err(|e| CommandError::new(Exit::Failed, "could not write the script").system(&e))?;
    app.out
        .show(&Script { shell: args.shell.clone(), script: String::from_utf8_lossy(&script).into_owned() });
    Ok(Exit::Ok)
}

/// What the script calls: the name where it is found by name, else the whole path.
fn program() -> String {
    const NAME: &str = "sloth-runner";
    let typed = std::env::args_os().next().unwrap_or_else(|| NAME.into());
    if Path::new(&typed).components().count() < 2 {
        return NAME.to_owned();
    }
    std::path::absolute(&typed).map_or_else(|_| NAME.to_owned(), |path| path.to_string_lossy().into_owned())
}
