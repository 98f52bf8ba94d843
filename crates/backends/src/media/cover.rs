//! The picture that a recording carries with it. It comes from anybody and is met as such: copied out of the file
//! undecoded, then decoded within narrow bounds and made anew.

use std::path::Path;

use super::fault::{Fault, FaultKind};
use super::images::{ImageFile, ImageLimits, Picture};
use super::poster::{THUMBNAIL_WIDTH, blocking};
use super::probe::{quiet_start, source_input};
use super::progress::Meter;
use super::tools::Tools;
use super::video::run;

const COVER_WIDTH: u32 = 960;
/// A cover is no photograph of a landscape: less than an uploaded picture may have.
const LIMITS: ImageLimits = ImageLimits {
    pixels: 40_000_000,
    side: 10_000,
    memory_bytes: 256 << 20,
};

/// Takes the cover out of `source`: large and small. None when it cannot be shown: the recording plays without.
pub(super) async fn take_cover(
    tools: &Tools,
    source: &Path,
    index: u32,
    out_dir: &Path,
    meter: &mut Meter<'_>,
) -> Result<Option<(ImageFile, ImageFile)>, Fault> {
    const RAW: &str = "cover.raw";
    let mut args = quiet_start(1);
    args.extend(source_input(&tools.limits, source));
    let map = format!("0:{index}");
    for word in ["-map", &map, "-c", "copy", "-frames:v", "1", "-f", "data"] {
        args.push(word.into());
    }
    args.push(format!("file:{RAW}").into());
    if let Err(fault) = run(tools, args, out_dir, meter).await {
        // ffmpeg has many words for a picture that is none; that it runs at all has been seen.
        return match fault.kind {
            FaultKind::DiskFull | FaultKind::Cancelled => Err(fault),
            FaultKind::Permanent | FaultKind::Temporary => Ok(without(&fault)),
        };
    }
    let raw = out_dir.join(RAW);
    let (cover, thumbnail) = (out_dir.join("cover"), out_dir.join("thumbnail"));
    let made = blocking(move || {
        let made = Picture::open(&raw, &LIMITS).and_then(|picture| {
            let cover = picture.write_width(COVER_WIDTH, &cover)?;
            Ok((cover, picture.write_width(THUMBNAIL_WIDTH, &thumbnail)?))
        });
        std::fs::remove_file(&raw).map_err(|error| Fault::from_io(RAW, &error))?;
        made
    });
    match made.await {
        Ok(made) => Ok(Some(made)),
        Err(fault) if fault.kind == FaultKind::Permanent => Ok(without(&fault)),
        Err(fault) => Err(fault),
    }
}

/// The recording is heard without it.
fn without<T>(fault: &Fault) -> Option<T> {
    tracing::info!(detail = %fault.detail, "a cover that cannot be shown is left out");
    None
}
