//! The admin site: who may come in and do what, lists that keep their place, forms, what is done to many at once, and the
//! log that is written with every change.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp, account_row};
use lyceum::accounts::{self, NewToken};
use lyceum::entities::{
    audit_entry, chat_room, course, enrollment, group, group_permission, module, session, subject,
    token, user, user_group,
};
use lyceum::web::permissions::admin;
use reqwest::Method;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder,
};
use serde_json::json;

const LISTS: [(&str, &str); 10] = [
    ("/admin/users/", admin::VIEW_USER),
    ("/admin/groups/", admin::STAFF),
    ("/admin/subjects/", admin::VIEW_SUBJECT),
    ("/admin/courses/", admin::VIEW_COURSE),
    ("/admin/contents/", admin::VIEW_COURSE),
    ("/admin/enrollments/", admin::VIEW_ENROLLMENT),
    ("/admin/uploads/", admin::VIEW_UPLOAD),
    ("/admin/rooms/", admin::VIEW_ROOM),
    ("/admin/tokens/", admin::VIEW_TOKEN),
    ("/admin/log/", admin::VIEW_LOG),
];

async fn staff(site: &TestApp) -> Browser {
    site.login_as("sofia", Role::Staff).await
}

/// Somebody whom a group of her own gives these permissions.
async fn helper(site: &TestApp, name: &str, permissions: &[&str]) -> Browser {
    let id = site.person(name, Role::Student).await;
    let db = site.app.db.writer();
    let row = group::ActiveModel {
        name: Set(format!("Group of {name}")),
        ..Default::default()
    };
    let group_id = group::Entity::insert(row)
        .exec(db)
        .await
        .unwrap()
        .last_insert_id;
    for permission in permissions {
        let row = group_permission::ActiveModel {
            group_id: Set(group_id),
            permission: Set((*permission).to_owned()),
        };
        group_permission::Entity::insert(row)
            .exec_without_returning(db)
            .await
            .unwrap();
    }
    let row = user_group::ActiveModel {
        user_id: Set(id),
        group_id: Set(group_id),
    };
    user_group::Entity::insert(row)
        .exec_without_returning(db)
        .await
        .unwrap();
    site.account_changed(id).await;
    site.login(name).await
}

async fn account(site: &TestApp, name: &str) -> user::Model {
    let found = user::Entity::find().filter(user::Column::Username.eq(name));
    found.one(site.app.db.read()).await.unwrap().unwrap()
}

async fn act(browser: &Browser, table: &str, action: &str, ids: &[i64]) -> Page {
    let count = ids.len().to_string();
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    let mut fields = vec![("action", action), ("confirmed", count.as_str())];
    fields.extend(ids.iter().map(|id| ("id", id.as_str())));
    browser.post(&format!("/admin/{table}/act/"), &fields).await
}

#[tokio::test]
async fn every_place_is_closed_to_who_holds_no_permission_for_it() {
    let site = TestApp::start().await;
    let visitor = site.visitor();
    let teacher = site.login_as("tomas", Role::Instructor).await;
    let staff = staff(&site).await;
    let other = helper(&site, "rooms", &[admin::VIEW_ROOM]).await;
    for (path, permission) in LISTS {
        let refused = visitor.get(path).await;
        refused.expect(302);
        assert!(refused.location().starts_with("/accounts/login/"));
        teacher.get(path).await.expect(403);
        staff.get(path).await.expect(200);
        let expected = if permission == admin::VIEW_ROOM {
            200
        } else {
            403
        };
        other.get(path).await.expect(expected);
    }
    teacher.get("/admin/").await.expect(403);
    // Who may see one place is led there, and sees no other at the side.
    assert_eq!(other.get("/admin/").await.location(), "/admin/rooms/");
    other
        .get("/admin/rooms/")
        .await
        .has("href=\"/admin/rooms/\"")
        .lacks("href=\"/admin/users/\"")
        .lacks("href=\"/admin/cache/\"");
}

#[tokio::test]
async fn each_action_is_refused_to_who_may_look_only() {
    let site = TestApp::start().await;
    let views: Vec<&str> = admin::ALL
        .into_iter()
        .filter(|name| name.starts_with("admin.view_"))
        .collect();
    let looker = helper(&site, "vera", &views).await;
    let owner = site.person("tomas", Role::Instructor).await;
    let course = site.course(owner, "strings").await;
    let subject = course.subject_id;
    let before = site.log().await.len();
    let fields = [("title", "New"), ("slug", "new")];
    for path in [
        "/admin/subjects/add/".to_owned(),
        format!("/admin/subjects/{subject}/"),
        "/admin/users/add/".to_owned(),
        format!("/admin/users/{owner}/"),
        "/admin/groups/add/".to_owned(),
        "/admin/courses/add/".to_owned(),
        format!("/admin/courses/{}/", course.id),
        "/admin/enrollments/add/".to_owned(),
    ] {
        looker.post(&path, &fields).await.expect(403);
    }
    for (table, action) in [
        ("users", "deactivate"),
        ("users", "activate"),
        ("users", "password"),
        ("users", "end-sessions"),
        ("users", "two-factor"),
        ("groups", "delete"),
        ("subjects", "delete"),
        ("courses", "publish"),
        ("courses", "withdraw"),
        ("courses", "delete"),
        ("enrollments", "remove"),
        ("uploads", "delete"),
        ("rooms", "lock"),
        ("rooms", "unlock"),
        ("tokens", "revoke"),
    ] {
        let asked = format!("/admin/{table}/act/?action={action}&id={owner}");
        looker.get(&asked).await.expect(403);
        act(&looker, table, action, &[owner]).await.expect(403);
        // What is not allowed is not offered either.
        let list = looker.get(&format!("/admin/{table}/")).await;
        list.lacks(&format!("value=\"{action}\""));
    }
    looker
        .post("/admin/enrollments/import/1/", &[])
        .await
        .expect(403);
    looker
        .get(&format!("/admin/courses/{}/", course.id))
        .await
        .expect(200)
        .lacks(">Save</button>");
    assert_eq!(site.log().await.len(), before, "nothing was done");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_subject_is_added_with_an_address_made_from_its_title_changed_and_deleted() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let faulty = staff
        .post(
            "/admin/subjects/add/",
            &[("title", ""), ("slug", "no spaces please")],
        )
        .await;
    // All at once, and what was typed stays.
    faulty
        .expect(422)
        .has("2 things to mend")
        .has("A subject needs a title.")
        .has("value=\"no spaces please\"");
    let fields = [
        ("title", "Ancient Greek"),
        ("slug", ""),
        ("back", "q=gre&sort=-title"),
    ];
    let done = staff.post("/admin/subjects/add/", &fields).await;
    done.expect(303);
    // The list as it was before.
    assert_eq!(
        done.leads_to(),
        "/admin/subjects/?q=gre&sort=-title&done=add"
    );
    staff
        .get(&done.location())
        .await
        .expect(200)
        .has("ancient-greek")
        .has("Added.");
    let found = subject::Entity::find().filter(subject::Column::Slug.eq("ancient-greek"));
    let row = found.one(site.app.db.read()).await.unwrap().unwrap();
    let path = format!("/admin/subjects/{}/", row.id);
    let taken = [("title", "Ancient Greek"), ("slug", "music")];
    staff
        .post(&path, &taken)
        .await
        .expect(422)
        .has("Another subject has this address");
    let fields = [("title", "Greek"), ("slug", "ancient-greek")];
    staff.post(&path, &fields).await.expect(303);
    // The catalogue shows it at once.
    site.visitor()
        .get("/")
        .await
        .has("Greek")
        .lacks("Ancient Greek");
    staff
        .get(&format!("/admin/subjects/act/?action=delete&id={}", row.id))
        .await
        .has("Delete: Greek?");
    act(&staff, "subjects", "delete", &[row.id])
        .await
        .expect(303);
    let lines = site.log().await;
    let told: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            (
                line.act.as_str(),
                line.object_kind.as_str(),
                line.object_name.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("add", "subject", "Ancient Greek"),
            ("change", "subject", "Greek"),
            ("delete", "subject", "Greek")
        ]
    );
    let change = serde_json::from_str::<serde_json::Value>(&lines[1].changes).unwrap();
    assert_eq!(
        change,
        json!([{"field": "title", "before": "Ancient Greek", "after": "Greek"}])
    );
    assert_eq!(lines[1].actor_name, "sofia");
    assert_eq!(
        (lines[1].via.as_str(), lines[1].address.as_str()),
        ("admin", "127.0.0.1")
    );
    // Saving what is there already is no change.
    let music = subject::Entity::find().filter(subject::Column::Slug.eq("music"));
    let music = music.one(site.app.db.read()).await.unwrap().unwrap();
    let same = [("title", music.title.as_str()), ("slug", "music")];
    staff
        .post(&format!("/admin/subjects/{}/", music.id), &same)
        .await
        .expect(303);
    assert_eq!(site.log().await.len(), 3);
}

#[tokio::test]
async fn a_list_is_searched_sorted_filtered_and_paged_with_a_constant_number_of_statements() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    site.person("ada", Role::Student).await;
    let few = site.statements_of_cold(&staff, "/admin/users/").await;
    let now = site.clock.now();
    let many = (0..120).map(|number| user::ActiveModel {
        name: Set(if number == 7 {
            "100% Őry".into()
        } else {
            String::new()
        }),
        email: Set(format!("s{number}@example.org")),
        is_active: Set(number % 2 == 0),
        ..account_row(&format!("student{number:03}"), now)
    });
    user::Entity::insert_many(many)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    assert_eq!(site.statements_of_cold(&staff, "/admin/users/").await, few);
    let page = staff.get("/admin/users/?sort=-name").await;
    page.has("student119")
        .lacks("student060")
        .has("1 to 50 of 122");
    let page = staff.get("/admin/users/?active=no&page=2").await;
    page.has("51 to 60 of 60").has("active=no");
    staff
        .get("/admin/users/?q=100%25")
        .await
        .has("student007")
        .has("1 to 1 of 1");
    staff
        .get("/admin/users/?q=STUDENT00")
        .await
        .has("1 to 10 of 10");
    staff
        .get("/admin/users/?q=nobody-here")
        .await
        .has("Nothing is like that");
    // What is no filter, sort or page counts as not said; what means nothing finds nothing.
    staff
        .get("/admin/users/?sort=password_hash&page=x&y=z")
        .await
        .expect(200)
        .has("1 to 50 of 122");
    staff
        .get("/admin/users/?group=x")
        .await
        .expect(200)
        .has("Nothing is like that");
    staff
        .get("/admin/users/?q=%00%ff&active=%00")
        .await
        .expect(200);
    staff
        .get("/admin/users/?page=99999999999999999999")
        .await
        .expect(200);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn many_are_changed_at_once_only_after_a_page_said_how_many_and_which() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let mut ids = Vec::new();
    for name in ["ada", "ben", "cleo"] {
        ids.push(site.person(name, Role::Student).await);
    }
    let words: Vec<String> = ids.iter().map(i64::to_string).collect();
    let mut fields = vec![("action", "deactivate"), ("back", "q=e")];
    fields.extend(words.iter().map(|id| ("id", id.as_str())));
    let asked = staff.post("/admin/users/act/", &fields).await;
    asked
        .expect(200)
        .has("Deactivate: 3 users?")
        .has("<li>ben</li>")
        .has("Deactivate: 3 users</button>");
    assert!(
        account(&site, "ben").await.is_active,
        "asking changes nothing"
    );
    let page = act(&staff, "users", "deactivate", &ids).await;
    page.expect(303);
    assert_eq!(page.leads_to(), "/admin/users/?done=deactivate&count=3");
    for name in ["ada", "ben", "cleo"] {
        assert!(!account(&site, name).await.is_active);
    }
    // All that a search finds, on every page; when they are others than those that were named, it is asked anew, although
    // they are as many.
    let eve = site.person("eve", Role::Student).await;
    let named = format!("{} {} {eve}", words[0], words[1]);
    let all = [
        ("action", "activate"),
        ("back", "active=no"),
        ("all", "1"),
        ("confirmed", "1"),
        ("id", named.as_str()),
    ];
    staff
        .post("/admin/users/act/", &all)
        .await
        .expect(200)
        .has("Meanwhile")
        .has("Activate: 3 users")
        .has(&format!("value=\"{}\"", words.join(" ")));
    assert!(!account(&site, "ada").await.is_active);
    let named = words.join(" ");
    let all = [
        ("action", "activate"),
        ("back", "active=no"),
        ("all", "1"),
        ("confirmed", "1"),
        ("id", named.as_str()),
    ];
    let done = staff.post("/admin/users/act/", &all).await;
    assert_eq!(
        done.leads_to(),
        "/admin/users/?active=no&done=activate&count=3"
    );
    assert!(account(&site, "ada").await.is_active);
    assert_eq!(site.log().await.len(), 6);
    // Nonsense is told.
    staff
        .post("/admin/users/act/", &[("action", "fly"), ("id", "1")])
        .await
        .expect(400);
    staff
        .post("/admin/users/act/", &[("action", "activate")])
        .await
        .expect(303);
    staff
        .post("/admin/users/act/", &[("action", "activate"), ("id", "x")])
        .await
        .expect(303);
    staff
        .get("/admin/users/act/?action=activate&id=999999")
        .await
        .expect(404);
    let many: Vec<String> = (1..=1_001).map(|id: i64| id.to_string()).collect();
    let mut fields = vec![("action", "activate")];
    fields.extend(many.iter().map(|id| ("id", id.as_str())));
    staff
        .post("/admin/users/act/", &fields)
        .await
        .expect(400)
        .has("1000");
}

#[tokio::test]
async fn when_one_of_many_cannot_be_changed_none_is_and_each_reason_is_told() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let owner = site.person("tomas", Role::Instructor).await;
    let used = site.course(owner, "strings").await.subject_id;
    let row = subject::ActiveModel {
        title: Set("Unused".into()),
        slug: Set("unused".into()),
        ..Default::default()
    };
    let unused = subject::Entity::insert(row)
        .exec(site.app.db.writer())
        .await
        .unwrap();
    let page = act(&staff, "subjects", "delete", &[used, unused.last_insert_id]).await;
    page.expect(409)
        .has("Nothing was changed")
        .has("Courses stand under this subject");
    let left = subject::Entity::find_by_id(unused.last_insert_id);
    assert!(left.one(site.app.db.read()).await.unwrap().is_some());
    assert!(site.log().await.is_empty());
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn an_account_is_made_changed_shut_and_opened_again_and_secrets_stay_out_of_the_log() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let groups = group::Entity::find().filter(group::Column::Name.eq("Instructors"));
    let teachers = groups
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap()
        .id
        .to_string();
    let faulty = [
        ("username", "a b"),
        ("email", "nowhere"),
        ("password", "123"),
        ("groups", "99"),
    ];
    let page = staff.post("/admin/users/add/", &faulty).await;
    page.expect(422)
        .has("value=\"a b\"")
        .lacks("value=\"123\"")
        .has("Choose groups from the list.");
    let secret = "correct horse battery";
    let fields = [
        ("username", "maya"),
        ("name", "Maya Lin"),
        ("email", "maya@example.org"),
        ("password", secret),
        ("groups", teachers.as_str()),
    ];
    staff.post("/admin/users/add/", &fields).await.expect(303);
    let maya = account(&site, "maya").await;
    assert_eq!((maya.name.as_str(), maya.is_staff), ("Maya Lin", false));
    let browser = site.visitor();
    browser.get("/accounts/login/").await;
    let login = [("username", "maya"), ("password", secret)];
    browser.post("/accounts/login/", &login).await.expect(303);
    browser.get("/course/mine/").await.expect(200);
    // Another password ends what is open.
    let other = "another horse entirely";
    let id = maya.id.to_string();
    let short = [
        ("action", "password"),
        ("id", id.as_str()),
        ("confirmed", "1"),
        ("password", "1234"),
    ];
    staff
        .post("/admin/users/act/", &short)
        .await
        .expect(422)
        .lacks("value=\"1234\"");
    let fields = [
        ("action", "password"),
        ("id", id.as_str()),
        ("confirmed", "1"),
        ("password", other),
    ];
    staff.post("/admin/users/act/", &fields).await.expect(303);
    browser.get("/course/mine/").await.expect(302);
    let login = [("username", "maya"), ("password", other)];
    browser.get("/accounts/login/").await;
    browser.post("/accounts/login/", &login).await.expect(303);
    act(&staff, "users", "end-sessions", &[maya.id])
        .await
        .expect(303);
    browser.get("/course/mine/").await.expect(302);
    browser.get("/accounts/login/").await;
    browser.post("/accounts/login/", &login).await.expect(303);
    act(&staff, "users", "deactivate", &[maya.id])
        .await
        .expect(303);
    browser.get("/course/mine/").await.expect(302);
    let left = session::Entity::find().filter(session::Column::UserId.eq(maya.id));
    assert_eq!(left.count(site.app.db.read()).await.unwrap(), 0);
    act(&staff, "users", "activate", &[maya.id])
        .await
        .expect(303);
    // Taken out of the group, and staff now.
    let fields = [
        ("name", "Maya Lin"),
        ("email", "maya@example.org"),
        ("staff", "on"),
    ];
    staff
        .post(&format!("/admin/users/{}/", maya.id), &fields)
        .await
        .expect(303);
    let lines = site.log().await;
    let acts: Vec<&str> = lines.iter().map(|line| line.act.as_str()).collect();
    assert_eq!(
        acts,
        [
            "add",
            "password",
            "end-sessions",
            "deactivate",
            "activate",
            "change"
        ]
    );
    let last: serde_json::Value = serde_json::from_str(&lines[5].changes).unwrap();
    assert_eq!(
        last,
        json!([
            {"field": "staff", "before": "no", "after": "yes"},
            {"field": "groups", "before": "Instructors", "after": ""}
        ])
    );
    let hash = account(&site, "maya").await.password_hash;
    for line in &lines {
        for hidden in [secret, other, &hash, "argon2"] {
            assert!(!line.changes.contains(hidden), "{}", line.changes);
        }
    }
}

#[tokio::test]
async fn nobody_shuts_or_demotes_herself_so_that_somebody_of_the_staff_is_always_left() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let sofia = account(&site, "sofia").await;
    let path = format!("/admin/users/{}/", sofia.id);
    staff
        .post(&path, &[("name", ""), ("email", "")])
        .await
        .expect(422)
        .has("Nobody takes this right from herself");
    act(&staff, "users", "deactivate", &[sofia.id])
        .await
        .expect(409)
        .has("Nobody shuts her own account");
    let sofia = account(&site, "sofia").await;
    assert!(sofia.is_staff && sofia.is_active);
    assert!(site.log().await.is_empty());
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn who_may_change_accounts_takes_no_right_by_it() {
    let site = TestApp::start().await;
    let office = helper(
        &site,
        "olga",
        &[
            admin::VIEW_USER,
            admin::ADD_USER,
            admin::CHANGE_USER,
            admin::VIEW_TOKEN,
            admin::DELETE_TOKEN,
        ],
    )
    .await;
    let boss = site.person("sofia", Role::Staff).await;
    let student = site.person("ada", Role::Student).await;
    let olga = account(&site, "olga").await.id;
    // Not by the form, whatever is sent.
    let rights = [
        ("name", "Ada"),
        ("email", ""),
        ("staff", "on"),
        ("groups", "1"),
    ];
    office
        .post(&format!("/admin/users/{student}/"), &rights)
        .await
        .expect(303);
    let ada = account(&site, "ada").await;
    assert_eq!((ada.name.as_str(), ada.is_staff), ("Ada", false));
    office
        .get(&format!("/admin/users/{student}/"))
        .await
        .lacks("name=\"staff\"")
        .lacks("name=\"groups\"");
    let made = [
        ("username", "eve"),
        ("password", "correct horse battery"),
        ("staff", "on"),
        ("groups", "1"),
    ];
    office.post("/admin/users/add/", &made).await.expect(303);
    let eve = account(&site, "eve").await;
    assert!(!eve.is_staff);
    let groups =
        user_group::Entity::find().filter(user_group::Column::UserId.is_in([student, eve.id]));
    assert_eq!(groups.count(site.app.db.read()).await.unwrap(), 0);
    // Not by the account of somebody who runs the site, or a part of it.
    for id in [boss, olga] {
        office
            .post(&format!("/admin/users/{id}/"), &[("name", "Eve")])
            .await
            .expect(403);
        for action in ["deactivate", "end-sessions"] {
            act(&office, "users", action, &[id])
                .await
                .expect(409)
                .has("Only staff change");
        }
        let id = id.to_string();
        let fields = [
            ("action", "password"),
            ("id", id.as_str()),
            ("confirmed", "1"),
            ("password", PASSWORD),
        ];
        office.post("/admin/users/act/", &fields).await.expect(409);
    }
    assert!(account(&site, "sofia").await.is_active);
    office.get("/admin/groups/").await.expect(403);
    act(&office, "users", "deactivate", &[student])
        .await
        .expect(303);
}

#[tokio::test]
async fn a_group_gives_parts_of_the_admin_site_and_the_one_of_the_teachers_stays() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let ada = site.login_as("ada", Role::Student).await;
    let faulty = [("name", ""), ("permissions", "admin.staff")];
    staff
        .post("/admin/groups/add/", &faulty)
        .await
        .expect(422)
        .has("Choose permissions from the list.");
    let fields = [
        ("name", "Office"),
        ("permissions", admin::VIEW_SUBJECT),
        ("permissions", admin::ADD_SUBJECT),
    ];
    staff.post("/admin/groups/add/", &fields).await.expect(303);
    let found = group::Entity::find().filter(group::Column::Name.eq("Office"));
    let office = found.one(site.app.db.read()).await.unwrap().unwrap();
    ada.get("/admin/subjects/").await.expect(403);
    let id = office.id.to_string();
    let ada_id = account(&site, "ada").await.id;
    let fields = [("name", ""), ("email", ""), ("groups", id.as_str())];
    staff
        .post(&format!("/admin/users/{ada_id}/"), &fields)
        .await
        .expect(303);
    ada.get("/").await.has("href=\"/admin/\"");
    ada.get("/admin/subjects/")
        .await
        .expect(200)
        .has("Add subject")
        .lacks("value=\"delete\"");
    ada.post("/admin/subjects/add/", &[("title", "Latin")])
        .await
        .expect(303);
    act(&staff, "groups", "delete", &[office.id])
        .await
        .expect(303);
    ada.get("/admin/subjects/").await.expect(403);
    let teachers = group::Entity::find().filter(group::Column::Name.eq("Instructors"));
    let teachers = teachers.one(site.app.db.read()).await.unwrap().unwrap();
    act(&staff, "groups", "delete", &[teachers.id])
        .await
        .expect(409)
        .has("knows its teachers");
    let renamed = [("name", "Others")];
    staff
        .post(&format!("/admin/groups/{}/", teachers.id), &renamed)
        .await
        .expect(422);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_course_is_given_to_another_teacher_with_its_modules_renamed_placed_added_and_deleted() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    site.person("clara", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    let one = site.module(course.id, "One").await.id.to_string();
    let two = site.module(course.id, "Two").await.id.to_string();
    let three = site.module(course.id, "Three").await.id.to_string();
    let path = format!("/admin/courses/{}/", course.id);
    staff
        .get(&path)
        .await
        .expect(200)
        .has("value=\"Two\"")
        .has("Open the editor");
    let subject = course.subject_id.to_string();
    let base = [
        ("title", "Strings"),
        ("slug", "strings"),
        ("subject", subject.as_str()),
        ("overview", "About."),
    ];
    let mut faulty = base.to_vec();
    faulty.extend([
        ("teacher", "nobody"),
        ("modules-count", "1"),
        ("modules-0-id", one.as_str()),
        ("modules-0-title", ""),
        ("modules-0-place", "x"),
    ]);
    let page = staff.post(&path, &faulty).await;
    page.expect(422)
        .has("Nobody has this user name")
        .has("A module needs a title")
        .has("is a number from 1 on");
    let mut fields = base.to_vec();
    fields.extend([
        ("teacher", "clara"),
        ("modules-count", "5"),
        ("modules-0-id", one.as_str()),
        ("modules-0-title", "Uno"),
        ("modules-0-place", "2"),
        ("modules-1-id", two.as_str()),
        ("modules-1-title", "Two"),
        ("modules-1-delete", "1"),
        ("modules-2-id", three.as_str()),
        ("modules-2-title", "Three"),
        ("modules-2-place", "1"),
        ("modules-3-title", "Four"),
        ("modules-4-title", ""),
    ]);
    staff.post(&path, &fields).await.expect(303);
    let modules = module::Entity::find()
        .filter(module::Column::CourseId.eq(course.id))
        .order_by_asc(module::Column::Order);
    let titles: Vec<String> = modules
        .all(site.app.db.read())
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.title)
        .collect();
    assert_eq!(titles, ["Three", "Uno", "Four"]);
    // The new teacher has it, the old one no longer.
    site.login("clara")
        .await
        .get(&format!("/course/{}/edit/", course.id))
        .await
        .expect(200);
    site.login("tomas")
        .await
        .get(&format!("/course/{}/edit/", course.id))
        .await
        .expect(404);
    let line = site.log().await.pop().unwrap();
    assert!(
        line.changes
            .contains("\"field\":\"owner\",\"before\":\"tomas\",\"after\":\"clara\""),
        "{}",
        line.changes
    );
    assert!(
        line.changes.contains("Three; Uno; Four"),
        "{}",
        line.changes
    );
    // A module of another course is not touched by naming it.
    let other = site.course(tomas, "winds").await;
    let foreign = site.module(other.id, "Foreign").await;
    let id = foreign.id.to_string();
    let mut fields = base.to_vec();
    fields.extend([
        ("teacher", "clara"),
        ("modules-count", "1"),
        ("modules-0-id", id.as_str()),
        ("modules-0-title", "Mine"),
        ("modules-0-delete", "1"),
    ]);
    staff.post(&path, &fields).await.expect(303);
    let row = module::Entity::find_by_id(foreign.id)
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.title, "Foreign");
    act(&staff, "courses", "withdraw", &[course.id])
        .await
        .expect(303);
    site.visitor().get("/course/strings/").await.expect(404);
    act(&staff, "courses", "publish", &[course.id])
        .await
        .expect(303);
    site.visitor().get("/course/strings/").await.expect(200);
    act(&staff, "courses", "delete", &[course.id])
        .await
        .expect(303);
    assert!(
        course::Entity::find_by_id(course.id)
            .one(site.app.db.read())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn somebody_is_enrolled_and_taken_out_and_hears_of_it_at_once() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let ada = site.login_as("ada", Role::Student).await;
    let course = site.draft(tomas, "strings").await;
    site.module(course.id, "One").await;
    ada.get("/students/courses/")
        .await
        .expect(200)
        .lacks("strings");
    let faulty = [("student", "nobody"), ("course", "nowhere")];
    staff
        .post("/admin/enrollments/add/", &faulty)
        .await
        .expect(422)
        .has("2 things to mend")
        .has("value=\"nobody\"");
    let fields = [("student", "ada"), ("course", "strings")];
    staff
        .post("/admin/enrollments/add/", &fields)
        .await
        .expect(303);
    staff
        .post("/admin/enrollments/add/", &fields)
        .await
        .expect(422)
        .has("in this course already");
    let row = enrollment::Entity::find()
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    act(&staff, "courses", "publish", &[course.id])
        .await
        .expect(303);
    ada.get(&format!("/students/course/{}/", course.id))
        .await
        .expect(200);
    staff
        .get(&format!("/admin/enrollments/?course={}", course.id))
        .await
        .has("1 to 1 of 1");
    staff
        .get("/admin/enrollments/?user=nobody")
        .await
        .has("Nothing is like that");
    act(&staff, "enrollments", "remove", &[row.id])
        .await
        .expect(303);
    ada.get(&format!("/students/course/{}/", course.id))
        .await
        .expect(404);
    // A thing that is gone by then is passed over.
    act(&staff, "enrollments", "remove", &[row.id])
        .await
        .expect(303);
    let told: Vec<(String, String)> = site
        .log()
        .await
        .into_iter()
        .map(|line| (line.act, line.object_name))
        .collect();
    assert_eq!(
        told.first().unwrap(),
        &("add".to_owned(), format!("ada in {}", course.title))
    );
    assert_eq!(told.last().unwrap().0, "remove");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn uploads_rooms_and_tokens_of_others_are_managed() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    let module = site.module(course.id, "One").await;
    let film = site.film_content(module.id, "Film", 60.0).await;
    let page = staff
        .get("/admin/contents/?course=strings&kind=video")
        .await;
    page.expect(200).has(&format!(
        "/course/module/{}/content/video/{}/",
        module.id, film.item_id
    ));
    let upload = lyceum::entities::upload::Entity::find()
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    staff
        .get("/admin/uploads/?owner=tomas")
        .await
        .has(&upload.name);
    act(&staff, "uploads", "delete", &[upload.id])
        .await
        .expect(303);
    staff.get("/admin/contents/").await.lacks("Film");
    site.drain().await;
    // A room.
    let row = chat_room::ActiveModel {
        course_id: Set(course.id),
        last: Set(1),
        last_line: Set(1),
        said_at: Set(Some(site.clock.now())),
        is_locked: Set(false),
        slow_seconds: Set(0),
    };
    chat_room::Entity::insert(row)
        .exec_without_returning(site.app.db.writer())
        .await
        .unwrap();
    act(&staff, "rooms", "lock", &[course.id]).await.expect(303);
    let room = chat_room::Entity::find_by_id(course.id)
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    assert!(room.is_locked);
    staff
        .get("/admin/rooms/?locked=yes")
        .await
        .has(&course.title);
    act(&staff, "rooms", "unlock", &[course.id])
        .await
        .expect(303);
    // A key.
    let write = site.app.write().await.unwrap();
    let new = NewToken::unbounded(tomas, "script");
    accounts::create_token(&site.app, &write, new)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let key = token::Entity::find()
        .one(site.app.db.read())
        .await
        .unwrap()
        .unwrap();
    staff
        .get("/admin/tokens/")
        .await
        .has("script")
        .lacks(&key.token_hash);
    act(&staff, "tokens", "revoke", &[key.id]).await.expect(303);
    assert!(
        token::Entity::find()
            .one(site.app.db.read())
            .await
            .unwrap()
            .is_none()
    );
    let kinds: Vec<String> = site
        .log()
        .await
        .into_iter()
        .map(|line| line.object_kind)
        .collect();
    assert_eq!(kinds, ["content", "upload", "room", "room", "token"]);
}

#[tokio::test]
async fn the_log_is_read_by_thing_and_person_and_never_edited() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    staff
        .post(
            "/admin/subjects/add/",
            &[("title", "<b>Latin</b>"), ("slug", "latin")],
        )
        .await
        .expect(303);
    let line = site.log().await.pop().unwrap();
    let page = staff.get("/admin/log/").await;
    page.expect(200)
        .has("&#60;b&#62;Latin")
        .lacks("<b>Latin")
        .has("127.0.0.1");
    let history = format!("/admin/log/?kind=subject&object={}", line.object_id);
    staff
        .get(&format!("/admin/subjects/{}/", line.object_id))
        .await
        .has(&history.replace('&', "&amp;"));
    staff.get(&history).await.has("1 to 1 of 1");
    staff
        .get("/admin/log/?who=nobody")
        .await
        .has("Nothing is like that");
    for (method, path) in [
        (Method::POST, "/admin/log/".to_owned()),
        (Method::POST, format!("/admin/log/{}/", line.id)),
        (Method::DELETE, format!("/admin/log/{}/", line.id)),
        (Method::POST, "/admin/log/act/".to_owned()),
    ] {
        let token = staff.cookie("csrftoken").unwrap();
        let request = staff.request(method, &path).header("X-CSRFToken", token);
        let status = staff.send(request).await.status;
        assert!([404, 405].contains(&status), "{path}: {status}");
    }
    // Not even by a statement.
    let db = site.app.db.writer();
    let edited = audit_entry::Entity::update_many()
        .col_expr(audit_entry::Column::ActorName, Expr::value("nobody"))
        .exec(db)
        .await;
    assert!(edited.unwrap_err().to_string().contains("never edited"));
    assert!(audit_entry::Entity::delete_many().exec(db).await.is_err());
    assert_eq!(site.log().await, [line]);
}

#[tokio::test]
async fn a_change_lasts_with_its_line_in_the_log_or_not_at_all() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let db = site.app.db.writer();
    // The log cannot be written any more.
    let away = "ALTER TABLE audit_entries RENAME TO audit_entries_away";
    db.execute_unprepared(away).await.unwrap();
    staff
        .post(
            "/admin/subjects/add/",
            &[("title", "Latin"), ("slug", "latin")],
        )
        .await
        .expect(500);
    let found = subject::Entity::find().filter(subject::Column::Slug.eq("latin"));
    assert!(found.one(site.app.db.read()).await.unwrap().is_none());
    let back = "ALTER TABLE audit_entries_away RENAME TO audit_entries";
    db.execute_unprepared(back).await.unwrap();
    staff
        .post(
            "/admin/subjects/add/",
            &[("title", "Latin"), ("slug", "latin")],
        )
        .await
        .expect(303);
    assert_eq!(site.log().await.len(), 1);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn what_staff_change_by_the_api_and_other_pages_is_logged_and_what_is_ones_own_is_not() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    let send = |method: Method, path: String, body: serde_json::Value| {
        let token = staff.cookie("csrftoken").unwrap();
        let request = staff
            .request(method, &path)
            .header("X-CSRFToken", token)
            .json(&body);
        staff.send(request)
    };
    send(
        Method::POST,
        "/api/subjects/".into(),
        json!({"title": "Latin", "slug": "latin"}),
    )
    .await
    .expect(201);
    send(
        Method::PATCH,
        format!("/api/users/{tomas}/"),
        json!({"name": "Tomás"}),
    )
    .await
    .expect(200);
    send(
        Method::POST,
        "/api/groups/".into(),
        json!({"name": "Office"}),
    )
    .await
    .expect(201);
    send(
        Method::PATCH,
        format!("/api/courses/{}/", course.id),
        json!({"title": "Bows"}),
    )
    .await
    .expect(200);
    let subject = course.subject_id.to_string();
    let fields = [
        ("subject", subject.as_str()),
        ("title", "Bows and strings"),
        ("slug", "strings"),
        ("overview", "About."),
    ];
    staff
        .post(&format!("/course/{}/edit/", course.id), &fields)
        .await
        .expect(303);
    let told: Vec<(String, String, String)> = site
        .log()
        .await
        .into_iter()
        .map(|line| (line.via, line.act, line.object_kind))
        .collect();
    let expected = [
        ("api", "add", "subject"),
        ("api", "change", "user"),
        ("api", "add", "group"),
        ("api", "change", "course"),
        ("page", "change", "course"),
    ];
    let expected =
        expected.map(|(via, act, kind)| (via.to_owned(), act.to_owned(), kind.to_owned()));
    assert_eq!(told, expected);
    // Her own course is a teacher's own matter.
    let teacher = site.login("tomas").await;
    teacher
        .post(&format!("/course/{}/edit/", course.id), &fields)
        .await
        .expect(303);
    assert_eq!(site.log().await.len(), 5);
}

#[tokio::test]
async fn a_key_changes_nothing_in_the_admin_site() {
    let site = TestApp::start().await;
    let sofia = site.person("sofia", Role::Staff).await;
    let write = site.app.write().await.unwrap();
    let new = NewToken::unbounded(sofia, "script");
    let key = accounts::create_token(&site.app, &write, new)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let visitor = site.visitor();
    let with_key = |method: Method, path: &str| {
        let request = visitor.request(method, path);
        request.header("Authorization", format!("Token {key}"))
    };
    visitor
        .send(with_key(Method::GET, "/admin/subjects/"))
        .await
        .expect(200);
    let fields = [("title", "Latin"), ("slug", "latin")];
    let request = with_key(Method::POST, "/admin/subjects/add/").form(&fields);
    visitor.send(request).await.expect(403);
    let fields = [("action", "delete"), ("id", "1"), ("confirmed", "1")];
    let request = with_key(Method::POST, "/admin/subjects/act/").form(&fields);
    visitor.send(request).await.expect(403);
    let fields = [
        ("audience", "everybody"),
        ("text", "Hello"),
        ("sure", "yes"),
        ("kind", "*"),
        ("cache", "*"),
        ("only", "retry:1"),
    ];
    for path in [
        "/admin/announcements/",
        "/admin/announcements/1/stop/",
        "/admin/jobs/act/",
        "/admin/jobs/pause/",
        "/admin/jobs/resume/",
        "/admin/cache/clear/",
        "/admin/cache/key/",
        "/admin/enrollments/import/",
        "/admin/enrollments/import/1/",
    ] {
        let request = with_key(Method::POST, path).form(&fields);
        visitor
            .send(request)
            .await
            .expect(403)
            .has("A token changes nothing in the admin site.");
    }
    assert!(site.log().await.is_empty());
}

#[tokio::test]
async fn a_name_with_letters_beyond_ascii_is_found_however_it_is_typed() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    for (username, name) in [("emile", "Émile Łuczak"), ("olga", "Ольга Öztürk")] {
        let id = site.person(username, Role::Student).await;
        user::Entity::update_many()
            .col_expr(user::Column::Name, Expr::value(name))
            .filter(user::Column::Id.eq(id))
            .exec(site.app.db.writer())
            .await
            .unwrap();
    }
    for (word, found, other) in [
        ("Émile", "emile", "olga"),
        ("émile", "emile", "olga"),
        ("łucz", "emile", "olga"),
        ("ŁUCZAK", "emile", "olga"),
        ("Ольга", "olga", "emile"),
        ("ольга", "olga", "emile"),
        ("öztürk", "olga", "emile"),
        ("Öztürk", "olga", "emile"),
    ] {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("q", word).finish();
        staff
            .get(&format!("/admin/users/?{query}"))
            .await
            .expect(200)
            .has(&format!("Choose {found}<"))
            .lacks(&format!("Choose {other}<"));
    }
}

/// What the form says of what it was drawn of.
fn seen(page: &Page) -> String {
    let text = page.text();
    let begun = text.split("name=\"seen\" value=\"").nth(1).unwrap();
    begun.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_old_form_gives_no_right_back_that_was_taken_meanwhile() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let id = site.person("xenia", Role::Staff).await;
    let path = format!("/admin/users/{id}/");
    let old = seen(&staff.get(&path).await);
    // Somebody else takes the right away.
    staff.post(&path, &[("name", "Xenia")]).await.expect(303);
    assert!(!account(&site, "xenia").await.is_staff);
    let fields = [
        ("name", "Xenia B."),
        ("staff", "on"),
        ("seen", old.as_str()),
    ];
    let told = staff.post(&path, &fields).await;
    told.expect(409)
        .has("Somebody has changed this since you opened it")
        .has("Now: no")
        .has("Now: “Xenia”")
        .has("value=\"Xenia B.\"");
    assert!(!account(&site, "xenia").await.is_staff);
    // Once she knows, she may put hers in its place; sent twice, the second is too late.
    let new = seen(&told);
    let fields = [("name", "Xenia B."), ("seen", new.as_str())];
    staff.post(&path, &fields).await.expect(303);
    assert_eq!(account(&site, "xenia").await.name, "Xenia B.");
    staff.post(&path, &fields).await.expect(409);
}

#[tokio::test]
async fn an_old_form_of_a_course_undoes_nothing_that_its_teacher_wrote_meanwhile() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    let one = site.module(course.id, "One").await;
    let path = format!("/admin/courses/{}/", course.id);
    let old = seen(&staff.get(&path).await);
    let teacher = site.login("tomas").await;
    let renamed = [("title", "First"), ("description", "")];
    teacher
        .post(&format!("/course/module/{}/edit/", one.id), &renamed)
        .await
        .expect(303);
    let subject = course.subject_id.to_string();
    let module = one.id.to_string();
    let fields = [
        ("title", "Strings"),
        ("slug", "strings"),
        ("subject", subject.as_str()),
        ("overview", "About."),
        ("teacher", "tomas"),
        ("modules-count", "1"),
        ("modules-0-id", module.as_str()),
        ("modules-0-title", "One"),
        ("modules-0-place", "1"),
        ("seen", old.as_str()),
    ];
    staff
        .post(&path, &fields)
        .await
        .expect(409)
        .has("Now: “First”");
    let row = module::Entity::find_by_id(one.id).one(site.app.db.read());
    assert_eq!(row.await.unwrap().unwrap().title, "First");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn who_runs_a_part_of_the_site_is_shown_no_way_that_is_closed_to_her() {
    let site = TestApp::start().await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    let module = site.module(course.id, "One").await;
    site.text(module.id, "Words", "words").await;
    let maya = site.person("maya", Role::Student).await;
    site.enrollment(maya, course.id).await;
    let courses = helper(&site, "carla", &[admin::VIEW_COURSE, admin::CHANGE_COURSE]).await;
    let enrollments = helper(
        &site,
        "enno",
        &[admin::VIEW_ENROLLMENT, admin::ADD_ENROLLMENT],
    )
    .await;
    let accounts = helper(&site, "uma", &[admin::VIEW_USER]).await;
    let imports = helper(&site, "iris", &[admin::ADD_ENROLLMENT]).await;
    let staff = staff(&site).await;
    for (browser, path, closed) in [
        (
            &courses,
            format!("/admin/courses/{}/", course.id),
            "/course/module/",
        ),
        (
            &courses,
            format!("/admin/courses/{}/", course.id),
            "/outline/",
        ),
        (
            &courses,
            format!("/admin/courses/{}/", course.id),
            "/admin/enrollments/",
        ),
        (&courses, "/admin/contents/".into(), "/course/module/"),
        (&enrollments, "/admin/enrollments/".into(), "/admin/users/"),
        (
            &enrollments,
            "/admin/enrollments/".into(),
            "/admin/courses/",
        ),
        (&accounts, format!("/admin/users/{maya}/"), "/admin/tokens/"),
        (
            &accounts,
            format!("/admin/users/{maya}/"),
            "/admin/enrollments/",
        ),
    ] {
        let page = browser.get(&path).await;
        page.expect(200);
        assert!(leads(&page, closed).is_empty(), "{path} leads to {closed}");
        let page = staff.get(&path).await;
        assert!(
            !leads(&page, closed).is_empty(),
            "staff go from {path} to {closed}"
        );
    }
    // Whoever cannot look at what an import makes does not begin one.
    imports.get("/admin/enrollments/import/").await.expect(403);
    enrollments
        .get("/admin/enrollments/import/")
        .await
        .expect(200);
}

/// The addresses of a page's own links that have this in them.
fn leads(page: &Page, part: &str) -> Vec<String> {
    let text = page.text();
    // Not those of the bar and the side, which are the same on each page.
    let own = text.split("<main").nth(1).unwrap_or(&text);
    let own = own.rsplit("</aside>").next().unwrap_or(own);
    let links = own.split("href=\"").skip(1);
    let links = links.filter_map(|rest| rest.split('"').next());
    links
        .filter(|href| href.contains(part))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn an_account_that_she_may_not_change_has_no_buttons_and_says_why() {
    const WHY: &str = "Only staff change the accounts of people who run the site or a part of it.";
    let site = TestApp::start().await;
    let office = helper(&site, "olga", &[admin::VIEW_USER, admin::CHANGE_USER]).await;
    let looks = helper(&site, "luis", &[admin::VIEW_USER]).await;
    let sofia = site.person("sofia", Role::Staff).await;
    let ada = site.person("ada", Role::Student).await;
    let luis = account(&site, "luis").await.id;
    for id in [sofia, luis] {
        let page = office.get(&format!("/admin/users/{id}/")).await;
        page.expect(200)
            .has(WHY)
            .lacks(">Save<")
            .lacks("Set password")
            .lacks("Deactivate");
    }
    let open = office.get(&format!("/admin/users/{ada}/")).await;
    open.expect(200)
        .lacks(WHY)
        .has(">Save<")
        .has("Set password")
        .has("Deactivate");
    // Who changes nobody needs no reason why not her.
    let page = looks.get(&format!("/admin/users/{sofia}/")).await;
    page.expect(200).lacks(WHY).lacks(">Save<");
    let staff = site.login("sofia").await;
    staff
        .get(&format!("/admin/users/{luis}/"))
        .await
        .lacks(WHY)
        .has(">Save<");
}

#[tokio::test]
async fn a_page_says_that_something_was_done_only_to_her_who_did_it() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let rosa = site.login_as("rosa", Role::Staff).await;
    let ada = site.person("ada", Role::Student).await;
    for (path, words) in [
        ("/admin/users/?done=deactivate&count=500", "Deactivate: 500"),
        ("/admin/users/?done=change", "It is in the log"),
        ("/admin/jobs/?done=cancel&n=500", "500 jobs were stopped"),
        ("/admin/jobs/?done=paused", "nothing else is begun"),
        ("/admin/?done=retry&n=1", "It is in line again"),
        ("/admin/announcements/?done=sent", "It is on its way"),
        ("/admin/cache/?done=all", "All caches are emptied"),
        (
            "/admin/cache/key/?cache=default&key=page:1&forgotten=yes",
            "Forgotten",
        ),
    ] {
        staff.get(path).await.expect(200).lacks(words);
    }
    let done = act(&staff, "users", "deactivate", &[ada]).await.location();
    staff.get(&done).await.has("Deactivate: 1 user.");
    rosa.get(&done).await.expect(200).lacks("Deactivate: 1");
    // Nor can anything else be made of it.
    let other = done.replace("done=deactivate", "done=activate");
    assert_ne!(other, done);
    staff.get(&other).await.expect(200).lacks("Activate: 1");
}

#[tokio::test]
async fn saving_what_stands_there_already_says_that_nothing_was_changed() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let id = site.subject("music").await;
    let path = format!("/admin/subjects/{id}/");
    let same = [("title", "Music"), ("slug", "music")];
    let page = staff.post(&path, &same).await;
    staff
        .get(&page.location())
        .await
        .has("Nothing was changed")
        .lacks("It is in the log");
    assert!(site.log().await.is_empty());
    let other = [("title", "Music and sound"), ("slug", "music")];
    let page = staff.post(&path, &other).await;
    staff.get(&page.location()).await.has("It is in the log");
    assert_eq!(site.log().await.len(), 1);
}

#[tokio::test]
async fn a_course_is_given_to_nobody_who_could_not_open_its_editor() {
    let site = TestApp::start().await;
    let staff = staff(&site).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let maya = site.person("maya", Role::Student).await;
    let clara = site.person("clara", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    let subject = course.subject_id.to_string();
    let path = format!("/admin/courses/{}/", course.id);
    let save = async |path: &str, slug: &str, teacher: &str| {
        let fields = [
            ("title", "Strings"),
            ("slug", slug),
            ("subject", subject.as_str()),
            ("overview", "About."),
            ("teacher", teacher),
        ];
        staff.post(path, &fields).await
    };
    for (path, slug) in [(path.as_str(), "strings"), ("/admin/courses/add/", "winds")] {
        save(path, slug, "maya")
            .await
            .expect(422)
            .has("maya may not write courses")
            .has("Instructors");
    }
    let give = async |owner: i64| {
        let request = staff
            .request(Method::POST, &format!("/api/courses/{}/give/", course.id))
            .header("X-CSRFToken", staff.cookie("csrftoken").unwrap())
            .json(&json!({"owner": owner}));
        staff.send(request).await
    };
    give(maya).await.expect(400).has("may not write courses");
    give(clara).await.expect(200);
    save(&path, "strings", "sofia").await.expect(303);
    // Whose it is already may keep it, whatever became of her rights.
    let to_maya = course::Entity::update_many()
        .col_expr(course::Column::OwnerId, Expr::value(maya))
        .exec(site.app.db.writer());
    to_maya.await.unwrap();
    save(&path, "strings", "maya").await.expect(303);
}
