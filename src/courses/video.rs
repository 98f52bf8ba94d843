//! Films that live at YouTube or Vimeo: which addresses are theirs, and the player to show for one.

use url::Url;

/// The address of the player for a page at YouTube or Vimeo; `None` for any other address.
///
/// YouTube's player comes from `www.youtube-nocookie.com`, Vimeo's with `dnt=1`: neither follows the viewer.
/// The id is checked and put into an address of our own, so that nothing else of what was typed reaches a page.
/// A starting time of a YouTube address (`t=90`, `t=1m30s`) is kept.
pub fn video_page(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let host = url.host_str()?.to_ascii_lowercase();
    let path: Vec<&str> = url
        .path_segments()?
        .filter(|segment| !segment.is_empty())
        .collect();
    match host.as_str() {
        "youtu.be" => youtube(path.first().copied()?, &url),
        "youtube.com"
        | "www.youtube.com"
        | "m.youtube.com"
        | "music.youtube.com"
        | "youtube-nocookie.com"
        | "www.youtube-nocookie.com" => match path.as_slice() {
            ["watch"] => youtube(&parameter(&url, "v")?, &url),
            ["embed" | "shorts" | "live" | "v", id, ..] => youtube(id, &url),
            _ => None,
        },
        "vimeo.com" | "www.vimeo.com" | "player.vimeo.com" => vimeo(&path, &url),
        _ => None,
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn youtube(id: &str, url: &Url) -> Option<String> {
    let is_id = id.len() == 11
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !is_id {
        return None;
    }
    let start = parameter(url, "t")
        .or_else(|| parameter(url, "start"))
        .and_then(|time| seconds(&time))
        .map(|seconds| format!("?start={seconds}"))
        .unwrap_or_default();
    Some(format!(
        "https://www.youtube-nocookie.com/embed/{id}{start}"
    ))
}

/// `90`, `90s`, `1m30s`, `1h2m3s`; nothing over a day.
fn seconds(time: &str) -> Option<u32> {
    let mut total: u32 = 0;
    let mut number: Option<u32> = None;
    for c in time.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match c {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    total = total.checked_add(number.unwrap_or(0))?;
    (1..86_400).contains(&total).then_some(total)
}

/// `vimeo.com/<id>`, `vimeo.com/<id>/<hash>` of an unlisted film, `vimeo.com/channels/<name>/<id>`,
/// `vimeo.com/groups/<name>/videos/<id>`, `player.vimeo.com/video/<id>?h=<hash>`.
fn vimeo(path: &[&str], url: &Url) -> Option<String> {
    let (id, hash) = match path {
        ["channels", _, id] | ["groups", _, "videos", id] => (*id, None),
        ["video", id] | [id] => (*id, parameter(url, "h")),
        [id, hash] => (*id, Some((*hash).to_owned())),
        _ => return None,
    };
    let is_id = (1..=12).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    let hash_fits = hash.as_ref().is_none_or(|hash| {
        (1..=40).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if !is_id || !hash_fits {
        return None;
    }
    let hash = hash.map(|hash| format!("h={hash}&")).unwrap_or_default();
    Some(format!("https://player.vimeo.com/video/{id}?{hash}dnt=1"))
}

#[cfg(test)]
mod tests {
    use super::video_page;

    #[test]
    fn pages_at_youtube_and_vimeo_have_a_player() {
        let youtube = "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ";
        for url in [
            "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            "http://youtube.com/watch?feature=share&v=dQw4w9WgXcQ",
            "https://youtu.be/dQw4w9WgXcQ?si=abc",
            "https://m.youtube.com/shorts/dQw4w9WgXcQ",
            " https://www.youtube.com/embed/dQw4w9WgXcQ ",
        ] {
            assert_eq!(video_page(url).as_deref(), Some(youtube), "{url}");
        }
        assert_eq!(
            video_page("https://youtu.be/dQw4w9WgXcQ?t=1m30s"),
            Some(format!("{youtube}?start=90"))
        );
        for (url, player) in [
            ("https://vimeo.com/76979871", "76979871?dnt=1"),
            (
                "https://vimeo.com/76979871/0f1e2d",
                "76979871?h=0f1e2d&dnt=1",
            ),
            (
                "https://vimeo.com/channels/staffpicks/76979871",
                "76979871?dnt=1",
            ),
            (
                "https://player.vimeo.com/video/76979871?h=0f1e2d",
                "76979871?h=0f1e2d&dnt=1",
            ),
        ] {
            let expected = format!("https://player.vimeo.com/video/{player}");
            assert_eq!(video_page(url), Some(expected), "{url}");
        }
    }

    #[test]
    fn any_other_address_has_none() {
        for url in [
            "",
            "dQw4w9WgXcQ",
            "https://example.org/watch?v=dQw4w9WgXcQ",
            "https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ",
            "https://evil.example/?https://youtu.be/dQw4w9WgXcQ",
            "javascript://youtu.be/dQw4w9WgXcQ",
            "https://www.youtube.com/watch?v=\"onload=alert(1)",
            "https://www.youtube.com/watch",
            "https://www.youtube.com/@somebody",
            "https://vimeo.com/somebody",
            "https://vimeo.com/1/2/3/4",
            "https://vimeo.com/76979871/%22onload",
        ] {
            assert_eq!(video_page(url), None, "{url}");
        }
    }
}
