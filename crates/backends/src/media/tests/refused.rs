//! What is refused, and in which words.

use super::*;

/// A film with so many chapters.
fn with_chapters(bench: &Bench, count: usize) -> PathBuf {
    let mut text = String::from(";FFMETADATA1\n");
    for number in 0..count {
        let end = number + 1;
        let title = "a chapter of some length ".repeat(4);
        let times = format!("START={number}\nEND={end}\n");
        text += &[
            "[CHAPTER]\nTIMEBASE=1/1000000\n",
            &times,
            "title=",
            &title,
            "\n",
        ]
        .concat();
    }
    let list = bench.write("chapters.txt", text.as_bytes());
    let args = format!(
        "-i {} {SMALL} -map 1 -map_chapters 0 -c:v libx264",
        list.display()
    );
    bench.make("chapters.mkv", &args)
}

#[tokio::test]
async fn a_file_with_chapters_without_end_is_refused_for_good_and_others_keep_the_first() {
    let bench = Bench::new();
    let source = with_chapters(&bench, 600);
    let found = probe(&bench.tools, &source).await.unwrap();
    assert_eq!(found.chapters.len(), 500);
    let source = with_chapters(&bench, 40_000);
    let fault = probe(&bench.tools, &source).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent, "{fault:?}");
    assert!(fault.words.contains("without chapters"), "{fault:?}");
}

#[tokio::test]
async fn what_is_no_recording_is_refused_in_plain_words() {
    let bench = Bench::new();
    let film = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    let whole = fs::read(&film).unwrap();
    for (name, bytes, words) in [
        ("empty.mp4", &b""[..], "is empty"),
        (
            "text.mp4",
            b"Dear class, today we begin.\n",
            "not a recording",
        ),
        ("cut.mp4", &whole[..whole.len() / 2], "cut off"),
        (
            "noise.mkv",
            &[0x1a, 0x45, 0xdf, 0xa3, 9, 9, 9, 9],
            "not a recording",
        ),
        ("page.mp4", b"<html><video src=x></html>", "not a recording"),
    ] {
        let fault = bench.refused(&bench.write(name, bytes)).await;
        assert!(fault.words.contains(words), "{name}: {fault:?}");
        assert!(!fault.words.contains('/'), "{name}: {fault:?}");
    }
}

#[tokio::test]
async fn a_film_whose_end_is_missing_is_refused_though_its_beginning_plays() {
    let bench = Bench::new();
    let film = bench.make(
        "film.mp4",
        "-f lavfi -i testsrc2=s=128x96:r=10:d=4 -c:v libx264 -g 10 -movflags +faststart",
    );
    let whole = fs::read(&film).unwrap();
    let cut = bench.write("cut.mp4", &whole[..whole.len() / 2]);
    let fault = bench.video(&cut).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Permanent);
    assert!(fault.words.contains("cut off"), "{fault:?}");
}

#[tokio::test]
async fn an_encrypted_film_is_refused_as_such() {
    let bench = Bench::new();
    let key = "00112233445566778899aabbccddeeff";
    let source = bench.make(
        "locked.mp4",
        &format!("{SMALL} {TONE} -c:v libx264 -c:a aac -encryption_scheme cenc-aes-ctr -encryption_key {key} -encryption_kid {key}"),
    );
    assert!(bench.refused(&source).await.words.contains("encrypted"));
}

#[tokio::test]
async fn a_wrong_ending_changes_nothing() {
    let bench = Bench::new();
    let film = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    let source = bench.path("film.txt");
    fs::rename(film, &source).unwrap();
    assert_eq!(
        probe(&bench.tools, &source).await.unwrap().kind(),
        Kind::Video
    );
}

#[tokio::test]
async fn too_long_and_too_large_recordings_are_refused_before_work_begins() {
    let mut bench = Bench::new();
    let source = bench.make("film.mp4", &format!("{SMALL} -c:v libx264"));
    bench.tools.limits.longest = Duration::from_millis(500);
    assert!(bench.refused(&source).await.words.contains("too long"));
    bench.tools.limits.longest = Duration::from_secs(500);
    bench.tools.limits.pixels = 100;
    assert!(bench.refused(&source).await.words.contains("too large"));
}

#[tokio::test]
async fn a_playlist_that_points_at_a_file_of_the_server_is_refused_and_nothing_is_read() {
    let bench = Bench::new();
    let secret = bench.make("secret.wav", TONE);
    let named = secret.display();
    for (name, text) in [
        (
            "list.m3u8",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{named}\n#EXT-X-ENDLIST\n"),
        ),
        (
            "list.mp4",
            format!("ffconcat version 1.0\nfile '{named}'\n"),
        ),
        (
            "session.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 9 RTP/AVP 0\n".to_owned(),
        ),
        (
            "dash.mpd",
            format!("<?xml version=\"1.0\"?><MPD><BaseURL>{named}</BaseURL></MPD>"),
        ),
    ] {
        let source = bench.write(name, text.as_bytes());
        assert!(
            bench.refused(&source).await.words.contains("playlist"),
            "{name}"
        );
        assert!(
            Kind::Video
                .admit(text.as_bytes())
                .unwrap_err()
                .0
                .contains("playlist"),
            "{name}"
        );
        assert_eq!(sniff(text.as_bytes()).kind, Kind::File);
    }
}

#[tokio::test]
async fn a_playlist_hidden_from_the_head_does_not_get_past_ffmpeg_itself() {
    let bench = Bench::new();
    let secret = bench.make("secret.wav", TONE);
    let list = bench.write(
        "list.m3u8",
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
            secret.display()
        )
        .as_bytes(),
    );
    // As `probe` asks, but without its look at the head.
    let mut args: Vec<OsString> = vec!["-v".into(), "error".into(), "-show_format".into()];
    args.extend(probe::input(&list));
    let task = Task {
        program: &bench.tools.ffprobe,
        args,
        folder: Path::new("/"),
        time: Duration::from_secs(30),
        stall: None,
        stdout_bytes: process::STDOUT_BYTES,
    };
    let mut said = String::new();
    let fault = process::run(&bench.tools.limits, task, &mut |line| {
        said.push_str(line);
        true
    })
    .await
    .unwrap_err();
    assert!(fault.detail.contains("not on whitelist"), "{fault:?}");
    assert!(!said.contains("duration"), "{said}");
}

#[tokio::test]
async fn a_film_longer_than_it_says_is_refused_once_that_is_found_out() {
    let mut bench = Bench::new();
    let source = bench.make(
        "film.mkv",
        "-f lavfi -i testsrc=s=64x48:r=10:d=8 -f lavfi -i sine=d=8 -c:v libx264 -c:a pcm_s16le",
    );
    let mut bytes = fs::read(&source).unwrap();
    // Matroska's Duration (RFC 9559, section 5.1.2.10), in thousandths of a second.
    let element = [0x44, 0x89, 0x88];
    let at = bytes.windows(3).position(|part| part == element).unwrap() + 3;
    bytes[at..at + 8].copy_from_slice(&1000_f64.to_be_bytes());
    fs::write(&source, bytes).unwrap();
    bench.tools.limits.longest = Duration::from_secs(2);
    let found = probe(&bench.tools, &source).await.unwrap();
    assert!(found.duration_seconds < 2.0, "{found:?}");
    let fault = video(&bench.tools, &source, &found, &bench.out(), |_| {})
        .await
        .unwrap_err();
    assert!(fault.words.contains("too long"), "{fault:?}");
    let heard = Probe {
        video: None,
        ..found
    };
    let fault = audio(&bench.tools, &source, &heard, &bench.out(), &[], |_| {})
        .await
        .unwrap_err();
    assert!(fault.words.contains("too long"), "{fault:?}");
    // A little over the longest was read, and no more.
    let most = fs::metadata(bench.out().join("audio.m4a")).unwrap().len();
    assert!(most < 100_000, "{most}");
}
