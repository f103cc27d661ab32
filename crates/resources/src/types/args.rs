//! Arguments that several types have.

use std::collections::BTreeSet;

use sloth_core::kind::{ArgError, Args, Attribute, Param, ParamType};

use crate::facts::accounts::is_name;

pub(super) const PATH: Param = Param::new("path", ParamType::Path, "Where, on the target").required().or(&[
    "dest",
    "destination",
    "dst",
    "file",
    "name",
]);
pub(super) const BACKUP: Param =
    Param::new("backup", ParamType::Bool, "Keep the file that is replaced beside the new one");
pub(super) const VALIDATE: Param = Param::new(
    "validate",
    ParamType::Text,
    "Command that must accept the new file before it goes live; `%s` stands for its path",
);

/// An argument that is an absolute path, without `.`, repeated or trailing slashes.
///
/// # Errors
/// It is missing, relative, or has `..` in it.
pub fn absolute(args: &Args, param: &str) -> Result<String, ArgError> {
    let text = args.text(param).ok_or_else(|| ArgError::about(param, format!("`{param}` is missing")))?;
    if !text.starts_with('/') {
        return Err(ArgError::about(param, format!("`{text}` is not an absolute path")));
    }
    if text.contains('\0') {
        return Err(ArgError::about(param, format!("`{param}` has a zero byte in it")));
    }
    let mut path = String::with_capacity(text.len());
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            return Err(
                ArgError::about(param, format!("`{text}` has `..` in it")).hint("write the path it leads to")
            );
        }
        path.push('/');
        path.push_str(part);
    }
    if path.is_empty() {
        return Err(ArgError::about(param, "`/` cannot be managed"));
    }
    Ok(path)
}

/// An attribute that is not secret and can change in place.
pub(super) const fn attribute(name: &'static str, ty: ParamType, doc: &'static str) -> Attribute {
    Attribute { name, ty, secret: false, fixed: false, doc }
}

/// An argument that is the name of a user or group.
///
/// # Errors
/// It is missing, or nothing can be called so.
pub fn account(args: &Args, param: &str) -> Result<String, ArgError> {
    let name = args.text(param).ok_or_else(|| ArgError::about(param, format!("`{param}` is missing")))?;
    if !is_name(name) {
        return Err(ArgError::about(param, format!("`{name}` is not a name for a user or group"))
            .hint("letters, digits, `_`, `-` and `.`, a letter or `_` first, at most 32 characters"));
    }
    Ok(name.to_owned())
}

/// An argument that is a list of names of users or groups.
///
/// # Errors
/// Nothing can be called like one of them.
pub fn names(args: &Args, param: &str) -> Result<Option<BTreeSet<String>>, ArgError> {
    let Some(list) = args.value(param).and_then(sloth_core::value::Value::as_array) else { return Ok(None) };
    let names: BTreeSet<String> =
        list.iter().filter_map(|name| name.as_str()).map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !is_name(name)) {
        Some(bad) => Err(ArgError::about(param, format!("`{bad}` is not a name for a user or group"))),
        None => Ok(Some(names)),
    }
}

/// An argument that is the number of a user or group; digits in a string are taken, too.
///
/// # Errors
/// It is not such a number.
pub fn number(args: &Args, param: &str) -> Result<Option<u32>, ArgError> {
    let Some(text) = args.text(param) else { return Ok(None) };
    // The highest ones mean «no change» to some system calls.
    match text.trim().parse::<u32>() {
        Ok(number) if number < u32::MAX - 1 => Ok(Some(number)),
        _ => Err(ArgError::about(param, format!("`{text}` is not the number of a user or group"))),
    }
}
