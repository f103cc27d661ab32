//! What the Go program had and this one does not: named when it is called, and found in a text before anything runs.

use std::collections::BTreeSet;

use sloth_core::span::Span;

use crate::diagnostic::Diagnostic;

const CLOUD: &str = "call its own command with `exec.run`, guarded by `unless` or `creates`";
const SHELL: &str = "say it in plain Lua";

/// Modules that are not there, and what to use instead.
const MODULES: &[(&str, &str)] = &[
    ("ai", "there is no replacement; nothing is decided by a model here"),
    ("async", "use `goroutine.async` and `goroutine.await`"),
    ("aws", CLOUD),
    ("azure", CLOUD),
    ("chain", SHELL),
    ("circuit", "use `retries` and `timeout` of tasks"),
    ("db", "use `exec.run` with the client of the database"),
    ("digitalocean", CLOUD),
    ("docker", CLOUD),
    ("firewall", "write its configuration with `file`, and reload it in a handler"),
    ("frp", "write its configuration with `file`, and its unit with `systemd`"),
    ("gcp", CLOUD),
    ("gitops", "run this program from a timer, after `exec.run(\"git pull\")`"),
    ("helm", CLOUD),
    ("incus", CLOUD),
    ("kubernetes", CLOUD),
    ("lvm", CLOUD),
    ("metrics", "send an event with `event.dispatch`, and let a hook pass it on"),
    ("nfs", "write /etc/exports with `file.lineinfile`, and reload in a handler"),
    ("nixos", CLOUD),
    ("notification", "send an event with `event.dispatch`, and let a hook pass it on"),
    ("notifications", "send an event with `event.dispatch`, and let a hook pass it on"),
    ("observability", "send an event with `event.dispatch`, and let a hook pass it on"),
    ("parallel", "use `goroutine.map`"),
    ("pulumi", "call `pulumi` with `exec.run`; `stack import pulumi` reads what it made"),
    ("python", "use `exec.run({ \"python3\", … })`"),
    ("raid", CLOUD),
    ("reliability", "use `retries` and `timeout` of tasks"),
    ("saga", "use `on_failure = \"rollback\"` of the workflow"),
    ("salt", "call `salt` with `exec.run`"),
    ("security", "use `exec.run` with the scanner of your choice"),
    ("sloth", "call `sloth-runner` with `exec.run`"),
    ("smb", "write smb.conf with `file`, and reload in a handler"),
    ("stow", "use `file.symlink`"),
    ("system", "use `facts` and `exec.run`"),
    ("terraform", "call `terraform` with `exec.run`; `stack import terraform` reads what it made"),
    ("watcher", "use `stack drift detect` and hooks"),
];

/// Functions that are not there, and what to use instead.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("crypto", "aes_decrypt", "use `exec.run` with `age` or `openssl`"),
    ("crypto", "aes_encrypt", "use `exec.run` with `age` or `openssl`"),
    ("crypto", "bcrypt_check", "use `crypto.password_verify`"),
    ("crypto", "bcrypt_hash", "use `crypto.password_hash`"),
    ("data", "xml_decode", "use `exec.run` with `xmllint`"),
    ("data", "xml_encode", "use `template.render`"),
    ("data", "xml_to_json", "use `exec.run` with `xmllint`"),
    ("http", "client", "give the options with each request"),
    ("net", "bandwidth_test", "use `exec.run`"),
    ("net", "interfaces", "use `facts.network()`"),
    ("net", "latency_test", "use `net.ping`"),
    ("net", "local_ip", "use `facts.network()`"),
    ("net", "mx_lookup", "use `exec.run` with `dig`"),
    ("net", "public_ip", "use `http.get` with the service of your choice"),
    ("net", "reverse_dns", "use `exec.run` with `dig -x`"),
    ("net", "ssl_check", "use `http.get`, which checks certificates"),
    ("net", "telnet", "use `net.port_check`"),
    ("net", "traceroute", "use `exec.run`"),
    ("net", "whois", "use `exec.run`"),
];

/// What to use instead of a module.
pub(crate) fn module(name: &str) -> Option<&'static str> {
    MODULES.iter().find(|(module, _)| *module == name).map(|(_, instead)| *instead)
}

/// What to use instead of a function.
pub(crate) fn function(module: &str, name: &str) -> Option<&'static str> {
    let module = if module == "network" { "net" } else { module };
    FUNCTIONS.iter().find(|(m, f, _)| *m == module && *f == name).map(|(.., instead)| *instead)
}

/// The uses of such modules and functions in a text, first ones first, each once.
pub(crate) fn uses(file: &str, text: &str) -> Vec<Diagnostic> {
    let words = words(text);
    // A file that has a name of its own for something else means that.
    let mut own: BTreeSet<&str> = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map(|b| words[b].text);
        let after = words.get(at + 1).map(|w| w.text);
        let declared = matches!(before, Some("local" | "function" | "for" | "," | "("))
            && !matches!(after, Some("." | ":"));
        if declared || after == Some("=") && before != Some(".") {
            own.insert(word.text);
        }
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let text = |at: usize| words.get(at).map(|w| w.text);
        let first = at == 0 || !matches!(words[at - 1].text, "." | ":");
        let required = word.text == "require" && first;
        let (name, from) = if required {
            let next = at + 1 + usize::from(text(at + 1) == Some("("));
            match words.get(next).and_then(|w| w.quoted()) {
                Some(name) => (name, next),
                None => continue,
            }
        } else if first && !own.contains(word.text) && matches!(text(at + 1), Some("." | ":")) {
            (word.text, at)
        } else {
            continue;
        };
        let line = words[from].line;
        let mut say = |what: String, instead: &str, word: &str| {
            if seen.insert(what.clone()) {
                let mut found_one = Diagnostic::new(format!("{what} is not part of this program"));
                found_one.hint = Some(instead.to_owned());
                found_one.word = Some(word.to_owned());
                found_one.span = Some(Span::new(file, line));
                found.push(found_one);
            }
        };
        if let Some(instead) = module(name) {
            say(format!("module `{name}`"), instead, name);
        } else if !required
            && let Some(member) = text(at + 2)
            && let Some(instead) = function(name, member)
        {
            say(format!("`{name}.{member}`"), instead, member);
        }
    }
    found
}

/// A word, a text or a sign of a source.
struct Word<'a> {
    text: &'a str,
    line: u32,
}

impl<'a> Word<'a> {
    /// The content of a short string.
    fn quoted(&self) -> Option<&'a str> {
        let inner = self.text.strip_prefix(['"', '\''])?;
        inner.strip_suffix(['"', '\''])
    }
}

/// Takes a source apart as far as names matter. Comments are left out.
fn words(text: &str) -> Vec<Word<'_>> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let (mut at, mut line) = (0, 1);
    let name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    while at < bytes.len() {
        let (start, began) = (at, line);
        let rest = &text[at..];
        let comment = rest.starts_with("--");
        let long = long_bracket(if comment { &rest[2..] } else { rest });
        if let Some(end) = long {
            at += end + if comment { 2 } else { 0 };
        } else if comment {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if matches!(bytes[at], b'"' | b'\'' | b'`') {
            let quote = bytes[at];
            at += 1;
            while at < bytes.len() && bytes[at] != quote && (bytes[at] != b'\n' || quote == b'`') {
                at += 1 + usize::from(bytes[at] == b'\\');
            }
            at = (at + 1).min(bytes.len());
            while !text.is_char_boundary(at) {
                at += 1;
            }
        } else if name(bytes[at]) {
            at += bytes[at..].iter().take_while(|b| name(**b)).count();
        } else {
            at += 1;
        }
        let piece = &text[start..at];
        line += u32::try_from(piece.bytes().filter(|b| *b == b'\n').count()).unwrap_or(0);
        if !comment && !piece.trim().is_empty() {
            words.push(Word { text: piece, line: began });
        }
    }
    words
}

/// The length of `[[ … ]]` or `[==[ … ]==]` at the start of a text.
fn long_bracket(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let level = inner.bytes().take_while(|b| *b == b'=').count();
    let body = inner.get(level..)?.strip_prefix('[')?;
    let end = format!("]{}]", "=".repeat(level));
    let open = level + 2;
    Some(body.find(&end).map_or(text.len(), |at| open + at + end.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        uses("t.sloth", text)
            .iter()
            .map(|d| format!("{}:{}", d.message, d.span.as_ref().unwrap().line))
            .collect()
    }

    #[test]
    fn uses_are_found_where_they_are_calls() {
        let text = "-- docker.run\n--[[ aws.s3 ]]\nlocal s = \"gcp.x\" .. [==[ azure.y ]==]\ntask('x', { run = function()\n\tdocker.run('x')\n\tdocker.stop('x')\n\tlocal k = require('kubernetes')\n\tlocal h = require \"helm\"\n\tcrypto.aes_encrypt('a')\nend })\n";
        assert_eq!(
            found(text),
            [
                "module `docker` is not part of this program:5",
                "module `kubernetes` is not part of this program:7",
                "module `helm` is not part of this program:8",
                "`crypto.aes_encrypt` is not part of this program:9"
            ]
        );
    }

    #[test]
    fn names_of_the_file_itself_are_its_own() {
        assert!(found("local docker = require('./lib/docker')\ndocker.run()").is_empty());
        assert!(found("local function f(aws) aws.go() end").is_empty());
        assert!(found("system = {}\nsystem.x = 1\nthis.salt.x()\nx:raid()").is_empty());
        assert!(found("for salt, pepper in pairs(t) do salt.x() end").is_empty());
    }

    #[test]
    fn broken_texts_do_no_harm() {
        for text in ["\"", "'\\", "[[", "[==[ ]=]", "`{", "--[[", "ä.ö", "\"\\ä", "'\\\u{1f600}"] {
            found(text);
        }
    }
}
