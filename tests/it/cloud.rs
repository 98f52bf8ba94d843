//! Converting in the cloud: from a file to renditions, by messages, without them, and when things go wrong.

use crate::kit::{Browser, MP4_HEAD, MediaConvert, Role, Sns, TestApp, UploadForm, event};
use lyceum::entities::message::{self, MessageLevel};
use lyceum::entities::transcoding::{self, TranscodingState};
use lyceum::entities::upload::UploadState;
use lyceum::media::cloud::WatchTranscodings;
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::{NotSet, Set},
    EntityTrait as _, IntoActiveModel as _,
};
use serde_json::{Value, json};

/// What a film of 640 pixels becomes, and what was sent.
const OF_A_FILM: [&str; 11] = [
    "master-sound.cmfa",
    "master-sound.m3u8",
    "master-v240.cmfv",
    "master-v240.m3u8",
    "master-v360.cmfv",
    "master-v360.m3u8",
    "master.m3u8",
    "original",
    "poster.jpg",
    "thumbnail.jpg",
    "video.mp4",
];

struct Studio {
    site: TestApp,
    clara: Browser,
    form: UploadForm,
    sns: Sns,
    cloud: MediaConvert,
}

async fn studio() -> Studio {
    studio_with(&[]).await
}

async fn studio_with(more: &[(&str, &str)]) -> Studio {
    let (sns, cloud) = (Sns::start().await, MediaConvert::start().await);
    let (transcoder, listening) = (cloud.setting(), sns.settings());
    let mut settings = vec![("transcoder", transcoder.as_str())];
    settings.extend(listening.iter().map(|(key, value)| (*key, value.as_str())));
    settings.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
    settings.extend_from_slice(more);
    settings.retain(|(_, value)| !value.is_empty());
    let site = Box::pin(TestApp::start_with(&settings)).await;
    let clara = site.login_as("clara", Role::Instructor).await;
    let form = site.upload_form().await;
    Studio {
        site,
        clara,
        form,
        sns,
        cloud,
    }
}

impl Studio {
    /// Sends a film and lets the site ask the service.
    async fn film(&self) -> i64 {
        let id = self
            .form
            .upload(&self.clara, "video", "bow.mp4", MP4_HEAD.to_vec())
            .await;
        self.site.drain().await;
        id
    }

    async fn words(&self, id: i64) -> String {
        self.site.view(id).await.state_words()
    }

    async fn messages(&self) -> Vec<message::Model> {
        message::Entity::find()
            .all(self.site.app.db.read())
            .await
            .unwrap()
    }

    async fn rows(&self) -> Vec<transcoding::Model> {
        transcoding::Entity::find()
            .all(self.site.app.db.read())
            .await
            .unwrap()
    }

    /// SNS tells of a job.
    async fn tell(&self, message_id: &str, job: &Value, status: &str, more: Value) {
        let message = self.sns.notification(message_id, &event(job, status, more));
        self.site.tell(&message).await.expect(200);
    }

    /// The site looks by itself.
    async fn watch(&self) {
        let app = &self.site.app;
        let mut write = app.write().await.unwrap();
        lyceum::jobs::enqueue(app, &mut write, &WatchTranscodings {})
            .await
            .unwrap();
        write.commit().await.unwrap();
        self.site.drain().await;
    }
}

#[tokio::test]
async fn a_film_is_converted_in_the_cloud_and_its_owner_alone_hears_of_it() {
    let studio = studio().await;
    let other = studio.site.login_as("robert", Role::Instructor).await;
    let id = studio.film().await;
    let job = studio.cloud.job();
    assert_eq!(job["queue"], "lectures");
    assert_eq!(job["role"], "arn:aws:iam::123456789012:role/MediaConvert");
    let prefix = studio.site.view(id).await.upload.prefix;
    let input = format!("s3://school-files/lyceum/{prefix}/original");
    assert_eq!(job["settings"]["inputs"][0]["fileInput"], input);
    assert_eq!(studio.words(id).await, "Processing 0 %");
    let progress = |percent: i64| json!({"jobProgress": {"jobPercentComplete": percent}});
    studio.site.wait_seconds(60);
    studio
        .tell("m-1", &job, "STATUS_UPDATE", progress(40))
        .await;
    assert_eq!(studio.words(id).await, "Processing 40 % - about 2 min left");
    studio
        .tell("m-2", &job, "STATUS_UPDATE", progress(10))
        .await;
    assert!(
        studio.words(id).await.starts_with("Processing 40 %"),
        "a late message takes nothing back"
    );
    studio.cloud.finish(&studio.site);
    studio.tell("m-3", &job, "COMPLETE", json!({})).await;
    assert_eq!(
        studio.site.view(id).await.video_url(),
        None,
        "no link before it is looked at"
    );
    studio.site.drain().await;
    let view = studio.site.view(id).await;
    assert_eq!(view.state_words(), "Ready");
    assert_eq!(view.upload.duration_seconds, Some(12.04));
    assert_eq!(
        (view.upload.width, view.upload.height),
        (Some(640), Some(360))
    );
    let mut names: Vec<&str> = view
        .renditions
        .iter()
        .map(|row| row.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, OF_A_FILM);
    let poster = studio.clara.get(&view.poster_url().unwrap()).await;
    assert_eq!(poster.expect(200).text(), "a picture");
    for name in names {
        studio.clara.get(&view.url(name)).await.expect(200);
        other.get(&view.url(name)).await.expect(404);
    }
    let [one] = studio.messages().await.try_into().unwrap();
    assert_eq!(one.text, "Your file bow.mp4 has been processed");
    assert_eq!(
        (one.recipient_id, one.level),
        (view.upload.owner_id, MessageLevel::Success)
    );
}

#[tokio::test]
async fn messages_that_come_late_or_again_change_nothing() {
    let studio = studio().await;
    let id = studio.film().await;
    let job = studio.cloud.job();
    studio.cloud.finish(&studio.site);
    studio.tell("m-1", &job, "COMPLETE", json!({})).await;
    studio.tell("m-2", &job, "COMPLETE", json!({})).await;
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Ready");
    for (number, status) in [
        "COMPLETE",
        "STATUS_UPDATE",
        "ERROR",
        "CANCELED",
        "PROGRESSING",
    ]
    .iter()
    .enumerate()
    {
        let more = json!({"jobProgress": {"jobPercentComplete": 5}, "errorCode": 1010, "errorMessage": "x"});
        studio
            .tell(&format!("late-{number}"), &job, status, more)
            .await;
        studio.site.drain().await;
        assert_eq!(studio.words(id).await, "Ready", "{status}");
    }
    assert_eq!(studio.messages().await.len(), 1);
    let states: Vec<_> = studio.rows().await.iter().map(|row| row.state).collect();
    assert_eq!(states, [TranscodingState::Complete]);
}

#[tokio::test]
async fn a_recording_becomes_what_the_site_offers() {
    let studio = studio_with(&[("audio_formats", "m4a,flac,wav")]).await;
    let sound = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\0\0\0\0";
    let id = studio
        .form
        .upload(&studio.clara, "audio", "clave.wav", sound.to_vec())
        .await;
    studio.site.drain().await;
    studio.cloud.finish(&studio.site);
    studio
        .tell("m-1", &studio.cloud.job(), "COMPLETE", json!({}))
        .await;
    studio.site.drain().await;
    let sounds = studio.site.view(id).await.sounds();
    let names: Vec<_> = sounds.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["M4A", "FLAC", "WAV"]);
}

#[tokio::test]
async fn pictures_stay_here() {
    let studio = studio().await;
    let png = crate::kit::PNG.to_vec();
    studio
        .form
        .upload(&studio.clara, "image", "dot.png", png)
        .await;
    studio.site.drain().await;
    assert_eq!(studio.cloud.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_fault_of_the_file_is_told_in_words_and_can_be_tried_again() {
    let studio = studio().await;
    let id = studio.film().await;
    let job = studio.cloud.job();
    let more = json!({"errorCode": 1010, "errorMessage": "Unable to open input file: no parser"});
    studio.tell("m-1", &job, "ERROR", more).await;
    assert!(
        studio
            .words(id)
            .await
            .starts_with("Failed: this file is not a recording")
    );
    let upload = studio.site.view(id).await.upload;
    let detail = upload.fault_detail.unwrap();
    assert!(
        detail.contains("1010") && detail.contains("no parser"),
        "{detail}"
    );
    let [one] = studio.messages().await.try_into().unwrap();
    assert_eq!(
        (one.recipient_id, one.level),
        (upload.owner_id, MessageLevel::Error)
    );
    assert!(
        one.text
            .starts_with("Your file bow.mp4 could not be processed: "),
        "{}",
        one.text
    );
    assert!(!one.text.contains("1010"), "codes are for staff");
    studio
        .clara
        .post(&format!("/uploads/{id}/retry/"), &[])
        .await;
    studio.site.drain().await;
    let [first, second] = studio.cloud.jobs().try_into().unwrap();
    assert_ne!(first["clientRequestToken"], second["clientRequestToken"]);
    studio.cloud.finish(&studio.site);
    studio.tell("m-2", &second, "COMPLETE", json!({})).await;
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Ready");
    let stored = studio.site.stored().await;
    let kept = studio.site.view(id).await.renditions.len();
    assert_eq!(stored.len(), kept, "what nobody needs is gone: {stored:?}");
}

#[tokio::test]
async fn a_file_that_the_service_cannot_look_into_says_so() {
    let studio = studio().await;
    studio
        .cloud
        .probe_answers(422, json!({"message": "corrupt"}));
    let id = studio.film().await;
    assert!(
        studio
            .words(id)
            .await
            .starts_with("Failed: this file is not a recording")
    );
    studio.cloud.probe_answers(
        200,
        json!({"probeResults": [{"container": {"tracks": [{"trackType": "audio"}]}}]}),
    );
    let id = studio.film().await;
    assert_eq!(
        studio.words(id).await,
        "Failed: this file holds sound only. Add it as audio instead"
    );
    assert_eq!(studio.cloud.jobs().len(), 0);
    studio
        .cloud
        .probe_answers(400, json!({"message": "this form is not probed"}));
    studio.film().await;
    let outputs = studio.cloud.job()["settings"]["outputGroups"][0]["outputs"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(outputs, 6, "the whole ladder and its sound");
}

#[tokio::test]
async fn without_a_message_the_site_asks_by_itself() {
    let studio = studio_with(&[("sns_topics", ""), ("sns_trust", "")]).await;
    let id = studio.film().await;
    studio
        .cloud
        .change(json!({"status": "PROGRESSING", "jobPercentComplete": 25}));
    studio.watch().await;
    assert_eq!(
        studio.words(id).await,
        "Processing 0 %",
        "nobody is asked every second"
    );
    studio.site.wait_seconds(60);
    studio.watch().await;
    assert!(studio.words(id).await.starts_with("Processing 25 %"));
    studio.cloud.finish(&studio.site);
    studio.site.wait_seconds(60);
    studio.watch().await;
    assert_eq!(studio.words(id).await, "Ready");
    let asked = studio.cloud.asked().len();
    studio.site.wait_seconds(600);
    studio.watch().await;
    assert_eq!(
        studio.cloud.asked().len(),
        asked,
        "what has ended is not asked for"
    );
}

#[tokio::test]
async fn a_job_that_never_ends_is_ended_and_one_that_is_forgotten_is_told() {
    let studio = studio().await;
    let id = studio.film().await;
    studio.site.wait_seconds(49 * 3600);
    studio.watch().await;
    let words = studio.words(id).await;
    assert!(
        words.contains("has not finished within two days"),
        "{words}"
    );
    assert_eq!(studio.cloud.job()["status"], "CANCELED");
    let id = studio.film().await;
    studio.cloud.change(json!({"id": "another"}));
    studio.site.wait_seconds(3600);
    studio.watch().await;
    let words = studio.words(id).await;
    assert!(words.contains("does not know this one any more"), "{words}");
    assert_eq!(studio.messages().await.len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_job() {
    const START: &str = "POST /2017-08-29/jobs";
    let studio = studio().await;
    studio.cloud.fails(500, START);
    let id = studio.film().await;
    assert_eq!(studio.cloud.jobs().len(), 1);
    let words = studio.words(id).await;
    assert!(
        words.starts_with("In line again: the service that converts recordings does not answer"),
        "{words}"
    );
    studio.site.wait_seconds(6);
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Processing 0 %");
    let asked = studio.cloud.asked();
    let started = asked.iter().filter(|asked| *asked == START).count();
    assert_eq!(started, 1, "the job was found again: {asked:?}");
}

#[tokio::test]
async fn a_job_that_was_started_before_a_crash_is_found_again() {
    let studio = studio().await;
    let id = studio.film().await;
    let job = studio.cloud.job();
    // As the worker leaves it that dies right after the service has answered.
    let [row] = studio.rows().await.try_into().unwrap();
    let mut row = row.into_active_model();
    row.external_id = Set(None);
    row.state = Set(TranscodingState::Starting);
    row.update(studio.site.app.db.writer()).await.unwrap();
    let app = &studio.site.app;
    let upload = studio.site.view(id).await.upload;
    let mut write = app.write().await.unwrap();
    lyceum::jobs::enqueue(app, &mut write, &lyceum::media::ProcessUpload::of(&upload))
        .await
        .unwrap();
    write.commit().await.unwrap();
    studio.site.drain().await;
    let [row] = studio.rows().await.try_into().unwrap();
    assert_eq!(row.external_id.as_deref(), job["id"].as_str());
    assert_eq!(row.state, TranscodingState::Running);
    assert_eq!(studio.cloud.jobs().len(), 1);
}

#[tokio::test]
async fn a_message_that_overtakes_the_answer_is_understood() {
    let studio = studio().await;
    let id = studio.film().await;
    let job = studio.cloud.job();
    let [row] = studio.rows().await.try_into().unwrap();
    let mut row = row.into_active_model();
    row.external_id = Set(None);
    row.state = Set(TranscodingState::Starting);
    row.update(studio.site.app.db.writer()).await.unwrap();
    studio.cloud.finish(&studio.site);
    studio.tell("m-1", &job, "COMPLETE", json!({})).await;
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Ready");
}

#[tokio::test]
async fn a_service_that_is_away_or_refuses_is_tried_again_and_then_told() {
    let studio = studio().await;
    let wrong = studio.cloud.setting_with("another secret");
    let refused = studio_with(&[("transcoder", &wrong)]).await;
    let id = refused
        .form
        .upload(&refused.clara, "video", "bow.mp4", MP4_HEAD.to_vec())
        .await;
    refused.site.drain().await;
    let words = refused.words(id).await;
    assert_eq!(
        words,
        "In line again: this site cannot convert recordings at the moment. Your file is kept and will be \
         processed as soon as it can"
    );
    let detail = refused.site.view(id).await.upload.fault_detail.unwrap();
    assert!(
        detail.contains("403") && detail.contains("signature"),
        "{detail}"
    );
    for _ in 0..6 {
        refused.site.wait_seconds(4000);
        refused.site.drain().await;
    }
    let words = refused.words(id).await;
    assert!(
        words.starts_with("Failed: it was tried several times"),
        "{words}"
    );
    assert_eq!(studio.cloud.jobs().len(), 0);
    assert_eq!(refused.messages().await.len(), 1);
}

#[tokio::test]
async fn whoever_deletes_a_file_ends_its_job() {
    let studio = studio().await;
    let id = studio.film().await;
    let owner_id = studio.site.view(id).await.upload.owner_id;
    let course = studio.site.course(owner_id, "bows").await;
    let module = studio.site.module(course.id, "One").await;
    let kind = lyceum::entities::item::ItemKind::Video;
    let item = studio.site.show(module.id, kind, "Bow", id).await;
    studio.site.delete_item(item).await;
    studio.site.drain().await;
    assert_eq!(studio.cloud.job()["status"], "CANCELED");
    let job = studio.cloud.job();
    studio.tell("m-1", &job, "CANCELED", json!({})).await;
    studio.tell("m-2", &job, "COMPLETE", json!({})).await;
    studio.site.drain().await;
    assert_eq!(studio.messages().await, []);
    assert_eq!(studio.site.stored().await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_stops_a_file_ends_its_job_and_may_begin_anew() {
    let studio = studio().await;
    let id = studio.film().await;
    studio.cloud.finish(&studio.site);
    studio.cloud.change(json!({"status": "PROGRESSING"}));
    let path = format!("/uploads/{id}/cancel/");
    assert!(studio.clara.post(&path, &[]).await.status < 400);
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Stopped. Try again when you like.");
    let job = studio.cloud.job();
    assert_eq!(job["status"], "CANCELED");
    assert_eq!(studio.site.stored().await.len(), 1, "only what was sent");
    studio.tell("m-1", &job, "COMPLETE", json!({})).await;
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Stopped. Try again when you like.");
    studio
        .clara
        .post(&format!("/uploads/{id}/retry/"), &[])
        .await;
    studio.site.drain().await;
    studio.cloud.finish(&studio.site);
    let job = studio.cloud.jobs().pop().unwrap();
    studio.tell("m-2", &job, "COMPLETE", json!({})).await;
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Ready");
    assert_eq!(studio.cloud.jobs().len(), 2);
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_is_ended_by_the_watch() {
    let studio = studio().await;
    let id = studio.film().await;
    let mut upload = studio.site.view(id).await.upload.into_active_model();
    upload.state = Set(UploadState::Failed);
    upload.update(studio.site.app.db.writer()).await.unwrap();
    studio.site.wait_seconds(600);
    studio.watch().await;
    assert_eq!(studio.cloud.job()["status"], "CANCELED");
    assert_eq!(studio.rows().await[0].state, TranscodingState::Canceled);
}

#[tokio::test]
async fn a_job_stopped_at_the_service_is_told() {
    let studio = studio().await;
    let id = studio.film().await;
    studio
        .tell("m-1", &studio.cloud.job(), "CANCELED", json!({}))
        .await;
    assert_eq!(
        studio.words(id).await,
        "Failed: the conversion of this recording was stopped. Try again"
    );
}

#[tokio::test]
async fn results_that_are_not_whole_are_not_shown() {
    for (file, text) in [
        ("video.mp4", ""),
        ("master.m3u8", "#EXTM3U\nhttps://evil.com/a.m3u8\n"),
        ("master.m3u8", "#EXTM3U\nmaster-v1080.m3u8\n"),
        ("master-v240.m3u8", "no playlist"),
    ] {
        let studio = studio().await;
        let id = studio.film().await;
        studio.cloud.finish(&studio.site);
        let prefix = studio.site.view(id).await.upload.prefix;
        let row = &studio.rows().await[0];
        let path = format!("files/{prefix}/cloud-{}/{file}", row.id);
        std::fs::write(studio.site.folder().join(path), text).unwrap();
        studio
            .tell("m-1", &studio.cloud.job(), "COMPLETE", json!({}))
            .await;
        studio.site.drain().await;
        let words = studio.words(id).await;
        assert!(words.contains("are not complete"), "{file}: {words}");
        let detail = studio.site.view(id).await.upload.fault_detail.unwrap();
        assert!(detail.contains(file.split('.').next().unwrap()), "{detail}");
        assert_eq!(
            studio.site.view(id).await.renditions.len(),
            1,
            "only what was sent"
        );
    }
}

#[tokio::test]
async fn a_message_of_completion_is_no_proof_of_it() {
    let studio = studio().await;
    let id = studio.film().await;
    studio
        .tell("m-1", &studio.cloud.job(), "COMPLETE", json!({}))
        .await;
    studio.site.drain().await;
    assert!(studio.words(id).await.starts_with("Processing 99 %"));
    studio.cloud.finish(&studio.site);
    studio.site.wait_seconds(6);
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Ready");
}

#[tokio::test]
async fn the_name_of_a_job_decides_and_no_message_touches_another_file() {
    let studio = studio().await;
    let first = studio.film().await;
    let second = studio.film().await;
    let [one, two] = studio.cloud.jobs().try_into().unwrap();
    // The job of one with the mark of the other, and a job of somebody else with either's mark.
    let mut mixed = one.clone();
    mixed["userMetadata"] = two["userMetadata"].clone();
    studio
        .tell("m-1", &mixed, "ERROR", json!({"errorCode": 1010}))
        .await;
    assert!(studio.words(first).await.starts_with("Failed"));
    assert_eq!(studio.words(second).await, "Processing 0 %");
    let mut foreign = two.clone();
    foreign["id"] = "9999-foreign".into();
    studio
        .tell("m-2", &foreign, "ERROR", json!({"errorCode": 1010}))
        .await;
    foreign["userMetadata"] = json!({});
    studio.tell("m-3", &foreign, "COMPLETE", json!({})).await;
    studio.site.drain().await;
    assert_eq!(studio.words(second).await, "Processing 0 %");
    assert_eq!(studio.messages().await.len(), 1);
}

#[tokio::test]
async fn a_job_of_another_program_tells_the_owner_of_the_file_once_and_changes_nothing() {
    let studio = studio().await;
    let id = studio.film().await;
    let before = studio.site.view(id).await;
    let key = format!("lyceum/{}/original", before.upload.prefix);
    let elastic = |state: &str, job: &str, key: &str| {
        json!({"state": state, "version": "2012-09-25", "jobId": job, "pipelineId": "1",
               "input": {"key": key}, "errorCode": 4000, "messageDetails": "bad",
               "outputs": [{"key": "a.mp3", "status": "Complete", "duration": 3}]})
        .to_string()
    };
    for (number, text) in [
        elastic("PROGRESSING", "1415-a", &key),
        elastic("WARNING", "1415-a", &key),
        elastic("COMPLETED", "1415-a", &key),
        elastic("COMPLETED", "1415-a", &key),
        elastic("ERROR", "1415-b", &key),
        elastic("ERROR", "1415-b", &key),
        elastic("COMPLETED", "1415-c", "uploads/elsewhere/original"),
        elastic("COMPLETED", "1415-d", ""),
    ]
    .iter()
    .enumerate()
    {
        let message = studio.sns.notification(&format!("m-{number}"), text);
        studio
            .site
            .tell_at("/audio/transcode-complete/", &message)
            .await
            .expect(200);
    }
    let [done, failed] = studio.messages().await.try_into().unwrap();
    assert_eq!(done.text, "Your file bow.mp4 has been processed");
    assert_eq!(done.recipient_id, before.upload.owner_id);
    assert!(
        failed
            .text
            .starts_with("Your file bow.mp4 could not be processed: "),
        "{}",
        failed.text
    );
    assert_eq!(studio.site.view(id).await, before);
}

#[tokio::test]
async fn who_was_told_of_a_conversion_elsewhere_still_hears_when_her_film_can_be_seen() {
    let studio = studio().await;
    let id = studio.film().await;
    let upload = studio.site.view(id).await.upload;
    let course = studio.site.course(upload.owner_id, "bows").await;
    let module = studio.site.module(course.id, "One").await;
    let kind = lyceum::entities::item::ItemKind::Video;
    studio.site.show(module.id, kind, "Bow", id).await;
    let elsewhere = async |message: &str, job: &str| {
        let key = format!("lyceum/{}/original", upload.prefix);
        let text = json!({"state": "COMPLETED", "jobId": job, "input": {"key": key}});
        let message = studio.sns.notification(message, &text.to_string());
        studio.site.tell(&message).await.expect(200);
    };
    elsewhere("m-1", "1415-a").await;
    assert!(studio.words(id).await.starts_with("Processing"));
    studio.cloud.finish(&studio.site);
    studio
        .tell("m-2", &studio.cloud.job(), "COMPLETE", json!({}))
        .await;
    studio.site.drain().await;
    assert_eq!(studio.words(id).await, "Ready");
    elsewhere("m-3", "1415-b").await;
    let lesson = format!("/students/course/{}/{}/", course.id, module.id);
    let links: Vec<String> = studio
        .messages()
        .await
        .into_iter()
        .map(|message| message.link)
        .collect();
    assert_eq!(links, ["", &lesson, &lesson], "no link before it is ready");
}

/// The same site after its operator has told it to convert by itself.
async fn by_itself(site: &TestApp) -> lyceum::app::App {
    let mut config = site.app.config.clone();
    config.transcoder = "local:".into();
    let opened = lyceum::app::App::open(config, site.clock.clone(), false);
    Box::pin(opened).await.unwrap()
}

async fn watch_and_drain(app: &lyceum::app::App) {
    let mut write = app.write().await.unwrap();
    lyceum::jobs::enqueue(app, &mut write, &WatchTranscodings {})
        .await
        .unwrap();
    write.commit().await.unwrap();
    lyceum::jobs::drain(app, &lyceum::registry::registry())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_site_that_converts_by_itself_again_takes_over() {
    let studio = studio().await;
    let id = studio.film().await;
    let app = by_itself(&studio.site).await;
    studio.site.wait_seconds(600);
    watch_and_drain(&app).await;
    let words = studio.words(id).await;
    assert!(
        words.starts_with("Failed"),
        "ffmpeg has looked at it: {words}"
    );
    assert_eq!(studio.rows().await[0].state, TranscodingState::Canceled);
}

#[tokio::test]
async fn a_site_that_converts_by_itself_again_takes_over_what_was_to_be_collected() {
    let studio = studio().await;
    let id = studio.film().await;
    studio
        .tell("m-1", &studio.cloud.job(), "COMPLETE", json!({}))
        .await;
    assert_eq!(studio.rows().await[0].state, TranscodingState::Collecting);
    let app = by_itself(&studio.site).await;
    lyceum::jobs::drain(&app, &lyceum::registry::registry())
        .await
        .unwrap();
    assert_eq!(studio.rows().await[0].state, TranscodingState::Canceled);
    let words = studio.words(id).await;
    assert!(
        words.starts_with("Failed"),
        "ffmpeg has looked at it: {words}"
    );
    assert_eq!(studio.messages().await.len(), 1);
    // The watch finds nothing more to hand over.
    studio.site.wait_seconds(600);
    watch_and_drain(&app).await;
    assert_eq!(studio.site.jobs_of(id).await.len(), 3);
    assert_eq!(studio.messages().await.len(), 1);
}

#[tokio::test]
async fn results_that_nobody_looks_at_are_looked_at_after_all() {
    let studio = studio().await;
    let id = studio.film().await;
    studio.cloud.finish(&studio.site);
    let [row] = studio.rows().await.try_into().unwrap();
    let mut row = row.into_active_model();
    row.state = Set(TranscodingState::Collecting);
    row.update(studio.site.app.db.writer()).await.unwrap();
    studio.site.wait_seconds(600);
    studio.watch().await;
    assert_eq!(studio.words(id).await, "Ready");
}

#[tokio::test]
async fn jobs_that_cannot_be_asked_for_keep_the_watch_from_no_other() {
    let studio = studio().await;
    let stuck = studio.film().await;
    let [row] = studio.rows().await.try_into().unwrap();
    for number in 0..50 {
        let mut other = row.clone().into_active_model();
        other.id = NotSet;
        other.token = Set(format!("token-{number}"));
        other.external_id = Set(None);
        other.state = Set(TranscodingState::Starting);
        other.insert(studio.site.app.db.writer()).await.unwrap();
    }
    let mut row = row.into_active_model();
    row.external_id = Set(None);
    row.state = Set(TranscodingState::Starting);
    row.update(studio.site.app.db.writer()).await.unwrap();
    studio.site.wait_seconds(60);
    let id = studio.film().await;
    studio.cloud.finish(&studio.site);
    studio.site.wait_seconds(600);
    studio.watch().await;
    studio.watch().await;
    assert_eq!(studio.words(id).await, "Ready");
    assert!(studio.words(stuck).await.starts_with("Processing"));
}

#[tokio::test]
async fn what_is_long_past_is_swept() {
    let studio = studio().await;
    studio.film().await;
    studio
        .tell(
            "m-1",
            &studio.cloud.job(),
            "ERROR",
            json!({"errorCode": 1010}),
        )
        .await;
    studio.site.wait_seconds(31 * 86_400);
    let app = &studio.site.app;
    let mut write = app.write().await.unwrap();
    lyceum::jobs::enqueue(app, &mut write, &lyceum::media::SweepMedia {})
        .await
        .unwrap();
    write.commit().await.unwrap();
    studio.site.drain().await;
    assert_eq!(studio.rows().await, []);
    let heeded = lyceum::entities::sns_message::Entity::find();
    assert_eq!(heeded.all(app.db.read()).await.unwrap(), []);
}

#[tokio::test]
async fn readiness_asks_the_service_with_its_keys_and_stays_ready_without_it() {
    let studio = studio().await;
    let told = |page: &crate::kit::Page| {
        let services = page.expect(200).json();
        let mut all = services.as_array().unwrap().iter();
        all.find(|service| service["service"] == "transcoder")
            .unwrap()["is_well"]
            .clone()
    };
    assert_eq!(told(&studio.site.visitor().get("/readyz").await), true);
    let wrong = studio.cloud.setting_with("another secret");
    let refused = studio_with(&[("transcoder", &wrong)]).await;
    assert_eq!(told(&refused.site.visitor().get("/readyz").await), false);
}
