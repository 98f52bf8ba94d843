//! A client of tus 1.0 that does what the test says, right or wrong.

use super::{Browser, Page, TestApp, until};
use backends::files::{Files, Visit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt as _;
use reqwest::{Method, RequestBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes of which something is seen in a store of objects.
pub const PART_BYTES: usize = 5 << 20;

/// `Upload-Metadata` of these keys and values.
pub fn metadata(pairs: &[(&str, &str)]) -> String {
    let coded = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    coded.collect::<Vec<_>>().join(",")
}

/// The name of an upload in its address.
pub fn name_of(address: &str) -> &str {
    address.strip_prefix("/uploads/").expect("an upload")
}

impl Browser {
    /// A request of tus with the token of the session.
    pub fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.request(method, path).header("Tus-Resumable", "1.0.0");
        match self.cookie("csrftoken") {
            Some(token) => request.header("X-CSRFToken", token),
            None => request,
        }
    }

    /// A creation with metadata, to be completed.
    pub fn creation(&self, pairs: &[(&str, &str)]) -> RequestBuilder {
        let request = self.tus(Method::POST, "/uploads/");
        request.header("Upload-Metadata", metadata(pairs))
    }

    /// Announces a file of so many bytes; answers its address.
    pub async fn announce(&self, pairs: &[(&str, &str)], bytes: usize) -> String {
        let request = self.creation(pairs).header("Upload-Length", bytes);
        self.send(request).await.expect(201).location()
    }

    /// An addition, to be completed.
    pub fn addition(&self, address: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
        self.tus(Method::PATCH, address)
            .header("Content-Type", "application/offset+octet-stream")
            .header("Upload-Offset", offset)
            .body(bytes.to_vec())
    }

    /// Adds to an upload.
    pub async fn add(&self, address: &str, offset: usize, bytes: &[u8]) -> Page {
        self.send(self.addition(address, offset, bytes)).await
    }

    /// HEAD.
    pub async fn look(&self, address: &str) -> Page {
        self.send(self.tus(Method::HEAD, address)).await
    }

    /// How much there is, as HEAD tells.
    pub async fn offset(&self, address: &str) -> usize {
        self.look(address).await.expect(200).offset()
    }

    /// Begins an addition of `total` bytes and sends only `first`.
    pub async fn begin_addition(
        &self,
        url: &str,
        address: &str,
        (offset, total): (usize, usize),
        extra: &str,
        first: &[u8],
    ) -> TcpStream {
        let host = url.strip_prefix("http://").unwrap();
        let (session, token) = (self.cookie("sessionid"), self.cookie("csrftoken"));
        let (session, token) = (session.unwrap(), token.unwrap());
        let head = format!(
            "PATCH {address} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nTus-Resumable: 1.0.0\r\n\
             Cookie: sessionid={session}; csrftoken={token}\r\nX-CSRFToken: {token}\r\n\
             Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n\
             {extra}Content-Length: {total}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(first).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }
}

/// Reads an answer to its end.
pub async fn answer(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A server that is ended may reset the connection.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Page {
    /// `Upload-Offset`.
    #[track_caller]
    pub fn offset(&self) -> usize {
        self.header("upload-offset").unwrap().parse().unwrap()
    }

    /// The number of the file that the upload became.
    #[track_caller]
    pub fn upload(&self) -> i64 {
        self.header("lyceum-upload").unwrap().parse().unwrap()
    }
}

impl TestApp {
    /// The bytes of an unfinished upload, as they lie in the store.
    pub async fn arrived(&self, address: &str) -> Vec<u8> {
        let name = name_of(address);
        if self.is_on_disk() {
            let path = self.folder().join("files/.partial").join(name);
            return std::fs::read(path).unwrap_or_default();
        }
        let files = self.files_of_another();
        if files.partial_size(name).await.unwrap().unwrap_or(0) == 0 {
            return Vec::new();
        }
        let Visit::Held(copy) = files.visit("copy", "copy").await.unwrap() else {
            panic!("nobody else looks");
        };
        let copy = files.append(copy, name).await.unwrap();
        files.promote(copy).await.unwrap();
        let (_, pieces) = files.read("copy", None).await.unwrap();
        let pieces: Vec<bytes::Bytes> = pieces.try_collect().await.unwrap();
        files.delete("copy").await.unwrap();
        pieces.concat()
    }

    /// How many unfinished uploads lie in the store.
    pub async fn arriving(&self) -> usize {
        self.app.files.list_partial().await.unwrap().len()
    }

    /// The store as another process has it.
    fn files_of_another(&self) -> Files {
        let config = &self.app.config;
        Files::open_with(&config.files, &config.data, &config.s3_keys).unwrap()
    }

    /// Waits until so much of an upload is in its file. In a store of objects nothing is seen of less than a
    /// part: there it is waited for somebody to hold it.
    pub async fn until_arrived(&self, address: &str, bytes: usize) {
        let files = self.files_of_another();
        let name = name_of(address);
        until("the bytes have arrived", async || {
            if self.is_on_disk() || bytes >= PART_BYTES {
                let found = files.partial_size(name).await.unwrap();
                return (found.unwrap_or(0) >= bytes as u64).then_some(());
            }
            let visit = files.visit(name, "any").await.unwrap();
            matches!(visit, Visit::Busy).then_some(())
        })
        .await;
    }
}
