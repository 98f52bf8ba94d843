//! Names of files as people gave them: kept for people, never used as paths.

/// Longest name kept, in characters.
const MAX_CHARACTERS: usize = 250;

/// The name without folders and without characters that cannot be seen or that turn the
/// direction of writing (Unicode 16, section 23.2), so that `a<U+202E>gpj.exe` is not shown as a picture.
pub fn clean(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or("");
    let visible: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let name = words.join(" ");
    let name = name.trim_matches([' ', '.']);
    if name.is_empty() {
        return "file".into();
    }
    cut(name)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2028}' | '\u{2029}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// Cut in the stem, so that the ending stays.
fn cut(name: &str) -> String {
    let length = name.chars().count();
    if length <= MAX_CHARACTERS {
        return name.to_owned();
    }
    let ending = ending(name)
        .map(|ending| format!(".{ending}"))
        .unwrap_or_default();
    let kept = MAX_CHARACTERS - ending.chars().count();
    let stem: String = name.chars().take(kept).collect();
    format!("{}{ending}", stem.trim_end_matches([' ', '.']))
}

/// What somebody calls a file now, with the ending that it had: without it her machine would not know what to do
/// with what she downloads.
pub fn renamed(before: &str, sent: &str) -> String {
    let name = clean(sent);
    match ending(before) {
        Some(had) if !ending(&name).is_some_and(|has| has.eq_ignore_ascii_case(had)) => {
            cut(&format!("{name}.{had}"))
        }
        _ => name,
    }
}

/// What stands after the last dot, when it looks like the ending of a file's name.
pub fn ending(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let is_ending = !stem.is_empty()
        && (1..=10).contains(&ending.len())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_ending.then_some(ending)
}

/// The name without its ending.
pub fn stem(name: &str) -> &str {
    match ending(name) {
        Some(ending) => name.get(..name.len() - ending.len() - 1).unwrap_or(name),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folders_and_invisible_characters_are_left_out() {
        for (sent, kept) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\bow hold.mov", "bow hold.mov"),
            ("a\u{202E}gpj.exe", "agpj.exe"),
            ("a\r\nSet-Cookie: x", "aSet-Cookie: x"),
            ("..", "file"),
            ("", "file"),
            (".htaccess", "htaccess"),
            ("Übung  1.mp3", "Übung 1.mp3"),
        ] {
            assert_eq!(clean(sent), kept, "{sent:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = clean(&format!("{}.mp4", "ä".repeat(400)));
        assert_eq!(name.chars().count(), MAX_CHARACTERS);
        assert!(name.ends_with("ä.mp4"));
        assert_eq!(stem("a.b.mp4"), "a.b");
        assert_eq!(stem("README"), "README");
    }

    #[test]
    fn a_file_that_is_renamed_keeps_its_ending() {
        assert_eq!(renamed("take 2.wav", "Sarabande"), "Sarabande.wav");
        assert_eq!(renamed("take 2.wav", "Sarabande.WAV"), "Sarabande.WAV");
        assert_eq!(renamed("take 2.wav", "No. 5"), "No. 5.wav");
        assert_eq!(renamed("README", "../Read me"), "Read me");
        let long = renamed("a.mp4", &"x".repeat(400));
        assert!(long.ends_with("x.mp4") && long.chars().count() == MAX_CHARACTERS);
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_that_can_be_shown_on_one_line(sent in any::<String>()) {
            let name = clean(&sent);
            prop_assert!(!name.is_empty() && name.chars().count() <= MAX_CHARACTERS);
            let is_clean = name.chars().all(|c| !c.is_control() && c != '/' && c != '\\');
            prop_assert!(is_clean, "{name:?}");
            prop_assert_eq!(clean(&name), name);
        }
    }
}
