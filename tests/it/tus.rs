//! Resumable uploads: what a client of tus 1.0 may rely on, and what it is refused.

mod faults;
mod model;
mod takeover;

use crate::kit::{Browser, MP4_HEAD, PASSWORD, PNG, Role, TestApp, metadata, name_of};
use backends::files::Visit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lyceum::accounts;
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::{UploadKind, UploadState};
use lyceum::entities::{content, item, tus_upload, user_group};
use lyceum::media::SweepMedia;
use reqwest::Method;
use sea_orm::EntityTrait as _;
use sha2::Digest as _;

const NAME: &[(&str, &str)] = &[("filename", "a.bin")];

/// Bytes that are no known kind of file and never the same twice.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0] | 0x80
    });
    bytes.take(length).collect()
}

fn checksum(algorithm: &str, bytes: &[u8]) -> String {
    let sum = match algorithm {
        "sha1" => sha1::Sha1::digest(bytes).to_vec(),
        _ => sha2::Sha256::digest(bytes).to_vec(),
    };
    format!("{algorithm} {}", STANDARD.encode(sum))
}

async fn teacher(settings: &[(&str, &str)]) -> (TestApp, Browser) {
    let site = TestApp::start_with(settings).await;
    let clara = site.login_as("clara", Role::Instructor).await;
    (site, clara)
}

async fn rows(site: &TestApp) -> Vec<tus_upload::Model> {
    let find = tus_upload::Entity::find().all(site.app.db.read());
    find.await.unwrap()
}

/// Enqueues and runs the job that cleans up.
async fn sweep(site: &TestApp) {
    let mut write = site.app.write().await.unwrap();
    lyceum::jobs::enqueue(&site.app, &mut write, &SweepMedia {})
        .await
        .unwrap();
    write.commit().await.unwrap();
    site.drain().await;
}

#[tokio::test]
async fn anybody_is_told_what_is_spoken_here() {
    let site = TestApp::start().await;
    for path in ["/uploads/", "/uploads/abc"] {
        let visitor = site.visitor();
        let page = visitor.send(visitor.request(Method::OPTIONS, path)).await;
        page.expect(204);
        let header = |name: &str| page.header(name).unwrap();
        assert_eq!(header("tus-version"), "1.0.0");
        assert_eq!(header("tus-resumable"), "1.0.0");
        assert_eq!(header("tus-max-size"), (10_u64 << 30).to_string());
        assert_eq!(header("tus-checksum-algorithm"), "sha1,sha256");
        assert_eq!(
            header("tus-extension"),
            "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
        );
    }
}

#[tokio::test]
async fn a_file_sent_in_pieces_waits_in_the_library_of_its_sender() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(300_000);
    let given = [("filename", "../Übung 1.bin"), ("extra", "x")];
    let address = clara.announce(&given, bytes.len()).await;
    let page = clara.look(&address).await;
    page.expect(200);
    assert_eq!(page.offset(), 0);
    assert_eq!(page.header("upload-length").unwrap(), "300000");
    assert_eq!(page.header("upload-metadata").unwrap(), metadata(&given));
    assert_eq!(page.header("cache-control").unwrap(), "no-store");
    assert_eq!(
        page.header("upload-expires").unwrap(),
        "Tue, 03 Mar 2026 09:30:00 GMT"
    );
    let mut offset = 0;
    for end in [1, 8_191, 8_193, 250_000] {
        let page = clara.add(&address, offset, &bytes[offset..end]).await;
        assert_eq!(page.expect(204).offset(), end);
        assert_eq!(page.header("tus-resumable").unwrap(), "1.0.0");
        assert_eq!(clara.offset(&address).await, end);
        assert_eq!(site.arrived(&address).await, bytes[..end]);
        offset = end;
    }
    assert_eq!(site.uploads().await, []);
    let last = clara.add(&address, offset, &bytes[offset..]).await;
    assert_eq!(last.expect(204).offset(), bytes.len());
    let [upload] = site.uploads().await.try_into().unwrap();
    assert_eq!(last.upload(), upload.id);
    assert_eq!(
        (upload.kind, upload.state),
        (UploadKind::File, UploadState::Ready)
    );
    assert_eq!(
        (upload.name.as_str(), upload.size_bytes),
        ("Übung 1.bin", 300_000)
    );
    let stored = clara.get(&format!("/media/{}/original", upload.id)).await;
    assert_eq!(stored.expect(200).bytes, bytes);
    assert_eq!(site.arriving().await, 0);
    // Whoever did not hear the last answer asks again.
    let page = clara.look(&address).await;
    assert_eq!((page.offset(), page.upload()), (bytes.len(), upload.id));
    clara.add(&address, bytes.len(), b"").await.expect(204);
    clara.add(&address, 0, &bytes).await.expect(409);
    assert_eq!(site.uploads().await.len(), 1);
}

#[tokio::test]
async fn an_upload_may_begin_and_end_with_its_creation() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(20_000);
    let begun = |length: usize, first: &[u8]| {
        let request = clara.creation(NAME).header("Upload-Length", length);
        let typed = request.header("Content-Type", "application/offset+octet-stream");
        clara.send(typed.body(first.to_vec()))
    };
    let page = begun(bytes.len(), &bytes[..9_000]).await;
    assert_eq!(page.expect(201).offset(), 9_000);
    let page = clara.add(&page.location(), 9_000, &bytes[9_000..]).await;
    let first = page.expect(204).upload();
    let whole = begun(bytes.len(), &bytes).await;
    assert_eq!(whole.expect(201).offset(), bytes.len());
    for id in [first, whole.upload()] {
        let stored = clara.get(&format!("/media/{id}/original")).await;
        assert_eq!(stored.expect(200).bytes, bytes);
    }
    let film = [("filename", "a.mp4"), ("filetype", "video/mp4")];
    let request = clara.creation(&film).header("Upload-Length", bytes.len());
    let typed = request.header("Content-Type", "application/offset+octet-stream");
    clara.send(typed.body(bytes.clone())).await.expect(415);
    // What brings more than it announced leaves nothing, not even its row.
    begun(100, &bytes).await.expect(413);
    assert_eq!((rows(&site).await.len(), site.arriving().await), (2, 0));
    let empty = clara
        .send(clara.creation(NAME).header("Upload-Length", 0))
        .await;
    let id = empty.expect(201).upload();
    let stored = clara.get(&format!("/media/{id}/original")).await;
    assert_eq!(stored.expect(200).bytes, b"");
}

#[tokio::test]
async fn a_length_may_be_told_later_but_not_changed() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(30_000);
    let request = clara.creation(NAME).header("Upload-Defer-Length", 1);
    let address = clara.send(request).await.expect(201).location();
    clara.add(&address, 0, &bytes[..10_000]).await.expect(204);
    let page = clara.look(&address).await;
    assert_eq!(page.header("upload-defer-length").unwrap(), "1");
    assert_eq!(page.header("upload-length"), None);
    let told = |offset: usize, part: &[u8], length: u64| {
        let request = clara.addition(&address, offset, part);
        clara.send(request.header("Upload-Length", length))
    };
    told(10_000, b"", 9_999).await.expect(400);
    told(10_000, b"", 1 << 50).await.expect(413);
    told(10_000, &bytes[10_000..20_000], 30_000)
        .await
        .expect(204);
    told(20_000, b"", 30_001).await.expect(400);
    let page = clara.look(&address).await;
    assert_eq!(page.header("upload-length").unwrap(), "30000");
    let last = told(20_000, &bytes[20_000..], 30_000).await;
    let path = format!("/media/{}/original", last.expect(204).upload());
    assert_eq!(clara.get(&path).await.expect(200).bytes, bytes);
    assert_eq!(site.arriving().await, 0);
}

#[tokio::test]
async fn a_request_counts_only_when_its_checksum_holds() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(20_000);
    let address = clara.announce(NAME, bytes.len()).await;
    let (first, second) = bytes.split_at(12_000);
    let send = |offset: usize, part: &[u8], sum: String| {
        let request = clara.addition(&address, offset, part);
        clara.send(request.header("Upload-Checksum", sum))
    };
    let wrong = send(0, first, checksum("sha1", second)).await;
    assert!(wrong.expect(460).header("tus-resumable").is_some());
    assert_eq!(
        (clara.offset(&address).await, site.arrived(&address).await),
        (0, vec![])
    );
    send(0, first, "md5 AAAA".into()).await.expect(400);
    send(0, first, "sha1 AAAA".into()).await.expect(400);
    send(0, first, checksum("sha256", first)).await.expect(204);
    send(12_000, second, checksum("sha256", first))
        .await
        .expect(460);
    assert_eq!(site.arrived(&address).await, first);
    let last = send(12_000, second, checksum("sha1", second)).await;
    let path = format!("/media/{}/original", last.expect(204).upload());
    assert_eq!(clara.get(&path).await.expect(200).bytes, bytes);
}

#[tokio::test]
async fn an_upload_that_names_a_module_becomes_its_content_by_what_its_bytes_are() {
    let (site, clara) = teacher(&[]).await;
    let owner = rows_owner(&site).await;
    let course = site.course(owner, "violin").await;
    let module = site.module(course.id, "Bow").await.id.to_string();
    let film = [MP4_HEAD, &noise(9_000)].concat();
    for (name, title, bytes) in [
        ("dot.png", "", PNG),
        ("Bow hold.txt", "The bow", film.as_slice()),
        ("notes.xyz", "", b"notes".as_slice()),
    ] {
        let given = [("filename", name), ("title", title), ("module", &module)];
        let address = clara.announce(&given, bytes.len()).await;
        let page = clara.add(&address, 0, bytes).await;
        assert!(page.expect(204).header("lyceum-content").is_some());
    }
    let found = content::Entity::find()
        .find_also_related(item::Entity)
        .all(site.app.db.read())
        .await
        .unwrap();
    let made: Vec<_> = found
        .into_iter()
        .map(|(content, item)| {
            let item = item.unwrap();
            (content.order, item.kind, item.title)
        })
        .collect();
    assert_eq!(
        made,
        [
            (0, ItemKind::Image, "dot".to_owned()),
            (1, ItemKind::Video, "The bow".to_owned()),
            (2, ItemKind::File, "notes".to_owned()),
        ]
    );
    let states: Vec<_> = site.uploads().await.iter().map(|row| row.state).collect();
    assert_eq!(
        states,
        [
            UploadState::Waiting,
            UploadState::Waiting,
            UploadState::Ready
        ]
    );
}

async fn rows_owner(site: &TestApp) -> i64 {
    use lyceum::entities::user;
    let found = user::Entity::find().one(site.app.db.read()).await.unwrap();
    found.unwrap().id
}

#[tokio::test]
async fn a_module_that_is_gone_or_not_hers_takes_nothing_and_the_file_is_not_lost() {
    let (site, clara) = teacher(&[]).await;
    let owner = rows_owner(&site).await;
    let course = site.course(owner, "violin").await;
    let module = site.module(course.id, "Bow").await.id;
    let text = module.to_string();
    let given = [("filename", "a.bin"), ("module", text.as_str())];
    let otto = site.login_as("otto", Role::Instructor).await;
    let foreign = otto.creation(&given).header("Upload-Length", 3);
    otto.send(foreign).await.expect(404);
    let address = clara.announce(&given, 3).await;
    clara
        .post(&format!("/course/module/{module}/delete/"), &[])
        .await
        .expect(303);
    let page = clara.add(&address, 0, b"abc").await;
    assert_eq!(page.expect(204).header("lyceum-content"), None);
    assert_eq!(site.uploads().await.len(), 1);
}

#[tokio::test]
async fn the_upload_of_an_instructor_who_is_none_any_more_becomes_no_content_and_is_not_lost() {
    let (site, clara) = teacher(&[]).await;
    let owner = rows_owner(&site).await;
    let course = site.course(owner, "violin").await;
    let module = site.module(course.id, "Bow").await.id.to_string();
    let given = [("filename", "a.bin"), ("module", module.as_str())];
    let address = clara.announce(&given, 3).await;
    let groups = user_group::Entity::delete_many().exec(site.app.db.writer());
    assert_eq!(groups.await.unwrap().rows_affected, 1);
    let clara = site.login("clara").await;
    let page = clara.add(&address, 0, b"abc").await;
    assert_eq!(page.expect(204).header("lyceum-content"), None);
    assert_eq!(site.uploads().await.len(), 1);
}

#[tokio::test]
async fn an_upload_is_its_owners_alone_and_a_session_shows_its_token() {
    let (site, clara) = teacher(&[]).await;
    let address = clara.announce(NAME, 10).await;
    let otto = site.login_as("otto", Role::Instructor).await;
    otto.look(&address).await.expect(404);
    otto.add(&address, 0, b"x").await.expect(404);
    otto.send(otto.tus(Method::DELETE, &address))
        .await
        .expect(404);
    let final_ = format!("final;{address}");
    let joined = otto.creation(NAME).header("Upload-Concat", final_);
    otto.send(joined).await.expect(404);
    // The session alone is not enough to change anything.
    let bare = |method, path: &str| {
        let request = clara.request(method, path).header("Tus-Resumable", "1.0.0");
        request
            .header("Upload-Length", 5)
            .header("Upload-Offset", 0)
            .header("Upload-Metadata", metadata(NAME))
            .header("Content-Type", "application/offset+octet-stream")
    };
    for (method, path) in [
        (Method::POST, "/uploads/"),
        (Method::PATCH, address.as_str()),
        (Method::DELETE, address.as_str()),
    ] {
        let page = clara.send(bare(method.clone(), path)).await;
        assert!(page.expect(403).header("tus-resumable").is_some());
        let wrong = bare(method, path).header("X-CSRFToken", "wrong");
        clara.send(wrong).await.expect(403);
    }
    assert_eq!(clara.offset(&address).await, 0);
    assert_eq!(rows(&site).await.len(), 1);
    // Who is not known is told so, as a program or a page's script can understand it.
    let visitor = site.visitor();
    let page = visitor.look(&address).await;
    assert!(page.expect(401).header("www-authenticate").is_some());
    let script = visitor.tus(Method::HEAD, &address);
    let script = script.header("X-Requested-With", "XMLHttpRequest");
    visitor.send(script).await.expect(403);
    // A student has nothing to send files for.
    let maya = site.login_as("maya", Role::Student).await;
    let request = maya.creation(NAME).header("Upload-Length", 1);
    maya.send(request).await.expect(403);
}

#[tokio::test]
async fn programs_send_files_with_a_password_or_a_key() {
    let (site, _clara) = teacher(&[]).await;
    let owner = rows_owner(&site).await;
    let write = site.app.write().await.unwrap();
    let key = accounts::create_token(
        &site.app,
        &write,
        accounts::NewToken::unbounded(owner, "script"),
    )
    .await
    .unwrap();
    write.commit().await.unwrap();
    let program = site.visitor();
    for credentials in [
        format!("Token {key}"),
        format!("Basic {}", STANDARD.encode(format!("clara:{PASSWORD}"))),
    ] {
        let with = |request: reqwest::RequestBuilder| {
            program.send(request.header("Authorization", &credentials))
        };
        let created = with(program.creation(NAME).header("Upload-Length", 4)).await;
        let address = created.expect(201).location();
        with(program.addition(&address, 0, b"ab")).await.expect(204);
        let page = with(program.tus(Method::HEAD, &address)).await;
        assert_eq!(page.expect(200).offset(), 2);
        // Where only POST gets through.
        let patch = program
            .tus(Method::POST, &address)
            .header("X-HTTP-Method-Override", "PATCH")
            .header("Content-Type", "application/offset+octet-stream")
            .header("Upload-Offset", 2)
            .body("cd");
        with(patch).await.expect(204).upload();
    }
}

#[tokio::test]
async fn an_upload_that_is_ended_leaves_nothing() {
    let (site, clara) = teacher(&[]).await;
    let address = clara.announce(NAME, 100).await;
    clara.add(&address, 0, b"abc").await.expect(204);
    let end = async |address: &str| clara.send(clara.tus(Method::DELETE, address)).await;
    end(&address).await.expect(204);
    end(&address).await.expect(404);
    clara.look(&address).await.expect(404);
    clara.add(&address, 3, b"d").await.expect(404);
    assert_eq!((rows(&site).await.len(), site.arriving().await), (0, 0));
    // One that is finished goes with its file while no content shows it.
    let address = clara.announce(NAME, 3).await;
    clara.add(&address, 0, b"abc").await.expect(204);
    end(&address).await.expect(204);
    site.drain().await;
    assert_eq!(site.uploads().await, []);
    assert_eq!(site.stored().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_expires_and_is_swept() {
    let (site, clara) = teacher(&[("upload_expiry_hours", "2")]).await;
    let old = clara.announce(NAME, 100).await;
    clara.add(&old, 0, b"abc").await.expect(204);
    let other = clara.announce(NAME, 100).await;
    site.wait_seconds(3_600);
    clara.add(&other, 0, b"abc").await.expect(204);
    site.wait_seconds(3_601);
    for page in [clara.look(&old).await, clara.add(&old, 3, b"d").await] {
        page.expect(410);
    }
    assert_eq!(clara.offset(&other).await, 3);
    // A file without a row is what an accident left.
    let Visit::Held(mut stray) = site.app.files.visit("0123", "any").await.unwrap() else {
        panic!("it is new");
    };
    stray.write("x".into()).await.unwrap();
    drop(stray.sync().await.unwrap());
    sweep(&site).await;
    let left = rows(&site).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, name_of(&other));
    assert_eq!(site.arriving().await, 1);
    clara.look(&old).await.expect(404);
}

#[tokio::test]
async fn parts_are_put_together_in_the_order_that_is_asked_for() {
    let (site, clara) = teacher(&[]).await;
    let bytes = noise(50_000);
    let part = async |bytes: &[u8], length: usize| {
        let request = clara
            .tus(Method::POST, "/uploads/")
            .header("Upload-Concat", "partial")
            .header("Upload-Length", length);
        let address = clara.send(request).await.expect(201).location();
        clara.add(&address, 0, bytes).await.expect(204);
        address
    };
    let join = async |parts: &[&str]| {
        let request = clara.creation(NAME);
        let value = format!("final;{}", parts.join(" "));
        clara.send(request.header("Upload-Concat", value)).await
    };
    let (second, first) = (
        part(&bytes[20_000..], 30_000).await,
        part(&bytes[..20_000], 20_000).await,
    );
    let looked = clara.look(&first).await;
    assert_eq!(looked.header("upload-concat").unwrap(), "partial");
    assert_eq!(site.uploads().await, [], "a part is no file");
    let absolute = format!("{}{second}", site.url);
    let page = join(&[&first, &absolute]).await;
    let whole = page.expect(201).location();
    let stored = clara
        .get(&format!("/media/{}/original", page.upload()))
        .await;
    assert_eq!(stored.expect(200).bytes, bytes);
    let looked = clara.look(&whole).await;
    assert_eq!(looked.offset(), bytes.len());
    assert_eq!(looked.header("upload-length").unwrap(), "50000");
    assert_eq!(
        looked.header("upload-concat").unwrap(),
        format!("final;{first} {absolute}")
    );
    clara.add(&whole, 50_000, b"").await.expect(403);
    // Its parts end with it; asked again, because the answer was lost, it is the same.
    clara.look(&first).await.expect(404);
    let again = join(&[&first, &absolute]).await;
    assert_eq!(again.expect(201).location(), whole);
    assert_eq!(rows(&site).await.len(), 1);
    let first = part(b"abc", 3).await;
    // Nothing is put together of what is not whole, no part, or not there.
    let unfinished = part(b"abc", 4).await;
    join(&[&first, &unfinished]).await.expect(400);
    join(&[&first, &whole]).await.expect(400);
    join(&[&first, "/uploads/0123"]).await.expect(404);
    join(&[]).await.expect(400);
    assert_eq!(site.uploads().await.len(), 1);
}

#[tokio::test]
async fn a_quota_counts_files_and_uploads_on_their_way() {
    let (site, clara) = teacher(&[("quota", "100kB")]).await;
    let announce = |bytes: usize| clara.send(clara.creation(NAME).header("Upload-Length", bytes));
    let address = announce(60_000).await.expect(201).location();
    announce(40_001).await.expect(413).has("100 kB");
    clara.add(&address, 0, &noise(60_000)).await.expect(204);
    announce(40_001).await.expect(413).has("40 kB");
    // One whose length nobody knows is stopped where the room ends, and keeps what it had.
    let request = clara.creation(NAME).header("Upload-Defer-Length", 1);
    let open = clara.send(request).await.expect(201).location();
    clara.add(&open, 0, &noise(30_000)).await.expect(204);
    let more = reqwest::Body::wrap_stream(futures::stream::iter(
        (0..20).map(|_| Ok::<_, std::io::Error>(noise(1_000))),
    ));
    let chunked = clara.addition(&open, 30_000, b"").body(more);
    clara.send(chunked).await.expect(413);
    assert_eq!(clara.offset(&open).await, 30_000);
    announce(10_001).await.expect(413);
    let otto = site.login_as("otto", Role::Instructor).await;
    otto.announce(NAME, 100_000).await;
    // An ordinary form has no other purse.
    let form = site.upload_form().await;
    let path = crate::kit::UploadForm::path("file");
    form.send(&clara, &path, "a.bin", noise(20_000))
        .await
        .expect(413);
    clara
        .send(clara.tus(Method::DELETE, &open))
        .await
        .expect(204);
    form.send(&clara, &path, "a.bin", noise(20_000))
        .await
        .expect(200);
    assert_eq!(site.uploads().await.len(), 2);
}

#[tokio::test]
async fn a_quota_counts_the_parts_of_an_upload_once() {
    let (site, clara) = teacher(&[("quota", "100kB")]).await;
    let bytes = noise(60_000);
    let mut parts = Vec::new();
    for piece in bytes.chunks(30_000) {
        let request = clara.tus(Method::POST, "/uploads/");
        let request = request.header("Upload-Concat", "partial");
        let request = request.header("Upload-Length", piece.len());
        let address = clara.send(request).await.expect(201).location();
        clara.add(&address, 0, piece).await.expect(204);
        parts.push(address);
    }
    let announce = |bytes: usize| clara.send(clara.creation(NAME).header("Upload-Length", bytes));
    announce(40_001).await.expect(413);
    let join = |parts: &[&str]| {
        let value = format!("final;{}", parts.join(" "));
        clara.send(clara.creation(NAME).header("Upload-Concat", value))
    };
    // A part that is named twice makes a file of twice its size, which has no room.
    let (one, two) = (parts[0].as_str(), parts[1].as_str());
    join(&[one, one, two, two]).await.expect(413);
    assert_eq!(site.uploads().await, []);
    let page = join(&[one, two]).await;
    let stored = format!("/media/{}/original", page.expect(201).upload());
    assert_eq!(clara.get(&stored).await.expect(200).bytes, bytes);
    // The file counts, and nothing else does; nor does anything else lie about.
    announce(40_001).await.expect(413);
    clara
        .send(clara.tus(
            Method::DELETE,
            &announce(40_000).await.expect(201).location(),
        ))
        .await
        .expect(204);
    assert_eq!(rows(&site).await.len(), 1);
    let growing = site.app.files.list_partial().await.unwrap();
    assert!(growing.is_empty(), "{growing:?}");
}

#[tokio::test]
async fn a_file_that_was_deleted_with_its_content_can_be_sent_again() {
    let (site, clara) = teacher(&[]).await;
    let owner = rows_owner(&site).await;
    let course = site.course(owner, "violin").await;
    let module = site.module(course.id, "Bow").await.id.to_string();
    let given = [("filename", "notes.xyz"), ("module", module.as_str())];
    let first = clara.announce(&given, 5).await;
    let page = clara.add(&first, 0, b"notes").await;
    let content = page.expect(204).header("lyceum-content").unwrap();
    let delete = format!("/course/content/{content}/delete/");
    clara.post(&delete, &[]).await.expect(303);
    // A client that still knows the address is sent to begin anew, not told that all is there.
    clara.look(&first).await.expect(404);
    let again = clara.announce(&given, 5).await;
    let page = clara.add(&again, 0, b"notes").await;
    assert!(page.expect(204).header("lyceum-content").is_some());
}
