//! CSV as it is written and read here (RFC 4180): what a spreadsheet would run is written as text, and read back as it was.
//!
//! A cell that begins like a formula gets an apostrophe before it (OWASP, "CSV Injection"); so does one that begins with
//! apostrophes and such a sign, so that reading takes away exactly one of those that writing has put there. The same holds
//! after each semicolon and line end within a cell: where numbers have a comma, spreadsheets part cells at semicolons.

use crate::error::{Error, Result};

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

/// Lines that are being written.
pub struct Written(csv::Writer<Vec<u8>>);

impl Written {
    /// None yet.
    pub fn new() -> Self {
        let mut builder = csv::WriterBuilder::new();
        builder.terminator(csv::Terminator::CRLF).flexible(true);
        Self(builder.from_writer(Vec::new()))
    }

    /// One more.
    ///
    /// # Errors
    /// None in memory; a fault of ours otherwise.
    pub fn line(&mut self, cells: &[String]) -> Result<()> {
        let cells = cells.iter().map(|cell| defused(cell));
        self.0.write_record(cells).map_err(Error::internal)
    }

    /// All of them.
    ///
    /// # Errors
    /// As [`Written::line`].
    pub fn bytes(self) -> Result<Vec<u8>> {
        self.0
            .into_inner()
            .map_err(|error| Error::internal(error.to_string()))
    }
}

/// The first line of a file: what stands in its columns. A mark before it tells spreadsheets that this is UTF-8.
///
/// # Errors
/// As [`Written::line`].
pub fn headed(names: &[&str]) -> Result<Vec<u8>> {
    let mut written = Written::new();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    written.line(&names)?;
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    bytes.extend(written.bytes()?);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(cells in prop::collection::vec("['=+@\\-a\"\r\n,;\t ]{0,6}", 2..4)) {
            let mut written = Written::new();
            written.line(&cells).unwrap();
            let bytes = written.bytes().unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
            let line = reader.records().next().unwrap().unwrap();
            let read: Vec<String> = line.iter().map(plain).collect();
            prop_assert_eq!(read, cells);
        }
    }
}
