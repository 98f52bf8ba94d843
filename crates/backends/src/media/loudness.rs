//! How loud a recording is, by the EBU R 128 meter, and the one gain that brings it to where listeners expect it.
//! Pure arithmetic and one run of ffmpeg; what is done with the gain is in `video` and `audio`.

use std::path::Path;

use super::audio::encode_rate;
use super::fault::Fault;
use super::peaks::Peaks;
use super::probe::{AudioStream, quiet_start, source_input};
use super::process::{self, Task};
use super::progress::Meter;
use super::tools::Tools;

/// Where recordings are brought to: the loudness that AES TD1008 (2021) recommends for speech and that podcast
/// services ask for. EBU R 128's own -23 is for broadcasting, and too soft for phones and laptops.
pub const TARGET_LUFS: f64 = -16.0;
/// No peak may come above this (EBU R 128, section "maximum true peak").
pub const PEAK_CEILING_DBTP: f64 = -1.0;
/// What lossy encoding may add to a peak.
const CODEC_HEADROOM_DB: f64 = 0.5;
/// A softer recording is mostly noise; more would only lift that.
const MAX_GAIN_DB: f64 = 24.0;
/// The meter's absolute gate (ITU-R BS.1770-5): it reads so when nothing was ever louder, and for less than 0.4 s.
const GATE_LUFS: f64 = -70.0;

/// What the meter read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loudness {
    /// Integrated loudness, LUFS.
    pub integrated_lufs: f64,
    /// True peak, dBTP.
    pub peak_dbtp: f64,
}

impl Loudness {
    /// The gain in dB toward the target, held under the ceiling. 0 for silence and for what is too short to measure.
    pub fn gain_db(self) -> f64 {
        let measurable = self.integrated_lufs.is_finite()
            && self.peak_dbtp.is_finite()
            && self.integrated_lufs > GATE_LUFS;
        if !measurable {
            return 0.0;
        }
        let toward_target = TARGET_LUFS - self.integrated_lufs;
        let up_to_ceiling = PEAK_CEILING_DBTP - CODEC_HEADROOM_DB - self.peak_dbtp;
        toward_target.min(up_to_ceiling).min(MAX_GAIN_DB)
    }
}

/// The filters before the meter and before the gain alike, so that what is measured is what is heard:
/// gaps filled with silence, mixed to stereo.
pub(super) fn to_stereo(audio: &AudioStream) -> String {
    // Nobody knows which loudspeaker the ninth channel is for: the first two are taken as they are.
    let mix = if audio.channels > 8 {
        "pan=stereo|c0=c0|c1=c1,aformat=sample_fmts=fltp"
    } else {
        "aformat=sample_fmts=fltp:channel_layouts=stereo"
    };
    format!("{mix},aresample=async=1:first_pts=0")
}

/// Decodes the track once and reads the meter; `peaks`, where they are wanted, are filled on the way.
pub(super) async fn measure(
    tools: &Tools,
    source: &Path,
    audio: &AudioStream,
    mut peaks: Option<&mut Peaks>,
    meter: &mut Meter<'_>,
) -> Result<Loudness, Fault> {
    let mut args = quiet_start(tools.limits.threads);
    args.extend(source_input(&tools.limits, source));
    // The filter writes its reading at level info; a line for each 0.1 s would come there too.
    let mut filters = format!("{},ebur128=peak=true:framelog=verbose", to_stereo(audio));
    if let Some(peaks) = &peaks {
        filters.push(',');
        filters.push_str(&peaks.filters(encode_rate(audio.sample_rate)));
    }
    let map = format!("0:{}", audio.index);
    for word in [
        "-loglevel",
        "info",
        "-vn",
        "-sn",
        "-dn",
        "-map",
        &map,
        "-af",
        &filters,
        "-f",
        "null",
        "-",
    ] {
        args.push(word.into());
    }
    let task = Task {
        program: &tools.ffmpeg,
        args,
        folder: Path::new("/"),
        time: tools.limits.time,
        stall: Some(tools.limits.stall),
        stdout_bytes: process::STDOUT_BYTES,
    };
    let mut take = |line: &str| match peaks.as_deref_mut() {
        Some(peaks) => peaks.line(line) || meter.line(line),
        None => meter.line(line),
    };
    let report = process::run(&tools.limits, task, &mut take).await?;
    Ok(read_summary(&report))
}

/// The summary that `ebur128` writes at its end. What is not there reads as silence.
pub(super) fn read_summary(report: &str) -> Loudness {
    let summary = report
        .rsplit_once("Summary:")
        .map_or("", |(_, summary)| summary);
    let value = |name: &str| {
        summary
            .lines()
            .find_map(|line| {
                line.trim()
                    .strip_prefix(name)?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(f64::NEG_INFINITY)
    };
    Loudness {
        integrated_lufs: value("I:"),
        peak_dbtp: value("Peak:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(integrated_lufs: f64, peak_dbtp: f64) -> f64 {
        Loudness {
            integrated_lufs,
            peak_dbtp,
        }
        .gain_db()
    }

    #[test]
    fn the_gain_reaches_for_the_target_and_stops_under_the_ceiling() {
        assert!((gain(-20.0, -10.0) - 4.0).abs() < 1e-9);
        assert!((gain(-10.0, -3.0) + 6.0).abs() < 1e-9);
        assert!((gain(-30.0, -6.0) - 4.5).abs() < 1e-9);
        assert!((gain(-50.0, -40.0) - MAX_GAIN_DB).abs() < 1e-9);
    }

    #[test]
    fn silence_gets_no_gain() {
        for (integrated, peak) in [
            (-70.0, -80.0),
            (f64::NEG_INFINITY, f64::NEG_INFINITY),
            (-30.0, f64::NEG_INFINITY),
        ] {
            assert!(gain(integrated, peak).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn the_summary_is_read_from_the_end_of_the_report() {
        let report = "x\n[Parsed_ebur128_1 @ 0x1] Summary:\n\n  Integrated loudness:\n    I:         -21.8 LUFS\n    Threshold: -31.8 LUFS\n\n  True peak:\n    Peak:      -21.1 dBFS\n";
        assert_eq!(
            read_summary(report),
            Loudness {
                integrated_lufs: -21.8,
                peak_dbtp: -21.1
            }
        );
        assert!(read_summary("nothing").gain_db().abs() < f64::EPSILON);
    }
}
