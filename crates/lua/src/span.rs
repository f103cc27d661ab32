//! Which texts were read, and which line of them is running.

use std::sync::Arc;

use mlua::Lua;
use sloth_core::digest::Digest;
use sloth_core::span::Span;

/// Name of the chunks that belong to this crate; their frames are never shown.
pub(crate) const OWN: &str = "=[sloth]";

/// One source text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As the user named it.
    pub(crate) name: Arc<str>,
    /// Its text.
    pub(crate) text: Arc<str>,
}

/// All source texts read so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub(crate) fn add(&mut self, name: &str, text: &str) -> Arc<str> {
        if let Some(known) = self.0.iter_mut().find(|s| &*s.name == name) {
            known.text = Arc::from(text);
            return known.name.clone();
        }
        let name: Arc<str> = Arc::from(name);
        self.0.push(Source { name: name.clone(), text: Arc::from(text) });
        name
    }
    /// Names and texts, in the order in which they were read.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|s| (&*s.name, &*s.text))
    }
    pub(crate) fn text(&self, name: &str) -> Option<Arc<str>> {
        self.0.iter().find(|s| &*s.name == name).map(|s| s.text.clone())
    }
    pub(crate) fn name(&self, name: &str) -> Option<Arc<str>> {
        self.0.iter().find(|s| &*s.name == name).map(|s| s.name.clone())
    }
    /// Line of a place, without its line break.
    pub(crate) fn line(&self, span: &Span) -> Option<String> {
        let text = self.text(&span.file)?;
        let index = usize::try_from(span.line).ok()?.checked_sub(1)?;
        text.lines().nth(index).map(str::to_owned)
    }
    /// Digest over all texts in the order in which they were read. Names are no part of it, because one file has many:
    /// what was planned as `site.sloth` is applied as `/srv/site.sloth`.
    pub(crate) fn digest(&self) -> String {
        self.0.iter().fold(Digest::ZERO, |digest, source| digest.link(source.text.as_bytes())).hex()
    }
    /// Splits `file:line: message` when the file is one of these.
    pub(crate) fn split<'a>(&self, message: &'a str) -> Option<(Span, &'a str)> {
        self.0.iter().find_map(|s| {
            let rest = message.strip_prefix(&*s.name)?.strip_prefix(':')?;
            let (line, rest) = rest.split_once(':')?;
            Some((Span { file: s.name.clone(), line: line.parse().ok()? }, rest.trim_start()))
        })
    }
    /// The first frame at or above `level` that belongs to a source text.
    pub(crate) fn here(&self, lua: &Lua, level: usize) -> Option<Span> {
        for level in level..level + 60 {
            let frame = lua.inspect_stack(level, |d| {
                let source = d.source();
                let source = source.source.as_deref().unwrap_or("");
                if source == OWN {
                    return None;
                }
                let file = self.name(source.strip_prefix('=')?)?;
                Some(Span { file, line: u32::try_from(d.current_line()?).ok()? })
            })?;
            if frame.is_some() {
                return frame;
            }
        }
        None
    }
    /// The line at or after `span` where `word` stands as a key, or `span` itself.
    pub(crate) fn find_key(&self, span: &Span, word: &str) -> Span {
        let Some(text) = self.text(&span.file) else { return span.clone() };
        let first = usize::try_from(span.line).unwrap_or(0).saturating_sub(1);
        for (index, line) in text.lines().enumerate().skip(first).take(60) {
            if let Some(at) = find_word(line, word) {
                let rest = line[at + word.len()..].trim_start_matches(['"', '\'', ']', ' ', '\t']);
                if rest.starts_with('=') || line[..at].ends_with(':') || line[..at].ends_with('.') {
                    return Span { file: span.file.clone(), line: u32::try_from(index + 1).unwrap_or(0) };
                }
            }
        }
        span.clone()
    }
}

/// Where `word` stands in `line` as a whole word.
pub(crate) fn find_word(line: &str, word: &str) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let edge = |at: usize| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let starts = word.chars().next();
        let ends = word.chars().next_back();
        !(part(before) && part(starts) || part(after) && part(ends))
    };
    line.match_indices(word).map(|(at, _)| at).find(|&at| edge(at))
}
