//! What a key may look like: safe as a path on every system and as the name of an S3 object.

use super::FilesError;

/// Longest key, in bytes.
const MAX_BYTES: usize = 500;

/// Longest part of a key, in bytes: that of a file's name on Linux.
const MAX_PART_BYTES: usize = 255;

/// Refuses keys that could leave the store's folder or meet its hidden files.
pub fn check(key: &str) -> Result<(), FilesError> {
    let is_good = key.len() <= MAX_BYTES && key.split('/').all(is_good_part);
    if is_good {
        Ok(())
    } else {
        Err(FilesError::BadKey)
    }
}

fn is_good_part(part: &str) -> bool {
    let is_known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    !part.is_empty()
        && part.len() <= MAX_PART_BYTES
        && !part.starts_with('.')
        && part.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_could_leave_the_folder_are_refused() {
        for key in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            "..",
            "a/../b",
            ".",
            "./a",
            ".tmp/a",
            "a/.hidden",
            "A",
            "a b",
            "ä",
            "a\\b",
            "a\0",
            "a\n",
            "%2e%2e/a",
            "~",
        ] {
            assert!(
                matches!(check(key), Err(FilesError::BadKey)),
                "{key:?} was taken"
            );
        }
        assert!(check(&"a".repeat(256)).is_err());
        assert!(check(&format!("{0}/{0}/{0}", "a".repeat(200))).is_err());
        for key in ["a", "uploads/17/original.mp4", "a/b_c-d/e..f", "0"] {
            assert!(check(key).is_ok(), "{key:?} was refused");
        }
    }
}
