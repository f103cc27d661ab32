//! The `sloth-runner` program: it knows every crate and decides nothing.

mod app;
mod cli;
mod clock;
mod commands;
mod complete;
mod config;
mod draw;
mod env;
mod error;
mod exit;
mod files;
mod out;
mod parse;
mod person;
mod program;
#[cfg(test)]
mod reference;
mod signals;
mod views;

fn main() -> std::process::ExitCode {
    cli::main()
}
