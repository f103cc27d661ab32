//! `types`

use serde::Serialize;
use sloth_lua::definitions::{Editor, definitions};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::{Human, Page};

/// Print what `.sloth` files may use, for the language server of an editor
///
/// It knows every module, function and argument of this version, so editors complete them and mark what is not there.
/// `luau` is for luau-lsp (its option `--definitions`), `luals` for lua-language-server (a file of its `library`).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner types luau > sloth.d.luau\n  sloth-runner types luals > ~/.local/share/sloth/sloth.lua"
)]
pub struct Args {
    /// Language server
    #[arg(value_name = "SERVER", value_parser = ["luals", "luau"])]
    server: String,
}

#[derive(Debug, Serialize)]
struct Definitions {
    server: String,
    definitions: String,
}

impl Human for Definitions {
    fn human(&self, page: &mut Page) {
        page.raw(self.definitions.trim_end());
    }
}

/// Runs it.
///
/// # Errors
/// None.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let editor = if args.server == "luals" { Editor::LuaLs } else { Editor::Luau };
    let definitions = definitions(editor, &*sloth_resources::catalog());
    app.out.show(&Definitions { server: args.server.clone(), definitions });
    Ok(Exit::Ok)
}
