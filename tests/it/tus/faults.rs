//! What is refused, and that it leaves nothing behind.

use super::{NAME, noise, rows, teacher};
use crate::kit::{PNG, metadata};
use reqwest::Method;

#[tokio::test]
async fn another_version_is_not_looked_at() {
    let (site, clara) = teacher(&[]).await;
    for version in [None, Some("0.2.2"), Some("2.0.0")] {
        let mut request = clara.request(Method::POST, "/uploads/");
        if let Some(version) = version {
            request = request.header("Tus-Resumable", version);
        }
        let page = clara.send(request.header("Upload-Length", 1)).await;
        page.expect(412);
        assert_eq!(page.header("tus-version").unwrap(), "1.0.0");
        assert_eq!(page.header("tus-resumable").unwrap(), "1.0.0");
    }
    assert_eq!(rows(&site).await, []);
}

#[tokio::test]
async fn an_announcement_that_makes_no_sense_is_refused() {
    let (site, clara) = teacher(&[("upload_max", "1MB")]).await;
    let named = metadata(NAME);
    let cases: [(u16, &[(&str, &str)]); 14] = [
        (400, &[]),
        (400, &[("Upload-Length", "")]),
        (400, &[("Upload-Length", "-1")]),
        (400, &[("Upload-Length", "1.5")]),
        (400, &[("Upload-Length", "99999999999999999999")]),
        (413, &[("Upload-Length", "1000001")]),
        (400, &[("Upload-Length", "1"), ("Upload-Defer-Length", "1")]),
        (400, &[("Upload-Defer-Length", "0")]),
        (400, &[("Upload-Length", "1"), ("Upload-Concat", "whole")]),
        (
            400,
            &[
                ("Upload-Length", "1"),
                ("Upload-Concat", "final;/uploads/a"),
            ],
        ),
        (400, &[("Upload-Concat", "final;/somewhere/a")]),
        (404, &[("Upload-Concat", "final;/uploads/%00")]),
        (
            400,
            &[("Upload-Length", "1"), ("Upload-Checksum", "crc32 AAAA")],
        ),
        (400, &[("Upload-Concat", "partial")]),
    ];
    for (status, headers) in cases {
        let mut request = clara.tus(Method::POST, "/uploads/");
        request = request.header("Upload-Metadata", &named);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let page = clara.send(request).await;
        assert_eq!(page.status, status, "{headers:?}: {}", page.text());
        assert!(page.header("tus-resumable").is_some());
        assert!(page.json()["detail"].is_string());
    }
    let long = metadata(&[("filename", "a"), ("title", &"x".repeat(251))]);
    for wrong in [
        "",
        "title YQ==",
        "filename",
        "filename !!",
        "filename YQ==,filename YQ==",
        "filename YQ==,module YQ==",
        &long,
    ] {
        let request = clara.tus(Method::POST, "/uploads/");
        let request = request.header("Upload-Length", 1);
        let page = clara.send(request.header("Upload-Metadata", wrong)).await;
        assert_eq!(page.status, 400, "{wrong}");
    }
    assert_eq!(rows(&site).await, []);
}

#[tokio::test]
async fn an_addition_that_does_not_fit_changes_nothing() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(10_000);
    let address = clara.announce(NAME, bytes.len()).await;
    clara.add(&address, 0, &bytes[..5_000]).await.expect(204);
    for wrong in [0, 4_999, 5_001, 10_000, usize::MAX / 2] {
        clara.add(&address, wrong, b"x").await.expect(409);
    }
    let to = |address: &str| clara.tus(Method::PATCH, address);
    let typed = |kind: &str| {
        let request = to(&address).header("Upload-Offset", 5_000).body("x");
        clara.send(request.header("Content-Type", kind))
    };
    typed("application/octet-stream").await.expect(415);
    typed("multipart/form-data").await.expect(415);
    let body = |request: reqwest::RequestBuilder| {
        request
            .header("Content-Type", "application/offset+octet-stream")
            .body("x")
    };
    clara.send(body(to(&address))).await.expect(400);
    for wrong in ["-1", "x", "", "0x5"] {
        let request = body(to(&address)).header("Upload-Offset", wrong);
        clara.send(request).await.expect(400);
    }
    // More than was announced, known before or found out while it comes.
    clara.add(&address, 5_000, &noise(5_001)).await.expect(413);
    let pieces = (0..60).map(|_| Ok::<_, std::io::Error>(noise(100)));
    let chunked = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let request = clara.addition(&address, 5_000, b"").body(chunked);
    clara.send(request).await.expect(413);
    for unknown in ["/uploads/0123", "/uploads/%00", "/uploads/..%2Fx"] {
        clara.look(unknown).await.expect(404);
        clara.add(unknown, 0, b"x").await.expect(404);
    }
    let other = clara.tus(Method::PUT, &address);
    clara.send(other).await.expect(405);
    let other = clara.tus(Method::POST, &address);
    clara
        .send(other.header("X-HTTP-Method-Override", "PUT"))
        .await
        .expect(405);
    assert_eq!(clara.offset(&address).await, 5_000);
    assert_eq!(site.arrived(&address).await, bytes[..5_000]);
    // The addresses beside it stay what they were.
    clara.get("/uploads/status/").await.expect(400);
    clara.get("/uploads/7/state/").await.expect(404);
}

#[tokio::test]
async fn what_is_not_what_it_was_said_to_be_is_refused_as_soon_as_that_shows() {
    let (site, clara) = teacher(&[]).await;
    let claims = [("filename", "a.mp4"), ("filetype", "video/mp4")];
    let bytes = noise(1_000_000);
    let address = clara.announce(&claims, bytes.len()).await;
    clara.add(&address, 0, &bytes[..8_000]).await.expect(204);
    let page = clara.add(&address, 8_000, &bytes[8_000..9_000]).await;
    page.expect(415).has("no video");
    clara.look(&address).await.expect(404);
    // A short one shows it with its last byte.
    let address = clara.announce(&claims, 5).await;
    clara.add(&address, 0, b"hello").await.expect(415);
    // A picture that is called a film is a picture.
    let address = clara.announce(&claims, PNG.len()).await;
    clara.add(&address, 0, PNG).await.expect(204);
    let [upload] = site.uploads().await.try_into().unwrap();
    assert_eq!(upload.mime, "image/png");
    assert_eq!((rows(&site).await.len(), site.arriving().await), (1, 0));
}

#[tokio::test]
async fn a_picture_keeps_to_the_limit_of_pictures() {
    let (site, clara) = teacher(&[("image_max", "20kB")]).await;
    let picture = [PNG, &noise(30_000)].concat();
    let address = clara
        .announce(&[("filename", "a.png")], picture.len())
        .await;
    clara
        .add(&address, 0, &picture)
        .await
        .expect(413)
        .has("picture");
    let request = clara.creation(NAME).header("Upload-Defer-Length", 1);
    let open = clara.send(request).await.expect(201).location();
    clara.add(&open, 0, &picture[..15_000]).await.expect(204);
    let rest = clara.addition(&open, 15_000, &picture[15_000..]);
    let rest = rest.header("Upload-Length", picture.len());
    clara.send(rest).await.expect(413);
    assert_eq!(site.uploads().await, []);
}
