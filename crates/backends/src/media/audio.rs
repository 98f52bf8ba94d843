//! From any recording to sound that every browser plays: M4A, and FLAC or WAV where the site offers them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::fault::{Fault, NO_TRACK};
use super::loudness::{measure, to_stereo};
use super::probe::{AudioStream, Probe, input, quiet_start};
use super::progress::{Meter, Progress};
use super::tools::Tools;
use super::video::{check_length, file_url, inspect, run, size_of};

/// Of AAC in stereo, for films and sound alike.
pub(super) const AAC_BIT_RATE: &str = "128k";

/// What sound is stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioFormat {
    /// AAC in MP4: always made, since every browser plays it.
    M4a,
    /// Lossless, about half the size of WAV.
    Flac,
    /// 16 bit PCM.
    Wav,
}

impl AudioFormat {
    /// The name on its button: `M4A`, `FLAC`, `WAV`.
    pub fn name(self) -> &'static str {
        match self {
            Self::M4a => "M4A",
            Self::Flac => "FLAC",
            Self::Wav => "WAV",
        }
    }

    /// The ending of its files, without the dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::M4a => "m4a",
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }

    /// The content type it is served with.
    pub fn mime(self) -> &'static str {
        match self {
            Self::M4a => "audio/mp4",
            Self::Flac => "audio/flac",
            Self::Wav => "audio/wav",
        }
    }

    fn encoder(self) -> &'static [&'static str] {
        match self {
            Self::M4a => &[
                "-c:a",
                "aac",
                "-b:a",
                AAC_BIT_RATE,
                "-movflags",
                "+faststart",
                "-f",
                "mp4",
            ],
            Self::Flac => &["-c:a", "flac", "-sample_fmt", "s16", "-f", "flac"],
            // Over 4 GiB a plain WAV cannot say its length (RFC 2361; EBU Tech 3306).
            Self::Wav => &["-c:a", "pcm_s16le", "-rf64", "auto", "-f", "wav"],
        }
    }
}

/// One stored form of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFile {
    /// Its format.
    pub format: AudioFormat,
    /// `audio.<ending>` in the folder given.
    pub path: PathBuf,
    /// Bytes.
    pub size_bytes: u64,
}

/// Sound ready to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// M4A first, then those asked for.
    pub files: Vec<AudioFile>,
    /// Seconds.
    pub duration_seconds: f64,
}

/// Makes M4A, and the `formats` asked for, in `out_dir`, an existing folder that nothing else uses. The first sound
/// track is taken; pictures are left out. Dropping the future kills what it started.
///
/// # Errors
/// A `Fault` in a teacher's words; what is in `out_dir` then is of no use.
pub async fn audio(
    tools: &Tools,
    source: &Path,
    found: &Probe,
    out_dir: &Path,
    formats: &[AudioFormat],
    mut on_progress: impl FnMut(Progress) + Send,
) -> Result<Audio, Fault> {
    let Some(sound) = found.audio.first() else {
        let words = if found.video.is_some() {
            "This video has no sound. Add it as a video instead."
        } else {
            NO_TRACK
        };
        return Err(Fault::permanent(words, "no audio stream"));
    };
    // On four minutes of speech the meter took a twelfth of the time of AAC.
    let mut meter = Meter::new(&[8.0, 92.0], found.duration_seconds, &mut on_progress);
    meter.next_pass();
    let gain_db = measure(tools, source, sound, &mut meter).await?.gain_db();
    meter.next_pass();
    let mut wanted = vec![AudioFormat::M4a];
    wanted.extend(
        [AudioFormat::Flac, AudioFormat::Wav]
            .into_iter()
            .filter(|format| formats.contains(format)),
    );
    let mut args = quiet_start(tools.limits.threads);
    args.extend(input(source));
    args.extend(outputs(sound, gain_db, out_dir, &wanted));
    let report = run(tools, args, out_dir, &mut meter).await?;
    let made = inspect(tools, &path_of(out_dir, AudioFormat::M4a)).await?;
    let heard = Probe {
        video: None,
        ..found.clone()
    };
    check_length(&heard, made.duration_seconds, &report)?;
    let mut files = Vec::new();
    for format in wanted {
        let path = path_of(out_dir, format);
        let size_bytes = size_of(&path).await?;
        files.push(AudioFile {
            format,
            path,
            size_bytes,
        });
    }
    meter.finish();
    Ok(Audio {
        files,
        duration_seconds: made.duration_seconds,
    })
}

/// The arguments of all results. One decoding feeds all of them.
fn outputs(
    sound: &AudioStream,
    gain_db: f64,
    out_dir: &Path,
    formats: &[AudioFormat],
) -> Vec<OsString> {
    let map = format!("0:{}", sound.index);
    let filters = format!("{},volume={gain_db:.2}dB:precision=float", to_stereo(sound));
    let rate = encode_rate(sound.sample_rate).to_string();
    let mut args: Vec<OsString> = Vec::new();
    for format in formats {
        args.extend(["-map", &map, "-vn", "-sn", "-dn"].map(Into::into));
        args.extend(["-map_metadata", "-1", "-map_chapters", "-1"].map(Into::into));
        args.extend(["-af", &filters, "-ar", &rate, "-ac", "2"].map(Into::into));
        args.extend(format.encoder().iter().map(Into::into));
        args.push(file_url(&path_of(out_dir, *format)));
    }
    args
}

fn path_of(out_dir: &Path, format: AudioFormat) -> PathBuf {
    out_dir.join(format!("audio.{}", format.ending()))
}

/// Every browser plays 44.1 and 48 kHz; others are brought to the one they divide.
pub(super) fn encode_rate(source: u32) -> u32 {
    if source.is_multiple_of(11_025) {
        44_100
    } else {
        48_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sampling_rate_is_one_that_every_browser_plays() {
        for (expected, source) in [
            (44_100, 44_100),
            (44_100, 22_050),
            (48_000, 8_000),
            (48_000, 96_000),
            (48_000, 37),
        ] {
            assert_eq!(encode_rate(source), expected);
        }
    }
}
