//! Some lines of a text file, between two marker lines.
//!
//! The id is the file and its first marker: `/etc/hosts## BEGIN MANAGED BLOCK`. When the record goes, a block we put in
//! goes with its markers, and a block that was there before comes back where it was.

use serde::{Deserialize, Serialize};
use sloth_core::diff::Diff;
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;

use super::args;
use super::edit::{self, Loaded, Position, Store, Text};
use crate::os::Look;
use crate::resource::{Resource, Wish, Work};

/// The type `block`.
pub struct Block;

const BEGIN: &str = "# BEGIN MANAGED BLOCK";
const END: &str = "# END MANAGED BLOCK";

/// A wish for a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockSpec {
    /// The file.
    pub path: String,
    /// The lines, without a newline at the end.
    pub block: String,
    /// The line before them.
    pub begin: String,
    /// The line after them; made from `begin` when it is not known.
    pub end: String,
    /// Shall it be there?
    #[serde(default = "super::yes", skip_serializing_if = "super::is_yes")]
    pub present: bool,
    /// Where it goes when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Make the file when it is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Keep the file as it was under another name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// Command with `%s` that must accept the new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

/// A block that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockState {
    /// The file.
    pub path: String,
    /// The lines.
    pub block: String,
    /// Its last marker.
    pub end: String,
    /// Line number of its first marker, counted from 1.
    pub at: usize,
    /// Was the file made for it? Then it goes with it, when nothing else is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
}

const KIND: Kind = Kind {
    name: "block",
    doc: "Some lines of a text file, between two markers",
    attributes: &[
        Attribute { name: "at", ty: ParamType::Int, secret: false, fixed: false, doc: "Line number" },
        Attribute { name: "block", ty: ParamType::Text, secret: false, fixed: false, doc: "The lines" },
        Attribute { name: "end", ty: ParamType::Text, secret: false, fixed: false, doc: "Last marker" },
        edit::MADE,
        Attribute { name: "path", ty: ParamType::Path, secret: false, fixed: true, doc: "The file" },
    ],
    checkable: true,
};

const OPERATIONS: &[Operation] = &[Operation {
    module: "file",
    name: "blockinfile",
    aliases: &["block", "block_in_file"],
    kind: "block",
    params: &[
        args::BACKUP,
        Param::new("block", ParamType::Text, "The lines").or(&["content", "text"]),
        edit::CREATE,
        edit::FIRST_MATCH,
        edit::INSERT_AFTER,
        edit::INSERT_BEFORE,
        Param::new(
            "marker",
            ParamType::Text,
            "Both lines around them in one, with `{mark}` where `BEGIN` and `END` go",
        ),
        Param::new(
            "marker_begin",
            ParamType::Text,
            "The line before them, or the word for it in `marker`; one file can have several blocks",
        ),
        Param::new("marker_end", ParamType::Text, "The line after them, or the word for it in `marker`"),
        args::PATH,
        edit::STATE,
        args::VALIDATE,
    ],
    positional: &["path", "block"],
    doc: "Makes sure that some lines are, or are not, in a file, between two markers",
    example: "file.blockinfile{path = \"/etc/hosts\", block = \"10.0.0.1 db\\n10.0.0.2 web\"}",
}];

/// `BEGIN` turned into `END`, for markers of which only the first is known.
fn end_of(begin: &str) -> String {
    begin.replacen("BEGIN", "END", 1)
}

/// Indices of the two markers.
fn find(path: &str, text: &Text, begin: &str, end: &str) -> Result<Option<(usize, usize)>, ProbeError> {
    let Some(first) = text.lines.iter().position(|l| l == begin.as_bytes()) else { return Ok(None) };
    match text.lines[first + 1..].iter().position(|l| l == end.as_bytes()) {
        Some(length) => Ok(Some((first, first + 1 + length))),
        None => Err(ProbeError::new(
            format!("the block in `{path}`"),
            format!("line {} is `{begin}`, but no line below it is `{end}`", first + 1),
        )),
    }
}

/// The last marker. A wish for absence that was made from an id does not know one that was chosen freely.
fn last<'a>(spec: &'a BlockSpec, left: Option<&'a BlockState>) -> &'a str {
    match left {
        Some(left) if !spec.present && spec.end == spec.begin => &left.end,
        _ => &spec.end,
    }
}

fn seen(
    loaded: Option<&Loaded>,
    path: &str,
    begin: &str,
    end: &str,
) -> Result<Option<BlockState>, ProbeError> {
    let Some(loaded) = loaded else { return Ok(None) };
    let Some((first, last)) = find(path, &loaded.text, begin, end)? else { return Ok(None) };
    let block = edit::shown(path, &loaded.text.lines[first + 1..last].join(&b"\n"[..]))?;
    Ok(Some(BlockState { path: path.to_owned(), block, end: end.to_owned(), at: first + 1, made: false }))
}

fn edited(text: &Text, spec: &BlockSpec) -> Result<Text, ProbeError> {
    let mut text = text.clone();
    let mut at = None;
    if let Some((first, last)) = find(&spec.path, &text, &spec.begin, &spec.end)? {
        text.lines.drain(first..=last);
        at = Some(first);
    }
    if spec.present {
        let at = match at {
            Some(at) => at,
            None => text.index(spec.position.as_ref().unwrap_or(&Position::default()))?,
        };
        let inner = spec.block.split('\n').filter(|_| !spec.block.is_empty());
        let lines =
            std::iter::once(spec.begin.as_str()).chain(inner).chain(std::iter::once(spec.end.as_str()));
        text.lines.splice(at..at, lines.map(|l| l.as_bytes().to_vec()));
    }
    Ok(text)
}

impl Resource for Block {
    type Spec = BlockSpec;
    type State = BlockState;
    const REMEMBERS: bool = true;

    fn path(id: &str) -> Option<&str> {
        edit::path_of(id)
    }

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(&self, _: &Operation, args: &Args, _: &dyn Sources) -> Result<Vec<Wish<BlockSpec>>, ArgError> {
        let path = edit::path(args, "marker")?;
        let given = (args.text("marker_begin"), args.text("marker_end"));
        let (begin, end) = match (args.text("marker"), given) {
            (Some(marker), _) if !marker.contains("{mark}") => {
                return Err(ArgError::about("marker", "`marker` has no `{mark}` in it")
                    .hint("write for example `# {mark} app settings`"));
            }
            (Some(marker), (begin, end)) => (
                marker.replace("{mark}", begin.unwrap_or("BEGIN")),
                marker.replace("{mark}", end.unwrap_or("END")),
            ),
            (None, (None, None)) => (BEGIN.to_owned(), END.to_owned()),
            (None, (begin, Some(end))) => (begin.unwrap_or(BEGIN).to_owned(), end.to_owned()),
            (None, (Some(begin), None)) => (begin.to_owned(), end_of(begin)),
        };
        for (param, marker) in [("marker_begin", &begin), ("marker_end", &end)] {
            if marker.is_empty() || marker.contains('\n') {
                return Err(ArgError::about(param, format!("`{param}` is not one line")));
            }
        }
        if begin == end {
            return Err(ArgError::about("marker_end", "both markers are the same line")
                .hint("give `marker_end`, or a `marker_begin` with `BEGIN` in it"));
        }
        let present = args.text("state") != Some("absent");
        let block = match args.text("block") {
            Some(block) => block.strip_suffix('\n').unwrap_or(block).to_owned(),
            None if !present => String::new(),
            None => return Err(ArgError::about("block", "`block` is missing")),
        };
        if block.split('\n').any(|line| line == begin || line == end) {
            return Err(ArgError::about("block", "`block` has a marker in it"));
        }
        let id = format!("{path}#{begin}");
        let spec = BlockSpec {
            path,
            block,
            begin,
            end,
            present,
            position: Position::from_args(args)?,
            create: args.flag("create"),
            backup: args.flag("backup"),
            validate: args.text("validate").map(str::to_owned),
        };
        Ok(vec![Wish { id, spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&BlockSpec>,
        recorded: Option<&BlockState>,
    ) -> Result<Option<BlockState>, ProbeError> {
        let made = recorded.is_some_and(|r| r.made);
        let as_made = |state: Option<BlockState>| state.map(|state| BlockState { made, ..state });
        if let Some(spec) = spec {
            let loaded = edit::load(os, &spec.path)?;
            return seen(loaded.as_ref(), &spec.path, &spec.begin, last(spec, recorded)).map(as_made);
        }
        let (path, begin) = id.split_once('#').unwrap_or((id, BEGIN));
        let end = recorded.map_or_else(|| end_of(begin), |r| r.end.clone());
        seen(edit::load(os, path)?.as_ref(), path, begin, &end).map(as_made)
    }
    fn managed(&self, spec: &BlockSpec) -> Vec<&'static str> {
        if spec.present { vec!["block"] } else { Vec::new() }
    }
    fn diff(&self, spec: &BlockSpec, live: Option<&BlockState>) -> Diff {
        edit::difference("block", spec.present, &spec.block, live.map(|l| l.block.as_str()))
    }
    fn explain(&self, os: &dyn Look, _: &str, spec: &BlockSpec, _: &[Blob], diff: &mut Diff) {
        edit::explain(os, &spec.path, diff, |text| edited(text, spec));
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &BlockSpec,
        live: Option<&BlockState>,
    ) -> Result<Option<BlockState>, ApplyError> {
        let loaded = edit::load(work.os, &spec.path)?;
        let made = live.is_some_and(|l| l.made);
        let spec = &BlockSpec { end: last(spec, live).to_owned(), ..spec.clone() };
        let now = seen(loaded.as_ref(), &spec.path, &spec.begin, &spec.end)?;
        if now.map(|now| BlockState { made, ..now }).as_ref() != live {
            return Err(ApplyError::Moved(format!("`{id}`")));
        }
        if !spec.present && loaded.is_none() {
            return Ok(None);
        }
        let how =
            Store { create: spec.create, backup: spec.backup, validate: spec.validate.as_deref(), made };
        let after = edit::change(work, &spec.path, loaded.as_ref(), &how, |text| edited(text, spec))?;
        let at = find(&spec.path, &after, &spec.begin, &spec.end)?.map(|(first, _)| first + 1);
        Ok(at.map(|at| BlockState {
            path: spec.path.clone(),
            block: spec.block.clone(),
            end: spec.end.clone(),
            at,
            made: made || loaded.is_none(),
        }))
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&BlockState>,
    ) -> Result<Option<BlockState>, ApplyError> {
        let Some(live) = live else { return Ok(None) };
        let Some(loaded) = edit::load(work.os, &live.path)? else { return Ok(None) };
        let begin = id.split_once('#').map_or(BEGIN, |(_, begin)| begin);
        let Some((first, last)) = find(&live.path, &loaded.text, begin, &live.end)? else { return Ok(None) };
        let without = |text: &Text| {
            let mut text = text.clone();
            text.lines.drain(first..=last);
            Ok(text)
        };
        let how = Store { made: live.made, ..Store::default() };
        edit::change(work, &live.path, Some(&loaded), &how, without)?;
        Ok(None)
    }
    fn wish_for(&self, id: &str, state: Option<&BlockState>) -> (BlockSpec, Vec<Digest>) {
        let (path, begin) = id.split_once('#').unwrap_or((id, BEGIN));
        let spec = BlockSpec {
            path: path.to_owned(),
            block: state.map(|s| s.block.clone()).unwrap_or_default(),
            begin: begin.to_owned(),
            end: state.map_or_else(|| end_of(begin), |s| s.end.clone()),
            present: state.is_some(),
            position: state.map(|s| Position { at: Some(s.at), ..Position::default() }),
            create: state.is_some(),
            backup: false,
            validate: None,
        };
        (spec, Vec::new())
    }
}
