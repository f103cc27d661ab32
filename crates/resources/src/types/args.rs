//! Arguments that several types have.

use sloth_core::kind::{ArgError, Args, Param, ParamType};

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
