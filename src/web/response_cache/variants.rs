//! The forms in which a body is sent: as it is, by gzip and by Brotli, each made once.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};

/// Shorter bodies stay as they are: a packet is a packet.
const SHORTEST_BYTES: usize = 1_000;
/// Worth its time for what is made once and sent often: a page of 40 kB takes some milliseconds.
const BROTLI_QUALITY: u32 = 7;
/// Of the window, as a power of two; larger than every body that is kept.
const BROTLI_WINDOW: u32 = 20;
const GZIP_LEVEL: u32 = 7;

/// How a body is written (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Encoding {
    #[serde(rename = "id")]
    Identity,
    #[serde(rename = "gz")]
    Gzip,
    #[serde(rename = "br")]
    Brotli,
}

impl Encoding {
    pub const ALL: [Self; 3] = [Self::Identity, Self::Gzip, Self::Brotli];

    /// In names of entries and in entity tags.
    pub fn short(self) -> &'static str {
        match self {
            Self::Identity => "id",
            Self::Gzip => "gz",
            Self::Brotli => "br",
        }
    }

    /// In `Content-Encoding`.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// The one that a client likes best (RFC 9110, section 12.5.3), the smallest of those that it likes alike.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let mut weights = Weights::default();
        for value in headers.get_all(ACCEPT_ENCODING) {
            for part in value.to_str().unwrap_or("").split(',') {
                weights.take(part);
            }
        }
        weights.best()
    }
}

/// What a client says of each coding, if anything, in thousandths.
#[derive(Default)]
struct Weights {
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    others: Option<u16>,
}

impl Weights {
    fn take(&mut self, part: &str) {
        let (name, weight) = match part.split_once(';') {
            Some((name, parameter)) => (name, weight(parameter)),
            None => (part, 1_000),
        };
        let name = name.trim();
        let place = if name.eq_ignore_ascii_case("br") {
            &mut self.brotli
        } else if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            &mut self.gzip
        } else if name.eq_ignore_ascii_case("identity") {
            &mut self.identity
        } else if name == "*" {
            &mut self.others
        } else {
            return;
        };
        *place = Some(weight);
    }

    fn best(&self) -> Encoding {
        let others = self.others.unwrap_or(0);
        let brotli = self.brotli.unwrap_or(others);
        let gzip = self.gzip.unwrap_or(others);
        // Whoever says nothing of it takes it, but likes less what she names.
        let identity = self.identity.unwrap_or(0);
        if brotli > 0 && brotli >= gzip && brotli >= identity {
            Encoding::Brotli
        } else if gzip > 0 && gzip >= identity {
            Encoding::Gzip
        } else {
            Encoding::Identity
        }
    }
}

/// `q=0.5` in thousandths; what cannot be read counts as nothing.
fn weight(parameter: &str) -> u16 {
    let parameter = parameter.trim();
    let value = parameter
        .strip_prefix("q=")
        .or_else(|| parameter.strip_prefix("Q="));
    let value: f32 = value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1,000"
    )]
    let thousandths = (value.clamp(0.0, 1.0) * 1_000.0) as u16;
    thousandths
}

/// The body in every form; those that would not be shorter are the body itself. Takes milliseconds of a
/// processor: not to be called where others wait for their turn.
pub(super) fn make(body: &Bytes) -> [(Encoding, Bytes); 3] {
    Encoding::ALL.map(|encoding| shorter(encoding, body))
}

fn shorter(encoding: Encoding, body: &Bytes) -> (Encoding, Bytes) {
    let made = match encoding {
        _ if body.len() < SHORTEST_BYTES => None,
        Encoding::Identity => None,
        // Writing into memory does not fail.
        Encoding::Gzip => gzip(body).ok(),
        Encoding::Brotli => brotli(body).ok(),
    };
    match made {
        Some(made) if made.len() < body.len() => (encoding, Bytes::from(made)),
        _ => (Encoding::Identity, body.clone()),
    }
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(body)?;
    encoder.finish()
}

fn brotli(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut made = Vec::new();
    let mut encoder =
        brotli::CompressorWriter::new(&mut made, 4_096, BROTLI_QUALITY, BROTLI_WINDOW);
    encoder.write_all(body)?;
    // Writes what is left.
    drop(encoder);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::{Encoding, make};
    use axum::http::header::ACCEPT_ENCODING;
    use axum::http::{HeaderMap, HeaderValue};
    use bytes::Bytes;
    use std::io::Read as _;

    fn wanted(lines: &[&'static str]) -> Encoding {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        Encoding::wanted(&headers)
    }

    #[test]
    fn a_client_gets_what_it_likes_best_and_never_what_it_refuses() {
        for (lines, encoding) in [
            (&[][..], Encoding::Identity),
            (&[""], Encoding::Identity),
            (&["gzip, deflate, br, zstd"], Encoding::Brotli),
            (&["gzip", "br"], Encoding::Brotli),
            (&["gzip"], Encoding::Gzip),
            (&["GZIP;q=0.5, Br;q=0.1"], Encoding::Gzip),
            (&["br;q=0, gzip"], Encoding::Gzip),
            (&["br;q=0, *"], Encoding::Gzip),
            (&["*;q=0.1"], Encoding::Brotli),
            (&["br;q=0.2, identity"], Encoding::Identity),
            (&["br;q=much, gzip;q=1e9"], Encoding::Gzip),
            (&["deflate, zstd"], Encoding::Identity),
            (&["*;q=0"], Encoding::Identity),
        ] {
            assert_eq!(wanted(lines), encoding, "{lines:?}");
        }
    }

    #[test]
    fn every_form_holds_the_same_body_and_none_is_longer() {
        let words = Bytes::from("one course, and another; ".repeat(1_000));
        let [(_, plain), (gz, gzipped), (br, small)] = make(&words);
        assert_eq!((gz, br), (Encoding::Gzip, Encoding::Brotli));
        assert_eq!(plain, words);
        let mut unpacked = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(&gzipped[..]);
        reader.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, words);
        let mut unpacked = Vec::new();
        let mut reader = brotli::Decompressor::new(&small[..], 4_096);
        reader.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, words);
        for body in ["", "short"] {
            let body = Bytes::from(body);
            let all = make(&body);
            assert!(
                all.iter()
                    .all(|form| *form == (Encoding::Identity, body.clone()))
            );
        }
    }
}
