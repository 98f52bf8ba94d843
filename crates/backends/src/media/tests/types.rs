//! Types by their first bytes.

use super::*;

#[test]
fn recordings_are_told_by_what_their_container_holds() {
    are_told(&[
        (
            &b"\x00\x00\x00\x18ftypM4A \0\0\0\0"[..],
            "audio/mp4",
            Kind::Audio,
        ),
        (
            b"\x00\x00\x00\x18ftypisom\0\0\0\0",
            "video/mp4",
            Kind::Video,
        ),
        (
            b"\x00\x00\x00\x18ftypqt  \0\0\0\0",
            "video/quicktime",
            Kind::Video,
        ),
        (
            b"\x00\x00\x00\x1cftypmif1\0\0\0\0mif1avif",
            "image/avif",
            Kind::Image,
        ),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0OpusHead",
            "audio/ogg",
            Kind::Audio,
        ),
        (
            b"OggS\0\x02\0\0\0\0\0\0\0\0\x80theora",
            "video/ogg",
            Kind::Video,
        ),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav", Kind::Audio),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo", Kind::Video),
        (b"\xff\xfb\x90\x64\0\0", "audio/mpeg", Kind::Audio),
        (b"\xff\xf1\x50\x80\0\0", "audio/aac", Kind::Audio),
    ]);
}

#[test]
fn documents_and_pictures_are_told_from_bytes() {
    are_told(&[
        (
            &b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"[..],
            "application/pdf",
            Kind::File,
        ),
        (
            b"%PDF-1.4\nall of it in plain letters",
            "application/pdf",
            Kind::File,
        ),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "application/zip", Kind::File),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", Kind::Image),
        (b"\x89PNG\r\n\x1a\n", "image/png", Kind::Image),
        (b"GIF89a\x01\0\x01\0", "image/gif", Kind::Image),
        ("Grüße an alle".as_bytes(), "text/plain", Kind::File),
        (
            b"\x7fELF\x02\x01\x01",
            "application/octet-stream",
            Kind::File,
        ),
        (b"\0\x01\x02\x03", "application/octet-stream", Kind::File),
        (b"", "application/octet-stream", Kind::File),
    ]);
}

fn are_told(heads: &[(&[u8], &'static str, Kind)]) {
    for (head, mime, kind) in heads.iter().copied() {
        assert_eq!(
            sniff(head),
            Sniffed { mime, kind },
            "{}",
            String::from_utf8_lossy(head)
        );
    }
}

#[test]
fn markup_is_never_a_picture_nor_runnable() {
    for head in [
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "\u{feff}  <?xml version=\"1.0\"?><svg/>",
        "<!DOCTYPE html><html>",
        "\n\n<ScRiPt>",
        "#!/bin/sh\n",
        "<p>\u{ff}",
    ] {
        let found = sniff(head.as_bytes());
        assert_eq!(
            (found.mime, found.kind),
            ("application/octet-stream", Kind::File),
            "{head}"
        );
        assert!(Kind::Image.admit(head.as_bytes()).is_err());
        assert!(Kind::File.admit(head.as_bytes()).is_ok());
    }
}

#[test]
fn each_form_takes_its_own_kind_and_says_what_it_wants_otherwise() {
    let png = b"\x89PNG\r\n\x1a\n";
    let webm = b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x84webm";
    assert_eq!(Kind::Image.admit(png).unwrap().mime, "image/png");
    assert!(Kind::Video.admit(png).unwrap_err().0.contains("MP4"));
    assert!(Kind::Audio.admit(png).unwrap_err().0.contains("MP3"));
    assert_eq!(
        Kind::Audio.admit(webm).unwrap(),
        Sniffed {
            mime: "audio/webm",
            kind: Kind::Audio
        }
    );
    assert!(
        Kind::Video
            .admit(b"RIFF\0\0\0\0WAVE")
            .unwrap_err()
            .0
            .contains("sound only")
    );
    assert!(Kind::Video.admit(b"").unwrap_err().0.contains("empty"));
    assert_eq!(
        Kind::File.admit(png).unwrap(),
        Sniffed {
            mime: "image/png",
            kind: Kind::File
        }
    );
    assert!(
        Kind::Image
            .admit(b"\0\0\0\x18ftypheic\0\0\0\0")
            .unwrap_err()
            .0
            .contains("JPEG")
    );
}

proptest::proptest! {
    #[test]
    fn no_head_makes_sniffing_fail(head: Vec<u8>) {
        let found = sniff(&head);
        proptest::prop_assert!(!found.mime.contains("html") && !found.mime.contains("svg") && !found.mime.contains("xml;"));
        let _ = (playlist(&head), Kind::Video.admit(&head));
    }
}
