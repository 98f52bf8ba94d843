//! Browsers in words, for the page that lists sessions. Only a help to the reader: whatever a
//! browser says of itself may be false.

/// Programs by what their description holds; the more particular first, since most also name
/// those that they descend from.
const PROGRAMS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("python-requests/", "A Python program"),
];

/// Systems in the same way.
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`; `A browser` where nothing is known.
pub fn words(user_agent: &str) -> String {
    let program = find(&PROGRAMS, user_agent).unwrap_or("A browser");
    match find(&SYSTEMS, user_agent) {
        Some(system) => format!("{program} on {system}"),
        None => program.to_owned(),
    }
}

/// Which icon stands beside it.
pub fn icon(user_agent: &str) -> &'static str {
    if ["Android", "iPhone", "iPad", "Mobile"]
        .iter()
        .any(|mark| user_agent.contains(mark))
    {
        "smartphone"
    } else {
        "monitor"
    }
}

fn find(table: &[(&str, &'static str)], user_agent: &str) -> Option<&'static str> {
    table
        .iter()
        .find(|(mark, _)| user_agent.contains(mark))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_as_people_name_them() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        assert_eq!(words(firefox), "Firefox on Linux");
        assert_eq!(icon(firefox), "monitor");
        let chrome = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";
        assert_eq!(words(chrome), "Chrome on Android");
        assert_eq!(icon(chrome), "smartphone");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
        assert_eq!(words(safari), "Safari on iPhone");
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
        assert_eq!(words(edge), "Edge on Windows");
        assert_eq!(words(""), "A browser");
    }
}
