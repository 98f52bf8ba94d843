//! Pictures.

use super::*;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

fn photograph(width: u32, height: u32) -> DynamicImage {
    // Left half red, right half of fine noise, as photographs have.
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        let noise =
            (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ (x * y)).to_le_bytes()[0];
        if x < width / 2 {
            Rgb([220, noise / 8, 0])
        } else {
            Rgb([noise / 4, noise, 200])
        }
    }))
}

/// A JPEG whose EXIF asks to be turned, and names a place.
fn turned_jpeg(picture: &DynamicImage, orientation: u8) -> Vec<u8> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"GPS 48.2N 16.3E");
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1];
    bytes.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    bytes.extend(exif);
    bytes.extend(&jpeg.into_inner()[2..]);
    bytes
}

#[test]
fn a_photograph_comes_out_upright_without_metadata_in_three_sizes() {
    let bench = Bench::new();
    let source = bench.write("photo", &turned_jpeg(&photograph(1500, 2000), 6));
    let made = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap();
    let sizes: Vec<_> = made
        .iter()
        .map(|file| (file.width, file.height, file.mime))
        .collect();
    assert_eq!(
        sizes,
        [
            (480, 360, "image/jpeg"),
            (960, 720, "image/jpeg"),
            (1920, 1440, "image/jpeg")
        ]
    );
    for file in &made {
        let bytes = fs::read(&file.path).unwrap();
        assert_eq!(bytes.len() as u64, file.size_bytes);
        assert!(
            !bytes
                .windows(4)
                .any(|part| part == b"Exif" || part == b"GPS ")
        );
        assert_eq!(
            image::open(&file.path).unwrap().dimensions(),
            (file.width, file.height)
        );
    }
    // Turned clockwise, what was on the left is now above.
    let small = image::open(&made[0].path).unwrap().into_rgb8();
    assert!(
        small.get_pixel(240, 20)[0] > 150,
        "{:?}",
        small.get_pixel(240, 20)
    );
    assert!(
        small.get_pixel(240, 340)[0] < 120,
        "{:?}",
        small.get_pixel(240, 340)
    );
}

#[test]
fn a_small_picture_is_not_enlarged_and_keeps_what_shows_through() {
    let bench = Bench::new();
    let source = bench.path("logo.png");
    let logo = RgbaImage::from_fn(600, 30, |x, _| {
        Rgba([9, 99, 9, if x < 300 { 0 } else { 255 }])
    });
    logo.save(&source).unwrap();
    let made = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap();
    let sizes: Vec<_> = made
        .iter()
        .map(|file| (file.width, file.height, file.mime))
        .collect();
    assert_eq!(sizes, [(480, 24, "image/png"), (600, 30, "image/png")]);
    let large = image::open(&made[1].path).unwrap().into_rgba8();
    assert_eq!(
        (large.get_pixel(10, 10)[3], large.get_pixel(500, 10)[3]),
        (0, 255)
    );
}

#[test]
fn drawings_stay_sharp_and_gif_and_webp_are_read() {
    let bench = Bench::new();
    for (name, format) in [
        ("a.png", ImageFormat::Png),
        ("a.gif", ImageFormat::Gif),
        ("a.webp", ImageFormat::WebP),
    ] {
        let source = bench.path(name);
        let drawing = DynamicImage::ImageRgb8(RgbImage::from_fn(64, 64, |x, _| {
            if x < 32 { Rgb([255; 3]) } else { Rgb([0; 3]) }
        }));
        drawing
            .to_rgba8()
            .save_with_format(&source, format)
            .unwrap();
        let made = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap();
        assert_eq!(made.len(), 1, "{name}");
        if format == ImageFormat::Png {
            assert_eq!(made[0].mime, "image/png");
        }
    }
}

#[test]
fn pictures_over_the_limits_are_refused_before_they_are_decoded() {
    let bench = Bench::new();
    // The head of a PNG of 60,000 by 60,000 pixels, and nothing after it.
    let mut bomb =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    bomb.extend([0; 64]);
    let source = bench.write("bomb.png", &bomb);
    let fault = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent, "{fault:?}");

    let photo = bench.path("photo.jpg");
    photograph(200, 100).save(&photo).unwrap();
    let limits = ImageLimits {
        pixels: 19_999,
        ..ImageLimits::default()
    };
    let fault = make_sizes(&photo, &bench.out(), &limits).unwrap_err();
    assert!(fault.words.contains("too large"), "{fault:?}");
    assert_eq!(fs::read_dir(bench.out()).unwrap().count(), 0);
}

#[test]
fn what_is_no_picture_is_refused_in_plain_words() {
    let bench = Bench::new();
    let mut whole = Vec::new();
    let mut cursor = std::io::Cursor::new(&mut whole);
    photograph(300, 300)
        .write_to(&mut cursor, ImageFormat::Png)
        .unwrap();
    for (name, bytes) in [
        ("empty.png", &b""[..]),
        ("text.png", b"not a picture"),
        ("page.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("head.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        ("half.png", &whole[..whole.len() / 2]),
    ] {
        let source = bench.write(name, bytes);
        let fault = make_sizes(&source, &bench.out(), &ImageLimits::default()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Permanent, "{name}: {fault:?}");
        assert!(fault.words.contains("picture"), "{name}: {fault:?}");
    }
}
