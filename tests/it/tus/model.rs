//! Any order of requests, right and wrong, against a model that keeps the bytes in memory.

use super::{NAME, checksum, noise, teacher};
use crate::kit::{Browser, TestApp, answer};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::AsyncWriteExt as _;

#[derive(Debug, Clone, Copy)]
enum Sum {
    None,
    Right(&'static str),
    Wrong,
}

/// One request.
#[derive(Debug, Clone)]
struct Step {
    /// Added to the right offset; mostly nothing.
    shift: i64,
    bytes: usize,
    sum: Sum,
    /// The connection breaks after so many thousandths of the body.
    cut: Option<usize>,
    /// Tells the length: what is added to the right one.
    length: Option<i64>,
}

fn step() -> impl Strategy<Value = Step> {
    let shift = prop_oneof![6 => Just(0_i64), 1 => -20_000_i64..20_000];
    let bytes = prop_oneof![1 => Just(0_usize), 4 => 1_usize..5_000, 4 => 5_000_usize..40_000];
    let sum = prop_oneof![
        4 => Just(Sum::None),
        1 => Just(Sum::Right("sha1")),
        1 => Just(Sum::Right("sha256")),
        1 => Just(Sum::Wrong),
    ];
    let cut = prop_oneof![3 => Just(None), 1 => (0_usize..1_000).prop_map(Some)];
    let length =
        prop_oneof![5 => Just(None), 2 => Just(Some(0_i64)), 1 => (-50_i64..50).prop_map(Some)];
    (shift, bytes, sum, cut, length).prop_map(|(shift, bytes, sum, cut, length)| Step {
        shift,
        bytes,
        sum,
        cut,
        length,
    })
}

struct Model {
    /// The whole file.
    file: Vec<u8>,
    /// How much of it is there.
    offset: usize,
    is_length_known: bool,
}

impl Model {
    /// The status that a request must get that is sent whole.
    fn judge(&self, offset: i64, bytes: usize, step: &Step) -> u16 {
        let whole = self.is_length_known && self.offset == self.file.len();
        if offset != i64::try_from(self.offset).unwrap() {
            return 409;
        }
        if whole {
            return 204;
        }
        let told = step
            .length
            .map(|by| i64::try_from(self.file.len()).unwrap() + by);
        if let Some(told) = told {
            let is_right = step.length == Some(0);
            let is_too_short = told < i64::try_from(self.offset).unwrap();
            if (self.is_length_known && !is_right) || is_too_short {
                return 400;
            }
        }
        let is_known = self.is_length_known || told.is_some();
        if is_known && self.offset + bytes > self.file.len() {
            return 413;
        }
        match step.sum {
            Sum::Wrong => 460,
            _ => 204,
        }
    }
}

/// A request as it is sent, and the status that it must get when it is sent whole.
struct Request {
    offset: usize,
    body: Vec<u8>,
    sum: Option<String>,
    length: Option<i64>,
    status: u16,
}

impl Request {
    fn of(model: &Model, step: &Step) -> Self {
        let offset = (i64::try_from(model.offset).unwrap() + step.shift).max(0);
        // Before the length is told nothing may come that the file does not have.
        let is_open = !model.is_length_known && step.length.is_none();
        let room = model.file.len() - model.offset;
        let count = if is_open {
            step.bytes.min(room)
        } else {
            step.bytes
        };
        let right = &model.file[model.offset..(model.offset + count).min(model.file.len())];
        let body = [right, &noise(count - right.len())].concat();
        let whole = i64::try_from(model.file.len()).unwrap();
        Self {
            offset: usize::try_from(offset).unwrap(),
            sum: match step.sum {
                Sum::None => None,
                Sum::Right(algorithm) => Some(checksum(algorithm, &body)),
                Sum::Wrong => Some(checksum("sha1", b"something else")),
            },
            length: step.length.map(|by| whole + by),
            status: model.judge(offset, count, step),
            body,
        }
    }

    /// A length that came with it counts, whatever became of its bytes.
    fn tells_length(&self) -> bool {
        self.length.is_some() && matches!(self.status, 204 | 413 | 460)
    }
}

async fn take(site: &TestApp, clara: &Browser, address: &str, model: &mut Model, step: Step) {
    // A length that is wrong would be the file's from then on; the model tells the right one then.
    let step = Step {
        length: step.length.filter(|by| model.is_length_known || *by == 0),
        ..step
    };
    let request = Request::of(model, &step);
    let count = request.body.len();
    match step.cut.filter(|_| count > 1) {
        Some(cut) => {
            let sent = (count - 1) * cut / 1_000;
            break_off(site, clara, address, model, (request, sent)).await;
        }
        None => send(clara, address, model, request).await,
    }
}

/// Sends only the beginning of a request.
async fn break_off(
    site: &TestApp,
    clara: &Browser,
    address: &str,
    model: &mut Model,
    (request, sent): (Request, usize),
) {
    let header = |name: &str, value: Option<String>| {
        value.map_or_else(String::new, |value| format!("{name}: {value}\r\n"))
    };
    let extra = header("Upload-Checksum", request.sum.clone())
        + &header(
            "Upload-Length",
            request.length.map(|length| length.to_string()),
        );
    let range = (request.offset, request.body.len());
    let mut stream = clara
        .begin_addition(&site.url, address, range, &extra, &request.body[..sent])
        .await;
    stream.shutdown().await.unwrap();
    answer(stream).await;
    let page = clara.look(address).await;
    let is_taken = matches!(request.status, 204 | 460) && request.sum.is_none();
    let most = model.offset + if is_taken { sent } else { 0 };
    let now = page.expect(200).offset();
    assert!((model.offset..=most).contains(&now), "{now} of {most}");
    if request.tells_length() {
        model.is_length_known = page.header("upload-length").is_some();
    }
    model.offset = now;
}

async fn send(clara: &Browser, address: &str, model: &mut Model, request: Request) {
    let mut sending = clara.addition(address, request.offset, &request.body);
    if let Some(sum) = &request.sum {
        sending = sending.header("Upload-Checksum", sum);
    }
    if let Some(length) = request.length {
        sending = sending.header("Upload-Length", length);
    }
    let page = clara.send(sending).await;
    page.expect(request.status);
    if request.status == 204 {
        let is_whole = model.is_length_known && model.offset == model.file.len();
        model.offset += if is_whole { 0 } else { request.body.len() };
        assert_eq!(page.offset(), model.offset);
    }
    model.is_length_known |= request.tells_length();
    assert_eq!(clara.offset(address).await, model.offset);
}

#[tokio::test]
async fn whatever_is_sent_in_whatever_order_the_bytes_are_those_of_the_file() {
    let (site, clara) = teacher(&[]).await;
    // Each case is many requests.
    let cases = usize::try_from(Config::default().cases / 10).unwrap();
    let mut runner = TestRunner::deterministic();
    let steps = proptest::collection::vec(step(), 1..14);
    for case in 0..cases {
        let file = noise(1 + (case * 7_919) % 90_000);
        let is_length_known = case % 3 > 0;
        let request = clara.creation(NAME);
        let request = if is_length_known {
            request.header("Upload-Length", file.len())
        } else {
            request.header("Upload-Defer-Length", 1)
        };
        let address = clara.send(request).await.expect(201).location();
        let mut model = Model {
            file,
            offset: 0,
            is_length_known,
        };
        for step in steps.new_tree(&mut runner).unwrap().current() {
            take(&site, &clara, &address, &mut model, step).await;
        }
        let page = clara.look(&address).await;
        let is_whole = model.is_length_known && model.offset == model.file.len();
        let bytes = if is_whole {
            let path = format!("/media/{}/original", page.upload());
            clara.get(&path).await.expect(200).bytes.clone()
        } else {
            site.arrived(&address).await
        };
        assert_eq!(bytes, model.file[..model.offset]);
    }
}
