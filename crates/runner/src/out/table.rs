//! Tables: a head, a rule under it, columns as wide as their widest cell.

use super::escape;

/// A table being filled.
#[derive(Debug)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column names.
    pub fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }
    /// Adds a row; text is escaped here.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let clean = |cell: String| escape::line(&cell).into_owned();
        self.rows.push(cells.into_iter().map(clean).collect());
    }
    /// No rows?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// The lines of the table: head, rule, rows.
    pub fn lines(&self) -> Vec<String> {
        let mut widths: Vec<usize> = self.head.iter().map(|h| escape::width(h)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(escape::width(cell));
            }
        }
        let rules: Vec<String> = self.head.iter().map(|h| "-".repeat(escape::width(h))).collect();
        let head: Vec<String> = self.head.iter().map(|&h| h.to_owned()).collect();
        [&head, &rules].into_iter().chain(&self.rows).map(|cells| line(cells, &widths)).collect()
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut out = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        out.push_str(cell);
        out.push_str(&" ".repeat(width.saturating_sub(escape::width(cell)) + 2));
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let mut table = Table::new(&["NAME", "STATUS"]);
        table.row(["漢字".to_owned(), "ok".to_owned()]);
        table.row(["a\u{1b}[2J".to_owned(), String::new()]);
        let lines = table.lines();
        assert_eq!(lines, ["NAME      STATUS", "----      ------", "漢字      ok", "a\\x1b[2J"]);
    }
}
