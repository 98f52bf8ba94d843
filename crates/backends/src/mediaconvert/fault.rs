//! What went wrong at the service, in the teacher's words; its own words are for staff.

use crate::media::Fault;

const AWAY: &str = "The service that converts recordings does not answer just now. Your file is kept and will be tried again.";
const NOT_ALLOWED: &str = "This site cannot convert recordings at the moment. Your file is kept and will be processed as soon as it can.";
const NOT_MEDIA: &str = "This file is not a recording that can be played, or it is damaged. Try playing it on your computer, then save it as MP4 and upload that.";
const NO_ACCESS: &str = "The service that converts recordings could not reach this site's files. Please tell its staff, and try again later.";
const ITS_OWN: &str = "The service that converts recordings had a fault of its own. Try again.";
const STOPPED: &str = "The conversion of this recording was stopped. Try again.";

/// The service did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MediaConvertError {
    /// It cannot be reached, or is busy.
    #[error("MediaConvert does not answer: {0}")]
    Away(String),
    /// It says no, with its status and words.
    #[error("MediaConvert answered {operation} with {status}: {words}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// Status of the answer.
        status: u16,
        /// What it said.
        words: String,
    },
}

impl MediaConvertError {
    /// Whether it says that there is no such job.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl From<MediaConvertError> for Fault {
    fn from(error: MediaConvertError) -> Self {
        let words = match &error {
            MediaConvertError::Refused { status: 422, .. } => {
                return Self::permanent(NOT_MEDIA, error.to_string());
            }
            MediaConvertError::Refused { .. } => NOT_ALLOWED,
            MediaConvertError::Away(_) => AWAY,
        };
        Self::temporary(words, error.to_string())
    }
}

/// Why a job went wrong. `code` is one of the list "Error codes" of the MediaConvert user guide, or of Elastic
/// Transcoder's; `message` is what came with it.
pub fn of_code(code: &str, message: &str) -> Fault {
    let words = match code.parse::<u32>() {
        // The bucket: not there, not allowed, not reached. 2000 and 3000 are of Elastic Transcoder.
        Ok(1401..=1434 | 3400..=3408 | 2000..=2999 | 3000..=3399) => NO_ACCESS,
        Ok(1515..=1999 | 3450..=3999) => ITS_OWN,
        _ => NOT_MEDIA,
    };
    let message: String = message.chars().take(2000).collect();
    Fault::permanent(words, format!("the cloud service: error {code}: {message}"))
}

/// Somebody stopped the job at the service.
pub fn stopped() -> Fault {
    Fault::permanent(STOPPED, "the cloud service: the job was canceled there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FaultKind;

    #[test]
    fn the_words_tell_whose_fault_it_is() {
        assert_eq!(of_code("1010", "x").words, NOT_MEDIA);
        assert_eq!(of_code("1404", "x").words, NO_ACCESS);
        assert_eq!(of_code("1999", "x").words, ITS_OWN);
        assert_eq!(of_code("3001", "x").words, NO_ACCESS);
        assert_eq!(of_code("4000", "x").words, NOT_MEDIA);
        assert_eq!(of_code("", "x").words, NOT_MEDIA);
        let fault = of_code("1010", &"y".repeat(10_000));
        assert!(fault.detail.contains("1010") && fault.detail.len() < 2100);
    }

    #[test]
    fn only_a_file_that_cannot_be_read_is_never_tried_again() {
        let refused = |status| {
            Fault::from(MediaConvertError::Refused {
                operation: "Probe",
                status,
                words: String::new(),
            })
            .kind
        };
        assert_eq!(refused(422), FaultKind::Permanent);
        for status in [400, 403, 404, 409] {
            assert_eq!(refused(status), FaultKind::Temporary, "{status}");
        }
    }
}
