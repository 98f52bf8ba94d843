//! Cells of CSV that no spreadsheet runs, whatever stands in them, and that are read back as they were.
//!
//! A cell that begins like a formula gets an apostrophe before it (OWASP, "CSV Injection"); so does one that begins with
//! apostrophes and such a sign, so that reading takes away exactly one of those that writing has put there. The same holds
//! after each semicolon and line end within a cell: where numbers have a comma, spreadsheets part cells at semicolons.

/// With these a spreadsheet begins a formula.
const SIGNS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// After these another spreadsheet than ours may begin another cell.
const PARTS: [char; 2] = [';', '\n'];

/// Whether, after any apostrophes, a sign of a formula comes.
fn is_loaded(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(SIGNS)
}

/// As text that no spreadsheet runs.
pub fn defused(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 1);
    for part in text.split_inclusive(PARTS) {
        if is_loaded(part) {
            cell.push('\'');
        }
        cell.push_str(part);
    }
    cell
}

/// What [`defused`] was given.
pub fn plain(cell: &str) -> String {
    let parts = cell.split_inclusive(PARTS);
    let plain = parts.map(|part| match part.strip_prefix('\'') {
        Some(text) if is_loaded(text) => text,
        _ => part,
    });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_like_a_formula() {
        for text in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x",
        ] {
            let cell = defused(text);
            assert!(cell.starts_with('\''), "{cell:?}");
            assert_eq!(plain(&cell), text);
        }
        for (text, cell) in [
            ("Maya;=1+1", "Maya;'=1+1"),
            ("a\n@x;+1;b", "a\n'@x;'+1;b"),
            ("a;'=1", "a;''=1"),
        ] {
            assert_eq!(defused(text), cell);
            assert_eq!(plain(cell), text);
        }
        for text in ["Maya", "'tis", "a=b", "", "'", "a; b", ";"] {
            assert_eq!(defused(text), text);
            assert_eq!(plain(text), text);
        }
    }
}
