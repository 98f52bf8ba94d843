//! From any recording to sound that every browser plays: M4A, and FLAC or WAV where the site offers them; its waveform,
//! its cover and its chapters; and in pieces when it is long.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cover::take_cover;
use super::fault::{Fault, NO_TRACK};
use super::images::ImageFile;
use super::loudness::{measure, to_stereo};
use super::media_file::MediaFile;
use super::peaks::Peaks;
use super::playlists::split_sound;
use super::poster::blocking;
use super::probe::{AudioStream, Probe, check_longest, quiet_start, source_input};
use super::progress::{Meter, Progress};
use super::tools::Tools;
use super::video::{check_length, file_url, inspect, run, size_of, write_chapters};

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
    /// `peaks.json`, its waveform: `{"version":1,"duration":<seconds>,"peaks":[<0 to 255>, ...]}`.
    pub peaks: MediaFile,
    /// The picture it carries, as `cover` and `thumbnail`, large first; none where there is none to show.
    pub cover: Vec<ImageFile>,
    /// `chapters.vtt`, where the file names two or more.
    pub chapters: Option<MediaFile>,
    /// `master.m3u8`, `sound.m3u8` and `sound.mp4` (RFC 8216), where it is long.
    pub pieces: Vec<MediaFile>,
}

/// Sound that lasts longer is offered in pieces too: a player then loads no index of all of it first.
const LONG_SECONDS: f64 = 20.0 * 60.0;

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
    let costs = costs(found);
    let mut meter = Meter::new(&costs, found.duration_seconds, &mut on_progress);
    meter.next_pass();
    let mut peaks = Peaks::new(found.duration_seconds);
    let loudness = measure(tools, source, sound, Some(&mut peaks), &mut meter).await?;
    meter.next_pass();
    let gain_db = loudness.gain_db();
    let (files, made) = encode(
        tools,
        source,
        (found, sound, gain_db),
        out_dir,
        formats,
        &mut meter,
    )
    .await?;
    meter.next_pass();
    let m4a = path_of(out_dir, AudioFormat::M4a);
    let pieces = if made > LONG_SECONDS {
        split_sound(tools, &m4a, out_dir, &mut meter).await?
    } else {
        Vec::new()
    };
    meter.next_pass();
    let cover = match found.cover {
        Some(index) => take_cover(tools, source, index, out_dir, &mut meter).await?,
        None => None,
    };
    let path = out_dir.join("peaks.json");
    let peaks = peaks.json(made, gain_db);
    let peaks = blocking(move || MediaFile::written(path, "application/json", &peaks)).await?;
    let chapters = write_chapters(found, made, out_dir).await?;
    meter.finish();
    Ok(Audio {
        files,
        duration_seconds: made,
        peaks,
        cover: cover.map_or_else(Vec::new, |(cover, thumbnail)| vec![cover, thumbnail]),
        chapters,
        pieces,
    })
}

/// Seconds that each pass takes on some machine: only what they are in terms of each other counts. On four minutes of
/// speech the meter took a twelfth of the time of AAC.
fn costs(found: &Probe) -> [f64; 4] {
    let seconds = found.duration_seconds;
    let splitting = if seconds > LONG_SECONDS {
        0.1 + 0.001 * seconds
    } else {
        0.0
    };
    let cover = if found.cover.is_some() { 0.2 } else { 0.0 };
    [
        0.1 + 0.004 * seconds,
        0.1 + 0.03 * seconds,
        splitting,
        cover,
    ]
}

/// Makes the wanted formats; answers them and how many seconds they last.
async fn encode(
    tools: &Tools,
    source: &Path,
    (found, sound, gain_db): (&Probe, &AudioStream, f64),
    out_dir: &Path,
    formats: &[AudioFormat],
    meter: &mut Meter<'_>,
) -> Result<(Vec<AudioFile>, f64), Fault> {
    let mut wanted = vec![AudioFormat::M4a];
    wanted.extend(
        [AudioFormat::Flac, AudioFormat::Wav]
            .into_iter()
            .filter(|format| formats.contains(format)),
    );
    let mut args = quiet_start(tools.limits.threads);
    args.extend(source_input(&tools.limits, source));
    args.extend(outputs(sound, gain_db, out_dir, &wanted));
    let report = run(tools, args, out_dir, meter).await?;
    let made = inspect(tools, &path_of(out_dir, AudioFormat::M4a)).await?;
    let heard = Probe {
        video: None,
        ..found.clone()
    };
    check_length(&heard, made.duration_seconds, &report)?;
    check_longest(&tools.limits, made.duration_seconds)?;
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
    Ok((files, made.duration_seconds))
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
