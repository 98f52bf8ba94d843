//! The engine against real recordings, made here by ffmpeg: small, a second or two long.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;

use super::process::{self, Task};
use super::*;

struct Bench {
    folder: TempDir,
    tools: Tools,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            tools: Tools::new(None, Limits::default()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A recording, made by ffmpeg with these arguments (parted by blanks).
    fn make(&self, name: &str, args: &str) -> PathBuf {
        let path = self.path(name);
        let made = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
            .args(args.split_whitespace())
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success(), "{name} could not be made");
        path
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// An empty folder for results.
    fn out(&self) -> PathBuf {
        let out = self.path("out");
        fs::create_dir_all(&out).unwrap();
        out
    }

    async fn video(&self, source: &Path) -> Result<Video, Fault> {
        let found = probe(&self.tools, source).await?;
        video(&self.tools, source, &found, &self.out(), |_| {}).await
    }

    async fn refused(&self, source: &Path) -> Fault {
        let fault = probe(&self.tools, source).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Permanent, "{fault:?}");
        fault
    }

    /// Integrated loudness and true peak of a file.
    async fn loudness(&self, path: &Path) -> Loudness {
        let found = probe(&self.tools, path).await.unwrap();
        let mut ignore = |_| {};
        let mut meter = progress::Meter::new(&[1.0], 1.0, &mut ignore);
        loudness::measure(&self.tools, path, &found.audio[0], &mut meter)
            .await
            .unwrap()
    }
}

const SMALL: &str = "-f lavfi -i testsrc=s=64x48:r=10:d=1";
const TONE: &str = "-f lavfi -i sine=d=1";

/// How many processes have this text in their command line.
fn processes_naming(text: &str) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(text))
        .count()
}

/// Not while it is still `nice`, `prlimit` or `setpriv`: those have not yet asked to die.
fn is_ffmpeg_running(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let names = |file: &str, text: &str| {
            let read = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&read).contains(text)
        };
        names("cmdline", mark) && names("comm", "ffmpeg")
    })
}

/// Looks again and again until it holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}

/// A run of ffmpeg that does not end by itself; `mark` finds it among the processes.
fn endless<'a>(tools: &'a Tools, folder: &'a Path, mark: &str) -> Task<'a> {
    let words = format!(
        "-hide_banner -nostdin -loglevel error -nostats -progress pipe:1 -stats_period 0.05 -re -f lavfi -i testsrc=s=16x16:r=10 -metadata title={mark} -f null -"
    );
    Task {
        program: &tools.ffmpeg,
        args: words.split_whitespace().map(OsString::from).collect(),
        folder,
        time: Duration::from_mins(1),
        stall: Some(Duration::from_secs(30)),
    }
}

/// The same without a report: nothing but being killed ends it, not even that nobody reads its output any more.
fn silent<'a>(tools: &'a Tools, folder: &'a Path, mark: &str) -> Task<'a> {
    let mut task = endless(tools, folder, mark);
    let report = ["-progress", "pipe:1", "-stats_period", "0.05"];
    task.args
        .retain(|word| !report.iter().any(|part| word == part));
    task
}

fn mark() -> String {
    let folder = tempfile::tempdir().unwrap();
    format!(
        "mark-{}",
        folder.path().file_name().unwrap().to_string_lossy()
    )
}

// What a film becomes.

#[tokio::test]
async fn a_film_becomes_an_mp4_that_every_browser_plays_with_poster_and_thumbnail() {
    let bench = Bench::new();
    let source = bench.make(
        "film.mkv",
        &format!("{SMALL} {TONE} -c:v ffv1 -c:a pcm_s16le -metadata title=Secret -metadata:s:a:0 title=Secret"),
    );
    let mut told = Vec::new();
    let found = probe(&bench.tools, &source).await.unwrap();
    let out = bench.out();
    let film = video(&bench.tools, &source, &found, &out, |progress| {
        told.push(progress.percent);
    })
    .await
    .unwrap();

    assert_eq!((film.width, film.height), (64, 48));
    assert!(
        (film.duration_seconds - 1.0).abs() < 0.15,
        "{}",
        film.duration_seconds
    );
    let made = probe(&bench.tools, &film.path).await.unwrap();
    let picture = made.video.unwrap();
    assert_eq!(
        (picture.codec.as_str(), picture.pixel_format.as_str()),
        ("h264", "yuv420p")
    );
    assert_eq!(
        (made.audio[0].codec.as_str(), made.audio[0].channels),
        ("aac", 2)
    );
    assert_eq!(made.audio.len(), 1);

    let bytes = fs::read(&film.path).unwrap();
    let at = |name: &[u8]| bytes.windows(name.len()).position(|window| window == name);
    assert!(at(b"moov").unwrap() < at(b"mdat").unwrap(), "no fast start");
    assert_eq!(at(b"Secret"), None, "metadata was copied");
    assert_eq!(film.size_bytes, bytes.len() as u64);

    for picture in [&film.poster, &film.thumbnail] {
        assert_eq!(
            image::open(&picture.path).unwrap().dimensions(),
            (picture.width, picture.height)
        );
        assert_eq!(picture.mime, "image/jpeg");
    }
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["poster.jpg", "thumbnail.jpg", "video.mp4"]);

    assert_eq!(told.first(), Some(&0.0));
    assert_eq!(told.last(), Some(&100.0));
    assert!(told.is_sorted(), "{told:?}");
    assert!(told.len() > 2, "{told:?}");
}

#[tokio::test]
async fn a_phones_film_on_its_side_comes_out_upright_and_says_so_no_more() {
    let bench = Bench::new();
    // Red above, blue below, as stored; to be turned by a quarter.
    let stored = bench.make(
        "stored.mp4",
        "-f lavfi -i color=red:s=64x48:r=10:d=1,drawbox=y=24:h=24:color=blue:t=fill -c:v libx264 -pix_fmt yuv420p",
    );
    let turned = bench.make(
        "turned.mp4",
        &format!("-i {} -c copy -metadata:s:v rotate=270", stored.display()),
    );
    assert_eq!(
        probe(&bench.tools, &turned)
            .await
            .unwrap()
            .video
            .unwrap()
            .rotation,
        90
    );
    let film = bench.video(&turned).await.unwrap();
    assert_eq!((film.width, film.height), (48, 64));
    assert_eq!(
        probe(&bench.tools, &film.path)
            .await
            .unwrap()
            .video
            .unwrap()
            .rotation,
        0
    );
    // Turned clockwise, what was above is now on the right.
    let poster = image::open(&film.poster.path).unwrap().into_rgb8();
    let (left, right) = (poster.get_pixel(5, 32), poster.get_pixel(43, 32));
    assert!(left[2] > 150 && left[0] < 100, "{left:?}");
    assert!(right[0] > 150 && right[2] < 100, "{right:?}");
}

#[tokio::test]
async fn odd_sizes_ten_bits_and_silent_films_are_fine() {
    let bench = Bench::new();
    let source = bench.make(
        "odd.mkv",
        "-f lavfi -i testsrc=s=101x77:r=10:d=1 -c:v libx264 -pix_fmt yuv444p10le",
    );
    let film = bench.video(&source).await.unwrap();
    assert_eq!((film.width, film.height), (100, 76));
    let made = probe(&bench.tools, &film.path).await.unwrap();
    assert_eq!(made.video.unwrap().pixel_format, "yuv420p");
    assert!(made.audio.is_empty());
}

#[tokio::test]
async fn a_large_film_is_made_smaller_and_wide_pixels_square() {
    let bench = Bench::new();
    let large = bench.make(
        "large.mp4",
        "-f lavfi -i testsrc=s=2880x2160:r=5:d=0.4 -c:v libx264 -preset ultrafast",
    );
    let film = bench.video(&large).await.unwrap();
    assert_eq!((film.width, film.height), (1440, 1080));
    assert_eq!((film.poster.width, film.poster.height), (1280, 960));

    let wide = bench.make(
        "wide.mp4",
        "-f lavfi -i testsrc=s=72x58:r=10:d=0.5 -vf setsar=2/1 -c:v libx264",
    );
    let film = bench.video(&wide).await.unwrap();
    assert_eq!((film.width, film.height), (144, 58));
    assert!(
        (probe(&bench.tools, &film.path)
            .await
            .unwrap()
            .video
            .unwrap()
            .sample_aspect
            - 1.0)
            .abs()
            < 1e-9
    );
}

#[tokio::test]
async fn fields_become_whole_frames() {
    let bench = Bench::new();
    let source = bench.make(
        "fields.mpg",
        "-f lavfi -i testsrc=s=64x48:r=50:d=1 -vf interlace -c:v mpeg2video -flags +ildct+ilme -b:v 500k",
    );
    assert!(
        probe(&bench.tools, &source)
            .await
            .unwrap()
            .video
            .unwrap()
            .interlaced
    );
    let film = bench.video(&source).await.unwrap();
    let made = probe(&bench.tools, &film.path)
        .await
        .unwrap()
        .video
        .unwrap();
    assert!(!made.interlaced);
    assert!(
        (made.average_fps - 25.0).abs() < 0.5,
        "{}",
        made.average_fps
    );
}

#[tokio::test]
async fn an_unsteady_frame_rate_becomes_a_steady_one() {
    let bench = Bench::new();
    let source = bench.make(
        "unsteady.mkv",
        "-f lavfi -i testsrc=s=64x48:r=30:d=2 -vf select='not(mod(n,7))+lt(mod(n,11),3)' -fps_mode vfr -c:v libx264",
    );
    let film = bench.video(&source).await.unwrap();
    let made = probe(&bench.tools, &film.path)
        .await
        .unwrap()
        .video
        .unwrap();
    assert!((made.average_fps - made.base_fps).abs() < 0.01, "{made:?}");
    assert!(made.average_fps <= 60.1);
    assert!(
        (film.duration_seconds - 2.0).abs() < 0.3,
        "{}",
        film.duration_seconds
    );
}

#[tokio::test]
async fn high_dynamic_range_is_brought_to_what_every_screen_shows() {
    let bench = Bench::new();
    let source = bench.make(
        "hdr.mp4",
        "-f lavfi -i testsrc=s=64x48:r=10:d=0.5 -pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=none -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc",
    );
    assert_eq!(
        probe(&bench.tools, &source)
            .await
            .unwrap()
            .video
            .unwrap()
            .hdr_transfer
            .as_deref(),
        Some("arib-std-b67")
    );
    let film = bench.video(&source).await.unwrap();
    let made = probe(&bench.tools, &film.path)
        .await
        .unwrap()
        .video
        .unwrap();
    assert_eq!(
        (made.hdr_transfer, made.pixel_format.as_str()),
        (None, "yuv420p")
    );
}

#[tokio::test]
async fn of_several_tracks_the_first_of_each_is_taken() {
    let bench = Bench::new();
    let source = bench.make(
        "tracks.mkv",
        "-f lavfi -i sine=d=1 -f lavfi -i anullsrc=d=1 -f lavfi -i testsrc=s=64x48:r=10:d=1 -f lavfi -i testsrc=s=32x32:r=10:d=1 -map 0 -map 1 -map 2 -map 3 -t 1 -c:v libx264 -c:a aac",
    );
    let film = bench.video(&source).await.unwrap();
    assert_eq!((film.width, film.height), (64, 48));
    let made = probe(&bench.tools, &film.path).await.unwrap();
    assert_eq!(made.audio.len(), 1);
    assert!(
        bench.loudness(&film.path).await.integrated_lufs > -40.0,
        "the silent track was taken"
    );
}

#[tokio::test]
async fn one_frame_is_enough_for_a_poster() {
    let bench = Bench::new();
    let source = bench.make(
        "frame.mp4",
        "-f lavfi -i testsrc=s=64x48:r=10 -frames:v 1 -c:v libx264",
    );
    let film = bench.video(&source).await.unwrap();
    assert_eq!((film.poster.width, film.poster.height), (64, 48));
}

#[tokio::test]
async fn the_poster_is_not_black_where_the_film_begins_black() {
    let bench = Bench::new();
    let source = bench.make(
        "black.mp4",
        "-f lavfi -i color=black:s=64x48:r=10:d=5 -f lavfi -i testsrc=s=64x48:r=10:d=5 -filter_complex concat=n=2 -c:v libx264",
    );
    let film = bench.video(&source).await.unwrap();
    let brightest = image::open(&film.poster.path)
        .unwrap()
        .into_luma8()
        .pixels()
        .map(|p| p[0])
        .max();
    assert!(brightest > Some(128), "{brightest:?}");
}

#[tokio::test]
async fn a_browsers_recording_that_tells_no_length_is_counted() {
    let bench = Bench::new();
    let out = Command::new("ffmpeg")
        .args(format!("-v error -nostdin {SMALL} {TONE} -c:v libvpx -deadline realtime -c:a libopus -f webm -live 1 -").split_whitespace())
        .output()
        .unwrap();
    let source = bench.write("live.webm", &out.stdout);
    let found = probe(&bench.tools, &source).await.unwrap();
    assert!(
        (found.duration_seconds - 1.0).abs() < 0.2,
        "{}",
        found.duration_seconds
    );
    bench.video(&source).await.unwrap();
}

// What sound becomes.

#[tokio::test]
async fn an_mp3_with_a_cover_is_sound_and_becomes_all_formats_asked_for() {
    let bench = Bench::new();
    let cover = bench.make("cover.png", "-f lavfi -i testsrc=s=32x32 -frames:v 1");
    let source = bench.make(
        "song.mp3",
        &format!(
            "{TONE} -i {} -map 0 -map 1 -c:v copy -disposition:v:0 attached_pic -id3v2_version 3",
            cover.display()
        ),
    );
    let found = probe(&bench.tools, &source).await.unwrap();
    assert_eq!(found.kind(), Kind::Audio);
    let mut told = Vec::new();
    let wanted = [AudioFormat::Wav, AudioFormat::Flac];
    let made = audio(
        &bench.tools,
        &source,
        &found,
        &bench.out(),
        &wanted,
        |progress| told.push(progress.percent),
    )
    .await
    .unwrap();
    let formats: Vec<_> = made.files.iter().map(|file| file.format).collect();
    assert_eq!(
        formats,
        [AudioFormat::M4a, AudioFormat::Flac, AudioFormat::Wav]
    );
    for file in &made.files {
        let found = probe(&bench.tools, &file.path).await.unwrap();
        assert_eq!(found.kind(), Kind::Audio);
        assert!(
            (found.duration_seconds - 1.0).abs() < 0.15,
            "{file:?}: {}",
            found.duration_seconds
        );
        let head = fs::read(&file.path).unwrap();
        assert_eq!(Kind::Audio.admit(&head).unwrap().mime, file.format.mime());
    }
    assert!(
        told.is_sorted() && told.first() == Some(&0.0) && told.last() == Some(&100.0),
        "{told:?}"
    );
}

#[tokio::test]
async fn soft_and_loud_recordings_come_out_equally_loud() {
    let bench = Bench::new();
    for (name, volume) in [("soft.wav", "-12dB"), ("loud.wav", "12dB")] {
        let source = bench.make(
            name,
            &format!("-f lavfi -i sine=d=2:f=400 -af volume={volume} -c:a pcm_f32le"),
        );
        let before = bench.loudness(&source).await;
        assert!(
            (before.integrated_lufs - TARGET_LUFS).abs() > 3.0,
            "{before:?}"
        );
        let found = probe(&bench.tools, &source).await.unwrap();
        let made = audio(&bench.tools, &source, &found, &bench.out(), &[], |_| {})
            .await
            .unwrap();
        let after = bench.loudness(&made.files[0].path).await;
        assert!(
            (after.integrated_lufs - TARGET_LUFS).abs() < 1.0,
            "{name}: {after:?}"
        );
        assert!(after.peak_dbtp < PEAK_CEILING_DBTP, "{name}: {after:?}");
    }
}

#[tokio::test]
async fn a_films_sound_is_evened_too() {
    let bench = Bench::new();
    let source = bench.make(
        "soft.mkv",
        "-f lavfi -i testsrc=s=64x48:r=10:d=2 -f lavfi -i sine=d=2:f=400 -af volume=-10dB -c:v libx264 -c:a pcm_s16le",
    );
    let film = bench.video(&source).await.unwrap();
    let after = bench.loudness(&film.path).await;
    assert!(
        (after.integrated_lufs - TARGET_LUFS).abs() < 1.0,
        "{after:?}"
    );
}

#[tokio::test]
async fn silence_very_short_sound_and_many_channels_are_fine() {
    let bench = Bench::new();
    for (name, args) in [
        ("silence.wav", "-f lavfi -i anullsrc=d=1"),
        ("short.wav", "-f lavfi -i sine=d=0.05"),
        ("many.wav", "-f lavfi -i sine=d=1 -ac 16"),
        ("three.wav", "-f lavfi -i sine=d=1 -ac 3"),
        (
            "phone.wav",
            "-f lavfi -i sine=d=1:sample_rate=8000 -c:a pcm_mulaw",
        ),
    ] {
        let source = bench.make(name, args);
        let found = probe(&bench.tools, &source).await.unwrap();
        let made = audio(&bench.tools, &source, &found, &bench.out(), &[], |_| {}).await;
        assert!(made.is_ok(), "{name}: {made:?}");
    }
}

// What is refused, and in which words.

#[tokio::test]
async fn what_is_no_recording_is_refused_in_plain_words() {
    let bench = Bench::new();
    let film = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    let whole = fs::read(&film).unwrap();
    for (name, bytes, words) in [
        ("empty.mp4", &b""[..], "is empty"),
        (
            "text.mp4",
            b"Dear class, today we begin.\n",
            "not a recording",
        ),
        ("cut.mp4", &whole[..whole.len() / 2], "cut off"),
        (
            "noise.mkv",
            &[0x1a, 0x45, 0xdf, 0xa3, 9, 9, 9, 9],
            "not a recording",
        ),
        ("page.mp4", b"<html><video src=x></html>", "not a recording"),
    ] {
        let fault = bench.refused(&bench.write(name, bytes)).await;
        assert!(fault.words.contains(words), "{name}: {fault:?}");
        assert!(!fault.words.contains('/'), "{name}: {fault:?}");
    }
}

#[tokio::test]
async fn a_film_whose_end_is_missing_is_refused_though_its_beginning_plays() {
    let bench = Bench::new();
    let film = bench.make(
        "film.mp4",
        "-f lavfi -i testsrc2=s=128x96:r=10:d=4 -c:v libx264 -g 10 -movflags +faststart",
    );
    let whole = fs::read(&film).unwrap();
    let cut = bench.write("cut.mp4", &whole[..whole.len() / 2]);
    let fault = bench.video(&cut).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent);
    assert!(fault.words.contains("cut off"), "{fault:?}");
}

#[tokio::test]
async fn an_encrypted_film_is_refused_as_such() {
    let bench = Bench::new();
    let key = "00112233445566778899aabbccddeeff";
    let source = bench.make(
        "locked.mp4",
        &format!("{SMALL} {TONE} -c:v libx264 -c:a aac -encryption_scheme cenc-aes-ctr -encryption_key {key} -encryption_kid {key}"),
    );
    assert!(bench.refused(&source).await.words.contains("encrypted"));
}

#[tokio::test]
async fn a_wrong_ending_changes_nothing() {
    let bench = Bench::new();
    let film = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    let source = bench.path("film.txt");
    fs::rename(film, &source).unwrap();
    assert_eq!(
        probe(&bench.tools, &source).await.unwrap().kind(),
        Kind::Video
    );
}

#[tokio::test]
async fn too_long_and_too_large_recordings_are_refused_before_work_begins() {
    let mut bench = Bench::new();
    let source = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    bench.tools.limits.longest = Duration::from_millis(500);
    assert!(bench.refused(&source).await.words.contains("too long"));
    bench.tools.limits.longest = Duration::from_secs(500);
    bench.tools.limits.pixels = 100;
    assert!(bench.refused(&source).await.words.contains("too large"));
}

#[tokio::test]
async fn a_playlist_that_points_at_a_file_of_the_server_is_refused_and_nothing_is_read() {
    let bench = Bench::new();
    let secret = bench.make("secret.wav", TONE);
    let named = secret.display();
    for (name, text) in [
        (
            "list.m3u8",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{named}\n#EXT-X-ENDLIST\n"),
        ),
        (
            "list.mp4",
            format!("ffconcat version 1.0\nfile '{named}'\n"),
        ),
        (
            "session.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 9 RTP/AVP 0\n".to_owned(),
        ),
        (
            "dash.mpd",
            format!("<?xml version=\"1.0\"?><MPD><BaseURL>{named}</BaseURL></MPD>"),
        ),
    ] {
        let source = bench.write(name, text.as_bytes());
        assert!(
            bench.refused(&source).await.words.contains("playlist"),
            "{name}"
        );
        assert!(
            Kind::Video
                .admit(text.as_bytes())
                .unwrap_err()
                .0
                .contains("playlist"),
            "{name}"
        );
        assert_eq!(sniff(text.as_bytes()).kind, Kind::File);
    }
}

#[tokio::test]
async fn a_playlist_hidden_from_the_head_does_not_get_past_ffmpeg_itself() {
    let bench = Bench::new();
    let secret = bench.make("secret.wav", TONE);
    let list = bench.write(
        "list.m3u8",
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
            secret.display()
        )
        .as_bytes(),
    );
    // As `probe` asks, but without its look at the head.
    let mut args: Vec<OsString> = vec!["-v".into(), "error".into(), "-show_format".into()];
    args.extend(probe::input(&list));
    let task = Task {
        program: &bench.tools.ffprobe,
        args,
        folder: Path::new("/"),
        time: Duration::from_secs(30),
        stall: None,
    };
    let mut said = String::new();
    let fault = process::run(&bench.tools.limits, task, &mut |line| {
        said.push_str(line);
        true
    })
    .await
    .unwrap_err();
    assert!(fault.detail.contains("not on whitelist"), "{fault:?}");
    assert!(!said.contains("duration"), "{said}");
}

// Bounds and ends.

#[tokio::test]
async fn a_missing_ffmpeg_is_the_sites_fault_and_check_says_how_to_mend_it() {
    let mut bench = Bench::new();
    let source = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    bench.tools.check().await.unwrap();
    bench.tools = Tools::new(Some(&bench.path("nowhere")), Limits::default());
    let fault = probe(&bench.tools, &source).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Temporary, "{fault:?}");
    let problems = bench.tools.check().await.unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|words| words.contains("LYCEUM_FFMPEG")));
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let bench = Bench::new();
    let source = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    std::os::unix::fs::symlink("/dev/full", bench.out().join("video.mp4")).unwrap();
    let fault = bench.video(&source).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::DiskFull, "{fault:?}");
}

#[tokio::test]
async fn memory_and_output_are_bounded() {
    let mut bench = Bench::new();
    let source = bench.make(
        "film.mp4",
        "-f lavfi -i testsrc2=s=640x480:r=25:d=2 -c:v libx264 -preset ultrafast",
    );
    let found = probe(&bench.tools, &source).await.unwrap();
    bench.tools.limits.output_bytes = 10_000;
    let fault = video(&bench.tools, &source, &found, &bench.out(), |_| {})
        .await
        .unwrap_err();
    assert!(
        fault.words.contains("larger than this site allows"),
        "{fault:?}"
    );
    bench.tools.limits.output_bytes = 1 << 30;
    bench.tools.limits.memory_bytes = 64 << 20;
    let fault = video(&bench.tools, &source, &found, &bench.out(), |_| {})
        .await
        .unwrap_err();
    assert!(fault.words.contains("memory"), "{fault:?}");
}

#[tokio::test]
async fn a_run_over_its_time_or_without_headway_is_ended() {
    let bench = Bench::new();
    let mark = mark();
    let mut task = endless(&bench.tools, Path::new("/"), &mark);
    task.time = Duration::from_millis(300);
    let fault = process::run(&bench.tools.limits, task, &mut |_| true)
        .await
        .unwrap_err();
    assert!(
        fault.words.contains("longer than this site allows"),
        "{fault:?}"
    );

    let mut task = endless(&bench.tools, Path::new("/"), &mark);
    task.stall = Some(Duration::from_millis(300));
    let fault = process::run(&bench.tools.limits, task, &mut |_| false)
        .await
        .unwrap_err();
    assert!(fault.words.contains("halt"), "{fault:?}");
    assert_eq!(fault.kind, FaultKind::Temporary);
    until("both are gone", || processes_naming(&mark) == 0).await;
}

#[tokio::test]
async fn work_that_is_dropped_leaves_no_ffmpeg_behind() {
    let bench = Bench::new();
    let mark = mark();
    let task = silent(&bench.tools, Path::new("/"), &mark);
    let mut ignore = |_: &str| true;
    tokio::select! {
        ended = process::run(&bench.tools.limits, task, &mut ignore) => panic!("{ended:?}"),
        () = until("it runs", || is_ffmpeg_running(&mark)) => {}
    }
    until("it is gone", || processes_naming(&mark) == 0).await;
}

#[tokio::test]
async fn a_script_in_ffmpegs_place_takes_what_it_started_along() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    let mark = mark();
    let script = bench.write("ffmpeg", b"#!/bin/sh\nffmpeg \"$@\" &\nwait\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    bench.tools = Tools::new(Some(&script), Limits::default());
    let task = silent(&bench.tools, Path::new("/"), &mark);
    let mut ignore = |_: &str| true;
    tokio::select! {
        ended = process::run(&bench.tools.limits, task, &mut ignore) => panic!("{ended:?}"),
        () = until("it runs", || is_ffmpeg_running(&mark)) => {}
    }
    until("both are gone", || processes_naming(&mark) == 0).await;
}

/// Not a test by itself: the process that the next one kills. It starts ffmpeg and waits for it.
#[tokio::test]
#[ignore = "is run by a_process_killed_outright_takes_its_ffmpeg_along"]
async fn a_process_to_be_killed() {
    let Some(mark) = std::env::var_os("LYCEUM_TEST_MARK") else {
        return;
    };
    let tools = Tools::new(None, Limits::default());
    let task = silent(&tools, Path::new("/"), &mark.to_string_lossy());
    let _ = process::run(&tools.limits, task, &mut |_| true).await;
}

#[tokio::test]
async fn a_process_killed_outright_takes_its_ffmpeg_along() {
    let mark = mark();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "media::tests::a_process_to_be_killed",
            "--ignored",
        ])
        .env("LYCEUM_TEST_MARK", &mark)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("ffmpeg runs", || is_ffmpeg_running(&mark)).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("ffmpeg is gone", || processes_naming(&mark) == 0).await;
}

#[test]
fn a_program_outlives_the_thread_that_asked_for_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
    // The thread polls the run until the program has begun, hands the run on, and ends.
    let handle = runtime.handle().clone();
    let work = std::thread::spawn(move || {
        let mut work = Box::pin(async move {
            let tools = Tools::new(None, Limits::default());
            let task = endless(&tools, Path::new("/"), "outlives");
            process::run(&tools.limits, task, &mut |_| tell.send(()).is_ok()).await
        });
        handle.block_on(async {
            tokio::select! {
                ended = &mut work => panic!("{ended:?}"),
                _ = heard.recv() => {}
            }
        });
        (work, heard)
    });
    let (mut work, mut heard) = work.join().unwrap();
    runtime.block_on(async {
        // More lines than could have been on their way when the thread ended.
        for _ in 0..100 {
            tokio::select! {
                ended = &mut work => panic!("it died with its thread: {ended:?}"),
                line = heard.recv() => assert!(line.is_some()),
            }
        }
    });
}

// Types by their first bytes.

#[test]
fn recordings_are_told_by_what_their_container_holds() {
    are_told(&[
        (
            &b"\x00\x00\x00\x18ftypM4A \0\0\0\0"[..],
            "audio/mp4",
            Kind::Audio,
        ),
        (
            b"\x00\x00\x00\x18ftypisom\0\0\0\0",
            "video/mp4",
            Kind::Video,
        ),
        (
            b"\x00\x00\x00\x18ftypqt  \0\0\0\0",
            "video/quicktime",
            Kind::Video,
        ),
        (
            b"\x00\x00\x00\x1cftypmif1\0\0\0\0mif1avif",
            "image/avif",
            Kind::Image,
        ),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0OpusHead",
            "audio/ogg",
            Kind::Audio,
        ),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0\x80theora",
            "video/ogg",
            Kind::Video,
        ),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav", Kind::Audio),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo", Kind::Video),
        (b"\xff\xfb\x90\x64\0\0", "audio/mpeg", Kind::Audio),
        (b"\xff\xf1\x50\x80\0\0", "audio/aac", Kind::Audio),
    ]);
}

#[test]
fn documents_and_pictures_are_told_from_bytes() {
    are_told(&[
        (
            &b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"[..],
            "application/pdf",
            Kind::File,
        ),
        (
            b"%PDF-1.4\nall of it in plain letters",
            "application/pdf",
            Kind::File,
        ),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "application/zip", Kind::File),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", Kind::Image),
        (b"\x89PNG\r\n\x1a\n", "image/png", Kind::Image),
        (b"GIF89a\x01\0\x01\0", "image/gif", Kind::Image),
        ("Grüße an alle".as_bytes(), "text/plain", Kind::File),
        (
            b"\x7fELF\x02\x01\x01",
            "application/octet-stream",
            Kind::File,
        ),
        (b"\0\x01\x02\x03", "application/octet-stream", Kind::File),
        (b"", "application/octet-stream", Kind::File),
    ]);
}

fn are_told(heads: &[(&[u8], &'static str, Kind)]) {
    for (head, mime, kind) in heads.iter().copied() {
        assert_eq!(
            sniff(head),
            Sniffed { mime, kind },
            "{}",
            String::from_utf8_lossy(head)
        );
    }
}

#[test]
fn markup_is_never_a_picture_nor_runnable() {
    for head in [
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "\u{feff}  <?xml version=\"1.0\"?><svg/>",
        "<!DOCTYPE html><html>",
        "\n\n<ScRiPt>",
        "#!/bin/sh\n",
        "<p>\u{ff}",
    ] {
        let found = sniff(head.as_bytes());
        assert_eq!(
            (found.mime, found.kind),
            ("application/octet-stream", Kind::File),
            "{head}"
        );
        assert!(Kind::Image.admit(head.as_bytes()).is_err());
        assert!(Kind::File.admit(head.as_bytes()).is_ok());
    }
}

#[test]
fn each_form_takes_its_own_kind_and_says_what_it_wants_otherwise() {
    let png = b"\x89PNG\r\n\x1a\n";
    let webm = b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x84webm";
    assert_eq!(Kind::Image.admit(png).unwrap().mime, "image/png");
    assert!(Kind::Video.admit(png).unwrap_err().0.contains("MP4"));
    assert!(Kind::Audio.admit(png).unwrap_err().0.contains("MP3"));
    assert_eq!(
        Kind::Audio.admit(webm).unwrap(),
        Sniffed {
            mime: "audio/webm",
            kind: Kind::Audio
        }
    );
    assert!(
        Kind::Video
            .admit(b"RIFF\0\0\0\0WAVE")
            .unwrap_err()
            .0
            .contains("sound only")
    );
    assert!(Kind::Video.admit(b"").unwrap_err().0.contains("empty"));
    assert_eq!(
        Kind::File.admit(png).unwrap(),
        Sniffed {
            mime: "image/png",
            kind: Kind::File
        }
    );
    assert!(
        Kind::Image
            .admit(b"\0\0\0\x18ftypheic\0\0\0\0")
            .unwrap_err()
            .0
            .contains("JPEG")
    );
}

proptest::proptest! {
    #[test]
    fn no_head_makes_sniffing_fail(head: Vec<u8>) {
        let found = sniff(&head);
        proptest::prop_assert!(!found.mime.contains("html") && !found.mime.contains("svg") && !found.mime.contains("xml;"));
        let _ = (playlist(&head), Kind::Video.admit(&head));
    }
}

// Pictures.

fn photograph(width: u32, height: u32) -> DynamicImage {
    // Left half red, right half of fine noise, as photographs have.
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        let noise =
            (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ (x * y)).to_le_bytes()[0];
        if x < width / 2 {
            Rgb([220, noise / 8, 0])
        } else {
            Rgb([noise / 4, noise, 200])
        }
    }))
}

/// A JPEG whose EXIF asks to be turned, and names a place.
fn turned_jpeg(picture: &DynamicImage, orientation: u8) -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"GPS 48.2N 16.3E");
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1];
    bytes.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg.into_inner()[2..]);
    bytes
}

#[test]
fn a_photograph_comes_out_upright_without_metadata_in_three_sizes() {
    let bench = Bench::new();
    let source = bench.write("photo", &turned_jpeg(&photograph(1500, 2000), 6));
    let made = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap();
    let sizes: Vec<_> = made
        .iter()
        .map(|file| (file.width, file.height, file.mime))
        .collect();
    assert_eq!(
        sizes,
        [
            (480, 360, "image/jpeg"),
            (960, 720, "image/jpeg"),
            (1920, 1440, "image/jpeg")
        ]
    );
    for file in &made {
        let bytes = fs::read(&file.path).unwrap();
        assert_eq!(bytes.len() as u64, file.size_bytes);
        assert!(
            !bytes
                .windows(4)
                .any(|part| part == b"Exif" || part == b"GPS ")
        );
        assert_eq!(
            image::open(&file.path).unwrap().dimensions(),
            (file.width, file.height)
        );
    }
    // Turned clockwise, what was on the left is now above.
    let small = image::open(&made[0].path).unwrap().into_rgb8();
    assert!(
        small.get_pixel(240, 20)[0] > 150,
        "{:?}",
        small.get_pixel(240, 20)
    );
    assert!(
        small.get_pixel(240, 340)[0] < 120,
        "{:?}",
        small.get_pixel(240, 340)
    );
}

#[test]
fn a_small_picture_is_not_enlarged_and_keeps_what_shows_through() {
    let bench = Bench::new();
    let source = bench.path("logo.png");
    let logo = RgbaImage::from_fn(600, 30, |x, _| {
        Rgba([9, 99, 9, if x < 300 { 0 } else { 255 }])
    });
    logo.save(&source).unwrap();
    let made = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap();
    let sizes: Vec<_> = made
        .iter()
        .map(|file| (file.width, file.height, file.mime))
        .collect();
    assert_eq!(sizes, [(480, 24, "image/png"), (600, 30, "image/png")]);
    let large = image::open(&made[1].path).unwrap().into_rgba8();
    assert_eq!(
        (large.get_pixel(10, 10)[3], large.get_pixel(500, 10)[3]),
        (0, 255)
    );
}

#[test]
fn drawings_stay_sharp_and_gif_and_webp_are_read() {
    let bench = Bench::new();
    for (name, format) in [
        ("a.png", ImageFormat::Png),
        ("a.gif", ImageFormat::Gif),
        ("a.webp", ImageFormat::WebP),
    ] {
        let source = bench.path(name);
        let drawing = DynamicImage::ImageRgb8(RgbImage::from_fn(64, 64, |x, _| {
            if x < 32 { Rgb([255; 3]) } else { Rgb([0; 3]) }
        }));
        drawing
            .to_rgba8()
            .save_with_format(&source, format)
            .unwrap();
        let made = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap();
        assert_eq!(made.len(), 1, "{name}");
        if format == ImageFormat::Png {
            assert_eq!(made[0].mime, "image/png");
        }
    }
}

#[test]
fn pictures_over_the_limits_are_refused_before_they_are_decoded() {
    let bench = Bench::new();
    // The head of a PNG of 60,000 by 60,000 pixels, and nothing after it.
    let mut bomb =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    bomb.extend([0; 64]);
    let source = bench.write("bomb.png", &bomb);
    let fault = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent, "{fault:?}");

    let photo = bench.path("photo.jpg");
    photograph(200, 100).save(&photo).unwrap();
    let limits = ImageLimits {
        pixels: 19_999,
        ..ImageLimits::default()
    };
    let fault = make_sizes(&photo, &bench.out(), &limits).unwrap_err();
    assert!(fault.words.contains("too large"), "{fault:?}");
    assert_eq!(fs::read_dir(bench.out()).unwrap().count(), 0);
}

#[test]
fn what_is_no_picture_is_refused_in_plain_words() {
    let bench = Bench::new();
    let mut whole = Vec::new();
    let mut cursor = std::io::Cursor::new(&mut whole);
    photograph(300, 300)
        .write_to(&mut cursor, ImageFormat::Png)
        .unwrap();
    for (name, bytes) in [
        ("empty.png", &b""[..]),
        ("text.png", b"not a picture"),
        ("page.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("head.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        ("half.png", &whole[..whole.len() / 2]),
    ] {
        let source = bench.write(name, bytes);
        let fault = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Permanent, "{name}: {fault:?}");
        assert!(fault.words.contains("picture"), "{name}: {fault:?}");
    }
}
