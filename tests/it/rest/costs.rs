//! What lists cost: as many statements for many rows as for few, each of them. The lists come from the router, so that none
//! can be forgotten.

use crate::kit::{Browser, Role, TestApp, account_row};
use chrono::TimeDelta;
use lyceum::entities::announcement::{AnnouncementState, Audience};
use lyceum::entities::chat_act::ChatActKind;
use lyceum::entities::enrollment_request::RequestState;
use lyceum::entities::item::ItemKind;
use lyceum::entities::job::JobState;
use lyceum::entities::message::MessageLevel;
use lyceum::entities::upload::UploadKind;
use lyceum::entities::{
    announcement, audit_entry, chat_act, chat_limit, chat_room, enrollment_request, group,
    group_permission, invitation, invitation_use, job, message, session, subject, upload, user,
    user_group,
};
use lyceum::router;
use lyceum::web::permissions;
use reqwest::Method;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
use std::collections::BTreeMap;
use std::ops::Range;

const FEW: Range<usize> = 0..3;
const MANY: Range<usize> = 3..23;

/// Lists that are as long as the program has parts, whatever is stored.
const FIXED: [&str; 2] = ["/api/jobs/kinds/", "/api/caches/"];

/// Languages of captions, one for each row.
const LANGUAGES: [&str; 23] = [
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "fi", "nb", "pl", "cs", "sk", "sl", "hr",
    "hu", "ro", "bg", "el", "tr", "uk", "ja",
];

/// A site in whose tables the lists grow, as she sees it who sees all: staff, who teaches, studies, uploads and is told.
struct School {
    site: TestApp,
    sofia: Browser,
    id: i64,
    hash: String,
    /// What stands in the paths of lists below something.
    course: i64,
    film: i64,
    recording: upload::Model,
}

impl School {
    async fn start() -> Self {
        let site = TestApp::start_with(&[("cache", "off:")]).await;
        let id = site.person("sofia", Role::Staff).await;
        let sofia = site.login("sofia").await;
        let found = user::Entity::find_by_id(id).one(site.app.db.read()).await;
        let hash = found.unwrap().unwrap().password_hash;
        let course = site.course(id, "course").await.id;
        let module = site.module(course, "Module").await.id;
        let recording = site.film(id, 90.0).await;
        let film = site.content(module, "Film", |row| {
            row.kind = Set(ItemKind::Video);
            row.upload_id = Set(Some(recording.id));
        });
        let film = film.await.id;
        Self {
            site,
            sofia,
            id,
            hash,
            course,
            film,
            recording,
        }
    }

    /// Every list of the API, with the parameters that show more than one's own.
    fn lists(&self) -> Vec<String> {
        let endpoints = router::api().endpoints();
        let lists = endpoints.filter(|endpoint| {
            let shown = endpoint.operation(&Method::GET);
            shown.is_some_and(|operation| operation.is_list)
        });
        let mut paths: Vec<String> = lists.map(|endpoint| self.filled(&endpoint.path)).collect();
        let more = ["enrollments/?everybody=true", "courses/?draft=true"];
        paths.extend(more.map(|path| format!("/api/{path}")));
        let table = |path: &String| match path.split_once("/?") {
            Some((list, query)) => format!("{list}.csv?{query}"),
            None => format!("{}.csv", path.trim_end_matches('/')),
        };
        let tables: Vec<String> = paths.iter().map(table).collect();
        paths.extend(tables);
        paths
    }

    fn filled(&self, path: &str) -> String {
        let id = match path {
            "/api/contents/{id}/captions/" => self.film,
            _ => self.course,
        };
        path.replace("{id}", &id.to_string())
    }

    async fn insert<A>(&self, row: A) -> <A::Entity as EntityTrait>::Model
    where
        A: ActiveModelTrait + sea_orm::ActiveModelBehavior + Send,
        <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    {
        row.insert(self.site.app.db.writer()).await.unwrap()
    }

    /// One row more in every list.
    async fn grow(&self, at: usize) {
        let somebody = self.somebody(at).await;
        self.courses(at, somebody).await;
        self.people_of_the_course(at, somebody).await;
        self.files(at).await;
        self.room(somebody).await;
        self.own(at).await;
        self.run(at).await;
    }

    /// An account, in a group of its own.
    async fn somebody(&self, at: usize) -> i64 {
        let now = self.site.clock.now();
        let made = self.insert(user::ActiveModel {
            name: Set(format!("Somebody {at}")),
            password_hash: Set(self.hash.clone()),
            ..account_row(&format!("somebody-{at}"), now)
        });
        let user_id = made.await.id;
        let group_id = self.insert(group::ActiveModel {
            name: Set(format!("Group {at}")),
            ..Default::default()
        });
        let group_id = group_id.await.id;
        for permission in [permissions::VIEW_COURSE, permissions::ADD_COURSE] {
            self.insert(group_permission::ActiveModel {
                group_id: Set(group_id),
                permission: Set(permission.into()),
            })
            .await;
        }
        self.insert(user_group::ActiveModel {
            user_id: Set(user_id),
            group_id: Set(group_id),
        })
        .await;
        user_id
    }

    /// Subjects, courses, drafts, modules, contents.
    async fn courses(&self, at: usize, somebody: i64) {
        self.insert(subject::ActiveModel {
            title: Set(format!("Subject {at}")),
            slug: Set(format!("subject-{at}")),
            ..Default::default()
        })
        .await;
        let site = &self.site;
        site.draft(somebody, &format!("draft-{at}")).await;
        let course = site.course(somebody, &format!("course-{at}")).await.id;
        let module = site.module(course, "Module").await.id;
        site.text(module, "Text", "words").await;
        site.film_content(module, "Film", 90.0).await;
        // Of hers, so that she has as many rooms.
        let own = site.course(self.id, &format!("own-{at}")).await.id;
        site.enrollment(self.id, own).await;
        self.insert(chat_room::ActiveModel {
            course_id: Set(own),
            last: Set(0),
            last_line: Set(0),
            said_at: Set(None),
            is_locked: Set(true),
            slow_seconds: Set(0),
        })
        .await;
    }

    /// Who is in the course, who asks, who came by an invitation.
    async fn people_of_the_course(&self, at: usize, somebody: i64) {
        let now = self.site.clock.now();
        self.site.enrollment(somebody, self.course).await;
        self.insert(enrollment_request::ActiveModel {
            course_id: Set(self.course),
            user_id: Set(somebody),
            state: Set(RequestState::Asked),
            reason: Set(String::new()),
            created_at: Set(now),
            ..Default::default()
        })
        .await;
        let invitation = self.insert(invitation::ActiveModel {
            course_id: Set(self.course),
            owner_id: Set(self.id),
            token_hash: Set(format!("hash-{at}")),
            note: Set(format!("Invitation {at}")),
            uses: Set(1),
            created_at: Set(now),
            ..Default::default()
        });
        self.insert(invitation_use::ActiveModel {
            invitation_id: Set(invitation.await.id),
            user_id: Set(somebody),
            created_at: Set(now),
        })
        .await;
    }

    /// Her files, one that is not finished, and captions.
    async fn files(&self, at: usize) {
        let site = &self.site;
        let file = site.file(self.id, UploadKind::Audio, "song.mp3", |_| {});
        site.rendition(&file.await, "original", "audio/mpeg", None)
            .await;
        let name = format!("{at}.bin");
        let pairs = [("filename", name.as_str())];
        self.sofia.announce(&pairs, 1_000).await;
        let language = LANGUAGES[at];
        let name = format!("captions-{language}.vtt");
        site.rendition(&self.recording, &name, "text/vtt", None)
            .await;
    }

    /// Who is muted, and what moderators did.
    async fn room(&self, somebody: i64) {
        let until = self.site.clock.now() + TimeDelta::days(1);
        self.insert(chat_limit::ActiveModel {
            course_id: Set(self.course),
            user_id: Set(somebody),
            muted_until: Set(Some(until)),
            said_at: Set(None),
        })
        .await;
        self.insert(chat_act::ActiveModel {
            course_id: Set(self.course),
            moderator_id: Set(Some(self.id)),
            kind: Set(ChatActKind::Mute),
            user_id: Set(Some(somebody)),
            until: Set(Some(until)),
            created_at: Set(self.site.clock.now()),
            ..Default::default()
        })
        .await;
    }

    /// Her messages and sessions.
    async fn own(&self, at: usize) {
        let now = self.site.clock.now();
        self.insert(message::ActiveModel {
            recipient_id: Set(self.id),
            text: Set(format!("Message {at}")),
            level: Set(MessageLevel::Info),
            link: Set(String::new()),
            is_read: Set(false),
            created_at: Set(now),
            ..Default::default()
        })
        .await;
        self.insert(session::ActiveModel {
            user_id: Set(self.id),
            token_hash: Set(format!("hash-{at}")),
            user_agent: Set(String::new()),
            address: Set(String::new()),
            created_at: Set(now),
            last_seen_at: Set(now),
            expires_at: Set(now + TimeDelta::days(1)),
            ..Default::default()
        })
        .await;
    }

    /// Jobs, announcements, lines of the log.
    async fn run(&self, at: usize) {
        let now = self.site.clock.now();
        self.insert(job::ActiveModel {
            kind: Set("media.process_upload".into()),
            payload: Set(format!("{{\"upload_id\":{}}}", self.recording.id)),
            state: Set(JobState::Failed),
            priority: Set(0),
            round: Set(0),
            turn: Set(0),
            is_awaited: Set(false),
            attempts: Set(3),
            fence: Set(1),
            owner_id: Set(Some(self.id)),
            run_at: Set(now),
            max_attempts: Set(3),
            fault: Set(Some("It is broken.".into())),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        })
        .await;
        self.insert(announcement::ActiveModel {
            author_id: Set(Some(self.id)),
            author_name: Set("sofia".into()),
            audience: Set(Audience::Course),
            audience_id: Set(Some(self.course)),
            audience_name: Set(Some("Course".into())),
            text: Set(format!("Announcement {at}")),
            link: Set(String::new()),
            state: Set(AnnouncementState::Sent),
            expected: Set(1),
            told: Set(1),
            last_user_id: Set(0),
            created_at: Set(now),
            ended_at: Set(Some(now)),
            ..Default::default()
        })
        .await;
        self.insert(audit_entry::ActiveModel {
            created_at: Set(now),
            actor_id: Set(Some(self.id)),
            actor_name: Set("sofia".into()),
            via: Set("api".into()),
            address: Set(String::new()),
            act: Set("change".into()),
            object_kind: Set("course".into()),
            object_id: Set(self.course),
            object_name: Set(format!("Course {at}")),
            changes: Set("[]".into()),
            ..Default::default()
        })
        .await;
    }

    /// Statements and rows of every list.
    async fn costs(&self) -> BTreeMap<String, (u64, usize)> {
        let mut costs = BTreeMap::new();
        for path in self.lists() {
            let page = self.sofia.get(&path).await;
            let rows = if path.contains(".csv") {
                page.expect(200).text().lines().count()
            } else {
                page.expect(200).json().as_array().unwrap().len()
            };
            let statements = self.site.statements_of(self.sofia.get(&path)).await;
            costs.insert(path, (statements, rows));
        }
        costs
    }
}

#[tokio::test]
async fn every_list_costs_as_many_statements_for_many_rows_as_for_few() {
    let site = School::start().await;
    for at in FEW {
        site.grow(at).await;
    }
    let few = site.costs().await;
    for at in MANY {
        site.grow(at).await;
    }
    let many = site.costs().await;
    assert!(few.len() > 40, "{few:?}");
    let mut faults = Vec::new();
    for (path, (statements, rows)) in &few {
        let (more_statements, more_rows) = many[path];
        let is_fixed = FIXED.contains(&path.replace(".csv", "/").as_str());
        if !is_fixed && more_rows < rows + MANY.len() {
            faults.push(format!("{path} has grown from {rows} to {more_rows} alone"));
        }
        if *rows == 0 || more_statements != *statements {
            faults.push(format!(
                "{path} costs {statements} statements for {rows} rows and {more_statements} for {more_rows}"
            ));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
