//! The `sloth-runner` program: it knows every crate and decides nothing.

mod app;
mod cli;
mod commands;
mod complete;
mod config;
mod draw;
mod env;
mod error;
mod exit;
mod files;
mod interchange;
mod out;
mod parse;
mod program;
#[cfg(test)]
mod reference;
mod signals;
mod views;

mod clock {
    pub use sloth_api::SystemClock;
}
mod person {
    pub use sloth_api::actor;
}

fn main() -> std::process::ExitCode {
    cli::main()
}
