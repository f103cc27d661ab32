//! What went wrong, where, and how it is shown.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use sloth_core::span::Span;

use crate::span::{Sources, find_word};

/// One problem in a source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub span: Option<Span>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// One thing to do about it.
    pub hint: Option<String>,
    /// The word in the line that is to blame.
    pub word: Option<String>,
}

impl Diagnostic {
    /// A problem without a place.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), hint: None, word: None }
    }
    /// Adds the place.
    #[must_use]
    pub fn at(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }
    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Names the word to mark.
    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.word = Some(word.into());
        self
    }

    /// Message, place, the line itself with a mark, and the hint.
    pub(crate) fn render(&self, sources: &Sources, colour: bool) -> String {
        let place = self.span.as_ref().and_then(|s| Some((s, sources.line(s)?)));
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = match &place {
            Some((span, line)) => {
                let shown: String =
                    line.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
                let mark = self.mark(&shown);
                let first = usize::try_from(span.line).unwrap_or(1);
                let report = [Level::ERROR.primary_title(self.message.as_str()).element(
                    Snippet::source(shown.as_str())
                        .line_start(first)
                        .path(&*span.file)
                        .annotation(AnnotationKind::Primary.span(mark)),
                )];
                renderer.render(&report)
            }
            None => {
                let title = match &self.span {
                    Some(span) => format!("{span}: {}", self.message),
                    None => self.message.clone(),
                };
                renderer.render(&[annotate_snippets::Group::with_title(
                    Level::ERROR.primary_title(title.as_str()),
                )])
            }
        };
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }

    /// Like [`Diagnostic::render`] without colour and without the leading `error:`, for use inside other messages.
    pub(crate) fn body(&self, sources: &Sources) -> String {
        let text = self.render(sources, false);
        text.strip_prefix("error: ").map_or_else(|| text.clone(), str::to_owned)
    }

    fn mark(&self, line: &str) -> std::ops::Range<usize> {
        if let Some(word) = &self.word
            && let Some(at) = find_word(line, word)
        {
            return at..at + word.len();
        }
        let start = line.len() - line.trim_start().len();
        let end = line.trim_end().len();
        start.min(end)..end.max(start)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{span}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A file that cannot be loaded. `Display` is one line with place and message.
#[derive(Clone, Debug)]
pub struct LoadError {
    diagnostic: Box<Diagnostic>,
    sources: Sources,
}

impl LoadError {
    pub(crate) fn new(diagnostic: Diagnostic, sources: &Sources) -> Self {
        Self { diagnostic: Box::new(diagnostic), sources: sources.clone() }
    }
    /// The problem.
    #[must_use]
    pub const fn diagnostic(&self) -> &Diagnostic {
        &self.diagnostic
    }
    /// Message, place, the line with a mark, and the hint; starts with `error: `.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        self.diagnostic.render(&self.sources, colour)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for LoadError {}
