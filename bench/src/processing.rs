//! Processing: a film from its last byte to ready, against the very commands of ffmpeg and ffprobe that
//! made it so, run again by hand one after another.

use crate::rounds::Side;
use crate::site::{Content, Site};
use crate::{Common, Outcome};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Processing may take so much of the time of its commands by hand.
const GOAL: f64 = 1.05;

/// From the last byte to "processing", in seconds.
const GOAL_BEGUN: f64 = 1.0;

/// How often it is asked whether processing has begun: often, for so short a wait.
const BEGUN_EVERY: Duration = Duration::from_millis(20);

/// How often it is asked whether a film is ready: as seldom as programs do that wait for it, since each question
/// takes time from the encoder.
const READY_EVERY: Duration = Duration::from_millis(250);

/// A film that is not ready by then never will be.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Both in turn.
pub fn measure(common: &Common, seconds: u64) -> Outcome {
    let tools = tempfile::Builder::new()
        .prefix("lyceum-bench-tools-")
        .tempdir_in(&common.disk)?;
    let film = tools.path().join("film.mp4");
    make_film(&film, seconds)?;
    let recorder = Recorder::new(tools.path())?;
    let site = Site::start(common, &[("LYCEUM_FFMPEG", recorder.folder.as_os_str())])?;
    let film = fs::read(film)?;
    let mut begun = Side::new("last byte to processing", "s");
    let mut ours = Side::new("lyceum, last byte to ready", "s");
    let mut by_hand = Side::new("its commands by hand", "s");
    println!(
        "a film of {seconds} s, 1920x1080, {} MB, {} rounds",
        film.len() / 1_000_000,
        common.rounds
    );
    for _ in 0..common.rounds {
        recorder.forget()?;
        let upload = site.send_by_tus("film.mp4", Content(film.clone()))?;
        let sent = Instant::now();
        begun.push(wait(&site, &upload, sent, "processing", BEGUN_EVERY)?);
        ours.push(wait(&site, &upload, sent, "ready", READY_EVERY)?);
        by_hand.push(recorder.replay()?);
    }
    for side in [&begun, &ours, &by_hand] {
        side.print();
    }
    let (ratio, late) = (ours.ratio(&by_hand), begun.median());
    println!(
        "processing takes {:.1} % of the commands by hand (at most {:.0} %: {})",
        ratio * 100.0,
        GOAL * 100.0,
        if ratio <= GOAL { "reached" } else { "MISSED" }
    );
    println!(
        "processing begins after {late:.2} s (within {GOAL_BEGUN} s: {})",
        if late <= GOAL_BEGUN {
            "reached"
        } else {
            "MISSED"
        }
    );
    Ok(())
}

fn make_film(path: &Path, seconds: u64) -> Outcome {
    let picture = format!("testsrc2=size=1920x1080:rate=30:duration={seconds}");
    let sound = format!("sine=frequency=330:sample_rate=48000:duration={seconds}");
    let made = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "26"])
        .args(["-pix_fmt", "yuv420p", "-c:a", "aac"])
        .arg(path)
        .status()?;
    if made.success() {
        Ok(())
    } else {
        Err("the film could not be made".into())
    }
}

/// Seconds until an upload has come to this state, or beyond it.
fn wait(site: &Site, upload: &str, since: Instant, wanted: &str, every: Duration) -> Outcome<f64> {
    let mut connection = site.connect()?;
    let path = format!("/uploads/{upload}/state/");
    loop {
        let answer = connection.ask("GET", &path, &site.teacher)?.expect(200)?;
        let answer: Value = serde_json::from_slice(&answer.body)?;
        let state = answer.get("state").and_then(Value::as_str).unwrap_or("");
        if state == wanted || state == "ready" {
            return Ok(since.elapsed().as_secs_f64());
        }
        if state == "failed" {
            return Err(format!("the film could not be processed: {answer}").into());
        }
        if since.elapsed() > PATIENCE {
            return Err("the film did not become ready".into());
        }
        std::thread::sleep(every);
    }
}

/// Stands where ffmpeg and ffprobe are looked for, notes how they are called, and calls them.
struct Recorder {
    folder: PathBuf,
    notes: PathBuf,
}

impl Recorder {
    fn new(parent: &Path) -> Outcome<Self> {
        let (folder, notes) = (parent.join("bin"), parent.join("notes"));
        fs::create_dir_all(&folder)?;
        fs::create_dir_all(&notes)?;
        for name in ["ffmpeg", "ffprobe"] {
            let real = Command::new("which").arg(name).output()?.stdout;
            let real = String::from_utf8(real)?;
            // What is started may have no environment.
            let script = format!(
                "#!/bin/bash\nprintf '%s\\0' {real} \"$PWD\" \"$@\" > {notes}/$EPOCHREALTIME-$$\nexec {real} \"$@\"\n",
                real = real.trim(),
                notes = notes.display()
            );
            let path = folder.join(name);
            fs::write(&path, script)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { folder, notes })
    }

    fn forget(&self) -> Outcome {
        for note in fs::read_dir(&self.notes)? {
            fs::remove_file(note?.path())?;
        }
        Ok(())
    }

    /// Runs everything that was noted again, in the same order; answers the seconds that it took.
    fn replay(&self) -> Outcome<f64> {
        let mut notes: Vec<PathBuf> = fs::read_dir(&self.notes)?
            .map(|note| Ok(note?.path()))
            .collect::<Outcome<_>>()?;
        notes.sort();
        let mut seconds = 0.0;
        for note in notes {
            let words: Vec<OsString> = fs::read(&note)?
                .split(|byte| *byte == 0)
                .map(|word| OsString::from_vec(word.to_vec()))
                .collect();
            let [program, folder, arguments @ .., _] = words.as_slice() else {
                return Err("a note that cannot be read".into());
            };
            fs::create_dir_all(folder)?;
            let began = Instant::now();
            let status = Command::new(program)
                .args(arguments)
                .current_dir(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            seconds += began.elapsed().as_secs_f64();
            if !status.success() {
                return Err(format!("by hand {} ended with {status}", note.display()).into());
            }
        }
        Ok(seconds)
    }
}
