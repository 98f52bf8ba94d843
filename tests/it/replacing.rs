//! A new file in the place of what a content shows: sent resumably, taken when it is ready, and nothing else moves.

use crate::kit::{Browser, MP4_HEAD, PNG, Page, Role, TestApp};
use lyceum::entities::item::ItemKind;
use lyceum::entities::upload::{UploadKind, UploadState};
use lyceum::entities::{content, done_mark, item, module, playback_position, rendition, upload};
use lyceum::media;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};

/// A teacher with a module, and a student of the course.
struct Desk {
    site: TestApp,
    clara: Browser,
    clara_id: i64,
    maya: Browser,
    maya_id: i64,
    module: module::Model,
}

impl Desk {
    async fn new() -> Self {
        let site = TestApp::start().await;
        let clara_id = site.person("clara", Role::Instructor).await;
        let maya_id = site.person("maya", Role::Student).await;
        let course = site.course(clara_id, "bow").await;
        site.enrollment(maya_id, course.id).await;
        let module = site.module(course.id, "One").await;
        let (clara, maya) = (site.login("clara").await, site.login("maya").await);
        Self {
            site,
            clara,
            clara_id,
            maya,
            maya_id,
            module,
        }
    }

    /// A content that shows a file of this kind, ready unless changed.
    async fn shows(
        &self,
        kind: (UploadKind, ItemKind),
        change: impl FnOnce(&mut upload::ActiveModel),
    ) -> (content::Model, upload::Model) {
        let file = self.site.file(self.clara_id, kind.0, "old", change).await;
        let content = self.site.content(self.module.id, "The old one", |row| {
            row.kind = Set(kind.1);
            row.upload_id = Set(Some(file.id));
        });
        (content.await, file)
    }

    async fn item(&self, content: &content::Model) -> item::Model {
        let found = item::Entity::find_by_id(content.item_id);
        found.one(self.site.app.db.read()).await.unwrap().unwrap()
    }

    /// Sends a file to take the place of what a content shows.
    async fn send(&self, content_id: i64, name: &str, bytes: &[u8]) -> Page {
        let content = content_id.to_string();
        let given = [("filename", name), ("content", content.as_str())];
        let address = self.clara.announce(&given, bytes.len()).await;
        self.clara.add(&address, 0, bytes).await
    }

    async fn find(&self, upload_id: i64) -> Option<upload::Model> {
        let found = upload::Entity::find_by_id(upload_id);
        found.one(self.site.app.db.read()).await.unwrap()
    }

    async fn outline(&self) -> Page {
        let path = format!("/course/module/{}/", self.module.id);
        self.clara.get(&path).await
    }
}

const IMAGE: (UploadKind, ItemKind) = (UploadKind::Image, ItemKind::Image);
const VIDEO: (UploadKind, ItemKind) = (UploadKind::Video, ItemKind::Video);

#[tokio::test]
async fn the_file_before_is_seen_until_the_new_one_is_ready_and_nothing_else_moves() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(IMAGE, |_| ()).await;
    desk.site.text(desk.module.id, "After it", "x").await;
    let mark = done_mark::ActiveModel {
        user_id: Set(desk.maya_id),
        content_id: Set(content.id),
        created_at: Set(desk.site.clock.now()),
    };
    mark.insert(desk.site.app.db.writer()).await.unwrap();
    desk.site
        .rendition(&old, "image-1.png", "image/png", Some((1, 1)))
        .await;
    let sent = desk.send(content.id, "new.png", PNG).await;
    assert_eq!(
        sent.expect(204).header("lyceum-content").unwrap(),
        content.id.to_string()
    );
    let new = sent.upload();
    let item = desk.item(&content).await;
    assert_eq!(
        (item.upload_id, item.next_upload_id),
        (Some(old.id), Some(new))
    );
    let lesson = format!(
        "/students/course/{}/{}/",
        desk.module.course_id, desk.module.id
    );
    let image = |id: i64| format!("/media/{id}/image-");
    desk.maya
        .get(&lesson)
        .await
        .has(&image(old.id))
        .lacks(&image(new));
    desk.outline()
        .await
        .has("In line, 1st")
        .has("students see the one before")
        .has("Keep the one before");
    desk.site.drain().await;
    let after = desk.item(&content).await;
    assert_eq!((after.upload_id, after.next_upload_id), (Some(new), None));
    assert_eq!(after.title, "The old one");
    desk.maya
        .get(&lesson)
        .await
        .has(&image(new))
        .lacks(&image(old.id));
    desk.outline().await.lacks("the one before").has("Ready");
    assert_eq!(desk.find(old.id).await, None, "the old file goes");
    let places = content::Entity::find_by_id(content.id);
    let place = places.one(desk.site.app.db.read()).await.unwrap();
    assert_eq!(place, Some(content));
    let marks = done_mark::Entity::find();
    assert_eq!(marks.all(desk.site.app.db.read()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn captions_go_with_it_and_who_stopped_beyond_its_end_begins_anew() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(VIDEO, |_| ()).await;
    let captions = desk.site.scratch("captions.vtt");
    // As large as the row says.
    let words = format!("{:1000}", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n");
    std::fs::write(&captions, words).unwrap();
    let row = desk
        .site
        .rendition(&old, "captions-en.vtt", "text/vtt", None)
        .await;
    desk.site.app.files.put(&row.key, &captions).await.unwrap();
    for (user_id, seconds) in [(desk.maya_id, 60.0), (desk.clara_id, 0.5)] {
        let place = playback_position::ActiveModel {
            user_id: Set(user_id),
            content_id: Set(content.id),
            position_seconds: Set(seconds),
            updated_at: Set(desk.site.clock.now()),
        };
        place.insert(desk.site.app.db.writer()).await.unwrap();
    }
    let args = "-f lavfi -i testsrc2=size=64x64:rate=10:duration=1 -pix_fmt yuv420p";
    let film = desk.site.recording("new.mp4", args).await;
    let new = desk.send(content.id, "new.mp4", &film).await.upload();
    desk.site.drain().await;
    assert_eq!(desk.item(&content).await.upload_id, Some(new));
    let page = desk
        .maya
        .get(&format!("/media/{new}/captions-en.vtt"))
        .await;
    page.expect(200).has("Hello");
    let places = playback_position::Entity::find();
    let places = places.all(desk.site.app.db.read()).await.unwrap();
    let kept: Vec<i64> = places.into_iter().map(|place| place.user_id).collect();
    assert_eq!(kept, [desk.clara_id]);
    let left = desk.site.stored().await;
    let prefix = &desk.find(new).await.unwrap().prefix;
    assert!(
        left.iter().all(|key| key.starts_with(prefix)),
        "nothing of the old file is left: {left:?}"
    );
}

#[tokio::test]
async fn captions_stay_with_the_file_before_where_another_content_still_shows_it() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(IMAGE, |_| ()).await;
    desk.site
        .show(desk.module.id, ItemKind::Image, "Elsewhere", old.id)
        .await;
    let captions = desk.site.scratch("captions.vtt");
    std::fs::write(&captions, format!("{:1000}", "WEBVTT\n\nHello\n")).unwrap();
    let row = desk
        .site
        .rendition(&old, "captions-en.vtt", "text/vtt", None)
        .await;
    desk.site.app.files.put(&row.key, &captions).await.unwrap();
    let new = desk.send(content.id, "new.png", PNG).await.upload();
    desk.site.drain().await;
    assert_eq!(desk.item(&content).await.upload_id, Some(new));
    for id in [old.id, new] {
        let page = desk.maya.get(&format!("/media/{id}/captions-en.vtt")).await;
        page.expect(200).has("Hello");
    }
}

#[tokio::test]
async fn what_shows_nothing_yet_is_replaced_at_once() {
    let desk = Desk::new().await;
    let failed = |row: &mut upload::ActiveModel| row.state = Set(UploadState::Failed);
    let (content, old) = desk.shows(VIDEO, failed).await;
    let new = desk.send(content.id, "b.mp4", MP4_HEAD).await.upload();
    let item = desk.item(&content).await;
    assert_eq!((item.upload_id, item.next_upload_id), (Some(new), None));
    assert_eq!(desk.find(old.id).await, None);
    // And so is what a file to download is replaced by: it needs no processing.
    let (content, old) = desk.shows((UploadKind::File, ItemKind::File), |_| ()).await;
    let new = desk.send(content.id, "film.mp4", MP4_HEAD).await.upload();
    assert_eq!(desk.item(&content).await.upload_id, Some(new));
    assert_eq!(desk.find(new).await.unwrap().kind, UploadKind::File);
    assert_eq!(desk.find(old.id).await, None);
}

#[tokio::test]
async fn a_new_file_that_fails_leaves_the_one_before_and_can_be_given_up() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(VIDEO, |_| ()).await;
    let new = desk.send(content.id, "b.mp4", MP4_HEAD).await.upload();
    desk.site.drain().await;
    assert_eq!(desk.find(new).await.unwrap().state, UploadState::Failed);
    assert_eq!(desk.item(&content).await.upload_id, Some(old.id));
    desk.outline().await.has("Failed: ").has("Try again");
    let messages = desk.clara.get("/messages/").await;
    messages.has("The old one could not be processed");
    // Another attempt takes the place of the failed one.
    let other = desk.send(content.id, "c.mp4", MP4_HEAD).await.upload();
    assert_eq!(desk.find(new).await, None);
    assert_eq!(desk.item(&content).await.next_upload_id, Some(other));
    let keep = format!("/course/content/{}/keep/", content.id);
    let stranger = desk.site.login_as("tomas", Role::Instructor).await;
    stranger.post(&keep, &[]).await.expect(404);
    for _ in 0..2 {
        desk.clara.post(&keep, &[]).await.expect(303);
    }
    let item = desk.item(&content).await;
    assert_eq!((item.upload_id, item.next_upload_id), (Some(old.id), None));
    assert_eq!(desk.find(other).await, None);
    assert!(
        desk.site
            .jobs_of(other)
            .await
            .iter()
            .all(|job| { job.state != lyceum::entities::job::JobState::Waiting })
    );
}

#[tokio::test]
async fn only_a_file_of_its_kind_for_a_content_of_hers_is_taken() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(VIDEO, |_| ()).await;
    let refused = async |browser: &Browser, place: &str, status: u16| {
        let given = [("filename", "a.mp4"), ("content", place)];
        let request = browser.creation(&given).header("Upload-Length", 5);
        browser.send(request).await.expect(status);
    };
    let stranger = desk.site.login_as("tomas", Role::Instructor).await;
    refused(&stranger, &content.id.to_string(), 404).await;
    refused(&desk.maya, &content.id.to_string(), 403).await;
    refused(&desk.clara, "999999", 404).await;
    refused(&desk.clara, "seven", 400).await;
    let text = desk.site.text(desk.module.id, "Words", "x").await;
    refused(&desk.clara, &text.id.to_string(), 400).await;
    let page = desk.send(content.id, "a.mp4", PNG).await;
    page.expect(415);
    let item = desk.item(&content).await;
    assert_eq!((item.upload_id, item.next_upload_id), (Some(old.id), None));
    assert_eq!(desk.site.arriving().await, 0);
}

#[tokio::test]
async fn a_content_that_is_deleted_meanwhile_loses_no_file_that_was_sent() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(VIDEO, |_| ()).await;
    let place = content.id.to_string();
    let given = [("filename", "b.mp4"), ("content", place.as_str())];
    let address = desk.clara.announce(&given, MP4_HEAD.len()).await;
    let delete = format!("/course/content/{}/delete/", content.id);
    desk.clara.post(&delete, &[]).await.expect(303);
    let last = desk.clara.add(&address, 0, MP4_HEAD).await;
    assert_eq!(last.expect(204).header("lyceum-content"), None);
    assert!(desk.find(last.upload()).await.is_some(), "it waits");
    assert_eq!(desk.find(old.id).await, None);
    // One that is on its way to the place of another goes with the content.
    let (content, old) = desk.shows(VIDEO, |_| ()).await;
    let new = desk.send(content.id, "b.mp4", MP4_HEAD).await.upload();
    let delete = format!("/course/content/{}/delete/", content.id);
    desk.clara.post(&delete, &[]).await.expect(303);
    assert_eq!(
        (desk.find(old.id).await, desk.find(new).await),
        (None, None)
    );
}

#[tokio::test]
async fn a_file_that_another_content_shows_stays_there() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(IMAGE, |_| ()).await;
    let show = (ItemKind::Image, "Elsewhere");
    let other = desk.site.show(desk.module.id, show.0, show.1, old.id).await;
    desk.send(content.id, "new.png", PNG).await.expect(204);
    desk.site.drain().await;
    assert_ne!(desk.item(&content).await.upload_id, Some(old.id));
    let found = item::Entity::find_by_id(other);
    let found = found.one(desk.site.app.db.read()).await.unwrap().unwrap();
    assert_eq!(found.upload_id, Some(old.id));
    assert!(desk.find(old.id).await.is_some());
}

#[tokio::test]
async fn the_form_of_a_content_replaces_its_file_in_the_same_way() {
    let desk = Desk::new().await;
    let (content, old) = desk.shows(IMAGE, |_| ()).await;
    let form = format!(
        "/course/module/{}/content/image/{}/",
        desk.module.id, content.item_id
    );
    let fields = [("title", "Renamed")];
    let page = desk.clara.post_file(&form, &fields, "new.png", PNG).await;
    page.expect(303);
    let item = desk.item(&content).await;
    assert_eq!(
        (item.upload_id, item.title.as_str()),
        (Some(old.id), "Renamed")
    );
    assert!(item.next_upload_id.is_some());
    desk.site.drain().await;
    let after = desk.item(&content).await;
    assert_eq!(after.upload_id, item.next_upload_id);
    // What is only renamed keeps its file.
    desk.clara.post(&form, &[("title", "T")]).await.expect(303);
    assert_eq!(desk.item(&content).await.upload_id, after.upload_id);
}

/// Two who delete at the same instant the last two contents that show a file: on PostgreSQL each sees the item of
/// the other still, on SQLite they come one after another.
#[tokio::test]
async fn a_file_that_two_delete_at_the_same_instant_goes() {
    let desk = Desk::new().await;
    for _ in 0..8 {
        let (content, file) = desk.shows(IMAGE, |_| ()).await;
        let slug = desk.site.clock.random_token();
        let course = desk.site.course(desk.clara_id, &slug);
        let module = desk.site.module(course.await.id, "Other").await;
        let other = desk.site.content(module.id, "Again", |row| {
            row.kind = Set(ItemKind::Image);
            row.upload_id = Set(Some(file.id));
        });
        let paths = [content.id, other.await.id].map(|id| format!("/course/content/{id}/delete/"));
        let [one, two] = paths.each_ref().map(|path| desk.clara.post(path, &[]));
        let (one, two) = tokio::join!(one, two);
        assert_eq!((one.status, two.status), (303, 303));
        assert_eq!(desk.find(file.id).await, None);
    }
}

/// While one who uses a file once more is not yet committed, another deletes its last use.
#[tokio::test]
async fn a_file_is_not_discarded_while_somebody_begins_to_use_it() {
    let desk = Desk::new().await;
    let file = desk
        .site
        .file(desk.clara_id, UploadKind::File, "a.pdf", |_| ())
        .await;
    let app = desk.site.app.clone();
    let discard = async {
        let mut write = app.write().await.unwrap();
        media::discard(&app, &mut write, file.id).await.unwrap();
        write.commit().await.unwrap();
    };
    let path = format!("/course/module/{}/content/file/create/", desk.module.id);
    let upload = file.id.to_string();
    let fields = [("title", "T"), ("upload", upload.as_str())];
    let (page, ()) = tokio::join!(desk.clara.post(&path, &fields), discard);
    let is_there = desk.find(file.id).await.is_some();
    match page.status {
        303 => assert!(is_there),
        404 | 422 => assert!(!is_there),
        other => panic!("{other}"),
    }
    let renditions = rendition::Entity::find().all(app.db.read()).await.unwrap();
    assert!(renditions.is_empty());
}
