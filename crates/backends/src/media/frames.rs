//! What happens to the frames of a film before they are encoded: once, whatever is made of them afterwards.
//! Words for ffmpeg's filters only; nothing is started here.

use super::probe::VideoStream;

/// The shorter side is at most this, in pixels.
const MAX_SHORT_SIDE: f64 = 1080.0;
/// The longer side is at most this: decoders of phones go no further (H.264 level 5.1).
const MAX_LONG_SIDE: f64 = 4096.0;
const MAX_FPS: f64 = 60.0;

/// ffmpeg itself turns the picture upright before these.
pub(super) fn filters(picture: &VideoStream, fps: f64, (width, height): (u32, u32)) -> String {
    let mut filters = Vec::new();
    if picture.interlaced {
        filters.push("bwdif=mode=send_frame:deint=interlaced".to_owned());
    }
    // Begins with the sound, and at a steady rate: players and cutters lose step otherwise.
    filters.push(format!("fps={fps:.5}:start_time=0"));
    let is_rgb = ["rgb", "bgr", "gbr", "argb", "abgr", "pal8", "0rgb", "0bgr"]
        .iter()
        .any(|name| picture.pixel_format.starts_with(name));
    if let Some(transfer) = &picture.hdr_transfer {
        filters.push(format!("scale={width}:{height}"));
        filters.push(format!(
            "setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc"
        ));
        filters.push(
            "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0"
                .to_owned(),
        );
        filters.push("zscale=t=bt709:m=bt709:r=tv".to_owned());
    } else if is_rgb {
        filters.push(format!(
            "scale={width}:{height}:out_color_matrix=bt709:out_range=tv"
        ));
        filters.push("setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709".to_owned());
    } else {
        filters.push(format!("scale={width}:{height}:out_range=tv"));
    }
    filters.push("setsar=1,format=yuv420p".to_owned());
    filters.join(",")
}

/// The size of the result: never enlarged, within both limits, even.
pub(super) fn fit((width, height): (f64, f64)) -> (u32, u32) {
    let (short, long) = (width.min(height), width.max(height));
    let scale = (MAX_SHORT_SIDE / short).min(MAX_LONG_SIDE / long).min(1.0);
    (even(width * scale), even(height * scale))
}

/// The even number of pixels at or below this; 2 at least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to between 2 and 4096 before"
)]
pub(super) fn even(side: f64) -> u32 {
    // A thousandth forgives the rounding of the scale itself.
    let halves = (side / 2.0 + 0.001).floor();
    (halves * 2.0).clamp(2.0, MAX_LONG_SIDE) as u32
}

/// A steady rate near the source's own: its own where it is steady, else the next usual one.
pub(super) fn sane_fps(picture: &VideoStream) -> f64 {
    const USUAL: [f64; 8] = [5.0, 10.0, 15.0, 24.0, 25.0, 30.0, 50.0, MAX_FPS];
    let (average, base) = (picture.average_fps, picture.base_fps);
    // Fields count twice in the base of interlaced streams.
    let own = if picture.interlaced && average > 0.0 {
        average
    } else {
        base
    };
    if (1.0..=MAX_FPS + 0.1).contains(&own) {
        return own;
    }
    if average <= 0.0 {
        return 30.0;
    }
    USUAL
        .into_iter()
        .find(|usual| average <= usual + 0.1)
        .unwrap_or(MAX_FPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_made_even_and_never_larger() {
        assert_eq!(fit((1920.0, 1080.0)), (1920, 1080));
        assert_eq!(fit((3840.0, 2160.0)), (1920, 1080));
        assert_eq!(fit((2160.0, 3840.0)), (1080, 1920));
        assert_eq!(fit((101.0, 77.0)), (100, 76));
        assert_eq!(fit((1.0, 1.0)), (2, 2));
        assert_eq!(fit((8000.0, 100.0)), (4096, 50));
        assert_eq!(fit((720.0 * 64.0 / 45.0, 576.0)), (1024, 576));
    }

    fn rate(average_fps: f64, base_fps: f64, interlaced: bool) -> f64 {
        sane_fps(&VideoStream {
            index: 0,
            codec: String::new(),
            width: 2,
            height: 2,
            rotation: 0,
            sample_aspect: 1.0,
            average_fps,
            base_fps,
            pixel_format: String::new(),
            interlaced,
            hdr_transfer: None,
            duration_seconds: None,
        })
    }

    #[test]
    fn the_frame_rate_is_kept_where_it_is_sane() {
        for (expected, average, base, interlaced) in [
            (29.97, 29.97, 29.97, false),
            (25.0, 25.0, 50.0, true),
            (60.0, 240.0, 240.0, false),
            (30.0, 28.3, 90_000.0, false),
            (30.0, 0.0, 0.0, false),
            (5.0, 0.2, 1000.0, false),
        ] {
            assert!(
                (rate(average, base, interlaced) - expected).abs() < 1e-9,
                "{expected}"
            );
        }
    }
}
