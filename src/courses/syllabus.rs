//! What an overview says: the course's first words, what one will learn, and the rest of the text.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use std::ops::Range;

/// The first paragraph stands above the page only when it is about as short as this, in characters.
const LONGEST_LEAD: usize = 320;
/// The heading of the list of what one will learn.
const LEARN: &str = "what you will learn";
/// The heading that the page itself puts above the text.
const ABOUT: &str = "about the course";

/// The parts of an overview, cut from its Markdown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// The first paragraph, in plain words, when something follows it; else empty.
    pub lead: String,
    /// The lines of the list under `## What you will learn`, in plain words; empty when there is none.
    pub learn: Vec<String>,
    /// The rest, in Markdown; may be empty.
    pub about: String,
}

/// A heading, list or other part at the top level of a text.
struct Block {
    range: Range<usize>,
    kind: Kind,
    words: String,
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// Without links or other markup that would be lost.
    PlainParagraph,
    Section,
    List(Vec<String>),
    Other,
}

/// Cuts an overview into the parts that the course's page shows in different places.
pub fn parts(markdown: &str) -> Overview {
    let blocks = blocks(markdown);
    let mut overview = Overview::default();
    let mut cuts: Vec<Range<usize>> = Vec::new();
    for (block, next) in blocks.iter().zip(blocks.iter().skip(1)) {
        if let (Kind::Section, Kind::List(lines)) = (&block.kind, &next.kind)
            && overview.learn.is_empty()
            && block.words.trim().eq_ignore_ascii_case(LEARN)
        {
            overview.learn.clone_from(lines);
            cuts.push(block.range.clone());
            cuts.push(next.range.clone());
        }
    }
    if let Some(first) = blocks.first()
        && blocks.len() > 1
        && first.kind == Kind::PlainParagraph
        && first.words.chars().count() <= LONGEST_LEAD
    {
        first.words.trim().clone_into(&mut overview.lead);
        cuts.push(first.range.clone());
    }
    let left = |block: &&Block| !cuts.contains(&block.range);
    if let Some(first) = blocks.iter().find(left)
        && first.kind == Kind::Section
        && first.words.trim().eq_ignore_ascii_case(ABOUT)
    {
        cuts.push(first.range.clone());
    }
    overview.about = without(markdown, cuts);
    overview
}

fn without(text: &str, mut cuts: Vec<Range<usize>>) -> String {
    cuts.sort_by_key(|cut| cut.start);
    let mut rest = String::with_capacity(text.len());
    let mut at = 0;
    for cut in cuts {
        rest.push_str(text.get(at..cut.start).unwrap_or(""));
        at = cut.end;
    }
    rest.push_str(text.get(at..).unwrap_or(""));
    rest.trim().to_owned()
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut depth = 0_usize;
    for (event, range) in Parser::new(markdown).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    blocks.push(Block {
                        range,
                        kind: kind_of(&tag),
                        words: String::new(),
                    });
                } else if let Some(block) = blocks.last_mut() {
                    enter(block, &tag, depth);
                }
                depth += 1;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                if let (Some(block), TagEnd::Paragraph) = (blocks.last_mut(), end) {
                    say(block, " ");
                }
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(block) = blocks.last_mut() {
                    say(block, &words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(block) = blocks.last_mut() {
                    say(block, " ");
                }
            }
            _ if depth == 0 => blocks.push(Block {
                range,
                kind: Kind::Other,
                words: String::new(),
            }),
            _ => {}
        }
    }
    for block in &mut blocks {
        if let Kind::List(lines) = &mut block.kind {
            *lines = lines.iter().map(|line| line.trim().to_owned()).collect();
            lines.retain(|line| !line.is_empty());
        }
    }
    blocks
}

fn kind_of(tag: &Tag<'_>) -> Kind {
    match tag {
        Tag::Paragraph => Kind::PlainParagraph,
        Tag::Heading {
            level: HeadingLevel::H1 | HeadingLevel::H2 | HeadingLevel::H3,
            ..
        } => Kind::Section,
        Tag::List(_) => Kind::List(Vec::new()),
        _ => Kind::Other,
    }
}

fn enter(block: &mut Block, tag: &Tag<'_>, depth: usize) {
    match (&mut block.kind, tag) {
        (Kind::List(lines), Tag::Item) if depth == 1 => lines.push(String::new()),
        (Kind::PlainParagraph, _) => block.kind = Kind::Other,
        _ => {}
    }
}

fn say(block: &mut Block, words: &str) {
    match &mut block.kind {
        Kind::List(lines) => {
            if let Some(line) = lines.last_mut() {
                line.push_str(words);
            }
        }
        _ => block.words.push_str(words),
    }
}

#[cfg(test)]
mod tests {
    use super::{Overview, parts};
    use proptest::prelude::*;

    #[test]
    fn an_overview_parts_into_lead_list_and_text() {
        let overview = parts(
            "One string,\nmany notes.\n\n## What you will learn\n\n- Hear `A`\n- Play\n  it\n\n## About the course\n\nFirst.\n\nThen [more](https://example.org).\n",
        );
        assert_eq!(
            overview,
            Overview {
                lead: "One string, many notes.".into(),
                learn: vec!["Hear A".into(), "Play it".into()],
                about: "First.\n\nThen [more](https://example.org).".into(),
            }
        );
    }

    #[test]
    fn a_single_paragraph_is_the_text_itself() {
        assert_eq!(parts("Just this.").about, "Just this.");
        assert_eq!(parts("Just this.").lead, "");
    }

    #[test]
    fn a_first_paragraph_with_a_link_keeps_it() {
        let overview = parts("See [this](https://example.org).\n\nMore.");
        assert_eq!(overview.lead, "");
        assert!(overview.about.starts_with("See [this]"));
    }

    #[test]
    fn a_heading_without_a_list_stays_in_the_text() {
        let text = "## What you will learn\n\nEverything.";
        assert_eq!(parts(text).about, text);
        assert!(parts(text).learn.is_empty());
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(\\PC|\n|# |- |\\* |> |`){0,80}") {
            let overview = parts(&text);
            prop_assert!(overview.about.len() <= text.len());
        }
    }
}
