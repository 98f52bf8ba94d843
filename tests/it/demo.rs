//! The demo school: whole or not at all, once, and on empty sites only.

use crate::kit::{Role, TestApp};
use lyceum::demo::school::School;
use lyceum::demo::{DemoError, Outcome, fill};
use lyceum::entities::{course, user};
use lyceum::media::UploadState;
use sea_orm::{EntityTrait, PaginatorTrait};
use std::path::PathBuf;

/// A stand-in for every file of the school: small, but of the kind that its name says.
async fn recordings(site: &TestApp) -> PathBuf {
    let folder = site.scratch("recordings");
    tokio::fs::create_dir_all(&folder).await.unwrap();
    for name in School::embedded().unwrap().files() {
        let ending = name.rsplit_once('.').unwrap().1;
        let bytes = match ending {
            "pdf" => b"%PDF-1.4\n%%EOF\n".to_vec(),
            "txt" | "csv" | "md" => b"one\ntwo\n".to_vec(),
            "png" | "jpg" => {
                site.recording(name, "-f lavfi -i color=teal:s=64x48 -frames:v 1")
                    .await
            }
            "wav" | "ogg" | "mp3" => site.recording(name, "-f lavfi -i sine=440:d=0.5").await,
            _ => {
                let picture = "-f lavfi -i testsrc=s=64x48:r=10:d=0.5 -f lavfi -i sine=440:d=0.5";
                site.recording(name, picture).await
            }
        };
        tokio::fs::write(folder.join(name), bytes).await.unwrap();
    }
    for name in School::embedded().unwrap().captions() {
        let captions = "WEBVTT\n\n00:00.100 --> 00:00.400\nOne word.\n";
        tokio::fs::write(folder.join(name), captions).await.unwrap();
    }
    folder
}

#[tokio::test]
async fn the_demo_school_fills_an_empty_site_once_and_all_its_files_become_ready() {
    let site = TestApp::start().await;
    let folder = recordings(&site).await;
    let school = School::embedded().unwrap();
    let filled = fill(&site.app, &folder).await.unwrap();
    assert_eq!(
        filled,
        Outcome::Filled {
            files: school.files().len()
        }
    );
    site.drain().await;
    let uploads = site.uploads().await;
    assert!(
        uploads
            .iter()
            .all(|upload| upload.state == UploadState::Ready),
        "{uploads:?}"
    );

    assert_eq!(fill(&site.app, &folder).await.unwrap(), Outcome::WasThere);
    let courses = course::Entity::find()
        .count(site.app.db.read())
        .await
        .unwrap();
    assert_eq!(courses, school.courses.len() as u64);
    assert_eq!(site.uploads().await.len(), uploads.len());
}

#[tokio::test]
async fn the_first_student_of_the_demo_school_can_log_in_and_study() {
    let site = TestApp::start().await;
    fill(&site.app, &recordings(&site).await).await.unwrap();
    let browser = site.visitor();
    browser.get("/accounts/login/").await.expect(200);
    let maya = [("username", "maya"), ("password", "seventh-fret-90")];
    browser.post("/accounts/login/", &maya).await.expect(303);
    browser
        .get("/students/courses/")
        .await
        .expect(200)
        .has("How Strings Sing");
    browser
        .get("/course/electricity-at-the-kitchen-table/")
        .await
        .expect(404);
}

#[tokio::test]
async fn a_site_in_use_is_not_filled() {
    let site = TestApp::start().await;
    let owner = site.person("ingrid", Role::Instructor).await;
    site.course(owner, "my-own").await;
    let refused = fill(&site.app, &recordings(&site).await).await.unwrap_err();
    assert!(matches!(refused, DemoError::NotEmpty), "{refused}");
}

#[tokio::test]
async fn without_its_recordings_the_demo_school_changes_nothing_and_says_what_to_do() {
    let site = TestApp::start().await;
    let folder = recordings(&site).await;
    let missing = School::embedded()
        .unwrap()
        .files()
        .last()
        .unwrap()
        .to_string();
    tokio::fs::remove_file(folder.join(&missing)).await.unwrap();
    let refused = fill(&site.app, &folder).await.unwrap_err().to_string();
    assert!(
        refused.contains(&missing) && refused.contains("demo/recordings.sh"),
        "{refused}"
    );
    assert_eq!(
        user::Entity::find()
            .count(site.app.db.read())
            .await
            .unwrap(),
        0
    );
    assert_eq!(site.stored().await, Vec::<String>::new());
}
