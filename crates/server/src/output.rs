//! Lines for the person at the terminal.

use std::io::Write;

/// Prints a line. A closed pipe (`signalbox models | head`) is no fault.
pub fn line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.as_ref());
}

/// Prints a line for diagnosis.
pub fn error(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Prints rows as a table with aligned columns.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let width = |at: usize| {
        rows.iter().map(|row| row[at].chars().count()).chain([head[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let print = |cells: [&str; N]| {
        let cells: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end());
    };
    print(head);
    for row in rows {
        print(std::array::from_fn(|at| row[at].as_str()));
    }
}
