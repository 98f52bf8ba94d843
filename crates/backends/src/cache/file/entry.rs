//! How an entry lies in its file.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `LYCACHE1` |
//! | 4 | CRC-32 (IEEE 802.3) of all that follows |
//! | 8 | when it was stored, in microseconds since 1970 UTC |
//! | 8 | when it ends; the largest number for never |
//! | 8 | length of the value |
//! | 2 | length of the name |
//! | | the name, then the value, to the end of the file |
//!
//! Numbers are little-endian. The checksum is against halves and zeros that a crash leaves, not
//! against people: who may write to the folder may write entries.

use bytes::Bytes;

const MAGIC: &[u8; 8] = b"LYCACHE1";

/// Length of what stands before the name.
pub const HEADER_BYTES: usize = 38;

/// Where the part begins that the checksum is of.
const CHECKED_FROM: usize = 12;

/// Entries that were stored this long from now are not believed: the clock was wrong then or is
/// now. Up to this, the clocks of two machines may differ.
const SKEW_US: i64 = 60_000_000;

/// When an entry was stored and when it ends, in microseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub stored_us: i64,
    /// `i64::MAX` for never.
    pub ends_us: i64,
}

impl Times {
    /// Whether it is to be believed at this time.
    pub fn is_live(self, now_us: i64) -> bool {
        self.ends_us > now_us && self.stored_us <= now_us.saturating_add(SKEW_US)
    }
}

/// The beginning of a file, by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub times: Times,
    value_bytes: u64,
    name_bytes: u16,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub times: Times,
    pub name: String,
    pub value: Bytes,
}

/// What stands before the value, name included.
pub fn head(times: Times, name: &str, value: &[u8]) -> Vec<u8> {
    let mut checked = Vec::with_capacity(HEADER_BYTES + name.len());
    checked.extend(times.stored_us.to_le_bytes());
    checked.extend(times.ends_us.to_le_bytes());
    checked.extend(u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    // Names have at most 250 bytes.
    checked.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    checked.extend(name.as_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&checked);
    sum.update(value);
    [&MAGIC[..], &sum.finalize().to_le_bytes(), &checked].concat()
}

/// Reads the beginning of a file of this size; none when it cannot be one of ours.
pub fn header(bytes: &[u8], file_bytes: u64) -> Option<Header> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    let (stored_us, rest) = rest.split_first_chunk()?;
    let (ends_us, rest) = rest.split_first_chunk()?;
    let (value_bytes, rest) = rest.split_first_chunk()?;
    let (name_bytes, _) = rest.split_first_chunk()?;
    let header = Header {
        times: Times {
            stored_us: i64::from_le_bytes(*stored_us),
            ends_us: i64::from_le_bytes(*ends_us),
        },
        value_bytes: u64::from_le_bytes(*value_bytes),
        name_bytes: u16::from_le_bytes(*name_bytes),
    };
    let head = u64::from(header.name_bytes) + u64::try_from(HEADER_BYTES).ok()?;
    (header.value_bytes.checked_add(head) == Some(file_bytes)).then_some(header)
}

/// Reads the name behind a header; none when it is cut off or no text.
pub fn name(header: Header, bytes: &[u8]) -> Option<&str> {
    let name = bytes
        .get(HEADER_BYTES..)?
        .get(..usize::from(header.name_bytes))?;
    std::str::from_utf8(name).ok()
}

/// Reads a whole file; none when it is not whole, or not what was written.
pub fn entry(bytes: Vec<u8>) -> Option<Entry> {
    let header = header(&bytes, u64::try_from(bytes.len()).ok()?)?;
    let name = name(header, &bytes)?.to_owned();
    let (_, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, _) = rest.split_first_chunk::<4>()?;
    if crc32fast::hash(bytes.get(CHECKED_FROM..)?) != u32::from_le_bytes(*sum) {
        return None;
    }
    let value = Bytes::from(bytes).slice(HEADER_BYTES + name.len()..);
    Some(Entry {
        times: header.times,
        name,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        stored_us: 1,
        ends_us: i64::MAX,
    };

    fn file(name: &str, value: &[u8]) -> Vec<u8> {
        [head(TIMES, name, value), value.to_vec()].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        for (name, value) in [(":1:k", &b""[..]), ("Kürs:1:😀", b"\0\xff\r\n"), ("", b"x")] {
            let bytes = file(name, value);
            let whole = u64::try_from(bytes.len()).expect("a size");
            let beginning = header(&bytes, whole).expect("a header");
            assert_eq!(super::name(beginning, &bytes), Some(name));
            let entry = entry(bytes).expect("an entry");
            assert_eq!(
                (entry.name.as_str(), &*entry.value, entry.times),
                (name, value, TIMES)
            );
        }
    }

    #[test]
    fn no_part_of_an_entry_and_no_entry_with_another_bit_is_read() {
        let whole = file(":1:k", b"value");
        for length in 0..whole.len() {
            assert_eq!(entry(whole[..length].to_vec()), None, "{length} bytes");
        }
        assert_eq!(entry([&whole[..], b"x"].concat()), None);
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(entry(other), None, "byte {at}");
        }
        assert_eq!(entry(vec![0; whole.len()]), None);
    }

    #[test]
    fn an_entry_ends_and_one_from_the_future_is_not_believed() {
        let times = |stored_us, ends_us| Times { stored_us, ends_us };
        assert!(times(0, 10).is_live(9));
        assert!(!times(0, 10).is_live(10));
        assert!(times(SKEW_US, i64::MAX).is_live(0));
        assert!(!times(SKEW_US + 1, i64::MAX).is_live(0));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_file_holds_reading_it_does_not_panic(bytes: Vec<u8>, size: u64) {
            if let Some(header) = header(&bytes, size) {
                let _ = name(header, &bytes);
            }
            let _ = entry([&MAGIC[..], &bytes].concat());
            let _ = entry(bytes);
        }
    }
}
