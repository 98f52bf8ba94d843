//! Stops the build with a plain sentence when the browser's part has not been built, and names the release: a value
//! that changes with whatever pages are made from, so that what one release keeps in a cache no other one shows.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// What pages are made from.
const SOURCES: [&str; 3] = ["src", "templates", "web/dist/VERSION"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    if !Path::new("web/dist/VERSION").exists() {
        println!("cargo::error=web/dist is missing: run `make assets` first");
        return;
    }
    match release() {
        Ok(release) => println!("cargo::rustc-env=SITE_RELEASE={release:016x}"),
        Err(error) => println!("cargo::error=the sources cannot be read: {error}"),
    }
}

fn release() -> io::Result<u64> {
    let mut files = BTreeSet::new();
    for source in SOURCES {
        collect(Path::new(source), &mut files)?;
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.to_string_lossy().as_bytes());
        hasher.write(&fs::read(file)?);
    }
    Ok(hasher.finish())
}

fn collect(path: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
