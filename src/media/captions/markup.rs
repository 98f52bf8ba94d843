//! Cue text: four plain tags are kept, known others are dropped, and all else is text.

use crate::web::text::escape;

/// Tags deeper than this are dropped; people nest two.
const DEEPEST: usize = 8;
/// Longest name of a speaker, in characters.
const LONGEST_NAME: usize = 100;

/// A piece of cue text as it was sent.
enum Piece {
    Char(char),
    Open(Tag),
    Close(char),
    /// Markup that means nothing here: `<c.yellow>`, `<font color="...">`, `<00:01.000>`.
    Nothing,
}

/// One of the tags that stay.
enum Tag {
    Plain(char),
    /// Who speaks.
    Voice(String),
}

/// Cue text with `i`, `b`, `u` and `v` alone, each closed, and everything else escaped (WebVTT, section
/// 4.2.2). Empty when there are no words in it. What this gives, it gives again for its own outcome.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Vec<char> = Vec::new();
    let mut rest = text;
    let mut has_words = false;
    while !rest.is_empty() {
        let (piece, after) = next(rest);
        rest = after;
        match piece {
            Piece::Char(c) if c == '\n' || !c.is_control() => {
                has_words |= !c.is_whitespace();
                push_escaped(&mut out, c);
            }
            Piece::Open(tag) if open.len() < DEEPEST => open.push(tag.push_to(&mut out)),
            Piece::Char(_) | Piece::Nothing | Piece::Open(_) => {}
            Piece::Close(name) => close(&mut out, &mut open, name),
        }
    }
    if !has_words {
        return String::new();
    }
    while let Some(name) = open.pop() {
        push_close(&mut out, name);
    }
    let lines = out.split('\n').map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The words of cleaned cue text, its lines joined by a space.
pub fn words(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while !rest.is_empty() {
        let (piece, after) = next(rest);
        rest = after;
        match piece {
            Piece::Char('\n') => out.push(' '),
            Piece::Char(c) => out.push(c),
            _ => {}
        }
    }
    out
}

/// Takes out what SubRip players read as positions and styles: `{\an8}`.
pub fn without_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{\\") {
        out.push_str(before);
        // The nearest of the three: looking on to the end from each would take the square of the text.
        let end = after.find(['{', '}', '\n']);
        if let Some(next) = end.and_then(|end| after.get(end..)?.strip_prefix('}')) {
            rest = next;
        } else {
            out.push_str("{\\");
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

impl Tag {
    /// Writes the tag; gives the name that closes it.
    fn push_to(self, out: &mut String) -> char {
        match self {
            Self::Plain(name) => {
                out.push('<');
                out.push(name);
                out.push('>');
                name
            }
            Self::Voice(name) => {
                out.push_str("<v ");
                for c in name.chars() {
                    push_escaped(out, c);
                }
                out.push('>');
                'v'
            }
        }
    }
}

/// Closes the tag and those that were opened within it; nothing when it is not open.
fn close(out: &mut String, open: &mut Vec<char>, name: char) {
    if !open.contains(&name) {
        return;
    }
    while let Some(last) = open.pop() {
        push_close(out, last);
        if last == name {
            return;
        }
    }
}

fn push_close(out: &mut String, name: char) {
    out.push_str("</");
    out.push(name);
    out.push('>');
}

/// WebVTT needs three characters escaped; it has no references for quotes.
fn push_escaped(out: &mut String, c: char) {
    match c {
        '&' | '<' | '>' => out.push_str(&escape(c.encode_utf8(&mut [0; 4]))),
        other => out.push(other),
    }
}

/// The first piece of a text that is not empty, and what follows.
fn next(text: &str) -> (Piece, &str) {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or('\n');
    let rest = chars.as_str();
    let found = match first {
        '<' => tag(rest),
        '&' => reference(rest).map(|(c, after)| (Piece::Char(c), after)),
        _ => None,
    };
    found.unwrap_or((Piece::Char(first), rest))
}

/// A tag that we know, after its `<`.
fn tag(text: &str) -> Option<(Piece, &str)> {
    // Another opening bracket ends the look, or a text of them alone would take the square of its length.
    let (inside, after) = text.split_at_checked(text.find(['<', '>'])?)?;
    let after = after.strip_prefix('>')?;
    let is_closing = inside.starts_with('/');
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    let end = inside
        .find(|c: char| c == '.' || c == '/' || c.is_whitespace())
        .unwrap_or(inside.len());
    let (name, more) = inside.split_at(end);
    let piece = match (name.to_ascii_lowercase().as_str(), is_closing) {
        ("i" | "em", false) => Piece::Open(Tag::Plain('i')),
        ("b" | "strong", false) => Piece::Open(Tag::Plain('b')),
        ("u", false) => Piece::Open(Tag::Plain('u')),
        ("v", false) => voice(more),
        ("i" | "em", true) => Piece::Close('i'),
        ("b" | "strong", true) => Piece::Close('b'),
        ("u", true) => Piece::Close('u'),
        ("v", true) => Piece::Close('v'),
        ("br", false) => Piece::Char('\n'),
        ("c" | "font" | "ruby" | "rt" | "lang" | "span" | "s" | "br", _) => Piece::Nothing,
        (time, false) if super::time::read(time_in(inside, time)).is_some() => Piece::Nothing,
        _ => return None,
    };
    Some((piece, after))
}

/// A time within cue text has a point, at which a tag's name would end.
fn time_in<'a>(inside: &'a str, name: &str) -> &'a str {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        inside
    } else {
        ""
    }
}

/// `<v Name>`, `<v.loud Name>`; without a name it says nothing.
fn voice(more: &str) -> Piece {
    let name = match more.strip_prefix('.') {
        Some(classes) => classes
            .split_once(char::is_whitespace)
            .map_or("", |(_, name)| name),
        None => more,
    };
    let mut plain = String::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (piece, after) = next(rest);
        rest = after;
        if let Piece::Char(c) = piece {
            plain.push(if c.is_control() { ' ' } else { c });
        }
    }
    let plain: Vec<&str> = plain.split_whitespace().collect();
    let short: String = plain.join(" ").chars().take(LONGEST_NAME).collect();
    // A dash before the closing bracket would read as the arrow of a time.
    let name = short.trim_end_matches(|c: char| c == '-' || c.is_whitespace());
    if name.is_empty() {
        Piece::Nothing
    } else {
        Piece::Open(Tag::Voice(name.to_owned()))
    }
}

/// The character of a reference after its `&` (WebVTT, section 4.2.2, and HTML's quotes).
fn reference(text: &str) -> Option<(char, &str)> {
    let references = [
        ("amp;", '&'),
        ("lt;", '<'),
        ("gt;", '>'),
        ("nbsp;", '\u{A0}'),
        ("lrm;", '\u{200E}'),
        ("rlm;", '\u{200F}'),
        ("quot;", '"'),
        ("apos;", '\''),
        ("#39;", '\''),
    ];
    references
        .into_iter()
        .find_map(|(name, c)| Some((c, text.strip_prefix(name)?)))
}

#[cfg(test)]
mod tests {
    use super::{clean, without_braces, words};

    #[test]
    fn four_tags_stay_and_everything_else_is_text_or_nothing() {
        for (sent, kept) in [
            ("<i>So</i>", "<i>So</i>"),
            ("<I>So</I> <b>it<u>is</b>", "<i>So</i> <b>it<u>is</u></b>"),
            ("<i>So", "<i>So</i>"),
            ("So</i>", "So"),
            ("<v.loud Ann Lee>Hi", "<v Ann Lee>Hi</v>"),
            ("<v a-->Hi", "<v a>Hi</v>"),
            ("<font color=\"red\">So</font>", "So"),
            ("<c.yellow>So</c>", "So"),
            ("one<00:00:01.000>two", "onetwo"),
            ("one<br/>two", "one\ntwo"),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            ("<i onclick=x>a</i>", "<i>a</i>"),
            ("a < b & c", "a &lt; b &amp; c"),
            ("&lt;i&gt; &amp;lt;", "&lt;i&gt; &amp;lt;"),
            ("<<i>a", "&lt;<i>a</i>"),
            ("a --> b", "a --&gt; b"),
            ("  a  \n\n b ", "a\nb"),
            ("<i> </i>", ""),
            ("<v -->", ""),
        ] {
            assert_eq!(clean(sent), kept, "{sent}");
        }
    }

    #[test]
    fn words_are_what_people_read() {
        assert_eq!(
            words("<v Ann>a &amp; <i>b</i></v>\nc &lt;d&gt;"),
            "a & b c <d>"
        );
    }

    #[test]
    fn positions_of_subrip_players_are_taken_out() {
        assert_eq!(without_braces("{\\an8}So {it} is{\\i1"), "So {it} is{\\i1");
        assert_eq!(without_braces("{\\i1{\\an8}So{\\b\n}"), "{\\i1So{\\b\n}");
    }

    /// Were each bracket looked for up to the end, this would not end today.
    #[test]
    fn a_long_text_of_brackets_alone_is_read_in_one_go() {
        let brackets = "<".repeat(2_000_000);
        assert_eq!(clean(&brackets).len(), "&lt;".len() * brackets.len());
        let braces = "{\\".repeat(1_000_000);
        assert_eq!(without_braces(&braces), braces);
    }

    proptest::proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in "[<>&;/a-z .\n-]{0,40}|\\PC{0,40}") {
            let once = clean(&text);
            assert_eq!(clean(&once), once);
            assert!(!once.contains("-->"), "{once}");
        }

        #[test]
        fn tags_and_references_are_well_formed_whatever_comes(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "<", ">", "</", "i", "b", "v", " ", "--", "&", "amp;", "lt;", "\n", "é", "<v ", "<i>", "</i>",
                ]), 0..20)
        ) {
            let once = clean(&parts.concat());
            assert_eq!(clean(&once), once);
            assert!(!once.contains("-->"), "{once}");
            assert_eq!(once.matches('<').count(), once.matches('>').count(), "{once}");
        }
    }
}
