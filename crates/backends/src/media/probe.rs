//! What a recording holds, from ffprobe. Hostile files are met here first: only demuxers that read one file
//! and nothing else are allowed, and playlists are refused before any program sees them.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::chapters::Chapter;
use super::fault::{CUT_OFF, ENCRYPTED, Fault, NO_TRACK, NOT_MEDIA};
use super::process::{self, Task};
use super::progress::Meter;
use super::report::Report;
use super::sniff::{HEAD_BYTES, Kind, is_text, playlist};
use super::tools::{Limits, Tools};

/// Demuxers that read the one file they are given. Left out, because they open what the file names:
/// hls, dash, concat, sdp, rtsp, image2, imf, subtitles; and lavfi, which is a language.
const DEMUXERS: &str = "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,wav,w64,aiff,flac,mp3,aac,ac3,\
eac3,dts,amr,amrnb,amrwb,au,caf,ape,wv,tta,mpc,mpc8,dv,ivf,mxf,nut";

const PROBE_TIME: Duration = Duration::from_mins(2);
/// Longer than ffprobe's answer about any recording; some ten thousand chapters take more.
const ANSWER_BYTES: u64 = 4 << 20;

/// What a recording holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// ffprobe's name of the container, e.g. `mov,mp4,m4a,3gp,3g2,mj2`.
    pub format: String,
    /// Length in seconds; counted by reading the file when it does not say.
    pub duration_seconds: f64,
    /// The first video stream that is not a cover picture.
    pub video: Option<VideoStream>,
    /// All sound tracks that have channels, in the file's order.
    pub audio: Vec<AudioStream>,
    /// The place in the file of the first cover picture.
    pub cover: Option<u32>,
    /// The chapters that the file names, as it names them.
    pub chapters: Vec<Chapter>,
}

impl Probe {
    /// `Video` when there are moving pictures, else `Audio`.
    pub fn kind(&self) -> Kind {
        if self.video.is_some() {
            Kind::Video
        } else {
            Kind::Audio
        }
    }
}

/// A stream of pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoStream {
    /// Its place in the file.
    pub index: u32,
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Stored width, in pixels, before rotation.
    pub width: u32,
    /// Stored height, in pixels, before rotation.
    pub height: u32,
    /// By how much players turn it: 0, 90, 180 or 270 degrees clockwise.
    pub rotation: u32,
    /// Width to height of one pixel; 1 when square or not given.
    pub sample_aspect: f64,
    /// Frames a second on average; 0 when unknown.
    pub average_fps: f64,
    /// Frames a second that every timestamp fits in (ffprobe's `r_frame_rate`); 0 when unknown.
    pub base_fps: f64,
    /// ffmpeg's name of the pixel format.
    pub pixel_format: String,
    /// Stored as fields.
    pub interlaced: bool,
    /// High dynamic range (SMPTE ST 2084 or ARIB STD-B67): the transfer's name.
    pub hdr_transfer: Option<String>,
    /// Length in seconds, where the container keeps one for each stream.
    pub duration_seconds: Option<f64>,
}

impl VideoStream {
    /// Width and height as seen: pixels square, upright.
    pub fn shown_size(&self) -> (f64, f64) {
        let (width, height) = (
            f64::from(self.width) * self.sample_aspect,
            f64::from(self.height),
        );
        if self.rotation % 180 == 90 {
            (height, width)
        } else {
            (width, height)
        }
    }
}

/// A sound track.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioStream {
    /// Its place in the file.
    pub index: u32,
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Channels; more than two are mixed to stereo.
    pub channels: u32,
    /// Samples a second.
    pub sample_rate: u32,
    /// Length in seconds, where the container keeps one for each stream.
    pub duration_seconds: Option<f64>,
}

/// Reads what a recording holds.
///
/// # Errors
/// Permanent faults for files that are empty, cut off, encrypted, playlists, no media, without tracks,
/// too long or too large in pixels.
pub async fn probe(tools: &Tools, path: &Path) -> Result<Probe, Fault> {
    look_at_head(path).await?;
    let report = ask(tools, path).await?;
    if report.is_encrypted() {
        return Err(Fault::permanent(ENCRYPTED, "packets carry encryption info"));
    }
    let mut probe = report.into_probe();
    if probe.video.is_none() && probe.audio.is_empty() {
        return Err(Fault::permanent(
            NO_TRACK,
            format!("container {}", probe.format),
        ));
    }
    check_size(tools, &probe)?;
    if probe.duration_seconds <= 0.0 {
        probe.duration_seconds = count_duration(tools, path, &probe).await?;
    }
    check_longest(&tools.limits, probe.duration_seconds)?;
    Ok(probe)
}

/// Whether a recording, or what was made of it, is short enough: files say less than they hold.
pub(super) fn check_longest(limits: &Limits, seconds: f64) -> Result<(), Fault> {
    let longest = limits.longest.as_secs_f64();
    if seconds <= longest {
        return Ok(());
    }
    let hours = longest / 3600.0;
    Err(Fault::permanent(
        format!(
            "This recording is too long: at most {hours:.0} hours are taken. Upload it in parts."
        ),
        format!("{seconds} s"),
    ))
}

/// The input of a run that reads a recording somebody sent, to a little over the longest taken: whatever the file
/// says, its work has an end.
pub(super) fn source_input(limits: &Limits, path: &Path) -> Vec<OsString> {
    let end = limits.longest.as_secs_f64() + 2.0;
    let mut args: Vec<OsString> = vec!["-t".into(), format!("{end:.3}").into()];
    args.extend(input(path));
    args
}

/// Options that come before any input: which demuxers and protocols may be used at all.
pub(super) fn input(path: &Path) -> Vec<OsString> {
    let mut name = OsString::from("file:");
    name.push(path);
    let mut args: Vec<OsString> = [
        "-protocol_whitelist",
        "file,pipe",
        "-format_whitelist",
        DEMUXERS,
        "-i",
    ]
    .map(Into::into)
    .into();
    args.push(name);
    args
}

async fn look_at_head(path: &Path) -> Result<(), Fault> {
    let owned = path.to_owned();
    let head = tokio::task::spawn_blocking(move || {
        let mut head = Vec::new();
        std::fs::File::open(owned)?
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)?;
        Ok(head)
    })
    .await
    .unwrap_or_else(|error| Err(std::io::Error::other(error)))
    .map_err(|error| Fault::from_io(&path.display().to_string(), &error))?;
    if head.is_empty() {
        return Err(Fault::permanent(
            "This file is empty. Upload the recording again.",
            "0 bytes",
        ));
    }
    if let Some(words) = playlist(&head) {
        return Err(Fault::permanent(words, "a playlist"));
    }
    // By its name alone ffmpeg may take a text for a film without an end.
    if is_text(&head) {
        return Err(Fault::permanent(NOT_MEDIA, "text"));
    }
    Ok(())
}

async fn ask(tools: &Tools, path: &Path) -> Result<Report, Fault> {
    const ENTRIES: &str = "format=format_name,duration:stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,\
pix_fmt,field_order,r_frame_rate,avg_frame_rate,duration,channels,sample_rate,color_transfer:\
stream_disposition=attached_pic,timed_thumbnails:stream_side_data=rotation:stream_tags=rotate:\
chapter=start_time,end_time:chapter_tags=title:packet_side_data=side_data_type";
    let mut args: Vec<OsString> = [
        "-v",
        "error",
        "-of",
        "json",
        "-show_entries",
        ENTRIES,
        "-read_intervals",
        "%+#8",
    ]
    .map(Into::into)
    .into();
    args.extend(input(path));
    let task = Task {
        program: &tools.ffprobe,
        args,
        folder: Path::new("/"),
        time: PROBE_TIME,
        stall: None,
        stdout_bytes: ANSWER_BYTES,
    };
    let mut json = String::new();
    process::run(&tools.limits, task, &mut |line| {
        json.push_str(line);
        true
    })
    .await?;
    serde_json::from_str(&json).map_err(|error| {
        Fault::temporary(
            "This file could not be read just now. It will be tried again.",
            error.to_string(),
        )
    })
}

fn check_size(tools: &Tools, probe: &Probe) -> Result<(), Fault> {
    let Some(video) = &probe.video else {
        return Ok(());
    };
    if u64::from(video.width) * u64::from(video.height) > tools.limits.pixels {
        return Err(Fault::permanent(
            format!(
                "The picture of this video is too large ({} by {} pixels). Save it with at most 3840 by 2160 and upload that.",
                video.width, video.height
            ),
            "pixel limit",
        ));
    }
    Ok(())
}

/// Recorders in browsers write no length. Reading all packets without decoding them is quick.
async fn count_duration(tools: &Tools, path: &Path, probe: &Probe) -> Result<f64, Fault> {
    let index = probe
        .audio
        .first()
        .map(|audio| audio.index)
        .or(probe.video.as_ref().map(|video| video.index))
        .unwrap_or(0);
    let mut args = quiet_start(1);
    args.extend(source_input(&tools.limits, path));
    for word in [
        "-map",
        &format!("0:{index}"),
        "-c",
        "copy",
        "-f",
        "null",
        "-",
    ] {
        args.push(word.into());
    }
    let mut seconds = 0.0_f64;
    let mut ignore = |_| {};
    let mut headway = Meter::new(&[1.0], 0.0, &mut ignore);
    headway.next_pass();
    let task = Task {
        program: &tools.ffmpeg,
        args,
        folder: Path::new("/"),
        time: tools.limits.time,
        stall: Some(tools.limits.stall),
        stdout_bytes: process::STDOUT_BYTES,
    };
    process::run(&tools.limits, task, &mut |line| {
        if let Some(micros) = line
            .strip_prefix("out_time_us=")
            .and_then(|value| value.trim().parse::<f64>().ok())
        {
            seconds = seconds.max(micros / 1e6);
        }
        headway.line(line)
    })
    .await?;
    if seconds > 0.0 {
        Ok(seconds)
    } else {
        Err(Fault::permanent(CUT_OFF, "no packets"))
    }
}

/// How every run of ffmpeg begins.
pub(super) fn quiet_start(threads: usize) -> Vec<OsString> {
    let threads = threads.to_string();
    [
        "-hide_banner",
        "-nostdin",
        "-y",
        "-loglevel",
        "warning",
        "-nostats",
        "-progress",
        "pipe:1",
        "-stats_period",
        "0.5",
        "-filter_threads",
        &threads,
        "-threads",
        &threads,
    ]
    .map(Into::into)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demuxers_that_open_other_files_are_not_allowed() {
        for name in [
            "hls",
            "dash",
            "concat",
            "sdp",
            "rtsp",
            "image2",
            "imf",
            "lavfi",
            "webm_dash_manifest",
        ] {
            assert!(
                !DEMUXERS.split(',').any(|allowed| allowed == name),
                "{name}"
            );
        }
    }
}
