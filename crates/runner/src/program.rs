//! From what was typed after `run` to a loaded program: which file, which stack, which values.

use std::mem::ManuallyDrop;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use sloth_core::body::{Conductor, Program, ProgramError};
use sloth_core::store::StackMatch;
use sloth_core::value::{Map, Value};
use sloth_core::workflow::Workflow;
use sloth_lua::LuaProgram;

pub use sloth_api::remembered;

use crate::app::App;
use crate::config::{self, unreadable};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::parse::{self, Variable};

/// What to run: the arguments that `run`, `plan` and `check` share.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Source {
    /// Workflow file; or, with `-f`, the stack; or, with `-f` and `--stack`, the workflow's name; or a stack that was run before
    #[arg(value_name = "TARGET")]
    pub what: Option<String>,
    /// Workflow file
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Stack [default: the workflow's name]
    #[arg(long, value_name = "NAME")]
    pub stack: Option<String>,
    /// File with values, YAML or JSON; may be given more than once, later ones win
    #[arg(short = 'v', long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
    /// One value, such as `port=8080` or `app.name=web`; wins over files
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::variable)]
    pub var: Vec<Variable>,
    /// Say more
    #[arg(long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What was found out about it.
#[derive(Debug)]
pub struct Found {
    /// File to load.
    pub file: PathBuf,
    /// Stack to run against; the workflow's name when none is given.
    pub stack: Option<String>,
    /// Workflow the file has to hold.
    pub workflow: Option<String>,
    /// Values and variables.
    pub values: Value,
}

impl Source {
    /// Applies the rules of TARGET, `-f` and `--stack`, and reads the values.
    ///
    /// # Errors
    /// It is not clear what to run, or a file cannot be read.
    pub fn find(&self, app: &App) -> Result<Found, CommandError> {
        let looks_like_file =
            |t: &str| Path::new(t).extension().is_some_and(|e| e == "sloth") || Path::new(t).is_file();
        match (&self.what, &self.file) {
            (Some(target), None) if looks_like_file(target) => {
                self.found(PathBuf::from(target), self.stack.clone(), None)
            }
            (Some(target), Some(file)) if self.stack.is_some() => {
                self.found(file.clone(), self.stack.clone(), Some(target.clone()))
            }
            (Some(target), Some(file)) => self.found(file.clone(), Some(target.clone()), None),
            (None, Some(file)) => self.found(file.clone(), self.stack.clone(), None),
            (Some(target), None) => self.recorded(app, target),
            (None, None) => match &self.stack {
                Some(stack) => self.recorded(app, stack),
                None => Err(CommandError::usage("it is not said what to run")
                    .hint("name a workflow file, or a stack that was run before")),
            },
        }
    }

    fn found(
        &self,
        file: PathBuf,
        stack: Option<String>,
        workflow: Option<String>,
    ) -> Result<Found, CommandError> {
        Ok(Found { file, stack, workflow, values: self.read_values(Map::new())? })
    }

    /// A stack that was run before: its file, with its values unless others are given.
    fn recorded(&self, app: &App, name: &str) -> Result<Found, CommandError> {
        let view = app.view()?;
        let stack = match view.stack_find(name)? {
            StackMatch::One(stack) => *stack,
            StackMatch::None if !Path::new(name).exists() && name.contains(['/', '.']) => {
                return Err(CommandError::not_found(format!("there is no file `{name}`")));
            }
            _ => app.stack(&*view, name)?,
        };
        let file = stack.workflow_file.clone().ok_or_else(|| {
            CommandError::not_found(format!(
                "stack `{}` was never run, so it has no workflow file",
                stack.name
            ))
            .hint(format!("name the file: `sloth-runner run FILE --stack {}`", stack.name))
        })?;
        Ok(Found {
            file: PathBuf::from(file),
            stack: Some(stack.name.clone()),
            workflow: None,
            values: self.read_values(remembered(&stack))?,
        })
    }

    fn read_values(&self, mut values: Map) -> Result<Value, CommandError> {
        for path in &self.values {
            let shown = path.display();
            let text = files::read_text(path).map_err(|e| unreadable("values file", path, &e))?;
            let value = config::yaml(&text)
                .map_err(|why| config::not_yaml(&format!("the values file `{shown}`"), path, &why))?;
            match value {
                Value::Object(map) => merge(&mut values, map),
                Value::Null => {}
                _ => {
                    let message = format!("the values file `{shown}` does not hold names and values");
                    return Err(
                        CommandError::new(Exit::Invalid, message).hint("write lines such as `port: 8080`")
                    );
                }
            }
        }
        for variable in &self.var {
            parse::insert(&mut values, variable);
        }
        Ok(Value::Object(values))
    }
}

/// Tables are merged, anything else is replaced.
fn merge(into: &mut Map, from: Map) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// A loaded program with what the configuration says about it. A process loads one or two and ends, which gives back more
/// quickly what they made than each of them could.
pub struct Loaded(ManuallyDrop<sloth_api::Loaded>);

impl Loaded {
    /// Loads a file.
    ///
    /// # Errors
    /// It cannot be read, is not valid, or holds another workflow than the one that was named.
    pub fn load(app: &App, found: &Found) -> Result<Self, CommandError> {
        let loaded = sloth_api::Loaded::new(read(found)?, &found.file, &found.values);
        app.durability.set(loaded.workflow.config.durability);
        Ok(Self(ManuallyDrop::new(loaded)))
    }
}

/// Loads a file and leaves everything else alone, the configuration too.
///
/// # Errors
/// Those of [`Loaded::load`].
pub fn read(found: &Found) -> Result<LuaProgram, CommandError> {
    let unreadable = |e: std::io::Error| unreadable("workflow file", &found.file, &e);
    let kind = std::fs::File::open(&found.file).and_then(|f| f.metadata()).map_err(unreadable)?.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        let message = format!("`{}` is a device, not a workflow file", found.file.display());
        return Err(CommandError::new(Exit::Invalid, message));
    }
    sloth_api::load(&found.file, found.workflow.as_deref(), &found.values)
        .map_err(|e| CommandError::from(e).in_file(&found.file))
}

impl Program for Loaded {
    fn workflow(&self) -> &Workflow {
        self.0.workflow()
    }
    fn execute(&mut self, conductor: &dyn Conductor) -> Result<(), ProgramError> {
        self.0.execute(conductor)
    }
}
