//! What must hold of the parsers here whatever they are given: for the fuzz targets in `fuzz/`, and for
//! the tests, which try it with random bytes and with what the fuzzers have found.

use super::order;
use super::video_page;
use url::Url;

/// The body of the two endpoints that put modules and contents into an order.
pub fn order(bytes: &[u8]) {
    if let Ok(places) = order::parse(bytes) {
        assert!(places.iter().all(|(id, place)| *id >= 0 && *place >= 0));
    }
}

/// The address of a film somewhere else: a player of YouTube or Vimeo without anything that was typed but its id,
/// or nothing.
pub fn video_url(bytes: &[u8]) {
    let typed = String::from_utf8_lossy(bytes);
    let Some(player) = video_page(&typed) else {
        return;
    };
    let read = Url::parse(&player).ok();
    let host = read.as_ref().and_then(Url::host_str);
    assert!(
        matches!(host, Some("www.youtube-nocookie.com" | "player.vimeo.com")),
        "{player}"
    );
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/.:?=&".contains(c);
    assert!(
        player.starts_with("https://") && player.chars().all(is_plain),
        "{player}"
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Every parser with what the fuzzers have found for it.
    #[test]
    fn what_was_found_once_is_not_found_again() {
        for (name, check) in [
            ("order", super::order as fn(&[u8])),
            ("video_url", super::video_url),
        ] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/kept/").to_owned() + name;
            for kept in std::fs::read_dir(&folder).expect("each target keeps something") {
                check(&std::fs::read(kept.unwrap().path()).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            json in "(\\{|\\}|\\[|:|,|\"[0-9]{0,20}\"|[-0-9e.]{1,20}){0,20}",
            url in "https?://(youtu.be|www.youtube.com|vimeo.com|player.vimeo.com)/(watch\\?v=|embed/|video/)?[-_a-zA-Z0-9/?&=%\"<:]{0,40}",
        ) {
            for bytes in [&bytes, json.as_bytes(), url.as_bytes()] {
                super::order(bytes);
                super::video_url(bytes);
            }
        }
    }
}
