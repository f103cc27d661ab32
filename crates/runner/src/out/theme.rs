//! Colours. They never mean anything alone: a word or a sign beside them says the same.

use anstyle::{AnsiColor, Style};
use sloth_core::change::Action;

/// Colours on or off.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Whether colours are used.
    pub colored: bool,
}

impl Theme {
    fn paint(self, style: Style, text: &str) -> String {
        if self.colored { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
    /// Something to look at.
    pub fn strong(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }
    /// Something less important.
    pub fn faint(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }
    /// Something good or new.
    pub fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }
    /// Something that changes.
    pub fn warning(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }
    /// Something bad or going away.
    pub fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default(), text)
    }
    /// A line of a unified diff, by its first character.
    pub fn diff_line(self, line: &str) -> String {
        match line.as_bytes().first() {
            Some(b'+') => self.good(line),
            Some(b'-') => self.bad(line),
            Some(b'@') => self.faint(line),
            _ => line.to_owned(),
        }
    }
    /// Sign and word of an action.
    pub fn action(self, action: Action) -> String {
        let text = format!("{} {action}", sign(action));
        match action {
            Action::Create => self.good(&text),
            Action::Delete | Action::Blocked => self.bad(&text),
            Action::Replace | Action::Restore | Action::Update => self.warning(&text),
            Action::Adopt | Action::Forget | Action::Noop | Action::Refresh => self.faint(&text),
        }
    }
}

/// The sign of an action.
pub const fn sign(action: Action) -> &'static str {
    match action {
        Action::Create => "+",
        Action::Delete => "-",
        Action::Update => "~",
        Action::Replace => "±",
        Action::Restore => "<",
        Action::Adopt | Action::Refresh => "=",
        Action::Forget => "x",
        Action::Noop => " ",
        Action::Blocked => "!",
    }
}
