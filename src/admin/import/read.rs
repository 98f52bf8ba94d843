//! The lines of a file of enrollments. Each stands for itself, so that a quote that is not closed spoils one line and not
//! the rest of the file, and so that what is wrong can be told by the number that an editor shows.

use super::judge::Fault;
use crate::web::cells::plain;
use std::borrow::Cow;

/// Lines below the heads.
pub const MOST_LINES: usize = 100_000;

/// Bytes of one line; a name, an address and two titles are far shorter.
const LONGEST_LINE: usize = 10_000;

/// Heads under which a user name stands.
const USER_HEADS: [&str; 4] = ["username", "user name", "user", "login"];
/// Heads under which a mail address stands.
const MAIL_HEADS: [&str; 4] = ["email", "e-mail", "mail", "email address"];
/// Heads under which the address of a course stands.
const COURSE_HEADS: [&str; 4] = ["course", "course address", "slug", "course slug"];

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// May be empty, when there is a mail address.
    pub username: String,
    /// May be empty, when there is a user name.
    pub email: String,
    /// The address of the course.
    pub course: String,
}

/// A file, taken apart.
#[derive(Debug, Default)]
pub struct Lines {
    /// Those that can be read.
    pub good: Vec<Line>,
    /// Those that cannot: number, why, what stands there.
    pub faulty: Vec<(usize, Fault, String)>,
}

/// Where in a line what stands.
struct Heads {
    comma: u8,
    user: Option<usize>,
    mail: Option<usize>,
    course: usize,
}

/// Takes a file apart.
///
/// # Errors
/// What is wrong with the file as a whole, in words that say how to mend it.
pub fn read(bytes: &[u8]) -> Result<Lines, String> {
    let text = unicode(bytes)?;
    let mut lines = physical(&text);
    let heads = loop {
        match lines.next() {
            Some((_, line)) if line.trim_ascii().is_empty() => {}
            Some((_, line)) => break heads_of(line)?,
            None => return Err(
                "The file is empty. Its first line names the columns, for example: username,course"
                    .into(),
            ),
        }
    };
    let mut found = Lines::default();
    for (count, (number, line)) in lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .enumerate()
    {
        if count >= MOST_LINES {
            return Err(format!(
                "The file has more than {MOST_LINES} lines. Please part it, and send one after the other."
            ));
        }
        match read_line(&heads, number, line) {
            Ok(line) => found.good.push(line),
            Err((fault, value)) => found.faulty.push((number, fault, value)),
        }
    }
    Ok(found)
}

/// The file in UTF-8: spreadsheets also write UTF-16, which its first two bytes tell.
fn unicode(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let order: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        [0xef, 0xbb, 0xbf, rest @ ..] => return Ok(Cow::Borrowed(rest)),
        _ if bytes.contains(&0) => {
            return Err("This is no text file. Save it as CSV (UTF-8) and send that.".into());
        }
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().skip(1).map(|pair| order(*pair));
    let text: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if text.contains('\0') {
        return Err("This is no text file. Save it as CSV (UTF-8) and send that.".into());
    }
    Ok(Cow::Owned(text.into_bytes()))
}

/// The lines with their numbers. They end in LF, CR LF, or in the manner of old machines in CR alone.
fn physical(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let end = if text.contains(&b'\n') { b'\n' } else { b'\r' };
    let lines = text.split(move |byte| *byte == end);
    lines
        .enumerate()
        .map(|(at, line)| (at + 1, line.strip_suffix(b"\r").unwrap_or(line)))
}

fn heads_of(line: &[u8]) -> Result<Heads, String> {
    let told = || {
        "The first line names the columns: username (or email), and course, which is the address of the course. For example: username,course".to_owned()
    };
    for comma in [b',', b';', b'\t'] {
        let Ok(cells) = cells(line, comma) else {
            continue;
        };
        let names: Vec<String> = cells
            .iter()
            .map(|cell| cell.trim().to_lowercase())
            .collect();
        let place = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let (user, mail) = (place(&USER_HEADS), place(&MAIL_HEADS));
        if let Some(course) = place(&COURSE_HEADS)
            && (user.is_some() || mail.is_some())
        {
            return Ok(Heads {
                comma,
                user,
                mail,
                course,
            });
        }
    }
    Err(told())
}

fn read_line(heads: &Heads, number: usize, line: &[u8]) -> Result<Line, (Fault, String)> {
    let shown = || {
        let text = String::from_utf8_lossy(line);
        text.chars().filter(|c| !c.is_control()).take(60).collect()
    };
    if line.len() > LONGEST_LINE {
        return Err((Fault::Long, shown()));
    }
    let cells = cells(line, heads.comma).map_err(|fault| (fault, shown()))?;
    let cell = |place: Option<usize>| {
        let found = place.and_then(|place| cells.get(place));
        found.map_or_else(String::new, |cell| plain(cell.trim()).trim().to_owned())
    };
    let line = Line {
        number,
        username: cell(heads.user),
        email: cell(heads.mail),
        course: cell(Some(heads.course)),
    };
    if line.username.is_empty() && line.email.is_empty() {
        return Err((Fault::NoPerson, shown()));
    }
    if line.course.is_empty() {
        return Err((Fault::NoCourse, shown()));
    }
    if [&line.username, &line.email, &line.course]
        .iter()
        .any(|cell| cell.contains(char::is_control))
    {
        return Err((Fault::Letters, shown()));
    }
    Ok(line)
}

/// The cells of one line.
fn cells(line: &[u8], comma: u8) -> Result<Vec<String>, Fault> {
    let text = std::str::from_utf8(line).map_err(|_| Fault::Letters)?;
    if !text.matches('"').count().is_multiple_of(2) {
        return Err(Fault::Quote);
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(comma)
        .buffer_capacity(1_024)
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(_) => Ok(record.iter().map(str::to_owned).collect()),
        Err(_) => Err(Fault::Quote),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(lines: &Lines) -> Vec<usize> {
        lines.faulty.iter().map(|(number, _, _)| *number).collect()
    }

    #[test]
    fn a_quote_that_is_not_closed_spoils_its_own_line_alone() {
        let file = "username,course\nmaya,one\n\"anna,one\nben,two\n";
        let lines = read(file.as_bytes()).unwrap();
        assert_eq!(numbers(&lines), [3]);
        let good: Vec<usize> = lines.good.iter().map(|line| line.number).collect();
        assert_eq!(good, [2, 4]);
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain(
                "User\tCourse\r\nmaya\tone\r\n"
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes),
            )
            .collect();
        for file in [
            b"\xef\xbb\xbfusername;course\r\nmaya;one\r\n".to_vec(),
            b"course,e-mail,Login\rone,,maya\r".to_vec(),
            b"\n\nusername,course\n\"maya\",\"one\"\n\n".to_vec(),
            utf16,
        ] {
            let lines = read(&file).unwrap();
            assert!(lines.faulty.is_empty());
            assert_eq!(
                (
                    lines.good[0].username.as_str(),
                    lines.good[0].course.as_str()
                ),
                ("maya", "one")
            );
        }
    }

    #[test]
    fn other_encodings_and_files_are_told_by_line_or_as_a_whole() {
        let lines = read(b"username,course\nm\xfcller,one\nmaya,one\n").unwrap();
        assert_eq!(numbers(&lines), [2]);
        for file in [
            &b""[..],
            b"\n\n",
            b"name,age\n",
            b"PK\x03\x04\0\0",
            b"\xff\xfe\0\0",
        ] {
            assert!(read(file).is_err(), "{file:?}");
        }
        let many = format!("username,course\n{}", "a,b\n".repeat(MOST_LINES + 1));
        assert!(read(many.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut file = b"username,course\n".to_vec();
            file.extend(&bytes);
            if let Ok(lines) = read(&file) {
                prop_assert!(lines.good.iter().all(|line| line.number > 1));
            }
            let _ = read(&bytes);
        }
    }
}
