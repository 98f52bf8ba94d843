//! Pictures: decoded within bounds, turned upright, re-encoded without metadata, in three sizes. Everything here
//! blocks and wants a thread of its own (`spawn_blocking`); a large picture takes some hundred megabytes while it is
//! decoded, so callers run few at a time.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use fast_image_resize::{ResizeOptions, Resizer};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader};

use super::fault::Fault;

/// The widths that pages choose from (`srcset`), in pixels.
pub const WIDTHS: [u32; 3] = [480, 960, 1920];

const JPEG_QUALITY: u8 = 82;
/// A profile larger than this is no display's but a printer's.
const ICC_MAX_BYTES: usize = 8 * 1024;

/// What a picture may take while it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Width times height.
    pub pixels: u64,
    /// The longer side, in pixels.
    pub side: u32,
    /// Memory of the decoder and its result, in bytes.
    pub memory_bytes: u64,
}

impl Default for ImageLimits {
    /// 100 megapixels, sides up to 30,000, 1 GiB.
    fn default() -> Self {
        Self {
            pixels: 100_000_000,
            side: 30_000,
            memory_bytes: 1 << 30,
        }
    }
}

/// One stored size of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Where it was written.
    pub path: PathBuf,
    /// `image/jpeg` or `image/png`.
    pub mime: &'static str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes.
    pub size_bytes: u64,
}

/// Re-encodes a picture into `out_dir` in up to three widths, smallest first, as `image-<width>.jpg` or `.png`.
/// None is larger than the original, so that a small picture has fewer. Of a moving GIF or WebP the first frame is
/// taken.
///
/// # Errors
/// Permanent faults for what is no picture, is damaged, too large, or of a format that cannot be decoded.
pub fn make_sizes(
    source: &Path,
    out_dir: &Path,
    limits: &ImageLimits,
) -> Result<Vec<ImageFile>, Fault> {
    let picture = Picture::open(source, limits)?;
    let (full_width, _) = picture.upright_size();
    let mut widths: Vec<u32> = WIDTHS.iter().map(|width| full_width.min(*width)).collect();
    widths.dedup();
    widths
        .into_iter()
        .map(|width| picture.write_width(width, &out_dir.join(format!("image-{width}"))))
        .collect()
}

/// A decoded picture, not yet turned upright: that is cheaper after it was made smaller.
pub(super) struct Picture {
    pixels: DynamicImage,
    orientation: Orientation,
    icc: Option<Vec<u8>>,
    /// Drawings and screen shots: edges that JPEG would smear.
    lossless: bool,
}

impl Picture {
    /// Decodes a file; the limits are checked before any pixel is.
    pub fn open(source: &Path, limits: &ImageLimits) -> Result<Self, Fault> {
        let file = File::open(source)
            .map_err(|error| Fault::from_io(&source.display().to_string(), &error))?;
        let mut reader = ImageReader::new(BufReader::new(file))
            .with_guessed_format()
            .map_err(|error| Fault::from_io(&source.display().to_string(), &error))?;
        let format = reader.format();
        if !matches!(
            format,
            Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Gif | ImageFormat::WebP)
        ) {
            return Err(Fault::permanent(
                "This is no picture that can be read here. Save it as JPEG or PNG and upload that.",
                format!("format {format:?}"),
            ));
        }
        let mut bounds = image::Limits::default();
        bounds.max_image_width = Some(limits.side);
        bounds.max_image_height = Some(limits.side);
        bounds.max_alloc = Some(limits.memory_bytes);
        reader.limits(bounds);
        let mut decoder = reader.into_decoder().map_err(|error| refused(&error))?;
        let (width, height) = decoder.dimensions();
        let total = u64::from(width) * u64::from(height);
        if total == 0 || total > limits.pixels || decoder.total_bytes() > limits.memory_bytes {
            return Err(too_large(format!("{width} by {height} pixels")));
        }
        // Damaged metadata is no reason to refuse a picture.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let icc = decoder
            .icc_profile()
            .ok()
            .flatten()
            .filter(|icc| is_screen_profile(icc));
        let full = DynamicImage::from_decoder(decoder).map_err(|error| refused(&error))?;
        let pixels = if full.color().has_alpha() {
            DynamicImage::ImageRgba8(full.into_rgba8())
        } else {
            DynamicImage::ImageRgb8(full.into_rgb8())
        };
        Ok(Self {
            pixels,
            orientation,
            icc,
            lossless: format != Some(ImageFormat::Jpeg) && format != Some(ImageFormat::WebP),
        })
    }

    /// Width and height when upright.
    pub fn upright_size(&self) -> (u32, u32) {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        if self.is_on_its_side() {
            (height, width)
        } else {
            (width, height)
        }
    }

    fn is_on_its_side(&self) -> bool {
        matches!(
            self.orientation,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        )
    }

    /// Writes it upright at this width (at most its own) as `<stem>.jpg` or `<stem>.png`.
    pub fn write_width(&self, width: u32, stem: &Path) -> Result<ImageFile, Fault> {
        let (full_width, full_height) = self.upright_size();
        let width = width.clamp(1, full_width.max(1));
        let height = scaled(full_height, width, full_width);
        let (stored_width, stored_height) = if self.is_on_its_side() {
            (height, width)
        } else {
            (width, height)
        };
        let mut small = DynamicImage::new(stored_width, stored_height, self.pixels.color());
        Resizer::new()
            .resize(&self.pixels, &mut small, &ResizeOptions::new())
            .map_err(|error| damaged(&error))?;
        small.apply_orientation(self.orientation);
        let (bytes, mime, ending) = self.encode(small).map_err(|error| refused(&error))?;
        let path = stem.with_extension(ending);
        std::fs::write(&path, &bytes)
            .map_err(|error| Fault::from_io(&path.display().to_string(), &error))?;
        Ok(ImageFile {
            path,
            mime,
            width,
            height,
            size_bytes: bytes.len() as u64,
        })
    }

    /// PNG where something shows through, and for drawings, whose edges JPEG smears, unless it is twice as large.
    fn encode(
        &self,
        pixels: DynamicImage,
    ) -> Result<(Vec<u8>, &'static str, &'static str), ImageError> {
        if let DynamicImage::ImageRgba8(rgba) = &pixels
            && rgba
                .pixels()
                .any(|pixel| matches!(pixel.0, [_, _, _, alpha] if alpha < u8::MAX))
        {
            return Ok((self.png(&pixels)?, "image/png", "png"));
        }
        let opaque = DynamicImage::ImageRgb8(pixels.into_rgb8());
        let jpeg = self.jpeg(&opaque)?;
        if self.lossless {
            let png = self.png(&opaque)?;
            if png.len() <= jpeg.len().saturating_mul(2) {
                return Ok((png, "image/png", "png"));
            }
        }
        Ok((jpeg, "image/jpeg", "jpg"))
    }

    fn jpeg(&self, pixels: &DynamicImage) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        self.keep_colors(&mut encoder);
        pixels.write_with_encoder(encoder)?;
        Ok(bytes.into_inner())
    }

    fn png(&self, pixels: &DynamicImage) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = PngEncoder::new_with_quality(
            &mut bytes,
            CompressionType::Default,
            FilterType::Adaptive,
        );
        self.keep_colors(&mut encoder);
        pixels.write_with_encoder(encoder)?;
        Ok(bytes.into_inner())
    }

    /// The color profile says what the numbers mean, and nothing of the person: without it photographs of newer
    /// phones (Display P3) turn pale.
    fn keep_colors(&self, encoder: &mut impl ImageEncoder) {
        if let Some(icc) = &self.icc {
            // An encoder that cannot store one leaves the colors as they are.
            let _ = encoder.set_icc_profile(icc.clone());
        }
    }

    /// How much there is to see: the standard deviation of brightness, 0 (one color) to 127.
    pub fn contrast(&self) -> f64 {
        let gray = self.pixels.thumbnail(64, 64).into_luma8();
        let count = f64::from(gray.width()) * f64::from(gray.height());
        let mean = gray.pixels().map(|pixel| brightness(*pixel)).sum::<f64>() / count;
        let variance = gray
            .pixels()
            .map(|pixel| (brightness(*pixel) - mean).powi(2))
            .sum::<f64>()
            / count;
        variance.sqrt()
    }
}

fn brightness(pixel: image::Luma<u8>) -> f64 {
    let [value] = pixel.0;
    f64::from(value)
}

/// `side * width / full_width`, at least 1.
fn scaled(side: u32, width: u32, full_width: u32) -> u32 {
    let full = u64::from(full_width.max(1));
    let exact = (u64::from(side) * u64::from(width) + full / 2) / full;
    u32::try_from(exact).unwrap_or(u32::MAX).max(1)
}

/// An RGB profile (ICC.1:2022, section 7.2.6); one for ink does not fit pixels that were made RGB.
fn is_screen_profile(icc: &[u8]) -> bool {
    icc.len() <= ICC_MAX_BYTES && icc.get(16..20) == Some(b"RGB ")
}

fn too_large(detail: String) -> Fault {
    Fault::permanent(
        "This picture is too large. Save it with at most 10,000 pixels on its longer side and upload that.",
        detail,
    )
}

fn damaged(error: &dyn std::fmt::Display) -> Fault {
    Fault::permanent(
        "This picture is damaged and cannot be read. Open it on your computer, save it anew, and upload that.",
        error.to_string(),
    )
}

fn refused(error: &ImageError) -> Fault {
    match error {
        ImageError::Limits(limits) => too_large(limits.to_string()),
        ImageError::IoError(io)
            if !matches!(
                io.kind(),
                std::io::ErrorKind::UnexpectedEof
                    | std::io::ErrorKind::InvalidData
                    | std::io::ErrorKind::Other
            ) =>
        {
            Fault::from_io("picture", io)
        }
        other => damaged(other),
    }
}
