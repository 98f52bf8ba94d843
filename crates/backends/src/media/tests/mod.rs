//! The engine against real recordings, made here by ffmpeg: small, a second or two long.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image::GenericImageView;
use tempfile::TempDir;

use super::process::{self, Task};
use super::*;

mod bounds;
mod film;
mod pictures;
mod refused;
mod sound;
mod types;

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
        loudness::measure(&self.tools, path, &found.audio[0], None, &mut meter)
            .await
            .unwrap()
    }
}

const SMALL: &str = "-f lavfi -i testsrc=s=64x48:r=10:d=1";
const TONE: &str = "-f lavfi -i sine=d=1";
