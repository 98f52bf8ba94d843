//! The file store: what holds wherever files are ([`conformance`]), and what is the disk's or S3's own.

mod conformance;
mod disk;
pub mod proxy;
mod s3;

use std::ops::Range;
use std::path::{Path, PathBuf};

use backends::clock::Clock;
use backends::files::{Files, FilesError, Partial, Visit};
use bytes::Bytes;
use futures::TryStreamExt;
use tempfile::TempDir;

/// A file store of one test, and the data folder of a process that uses it.
pub struct Place {
    pub files: Files,
    pub data: TempDir,
    url: String,
}

impl Place {
    /// On the disk.
    pub fn disk() -> Self {
        let data = tempfile::tempdir().unwrap();
        let url = format!("disk:{}", data.path().join("files").display());
        Self::at(url, data)
    }

    /// In a folder of its own of the bucket that the run has made.
    pub fn s3() -> Self {
        let endpoint = std::env::var("LYCEUM_TEST_S3")
            .expect("LYCEUM_TEST_S3 names the store to test on: scripts/with-servers s3 -- ...");
        Self::s3_by(&endpoint)
    }

    /// The same by another way.
    pub fn s3_by(endpoint: &str) -> Self {
        let folder = Clock::system().random_token().to_lowercase();
        let folder = folder.trim_start_matches(['-', '_']);
        let url = format!("s3://lyceum/t-{folder}?endpoint={endpoint}");
        Self::at(url, tempfile::tempdir().unwrap())
    }

    fn at(url: String, data: TempDir) -> Self {
        let files = Files::open(&url, data.path()).unwrap();
        Self { files, data, url }
    }

    /// Another process that uses the same store.
    pub fn second(&self) -> Self {
        Self::at(self.url.clone(), tempfile::tempdir().unwrap())
    }

    /// The same store by another way.
    pub fn by(&self, endpoint: &str) -> Self {
        let (place, _) = self.url.split_once("?endpoint=").unwrap();
        let url = format!("{place}?endpoint={endpoint}");
        Self::at(url, tempfile::tempdir().unwrap())
    }

    /// The file in which this process gathers, copies and works.
    pub fn work(&self) -> PathBuf {
        self.data.path().join("tmp")
    }
}

/// Bytes that repeat themselves nowhere near.
pub fn noise(count: usize) -> Bytes {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes.into()
}

pub async fn write(files: &Files, key: &str, text: impl Into<Bytes>) {
    let mut writer = files.create(key).await.unwrap();
    writer.write(text.into()).await.unwrap();
    writer.finish().await.unwrap();
}

pub async fn read(files: &Files, key: &str, range: Option<Range<u64>>) -> Vec<u8> {
    try_read(files, key, range).await.unwrap()
}

pub async fn try_read(
    files: &Files,
    key: &str,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, FilesError> {
    let (_, stream) = files.read(key, range).await?;
    let pieces: Vec<Bytes> = stream.try_collect().await?;
    Ok(pieces.concat())
}

pub async fn keys(files: &Files, prefix: &str) -> Vec<String> {
    let entries = files.list(prefix).await.unwrap();
    entries.into_iter().map(|entry| entry.key).collect()
}

/// Everything on disk except folders, to see that nothing is left behind.
pub fn all_files(folder: &Path) -> usize {
    let count = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() { all_files(&path) } else { 1 }
    };
    std::fs::read_dir(folder).unwrap().map(count).sum()
}

/// Visits a growing object that will be `whole/<name>`.
pub async fn visit(files: &Files, name: &str) -> Option<Partial> {
    match files.visit(name, &format!("whole/{name}")).await.unwrap() {
        Visit::Held(partial) => Some(partial),
        Visit::Busy => None,
    }
}

/// The same, waiting for a visit that has just ended.
pub async fn visit_soon(files: &Files, name: &str) -> Partial {
    for _ in 0..20_000 {
        if let Some(partial) = visit(files, name).await {
            return partial;
        }
        tokio::task::yield_now().await;
    }
    panic!("{name} stays busy")
}
