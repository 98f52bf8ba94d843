//! What an object store tells, in terms of the file store.

use object_store::Error;

use crate::files::FilesError;

/// So much of a store's own words goes into the log.
const MOST_WORDS: usize = 400;

/// The fault that an answer means. Requests were tried several times before.
#[expect(
    clippy::needless_pass_by_value,
    reason = "so that it can be named where an error is mapped"
)]
pub fn told(error: Error) -> FilesError {
    let words = error.to_string();
    // A bucket that is missing is a fault of the configuration, not an object that is missing.
    if words.contains("NoSuchBucket") {
        return away(&words);
    }
    match error {
        Error::NotFound { .. } => FilesError::NotFound,
        Error::Precondition { .. } | Error::AlreadyExists { .. } => FilesError::TakenOver,
        _ if is_full(&words) => FilesError::Full,
        _ => away(&words),
    }
}

/// A fault with the store's own words, on one line.
pub fn away(words: &str) -> FilesError {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    FilesError::Away(line.chars().take(MOST_WORDS).collect())
}

/// Stores of one's own have an end: MinIO says so by these codes, others by 507.
fn is_full(words: &str) -> bool {
    [
        "XMinioStorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "QuotaExceeded",
        "507 Insufficient",
    ]
    .iter()
    .any(|code| words.contains(code))
}
