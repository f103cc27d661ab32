//! Templates: minijinja, where a name that is not defined is an error.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use sloth_core::kind::ArgError;
use sloth_core::value::{Map, Value};

/// Renders a template. `vars` win over `context`. Nothing is escaped; the newline at the end is kept; a line that holds
/// only a block tag leaves no empty line, except that a text whose template ends in a newline does so, too.
pub fn render(name: &str, source: &str, context: Value, vars: Option<&Value>) -> Result<String, ArgError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = minijinja::syntax::SyntaxConfig::builder()
        .keep_trailing_newline(true)
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|e| ArgError { param: None, message: e.to_string(), hint: None })?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    let mut all = match context {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    if let Some(Value::Object(vars)) = vars {
        all.extend(vars.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    let failed = |error: &minijinja::Error| {
        let place = match (error.name().unwrap_or(name), error.line()) {
            (file, Some(line)) => format!("{file}:{line}"),
            (file, None) => file.to_owned(),
        };
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        ArgError { param: None, message: format!("{place}: {detail}"), hint: None }
    };
    let template = environment.template_from_named_str(name, source).map_err(|e| failed(&e))?;
    let mut text = template.render(minijinja::value::Serde(&all)).map_err(|e| {
        let known = error_hint(&e);
        let mut error = failed(&e);
        error.hint = known;
        error
    })?;
    if source.ends_with('\n') && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn error_hint(error: &minijinja::Error) -> Option<String> {
    (error.kind() == minijinja::ErrorKind::UndefinedError)
        .then(|| "give it in `vars`, or allow for its absence with `| default(\"…\")`".to_owned())
}
