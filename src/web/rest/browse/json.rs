//! JSON in lines and colors, with links to follow: as HTML, made here, so that it needs no script.
//!
//! Every byte of the answer is escaped; what is put around it is ours. Nothing is called a link but the address of a
//! page (`http:`, `https:`), the path of something in the API, and numbers that the declaration says are those of
//! something that can be looked at.

use crate::web::rest::fields::{Declared, Kind};
use crate::web::text::escape;
use std::fmt::Write as _;

/// Bytes of JSON that a page shows; the rest is to be had as JSON.
pub const LIMIT: usize = 32_000;
/// Bytes of one text in it.
const LONGEST_TEXT: usize = 4_000;

/// JSON as a page shows it.
pub struct Shown {
    /// The HTML.
    pub html: String,
    /// Whether the page shows only the beginning.
    pub is_cut: bool,
}

/// What is known of the values.
pub struct Known<'a> {
    /// The fields of the answer, or of each entry of its list.
    pub fields: &'a [Declared],
    /// Whether the answer is a list, or a page of one.
    pub is_list: bool,
    /// The name of the resource whose `id` the answer holds.
    pub resource: &'a str,
    /// Whether one of a resource can be looked at.
    pub can_show: &'a dyn Fn(&str) -> bool,
}

/// An array or an object that is open.
struct Frame {
    is_array: bool,
    /// The fields of this object, or of the objects in this array.
    fields: Vec<Declared>,
    /// Whether these are things of the resource itself.
    is_own: bool,
    has_entries: bool,
    /// The name that was read last, in an object.
    name: String,
}

struct Writer<'a> {
    known: &'a Known<'a>,
    frames: Vec<Frame>,
    html: String,
}

/// Colors compact or indented JSON. What is none is shown as it is, escaped.
pub fn shown(json: &[u8], known: &Known<'_>, limit: usize) -> Shown {
    let text = String::from_utf8_lossy(json);
    let mut writer = Writer {
        known,
        frames: Vec::new(),
        html: String::with_capacity(text.len().min(limit) * 2),
    };
    let mut is_cut = false;
    let mut rest = text.trim_start();
    let mut read = 0;
    while let Some(length) = token(rest) {
        if read > limit {
            is_cut = true;
            break;
        }
        let (piece, after) = rest.split_at(length);
        let is_name = piece.starts_with('"') && after.trim_start().starts_with(':');
        is_cut |= writer.put(piece, is_name);
        read += length;
        rest = after.trim_start();
    }
    writer.close();
    Shown {
        html: writer.html,
        is_cut,
    }
}

/// Bytes of the token that comes next.
fn token(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    Some(match first {
        '"' => text_length(text),
        '{' | '}' | '[' | ']' | ',' | ':' => 1,
        _ => {
            let ends =
                |c: char| matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"') || c.is_whitespace();
            let length = text.find(ends).unwrap_or(text.len());
            length.max(first.len_utf8())
        }
    })
}

/// Bytes of the text that begins here, both quotes included.
fn text_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return at + 1,
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

impl Writer<'_> {
    /// Writes a token; says whether it left something out.
    fn put(&mut self, piece: &str, is_name: bool) -> bool {
        match piece {
            "{" | "[" => self.open(piece == "["),
            "}" | "]" => self.end(),
            "," => self.html.push(','),
            ":" => self.html.push_str(": "),
            _ if is_name => {
                self.entry();
                self.wrap("n", piece);
                let name = serde_json::from_str(piece).unwrap_or_default();
                if let Some(frame) = self.frames.last_mut() {
                    frame.name = name;
                }
            }
            _ => return self.value(piece),
        }
        false
    }

    /// Begins a line for an entry.
    fn entry(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.has_entries = true;
            self.line();
        }
    }

    fn line(&mut self) {
        self.html.push('\n');
        self.html
            .extend(std::iter::repeat_n("  ", self.frames.len()));
    }

    /// In an object the line was begun by the name.
    fn entry_of_array(&mut self) {
        if self.frames.last().is_some_and(|frame| frame.is_array) {
            self.entry();
        }
    }

    fn open(&mut self, is_array: bool) {
        self.entry_of_array();
        let frame = self.frame(is_array);
        self.frames.push(frame);
        self.html.push(if is_array { '[' } else { '{' });
    }

    /// What is known of an array or object that begins here.
    fn frame(&self, is_array: bool) -> Frame {
        let (fields, is_own) = match self.frames.last() {
            // A bare list, or one thing.
            None if is_array == self.known.is_list => (self.known.fields.to_vec(), true),
            None => (Vec::new(), false),
            Some(frame) if frame.is_array => (frame.fields.clone(), frame.is_own),
            // A page of a list.
            Some(frame) if self.is_envelope() && frame.name == "results" => {
                (self.known.fields.to_vec(), true)
            }
            Some(_) => match self.field().map(|field| field.kind) {
                Some(Kind::List(fields) | Kind::Object(fields)) => (fields(), false),
                _ => (Vec::new(), false),
            },
        };
        Frame {
            is_array,
            fields,
            is_own,
            has_entries: false,
            name: String::new(),
        }
    }

    fn is_envelope(&self) -> bool {
        self.known.is_list && self.frames.len() == 1
    }

    /// What is declared of the value that comes next, or of the array in which it stands.
    fn field(&self) -> Option<&Declared> {
        let mut objects = self.frames.iter().rev().filter(|frame| !frame.is_array);
        let frame = objects.next()?;
        frame.fields.iter().find(|field| field.name == frame.name)
    }

    fn end(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if frame.has_entries {
            self.line();
        }
        self.html.push(if frame.is_array { ']' } else { '}' });
    }

    /// Closes what is still open when the page shows only the beginning.
    fn close(&mut self) {
        while !self.frames.is_empty() {
            self.line();
            self.html.push('…');
            self.end();
        }
    }

    fn wrap(&mut self, class: &str, piece: &str) {
        let _ = write!(
            self.html,
            "<span class=\"{class}\">{}</span>",
            escape(piece)
        );
    }

    fn value(&mut self, piece: &str) -> bool {
        self.entry_of_array();
        let address = self.address(piece);
        if let Some(address) = &address {
            let elsewhere = if address.starts_with("/api/") {
                ""
            } else {
                " rel=\"nofollow noreferrer\""
            };
            let _ = write!(self.html, "<a href=\"{}\"{elsewhere}>", escape(address));
        }
        let (shown, is_cut) = shortened(piece);
        let class = match piece.as_bytes().first() {
            Some(b'"') => "s",
            Some(b'0'..=b'9' | b'-') => "d",
            _ => "w",
        };
        self.wrap(class, shown);
        if is_cut {
            self.html.push('…');
        }
        if address.is_some() {
            self.html.push_str("</a>");
        }
        is_cut
    }

    /// Where a value leads.
    fn address(&self, piece: &str) -> Option<String> {
        if piece.starts_with('"') {
            let text: String = serde_json::from_str(piece).ok()?;
            let is_page = text.starts_with("http://") || text.starts_with("https://");
            let is_path = text.starts_with("/api/");
            let is_address = !text.contains(|c: char| c.is_whitespace() || c.is_control());
            return ((is_page || is_path) && is_address).then_some(text);
        }
        let id: u64 = piece.parse().ok()?;
        let frame = self.frames.last()?;
        let resource = match self.field().map(|field| field.kind)? {
            Kind::Reference(resource) | Kind::References(resource) => resource,
            Kind::Integer if frame.is_own && frame.name == "id" && !frame.is_array => {
                self.known.resource
            }
            _ => return None,
        };
        (self.known.can_show)(resource).then(|| format!("/api/{resource}/{id}/"))
    }
}

/// The beginning of a text that is too long to be shown.
fn shortened(piece: &str) -> (&str, bool) {
    if piece.len() <= LONGEST_TEXT {
        return (piece, false);
    }
    let end = piece.floor_char_boundary(LONGEST_TEXT);
    (piece.get(..end).unwrap_or(piece), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::rest::fields::Access;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const FIELDS: [Declared; 3] = [
        Declared::taken("id", Kind::Integer, Access::ReadOnly, ""),
        Declared::taken("subject", Kind::Reference("subjects"), Access::Required, ""),
        Declared::taken("place", Kind::Integer, Access::Optional, ""),
    ];

    fn html(value: &Value, is_list: bool) -> String {
        let known = Known {
            fields: &FIELDS,
            is_list,
            resource: "courses",
            can_show: &|resource| resource != "secrets",
        };
        shown(value.to_string().as_bytes(), &known, LIMIT).html
    }

    /// What a reader sees.
    fn plain(html: &str) -> String {
        let mut text = String::new();
        let mut is_tag = false;
        for c in html.chars() {
            match c {
                '<' => is_tag = true,
                '>' => is_tag = false,
                _ if !is_tag => text.push(c),
                _ => {}
            }
        }
        for (entity, c) in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#34;", "\""),
            ("&#39;", "'"),
            ("&#x27;", "'"),
            ("&#60;", "<"),
            ("&#62;", ">"),
            ("&amp;", "&"),
            ("&#38;", "&"),
        ] {
            text = text.replace(entity, c);
        }
        text
    }

    #[test]
    fn numbers_of_things_lead_to_them_and_other_numbers_nowhere() {
        let one = json!({"id": 7, "subject": 3, "place": 4, "modules": [{"id": 9}]});
        for (value, is_list) in [
            (one.clone(), false),
            (json!([one]), true),
            (json!({"count": 1, "next": null, "results": [one]}), true),
        ] {
            let html = html(&value, is_list);
            assert!(html.contains("href=\"/api/courses/7/\""), "{html}");
            assert!(html.contains("href=\"/api/subjects/3/\""), "{html}");
            assert_eq!(html.matches("href").count(), 2, "{html}");
        }
    }

    #[test]
    fn only_addresses_of_pages_and_of_the_api_are_links() {
        let bad = json!([
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/etc",
            "http://a b",
            "mailto:a@b"
        ]);
        assert!(!html(&bad, true).contains("href"));
        let good = json!(["https://example.org/?a=1&b=\"", "/api/courses/"]);
        let html = html(&good, true);
        assert_eq!(html.matches("href").count(), 2, "{html}");
        assert_eq!(html.matches("rel=\"nofollow noreferrer\"").count(), 1);
        assert!(!html.contains("b=\"\""), "{html}");
    }

    #[test]
    fn what_is_too_long_is_cut_between_values_and_closed() {
        let many = Value::Array((0..9_000).map(|n| json!({"id": n})).collect());
        let known = Known {
            fields: &FIELDS,
            is_list: true,
            resource: "courses",
            can_show: &|_| true,
        };
        let shown = shown(many.to_string().as_bytes(), &known, 1_000);
        assert!(shown.is_cut);
        assert!(shown.html.len() < 20_000);
        assert!(plain(&shown.html).ends_with("…\n]"), "{}", shown.html);
        let long = html(&json!(["x".repeat(9_000)]), true);
        assert!(long.len() < 5_000);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~é\\n<>&\"'\\\\]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-z<\"&]{0,6}", inner, 0..5)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_a_reader_sees_is_the_json_and_nothing_in_it_is_markup(value in any_json(), is_list: bool) {
            let html = html(&value, is_list);
            let seen: Value = serde_json::from_str(&plain(&html)).unwrap();
            prop_assert_eq!(seen, value);
            for tag in html.split('<').skip(1) {
                let is_ours = ["span class=\"n\">", "span class=\"s\">", "span class=\"d\">", "span class=\"w\">", "/span>", "/a>", "a href=\""];
                prop_assert!(is_ours.iter().any(|ours| tag.starts_with(ours)), "{}", tag);
            }
        }

        #[test]
        fn any_bytes_are_shown_and_nothing_in_them_is_markup(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let known = Known { fields: &FIELDS, is_list: false, resource: "courses", can_show: &|_| true };
            let html = shown(&bytes, &known, LIMIT).html;
            prop_assert!(!html.contains("<script"));
        }
    }
}
