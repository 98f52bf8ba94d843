use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Captions {
    Captions::read(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn faults(bytes: impl AsRef<[u8]>) -> Vec<String> {
    let faults = Captions::read(bytes.as_ref()).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

/// Start, end and words.
fn told(captions: &Captions) -> Vec<(u64, u64, String)> {
    let cues = captions.cues().iter();
    cues.map(|cue| (cue.start_ms, cue.end_ms, cue.words()))
        .collect()
}

#[test]
fn webvtt_is_read_without_its_notes_styles_and_regions() {
    let captions = read(
        "WEBVTT - A pulse\nKind: captions\n\nNOTE\nnobody reads this\n\nSTYLE\n::cue { color: red }\n\n\
         intro\n00:01.000 --> 00:02.500 align:start position:10%,line-left region:a evil:\"x\"\n<v Ann>Tie <c.x>it</c>\nup.\n\n\
         00:00:03.000 --> 00:00:04.000\n<00:00:03.500>Now.\n",
    );
    assert_eq!(
        told(&captions),
        [
            (1_000, 2_500, "Tie it up.".into()),
            (3_000, 4_000, "Now.".into())
        ]
    );
    assert_eq!(
        captions.to_webvtt(),
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.500 align:start position:10%,line-left\n<v Ann>Tie it\nup.</v>\n\n\
         00:00:03.000 --> 00:00:04.000\nNow.\n"
    );
}

#[test]
fn subrip_is_read_as_people_write_it() {
    let captions = read(
        "\u{FEFF}1\r\n00:00:01,000 --> 00:00:02,5\r\n{\\an8}<font color=red>Tie</font> it\r\n\r\nup.\r\n\r\n\
         2\r\n0:03 -->  0:04 X1:40 X2:600\r\n<i>Now.\r\n3\r\n00:00:05,000-->00:00:06,000\r\n1984\r\n",
    );
    assert_eq!(
        told(&captions),
        [
            (1_000, 2_500, "Tie it up.".into()),
            (3_000, 4_000, "Now.".into()),
            (5_000, 6_000, "1984".into())
        ]
    );
}

#[test]
fn cues_come_in_the_order_in_which_they_begin() {
    let captions = read("WEBVTT\n\n0:03.000 --> 0:04.000\nb\n\n0:01.000 --> 0:02.000\na\n");
    let words: Vec<_> = captions.cues().iter().map(Cue::words).collect();
    assert_eq!(words, ["a", "b"]);
}

#[test]
fn every_fault_is_told_with_its_line() {
    let text = "WEBVTT\n\n00:00:05.000 --> 00:00:02.000\nback\n\n00:99.000 --> soon\nwhen\n\nwithout a time\n\n\
                00:00:07.000 --> 00:00:07.000\nnever\n";
    assert_eq!(
        faults(text),
        [
            "Line 3: the end 00:00:02.000 is before the start 00:00:05.000.",
            "Line 6: the start “00:99.000” is no time. Times look like 00:01:02.500.",
            "Line 6: the end “soon” is no time. Times look like 00:01:02.500.",
            "Line 9: a time is expected here, like 00:00:01.000 --> 00:00:04.000, before the words.",
            "Line 11: the end 00:00:07.000 is the same as the start.",
        ]
    );
}

#[test]
fn many_faults_are_counted_and_not_all_told() {
    let text = "WEBVTT\n\n".to_owned() + &"1 --> 2\nx\n\n".repeat(100);
    let told = faults(text);
    assert_eq!(told.len(), MAX_FAULTS + 1);
    assert_eq!(told.last().unwrap(), "And 180 more like these.");
}

#[test]
fn what_is_no_captions_is_refused_with_what_to_do() {
    let long = "0:01.0 --> 0:02.0\n".to_owned() + &"a".repeat(MAX_CUE_CHARS + 1);
    for (bytes, words) in [
        (b"".to_vec(), "empty"),
        (b" \n\n".to_vec(), "empty"),
        (b"Dear all,\n".to_vec(), "no times"),
        (
            b"WEBVTT\n\n00:01.000 --> 00:02.000\n \n".to_vec(),
            "no words",
        ),
        (
            b"1\n00:00:01,000 --> 00:00:02,000\nGr\xfc\xdfe\n".to_vec(),
            "Line 3:",
        ),
        (b"\xff\xfea".to_vec(), "UTF-16"),
        (vec![b'a'; MAX_BYTES + 1], "too large"),
        (long.into_bytes(), "2001 characters"),
    ] {
        let told = faults(bytes);
        assert!(told.concat().contains(words), "{words}: {told:?}");
    }
}

#[test]
fn utf_16_is_read_where_a_mark_says_so() {
    let text = "WEBVTT\n\n00:01.000 --> 00:02.000\nGrüße 🎻\n";
    let little: Vec<u8> = std::iter::once(0xFEFF)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let big: Vec<u8> = std::iter::once(0xFEFF)
        .chain(text.encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    for bytes in [little, big] {
        let captions = Captions::read(&bytes).unwrap();
        assert_eq!(captions.cues()[0].words(), "Grüße 🎻");
    }
}

#[test]
fn nothing_that_runs_or_reaches_elsewhere_is_left() {
    let captions = read(
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<script src=//x>a</script><img src=x onerror=a> <a href=javascript:x>y</a>\n",
    );
    let written = captions.to_webvtt();
    for tag in ["<script", "<img", "<a"] {
        assert!(!written.contains(tag), "{written}");
    }
}

#[test]
fn a_transcript_puts_sentences_together() {
    let captions = read(
        "WEBVTT\n\n00:01.000 --> 00:02.000\nTie a string down at both ends, so that it holds.\n\n00:02.000 --> 00:03.000\n\
         However you pluck it, they stay.\n\n00:03.000 --> 00:04.000\nThat is a harsh rule.\n\n00:09.000 --> 00:10.000\nNow listen.\n",
    );
    let lines: Vec<_> = lines(&captions)
        .into_iter()
        .map(|line| (line.start_ms, line.words))
        .collect();
    assert_eq!(
        lines,
        [
            (
                1_000,
                "Tie a string down at both ends, so that it holds. However you pluck it, they stay.".into()
            ),
            (3_000, "That is a harsh rule.".into()),
            (9_000, "Now listen.".into()),
        ]
    );
}

/// Lines as files of captions have them, well and badly made.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("WEBVTT".to_owned()),
        Just("NOTE x".to_owned()),
        Just("STYLE".to_owned()),
        "[0-9]{1,3}",
        (0..200_u64, 0..200_u64).prop_map(|(from, to)| {
            format!(
                "{} --> {}",
                time::Timestamp(from * 100),
                time::Timestamp(to * 100)
            )
        }),
        (0..50_u64).prop_map(|from| format!(
            "{} --> {} line:-1 align:end",
            time::Timestamp(from * 100),
            time::Timestamp(from * 100 + 50)
        )),
        "[<>/&;ibuv {}\\\\a-z.-]{0,20}",
        "\\PC{0,12}",
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Captions::read(&bytes);
    }

    #[test]
    fn what_was_written_is_read_as_the_same(lines in proptest::collection::vec(line(), 0..40)) {
        let text = lines.join("\n");
        if let Ok(captions) = Captions::read(text.as_bytes()) {
            let written = captions.to_webvtt();
            let again = Captions::read(written.as_bytes()).unwrap();
            prop_assert_eq!(&again, &captions, "{}", &written);
            prop_assert_eq!(captions.to_webvtt(), written);
            for cue in captions.cues() {
                prop_assert!(cue.start_ms < cue.end_ms);
                prop_assert!(!cue.words().trim().is_empty());
            }
        }
    }
}
