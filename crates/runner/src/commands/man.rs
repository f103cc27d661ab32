//! `man`

use std::path::PathBuf;

use serde::Serialize;
use sloth_core::suggest::nearest;

use crate::app::App;
use crate::cli::tree;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::out::{Human, Page, words};

/// Print the manual page of a command, or write all of them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner man stack lock acquire | man -l -\n  sloth-runner man --out ~/.local/share/man/man1"
)]
pub struct Args {
    /// Command, word by word [default: the page that lists all commands]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct ManPage {
    name: String,
    text: String,
}

impl Human for ManPage {
    fn human(&self, page: &mut Page) {
        page.raw(self.text.trim_end());
    }
}

#[derive(Debug, Serialize)]
struct Written {
    directory: String,
    files: Vec<String>,
}

impl Human for Written {
    fn human(&self, page: &mut Page) {
        page.line(&format!("{} written to `{}`", words::len(&self.files, "page"), self.directory));
    }
}

/// Runs it.
///
/// # Errors
/// There is no such command, or a page cannot be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let mut tree = tree().disable_help_subcommand(true);
    tree.build();
    if let Some(directory) = &args.out {
        let mut pages = Vec::new();
        all(&tree, &mut pages)?;
        let mut files = Vec::new();
        for page in pages {
            let file = format!("{}.1", page.name);
            let path = directory.join(&file);
            files::write_shared(&path, page.text.as_bytes()).map_err(|e| {
                CommandError::new(Exit::Failed, format!("could not write `{}`", path.display())).system(&e)
            })?;
            files.push(file);
        }
        app.out.show(&Written { directory: directory.display().to_string(), files });
        return Ok(Exit::Ok);
    }
    let mut command = &tree;
    for word in &args.command {
        let inner = command.find_subcommand(word).filter(|c| !c.is_hide_set());
        command = inner.ok_or_else(|| {
            let path = command.get_bin_name().unwrap_or("sloth-runner");
            let error = CommandError::not_found(format!("there is no command `{path} {word}`"));
            match nearest(word, command.get_subcommands().map(clap::Command::get_name)) {
                Some(name) => error.hint(format!("did you mean `{name}`?")),
                None => error.hint(format!("see `{path} --help`")),
            }
        })?;
    }
    app.out.show(&page(command)?);
    Ok(Exit::Ok)
}

fn all(command: &clap::Command, pages: &mut Vec<ManPage>) -> Result<(), CommandError> {
    pages.push(page(command)?);
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        all(sub, pages)?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> Result<ManPage, CommandError> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .source(concat!("sloth-runner ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .map_err(|e| CommandError::new(Exit::Failed, "could not write the page").system(&e))?;
    // What stands after the help of every command is an example.
    let text = String::from_utf8_lossy(&text).replace(".SH EXTRA\nExample:\n", ".SH EXAMPLES\n");
    Ok(ManPage { name, text })
}
