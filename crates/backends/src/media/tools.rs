//! Where ffmpeg and ffprobe are, what they may use up, and whether they can do what the site needs.
//! How they are started is in `process`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{self, Task};

/// What one run of a program may use. Exceeding any of them ends the run with a `Fault` that says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Address space, in bytes (`RLIMIT_AS`). A whole ladder from 4K with high dynamic range takes 1.5 GiB of it.
    pub memory_bytes: u64,
    /// The largest file that may be written, in bytes (`RLIMIT_FSIZE`). Of all files together `longest` is the
    /// bound, since each rung of a ladder has a highest rate.
    pub output_bytes: u64,
    /// Wall-clock time of one run; processor time may be this for each thread.
    pub time: Duration,
    /// A run that makes no headway for this long is ended.
    pub stall: Duration,
    /// The longest recording taken, whatever it says of itself.
    pub longest: Duration,
    /// The largest picture of a video taken, in pixels.
    pub pixels: u64,
    /// Threads that decode and encode.
    pub threads: usize,
}

impl Default for Limits {
    /// For a machine of two to eight cores: 4 GiB of memory (4K with high dynamic range needs between 1 and 2), 50 GiB of output, 6 hours a run,
    /// recordings of up to 12 hours and 8K.
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
            output_bytes: 50 << 30,
            time: Duration::from_hours(6),
            stall: Duration::from_mins(5),
            longest: Duration::from_hours(12),
            pixels: 8192 * 4608,
            threads: std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4)),
        }
    }
}

/// The two programs and their bounds. Cheap to make; nothing is looked up until a run starts, so that a
/// site whose ffmpeg is installed (or mended) later needs no restart.
#[derive(Debug, Clone)]
pub struct Tools {
    /// A path, or the bare name `ffmpeg`, which is then searched in `PATH`.
    pub ffmpeg: PathBuf,
    /// A path, or the bare name `ffprobe`.
    pub ffprobe: PathBuf,
    /// What a run may use.
    pub limits: Limits,
}

impl Tools {
    /// The programs as configured (`LYCEUM_FFMPEG`): a folder that holds both, or the path of ffmpeg with
    /// ffprobe beside it. Without one both are searched in `PATH`.
    pub fn new(configured: Option<&Path>, limits: Limits) -> Self {
        let (ffmpeg, ffprobe) = match configured {
            None => (PathBuf::from("ffmpeg"), PathBuf::from("ffprobe")),
            Some(path) => beside(path),
        };
        Self {
            ffmpeg,
            ffprobe,
            limits,
        }
    }

    /// Tries both programs and what is needed of them.
    ///
    /// # Errors
    /// Every fault found, each a sentence for staff that says how to mend it.
    pub async fn check(&self) -> Result<Version, Vec<String>> {
        let mut problems = Vec::new();
        let version = self.ask(&self.ffmpeg, "-version", &mut problems).await;
        self.ask(&self.ffprobe, "-version", &mut problems).await;
        if problems.is_empty() {
            let encoders = self.ask(&self.ffmpeg, "-encoders", &mut problems).await;
            let filters = self.ask(&self.ffmpeg, "-filters", &mut problems).await;
            problems.extend(lacking("encoder", &["libx264", "aac", "flac"], &encoders));
            problems.extend(lacking(
                "filter",
                &["ebur128", "bwdif", "zscale", "tonemap"],
                &filters,
            ));
        }
        if problems.is_empty() {
            Ok(Version(
                version.lines().next().unwrap_or_default().to_owned(),
            ))
        } else {
            Err(problems)
        }
    }

    async fn ask(&self, program: &Path, question: &str, problems: &mut Vec<String>) -> String {
        let mut answer = String::new();
        let task = Task {
            program,
            args: vec!["-hide_banner".into(), question.into()],
            folder: Path::new("/"),
            time: Duration::from_secs(20),
            stall: None,
            stdout_bytes: process::STDOUT_BYTES,
        };
        let mut collect = |line: &str| {
            answer.push_str(line);
            answer.push('\n');
            true
        };
        if let Err(fault) = process::run(&self.limits, task, &mut collect).await {
            problems.push(format!(
                "{} cannot be run. Install Debian's packages ffmpeg and util-linux, or set LYCEUM_FFMPEG to the folder that holds ffmpeg and ffprobe. ({})",
                program.display(),
                fault.detail.trim(),
            ));
        }
        answer
    }
}

/// The first line of `ffmpeg -version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(pub String);

fn beside(path: &Path) -> (PathBuf, PathBuf) {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    match name {
        Some(name) if name.starts_with("ffmpeg") && !path.is_dir() => {
            let probe = name.replacen("ffmpeg", "ffprobe", 1);
            (path.to_owned(), path.with_file_name(probe))
        }
        _ => (path.join("ffmpeg"), path.join("ffprobe")),
    }
}

/// One sentence for each of `wanted` that the listing (the output of `-encoders` or `-filters`) lacks.
fn lacking(what: &str, wanted: &[&str], listing: &str) -> Vec<String> {
    wanted
        .iter()
        .filter(|name| !listing.split_whitespace().any(|word| word == **name))
        .map(|name| {
            format!("This ffmpeg was built without the {what} {name}. Install Debian's package ffmpeg, or set LYCEUM_FFMPEG to one that has it.")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_path_may_be_a_folder_or_the_program() {
        let tools = |path| Tools::new(Some(Path::new(path)), Limits::default());
        assert_eq!(tools("/opt/media").ffprobe, Path::new("/opt/media/ffprobe"));
        assert_eq!(
            tools("/opt/media/ffmpeg").ffprobe,
            Path::new("/opt/media/ffprobe")
        );
        assert_eq!(tools("/opt/ffmpeg-7").ffmpeg, Path::new("/opt/ffmpeg-7"));
        assert_eq!(tools("/opt/ffmpeg-7").ffprobe, Path::new("/opt/ffprobe-7"));
        assert_eq!(
            Tools::new(None, Limits::default()).ffmpeg,
            Path::new("ffmpeg")
        );
    }

    #[test]
    fn each_lacking_part_is_named() {
        let found = lacking("encoder", &["aac", "libx264"], " A....D aac  AAC\n");
        assert_eq!(found.len(), 1);
        assert!(found.iter().any(|words| words.contains("libx264")));
    }
}
