//! What sound becomes.

use super::*;

#[tokio::test]
async fn an_mp3_with_a_cover_is_sound_and_becomes_all_formats_asked_for() {
    let bench = Bench::new();
    let cover = bench.make("cover.png", "-f lavfi -i testsrc=s=32x32 -frames:v 1");
    let source = bench.make(
        "song.mp3",
        &format!(
            "{TONE} -i {} -map 0 -map 1 -c:v copy -disposition:v:0 attached_pic -id3v2_version 3",
            cover.display()
        ),
    );
    let found = probe(&bench.tools, &source).await.unwrap();
    assert_eq!(found.kind(), Kind::Audio);
    let mut told = Vec::new();
    let wanted = [AudioFormat::Wav, AudioFormat::Flac];
    let made = audio(
        &bench.tools,
        &source,
        &found,
        &bench.out(),
        &wanted,
        |progress| told.push(progress.percent),
    )
    .await
    .unwrap();
    let formats: Vec<_> = made.files.iter().map(|file| file.format).collect();
    assert_eq!(
        formats,
        [AudioFormat::M4a, AudioFormat::Flac, AudioFormat::Wav]
    );
    for file in &made.files {
        let found = probe(&bench.tools, &file.path).await.unwrap();
        assert_eq!(found.kind(), Kind::Audio);
        assert!(
            (found.duration_seconds - 1.0).abs() < 0.15,
            "{file:?}: {}",
            found.duration_seconds
        );
        let head = fs::read(&file.path).unwrap();
        assert_eq!(Kind::Audio.admit(&head).unwrap().mime, file.format.mime());
    }
    assert!(
        told.is_sorted() && told.first() == Some(&0.0) && told.last() == Some(&100.0),
        "{told:?}"
    );
}

#[tokio::test]
async fn soft_and_loud_recordings_come_out_equally_loud() {
    let bench = Bench::new();
    for (name, volume) in [("soft.wav", "-12dB"), ("loud.wav", "12dB")] {
        let source = bench.make(
            name,
            &format!("-f lavfi -i sine=d=2:f=400 -af volume={volume} -c:a pcm_f32le"),
        );
        let before = bench.loudness(&source).await;
        assert!(
            (before.integrated_lufs - TARGET_LUFS).abs() > 3.0,
            "{before:?}"
        );
        let found = probe(&bench.tools, &source).await.unwrap();
        let made = audio(&bench.tools, &source, &found, &bench.out(), &[], |_| {})
            .await
            .unwrap();
        let after = bench.loudness(&made.files[0].path).await;
        assert!(
            (after.integrated_lufs - TARGET_LUFS).abs() < 1.0,
            "{name}: {after:?}"
        );
        assert!(after.peak_dbtp < PEAK_CEILING_DBTP, "{name}: {after:?}");
    }
}

#[tokio::test]
async fn a_films_sound_is_evened_too() {
    let bench = Bench::new();
    let source = bench.make(
        "soft.mkv",
        "-f lavfi -i testsrc=s=64x48:r=10:d=2 -f lavfi -i sine=d=2:f=400 -af volume=-10dB -c:v libx264 -c:a pcm_s16le",
    );
    let film = bench.video(&source).await.unwrap();
    let after = bench.loudness(&film.path).await;
    assert!(
        (after.integrated_lufs - TARGET_LUFS).abs() < 1.0,
        "{after:?}"
    );
}

#[tokio::test]
async fn silence_very_short_sound_and_many_channels_are_fine() {
    let bench = Bench::new();
    for (name, args) in [
        ("silence.wav", "-f lavfi -i anullsrc=d=1"),
        ("short.wav", "-f lavfi -i sine=d=0.05"),
        ("many.wav", "-f lavfi -i sine=d=1 -ac 16"),
        ("three.wav", "-f lavfi -i sine=d=1 -ac 3"),
        (
            "phone.wav",
            "-f lavfi -i sine=d=1:sample_rate=8000 -c:a pcm_mulaw",
        ),
    ] {
        let source = bench.make(name, args);
        let found = probe(&bench.tools, &source).await.unwrap();
        let made = audio(&bench.tools, &source, &found, &bench.out(), &[], |_| {}).await;
        assert!(made.is_ok(), "{name}: {made:?}");
    }
}
