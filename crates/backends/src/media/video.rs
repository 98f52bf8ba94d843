//! From any recording to a film that every browser plays: a ladder of sizes (H.264 and AAC, in pieces that a player
//! chooses from), one plain MP4 of the best, a poster, small pictures along the time line, and its chapters.
//!
//! ```text
//! measure the sound -> the ladder (one run) -> video.mp4 (copied) -> poster -> sprites
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::audio::encode_rate;
use super::chapters;
use super::fault::{CUT_OFF, Fault, NOTHING_DECODED};
use super::images::ImageFile;
use super::ladder::{Ladder, SOUND, Sound};
use super::loudness::measure;
use super::media_file::MediaFile;
use super::playlists::{self, Forms};
use super::poster::{blocking, make_poster};
use super::probe::{Probe, check_longest, input, probe, quiet_start};
use super::process::{self, Task};
use super::progress::{Meter, Progress};
use super::sprites::{self, make_sprites};
use super::tools::{Limits, Tools};

/// A film ready to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// `video.mp4` in the folder given.
    pub path: PathBuf,
    /// `video/mp4`.
    pub mime: &'static str,
    /// Bytes.
    pub size_bytes: u64,
    /// Seconds.
    pub duration_seconds: f64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Shown before it plays.
    pub poster: ImageFile,
    /// The poster made small, for lists.
    pub thumbnail: ImageFile,
    /// `master.m3u8` (RFC 8216) and what it names: `v240.m3u8` with `v240.mp4` and so on, `sound.m3u8` with
    /// `sound.mp4`. Every address in them is the name of another of these files.
    pub ladder: Vec<MediaFile>,
    /// `sprite-0.jpg` and on, and `thumbnails.vtt`, whose cues name places on them.
    pub sprites: Vec<MediaFile>,
    /// `chapters.vtt`, where the file names two or more.
    pub chapters: Option<MediaFile>,
}

/// Makes all of it in `out_dir`, an existing folder that nothing else uses. Dropping the future kills
/// what it started.
///
/// # Errors
/// A `Fault` in a teacher's words; what is in `out_dir` then is of no use.
pub async fn video(
    tools: &Tools,
    source: &Path,
    found: &Probe,
    out_dir: &Path,
    mut on_progress: impl FnMut(Progress) + Send,
) -> Result<Video, Fault> {
    let Some(picture) = &found.video else {
        return Err(Fault::permanent(
            "This file holds sound only. Add it as audio instead.",
            "no video stream",
        ));
    };
    let ladder = Ladder::of(picture);
    let costs = costs(found, &ladder);
    let mut meter = Meter::new(&costs, found.duration_seconds, &mut on_progress);
    meter.next_pass();
    let sound = match found.audio.first() {
        Some(track) => {
            let loudness = measure(tools, source, track, None, &mut meter).await?;
            Some((track, loudness.gain_db()))
        }
        None => None,
    };
    meter.next_pass();
    let args = ladder.command(tools, source, picture, sound);
    let report = run(tools, args, out_dir, &mut meter).await?;
    let forms = collect(&ladder, out_dir).await?;
    meter.next_pass();
    let path = join(
        tools,
        &ladder,
        sound.filter(|_| forms.has_sound),
        out_dir,
        &mut meter,
    )
    .await?;
    let made = inspect(tools, &path).await?;
    check_length(found, made.duration_seconds, &report)?;
    check_longest(&tools.limits, made.duration_seconds)?;
    let film = finish(tools, (found, &ladder), forms, (path, made), &mut meter).await?;
    meter.finish();
    Ok(film)
}

/// Seconds that each pass takes on some machine, in their order, for a film of which half a minute is moving picture:
/// only what they are in terms of each other counts.
fn costs(found: &Probe, ladder: &Ladder) -> [f64; 5] {
    let seconds = found.duration_seconds;
    let measuring = if found.audio.is_empty() {
        0.0
    } else {
        0.1 + 0.012 * seconds
    };
    let encoding = 0.2 + (0.02 + 0.009 * ladder.megapixels_a_second()) * seconds;
    let copying = 0.1 + 0.004 * seconds;
    let poster = 0.4;
    [
        measuring,
        encoding,
        copying,
        poster,
        sprites::cost(ladder, seconds),
    ]
}

/// Everything after the film itself: poster, sprites and chapters.
async fn finish(
    tools: &Tools,
    (found, ladder): (&Probe, &Ladder),
    forms: Forms,
    (path, made): (PathBuf, Probe),
    meter: &mut Meter<'_>,
) -> Result<Video, Fault> {
    let out_dir = path.parent().unwrap_or(Path::new("/")).to_owned();
    let seconds = made.duration_seconds;
    meter.next_pass();
    let (poster, thumbnail) = make_poster(tools, &path, seconds, &out_dir, meter).await?;
    meter.next_pass();
    let sprites = match ladder.rungs.last() {
        Some(rung) => make_sprites(tools, rung, &forms.smallest, &out_dir, meter).await?,
        None => Vec::new(),
    };
    let chapters = write_chapters(found, seconds, &out_dir).await?;
    let size_bytes = size_of(&path).await?;
    let (width, height) = made
        .video
        .map_or((0, 0), |video| (video.width, video.height));
    Ok(Video {
        path,
        mime: "video/mp4",
        size_bytes,
        duration_seconds: seconds,
        width,
        height,
        poster,
        thumbnail,
        ladder: forms.files,
        sprites,
        chapters,
    })
}

async fn collect(ladder: &Ladder, out_dir: &Path) -> Result<Forms, Fault> {
    let (ladder, out_dir) = (ladder.clone(), out_dir.to_owned());
    blocking(move || playlists::collect(&ladder, &out_dir)).await
}

/// `chapters.vtt`, for films and sound alike.
pub(super) async fn write_chapters(
    found: &Probe,
    duration_seconds: f64,
    out_dir: &Path,
) -> Result<Option<MediaFile>, Fault> {
    let Some(text) = chapters::track(&found.chapters, duration_seconds) else {
        return Ok(None);
    };
    let path = out_dir.join("chapters.vtt");
    blocking(move || MediaFile::written(path, "text/vtt", &text).map(Some)).await
}

/// The best rung and the sound in one plain MP4 that begins to play before it is loaded: copied, not encoded again.
async fn join(
    tools: &Tools,
    ladder: &Ladder,
    sound: Option<Sound<'_>>,
    out_dir: &Path,
    meter: &mut Meter<'_>,
) -> Result<PathBuf, Fault> {
    /// Samples that an AAC encoder puts before the first one (its priming).
    const PRIMING: f64 = 1024.0;
    let best = ladder.rungs.first().map_or("", |rung| &rung.name);
    let mut args = quiet_start(tools.limits.threads);
    args.extend(input(Path::new(&format!("{best}.mp4"))));
    if let Some((track, _)) = sound {
        // Each file is counted from its own first packet; that of the sound lies before the picture.
        let early = -PRIMING / f64::from(encode_rate(track.sample_rate));
        args.extend(["-itsoffset".into(), format!("{early:.6}").into()]);
        args.extend(input(Path::new(&format!("{SOUND}.mp4"))));
        args.extend(["-map".into(), "1:a".into()]);
    }
    for word in [
        "-map",
        "0:v",
        "-c",
        "copy",
        "-copypriorss",
        "1",
        "-map_metadata",
        "-1",
        "-movflags",
        "+faststart",
        "-f",
        "mp4",
        "file:video.mp4",
    ] {
        args.push(word.into());
    }
    run(tools, args, out_dir, meter).await?;
    Ok(out_dir.join("video.mp4"))
}

/// Runs ffmpeg in the folder of results.
pub(super) async fn run(
    tools: &Tools,
    args: Vec<OsString>,
    out_dir: &Path,
    meter: &mut Meter<'_>,
) -> Result<String, Fault> {
    let task = Task {
        program: &tools.ffmpeg,
        args,
        folder: out_dir,
        time: tools.limits.time,
        stall: Some(tools.limits.stall),
        stdout_bytes: process::STDOUT_BYTES,
    };
    process::run(&tools.limits, task, &mut |line| meter.line(line)).await
}

/// A file of ours, in bytes.
pub(super) async fn size_of(path: &Path) -> Result<u64, Fault> {
    let meta = tokio::fs::metadata(path).await;
    meta.map(|meta| meta.len())
        .map_err(|error| Fault::from_io(&path.display().to_string(), &error))
}

/// What was made. A result that cannot be read means that nothing of the source could be decoded.
pub(super) async fn inspect(tools: &Tools, path: &Path) -> Result<Probe, Fault> {
    // It may be longer than allowed, where the source said less: that is for the caller to tell.
    let tools = Tools {
        limits: Limits {
            longest: tools.limits.longest + Duration::from_mins(1),
            ..tools.limits
        },
        ..tools.clone()
    };
    probe(&tools, path).await.map_err(|fault| Fault {
        words: NOTHING_DECODED.to_owned(),
        ..fault
    })
}

/// A file that is cut off may decode without a fault up to where it ends; nobody should find out in the lesson.
pub(super) fn check_length(found: &Probe, made_seconds: f64, report: &str) -> Result<(), Fault> {
    const SIGNS: [&str; 4] = [
        "partial file",
        "ended prematurely",
        "Truncat",
        "Invalid data found",
    ];
    let own = |seconds: Option<Option<f64>>| seconds.flatten().unwrap_or(0.0);
    let tracks = own(found.video.as_ref().map(|video| video.duration_seconds))
        .max(own(found.audio.first().map(|audio| audio.duration_seconds)));
    let expected = if tracks > 0.0 {
        tracks
    } else {
        found.duration_seconds
    };
    if made_seconds < 0.9 * expected && SIGNS.iter().any(|sign| report.contains(sign)) {
        return Err(Fault::permanent(
            CUT_OFF,
            format!("{made_seconds} of {expected} s\n{report}"),
        ));
    }
    Ok(())
}

/// The `file:` form keeps a path from being taken as an option or a protocol.
pub(super) fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}
