//! From arguments to a wish for a path.

use std::sync::Arc;

use sloth_core::digest::Blob;
use sloth_core::kind::{Arg, ArgError, Args, Operation, Param, ParamType, Sources};
use sloth_core::value::Value;

use super::super::args::{BACKUP, PATH, VALIDATE, absolute};
use super::wish::{FileSpec, Mode, Wanted};
use crate::resource::Wish;
use crate::template;

const CONTENT: Param =
    Param::new("content", ParamType::Bytes, "What is in it").or(&["contents", "data", "text"]);
const CREATE_PARENTS: Param =
    Param::new("create_parents", ParamType::Bool, "Make directories that are missing on the way").or(&[
        "create_dirs",
        "make_parents",
        "makedirs",
        "parents",
    ]);
const FOLLOW: Param = Param::new("follow", ParamType::Bool, "When a link is there, manage what it points to");
const FORCE: Param =
    Param::new("force", ParamType::Bool, "Remove a directory that is in the way with everything in it");
const GROUP: Param = Param::new("group", ParamType::Text, "Group, by name or number");
const IN_PLACE: Param = Param::new(
    "in_place",
    ParamType::Bool,
    "Write into the file instead of replacing it, which readers can see half done; for hard links and mount points",
);
const MODE: Param = Param::new("mode", ParamType::Mode, "Permissions").or(&["permissions", "perms"]);
const OWNER: Param = Param::new("owner", ParamType::Text, "Owner, by name or number").or(&["user"]);
const SOURCE: Param = Param::new("src", ParamType::Source, "File on the controller").or(&["from", "source"]);
const TARGET: Param = Param::new("target", ParamType::Text, "What the link points to")
    .required()
    .or(&["from", "source", "src", "to"]);
const fn operation(
    name: &'static str,
    aliases: &'static [&'static str],
    params: &'static [Param],
    positional: &'static [&'static str],
    doc: &'static str,
    example: &'static str,
) -> Operation {
    Operation { module: "file", name, aliases, kind: "file", params, positional, doc, example }
}

pub(super) const OPERATIONS: &[Operation] = &[
    operation(
        "absent",
        &["delete", "remove"],
        &[
            Param::new("force", ParamType::Bool, "Remove a directory with everything in it")
                .or(&["recurse", "recursive"]),
            PATH,
        ],
        &["path"],
        "Makes sure that nothing is at a path",
        "file.absent(\"/etc/motd.old\")",
    ),
    operation(
        "content",
        &["create", "write"],
        &[
            BACKUP,
            CONTENT.required(),
            CREATE_PARENTS,
            FOLLOW,
            FORCE,
            GROUP,
            IN_PLACE,
            MODE,
            OWNER,
            PATH,
            VALIDATE,
        ],
        &["path", "content"],
        "Makes sure that a file has this content",
        "file.content{path = \"/etc/motd\", content = \"hello\\n\", mode = \"0644\"}",
    ),
    operation(
        "copy",
        &[],
        &[
            BACKUP,
            CONTENT,
            CREATE_PARENTS,
            FOLLOW,
            FORCE,
            GROUP,
            IN_PLACE,
            MODE,
            OWNER,
            PATH,
            SOURCE,
            VALIDATE,
        ],
        &["src", "path"],
        "Makes sure that a file on the target is like one on the controller",
        "file.copy{src = \"files/nginx.conf\", dest = \"/etc/nginx/nginx.conf\", mode = \"0644\"}",
    ),
    operation(
        "directory",
        &["dir", "ensure_dir", "mkdir"],
        &[CREATE_PARENTS, FOLLOW, FORCE, GROUP, MODE, OWNER, PATH],
        &["path"],
        "Makes sure that a directory is there",
        "file.directory{path = \"/srv/app\", owner = \"deploy\", mode = \"0750\"}",
    ),
    operation(
        "symlink",
        &["link"],
        &[
            CREATE_PARENTS,
            FORCE,
            GROUP,
            OWNER,
            Param::new("path", ParamType::Path, "Where the link is, on the target").required().or(&[
                "dest",
                "destination",
                "dst",
                "link",
                "name",
            ]),
            TARGET,
        ],
        &["path", "target"],
        "Makes sure that a symbolic link is there",
        "file.symlink{path = \"/srv/app/current\", target = \"releases/42\"}",
    ),
    operation(
        "template",
        &[],
        &[
            BACKUP,
            CONTENT,
            CREATE_PARENTS,
            FOLLOW,
            FORCE,
            GROUP,
            IN_PLACE,
            MODE,
            OWNER,
            PATH,
            SOURCE,
            VALIDATE,
            Param::new("vars", ParamType::Map, "Variables of the template").or(&["context", "variables"]),
        ],
        &["src", "path"],
        "Makes sure that a file has the content a template makes",
        "file.template{src = \"files/app.conf.j2\", dest = \"/etc/app.conf\", vars = {port = 8080}}",
    ),
    operation(
        "touch",
        &[],
        &[CREATE_PARENTS, FOLLOW, FORCE, GROUP, MODE, OWNER, PATH],
        &["path"],
        "Makes sure that a file is there, whatever is in it",
        "file.touch{path = \"/var/log/app.log\", owner = \"app\"}",
    ),
];

/// The bytes of an argument.
#[must_use]
pub fn bytes_of(args: &Args, param: &str) -> Option<Arc<[u8]>> {
    match args.0.get(param) {
        Some(Arg::Bytes(bytes)) => Some(Arc::clone(bytes)),
        Some(Arg::Value(Value::String(text))) => Some(Arc::from(text.as_bytes())),
        _ => None,
    }
}

/// Either `content` or what is in `src`, and a name for messages.
fn given(args: &Args, sources: &dyn Sources) -> Result<(Arc<[u8]>, String), ArgError> {
    match (bytes_of(args, "content"), args.text("src")) {
        (Some(_), Some(_)) => Err(ArgError::about("content", "`content` and `src` cannot be given together")),
        (Some(bytes), None) => Ok((bytes, "content".to_owned())),
        (None, Some(src)) => Ok((sources.read(src)?, src.to_owned())),
        (None, None) => Err(ArgError::about("src", "`src` is missing").hint("give `src` or `content`")),
    }
}

pub(super) fn declare(
    operation: &Operation,
    args: &Args,
    sources: &dyn Sources,
) -> Result<Vec<Wish<FileSpec>>, ArgError> {
    let id = absolute(args, "path")?;
    let name = |param: &str| args.text(param).filter(|t| !t.is_empty()).map(Arc::from);
    let mode = match args.text("mode") {
        None => None,
        Some(text) => Some(Mode::parse(text).ok_or_else(|| {
            ArgError::about("mode", format!("`{text}` is not a file mode")).hint("write `\"0644\"`")
        })?),
    };
    let mut spec = FileSpec {
        kind: match operation.name {
            "absent" => Wanted::Absent,
            "directory" => Wanted::Directory,
            "symlink" => Wanted::Link,
            _ => Wanted::File,
        },
        mode,
        owner: name("owner"),
        group: name("group"),
        target: args.text("target").map(str::to_owned),
        validate: args.text("validate").map(str::to_owned),
        force: args.flag("force"),
        backup: args.flag("backup"),
        create_parents: args.flag("create_parents"),
        follow: args.flag("follow"),
        in_place: args.flag("in_place"),
        ..FileSpec::default()
    };
    if spec.validate.as_ref().is_some_and(|line| !line.contains("%s")) {
        return Err(ArgError::about("validate", "`validate` has no `%s` for the path of the new file")
            .hint("write for example `visudo -cf %s`"));
    }
    if spec.validate.is_some() && spec.in_place {
        return Err(ArgError::about("in_place", "`validate` and `in_place` cannot be had together"));
    }
    if spec.target.as_ref().is_some_and(|t| t.is_empty() || t.contains('\0')) {
        return Err(ArgError::about("target", "`target` is empty or has a zero byte in it"));
    }
    let content: Option<Arc<[u8]>> = match operation.name {
        "content" | "copy" => Some(given(args, sources)?.0),
        "template" => {
            let (source, name) = given(args, sources)?;
            let text = std::str::from_utf8(&source)
                .map_err(|_| ArgError::about("src", format!("`{name}` is not UTF-8")))?;
            let text = template::render(&name, text, sources.template_context(), args.value("vars"))?;
            Some(Arc::from(text.into_bytes()))
        }
        _ => None,
    };
    let blobs: Vec<Blob> = content.map(Blob::new).into_iter().collect();
    spec.content = blobs.first().map(Blob::digest);
    Ok(vec![Wish { id, spec, blobs }])
}
