//! What backends ask of a value, alike for all: its size, and whether it is a number.

use super::fault::Fault;

/// Refuses a value larger than the backend takes; both in bytes.
pub fn fitting(bytes: usize, most: usize) -> Result<(), Fault> {
    if bytes > most {
        return Err(Fault::TooLarge { bytes, most });
    }
    Ok(())
}

/// A stored whole number and `by`: the JSON of a number of 64 bits, which the sum is, too.
pub fn sum(stored: &[u8], by: i64) -> Result<i64, Fault> {
    let number: Option<i64> = serde_json::from_slice(stored).ok();
    let sum = number.and_then(|number| number.checked_add(by));
    sum.ok_or(Fault::NotANumber)
}
