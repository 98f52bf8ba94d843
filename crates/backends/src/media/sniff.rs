//! The type of a file from its first bytes, never from its name or what the browser said. What a picture or
//! a recording then really holds is found by decoding it (`images`) or asking ffprobe (`probe`).

use std::fmt;

/// How much of the beginning `sniff` wants to see. Less is fine for short files.
pub const HEAD_BYTES: usize = 8192;

/// What a file can be used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A picture (whether it can be decoded is for `images` to say).
    Image,
    /// A recording with, as far as the head tells, pictures; `probe` may find sound alone.
    Video,
    /// Sound alone.
    Audio,
    /// Anything else: only offered for download.
    File,
}

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sniffed {
    /// A type that no browser runs as a page: markup of any kind is `application/octet-stream`.
    pub mime: &'static str,
    /// What it can be used as.
    pub kind: Kind,
}

/// Why a file does not fit the form it was dropped in: a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAccepted(pub &'static str);

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Kind {
    /// The value of the `accept` attribute of this kind's file field (HTML, "accept"); empty for any file.
    pub fn accept(self) -> &'static str {
        match self {
            Self::Image => "image/jpeg,image/png,image/gif,image/webp",
            Self::Video => "video/*,.mkv,.mp4,.mov,.webm,.avi,.mts,.m2ts,.wmv,.flv,.mpg",
            Self::Audio => "audio/*,.mp3,.m4a,.wav,.flac,.ogg,.opus,.aac,.aiff,.wma,.mka",
            Self::File => "",
        }
    }

    /// What this kind's form takes, to be shown beside its file field.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Image => "A picture: JPEG, PNG, GIF or WebP.",
            Self::Video => "A video: MP4, MOV, WebM, MKV, AVI, MPEG, WMV or FLV.",
            Self::Audio => "A sound recording: MP3, M4A, WAV, FLAC, Ogg, Opus, AAC, AIFF or WMA.",
            Self::File => "Any file. It is offered for download.",
        }
    }

    /// Whether a file that begins with `head` may go into this kind's form, and its type. The kind in the answer
    /// is the form's. Sound in a video container may go into both; `probe` then tells.
    ///
    /// # Errors
    /// A sentence that says what the form takes, or what is wrong with the file (answer 415).
    pub fn admit(self, head: &[u8]) -> Result<Sniffed, NotAccepted> {
        let found = sniff(head);
        let fits = match self {
            Self::File => true,
            Self::Image => found.kind == Self::Image,
            Self::Video => found.kind == Self::Video,
            Self::Audio => matches!(found.kind, Self::Audio | Self::Video),
        };
        if head.is_empty() && self != Self::File {
            return Err(NotAccepted("This file is empty. Choose another one."));
        }
        // What can be read as both is read as the worse: programs may take it for the list.
        let is_list = self != Self::File && playlist(head).is_some();
        if !fits || is_list {
            return Err(self.refusal(head, found));
        }
        if let (Self::Image, Some(words)) = (self, undecodable(found.mime)) {
            return Err(NotAccepted(words));
        }
        let mime = match (self, found.kind) {
            (Self::Audio, Kind::Video) => sound_in(found.mime),
            _ => found.mime,
        };
        Ok(Sniffed { mime, kind: self })
    }

    fn refusal(self, head: &[u8], found: Sniffed) -> NotAccepted {
        let playlist = playlist(head).filter(|_| matches!(self, Self::Video | Self::Audio));
        NotAccepted(match (self, found.kind, playlist) {
            (_, _, Some(words)) => words,
            (Self::Video, Kind::Audio, _) => {
                "This file holds sound only. Add it as audio, or choose a video: MP4, MOV, WebM, MKV, AVI, MPEG, WMV or FLV."
            }
            (Self::Video, ..) => {
                "This is no video that can be read here. Choose a video: MP4, MOV, WebM, MKV, AVI, MPEG, WMV or FLV."
            }
            (Self::Audio, ..) => {
                "This is no sound that can be read here. Choose a recording: MP3, M4A, WAV, FLAC, Ogg, Opus, AAC, AIFF or WMA."
            }
            _ => "This is no picture that can be shown here. Choose a JPEG, PNG, GIF or WebP file.",
        })
    }
}

const OPAQUE: Sniffed = file("application/octet-stream");

const fn file(mime: &'static str) -> Sniffed {
    Sniffed {
        mime,
        kind: Kind::File,
    }
}

const fn video(mime: &'static str) -> Sniffed {
    Sniffed {
        mime,
        kind: Kind::Video,
    }
}

const fn audio(mime: &'static str) -> Sniffed {
    Sniffed {
        mime,
        kind: Kind::Audio,
    }
}

const fn image(mime: &'static str) -> Sniffed {
    Sniffed {
        mime,
        kind: Kind::Image,
    }
}

/// The type of a file from its first bytes (`HEAD_BYTES` of them, or all there are).
pub fn sniff(head: &[u8]) -> Sniffed {
    recording(head)
        .or_else(|| text(head))
        .or_else(|| listed(head))
        .unwrap_or(OPAQUE)
}

/// If the file names other files to be played instead of holding media: why it is refused. Programs that play
/// such lists read whatever they name, also files of the server.
pub fn playlist(head: &[u8]) -> Option<&'static str> {
    const WORDS: &str =
        "This is a playlist: it only points at other files. Upload the recording itself.";
    let text = String::from_utf8_lossy(after_blank(head)).to_ascii_lowercase();
    let begins = [
        "#extm3u",
        "#ext-x-",
        "ffconcat version",
        "[playlist]",
        "[reference]",
        "v=0",
        "rtsptext",
        "smiltext",
        "file '",
        "http://",
        "https://",
        "rtsp://",
        "<asx",
        "<smil",
        "<?wpl",
        "<playlist",
    ];
    let markup = text.starts_with('<')
        && ["<mpd", "<smil", "<asx", "<playlist"]
            .iter()
            .any(|tag| text.contains(tag));
    (markup || begins.iter().any(|word| text.starts_with(word))).then_some(WORDS)
}

/// Containers of sound and moving pictures, as far as the head tells. Formats of `infer` are told apart
/// more finely here: it knows neither transport streams nor what an Ogg or MP4 file holds.
fn recording(head: &[u8]) -> Option<Sniffed> {
    const ASF: &[u8] = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11";
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    if at(4, b"ftyp") {
        return Some(brand(head));
    }
    if [&b"moov"[..], b"mdat", b"wide", b"pnot"]
        .iter()
        .any(|atom| at(4, atom))
    {
        return Some(video("video/quicktime"));
    }
    if at(0, b"\x1a\x45\xdf\xa3") {
        return Some(matroska(head));
    }
    if at(0, b"OggS") {
        return Some(if contains(head, b"\x80theora") {
            video("video/ogg")
        } else {
            audio("audio/ogg")
        });
    }
    let found = match () {
        () if at(0, b"RIFF") && at(8, b"WEBP") => image("image/webp"),
        () if (at(0, b"RIFF") || at(0, b"RF64")) && at(8, b"WAVE") => audio("audio/wav"),
        () if at(0, b"RIFF") && at(8, b"AVI ") => video("video/x-msvideo"),
        () if at(0, b"riff\x2e\x91\xcf\x11") => audio("audio/x-w64"),
        () if at(0, ASF) => video("video/x-ms-asf"),
        () if at(0, b"FLV\x01") => video("video/x-flv"),
        () if at(0, b"\x00\x00\x01\xba") || at(0, b"\x00\x00\x01\xb3") => video("video/mpeg"),
        () if at(0, b"G") && at(188, b"G") || at(4, b"G") && at(196, b"G") => video("video/mp2t"),
        () if at(0, b"fLaC") => audio("audio/flac"),
        () if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) => audio("audio/aiff"),
        () if at(0, b"caff") => audio("audio/x-caf"),
        () if at(0, b".snd") => audio("audio/basic"),
        () if at(0, b"#!AMR") => audio("audio/amr"),
        () if at(0, b"ID3") => audio("audio/mpeg"),
        () if at(0, b"wvpk") => audio("audio/x-wavpack"),
        () if at(0, b"MAC ") => audio("audio/x-ape"),
        () => return mpeg_frame(head),
    };
    Some(found)
}

/// ISO 14496-12, section 4.3: the major brand, then a version, then compatible brands.
fn brand(head: &[u8]) -> Sniffed {
    let size = head
        .first_chunk::<4>()
        .map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let brands = head.get(8..size.min(head.len())).unwrap_or_default();
    let has = |name: &[u8]| brands.chunks(4).any(|brand| brand == name);
    match head.get(8..12).unwrap_or_default() {
        b"avif" | b"avis" => image("image/avif"),
        b"mif1" | b"msf1" if has(b"avif") => image("image/avif"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => image("image/heif"),
        b"M4A " | b"M4B " | b"M4P " | b"F4A " => audio("audio/mp4"),
        b"qt  " => video("video/quicktime"),
        [b'3', b'g', ..] => video("video/3gpp"),
        _ => video("video/mp4"),
    }
}

/// Sound alone cannot be told from the head: `probe` decides.
fn matroska(head: &[u8]) -> Sniffed {
    let opening = head.get(..head.len().min(256)).unwrap_or_default();
    if contains(opening, b"webm") {
        video("video/webm")
    } else {
        video("video/x-matroska")
    }
}

/// A bare MPEG audio frame (ISO 11172-3, section 2.4.1.3) or ADTS frame (ISO 13818-7, section 6.2).
fn mpeg_frame(head: &[u8]) -> Option<Sniffed> {
    let [0xff, second, third, ..] = head else {
        return None;
    };
    let layer = (second >> 1) & 0b11;
    match (second & 0xe0 == 0xe0, layer) {
        (true, 0) if second & 0xf0 == 0xf0 && (third >> 2) & 0xf < 13 => Some(audio("audio/aac")),
        // Neither the reserved version, nor the bad bit rate, nor the reserved sampling rate.
        (true, 1..=3)
            if (second >> 3) & 0b11 != 1 && third >> 4 != 0xf && (third >> 2) & 0b11 != 3 =>
        {
            Some(audio("audio/mpeg"))
        }
        _ => None,
    }
}

/// Whether it is readable text of any kind, and so surely no recording.
pub(super) fn is_text(head: &[u8]) -> bool {
    text(head).is_some()
}

/// Readable text. Markup is told apart, so that nothing can run as a page.
fn text(head: &[u8]) -> Option<Sniffed> {
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        // A character cut in two by the end of the head.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let readable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c');
    if head.is_empty() || !valid.chars().all(readable) {
        return None;
    }
    let begin = after_blank(head);
    if begin.starts_with(b"%PDF") || begin.starts_with(b"{\\rtf") {
        return None;
    }
    let runnable = [&b"<"[..], b"#!", b"%!"]
        .iter()
        .any(|mark| begin.starts_with(mark));
    Some(if runnable { OPAQUE } else { file("text/plain") })
}

/// What `infer` knows, kept to types that are safe to name: programs and markup stay opaque.
fn listed(head: &[u8]) -> Option<Sniffed> {
    const PICTURES: [&str; 10] = [
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/bmp",
        "image/tiff",
        "image/heif",
        "image/avif",
        "image/jxl",
        "image/jp2",
    ];
    let mime = infer::get(head)?.mime_type();
    match mime {
        _ if PICTURES.contains(&mime) => Some(image(mime)),
        "application/pdf"
        | "application/zip"
        | "application/epub+zip"
        | "application/gzip"
        | "application/x-tar"
        | "application/x-7z-compressed"
        | "application/x-bzip2"
        | "application/x-xz"
        | "application/zstd"
        | "application/vnd.rar"
        | "application/rtf"
        | "application/msword"
        | "application/postscript" => Some(file(mime)),
        _ if mime.starts_with("application/vnd.openxmlformats-officedocument")
            || mime.starts_with("application/vnd.oasis.opendocument")
            || mime.starts_with("application/vnd.ms-") && !mime.contains("cab") =>
        {
            Some(file(mime))
        }
        _ => None,
    }
}

/// Why a picture of this type cannot be taken, though it is one.
fn undecodable(mime: &str) -> Option<&'static str> {
    match mime {
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" => None,
        "image/heif" => Some(
            "HEIC pictures cannot be shown by every browser. On the phone choose the format \"Most compatible\", or save the picture as JPEG, and upload that.",
        ),
        "image/avif" => Some(
            "AVIF pictures cannot be read here. Save the picture as JPEG or PNG and upload that.",
        ),
        _ => Some(
            "Pictures of this format cannot be read here. Save the picture as JPEG or PNG and upload that.",
        ),
    }
}

/// The name of a container's type when it holds sound alone.
fn sound_in(mime: &'static str) -> &'static str {
    match mime {
        "video/mp4" | "video/quicktime" => "audio/mp4",
        "video/webm" => "audio/webm",
        "video/x-matroska" => "audio/x-matroska",
        "video/ogg" => "audio/ogg",
        "video/3gpp" => "audio/3gpp",
        other => other,
    }
}

/// Past a byte order mark and blanks.
fn after_blank(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
