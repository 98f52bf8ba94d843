//! What a run of the ladder has left in its folder: playlists and films, read, and the master playlist that names
//! them, written. Rates and codecs are read off the files; `hls` does so.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::fault::{Fault, NOTHING_DECODED};
use super::hls::{self, AAC_CODEC, Playlist, Variant};
use super::ladder::{Ladder, SOUND, segment_words};
use super::media_file::MediaFile;
use super::poster::blocking;
use super::probe::{input, quiet_start};
use super::progress::Meter;
use super::tools::Tools;
use super::video::run;

/// A track of sound that is shorter is none: some cameras write an empty one.
const LEAST_SOUND_SECONDS: f64 = 0.1;

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const MASTER: &str = "master.m3u8";
/// No head of ours is near this.
const MOST_HEAD_BYTES: u64 = 64 * 1024;

/// What a film was made into for players that choose.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Forms {
    /// `master.m3u8` first, then a playlist and a film for each rung, and for the sound.
    pub files: Vec<MediaFile>,
    /// The playlist of the smallest rung.
    pub smallest: Playlist,
    /// Whether there is sound in it.
    pub has_sound: bool,
}

/// Reads what was made of the ladder and writes the master playlist. Blocks.
///
/// # Errors
/// A permanent fault when not one frame was made.
pub(super) fn collect(ladder: &Ladder, out_dir: &Path) -> Result<Forms, Fault> {
    let mut files = Vec::new();
    let mut variants = Vec::new();
    for rung in &ladder.rungs {
        let (uri, playlist) = made(out_dir, &rung.name, "video/mp4", &mut files)?
            .ok_or_else(|| nothing_decoded(&rung.name))?;
        let film = out_dir.join(format!("{}.mp4", rung.name));
        variants.push(Variant {
            uri,
            codec: codec_of(&film, playlist.head_bytes)?,
            playlist,
            size: Some((rung.width, rung.height)),
            fps: Some(ladder.fps),
        });
        if let Some(file) = files.last_mut() {
            file.size = Some((rung.width, rung.height));
        }
    }
    let sound = made(out_dir, SOUND, "audio/mp4", &mut files)?;
    // Players wait for sound that never comes.
    let beside = sound
        .as_ref()
        .filter(|(_, playlist)| playlist.seconds() >= LEAST_SOUND_SECONDS)
        .map(|(uri, playlist)| (uri.as_str(), playlist));
    files.insert(0, write_master(out_dir, &hls::master(&variants, beside))?);
    let smallest = variants.pop().map(|variant| variant.playlist);
    Ok(Forms {
        files,
        smallest: smallest.unwrap_or_default(),
        has_sound: sound.is_some(),
    })
}

/// The sound of a recording in pieces, copied from the M4A that was made of it.
pub(super) async fn split_sound(
    tools: &Tools,
    m4a: &Path,
    out_dir: &Path,
    meter: &mut Meter<'_>,
) -> Result<Vec<MediaFile>, Fault> {
    let mut args = quiet_start(1);
    args.extend(input(m4a));
    for word in ["-map", "0:a", "-c", "copy", "-map_metadata", "-1"] {
        args.push(word.into());
    }
    args.extend(segment_words().into_iter().map(Into::into));
    for word in ["-hls_segment_filename", "sound.mp4", "sound.m3u8"] {
        args.push(word.into());
    }
    run(tools, args, out_dir, meter).await?;
    let out_dir = out_dir.to_owned();
    blocking(move || collect_sound(&out_dir)).await
}

fn collect_sound(out_dir: &Path) -> Result<Vec<MediaFile>, Fault> {
    let mut files = Vec::new();
    let (uri, playlist) =
        made(out_dir, SOUND, "audio/mp4", &mut files)?.ok_or_else(|| nothing_decoded(SOUND))?;
    let variant = Variant {
        uri,
        playlist,
        codec: AAC_CODEC.to_owned(),
        size: None,
        fps: None,
    };
    files.insert(0, write_master(out_dir, &hls::master(&[variant], None))?);
    Ok(files)
}

fn write_master(out_dir: &Path, text: &str) -> Result<MediaFile, Fault> {
    MediaFile::written(out_dir.join(MASTER), PLAYLIST, text)
}

/// One playlist, and what it names; both are added to `files`. None when nothing is in it.
fn made(
    out_dir: &Path,
    name: &str,
    mime: &'static str,
    files: &mut Vec<MediaFile>,
) -> Result<Option<(String, Playlist)>, Fault> {
    let uri = format!("{name}.m3u8");
    let path = out_dir.join(&uri);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| Fault::from_io(&uri, &error))?;
    let Some(playlist) = Playlist::read(&text) else {
        return Ok(None);
    };
    files.push(MediaFile::found(path, PLAYLIST)?);
    files.push(MediaFile::found(out_dir.join(format!("{name}.mp4")), mime)?);
    Ok(Some((uri, playlist)))
}

fn codec_of(film: &Path, head_bytes: u64) -> Result<String, Fault> {
    let mut head = Vec::new();
    File::open(film)
        .and_then(|file| {
            file.take(head_bytes.min(MOST_HEAD_BYTES))
                .read_to_end(&mut head)
        })
        .map_err(|error| Fault::from_io(&film.display().to_string(), &error))?;
    hls::avc_codec(&head).ok_or_else(|| {
        Fault::temporary(
            "This file could not be converted. It will be tried again.",
            format!("{}: no codec in {} bytes", film.display(), head.len()),
        )
    })
}

fn nothing_decoded(name: &str) -> Fault {
    Fault::permanent(NOTHING_DECODED, format!("{name} is empty"))
}
