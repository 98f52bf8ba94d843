//! The corpus of `tests/corpus` through the real site: each file sent by its form, processed, and what was made of it
//! looked at with ffprobe and as a player would read it.

use crate::kit::{Browser, Role, TestApp, UploadForm};
use backends::files::LocalFile;
use lyceum::entities::upload::UploadState;
use lyceum::media::FileView;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of `corpus.tsv`.
struct Entry {
    name: String,
    form: String,
    end: String,
    seconds: Option<f64>,
    size: Option<(i32, i32)>,
    note: String,
}

impl Entry {
    fn read(line: &str) -> Self {
        let [name, form, end, seconds, size, note] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let size = size.split_once('x');
        Self {
            name: name.to_owned(),
            form: form.to_owned(),
            end: end.to_owned(),
            seconds: seconds.parse().ok(),
            size: size.map(|(width, height)| (width.parse().unwrap(), height.parse().unwrap())),
            note: note.to_owned(),
        }
    }

    fn has(&self, what: &str) -> bool {
        self.note.split(',').any(|part| part == what)
    }
}

/// The lines of the corpus that are wanted, and the folder of its files.
fn corpus(is_wanted: impl Fn(&Entry) -> bool) -> (PathBuf, Vec<Entry>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let made = Command::new(here.join("make.sh")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let folder = String::from_utf8(made.stdout).unwrap();
    let list = std::fs::read_to_string(here.join("corpus.tsv")).unwrap();
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let entries = lines.map(Entry::read).filter(is_wanted).collect();
    (PathBuf::from(folder.trim()), entries)
}

struct Studio {
    site: TestApp,
    clara: Browser,
    form: UploadForm,
}

impl Studio {
    async fn open() -> Self {
        let site = TestApp::start_with(&[]).await;
        let clara = site.login_as("clara", Role::Instructor).await;
        let form = site.upload_form().await;
        Self { site, clara, form }
    }

    /// Sends all of them and processes them; how each stands.
    async fn process<'a>(&self, folder: &Path, entries: &'a [Entry]) -> Vec<(&'a Entry, FileView)> {
        let mut ids = Vec::new();
        for entry in entries {
            let bytes = std::fs::read(folder.join(&entry.name)).unwrap();
            let (form, name) = (&entry.form, &entry.name);
            ids.push(self.form.upload(&self.clara, form, name, bytes).await);
        }
        self.site.drain().await;
        let mut views = Vec::new();
        for (entry, id) in entries.iter().zip(ids) {
            views.push((entry, self.site.view(id).await));
        }
        views
    }

    /// What was made of a file, as ffprobe can open it. It may go when this is dropped.
    async fn file(&self, view: &FileView, name: &str) -> LocalFile {
        let row = view.find(name).unwrap_or_else(|| panic!("no {name}"));
        self.site.app.files.local(&row.key).await.unwrap()
    }

    /// A text as a player gets it.
    async fn text(&self, view: &FileView, name: &str, mime: &str) -> String {
        let page = self.clara.get(&view.url(name)).await;
        let kind = page.expect(200).header("content-type");
        assert_eq!(kind.as_deref(), Some(mime), "{name}");
        page.text()
    }
}

fn ready((entry, view): &(&Entry, FileView)) {
    let name = &entry.name;
    assert_eq!(view.state_words(), "Ready", "{name}: {:?}", view.upload);
    assert_eq!(
        (view.upload.width, view.upload.height),
        entry.size.unzip(),
        "{name}"
    );
    if let Some(seconds) = entry.seconds {
        let found = view.upload.duration_seconds.unwrap();
        assert!((found - seconds).abs() < 0.2, "{name}: {found} s");
    }
    assert_eq!(
        view.chapters_url().is_some(),
        entry.has("chapters"),
        "{name}"
    );
}

fn ffprobe(path: &Path, entries: &str) -> Value {
    let found = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_entries", entries])
        .arg(path)
        .output()
        .unwrap();
    assert!(found.status.success(), "{found:?}");
    serde_json::from_slice(&found.stdout).unwrap()
}

/// Integrated loudness, LUFS.
fn loudness(path: &Path) -> f64 {
    let found = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostdin", "-nostats", "-i"])
        .arg(path)
        .args(["-af", "ebur128=framelog=verbose", "-vn", "-f", "null", "-"])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&found.stderr).into_owned();
    let (_, summary) = report.rsplit_once("Summary:").expect("a reading");
    let mut words = summary.split_whitespace().skip_while(|word| *word != "I:");
    words.nth(1).unwrap().parse().unwrap()
}

/// When the key frames are shown, in seconds.
fn key_frames(path: &Path) -> Vec<String> {
    let found = ffprobe(path, "packet=pts_time,flags");
    let packets = found["packets"].as_array().unwrap().iter();
    packets
        .filter(|packet| packet["flags"].as_str().unwrap().starts_with('K'))
        .map(|packet| packet["pts_time"].as_str().unwrap().to_owned())
        .collect()
}

/// The lengths of the segments, after a look at their ranges: one after another, from the first byte to the last.
fn segments(playlist: &str, film: &str, size_bytes: i64) -> Vec<String> {
    let mut at = 0;
    let mut lengths = Vec::new();
    for line in playlist.lines() {
        let range = match line.split_once(':') {
            Some(("#EXT-X-MAP", value)) => {
                assert!(value.starts_with(&format!("URI=\"{film}\",")), "{value}");
                value.split('"').nth(3)
            }
            Some(("#EXT-X-BYTERANGE", value)) => Some(value),
            Some(("#EXTINF", value)) => {
                lengths.push(value.to_owned());
                None
            }
            _ => None,
        };
        if let Some((length, start)) = range.and_then(|range| range.split_once('@')) {
            assert_eq!(start.parse::<i64>().unwrap(), at, "{playlist}");
            at += length.parse::<i64>().unwrap();
        }
        assert!(line.starts_with('#') || line == film, "{line}");
    }
    assert_eq!(at, size_bytes, "{playlist}");
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"));
    lengths
}

/// `KEY=value` of a line of the master playlist.
fn attribute<'a>(line: &'a str, key: &str) -> &'a str {
    let (_, value) = line.split_once(&format!("{key}=")).expect(key);
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap(),
        None => value.split(',').next().unwrap(),
    }
}

/// The ladder of a film: playlists that hold together, sizes as announced, key frames at the same times.
async fn look_at_ladder(studio: &Studio, entry: &Entry, view: &FileView) -> usize {
    const PLAYLIST: &str = "application/vnd.apple.mpegurl";
    let name = &entry.name;
    let master = studio.text(view, "master.m3u8", PLAYLIST).await;
    let lines: Vec<&str> = master.lines().collect();
    assert_eq!(lines[0], "#EXTM3U", "{name}");
    let mut by_rung = BTreeMap::new();
    for pair in lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("#EXT-X-STREAM-INF:"))
    {
        let playlist = studio.text(view, pair[1], PLAYLIST).await;
        let film = pair[1].replace(".m3u8", ".mp4");
        let row = view.find(&film).unwrap();
        let lengths = segments(&playlist, &film, row.size_bytes);
        let size = format!("{}x{}", row.width.unwrap(), row.height.unwrap());
        assert_eq!(attribute(pair[0], "RESOLUTION"), size, "{name}");
        let local = studio.file(view, &film).await;
        let path = local.path();
        let found = ffprobe(path, "stream=width,height,codec_name,pix_fmt");
        let stream = &found["streams"][0];
        assert_eq!(
            format!("{}x{}", stream["width"], stream["height"]),
            size,
            "{name}"
        );
        assert_eq!(
            (&stream["codec_name"], &stream["pix_fmt"]),
            (&"h264".into(), &"yuv420p".into())
        );
        let (peak, average) = (
            attribute(pair[0], "BANDWIDTH"),
            attribute(pair[0], "AVERAGE-BANDWIDTH"),
        );
        assert!(
            peak.parse::<u64>().unwrap() >= average.parse().unwrap(),
            "{name}"
        );
        let codecs = attribute(pair[0], "CODECS");
        assert!(codecs.starts_with("avc1.64"), "{name}: {codecs}");
        assert_eq!(
            codecs.ends_with(",mp4a.40.2"),
            // Sound of no length is none: players would wait for it.
            !entry.has("silent") && name != "empty-audio.mkv",
            "{name}: {codecs}"
        );
        by_rung.insert(film, (lengths, key_frames(path)));
    }
    let mut cuts = by_rung.values();
    let first = cuts.next().expect(name);
    assert!(cuts.all(|other| other == first), "{name}: {by_rung:?}");
    if !entry.has("silent") {
        let playlist = studio.text(view, "sound.m3u8", PLAYLIST).await;
        let row = view.find("sound.mp4").unwrap();
        segments(&playlist, "sound.mp4", row.size_bytes);
    }
    by_rung.len()
}

/// The thumbnails: cues that follow each other, each on a sheet that is there.
async fn look_at_thumbnails(studio: &Studio, entry: &Entry, view: &FileView) {
    let track = studio.text(view, "thumbnails.vtt", "text/vtt").await;
    assert!(track.starts_with("WEBVTT\n"));
    let mut count = 0;
    for line in track.lines().filter(|line| line.contains("#xywh=")) {
        let (sheet, place) = line.split_once("#xywh=").unwrap();
        let numbers: Vec<i32> = place.split(',').map(|part| part.parse().unwrap()).collect();
        let [x, y, width, height] = numbers.try_into().unwrap();
        let row = view.find(sheet).unwrap();
        let fits = x + width <= row.width.unwrap() && y + height <= row.height.unwrap();
        assert!(fits, "{}: {line}", entry.name);
        count += 1;
    }
    let expected = (entry.seconds.unwrap() / 2.0).ceil();
    assert!(
        (f64::from(count) - expected).abs() < 1.1,
        "{}: {track}",
        entry.name
    );
}

#[tokio::test]
async fn every_film_of_the_corpus_ends_ready_whole_and_upright() {
    let (folder, entries) = corpus(|entry| entry.form == "video" && entry.end == "ready");
    let studio = Studio::open().await;
    for found in studio.process(&folder, &entries).await {
        ready(&found);
        let (entry, view) = found;
        let name = &entry.name;
        let local = studio.file(&view, "video.mp4").await;
        let film = local.path();
        let found = ffprobe(
            film,
            "stream=codec_type,codec_name,channels:stream_side_data=rotation:format=duration",
        );
        let streams = found["streams"].as_array().unwrap();
        let has_sound = streams.iter().any(|stream| stream["codec_name"] == "aac");
        assert_eq!(has_sound, !entry.has("silent"), "{name}: {found}");
        assert!(!found.to_string().contains("rotation"), "{name}: {found}");
        if has_sound && entry.seconds >= Some(1.0) && name != "empty-audio.mkv" {
            let lufs = loudness(film);
            assert!((lufs + 16.0).abs() < 1.5, "{name}: {lufs} LUFS");
        }
        let rungs = look_at_ladder(&studio, entry, &view).await;
        let expected = match entry.size.map(|(width, height)| width.min(height)) {
            Some(900..) => 5,
            Some(576) => 3,
            _ => 1,
        };
        assert_eq!(rungs, expected, "{name}");
        look_at_thumbnails(&studio, entry, &view).await;
        if entry.has("chapters") {
            let track = studio.text(&view, "chapters.vtt", "text/vtt").await;
            assert!(
                track.contains("\nTuning &lt;loud&gt; &amp; soft\n"),
                "{track}"
            );
        }
    }
}

#[tokio::test]
async fn every_sound_and_picture_of_the_corpus_ends_ready_with_what_it_carries() {
    let (folder, entries) = corpus(|entry| entry.form != "video" && entry.end == "ready");
    let studio = Studio::open().await;
    for found in studio.process(&folder, &entries).await {
        let (entry, view) = (&found.0, &found.1);
        let name = &entry.name;
        if entry.form == "image" {
            assert_eq!(view.state_words(), "Ready", "{name}");
            assert!(view.image_url().is_some(), "{name}");
            continue;
        }
        ready(&found);
        assert_eq!(view.cover_url().is_some(), entry.has("cover"), "{name}");
        assert_eq!(view.thumbnail_url().is_some(), entry.has("cover"), "{name}");
        assert_eq!(view.hls_url().is_some(), entry.has("pieces"), "{name}");
        let peaks = studio.text(view, "peaks.json", "application/json").await;
        let peaks: Value = serde_json::from_str(&peaks).unwrap();
        let count = peaks["peaks"].as_array().unwrap().len();
        assert!((1..=1000).contains(&count), "{name}: {count}");
        let expected = entry.seconds.unwrap().min(96.0) * 10.0;
        assert!((count as f64 - expected).abs() <= 3.0, "{name}: {count}");
        let loud = peaks["peaks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|peak| peak.as_u64() > Some(20));
        assert_eq!(loud, name != "silence.flac", "{name}: {peaks}");
        let local = studio.file(view, "audio.m4a").await;
        if loud && entry.seconds >= Some(1.0) {
            let lufs = loudness(local.path());
            assert!((lufs + 16.0).abs() < 1.5, "{name}: {lufs} LUFS");
        }
        if entry.has("pieces") {
            let row = view.find("sound.mp4").unwrap();
            let playlist = studio
                .text(view, "sound.m3u8", "application/vnd.apple.mpegurl")
                .await;
            assert!(
                segments(&playlist, "sound.mp4", row.size_bytes).len() > 100,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_shown_fails_in_fitting_words_and_reaches_no_other_file_or_host() {
    let (folder, entries) = corpus(|entry| entry.end != "ready");
    let studio = Studio::open().await;
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let target = format!("http://{}/", host.local_addr().unwrap());
    for entry in entries {
        let name = &entry.name;
        let mut bytes = std::fs::read(folder.join(name)).unwrap();
        if let Ok(text) = std::str::from_utf8(&bytes) {
            bytes = text.replace("http://127.0.0.1:9/", &target).into_bytes();
        }
        let path = UploadForm::path(&entry.form);
        let page = studio.form.send(&studio.clara, &path, name, bytes).await;
        if entry.end == "refused" {
            let text = page.text();
            assert!((400..500).contains(&page.status), "{name}: {}", page.status);
            assert!(text.contains(&entry.note), "{name}: {text}");
            continue;
        }
        let id = page.expect(200).json()["upload"].as_i64().unwrap();
        studio.site.drain().await;
        let view = studio.site.view(id).await;
        assert_eq!(view.upload.state, UploadState::Failed, "{name}");
        let words = view.state_words();
        assert!(
            words.starts_with(&format!("Failed: {}", entry.note)),
            "{name}: {words}"
        );
        assert_eq!(view.renditions.len(), 1, "{name}: only the original");
    }
    assert!(host.accept().is_err(), "somebody called");
    assert_eq!(studio.site.half_written(), 0);
}
