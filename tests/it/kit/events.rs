//! A reader of server-sent events, as a browser's `EventSource` is one.

use super::Browser;
use reqwest::header::ACCEPT;
use reqwest::{Method, Response};
use serde_json::Value;

/// One open stream.
pub struct EventReader {
    response: Response,
    text: String,
}

/// One event: its `id:` line, if any, and its data.
#[derive(Debug)]
pub struct Told {
    pub id: Option<String>,
    pub data: Value,
}

impl Browser {
    /// Opens a stream of events; `last_event_id` as after a broken connection.
    pub async fn events(&self, path: &str, last_event_id: Option<i64>) -> EventReader {
        let mut request = self
            .request(Method::GET, path)
            .header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = self.open(request).await;
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-cache");
        assert_eq!(header("x-accel-buffering"), "no");
        EventReader {
            response,
            text: String::new(),
        }
    }
}

impl EventReader {
    /// The next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.take() {
                return Some(told);
            }
            let bytes = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// An event that was read already; lines that only keep the connection alive are dropped.
    fn take(&mut self) -> Option<Told> {
        let mut told = None;
        while told.is_none() {
            let (block, rest) = self.text.split_once("\n\n")?;
            told = parse(block);
            self.text = rest.to_owned();
        }
        told
    }

    /// The next event of a type; others are passed over.
    pub async fn next_of(&mut self, kind: &str) -> Told {
        while let Some(told) = self.next().await {
            if told.data["type"] == kind {
                return told;
            }
        }
        panic!("the stream ended before an event of type {kind}");
    }

    /// All events up to the one that ends the greeting, after which the stream tells what happens; what is counted of
    /// rooms is passed over.
    pub async fn greeting(&mut self) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(told) = self.next().await {
            if told.data["type"] == "refresh" {
                return all;
            }
            if told.data["type"] != "rooms" {
                all.push(told);
            }
        }
        panic!("the stream ended in its greeting");
    }

    /// Reads to the end, which must come.
    pub async fn end(mut self) {
        while self.next().await.is_some() {}
    }
}

fn parse(block: &str) -> Option<Told> {
    let field = |name: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix(name));
        let values: Vec<&str> = lines.map(str::trim_start).collect();
        (!values.is_empty()).then(|| values.join("\n"))
    };
    let data = field("data:")?;
    Some(Told {
        id: field("id:"),
        data: serde_json::from_str(&data).unwrap(),
    })
}
