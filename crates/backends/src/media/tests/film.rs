//! What a film becomes.

use super::*;

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_film_becomes_an_mp4_that_every_browser_plays_with_poster_and_thumbnail() {
    let bench = Bench::new();
    let source = bench.make(
        "film.mkv",
        &format!("{SMALL} {TONE} -c:v ffv1 -c:a pcm_s16le -metadata title=Secret -metadata:s:a:0 title=Secret"),
    );
    let mut told = Vec::new();
    let found = probe(&bench.tools, &source).await.unwrap();
    let out = bench.out();
    let film = video(&bench.tools, &source, &found, &out, |progress| {
        told.push(progress.percent);
    })
    .await
    .unwrap();

    assert_eq!((film.width, film.height), (64, 48));
    assert!(
        (film.duration_seconds - 1.0).abs() < 0.15,
        "{}",
        film.duration_seconds
    );
    let made = probe(&bench.tools, &film.path).await.unwrap();
    let picture = made.video.unwrap();
    assert_eq!(
        (picture.codec.as_str(), picture.pixel_format.as_str()),
        ("h264", "yuv420p")
    );
    assert_eq!(
        (made.audio[0].codec.as_str(), made.audio[0].channels),
        ("aac", 2)
    );
    assert_eq!(made.audio.len(), 1);

    let bytes = fs::read(&film.path).unwrap();
    let at = |name: &[u8]| bytes.windows(name.len()).position(|window| window == name);
    assert!(at(b"moov").unwrap() < at(b"mdat").unwrap(), "no fast start");
    assert_eq!(at(b"Secret"), None, "metadata was copied");
    assert_eq!(film.size_bytes, bytes.len() as u64);

    for picture in [&film.poster, &film.thumbnail] {
        assert_eq!(
            image::open(&picture.path).unwrap().dimensions(),
            (picture.width, picture.height)
        );
        assert_eq!(picture.mime, "image/jpeg");
    }
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "master.m3u8",
            "poster.jpg",
            "sound.m3u8",
            "sound.mp4",
            "sprite-0.jpg",
            "thumbnail.jpg",
            "thumbnails.vtt",
            "v240.m3u8",
            "v240.mp4",
            "video.mp4"
        ]
    );

    assert_eq!(told.first(), Some(&0.0));
    assert_eq!(told.last(), Some(&100.0));
    assert!(told.is_sorted(), "{told:?}");
    assert!(told.len() > 2, "{told:?}");
}

#[tokio::test]
async fn a_phones_film_on_its_side_comes_out_upright_and_says_so_no_more() {
    let bench = Bench::new();
    // Red above, blue below, as stored; to be turned by a quarter.
    let stored = bench.make(
        "stored.mp4",
        "-f lavfi -i color=red:s=64x48:r=10:d=1,drawbox=y=24:h=24:color=blue:t=fill -c:v libx264 -pix_fmt yuv420p",
    );
    let turned = bench.make(
        "turned.mp4",
        &format!("-i {} -c copy -metadata:s:v rotate=270", stored.display()),
    );
    assert_eq!(
        probe(&bench.tools, &turned)
            .await
            .unwrap()
            .video
            .unwrap()
            .rotation,
        90
    );
    let film = bench.video(&turned).await.unwrap();
    assert_eq!((film.width, film.height), (48, 64));
    assert_eq!(
        probe(&bench.tools, &film.path)
            .await
            .unwrap()
            .video
            .unwrap()
            .rotation,
        0
    );
    // Turned clockwise, what was above is now on the right.
    let poster = image::open(&film.poster.path).unwrap().into_rgb8();
    let (left, right) = (poster.get_pixel(5, 32), poster.get_pixel(43, 32));
    assert!(left[2] > 150 && left[0] < 100, "{left:?}");
    assert!(right[0] > 150 && right[2] < 100, "{right:?}");
}

#[tokio::test]
async fn odd_sizes_ten_bits_and_silent_films_are_fine() {
    let bench = Bench::new();
    let source = bench.make(
        "odd.mkv",
        "-f lavfi -i testsrc=s=101x77:r=10:d=1 -c:v libx264 -pix_fmt yuv444p10le",
    );
    let film = bench.video(&source).await.unwrap();
    assert_eq!((film.width, film.height), (100, 76));
    let made = probe(&bench.tools, &film.path).await.unwrap();
    assert_eq!(made.video.unwrap().pixel_format, "yuv420p");
    assert!(made.audio.is_empty());
}

#[tokio::test]
async fn a_large_film_is_made_smaller_and_wide_pixels_square() {
    let bench = Bench::new();
    let large = bench.make(
        "large.mp4",
        "-f lavfi -i testsrc=s=2880x2160:r=5:d=0.4 -c:v libx264 -preset ultrafast",
    );
    let film = bench.video(&large).await.unwrap();
    assert_eq!((film.width, film.height), (1440, 1080));
    assert_eq!((film.poster.width, film.poster.height), (1280, 960));

    let wide = bench.make(
        "wide.mp4",
        "-f lavfi -i testsrc=s=72x58:r=10:d=0.5 -vf setsar=2/1 -c:v libx264",
    );
    let film = bench.video(&wide).await.unwrap();
    assert_eq!((film.width, film.height), (144, 58));
    assert!(
        (probe(&bench.tools, &film.path)
            .await
            .unwrap()
            .video
            .unwrap()
            .sample_aspect
            - 1.0)
            .abs()
            < 1e-9
    );
}

#[tokio::test]
async fn fields_become_whole_frames() {
    let bench = Bench::new();
    let source = bench.make(
        "fields.mpg",
        "-f lavfi -i testsrc=s=64x48:r=50:d=1 -vf interlace -c:v mpeg2video -flags +ildct+ilme -b:v 500k",
    );
    assert!(
        probe(&bench.tools, &source)
            .await
            .unwrap()
            .video
            .unwrap()
            .interlaced
    );
    let film = bench.video(&source).await.unwrap();
    let made = probe(&bench.tools, &film.path)
        .await
        .unwrap()
        .video
        .unwrap();
    assert!(!made.interlaced);
    assert!(
        (made.average_fps - 25.0).abs() < 0.5,
        "{}",
        made.average_fps
    );
}

#[tokio::test]
async fn an_unsteady_frame_rate_becomes_a_steady_one() {
    let bench = Bench::new();
    let source = bench.make(
        "unsteady.mkv",
        "-f lavfi -i testsrc=s=64x48:r=30:d=2 -vf select='not(mod(n,7))+lt(mod(n,11),3)' -fps_mode vfr -c:v libx264",
    );
    let film = bench.video(&source).await.unwrap();
    let made = probe(&bench.tools, &film.path)
        .await
        .unwrap()
        .video
        .unwrap();
    assert!((made.average_fps - made.base_fps).abs() < 0.01, "{made:?}");
    assert!(made.average_fps <= 60.1);
    assert!(
        (film.duration_seconds - 2.0).abs() < 0.3,
        "{}",
        film.duration_seconds
    );
}

#[tokio::test]
async fn high_dynamic_range_is_brought_to_what_every_screen_shows() {
    let bench = Bench::new();
    let source = bench.make(
        "hdr.mp4",
        "-f lavfi -i testsrc=s=64x48:r=10:d=0.5 -pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=none -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc",
    );
    assert_eq!(
        probe(&bench.tools, &source)
            .await
            .unwrap()
            .video
            .unwrap()
            .hdr_transfer
            .as_deref(),
        Some("arib-std-b67")
    );
    let film = bench.video(&source).await.unwrap();
    let made = probe(&bench.tools, &film.path)
        .await
        .unwrap()
        .video
        .unwrap();
    assert_eq!(
        (made.hdr_transfer, made.pixel_format.as_str()),
        (None, "yuv420p")
    );
}

#[tokio::test]
async fn of_several_tracks_the_first_of_each_is_taken() {
    let bench = Bench::new();
    let source = bench.make(
        "tracks.mkv",
        "-f lavfi -i sine=d=1 -f lavfi -i anullsrc=d=1 -f lavfi -i testsrc=s=64x48:r=10:d=1 -f lavfi -i testsrc=s=32x32:r=10:d=1 -map 0 -map 1 -map 2 -map 3 -t 1 -c:v libx264 -c:a aac",
    );
    let film = bench.video(&source).await.unwrap();
    assert_eq!((film.width, film.height), (64, 48));
    let made = probe(&bench.tools, &film.path).await.unwrap();
    assert_eq!(made.audio.len(), 1);
    assert!(
        bench.loudness(&film.path).await.integrated_lufs > -40.0,
        "the silent track was taken"
    );
}

#[tokio::test]
async fn one_frame_is_enough_for_a_poster() {
    let bench = Bench::new();
    let source = bench.make(
        "frame.mp4",
        "-f lavfi -i testsrc=s=64x48:r=10 -frames:v 1 -c:v libx264",
    );
    let film = bench.video(&source).await.unwrap();
    assert_eq!((film.poster.width, film.poster.height), (64, 48));
}

#[tokio::test]
async fn the_poster_is_not_black_where_the_film_begins_black() {
    let bench = Bench::new();
    let source = bench.make(
        "black.mp4",
        "-f lavfi -i color=black:s=64x48:r=10:d=5 -f lavfi -i testsrc=s=64x48:r=10:d=5 -filter_complex concat=n=2 -c:v libx264",
    );
    let film = bench.video(&source).await.unwrap();
    let brightest = image::open(&film.poster.path)
        .unwrap()
        .into_luma8()
        .pixels()
        .map(|p| p[0])
        .max();
    assert!(brightest > Some(128), "{brightest:?}");
}

#[tokio::test]
async fn a_browsers_recording_that_tells_no_length_is_counted() {
    let bench = Bench::new();
    let out = Command::new("ffmpeg")
        .args(format!("-v error -nostdin {SMALL} {TONE} -c:v libvpx -deadline realtime -c:a libopus -f webm -live 1 -").split_whitespace())
        .output()
        .unwrap();
    let source = bench.write("live.webm", &out.stdout);
    let found = probe(&bench.tools, &source).await.unwrap();
    assert!(
        (found.duration_seconds - 1.0).abs() < 0.2,
        "{}",
        found.duration_seconds
    );
    bench.video(&source).await.unwrap();
}

/// When it stops being black, and when it begins to sound, in seconds.
fn flash_and_tone(inputs: &[&Path]) -> (f64, f64) {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-nostats", "-copyts"]);
    for input in inputs {
        command.arg("-i").arg(input);
    }
    let filters = [
        "-vf",
        "blackdetect=d=0.2",
        "-af",
        "silencedetect=n=-40dB:d=0.2",
    ];
    let report = command.args(filters).args(["-f", "null", "-"]).output();
    let report = String::from_utf8_lossy(&report.unwrap().stderr).into_owned();
    let after = |name: &str| {
        let (_, rest) = report.split_once(name).expect(name);
        let mut numbers = rest.split([' ', '\n', ':']).filter(|part| !part.is_empty());
        numbers.next().unwrap().parse::<f64>().unwrap()
    };
    (after("black_end:"), after("silence_end:"))
}

#[tokio::test]
async fn sound_and_picture_stay_together_in_the_pieces_and_in_the_whole() {
    let bench = Bench::new();
    let source = bench.make(
        "clap.mkv",
        "-f lavfi -i color=black:s=64x48:r=25:d=2,drawbox=c=white:t=fill:enable='gte(t,1)' \
         -f lavfi -i sine=f=1000:d=2,volume=0:enable='lt(t,1)' -c:v libx264 -c:a pcm_s16le",
    );
    let film = bench.video(&source).await.unwrap();
    let (flash, tone) = flash_and_tone(&[&source]);
    let apart = tone - flash;
    let out = bench.out();
    let pieces = [out.join("v240.mp4"), out.join("sound.mp4")];
    for made in [vec![&film.path], pieces.iter().collect()] {
        let made: Vec<&Path> = made.into_iter().map(PathBuf::as_path).collect();
        let (flash, tone) = flash_and_tone(&made);
        // An AAC frame lasts 23 ms, and listeners notice 45 (ITU-R BT.1359).
        assert!(
            (tone - flash - apart).abs() < 0.03,
            "{made:?}: {flash}, {tone}, {apart}"
        );
    }
}
