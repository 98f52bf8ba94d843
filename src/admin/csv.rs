//! CSV as the admin site writes it (RFC 4180): what a spreadsheet would run is written as text, and read back as it was.

use crate::error::{Error, Result};
use crate::web::cells::defused;

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
    use crate::web::cells::plain;
    use proptest::prelude::*;

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
