//! What is printed: tables, and whether the budgets hold.

use std::io::{self, Write as _};

/// A promise and what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// What is promised.
    pub name: String,
    /// The most that it may be.
    pub limit: f64,
    /// What it is.
    pub measured: f64,
}

/// Rows of cells, each column as wide as its widest cell.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

// === impl Budget ===

impl Budget {
    /// Whether the promise is kept.
    pub fn holds(&self) -> bool {
        self.measured <= self.limit
    }
}

// === impl Table ===

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as text: the first column to the left, the others to the right.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                text += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

/// Prints a line. Whoever reads along wants it now.
///
/// # Errors
///
/// When standard output is closed.
pub fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Prints each budget and whether it holds, and tells whether all do.
///
/// # Errors
///
/// When standard output is closed.
pub fn budgets(budgets: &[Budget]) -> io::Result<bool> {
    if budgets.is_empty() {
        return Ok(true);
    }
    let mut table = Table::new(&["budget", "at most", "measured", ""]);
    for budget in budgets {
        let verdict = if budget.holds() { "holds" } else { "MISSED" };
        table.row([
            budget.name.clone(),
            format!("{:.2}", budget.limit),
            format!("{:.2}", budget.measured),
            verdict.to_owned(),
        ]);
    }
    say(&format!("\n{}", table.text()))?;
    Ok(budgets.iter().all(Budget::holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let mut table = Table::new(&["who", "µs"]);
        table.row(["headwall".to_owned(), "9".to_owned()]);
        table.row(["nginx".to_owned(), "11.25".to_owned()]);
        assert_eq!(table.text(), "who          µs\nheadwall      9\nnginx     11.25\n");
    }

    #[test]
    fn a_budget_holds_up_to_its_limit() {
        for (measured, holds) in [(1.0, true), (1.1, true), (1.11, false), (f64::NAN, false)] {
            assert_eq!(Budget { name: String::new(), limit: 1.1, measured }.holds(), holds, "{measured}");
        }
    }
}
