//! The picture that stands for a film before it plays, taken out of it.

use std::path::Path;

use super::fault::{Fault, NO_TRACK};
use super::images::{ImageFile, ImageLimits, Picture};
use super::probe::{input, quiet_start};
use super::progress::Meter;
use super::tools::Tools;
use super::video::{file_url, run};

const POSTER_WIDTH: u32 = 1280;
/// Of the small pictures for lists, in pixels.
pub(super) const THUMBNAIL_WIDTH: u32 = 480;

/// A frame from a little into the film, the first of a few places where there is something to see.
pub(super) async fn make_poster(
    tools: &Tools,
    film: &Path,
    seconds: f64,
    out_dir: &Path,
    meter: &mut Meter<'_>,
) -> Result<(ImageFile, ImageFile), Fault> {
    /// Below this all is of one color: black, or a fade.
    const SOMETHING_TO_SEE: f64 = 6.0;
    let raw = out_dir.join("frame.jpg");
    let mut best: Option<(f64, Picture)> = None;
    for share in [0.1, 0.3, 0.5, 0.8, 0.0] {
        let Some(frame) = take_frame(
            tools,
            film,
            (seconds * share).min(600.0 * share),
            &raw,
            meter,
        )
        .await?
        else {
            continue;
        };
        let contrast = frame.contrast();
        if best.as_ref().is_none_or(|(most, _)| contrast > *most) {
            best = Some((contrast, frame));
        }
        if contrast > SOMETHING_TO_SEE {
            break;
        }
    }
    let Some((_, frame)) = best else {
        return Err(Fault::permanent(
            NO_TRACK,
            "no frame could be taken for the poster",
        ));
    };
    let (poster, thumbnail) = (out_dir.join("poster"), out_dir.join("thumbnail"));
    blocking(move || {
        let files = (
            frame.write_width(POSTER_WIDTH, &poster)?,
            frame.write_width(THUMBNAIL_WIDTH, &thumbnail)?,
        );
        std::fs::remove_file(&raw).map_err(|error| Fault::from_io("frame.jpg", &error))?;
        Ok(files)
    })
    .await
}

/// The most typical of the frames near that second; none when there are none.
async fn take_frame(
    tools: &Tools,
    film: &Path,
    second: f64,
    raw: &Path,
    meter: &mut Meter<'_>,
) -> Result<Option<Picture>, Fault> {
    let mut args = quiet_start(tools.limits.threads);
    args.extend(["-ss".into(), format!("{second:.3}").into()]);
    args.extend(input(film));
    for word in [
        "-an",
        "-vf",
        "thumbnail=n=25",
        "-frames:v",
        "1",
        "-q:v",
        "2",
        "-f",
        "image2",
        "-update",
        "1",
    ] {
        args.push(word.into());
    }
    args.push(file_url(raw));
    run(tools, args, raw.parent().unwrap_or(Path::new("/")), meter).await?;
    let raw = raw.to_owned();
    blocking(move || {
        if raw.exists() {
            Picture::open(&raw, &ImageLimits::default()).map(Some)
        } else {
            Ok(None)
        }
    })
    .await
}

/// Work that keeps a thread busy.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Fault::from_io("thread", &std::io::Error::other(error))))
}
