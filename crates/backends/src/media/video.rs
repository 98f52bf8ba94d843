//! From any recording to a film that every browser plays: MP4 with H.264 and AAC, and a poster.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::audio::{AAC_BIT_RATE, encode_rate};
use super::fault::{CUT_OFF, Fault, NO_TRACK};
use super::images::{ImageFile, ImageLimits, Picture};
use super::loudness::{measure, to_stereo};
use super::probe::{AudioStream, Probe, VideoStream, input, probe, quiet_start};
use super::process::{self, Task};
use super::progress::{Meter, Progress};
use super::tools::Tools;

/// The shorter side is at most this, in pixels.
const MAX_SHORT_SIDE: f64 = 1080.0;
/// The longer side is at most this: decoders of phones go no further (H.264 level 5.1).
const MAX_LONG_SIDE: f64 = 4096.0;
const MAX_FPS: f64 = 60.0;
const POSTER_WIDTH: u32 = 1280;
const THUMBNAIL_WIDTH: u32 = 480;

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
}

/// Makes the film and its poster in `out_dir`, an existing folder that nothing else uses. Dropping the future kills
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
    let sound = found.audio.first();
    // On a minute of moving 1080p the meter took a hundredth of the time of H.264; slides encode quicker. The
    // poster takes a fraction of a second.
    let weights: &[f64] = if sound.is_some() {
        &[2.0, 97.0, 1.0]
    } else {
        &[99.0, 1.0]
    };
    let mut meter = Meter::new(weights, found.duration_seconds, &mut on_progress);
    let mut gain_db = 0.0;
    if let Some(sound) = sound {
        meter.next_pass();
        gain_db = measure(tools, source, sound, &mut meter).await?.gain_db();
    }
    meter.next_pass();
    let path = out_dir.join("video.mp4");
    let sound = sound.map(|sound| (sound, gain_db));
    let mut args = quiet_start(tools.limits.threads);
    args.extend(input(source));
    args.extend(encoding(tools, picture, sound, &path));
    let report = run(tools, args, out_dir, &mut meter).await?;
    let made = inspect(tools, &path).await?;
    check_length(found, made.duration_seconds, &report)?;
    meter.next_pass();
    let (poster, thumbnail) =
        make_poster(tools, &path, made.duration_seconds, out_dir, &mut meter).await?;
    let size_bytes = size_of(&path).await?;
    meter.finish();
    let (width, height) = made
        .video
        .map_or((0, 0), |video| (video.width, video.height));
    Ok(Video {
        path,
        mime: "video/mp4",
        size_bytes,
        duration_seconds: made.duration_seconds,
        width,
        height,
        poster,
        thumbnail,
    })
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
    probe(tools, path).await.map_err(|fault| Fault {
        words: "Nothing in this file could be decoded. Try playing it on your computer, then save it as MP4 and upload that.".to_owned(),
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

/// The arguments from the maps to the result.
fn encoding(
    tools: &Tools,
    picture: &VideoStream,
    sound: Option<(&AudioStream, f64)>,
    out: &Path,
) -> Vec<OsString> {
    let fps = sane_fps(picture);
    let (width, height) = fit(picture.shown_size());
    let mut words: Vec<String> = vec!["-map".into(), format!("0:{}", picture.index)];
    if let Some((sound, gain_db)) = sound {
        let filters = format!("{},volume={gain_db:.2}dB:precision=float", to_stereo(sound));
        words.extend(["-map".into(), format!("0:{}", sound.index)]);
        words.extend([
            "-af".into(),
            filters,
            "-ar".into(),
            encode_rate(sound.sample_rate).to_string(),
        ]);
        words.extend(["-c:a", "aac", "-ac", "2", "-b:a", AAC_BIT_RATE].map(Into::into));
    }
    words.extend(
        [
            "-map_metadata",
            "-1",
            "-map_chapters",
            "-1",
            "-sn",
            "-dn",
            "-vf",
        ]
        .map(Into::into),
    );
    words.push(picture_filters(picture, fps, width, height));
    // A key frame every 4 s at least, so that jumping is quick.
    let gop = format!("{:.0}", (fps * 4.0).max(1.0));
    let threads = tools.limits.threads.to_string();
    words.extend(
        [
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-profile:v",
            "high",
            "-pix_fmt",
            "yuv420p",
            "-crf",
            "22",
            "-g",
            &gop,
            "-threads",
            &threads,
            "-max_muxing_queue_size",
            "9999",
            "-movflags",
            "+faststart",
            "-f",
            "mp4",
        ]
        .map(Into::into),
    );
    words
        .into_iter()
        .map(Into::into)
        .chain([file_url(out)])
        .collect()
}

/// The `file:` form keeps a path from being taken as an option or a protocol.
pub(super) fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

/// ffmpeg itself turns the picture upright before these.
fn picture_filters(picture: &VideoStream, fps: f64, width: u32, height: u32) -> String {
    let mut filters = Vec::new();
    if picture.interlaced {
        filters.push("bwdif=mode=send_frame:deint=interlaced".to_owned());
    }
    // Begins with the sound, and at a steady rate: players and cutters lose step otherwise.
    filters.push(format!("fps={fps:.5}:start_time=0"));
    let is_rgb = ["rgb", "bgr", "gbr", "argb", "abgr", "pal8", "0rgb", "0bgr"]
        .iter()
        .any(|name| picture.pixel_format.starts_with(name));
    if let Some(transfer) = &picture.hdr_transfer {
        filters.push(format!("scale={width}:{height}"));
        filters.push(format!(
            "setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc"
        ));
        filters.push(
            "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0"
                .to_owned(),
        );
        filters.push("zscale=t=bt709:m=bt709:r=tv".to_owned());
    } else if is_rgb {
        filters.push(format!(
            "scale={width}:{height}:out_color_matrix=bt709:out_range=tv"
        ));
        filters.push("setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709".to_owned());
    } else {
        filters.push(format!("scale={width}:{height}:out_range=tv"));
    }
    filters.push("setsar=1,format=yuv420p".to_owned());
    filters.join(",")
}

/// The size of the result: never enlarged, within both limits, even.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to between 2 and 4096 before"
)]
fn fit((width, height): (f64, f64)) -> (u32, u32) {
    let (short, long) = (width.min(height), width.max(height));
    let scale = (MAX_SHORT_SIDE / short).min(MAX_LONG_SIDE / long).min(1.0);
    let even = |side: f64| {
        // A thousandth forgives the rounding of the scale itself.
        let halves = (side * scale / 2.0 + 0.001).floor();
        (halves * 2.0).clamp(2.0, MAX_LONG_SIDE) as u32
    };
    (even(width), even(height))
}

/// A steady rate near the source's own: its own where it is steady, else the next usual one.
fn sane_fps(picture: &VideoStream) -> f64 {
    const USUAL: [f64; 8] = [5.0, 10.0, 15.0, 24.0, 25.0, 30.0, 50.0, MAX_FPS];
    let (average, base) = (picture.average_fps, picture.base_fps);
    // Fields count twice in the base of interlaced streams.
    let own = if picture.interlaced && average > 0.0 {
        average
    } else {
        base
    };
    if (1.0..=MAX_FPS + 0.1).contains(&own) {
        return own;
    }
    if average <= 0.0 {
        return 30.0;
    }
    USUAL
        .into_iter()
        .find(|usual| average <= usual + 0.1)
        .unwrap_or(MAX_FPS)
}

/// A frame from a little into the film, the first of a few places where there is something to see.
async fn make_poster(
    tools: &Tools,
    film: &Path,
    seconds: f64,
    out_dir: &Path,
    meter: &mut Meter<'_>,
) -> Result<(ImageFile, ImageFile), Fault> {
    /// Below this all is of one color: black, or a fade.
    const SOMETHING_TO_SEE: f64 = 6.0;
    let raw = out_dir.join("frame.jpg");
    let mut best: Option<(f64, Picture)> = None;
    for share in [0.1, 0.3, 0.5, 0.8, 0.0] {
        let Some(frame) = take_frame(
            tools,
            film,
            (seconds * share).min(600.0 * share),
            &raw,
            meter,
        )
        .await?
        else {
            continue;
        };
        let contrast = frame.contrast();
        if best.as_ref().is_none_or(|(most, _)| contrast > *most) {
            best = Some((contrast, frame));
        }
        if contrast > SOMETHING_TO_SEE {
            break;
        }
    }
    let Some((_, frame)) = best else {
        return Err(Fault::permanent(
            NO_TRACK,
            "no frame could be taken for the poster",
        ));
    };
    let (poster, thumbnail) = (out_dir.join("poster"), out_dir.join("thumbnail"));
    blocking(move || {
        let files = (
            frame.write_width(POSTER_WIDTH, &poster)?,
            frame.write_width(THUMBNAIL_WIDTH, &thumbnail)?,
        );
        std::fs::remove_file(&raw).map_err(|error| Fault::from_io("frame.jpg", &error))?;
        Ok(files)
    })
    .await
}

/// The most typical of the frames near that second; none when there are none.
async fn take_frame(
    tools: &Tools,
    film: &Path,
    second: f64,
    raw: &Path,
    meter: &mut Meter<'_>,
) -> Result<Option<Picture>, Fault> {
    let mut args = quiet_start(tools.limits.threads);
    args.extend(["-ss".into(), format!("{second:.3}").into()]);
    args.extend(input(film));
    for word in [
        "-an",
        "-vf",
        "thumbnail=n=25",
        "-frames:v",
        "1",
        "-q:v",
        "2",
        "-f",
        "image2",
        "-update",
        "1",
    ] {
        args.push(word.into());
    }
    args.push(file_url(raw));
    run(tools, args, raw.parent().unwrap_or(Path::new("/")), meter).await?;
    let raw = raw.to_owned();
    blocking(move || {
        if raw.exists() {
            Picture::open(&raw, &ImageLimits::default()).map(Some)
        } else {
            Ok(None)
        }
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Fault::from_io("thread", &std::io::Error::other(error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_made_even_and_never_larger() {
        assert_eq!(fit((1920.0, 1080.0)), (1920, 1080));
        assert_eq!(fit((3840.0, 2160.0)), (1920, 1080));
        assert_eq!(fit((2160.0, 3840.0)), (1080, 1920));
        assert_eq!(fit((101.0, 77.0)), (100, 76));
        assert_eq!(fit((1.0, 1.0)), (2, 2));
        assert_eq!(fit((8000.0, 100.0)), (4096, 50));
        assert_eq!(fit((720.0 * 64.0 / 45.0, 576.0)), (1024, 576));
    }

    fn rate(average_fps: f64, base_fps: f64, interlaced: bool) -> f64 {
        sane_fps(&VideoStream {
            index: 0,
            codec: String::new(),
            width: 2,
            height: 2,
            rotation: 0,
            sample_aspect: 1.0,
            average_fps,
            base_fps,
            pixel_format: String::new(),
            interlaced,
            hdr_transfer: None,
            duration_seconds: None,
        })
    }

    #[test]
    fn the_frame_rate_is_kept_where_it_is_sane() {
        for (expected, average, base, interlaced) in [
            (29.97, 29.97, 29.97, false),
            (25.0, 25.0, 50.0, true),
            (60.0, 240.0, 240.0, false),
            (30.0, 28.3, 90_000.0, false),
            (30.0, 0.0, 0.0, false),
            (5.0, 0.2, 1000.0, false),
        ] {
            assert!(
                (rate(average, base, interlaced) - expected).abs() < 1e-9,
                "{expected}"
            );
        }
    }
}
