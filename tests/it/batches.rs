//! Files that are dropped together are told of together, once.

use crate::kit::{Browser, Role, TestApp, metadata};
use lyceum::entities::message::{self, MessageLevel};
use lyceum::media::SettleBatches;
use sea_orm::{EntityTrait as _, QueryOrder as _};

const SOUND: &str = "-f lavfi -i sine=frequency=440 -t 1 -c:a pcm_s16le -f wav";
const BATCH: &str = "b5a1c0de-0000-4000-8000-000000000012";

struct Dropped {
    site: TestApp,
    clara: Browser,
    sound: Vec<u8>,
    module_id: i64,
}

async fn drop_zone() -> Dropped {
    let site = TestApp::start().await;
    let owner_id = site.person("clara", Role::Instructor).await;
    let clara = site.login("clara").await;
    let course = site.course(owner_id, "rhythm").await;
    let module_id = site.module(course.id, "One").await.id;
    let sound = site.recording("clave.wav", SOUND).await;
    Dropped {
        site,
        clara,
        sound,
        module_id,
    }
}

impl Dropped {
    /// Announces one of so many files.
    async fn announce(&self, name: &str, files: &str, bytes: usize) -> String {
        let module = self.module_id.to_string();
        let pairs = [
            ("filename", name),
            ("module", &module),
            ("batch", BATCH),
            ("batch_files", files),
        ];
        self.clara.announce(&pairs, bytes).await
    }

    /// Sends one of so many files; answers the number of the upload.
    async fn send(&self, name: &str, files: &str, bytes: &[u8]) -> i64 {
        let address = self.announce(name, files, bytes.len()).await;
        let page = self.clara.add(&address, 0, bytes).await;
        page.expect(204).upload()
    }

    async fn messages(&self) -> Vec<message::Model> {
        let all = message::Entity::find().order_by_asc(message::Column::Id);
        all.all(self.site.app.db.read()).await.unwrap()
    }

    async fn texts(&self) -> Vec<String> {
        let all = self.messages().await.into_iter();
        all.map(|message| message.text).collect()
    }

    async fn sweep(&self) {
        let app = &self.site.app;
        let mut write = app.write().await.unwrap();
        let sweep = SettleBatches {};
        lyceum::jobs::enqueue(app, &mut write, &sweep)
            .await
            .unwrap();
        write.commit().await.unwrap();
        self.site.drain().await;
    }
}

#[tokio::test]
async fn three_files_dropped_together_are_one_message_though_each_is_ready_before_the_next_comes() {
    let drop = drop_zone().await;
    for name in ["a.wav", "b.wav", "c.wav"] {
        assert_eq!(drop.texts().await, [""; 0], "before {name}");
        drop.send(name, "3", &drop.sound).await;
        drop.site.drain().await;
    }
    let [one] = drop.messages().await.try_into().unwrap();
    assert_eq!(one.text, "3 files are ready");
    assert_eq!(one.level, MessageLevel::Success);
    assert_eq!(one.link, format!("/course/module/{}/", drop.module_id));
}

#[tokio::test]
async fn a_file_dropped_alone_is_told_by_its_name() {
    let drop = drop_zone().await;
    drop.send("clave.wav", "1", &drop.sound).await;
    drop.site.drain().await;
    assert_eq!(drop.texts().await, ["Your file clave has been processed"]);
}

#[tokio::test]
async fn who_did_not_hear_that_her_upload_was_begun_and_began_it_anew_is_told_at_once() {
    let drop = drop_zone().await;
    drop.announce("clave.wav", "1", drop.sound.len()).await;
    drop.send("clave.wav", "1", &drop.sound).await;
    drop.site.drain().await;
    assert_eq!(drop.texts().await, ["Your file clave has been processed"]);
}

#[tokio::test]
async fn the_message_names_what_failed_and_a_second_try_is_told_by_itself() {
    let drop = drop_zone().await;
    let mut torn = drop.sound.clone();
    torn.truncate(60);
    let failed = drop.send("torn.wav", "3", &torn).await;
    drop.send("b.wav", "3", &drop.sound).await;
    drop.send("c.wav", "3", &drop.sound).await;
    drop.site.drain().await;
    let [one] = drop.messages().await.try_into().unwrap();
    let start = "2 files are ready; 1 failed: torn - ";
    assert!(one.text.starts_with(start), "{}", one.text);
    assert!(one.text.chars().count() <= 250);
    assert_eq!(one.level, MessageLevel::Warning);
    let again = drop
        .clara
        .post(&format!("/uploads/{failed}/retry/"), &[])
        .await;
    again.expect(303);
    drop.site.drain().await;
    let texts = drop.texts().await;
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[1].starts_with("Your file torn could not be processed"));
}

#[tokio::test]
async fn files_that_need_no_processing_and_files_that_were_stopped_count_too() {
    let drop = drop_zone().await;
    let stopped = drop.send("a.wav", "3", &drop.sound).await;
    drop.send("b.wav", "3", &drop.sound).await;
    let stop = drop
        .clara
        .post(&format!("/uploads/{stopped}/cancel/"), &[])
        .await;
    stop.expect(303);
    drop.site.drain().await;
    assert_eq!(drop.texts().await, [""; 0], "one is still to come");
    drop.send("notes.txt", "3", b"Monday: long tones.").await;
    assert_eq!(drop.texts().await, ["2 files are ready"]);
}

#[tokio::test]
async fn what_is_refused_or_given_up_keeps_nobody_waiting() {
    let drop = drop_zone().await;
    drop.send("a.wav", "4", &drop.sound).await;
    drop.send("b.wav", "4", &drop.sound).await;
    drop.site.drain().await;
    let letter = b"Dear students, this is a letter.";
    let pairs = [
        ("filename", "letter.mp4"),
        ("filetype", "video/mp4"),
        ("batch", BATCH),
        ("batch_files", "4"),
    ];
    let address = drop.clara.announce(&pairs, letter.len()).await;
    drop.clara.add(&address, 0, letter).await.expect(415);
    assert_eq!(drop.texts().await, [""; 0], "the fourth is still to come");
    let address = drop.announce("d.wav", "3", 1_000).await;
    let ended = drop.clara.tus(reqwest::Method::DELETE, &address);
    drop.clara.send(ended).await.expect(204);
    assert_eq!(drop.texts().await, ["2 files are ready"]);
}

#[tokio::test]
async fn a_file_that_was_abandoned_does_not_hold_the_message_for_ever() {
    let drop = drop_zone().await;
    drop.send("a.wav", "12", &drop.sound).await;
    drop.send("b.wav", "12", &drop.sound).await;
    let address = drop.announce("c.wav", "12", 1_000).await;
    drop.clara.add(&address, 0, &[1; 10]).await.expect(204);
    drop.site.drain().await;
    drop.site.wait_seconds(3_600);
    drop.sweep().await;
    assert_eq!(drop.texts().await, [""; 0], "the third may still go on");
    drop.site.wait_seconds(24 * 3_600);
    drop.sweep().await;
    assert_eq!(drop.texts().await, ["2 files are ready"]);
    drop.sweep().await;
    assert_eq!(drop.texts().await.len(), 1, "once");
}

#[tokio::test]
async fn two_workers_that_end_the_last_two_at_the_same_moment_send_one_message() {
    let drop = drop_zone().await;
    let other = drop.site.second().await;
    for name in ["a.wav", "b.wav", "c.wav", "d.wav"] {
        drop.send(name, "4", &drop.sound).await;
    }
    let (one, two) = tokio::join!(drop.site.drain(), other.drain());
    assert_eq!(one + two, 4);
    assert_eq!(drop.texts().await, ["4 files are ready"]);
}

#[tokio::test]
async fn the_batch_of_somebody_else_is_not_hers() {
    let drop = drop_zone().await;
    let robert = drop.site.login_as("robert", Role::Instructor).await;
    let pairs = [
        ("filename", "x.wav"),
        ("batch", BATCH),
        ("batch_files", "2"),
    ];
    let address = robert.announce(&pairs, drop.sound.len()).await;
    drop.send("a.wav", "1", &drop.sound).await;
    drop.site.drain().await;
    assert_eq!(drop.texts().await, ["Your file a has been processed"]);
    robert.add(&address, 0, &drop.sound).await.expect(204);
    drop.site.drain().await;
    assert_eq!(drop.texts().await.len(), 1, "his second is still to come");
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_in_words() {
    let drop = drop_zone().await;
    for (batch, files) in [("mine", "2"), (BATCH, "-1"), (BATCH, "two")] {
        let pairs = [
            ("filename", "a.wav"),
            ("batch", batch),
            ("batch_files", files),
        ];
        let request = drop.clara.tus(reqwest::Method::POST, "/uploads/");
        let request = request
            .header("Upload-Metadata", metadata(&pairs))
            .header("Upload-Length", 10);
        let page = drop.clara.send(request).await;
        page.expect(400).has("batch");
    }
}
