//! The only code that prints. Data goes to standard output, talk to standard error.
//!
//! A reader that went away (`EPIPE`) ends the printing and nothing else: what the command does and how it ends does not
//! depend on who listens.

pub mod diff;
pub mod escape;
pub mod page;
pub mod progress;
pub mod prompt;
pub mod table;
pub mod theme;
pub mod words;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;

use serde::Serialize;

pub use page::{Human, Page};
pub use theme::Theme;

/// How data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    #[value(alias = "basic", alias = "enhanced", alias = "modern", alias = "rich", alias = "text")]
    Table,
    /// For programs
    Json,
    /// For both
    Yaml,
}

/// Bytes that are written at once.
const CHUNK: usize = 64 * 1024;

/// Version of everything that is printed as JSON or YAML.
pub const FORMAT: &str = "sloth-runner/1";

/// A document: the view with the format's name in front.
#[derive(Serialize)]
struct Document<'a, T> {
    format: &'static str,
    #[serde(flatten)]
    view: &'a T,
}

/// Text on its way to standard output, in pieces.
struct Chunks<'o> {
    out: &'o Out,
    text: Vec<u8>,
}

impl Chunks<'_> {
    fn pass_on(&mut self) {
        self.out.bytes(&self.text);
        self.text.clear();
    }
}

impl io::Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > CHUNK {
            self.pass_on();
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output and standard error, and how to use them.
#[derive(Debug)]
pub struct Out {
    /// How data is written.
    pub format: Format,
    /// Drop talk except errors.
    pub quiet: bool,
    /// More talk.
    pub verbose: bool,
    /// Colours of standard output.
    pub theme: Theme,
    /// Colours of standard error.
    pub talk_theme: Theme,
    failure: Mutex<Option<io::ErrorKind>>,
}

impl Out {
    /// Looks at the terminal once.
    pub fn new(format: Format, quiet: bool, verbose: bool, no_color: bool) -> Self {
        let plain = no_color
            || crate::env::get(crate::env::NO_COLOR).is_some()
            || crate::env::text(crate::env::TERM).as_deref() == Some("dumb");
        let theme = |is_terminal: bool| Theme { colored: is_terminal && !plain };
        Self {
            format,
            quiet,
            verbose,
            theme: theme(io::stdout().is_terminal() && format == Format::Table),
            talk_theme: theme(io::stderr().is_terminal()),
            failure: Mutex::new(None),
        }
    }

    /// Writes raw data.
    pub fn data(&self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes raw data that need not be text.
    pub fn bytes(&self, bytes: &[u8]) {
        let mut failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if failure.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            *failure = Some(error.kind());
        }
    }

    /// Shows one thing: as a page for people, or as a document with the format's name.
    pub fn show<T: Human + Serialize>(&self, view: &T) {
        match self.format {
            Format::Table => self.page(view),
            _ => self.serialised(&Document { format: FORMAT, view }),
        }
    }

    /// Shows a list: as a page for people, or as an array.
    pub fn list<T: Human, E: Serialize>(&self, page: &T, entries: &[E]) {
        match self.format {
            Format::Table => self.page(page),
            _ => self.serialised(&entries),
        }
    }

    /// Shows one value that has no name: as a page for people, or as it is.
    pub fn bare<T: Human, E: Serialize>(&self, page: &T, value: &E) {
        match self.format {
            Format::Table => self.page(page),
            _ => self.serialised(value),
        }
    }

    /// Writes a list for programs while it is made. What was written stays when making it fails.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn list_each<E: Serialize, F>(
        &self,
        make: impl FnOnce(&mut dyn FnMut(E)) -> Result<(), F>,
    ) -> Result<(), F> {
        if self.format == Format::Yaml {
            let mut all = Vec::new();
            make(&mut |item| all.push(item))?;
            self.serialised(&all);
            return Ok(());
        }
        let mut pretty = serde_json::Serializer::pretty(Chunks { out: self, text: Vec::new() });
        let mut told = Ok(());
        let made = match serde::Serializer::serialize_seq(&mut pretty, None) {
            Ok(mut list) => {
                let made = make(&mut |item| {
                    if told.is_ok() {
                        told = serde::ser::SerializeSeq::serialize_element(&mut list, &item);
                    }
                });
                if made.is_ok() && told.is_ok() {
                    told = serde::ser::SerializeSeq::end(list);
                }
                made
            }
            Err(error) => {
                told = Err(error);
                Ok(())
            }
        };
        let mut chunks = pretty.into_inner();
        let _ = chunks.write_all(b"\n");
        chunks.pass_on();
        if let Err(why) = told {
            self.warn(&format!("the result could not be written: {why}"));
        }
        made
    }

    /// One line of JSON, for streams.
    pub fn json_line<T: Serialize>(&self, value: &T) {
        if let Ok(text) = serde_json::to_string(value) {
            self.data(&(text + "\n"));
        }
    }

    /// One entry of a stream: a line for people, a line of JSON, or a document of YAML.
    pub fn stream<T: Serialize + std::fmt::Display>(&self, entry: &T) {
        match self.format {
            Format::Table => self.data(&format!("{}\n", escape::line(&entry.to_string()))),
            Format::Json => self.json_line(entry),
            Format::Yaml => {
                self.data("---\n");
                self.serialised(entry);
            }
        }
    }

    /// Can nothing be written any more?
    pub fn closed(&self) -> bool {
        self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some()
    }

    /// Is standard output a terminal?
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Is it for people?
    pub fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Is a stream of JSON lines wanted?
    pub fn streams(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints for people, whatever the format.
    pub fn page<T: Human>(&self, view: &T) {
        let mut page = Page::new(self.theme);
        view.human(&mut page);
        self.data(&page.into_text());
    }

    fn serialised<T: Serialize>(&self, value: &T) {
        let text = match self.format {
            Format::Yaml => serde_saphyr::to_string(value).map_err(|e| e.to_string()),
            _ => serde_json::to_string_pretty(value).map(|t| t + "\n").map_err(|e| e.to_string()),
        };
        match text {
            Ok(text) => self.data(&text),
            Err(why) => self.warn(&format!("the result could not be written: {why}")),
        }
    }

    /// Talk: one line, escaped, dropped with `-q`.
    pub fn talk(&self, text: &str) {
        self.say(&escape::line(text));
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            self.stderr(&format!("{text}\n"));
        }
    }

    /// Shows something on standard error, for people.
    pub fn talk_page<T: Human>(&self, view: &T) {
        let mut page = Page::new(self.talk_theme);
        view.human(&mut page);
        self.stderr(&page.into_text());
    }

    /// A warning: dropped with `-q`.
    pub fn warn(&self, text: &str) {
        self.say(&format!("{} {}", self.talk_theme.warning("warning:"), escape::line(text)));
    }

    /// Writes to standard error; nobody listening is fine.
    pub fn stderr(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Why data could not be written, when it was not the reader who went away.
    pub fn failed(&self) -> Option<io::ErrorKind> {
        let failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failure.filter(|kind| *kind != io::ErrorKind::BrokenPipe)
    }
}
