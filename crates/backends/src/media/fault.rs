//! What can go wrong with a recording or a picture, in two tellings: a sentence for the teacher who
//! uploaded it, and the whole story for staff. Nothing here starts a program.

use std::process::ExitStatus;

#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The file itself is at fault: trying again gives the same answer.
    Permanent,
    /// The machine is at fault: trying again later may succeed.
    Temporary,
    /// Somebody stopped the work: it may be started anew.
    Cancelled,
    /// The disk is full: it succeeds once there is room.
    DiskFull,
}

/// Why a file could not be processed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{words}")]
pub struct Fault {
    /// A sentence (or two) for the person who uploaded the file: what is wrong and what to do.
    pub words: String,
    /// For staff and the log: exit status and the last lines that the program wrote.
    pub detail: String,
    /// Whether trying again can help.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault of the file: trying again gives the same answer.
    pub fn permanent(words: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FaultKind::Permanent, words, detail)
    }

    /// A fault of the machine: trying again later may succeed.
    pub fn temporary(words: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(FaultKind::Temporary, words, detail)
    }

    fn new(kind: FaultKind, words: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            detail: detail.into(),
            kind,
        }
    }

    /// A fault met while reading or writing `what` (a file or folder, for staff).
    pub fn from_io(what: &str, error: &std::io::Error) -> Self {
        let detail = format!("{what}: {error}");
        if matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        ) {
            return Self::new(FaultKind::DiskFull, DISK_FULL, detail);
        }
        Self::temporary(TRY_LATER, detail)
    }

    /// The programs that read media are not on this machine, or cannot be started.
    pub(super) fn missing_program(detail: impl Into<String>) -> Self {
        Self::temporary(
            "This site cannot process recordings at the moment. Your file is kept and will be processed as soon as it can.",
            detail,
        )
    }

    /// The time limit has passed.
    pub(super) fn took_too_long(detail: impl Into<String>) -> Self {
        Self::permanent(TOO_SLOW, detail)
    }

    /// The program was alive but got nowhere.
    pub(super) fn stalled(detail: impl Into<String>) -> Self {
        Self::temporary(
            "Processing this file came to a halt. It will be tried again.",
            detail,
        )
    }

    /// What a program that ended badly means: `program` with its exit status and the end of its stderr.
    pub(super) fn from_exit(program: &str, status: ExitStatus, stderr: &str) -> Self {
        let detail = format!("{program}: {status}\n{}", stderr.trim());
        by_text(&MACHINE, stderr)
            .or_else(|| by_status(status, stderr))
            .or_else(|| by_text(&FILE, stderr))
            .map_or_else(
                || {
                    Self::temporary(
                        "This file could not be converted. It will be tried again.",
                        &detail,
                    )
                },
                |(kind, words)| Self::new(kind, words, &detail),
            )
    }
}

const DISK_FULL: &str = "The site has run out of disk space. Your file is kept and will be processed when there is room again.";
const TRY_LATER: &str = "This file could not be processed just now. It will be tried again.";
const TOO_SLOW: &str = "Processing this file takes longer than this site allows. Try a shorter recording, or a smaller picture size.";
const TOO_HUNGRY: &str =
    "This file needs more memory than this site allows. Try saving it with a smaller picture size.";
const TOO_LARGE: &str =
    "The result would be larger than this site allows. Try a shorter recording.";
pub(super) const NOT_MEDIA: &str = "This file is not a recording that can be played, or it is damaged. Try playing it on your computer, then upload it again.";
pub(super) const CUT_OFF: &str = "This file is cut off: its end is missing. The recording or the copying was probably interrupted. Upload the complete file.";
pub(super) const NOTHING_DECODED: &str = "Nothing in this file could be decoded. Try playing it on your computer, then save it as MP4 and upload that.";
pub(super) const NO_TRACK: &str = "The file has no audio or video track.";
pub(super) const ENCRYPTED: &str = "This file is encrypted (copy-protected) and cannot be read. Upload a version without copy protection.";
pub(super) const NOT_ACCEPTED: &str = "Files of this format cannot be played here. Save the recording as MP4, or for sound as M4A or MP3, and upload that.";
const UNKNOWN_CODEC: &str = "This recording uses a codec that cannot be read here. Save it as MP4 (H.264 and AAC) and upload that.";
const CRASHED: &str = "This file is damaged in a way that makes it unreadable. Save the recording anew as MP4 and upload that.";

type Meaning = (FaultKind, &'static str);

/// Words in stderr that speak of the machine. They come before the exit status.
static MACHINE: [(&str, Meaning); 9] = [
    ("No space left on device", (FaultKind::DiskFull, DISK_FULL)),
    ("Disk quota exceeded", (FaultKind::DiskFull, DISK_FULL)),
    ("File too large", (FaultKind::Permanent, TOO_LARGE)),
    ("received signal 24", (FaultKind::Permanent, TOO_SLOW)),
    (
        "received signal",
        (
            FaultKind::Cancelled,
            "Processing was stopped. It can be started again.",
        ),
    ),
    ("Cannot allocate memory", (FaultKind::Permanent, TOO_HUNGRY)),
    ("malloc of size", (FaultKind::Permanent, TOO_HUNGRY)),
    ("failed to map segment", (FaultKind::Permanent, TOO_HUNGRY)),
    ("Permission denied", (FaultKind::Temporary, TRY_LATER)),
];

/// Words in stderr that speak of the file, the most telling first.
static FILE: [(&str, Meaning); 11] = [
    ("moov atom not found", (FaultKind::Permanent, CUT_OFF)),
    ("not on whitelist", (FaultKind::Permanent, NOT_ACCEPTED)),
    (
        "does not contain any stream",
        (FaultKind::Permanent, NO_TRACK),
    ),
    ("matches no streams", (FaultKind::Permanent, NO_TRACK)),
    (
        "No such file or directory",
        (FaultKind::Temporary, TRY_LATER),
    ),
    ("Output file is empty", (FaultKind::Permanent, NOT_MEDIA)),
    ("no decoder found", (FaultKind::Permanent, UNKNOWN_CODEC)),
    ("Decoder (codec", (FaultKind::Permanent, UNKNOWN_CODEC)),
    ("Decoder not found", (FaultKind::Permanent, UNKNOWN_CODEC)),
    ("Invalid data found", (FaultKind::Permanent, NOT_MEDIA)),
    (
        "could not find codec parameters",
        (FaultKind::Permanent, NOT_MEDIA),
    ),
];

fn by_text(table: &[(&str, Meaning)], stderr: &str) -> Option<Meaning> {
    table
        .iter()
        .find(|(needle, _)| stderr.contains(needle))
        .map(|(_, meaning)| *meaning)
}

/// What the exit status alone tells. Signals by number as on Linux (signal(7)).
fn by_status(status: ExitStatus, stderr: &str) -> Option<Meaning> {
    const LATER: &str = "This site cannot process recordings at the moment. Your file is kept and will be processed as soon as it can.";
    match (status.code(), status.signal()) {
        (Some(126 | 127), _) => Some((FaultKind::Temporary, LATER)),
        _ if stderr.contains("failed to execute") => Some((FaultKind::Temporary, LATER)),
        (_, Some(25)) => Some((FaultKind::Permanent, TOO_LARGE)),
        (_, Some(24)) => Some((FaultKind::Permanent, TOO_SLOW)),
        // Not from us: a fault of ours is reported where it is made. The kernel's memory killer, or staff.
        (_, Some(9)) => Some((FaultKind::Temporary, TRY_LATER)),
        (_, Some(1 | 2 | 15)) => Some((
            FaultKind::Cancelled,
            "Processing was stopped. It can be started again.",
        )),
        (_, Some(4 | 6 | 7 | 8 | 11 | 31)) => Some((FaultKind::Permanent, CRASHED)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(raw_status: i32, stderr: &str) -> (FaultKind, String) {
        let fault = Fault::from_exit("ffmpeg", ExitStatus::from_raw(raw_status), stderr);
        assert!(fault.detail.contains(stderr));
        (fault.kind, fault.words)
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_file() {
        let (kind, words) = meaning(
            256,
            "av_interleaved_write_frame(): No space left on device\nInvalid data found",
        );
        assert_eq!(kind, FaultKind::DiskFull);
        assert!(words.contains("disk space"));
    }

    #[test]
    fn limits_and_signals_have_their_own_words() {
        assert!(meaning(25, "").1.contains("larger than this site allows"));
        assert!(meaning(24, "").1.contains("longer than this site allows"));
        assert!(
            meaning(256, "x264 [error]: malloc of size 12 failed")
                .1
                .contains("memory")
        );
        assert_eq!(meaning(9, "").0, FaultKind::Temporary);
        assert_eq!(meaning(15, "").0, FaultKind::Cancelled);
        assert_eq!(
            meaning(255 << 8, "Exiting normally, received signal 15.").0,
            FaultKind::Cancelled
        );
        assert_eq!(meaning(11, "").0, FaultKind::Permanent);
    }

    #[test]
    fn a_missing_program_is_the_sites_fault_and_not_the_files() {
        let (kind, words) = meaning(
            127 << 8,
            "setpriv: failed to execute ffmpeg: No such file or directory",
        );
        assert_eq!(kind, FaultKind::Temporary);
        assert!(words.contains("at the moment"));
    }

    #[test]
    fn a_fault_that_nobody_foresaw_is_tried_again() {
        assert_eq!(meaning(256, "Something new").0, FaultKind::Temporary);
    }
}
