//! Taking over what the Go program left: which stacks and values become what, and all of it in one step.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::id::StackId;
use sloth_core::legacy::{Found, Legacy, MIGRATED, Skipped};
use sloth_core::past::Past;
use sloth_core::stack::{NAME_LIMIT, check_name};
use sloth_core::store::{ReadStacks, View};
use sloth_core::value::Value;
use sloth_core::value_entry::{LOCAL_SCOPE, ValueEntry};

use crate::context::Context;
use crate::error::EngineError;
use crate::transfer;

/// Verb of the operation.
const VERB: &str = "stack migrate";

/// A stack that is taken over.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What it becomes.
    pub past: Past,
    /// Name in its file.
    pub was: String,
    /// File.
    pub file: String,
}

/// What is taken over, and what is not.
#[derive(Clone, Debug, Default)]
pub struct Migration {
    /// Stacks that are made.
    pub stacks: Vec<Taken>,
    /// Values that are set.
    pub values: Vec<ValueEntry>,
    /// What is left out.
    pub skipped: Vec<Skipped>,
    /// What is taken over in another form than it had.
    pub notes: Vec<String>,
}

impl Migration {
    /// Stacks, values and remarks for a script. A database of the Go program has values of the controller only.
    #[must_use]
    pub fn for_script(&self) -> (Vec<&Past>, Vec<ValueEntry>, Vec<String>) {
        let (local, others): (Vec<_>, Vec<_>) =
            self.values.iter().cloned().partition(|v| v.scope == LOCAL_SCOPE);
        let mut notes = vec!["For an empty SQLite database: sqlite3 NEW.db < FILE".to_owned()];
        if !others.is_empty() {
            notes.push(format!("Values of agents are not in it: {}", others.len()));
        }
        (self.stacks.iter().map(|one| &one.past).collect(), local, notes)
    }
    /// Is there nothing to do?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stacks.is_empty() && self.values.is_empty()
    }
}

/// Compares what was found with what is in the store. What was taken over before, and is still there, is not taken over
/// again. Without a store there is nothing yet. Changes nothing.
///
/// # Errors
/// The store failed.
pub fn prepare(view: Option<&dyn View>, found: Legacy, internal: bool) -> Result<Migration, EngineError> {
    let mut migration = Migration { skipped: found.skipped, notes: found.notes, ..Migration::default() };
    let (mut names, mut known) = (BTreeSet::new(), BTreeMap::new());
    for stack in view.map(ReadStacks::stack_list).transpose()?.unwrap_or_default() {
        let from = stack.metadata.get(MIGRATED).and_then(|from| from.get("id")).and_then(Value::as_str);
        if let Some(id) = from {
            known.insert(id.to_owned(), (stack.name.clone(), stack.execution_count));
        }
        names.insert(stack.name);
    }
    for one in found.stacks {
        let old = one.past.stack.name.clone();
        let table = if one.workflow { "workflow_states" } else { "stacks" };
        let mut skip = |reason: String| {
            let rows = if one.workflow { one.past.runs.len() as u64 } else { 1 };
            migration.skipped.push(Skipped {
                file: one.file.clone(),
                table: table.to_owned(),
                what: old.clone(),
                reason,
                rows,
            });
        };
        if one.internal && !internal {
            skip("the program made it to keep account of itself; `--with-internal` takes it over".to_owned());
            continue;
        }
        if let Some((name, count)) = known.get(&one.id) {
            let newer = one.past.stack.execution_count.saturating_sub(*count);
            let more = if newer > 0 && one.workflow {
                format!("; executions newer than that are not added: {newer}")
            } else {
                String::new()
            };
            skip(format!("it was taken over before, as `{name}`{more}"));
            continue;
        }
        let (id, file) = (one.id.clone(), one.file.clone());
        let past = named(view, one, &mut names, &mut migration.notes)?;
        known.insert(id, (past.stack.name.clone(), past.stack.execution_count));
        migration.stacks.push(Taken { past, was: old, file });
    }
    let mut keys = BTreeSet::new();
    for (entry, file) in found.values {
        let mut skip = |reason: &str| {
            migration.skipped.push(Skipped {
                file: file.clone(),
                table: "state".to_owned(),
                what: entry.key.clone(),
                reason: reason.to_owned(),
                rows: 1,
            });
        };
        let there = view.map(|view| view.value_get(&entry.scope, &entry.key)).transpose()?.flatten();
        match there {
            Some(there) if there.value == entry.value => skip("it is there already"),
            Some(_) => skip("there is another value under this key, which stays"),
            None if !keys.insert((entry.scope.clone(), entry.key.clone())) => {
                skip("another file has this key, too, which counts");
            }
            None => migration.values.push(entry),
        }
    }
    if migration.is_empty() {
        // They are about what is not taken over this time.
        migration.notes.clear();
    }
    Ok(migration)
}

/// Gives a stack a name and an id that nothing else has.
fn named(
    view: Option<&dyn View>,
    found: Found,
    names: &mut BTreeSet<String>,
    notes: &mut Vec<String>,
) -> Result<Past, EngineError> {
    let mut past = found.past;
    let old = past.stack.name.clone();
    let wanted = usable(&old);
    let mut name = wanted.clone();
    let mut number = 2_u64;
    while names.contains(&name) {
        let end = format!("-{number}");
        let room = NAME_LIMIT - end.len();
        name = wanted.chars().take(room).collect::<String>() + &end;
        number += 1;
    }
    if name != old {
        let why = if wanted == old { "the name is taken" } else { "the name cannot be one" };
        notes.push(format!("stack `{old}` of `{}` becomes `{name}`: {why}", found.file));
        if let Some(Value::Object(from)) = past.stack.metadata.get_mut(MIGRATED) {
            from.insert("name".to_owned(), Value::from(old));
        }
    }
    if view.map(|view| view.stack_get(&past.stack.id)).transpose()?.flatten().is_some() {
        past.stack.id = StackId::generate(past.stack.created_at);
    }
    names.insert(name.clone());
    past.stack.name = name;
    Ok(past)
}

/// The nearest name a stack can have.
fn usable(name: &str) -> String {
    let plain = |c: char| if c.is_control() || c == '/' { '_' } else { c };
    let mut usable: String = name.chars().map(plain).take(NAME_LIMIT).collect();
    if usable.starts_with('-') {
        usable.replace_range(..1, "_");
    }
    if check_name(&usable).is_err() { "unnamed".to_owned() } else { usable }
}

/// Takes everything over: all of it, or nothing. One operation, undoable. Touches no machine.
///
/// # Errors
/// A name was taken meanwhile, or the store failed.
pub fn carry_out(ctx: &Context, migration: &Migration) -> Result<(), EngineError> {
    let words = |past: &Past, old: &str| {
        format!("stack `{}` taken over from the Go program's `{old}`", past.stack.name)
    };
    let pasts: Vec<(Past, String)> =
        migration.stacks.iter().map(|one| (one.past.clone(), words(&one.past, &one.was))).collect();
    transfer::plant(ctx, VERB, &pasts, &migration.values)
}
