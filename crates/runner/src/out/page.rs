//! What people read: lines, fields, sections and tables, collected and written at once.

use super::escape;
use super::table::Table;
use super::theme::Theme;

/// Something that can be shown to people.
pub trait Human {
    /// Writes it.
    fn human(&self, page: &mut Page);
}

/// A page being written.
#[derive(Debug)]
pub struct Page {
    /// Colours.
    pub theme: Theme,
    text: String,
}

impl Page {
    /// An empty page.
    pub const fn new(theme: Theme) -> Self {
        Self { theme, text: String::new() }
    }
    /// One line that was made here and may hold colours.
    pub fn raw(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
    /// One line; it is escaped.
    pub fn line(&mut self, line: &str) {
        let line = escape::line(line).into_owned();
        self.raw(&line);
    }
    /// An empty line, unless the page is empty.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
    /// A heading with an empty line before it.
    pub fn heading(&mut self, text: &str) {
        self.gap();
        let text = self.theme.strong(&escape::line(text));
        self.raw(&text);
    }
    /// Several lines, each indented; text is escaped.
    pub fn block(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let line = format!("{}{}", " ".repeat(indent), escape::lines(line));
            self.raw(line.trim_end());
        }
    }
    /// `Name:   value` lines with the values lined up.
    pub fn fields(&mut self, indent: usize, fields: &[(&str, String)]) {
        let width = fields.iter().map(|(name, _)| escape::width(name)).max().unwrap_or(0) + 1;
        for (name, value) in fields {
            let pad = " ".repeat(width.saturating_sub(escape::width(name) + 1));
            let line = format!("{}{name}:{pad} {}", " ".repeat(indent), escape::line(value));
            self.raw(line.trim_end());
        }
    }
    /// A table.
    pub fn table(&mut self, table: &Table) {
        let head = self.theme.strong(&table.head());
        self.raw(&head);
        table.body(&mut self.text);
    }
    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }
}
