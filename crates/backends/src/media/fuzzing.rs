//! What must hold of the parsers here whatever they are given: for the fuzz targets in `fuzz/`, and for
//! the tests, which try it with random bytes and with what the fuzzers have found.

use super::loudness::read_summary;
use super::progress::{Meter, Progress};
use super::report::Report;
use super::{HEAD_BYTES, Kind, playlist, sniff};

/// The beginning of a file: told what it is, the same each time, and taken as that.
pub fn head(bytes: &[u8]) {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let found = sniff(head);
    assert_eq!(found, sniff(head));
    assert!(
        found.mime.is_ascii() && found.mime.contains('/'),
        "{}",
        found.mime
    );
    for kind in [Kind::Image, Kind::Video, Kind::Audio, Kind::File] {
        match kind.admit(head) {
            Ok(admitted) => {
                let is_playlist = kind != Kind::File && playlist(head).is_some();
                assert!(admitted.kind == kind && !is_playlist, "{admitted:?}");
            }
            Err(refused) => assert!(!refused.0.is_empty()),
        }
    }
}

/// What ffprobe says: read or refused, and never a number that is none.
pub fn report(bytes: &[u8]) {
    let Ok(report) = serde_json::from_slice::<Report>(bytes) else {
        return;
    };
    let probe = report.into_probe();
    assert!(probe.duration_seconds.is_finite() && probe.duration_seconds >= 0.0);
    if let Some(video) = &probe.video {
        let (width, height) = video.shown_size();
        assert!(width.is_finite() && height.is_finite() && width > 0.0 && height > 0.0);
    }
}

/// What ffmpeg says while it works, line by line: the number told grows and stays within 100.
pub fn progress(bytes: &[u8]) {
    let mut told = Vec::new();
    let mut tell = |progress: Progress| told.push(progress.percent);
    let mut meter = Meter::new(&[1.0, 3.0], 10.0, &mut tell);
    for (number, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
        if number % 8 == 0 {
            meter.next_pass();
        }
        meter.line(line);
    }
    meter.finish();
    assert!(told.is_sorted() && told.iter().all(|percent| (0.0..=100.0).contains(percent)));
}

/// The summary of a measurement of loudness: the gain that follows from it can be applied.
pub fn loudness(bytes: &[u8]) {
    let loudness = read_summary(&String::from_utf8_lossy(bytes));
    assert!(loudness.gain_db().is_finite());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Every parser with what the fuzzers have found for it.
    #[test]
    fn what_was_found_once_is_not_found_again() {
        for (name, check) in [
            ("head", super::head as fn(&[u8])),
            ("report", super::report),
            ("progress", super::progress),
            ("loudness", super::loudness),
        ] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/kept/").to_owned() + name;
            for kept in std::fs::read_dir(&folder).expect("each target keeps something") {
                check(&std::fs::read(kept.unwrap().path()).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            text in "(out_time_us=|frame=|Summary:|I:|Peak:|[-0-9.einfNA]{1,8}|[ \n=]){0,40}",
            json in "(\\{|\\}|\\[|\\]|:|,|\"(streams|format|duration|width|side_data_list|rotation)\"|[-0-9e.]{1,6}){0,30}",
        ) {
            for bytes in [&bytes, text.as_bytes(), json.as_bytes()] {
                super::head(bytes);
                super::report(bytes);
                super::progress(bytes);
                super::loudness(bytes);
            }
        }
    }
}
