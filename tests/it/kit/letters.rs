//! Letters as they lie in the folder of `file:`.

use super::TestApp;

/// The address of the site in letters.
pub const PUBLIC_URL: &str = "http://school.example";

/// Settings of a site that sends mail.
pub const WITH_MAIL: [(&str, &str); 1] = [("public_url", PUBLIC_URL)];

/// A letter that was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SentLetter {
    pub to: String,
    pub subject: String,
    pub text: String,
}

impl TestApp {
    /// Sends what is in line, and takes all letters out of the folder.
    pub async fn letters(&self) -> Vec<SentLetter> {
        self.drain().await;
        let folder = self.app.config.data.join("mail");
        let mut letters = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            letters.push(read(&std::fs::read_to_string(&path).unwrap()));
            std::fs::remove_file(path).unwrap();
        }
        letters.sort();
        letters
    }

    /// The one letter that was sent; to this address.
    #[track_caller]
    pub fn letter_to(&self, address: &str) -> impl Future<Output = SentLetter> {
        let place = std::panic::Location::caller();
        async move {
            let letters = self.letters().await;
            assert_eq!(letters.len(), 1, "{place}: {letters:?}");
            assert_eq!(letters[0].to, address, "{place}");
            letters[0].clone()
        }
    }
}

impl SentLetter {
    /// The path to which its link leads, with the secret.
    pub fn link(&self) -> String {
        let mut lines = self.text.lines();
        let link = lines.find(|line| line.starts_with(PUBLIC_URL) && line.contains("key="));
        let link = link.unwrap_or_else(|| panic!("no link in {self:?}"));
        link.strip_prefix(PUBLIC_URL).unwrap().to_owned()
    }

    /// The secret of its link.
    pub fn key(&self) -> String {
        self.link().split_once("key=").unwrap().1.to_owned()
    }
}

fn read(letter: &str) -> SentLetter {
    let letter = letter.replace("\r\n", "\n");
    let (head, text) = letter.split_once("\n\n").unwrap();
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {head}"))
            .trim()
            .to_owned()
    };
    SentLetter {
        to: header("To:"),
        subject: header("Subject:"),
        text: if head.contains("quoted-printable") {
            unquoted(text)
        } else {
            text.to_owned()
        },
    }
}

/// Text as it was before it was made fit for the mail (RFC 2045, section 6.7).
fn unquoted(text: &str) -> String {
    let text = text.replace("=\n", "");
    let mut parts = text.split('=');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        plain.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        plain.push_str(rest);
    }
    plain
}
