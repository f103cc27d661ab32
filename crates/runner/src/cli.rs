//! The command line: global flags, the tree of commands, and the way from arguments to an exit code.

use std::cell::RefCell;
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{EnumValueParser, TypedValueParser as _};
use clap::{CommandFactory as _, FromArgMatches, Parser, Subcommand, ValueEnum as _};

use crate::app::App;
use crate::commands;
use crate::complete;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words::without_password;
use crate::out::{Format, Out, escape};
use crate::parse;
use crate::signals;

/// Make machines what `.sloth` files say, remember it, and go back
#[derive(Debug, Parser)]
#[command(
    name = "sloth-runner",
    bin_name = "sloth-runner",
    version,
    args_override_self = true,
    after_help = "Example:\n  sloth-runner plan site.sloth\n  sloth-runner run site.sloth\n  sloth-runner stack drift detect site"
)]
pub struct Cli {
    /// Flags every command has.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Lazy<Command>,
}

/// Flags every command has.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Database: a path or an URL [default: see docs/reference/env.md]
    #[arg(long, global = true, value_name = "PATH|URL")]
    pub db: Option<String>,
    /// Configuration file, instead of the system's and the user's
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How data is written
    #[arg(
        short,
        long,
        global = true,
        value_parser = EnumValueParser::<Format>::new().map(Output::As),
        default_value = "table",
        value_name = "FORMAT",
        hide_possible_values = true,
        help = "How data is written: table, json or yaml"
    )]
    pub output: Output,
    /// Never use colour
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Say nothing but errors and what was asked for
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; `-v` is short for it where it does not mean `--values`
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say everything
    #[arg(long, global = true)]
    pub debug: bool,
    /// Do it without asking
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Queue this long for a locked stack, such as `60s` [default: 0s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse::duration)]
    pub lock_wait: Option<Duration>,
    /// Id of a lock taken with `stack lock acquire`
    #[arg(long, global = true, value_name = "ID", value_parser = parse::named)]
    pub lock_id: Option<String>,
    /// Name to act under, shown as creator and lock holder [default: the user]
    #[arg(long = "as", global = true, value_name = "NAME", value_parser = parse::named)]
    pub as_name: Option<String>,
}

/// What `--output` says. Where a command makes a file, the flag may name it; everywhere else it takes formats only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// How data is written to standard output.
    As(Format),
    /// A file.
    File(PathBuf),
}

impl Default for Output {
    fn default() -> Self {
        Self::As(Format::default())
    }
}

impl Output {
    /// How data is written.
    pub fn format(&self) -> Format {
        match self {
            Self::As(format) => *format,
            Self::File(_) => Format::default(),
        }
    }
    /// A format when it is the name of one, else a file.
    ///
    /// # Errors
    /// It is empty.
    pub fn file_or_format(text: &str) -> Result<Self, String> {
        Ok(match Format::from_str(&parse::named(text)?, false) {
            Ok(format) => Self::As(format),
            Err(_) => Self::File(PathBuf::from(text)),
        })
    }
}

/// How much of the tree of commands is put together.
#[derive(Default)]
enum Extent {
    /// All of it, at once.
    Whole,
    /// What is on the way to the command that is asked for, with everything beside it.
    #[default]
    Way,
    /// What is on the way, and beside it only what these words name.
    Named(Vec<OsString>),
}

thread_local! {
    static EXTENT: RefCell<Extent> = const { RefCell::new(Extent::Way) };
}

/// Does something with a tree of this extent.
fn with_extent<T>(extent: Extent, work: impl FnOnce() -> T) -> T {
    EXTENT.set(extent);
    let done = work();
    EXTENT.take();
    done
}

/// All commands with all their arguments, for those who walk through them.
pub fn tree() -> clap::Command {
    with_extent(Extent::Whole, Cli::command)
}

/// What is asked for, the name of the program first.
fn matches(words: Vec<OsString>) -> clap::error::Result<clap::ArgMatches> {
    // Every command is given a copy of every global flag, which for all of them takes longer than to read a database.
    // A command that is asked for is named by a word, so that the others have no part in a line that is right; what is
    // not right is read again, because the others belong into help and hints.
    let read = |words| ManuallyDrop::new(Cli::command()).try_get_matches_from_mut(words);
    with_extent(Extent::Named(words.clone()), || read(words.clone())).or_else(|_| read(words))
}

/// A command, or a group of them, whose arguments are put together when it is the one that is asked for: the whole tree
/// would cost more than most commands. Not for a command with a flag of its own in place of a global one: it gets the
/// global ones first.
#[derive(Debug)]
pub struct Lazy<T>(pub T);

impl<T> std::ops::Deref for Lazy<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Self)
    }
    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: clap::Args> clap::Args for Lazy<T> {
    fn group_id() -> Option<clap::Id> {
        T::group_id()
    }
    fn augment_args(cmd: clap::Command) -> clap::Command {
        later(cmd, |cmd| introduced(cmd, T::augment_args))
    }
    fn augment_args_for_update(cmd: clap::Command) -> clap::Command {
        later(cmd, |cmd| introduced(cmd, T::augment_args_for_update))
    }
}

impl<T: Subcommand> Subcommand for Lazy<T> {
    fn augment_subcommands(cmd: clap::Command) -> clap::Command {
        later(cmd, |cmd| {
            EXTENT.with_borrow(|extent| {
                let Extent::Named(words) = extent else { return T::augment_subcommands(cmd) };
                let all = T::augment_subcommands(clap::Command::new(""));
                let named = |c: &&clap::Command| {
                    words.iter().any(|word| {
                        let mut names = c.get_all_aliases();
                        word == c.get_name() || names.any(|name| word == name)
                    })
                };
                cmd.subcommands(all.get_subcommands().filter(named).cloned())
            })
        })
    }
    fn augment_subcommands_for_update(cmd: clap::Command) -> clap::Command {
        later(cmd, T::augment_subcommands_for_update)
    }
    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

/// What is said of a command where it is listed goes before what is said of its arguments, whatever is put in first.
fn introduced(cmd: clap::Command, augment: fn(clap::Command) -> clap::Command) -> clap::Command {
    let (about, long) = (cmd.get_about().cloned(), cmd.get_long_about().cloned());
    let cmd = augment(cmd);
    match (about, long) {
        (Some(about), Some(long)) => cmd.about(about).long_about(long),
        (Some(about), None) => cmd.about(about).long_about(None::<&'static str>),
        (None, _) => cmd,
    }
}

/// Puts arguments into a command now, or when it is used.
fn later(cmd: clap::Command, augment: fn(clap::Command) -> clap::Command) -> clap::Command {
    if EXTENT.with_borrow(|extent| matches!(extent, Extent::Whole)) {
        augment(cmd)
    } else {
        cmd.defer(augment)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Perform exactly the changes of a saved plan
    Apply(Lazy<commands::apply::Args>),
    /// Prove who did what
    #[command(subcommand)]
    Audit(Lazy<commands::audit::Command>),
    /// Copy the whole database, check copies, and put one back
    #[command(subcommand)]
    Backup(Lazy<commands::backup::Command>),
    /// Check a workflow file without running or planning it
    Check(commands::check::Args),
    /// Print the script that completes commands in a shell
    Completions(Lazy<commands::completions::Args>),
    /// Look at the configuration
    #[command(subcommand)]
    Config(Lazy<commands::config::Command>),
    /// Check the database and this installation
    Doctor(Lazy<commands::doctor::Args>),
    /// Look at what happened
    #[command(subcommand)]
    Events(Lazy<commands::events::Command>),
    /// Tell somebody about events
    #[command(subcommand)]
    Hook(Lazy<commands::hook::Command>),
    /// Print the manual page of a command, or write all of them
    Man(Lazy<commands::man::Args>),
    /// Look at the log of operations
    #[command(subcommand)]
    Op(Lazy<commands::op::Command>),
    /// Show what a run would change
    Plan(commands::plan::Args),
    /// Go on after an interrupted run, or decide about a step nobody can look up
    Resume(Lazy<commands::resume::Args>),
    /// Make it so: run a workflow and record what it did
    Run(commands::run::Args),
    /// Work with stacks
    #[command(subcommand)]
    Stack(Lazy<commands::stack::Command>),
    /// Work with key-value state
    #[command(subcommand)]
    State(Lazy<commands::state::Command>),
    /// Print what `.sloth` files may use, for the language server of an editor
    Types(Lazy<commands::types::Args>),
    /// Take back the last operation, or a given one
    Undo(Lazy<commands::undo::Args>),
    /// Show the version of this program
    Version(Lazy<commands::version::Args>),
}

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(text) = version_only() {
        Out::new(Format::Table, false, false, true).data(text);
        return ExitCode::SUCCESS;
    }
    if complete::answered() {
        return ExitCode::SUCCESS;
    }
    let matches = match matches(std::env::args_os().collect()) {
        Ok(matches) => matches,
        Err(error) => return ExitCode::from(not_parsed(&error)),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(not_parsed(&error)),
    };
    let arguments = logged(std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()));
    let app = App::new(cli.globals, arguments);
    let exit = match commands::dispatch(&app, &cli.command) {
        Ok(exit) => exit,
        Err(error) => failed(&app, error),
    };
    app.tell_hooks();
    let exit =
        if exit == Exit::Ok { app.out.failed().map_or(exit, |kind| unwritten(&app.out, kind)) } else { exit };
    app.end();
    ExitCode::from(exit.code())
}

/// `--version` alone is answered before the tree of commands is built, which takes longer than anything else it needs.
fn version_only() -> Option<&'static str> {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next()?;
    let asked = (first == "--version" || first == "-V") && arguments.next().is_none();
    asked.then_some(concat!("sloth-runner ", env!("CARGO_PKG_VERSION"), "\n"))
}

fn failed(app: &App, error: CommandError) -> Exit {
    let words = error.render(app.subject().as_deref());
    words.print(&app.out);
    signals::caught().map_or_else(|| words.exit(), Exit::Signal)
}

fn unwritten(out: &Out, kind: std::io::ErrorKind) -> Exit {
    out.stderr(&format!("error: could not write to standard output: {kind}\n"));
    Exit::Failed
}

/// Prints help to standard output and complaints to standard error.
fn not_parsed(error: &clap::Error) -> u8 {
    use clap::error::ErrorKind;
    let text = error.render().to_string();
    let out = Out::new(Format::Table, false, false, true);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out.data(&text);
            Exit::Ok.code()
        }
        _ => {
            out.stderr(&escape::lines(&text));
            Exit::Usage.code()
        }
    }
}

/// Arguments as they go to the operation log: what could be a secret is left out.
fn logged(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let arguments: Vec<String> = arguments.collect();
    let setting = arguments.iter().any(|a| a == "state") && arguments.iter().any(|a| a == "set");
    let mut kept = Vec::with_capacity(arguments.len());
    let mut after = "";
    for argument in &arguments {
        kept.push(match after {
            "--var" => without_value(argument),
            "--db" => without_password(argument),
            "--lock-id" => "…".to_owned(),
            _ => match argument.split_once('=') {
                Some(("--var", pair)) => format!("--var={}", without_value(pair)),
                Some(("--db", url)) => format!("--db={}", without_password(url)),
                Some(("--lock-id", _)) => "--lock-id=…".to_owned(),
                _ => argument.clone(),
            },
        });
        after = argument;
    }
    // `state set KEY VALUE`: the value is in the state, and may be a secret.
    if let (true, Some(at)) = (setting, kept.iter().position(|a| a == "set")) {
        for value in kept.iter_mut().skip(at + 2).filter(|a| !a.starts_with('-')) {
            "…".clone_into(value);
        }
    }
    kept
}

fn without_value(pair: &str) -> String {
    pair.split_once('=').map_or_else(|| pair.to_owned(), |(key, _)| format!("{key}=…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(command: &clap::Command, path: &str, seen: &mut dyn FnMut(&str, &clap::Command)) {
        let path = format!("{path} {}", command.get_name());
        let mut subcommands = command.get_subcommands().filter(|c| c.get_name() != "help").peekable();
        if subcommands.peek().is_none() {
            seen(path.trim(), command);
        }
        for sub in subcommands {
            leaves(sub, &path, seen);
        }
    }

    #[test]
    fn the_tree_is_well_formed_and_every_command_has_an_example() {
        tree().debug_assert();
        leaves(&tree(), "", &mut |path, command| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example:\n  sloth-runner "), "{path} has no example");
            assert!(command.get_about().is_some(), "{path} says nothing");
        });
    }

    fn read(extent: Extent, words: &[String]) -> String {
        with_extent(extent, || match Cli::command().try_get_matches_from(words) {
            Ok(matches) => format!("{:?}", Cli::from_arg_matches(&matches).unwrap()),
            Err(error) => error.render().to_string(),
        })
    }

    #[test]
    fn a_command_reads_and_says_the_same_however_much_of_the_tree_there_is() {
        let mut paths = Vec::new();
        leaves(&tree(), "", &mut |path, command| {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let words = |line: &str| line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
            paths.push(words(&format!("{path} --help")));
            paths.extend(
                example.lines().skip(1).map(|line| words(line.split(['|', '&', '\'']).next().unwrap())),
            );
        });
        assert!(paths.len() > 150, "{}", paths.len());
        let mut right = 0;
        for words in paths {
            let whole = read(Extent::Whole, &words);
            assert_eq!(read(Extent::Way, &words), whole, "{words:?}");
            if whole.starts_with("Cli") {
                right += 1;
                let named = Extent::Named(words.iter().map(OsString::from).collect());
                assert_eq!(read(named, &words), whole, "{words:?}");
            }
        }
        assert!(right > 80, "{right}");
    }

    #[test]
    fn an_alias_names_its_command() {
        let words = ["sloth-runner", "stack", "create", "web"].map(OsString::from).to_vec();
        let named = with_extent(Extent::Named(words.clone()), || Cli::command().try_get_matches_from(words));
        assert!(named.is_ok_and(|found| {
            found.subcommand().is_some_and(|(_, found)| found.subcommand_name() == Some("new"))
        }));
    }

    #[test]
    fn the_log_keeps_no_secrets() {
        let log = |args: &[&str]| logged(args.iter().map(|&a| a.to_owned())).join(" ");
        assert_eq!(
            log(&["run", "a.sloth", "--var", "pw=x=y", "--var=k=v"]),
            "run a.sloth --var pw=… --var=k=…"
        );
        assert_eq!(log(&["state", "set", "token", "abc", "--ttl=5"]), "state set token … --ttl=5");
        assert_eq!(log(&["--db", "postgres://u:p@h/d", "op", "log"]), "--db postgres://…@h/d op log");
    }
}
