//! Schemas: what resource types there are, which operations make them, and which arguments those take.
//!
//! One description serves the run-time check, the Lua functions, the editor stubs and the reference.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::Blob;
use crate::observed::ProbeError;
use crate::value::Value;

/// Type of an argument or attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// Anything that is JSON.
    Any,
    /// True or false.
    Bool,
    /// Bytes; given as a string.
    Bytes,
    /// `30s`, `5m`, `1h`, or a number of seconds. Arrives as a number of seconds.
    Duration,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A function of the language; never crosses to a machine.
    Function,
    /// A whole number.
    Int,
    /// A list of strings; a single string is taken as a list of one.
    List,
    /// Names to values.
    Map,
    /// File mode: `"0644"`, `"u=rw,go=r"` or a number written in octal digits. Arrives as a four-digit octal string.
    Mode,
    /// A path on the target; must be absolute once `~` is expanded.
    Path,
    /// A file on the controller; relative to the workflow file.
    Source,
    /// Text; numbers are taken as their text.
    Text,
    /// Text, or a function of the language.
    TextOrFunction,
}

impl ParamType {
    /// The word for messages and references.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::Bool => "boolean".to_owned(),
            Self::Bytes | Self::Text => "string".to_owned(),
            Self::Duration => "duration".to_owned(),
            Self::Enum(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(" or "),
            Self::Function => "function".to_owned(),
            Self::Int => "integer".to_owned(),
            Self::List => "list of strings".to_owned(),
            Self::Map => "table".to_owned(),
            Self::Mode => "file mode".to_owned(),
            Self::Path => "absolute path".to_owned(),
            Self::Source => "path of a local file".to_owned(),
            Self::TextOrFunction => "string or function".to_owned(),
        }
    }
}

/// One argument of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Canonical name.
    pub name: &'static str,
    /// Other spellings real files use.
    pub aliases: &'static [&'static str],
    /// Type.
    pub ty: ParamType,
    /// Must be given.
    pub required: bool,
    /// Never shown.
    pub secret: bool,
    /// One sentence.
    pub doc: &'static str,
}

impl Param {
    /// An optional argument.
    #[must_use]
    pub const fn new(name: &'static str, ty: ParamType, doc: &'static str) -> Self {
        Self { name, aliases: &[], ty, required: false, secret: false, doc }
    }
    /// Must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    /// Never shown.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
    /// Other spellings.
    #[must_use]
    pub const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

/// One attribute of a state.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub ty: ParamType,
    /// Values are secret.
    pub secret: bool,
    /// Cannot change in place.
    pub fixed: bool,
    /// One sentence.
    pub doc: &'static str,
}

/// A resource type.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Name used in addresses.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Attributes of its state.
    pub attributes: &'static [Attribute],
    /// Can a machine be asked about it later without the program? False for types whose probe is a function.
    pub checkable: bool,
}

/// An operation: a function users call to wish for a resource.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Module, such as `file`.
    pub module: &'static str,
    /// Name, such as `copy`.
    pub name: &'static str,
    /// Other names of the same operation in the same module.
    pub aliases: &'static [&'static str],
    /// The resource type it makes.
    pub kind: &'static str,
    /// Arguments besides [`COMMON`].
    pub params: &'static [Param],
    /// Names of the arguments that may be given by position, in order.
    pub positional: &'static [&'static str],
    /// One sentence.
    pub doc: &'static str,
    /// A complete call.
    pub example: &'static str,
}

/// Arguments every resource call understands.
pub const COMMON: &[Param] = &[
    Param::new("delegate_to", ParamType::List, "Host, or list of hosts, the resource lives on"),
    Param::new("depends_on", ParamType::List, "Addresses of resources this one needs"),
    Param::new("ignore_errors", ParamType::Bool, "Return `nil, message` instead of raising when it fails"),
    Param::new("keep", ParamType::Bool, "Forget it instead of removing it when it leaves the code"),
    Param::new("notify", ParamType::List, "Handlers to run once at the end when this resource changed"),
    Param::new("protect", ParamType::Bool, "Refuse to delete it"),
    Param::new("sensitive", ParamType::Bool, "Never show its values"),
    Param::new("take_over", ParamType::Bool, "Take it over from the stack that owns it"),
    Param::new("when", ParamType::Bool, "Skip the call when false"),
];

/// A checked argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// A [`ParamType::Bytes`] argument.
    Bytes(Arc<[u8]>),
    /// A [`ParamType::Function`], as a handle only the language understands.
    Function(u64),
    /// Everything else, in the form [`ParamType`] promises.
    Value(Value),
}

/// Checked arguments by canonical name.
#[derive(Clone, Debug, Default)]
pub struct Args(pub BTreeMap<&'static str, Arg>);

impl Args {
    /// Was it given?
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    /// A value argument.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        match self.0.get(name) {
            Some(Arg::Value(v)) => Some(v),
            _ => None,
        }
    }
    /// A text argument.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(Value::as_str)
    }
    /// A boolean argument, false when missing.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or(false)
    }
    /// A bytes argument.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&Arc<[u8]>> {
        match self.0.get(name) {
            Some(Arg::Bytes(b)) => Some(b),
            _ => None,
        }
    }
}

/// Arguments that make no sense together, or that name something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ArgError {
    /// Which argument, when one is to blame.
    pub param: Option<String>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl ArgError {
    /// An error about one argument.
    #[must_use]
    pub fn about(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), message: message.into(), hint: None }
    }
    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What an operation reads on the controller while it turns arguments into a wish.
pub trait Sources {
    /// Bytes of a controller file; relative paths start at the workflow file's directory.
    ///
    /// # Errors
    /// Names the file and why it cannot be read.
    fn read(&self, path: &str) -> Result<Arc<[u8]>, ArgError>;
    /// Variables templates may use besides their own: `values`, `stack`, `host`, `facts` as far as known.
    fn template_context(&self) -> Value;
}

/// A wish without its address' host and without its options.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Id inside the type.
    pub id: String,
    /// The wish; contents are named by digest.
    pub spec: Value,
    /// Contents the spec names.
    pub blobs: Vec<Blob>,
}

/// All resource types and operations, and the way from arguments to a wish.
pub trait Catalog: Send + Sync {
    /// Types, by name.
    fn kinds(&self) -> &[Kind];
    /// Operations, by module and name.
    fn operations(&self) -> &[Operation];
    /// Turns checked arguments into a wish, or into several that are brought about together. `args` holds only names of
    /// [`Operation::params`], checked and converted.
    ///
    /// # Errors
    /// The arguments contradict each other or a source cannot be read.
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        sources: &dyn Sources,
    ) -> Result<Vec<Declared>, ArgError>;

    /// Can this wish and this state of a resource be read by its type? Looks at no machine.
    ///
    /// # Errors
    /// The type is not known, or one of them is not of this type.
    fn readable(&self, kind: &str, id: &str, spec: &Value, state: Option<&Value>) -> Result<(), ProbeError>;

    /// Finds a type.
    fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds().iter().find(|k| k.name == name)
    }
}
