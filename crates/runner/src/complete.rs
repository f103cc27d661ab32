//! What the shell asks while somebody types: `SLOTH_RUNNER_COMPLETE=SHELL sloth-runner -- WORD…`, as written by the
//! scripts of `completions`.
//!
//! Tab must neither hang nor leave traces: a database is read when it is there and never made, an answer that takes
//! too long is none, and nothing that goes wrong is printed.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use clap::{ArgMatches, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use sloth_core::stack::Stack;
use sloth_core::store::{StackMatch, Store, VersionAt, View};
use sloth_store::OpenOptions;

use crate::app::App;
use crate::cli::{Globals, tree};
use crate::clock::SystemClock;
use crate::env;
use crate::out::{Format, Out};

/// Whoever presses Tab waits no longer than this, whatever the disk does or another process holds.
const PATIENCE: Duration = Duration::from_millis(500);
/// More versions nobody looks through.
const MOST_VERSIONS: u64 = 100;

/// The shells there are scripts for.
pub const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Was this process started by a shell that wants completions? Then they were printed, and nothing else is to be done.
pub fn answered() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    let Some(shell) = env::text(env::COMPLETE) else { return false };
    if arguments.next().is_none_or(|first| first != "--") {
        return false;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<OsString> = arguments.collect();
    let (sender, receiver) = mpsc::channel();
    // The thread is left behind when it takes too long, and ends with the process.
    std::thread::spawn(move || sender.send(answer(&shell, words)));
    if let Ok(Some(text)) = receiver.recv_timeout(PATIENCE) {
        Out::new(Format::Table, true, false, true).data(&text);
    }
    true
}

fn answer(shell: &str, words: Vec<OsString>) -> Option<String> {
    let shell = SHELLS.completer(shell)?;
    let here = std::env::current_dir().ok();
    let mut command = knowing(tree(), &words);
    let mut text = Vec::new();
    shell.write_complete(&mut command, words, here.as_deref(), &mut text).ok()?;
    String::from_utf8(text).ok()
}

/// The tree of commands, with arguments that know what is in the database.
fn knowing(command: Command, words: &[OsString]) -> Command {
    let command = command.mut_args(|argument| {
        let name = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
        let kind = match (argument.get_id().as_str(), name.as_deref().unwrap_or_default()) {
            ("stack", _) | (_, "STACK") => Kind::Stack,
            (_, "TARGET") => Kind::Target,
            (_, "VERSION" | "FROM" | "TO") => Kind::Version,
            (_, "HOOK") => Kind::Hook,
            (_, "ADDRESS" | "ADDRESS[.ATTRIBUTE]") => Kind::Address,
            _ => return argument,
        };
        let words = words.to_vec();
        argument.add(ArgValueCompleter::new(move |current: &OsStr| candidates(kind, &words, current)))
    });
    command.mut_subcommands(|sub| knowing(sub, words))
}

#[derive(Clone, Copy)]
enum Kind {
    Address,
    Hook,
    Stack,
    Target,
    Version,
}

fn candidates(kind: Kind, words: &[OsString], current: &OsStr) -> Vec<CompletionCandidate> {
    let mut found =
        if let Kind::Target = kind { PathCompleter::file().complete(current) } else { Vec::new() };
    let Some(current) = current.to_str() else { return found };
    let names = from_store(kind, words).unwrap_or_default();
    found.extend(names.into_iter().filter(|name| name.starts_with(current)).map(CompletionCandidate::new));
    found
}

fn from_store(kind: Kind, words: &[OsString]) -> Option<Vec<String>> {
    let typed = Typed::new(words);
    let mut location = typed.app().location().ok()?;
    if let Some(server) = location.server_mut() {
        // Nobody waits for long after pressing a key.
        server.connect_timeout = std::time::Duration::from_secs(1);
    }
    if !location.exists() {
        return None;
    }
    let options = OpenOptions { clock: std::sync::Arc::new(SystemClock), read_only: true, create: false };
    let store: Box<dyn Store> = sloth_store::open(&location, &options).ok()?;
    let view = store.view().ok()?;
    Some(match kind {
        Kind::Stack | Kind::Target => view.stack_list().ok()?.into_iter().map(|s| s.name).collect(),
        Kind::Hook => view.hook_list().ok()?.into_iter().map(|state| state.hook.name).collect(),
        Kind::Version => {
            let list = view.version_list(&typed.stack(&*view)?.id, MOST_VERSIONS).ok()?;
            list.iter().map(|info| info.version.to_string()).collect()
        }
        Kind::Address => {
            let list = view.resource_list(&typed.stack(&*view)?.id, VersionAt::Head).ok()?;
            list.iter().map(|record| record.address.to_string()).collect()
        }
    })
}

/// What stands on the line already.
struct Typed {
    globals: Globals,
    stacks: Vec<String>,
}

impl Typed {
    fn new(words: &[OsString]) -> Self {
        let mut globals = Globals::default();
        let mut stacks = Vec::new();
        let read = tree().ignore_errors(true).try_get_matches_from(words);
        let mut level: Option<&ArgMatches> = read.as_ref().ok();
        while let Some(matches) = level {
            let text = |id: &str| matches.try_get_one::<String>(id).ok().flatten().cloned();
            globals.db = text("db").or(globals.db);
            let config = matches.try_get_one::<std::path::PathBuf>("config").ok().flatten().cloned();
            globals.config = config.or(globals.config);
            // `run -f FILE STACK` calls it a target.
            stacks.extend(["stack", "what"].into_iter().filter_map(text));
            level = matches.subcommand().map(|(_, inner)| inner);
        }
        Self { globals, stacks }
    }

    fn app(&self) -> App {
        App::new(self.globals.clone(), Vec::new())
    }

    /// The stack whose versions or resources are wanted.
    fn stack(&self, view: &dyn View) -> Option<Stack> {
        self.stacks.iter().find_map(|name| match view.stack_find(name) {
            Ok(StackMatch::One(stack)) => Some(*stack),
            _ => None,
        })
    }
}

/// Bash. It cuts words at `:` and `=`, so addresses are put together again before asking, and what is in front of the
/// last cut is taken off the answers.
#[derive(Clone, Copy, Debug)]
struct Bash;

const BASH: &str = r#"_sloth_runner() {
    local words=() index=0 rest=$COMP_LINE word before='' current prefix='' i answer
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == COMP_CWORD)) && [[ $word != [:=]* ]]; then current=$2; else current=$word; fi
        if ((i > 0)) && [[ $rest != [[:space:]]* && ( $word == [:=]* || $before == *[:=] ) ]]; then
            words[index]+=$current
        else
            index=${#words[@]}
            words+=("$current")
        fi
        rest=${rest#*"$word"}
        before=$word
    done
    current=${words[index]}
    if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then prefix=${current%"${current##*:}"}; fi
    if [[ $COMP_WORDBREAKS == *=* && ${current#"$prefix"} == *=* ]]; then prefix=${current%"${current##*=}"}; fi
    COMPREPLY=()
    while IFS= read -r answer; do
        [[ $answer == "$prefix"?* ]] || continue
        printf -v answer %q "${answer#"$prefix"}"
        COMPREPLY+=("$answer")
    done < <(_CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$index VARIABLE=bash PROGRAM -- "${words[@]}" 2> /dev/null; echo)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then compopt -o nospace 2> /dev/null; fi
}
complete -o bashdefault -F _sloth_runner sloth-runner
"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }
    fn is(&self, name: &str) -> bool {
        name == "bash"
    }
    fn write_registration(
        &self,
        var: &str,
        _: &str,
        _: &str,
        completer: &str,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let quoted = format!("'{}'", completer.replace('\'', r"'\''"));
        to.write_all(BASH.replace("VARIABLE", var).replace("PROGRAM", &quoted).as_bytes())
    }
    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        clap_complete::env::Bash.write_complete(command, words, here, to)
    }
}
