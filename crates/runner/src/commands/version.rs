//! `version`

use serde::Serialize;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::{Human, Page};

/// Show the version of this program
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner version -o json")]
pub struct Args {}

#[derive(Debug, Serialize)]
struct VersionView {
    name: &'static str,
    version: &'static str,
    platform: String,
}

impl Human for VersionView {
    fn human(&self, page: &mut Page) {
        page.line(&format!("{} {} ({})", self.name, self.version, self.platform));
    }
}

/// Runs it.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "all commands have one shape")]
pub fn run(app: &App, _: &Args) -> Result<Exit, CommandError> {
    app.out.show(&VersionView {
        name: "sloth-runner",
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    });
    Ok(Exit::Ok)
}
