//! In which format an answer is sent: by suffix, by `?format=`, else by `Accept` (RFC 9110, section 12.5.1).

use crate::error::{Error, Result};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A format of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, which everything has.
    Json,
    /// A page to look at. Where there is none, whoever takes pages gets JSON.
    Page,
    /// A table, which lists have.
    Csv,
}

/// A format with what was said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which one.
    pub format: Format,
    /// Spaces to a level of JSON; 0 is compact.
    pub indent: usize,
}

/// The widest indentation.
const WIDEST_INDENT: usize = 8;

impl Format {
    /// All of them, the most wanted first.
    pub const ALL: [Self; 3] = [Self::Json, Self::Page, Self::Csv];

    /// Its name in `?format=` and as a suffix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Page => "api",
            Self::Csv => "csv",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Its media type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Page => "text/html",
            Self::Csv => "text/csv",
        }
    }
}

/// What is sent of these: what suffix or `format` name, else the one that `Accept` weighs most, and of equals
/// the first.
///
/// # Errors
/// [`Error::NotAcceptable`] when none of them will do.
pub fn choose(offered: &[Format], named: Option<&str>, headers: &HeaderMap) -> Result<Wish> {
    let accept = accepted(headers);
    if let Some(name) = named {
        let format = Format::named(name).filter(|format| offered.contains(format));
        let format = format.ok_or(Error::NotAcceptable)?;
        let indent = best(format, &accept).map_or(0, |(_, indent)| indent);
        return Ok(Wish { format, indent });
    }
    if accept.is_empty() {
        let format = offered.first().copied().ok_or(Error::NotAcceptable)?;
        return Ok(Wish { format, indent: 0 });
    }
    let mut chosen: Option<(f32, Wish)> = None;
    for &format in offered {
        let Some((weight, indent)) = best(format, &accept) else {
            continue;
        };
        let is_better = chosen.is_none_or(|(most, _)| weight > most);
        if weight > 0.0 && is_better {
            chosen = Some((weight, Wish { format, indent }));
        }
    }
    chosen.map(|(_, wish)| wish).ok_or(Error::NotAcceptable)
}

/// A media range of `Accept`.
#[derive(Debug, PartialEq)]
struct Range {
    kind: String,
    subkind: String,
    weight: f32,
    indent: usize,
}

/// The ranges of all `Accept` headers. What cannot be read is left out.
fn accepted(headers: &HeaderMap) -> Vec<Range> {
    let values = headers.get_all(ACCEPT).iter();
    let parts = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    parts.filter_map(range).collect()
}

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let (kind, subkind) = parts.next()?.split_once('/')?;
    let mut range = Range {
        kind: kind.to_ascii_lowercase(),
        subkind: subkind.to_ascii_lowercase(),
        weight: 1.0,
        indent: 0,
    };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            // A weight that is none asks for nothing.
            "q" => range.weight = value.parse().map_or(0.0, |q: f32| q.clamp(0.0, 1.0)),
            "indent" => {
                let indent = value.parse().unwrap_or(0);
                range.indent = std::cmp::min(indent, WIDEST_INDENT);
            }
            _ => {}
        }
    }
    // `NaN` can be parsed, too.
    range.weight.is_finite().then_some(range)
}

/// The weight of a format: that of the most specific range that covers it.
fn best(format: Format, accept: &[Range]) -> Option<(f32, usize)> {
    let (kind, subkind) = format.mime().split_once('/')?;
    let specificity = |range: &Range| {
        match (range.kind.as_str(), range.subkind.as_str()) {
            (k, s) if k == kind && s == subkind => Some(3),
            // What browsers name beside HTML.
            ("application", "xhtml+xml") if format == Format::Page => Some(3),
            (k, "*") if k == kind => Some(2),
            ("*", "*") => Some(1),
            _ => None,
        }
    };
    let covering = accept
        .iter()
        .filter_map(|range| specificity(range).map(|how| (how, range)));
    let best = covering.fold(
        None,
        |best: Option<(u8, &Range)>, (how, range)| match best {
            Some((most, known)) if most > how || (most == how && known.weight >= range.weight) => {
                best
            }
            _ => Some((how, range)),
        },
    );
    best.map(|(_, range)| (range.weight, range.indent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn chosen(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        choose(&Format::ALL, None, &headers)
            .ok()
            .map(|wish| wish.format)
    }

    #[test]
    fn the_heaviest_format_is_sent_and_of_equals_json() {
        for (accept, format) in [
            ("*/*", Format::Json),
            ("application/*", Format::Json),
            ("text/*", Format::Page),
            ("text/csv", Format::Csv),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Format::Page,
            ),
            ("text/csv;q=0.5, application/json;q=0.4", Format::Csv),
            ("application/json;q=0, */*", Format::Page),
            ("*/*;q=0.1, text/csv;q=0.2", Format::Csv),
            ("APPLICATION/JSON", Format::Json),
            ("text/html;q=0, text/csv;q=0.1", Format::Csv),
            ("garbage, application/json", Format::Json),
        ] {
            assert_eq!(chosen(accept), Some(format), "{accept}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_acceptable() {
        for accept in [
            "image/png",
            "application/json;q=0",
            "*/*;q=0",
            "application/json;q=x",
        ] {
            assert_eq!(chosen(accept), None, "{accept}");
        }
        let none = HeaderMap::new();
        assert!(choose(&Format::ALL, Some("xml"), &none).is_err());
        assert!(choose(&[Format::Json], Some("csv"), &none).is_err());
    }

    #[test]
    fn json_is_indented_on_request() {
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json; indent=4"),
        );
        let wish = choose(&Format::ALL, None, &headers).unwrap();
        assert_eq!(
            wish,
            Wish {
                format: Format::Json,
                indent: 4
            }
        );
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json; indent=4000000"),
        );
        assert_eq!(
            choose(&Format::ALL, Some("json"), &headers).unwrap().indent,
            8
        );
    }

    proptest! {
        #[test]
        fn no_accept_is_too_strange(accept in "[ -~]{0,80}") {
            let _ = chosen(&accept);
        }
    }
}
