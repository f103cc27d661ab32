//! Tables: a head, a rule under it, columns as wide as their widest cell.

use super::escape;

/// A table being filled. Cells are kept in one text, because a table may have very many.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    widths: Vec<usize>,
    text: String,
    /// Where each cell ends in the text, and its width.
    cells: Vec<(usize, usize)>,
}

impl Table {
    /// A table with these column names.
    pub fn new(head: &[&'static str]) -> Self {
        let widths = head.iter().map(|h| escape::width(h)).collect();
        Self { head: head.to_vec(), widths, text: String::new(), cells: Vec::new() }
    }
    /// Adds a row; text is escaped here.
    #[expect(clippy::needless_pass_by_value, reason = "rows are made where they are given")]
    pub fn row<const N: usize, S: AsRef<str>>(&mut self, cells: [S; N]) {
        for (cell, widest) in cells.iter().zip(&mut self.widths) {
            let cell = escape::line(cell.as_ref());
            let width = escape::width(&cell);
            *widest = (*widest).max(width);
            self.text.push_str(&cell);
            self.cells.push((self.text.len(), width));
        }
    }
    /// No rows?
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
    /// The column names, lined up.
    pub fn head(&self) -> String {
        let mut out = String::new();
        self.line(self.head.iter().map(|h| (*h, escape::width(h))), &mut out);
        out
    }
    /// Writes what is below the head: rule and rows, each with a line end.
    pub fn body(&self, out: &mut String) {
        let rules: Vec<String> = self.head.iter().map(|h| "-".repeat(escape::width(h))).collect();
        self.line(rules.iter().map(|r| (r.as_str(), r.len())), out);
        out.push('\n');
        let mut at = 0;
        for row in self.cells.chunks(self.head.len().max(1)) {
            let cell = |(end, width): &(usize, usize)| {
                let cell = (&self.text[at..*end], *width);
                at = *end;
                cell
            };
            self.line(row.iter().map(cell), out);
            out.push('\n');
        }
    }

    fn line<'c>(&self, cells: impl Iterator<Item = (&'c str, usize)>, out: &mut String) {
        let start = out.len();
        for ((cell, width), widest) in cells.zip(&self.widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', widest.saturating_sub(width) + 2));
        }
        let end = start + out[start..].trim_end().len();
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let mut table = Table::new(&["NAME", "STATUS"]);
        table.row(["漢字".to_owned(), "ok".to_owned()]);
        table.row(["a\u{1b}[2J".to_owned(), String::new()]);
        let mut body = String::new();
        table.body(&mut body);
        assert_eq!(table.head(), "NAME      STATUS");
        assert_eq!(body, "----      ------\n漢字      ok\na\\x1b[2J\n");
    }
}
