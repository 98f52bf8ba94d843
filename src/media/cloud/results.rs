//! What lies in the folder of a transcoding, as renditions: which names they get, and whether they are whole.

use backends::files::Entry;
use std::collections::BTreeSet;

/// The media type of playlists (RFC 8216, section 10).
const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// One result: its name within the upload, and the name of its file in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// As pages and playlists call it.
    pub name: String,
    /// Key in the store.
    pub key: String,
    /// Its media type.
    pub mime: &'static str,
    /// Bytes.
    pub size_bytes: u64,
}

impl Made {
    /// Whether it is a playlist, which names other files.
    pub fn is_playlist(&self) -> bool {
        self.mime == PLAYLIST
    }
}

/// The results among the files of a folder. Of each counted picture (`poster.0000001.jpg`) the last one is
/// taken: it stands some way into the film, where the first is often black.
///
/// # Errors
/// Says which of the needed ones is missing or empty, for staff.
pub fn results(folder: &str, entries: &[Entry], needed: &[String]) -> Result<Vec<Made>, String> {
    let mut made: Vec<Made> = Vec::new();
    for entry in entries {
        let file = entry
            .key
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'));
        let Some(file) = file.filter(|file| !file.contains('/')) else {
            continue;
        };
        let name = uncounted(file);
        let Some(mime) = mime_of(&name) else { continue };
        let one = Made {
            name,
            key: entry.key.clone(),
            mime,
            size_bytes: entry.size,
        };
        match made.iter_mut().find(|other| other.name == one.name) {
            Some(other) if other.key < one.key => *other = one,
            Some(_) => {}
            None => made.push(one),
        }
    }
    for name in needed {
        match made.iter().find(|one| one.name == *name) {
            None => return Err(format!("{name} is missing in {folder}")),
            Some(one) if one.size_bytes == 0 => return Err(format!("{name} is empty in {folder}")),
            Some(_) => {}
        }
    }
    Ok(made)
}

/// `poster.0000001.jpg` is called `poster.jpg`.
fn uncounted(file: &str) -> String {
    let parts: Vec<&str> = file.split('.').collect();
    match parts.as_slice() {
        [stem, count, "jpg"] if count.len() >= 7 && count.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{stem}.jpg")
        }
        _ => file.to_owned(),
    }
}

fn mime_of(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending {
        "mp4" | "cmfv" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "m3u8" => PLAYLIST,
        "jpg" => "image/jpeg",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        _ => return None,
    })
}

/// Makes sure that a playlist (RFC 8216) names only files that were made.
///
/// # Errors
/// Says which it names besides, for staff.
pub fn check_playlist(name: &str, text: &str, made: &BTreeSet<&str>) -> Result<(), String> {
    if !text.starts_with("#EXTM3U") {
        return Err(format!("{name} is no playlist"));
    }
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let uri = if line.starts_with('#') {
            let Some((_, rest)) = line.split_once("URI=\"") else {
                continue;
            };
            rest.split('"').next().unwrap_or_default()
        } else {
            line
        };
        if !made.contains(uri) {
            return Err(format!("{name} names {uri}, which was not made"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64) -> Entry {
        Entry {
            key: format!("uploads/x/cloud-1/{name}"),
            size,
        }
    }

    #[test]
    fn results_get_the_names_that_pages_know() {
        let entries = [
            entry("master.m3u8", 9),
            entry("master-v240.cmfv", 9),
            entry("master-sound.cmfa", 9),
            entry("poster.0000000.jpg", 9),
            entry("poster.0000001.jpg", 9),
            entry("video.mp4", 9),
            entry("notes.txt", 9),
            entry("deeper/video.mp4", 9),
        ];
        let needed = ["video.mp4".to_owned(), "master.m3u8".to_owned()];
        let made = results("uploads/x/cloud-1", &entries, &needed).unwrap();
        let found: Vec<(&str, &str)> = made
            .iter()
            .map(|one| (one.name.as_str(), one.mime))
            .collect();
        assert_eq!(
            found,
            [
                ("master.m3u8", "application/vnd.apple.mpegurl"),
                ("master-v240.cmfv", "video/mp4"),
                ("master-sound.cmfa", "audio/mp4"),
                ("poster.jpg", "image/jpeg"),
                ("video.mp4", "video/mp4"),
            ]
        );
        assert!(made[3].key.ends_with("poster.0000001.jpg"));
    }

    #[test]
    fn what_is_missing_or_empty_is_told() {
        let needed = ["audio.m4a".to_owned()];
        let told = |entries: &[Entry]| results("uploads/x/cloud-1", entries, &needed).unwrap_err();
        assert!(told(&[]).contains("audio.m4a is missing"));
        assert!(told(&[entry("audio.m4a", 0)]).contains("audio.m4a is empty"));
    }

    #[test]
    fn a_playlist_leads_nowhere_else() {
        let made = BTreeSet::from(["master-v240.m3u8", "master-v240.cmfv"]);
        let check = |text: &str| check_playlist("master.m3u8", text, &made);
        let good = "#EXTM3U\n#EXT-X-MAP:URI=\"master-v240.cmfv\",BYTERANGE=\"800@0\"\n\n#EXTINF:6,\nmaster-v240.cmfv\n";
        assert_eq!(check(good), Ok(()));
        for other in [
            "master-v240.cmfv\n",
            "#EXTM3U\nhttps://evil.com/a.cmfv\n",
            "#EXTM3U\n../../other/video.mp4\n",
            "#EXTM3U\nmaster-v360.m3u8\n",
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"https://evil.com/a.m3u8\"\n",
        ] {
            assert!(check(other).is_err(), "{other}");
        }
    }
}
