//! Languages of captions: a BCP 47 tag of language, script and region, and what its speakers call it.

use std::fmt;

/// A language as `language[-Script][-REGION]` (RFC 5646, section 2.1), in the usual case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Language(String);

/// Tags with the name that readers of the language know, and its name in English; by the second.
const NAMES: &[(&str, &str, &str)] = &[
    ("af", "Afrikaans", "Afrikaans"),
    ("sq", "Shqip", "Albanian"),
    ("am", "አማርኛ", "Amharic"),
    ("ar", "العربية", "Arabic"),
    ("hy", "Հայերեն", "Armenian"),
    ("az", "Azərbaycanca", "Azerbaijani"),
    ("eu", "Euskara", "Basque"),
    ("be", "Беларуская", "Belarusian"),
    ("bn", "বাংলা", "Bengali"),
    ("bs", "Bosanski", "Bosnian"),
    ("bg", "Български", "Bulgarian"),
    ("my", "မြန်မာ", "Burmese"),
    ("ca", "Català", "Catalan"),
    ("zh", "中文", "Chinese"),
    ("zh-Hans", "简体中文", "Chinese, simplified"),
    ("zh-Hant", "繁體中文", "Chinese, traditional"),
    ("hr", "Hrvatski", "Croatian"),
    ("cs", "Čeština", "Czech"),
    ("da", "Dansk", "Danish"),
    ("nl", "Nederlands", "Dutch"),
    ("en", "English", "English"),
    ("en-GB", "English (UK)", "English, United Kingdom"),
    ("en-US", "English (US)", "English, United States"),
    ("eo", "Esperanto", "Esperanto"),
    ("et", "Eesti", "Estonian"),
    ("fil", "Filipino", "Filipino"),
    ("fi", "Suomi", "Finnish"),
    ("fr", "Français", "French"),
    ("fr-CA", "Français (Canada)", "French, Canada"),
    ("gl", "Galego", "Galician"),
    ("ka", "ქართული", "Georgian"),
    ("de", "Deutsch", "German"),
    ("el", "Ελληνικά", "Greek"),
    ("gu", "ગુજરાતી", "Gujarati"),
    ("ha", "Hausa", "Hausa"),
    ("he", "עברית", "Hebrew"),
    ("hi", "हिन्दी", "Hindi"),
    ("hu", "Magyar", "Hungarian"),
    ("is", "Íslenska", "Icelandic"),
    ("ig", "Igbo", "Igbo"),
    ("id", "Bahasa Indonesia", "Indonesian"),
    ("ga", "Gaeilge", "Irish"),
    ("it", "Italiano", "Italian"),
    ("ja", "日本語", "Japanese"),
    ("kn", "ಕನ್ನಡ", "Kannada"),
    ("kk", "Қазақша", "Kazakh"),
    ("km", "ខ្មែរ", "Khmer"),
    ("ko", "한국어", "Korean"),
    ("ku", "Kurdî", "Kurdish"),
    ("ky", "Кыргызча", "Kyrgyz"),
    ("lo", "ລາວ", "Lao"),
    ("la", "Latina", "Latin"),
    ("lv", "Latviešu", "Latvian"),
    ("lt", "Lietuvių", "Lithuanian"),
    ("lb", "Lëtzebuergesch", "Luxembourgish"),
    ("mk", "Македонски", "Macedonian"),
    ("ms", "Bahasa Melayu", "Malay"),
    ("ml", "മലയാളം", "Malayalam"),
    ("mt", "Malti", "Maltese"),
    ("mr", "मराठी", "Marathi"),
    ("mn", "Монгол", "Mongolian"),
    ("ne", "नेपाली", "Nepali"),
    ("nb", "Norsk bokmål", "Norwegian Bokmål"),
    ("nn", "Norsk nynorsk", "Norwegian Nynorsk"),
    ("ps", "پښتو", "Pashto"),
    ("fa", "فارسی", "Persian"),
    ("pl", "Polski", "Polish"),
    ("pt", "Português", "Portuguese"),
    ("pt-BR", "Português (Brasil)", "Portuguese, Brazil"),
    ("pa", "ਪੰਜਾਬੀ", "Punjabi"),
    ("ro", "Română", "Romanian"),
    ("ru", "Русский", "Russian"),
    ("gd", "Gàidhlig", "Scottish Gaelic"),
    ("sr", "Српски", "Serbian"),
    ("si", "සිංහල", "Sinhala"),
    ("sk", "Slovenčina", "Slovak"),
    ("sl", "Slovenščina", "Slovenian"),
    ("so", "Soomaali", "Somali"),
    ("es", "Español", "Spanish"),
    (
        "es-419",
        "Español (Latinoamérica)",
        "Spanish, Latin America",
    ),
    ("sw", "Kiswahili", "Swahili"),
    ("sv", "Svenska", "Swedish"),
    ("ta", "தமிழ்", "Tamil"),
    ("te", "తెలుగు", "Telugu"),
    ("th", "ไทย", "Thai"),
    ("tr", "Türkçe", "Turkish"),
    ("uk", "Українська", "Ukrainian"),
    ("ur", "اردو", "Urdu"),
    ("uz", "Oʻzbekcha", "Uzbek"),
    ("vi", "Tiếng Việt", "Vietnamese"),
    ("cy", "Cymraeg", "Welsh"),
    ("yo", "Yorùbá", "Yoruba"),
    ("zu", "isiZulu", "Zulu"),
];

/// Tag, own name and English name of the languages that forms suggest, by their names in English.
pub fn known() -> &'static [(&'static str, &'static str, &'static str)] {
    NAMES
}

impl Language {
    /// What somebody typed: a tag (`pt-BR`, in any case), or a language's name in itself or in English.
    pub fn read(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        let lower = typed.to_lowercase();
        let named = NAMES.iter().find(|(_, own, english)| {
            own.to_lowercase() == lower || english.to_lowercase() == lower
        });
        match named {
            Some((tag, ..)) => Some(Self((*tag).to_owned())),
            None => Self::tag_of(typed),
        }
    }

    fn tag_of(typed: &str) -> Option<Self> {
        let mut parts = typed.split(['-', '_']).peekable();
        let language = parts.next().filter(|part| is_letters(part, 2, 3))?;
        let mut tag = language.to_ascii_lowercase();
        if let Some(script) = parts.next_if(|part| is_letters(part, 4, 4)) {
            let (first, rest) = script.split_at(1);
            tag.push('-');
            tag.push_str(&first.to_ascii_uppercase());
            tag.push_str(&rest.to_ascii_lowercase());
        }
        if let Some(region) = parts.next_if(|part| is_region(part)) {
            tag.push('-');
            tag.push_str(&region.to_ascii_uppercase());
        }
        parts.next().is_none().then_some(Self(tag))
    }

    /// The tag, for `srclang` and `lang`.
    pub fn tag(&self) -> &str {
        &self.0
    }

    /// The name that its readers know: `Deutsch`; that of the language with the rest of the tag where there is
    /// none for the whole; the tag where there is none at all.
    pub fn name(&self) -> String {
        let name_of = |tag: &str| {
            let found = NAMES.iter().find(|(known, ..)| *known == tag);
            found.map(|(_, own, _)| *own)
        };
        if let Some(name) = name_of(&self.0) {
            return name.to_owned();
        }
        match self.0.split_once('-') {
            Some((language, rest)) => match name_of(language) {
                Some(name) => format!("{name} ({rest})"),
                None => self.0.clone(),
            },
            None => self.0.clone(),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_letters(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_region(text: &str) -> bool {
    is_letters(text, 2, 2) || (text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_language_is_a_tag_or_a_name() {
        for (typed, tag) in [
            ("en", Some("en")),
            (" EN-gb ", Some("en-GB")),
            ("zh-hant-tw", Some("zh-Hant-TW")),
            ("es_419", Some("es-419")),
            ("Deutsch", Some("de")),
            ("german", Some("de")),
            ("tlh", Some("tlh")),
            ("", None),
            ("e", None),
            ("engl", None),
            ("en-", None),
            ("en-GB-oed", None),
            ("en-GB-Latn", None),
            ("../en", None),
            ("en\"><script>", None),
        ] {
            let read = Language::read(typed);
            assert_eq!(read.as_ref().map(Language::tag), tag, "{typed}");
        }
    }

    #[test]
    fn a_language_is_called_as_its_readers_call_it() {
        let name = |typed| Language::read(typed).unwrap().name();
        assert_eq!(name("de"), "Deutsch");
        assert_eq!(name("pt-br"), "Português (Brasil)");
        assert_eq!(name("de-AT"), "Deutsch (AT)");
        assert_eq!(name("tlh"), "tlh");
    }

    #[test]
    fn every_known_language_is_there_once_under_its_own_tag() {
        let mut seen = HashSet::new();
        for (tag, own, english) in known() {
            assert!(seen.insert(tag), "{tag}");
            for typed in [tag, own, english] {
                assert_eq!(Language::read(typed).unwrap().tag(), *tag, "{typed}");
            }
        }
        assert!(known().is_sorted_by_key(|(_, _, english)| english.to_lowercase()));
    }

    proptest::proptest! {
        #[test]
        fn a_tag_is_always_fit_for_a_key(typed in "\\PC{0,20}") {
            if let Some(language) = Language::read(&typed) {
                let lower = language.tag().to_ascii_lowercase();
                assert!(lower.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                assert_eq!(Language::read(language.tag()), Some(language));
            }
        }
    }
}
