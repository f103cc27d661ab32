//! Writes `docs/reference/` from the code when `SLOTH_BLESS` is set, and fails when it is not what the code says.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sloth_core::event::EventType;

use crate::cli::tree;
use crate::{config, env, exit};

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name)
}

#[expect(clippy::disallowed_methods, reason = "the test that writes generated documents")]
fn compare(name: &str, text: &str) {
    let path = place(name);
    if std::env::var_os("SLOTH_BLESS").is_some() {
        std::fs::create_dir_all(place("")).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{} is not what the code says; run `SLOTH_BLESS=1 cargo test -p sloth-runner reference`",
        path.display()
    );
}

fn head(title: &str, about: &str) -> String {
    format!("# {title}\n\nGenerated from the code by a test; change the code instead.\n\n{about}\n")
}

#[test]
fn cli() {
    let mut command = tree().disable_help_subcommand(true).term_width(100);
    command.build();
    let mut text = head("The command line", "Flags of all commands stand once, under `sloth-runner`.");
    section(&command, &mut text);
    compare("cli.md", &text);
}

fn section(command: &clap::Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let _ = write!(text, "\n## `{name}`\n\n");
    let about = command.get_long_about().or_else(|| command.get_about());
    let _ = writeln!(text, "{}", about.map(ToString::to_string).unwrap_or_default());
    let mut own = command.clone().term_width(100);
    let usage = own.render_usage().to_string();
    let _ = writeln!(text, "\n```text\n{}\n```", usage.trim_start_matches("Usage: ").trim());
    let aliases: Vec<String> = command.get_visible_aliases().map(|a| format!("`{a}`")).collect();
    if !aliases.is_empty() {
        let _ = writeln!(text, "\nAlso called {}.", aliases.join(", "));
    }
    let top = !name.contains(' ');
    let rows: Vec<String> = command
        .get_arguments()
        .filter(|a| !a.is_hide_set() && !matches!(a.get_id().as_str(), "help" | "version"))
        .filter(|a| top || !a.is_global_set())
        .map(row)
        .collect();
    if !rows.is_empty() {
        let _ = writeln!(text, "\n| argument | meaning |\n|---|---|\n{}", rows.join("\n"));
    }
    if let Some(after) = command.get_after_help() {
        let after = after.to_string();
        let lines: Vec<&str> = after.lines().skip(1).map(|l| l.strip_prefix("  ").unwrap_or(l)).collect();
        let _ = writeln!(text, "\n```sh\n{}\n```", lines.join("\n"));
    }
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        section(sub, text);
    }
}

fn row(argument: &clap::Arg) -> String {
    let mut names: Vec<String> = Vec::new();
    let takes = argument.get_action().takes_values();
    let value = argument.get_value_names().map(|v| v.join(" ")).unwrap_or_default();
    if let Some(short) = argument.get_short() {
        names.push(format!("-{short}"));
    }
    if let Some(long) = argument.get_long() {
        names.push(format!("--{long}"));
    }
    names.extend(argument.get_visible_aliases().unwrap_or_default().iter().map(|a| format!("--{a}")));
    let name = match (names.is_empty(), takes) {
        (true, _) if argument.is_required_set() => format!("<{value}>"),
        (true, _) => format!("[{value}]"),
        (false, true) => format!("{} {value}", names.join(", ")),
        (false, false) => names.join(", "),
    };
    let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|d| d.to_string_lossy().into_owned()).collect();
    if takes && !defaults.join("").is_empty() {
        let _ = write!(help, " [default: {}]", defaults.join(", "));
    }
    let possible: Vec<String> =
        argument.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
    if takes && !possible.is_empty() && !argument.is_hide_possible_values_set() {
        let _ = write!(help, " [one of {}]", possible.join(", "));
    }
    format!("| `{}` | {} |", name.replace('|', "\\|"), help.replace('|', "\\|").replace('\n', " "))
}

#[test]
fn environment() {
    let mut text = head(
        "Environment variables",
        "The program itself reads nothing else, except `TZ` for the zone in which times are shown. User code sees the whole\n\
         environment through `os.getenv`. An empty variable counts as not set.",
    );
    text.push_str("\n| variable | meaning |\n|---|---|\n");
    for variable in env::ALL {
        let _ = writeln!(text, "| `{}` | {} |", variable.name, variable.doc);
    }
    text.push_str(
        "\nThe database is the first of `--db`, `SLOTH_RUNNER_DB`, `stacks.database_path` in the configuration, \
         `stacks.db` in\n`SLOTH_RUNNER_DATA_DIR`, `/etc/sloth-runner/stacks.db` for root, and \
         `~/.sloth-runner/stacks.db`.\n",
    );
    assert!(env::ALL.is_sorted_by_key(|v| v.name), "the registry is alphabetical");
    compare("env.md", &text);
}

#[test]
fn configuration() {
    let mut text = head(
        "Configuration",
        "YAML. The file is `--config`, else `SLOTH_RUNNER_CONFIG`, else `/etc/sloth-runner/config.yaml` overlaid by\n\
         `~/.sloth-runner/config.yaml`; the last two may be missing. A key that is not listed here is an error.",
    );
    text.push_str("\n| key | meaning |\n|---|---|\n");
    for key in config::KEYS {
        let _ = writeln!(text, "| `{}` | {} |", key.name, key.doc);
    }
    compare("config.md", &text);
}

#[test]
fn exit_codes() {
    let mut text = head("Exit codes", "They are stable.");
    text.push_str("\n| code | name | meaning |\n|---|---|---|\n");
    for (exit, name, meaning) in exit::DOCUMENTED {
        let _ = writeln!(text, "| {} | {name} | {meaning} |", exit.code());
    }
    assert!(exit::DOCUMENTED.is_sorted_by_key(|(exit, ..)| exit.code()));
    compare("exit-codes.md", &text);
}

#[test]
fn events() {
    let mut text = head(
        "Events",
        "With `run -o json`, each is one line on standard output with the fields `type`, `severity`, `at`, `run_id`, \
         `task`,\n`address`, `message` and `payload`; the last line has the type `report`. Types sent by user code \
         begin with `custom.`.\n\n`events show -o json` and hooks get `id`, `seq`, `type`, `timestamp`, `severity`, \
         `source`, `actor`, `stack`, `run_id`,\n`task`, `resource`, `message` and `data`. Numbers (`seq`) count each \
         stack's events from 1, and those of no stack; after\n`events cleanup` a history begins later, and still \
         without gaps.",
    );
    text.push_str("\n| type | meaning |\n|---|---|\n");
    for kind in EventType::ALL {
        let _ = writeln!(text, "| `{}` | {} |", kind.as_str(), kind.doc().trim());
    }
    compare("events.md", &text);
}

#[test]
fn resources() {
    let catalog = sloth_resources::catalog();
    let mut text = head(
        "Resources",
        "What a `.sloth` file can ask for. Each function compares and changes what differs; `plan` tells what that would be.\n\
         The first arguments may be given by position where the example does so; all others, and all with other\n\
         spellings, are fields of a table.",
    );
    text.push_str("\n## Every resource understands\n\n");
    arguments(sloth_core::kind::COMMON, &mut text);
    let mut module = "";
    for operation in catalog.operations() {
        if operation.module != module {
            module = operation.module;
            let _ = write!(text, "\n## `{module}`\n");
        }
        let _ = write!(text, "\n### `{module}.{}`\n\n{}", operation.name, operation.doc);
        let also: Vec<String> = operation.aliases.iter().map(|name| format!("`{module}.{name}`")).collect();
        let also = if also.is_empty() { String::new() } else { format!(" Also called {}.", also.join(", ")) };
        let _ = writeln!(text, ".{also} Makes a resource of type [`{0}`](#type-{0}).\n", operation.kind);
        arguments(operation.params, &mut text);
        let _ = writeln!(text, "\n```lua\n{}\n```", operation.example);
    }
    text.push_str(
        "\n## Types\n\nWhat is recorded of a resource, compared, and shown as drift. A *fixed* attribute cannot change in \
         place: the\nresource is replaced.\n",
    );
    for kind in catalog.kinds() {
        let _ = write!(
            text,
            "\n### Type `{}`\n\n{}.\n\n| attribute | type | meaning |\n|---|---|---|\n",
            kind.name, kind.doc
        );
        for a in kind.attributes {
            let fixed = if a.fixed { "; fixed" } else { "" };
            let secret = if a.secret { "; never shown" } else { "" };
            let _ =
                writeln!(text, "| `{}` | {}{fixed}{secret} | {} |", a.name, cell(&a.ty.word()), cell(a.doc));
        }
    }
    compare("resources.md", &text);
}

/// The functions of the language's own modules, and the files for language servers.
#[test]
fn language() {
    use sloth_lua::definitions::{DEFINITIONS, Editor, definitions};

    let mut text = head(
        "Functions",
        "What a `.sloth` file can call besides its [resources](resources.md). Types are written as Luau writes them; what \
         ends in\n`?` may be left out. `string`, `table`, `math`, `utf8`, `bit32`, `buffer`, `coroutine`, `os` and `io` \
         are those of Lua.\nWith `sloth.d.luau` or `sloth.lua`, editors know all of this (`sloth-runner types`).",
    );
    let mut module = "";
    for d in DEFINITIONS {
        if d.module != module {
            module = d.module;
            let _ = write!(text, "\n## `{module}`\n\n| function | type | meaning |\n|---|---|---|\n");
        }
        let names: Vec<String> = d.names.iter().map(|name| format!("`{module}.{name}`")).collect();
        let _ = writeln!(text, "| {} | `{}` | {} |", names.join(", "), cell(d.signature), cell(d.doc));
    }
    compare("lua.md", &text);
    let catalog = sloth_resources::catalog();
    compare("sloth.d.luau", &definitions(Editor::Luau, &*catalog));
    compare("sloth.lua", &definitions(Editor::LuaLs, &*catalog));
}

fn arguments(params: &[sloth_core::kind::Param], text: &mut String) {
    text.push_str("| argument | type | meaning |\n|---|---|---|\n");
    for p in params {
        let required = if p.required { ", required" } else { "" };
        let secret = if p.secret { ", never shown" } else { "" };
        let also: Vec<String> = p.aliases.iter().map(|name| format!("`{name}`")).collect();
        let also = if also.is_empty() { String::new() } else { format!(" (or {})", also.join(", ")) };
        let _ = writeln!(
            text,
            "| `{}`{also} | {}{required}{secret} | {} |",
            p.name,
            cell(&p.ty.word()),
            cell(p.doc)
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Every line of every example is one the program understands.
#[test]
fn examples_are_understood() {
    let mut command = tree();
    command.build();
    let mut lines = Vec::new();
    examples(&command, &mut lines);
    assert!(lines.len() > 80, "{}", lines.len());
    for line in lines {
        let typed = line.split_once(" | ").map_or(&*line, |(typed, _)| typed);
        let words = words(typed);
        if words.first().map(String::as_str) == Some("sloth-runner")
            && let Err(error) = tree().try_get_matches_from(&words)
        {
            assert_eq!(error.exit_code(), 0, "{line}\n{error}");
        }
    }
}

fn examples(command: &clap::Command, lines: &mut Vec<String>) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let commands = text.lines().skip(1).flat_map(|line| line.split(" && "));
    lines.extend(commands.map(|line| line.trim().to_owned()));
    command.get_subcommands().filter(|c| c.get_name() != "help").for_each(|sub| examples(sub, lines));
}

/// As a shell takes a line apart, as far as examples need it: quotes, remarks, and where output goes.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => found.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty())),
            (None, '#' | '>') if word.is_empty() => return found,
            (_, c) => word.push(c),
        }
    }
    found.extend(Some(word).filter(|w| !w.is_empty()));
    found
}
