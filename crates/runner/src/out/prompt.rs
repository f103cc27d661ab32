//! Questions. They are asked on a terminal only, and the answer «no» is the default.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::{Out, escape};

/// Can a question be asked at all?
pub fn possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for `y` or `n`.
pub fn confirm(out: &Out, question: &str) -> bool {
    out.stderr(&format!("{} [y/N]: ", escape::line(question)));
    matches!(answer(out).as_str(), "y" | "Y" | "yes" | "Yes" | "YES")
}

/// Asks to type a name.
pub fn type_name(out: &Out, question: &str, name: &str) -> bool {
    out.stderr(&format!("{} ", escape::line(question)));
    answer(out) == name
}

fn answer(out: &Out) -> String {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).is_err() || !line.ends_with('\n') {
        out.stderr("\n");
    }
    line.trim_end_matches(['\n', '\r']).to_owned()
}
