//! Invitations to courses: made, opened by whoever has the link, used up, taken back.

use crate::kit::{Browser, PASSWORD, Page, Role, TestApp};
use lyceum::entities::{course, invitation, invitation_use};
use sea_orm::{ActiveValue::Set, EntityTrait};

const JOIN: &str = "/join/";
const OVER: &str = "This invitation does not work";

struct School {
    site: TestApp,
    teacher: Browser,
    course: course::Model,
}

impl School {
    async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    async fn open_with(change: impl FnOnce(&mut course::ActiveModel)) -> Self {
        let site = TestApp::start().await;
        let owner = site.person("ines", Role::Instructor).await;
        let course = site.course_with(owner, "secret-strings", change).await;
        let teacher = site.login("ines").await;
        Self {
            site,
            teacher,
            course,
        }
    }

    fn path(&self) -> String {
        format!("/course/{}/invitations/", self.course.id)
    }

    /// Makes an invitation; answers the path of its link.
    async fn invite(&self, fields: &[(&str, &str)]) -> String {
        let page = self.teacher.post(&self.path(), fields).await;
        page.expect(303);
        let text = self.teacher.get(&page.location()).await.expect(200).text();
        let (_, rest) = text.split_once("/join/?key=").unwrap();
        let key: String = rest.chars().take(43).collect();
        format!("/join/?key={key}")
    }

    async fn students(&self) -> usize {
        self.site.enrollments(self.course.id).await.len()
    }

    async fn entry(&self) -> Page {
        self.teacher
            .get(&format!("/course/{}/entry/", self.course.id))
            .await
    }
}

/// An invitation that is for more than one.
const MANY: [(&str, &str); 1] = [("uses", "30")];

async fn open(browser: &Browser, link: &str) -> Page {
    let page = browser.get(link).await;
    page.expect(303);
    assert_eq!(page.location(), JOIN);
    browser.get(JOIN).await
}

#[tokio::test]
async fn a_visitor_makes_an_account_and_joins_by_the_link() {
    let school = School::open_with(|row| row.needs_approval = Set(true)).await;
    let link = school.invite(&[("note", "spring class")]).await;
    let anna = school.site.visitor();
    open(&anna, &link)
        .await
        .expect(200)
        .has("secret strings")
        .has("/students/register/?next=/join/");
    anna.get("/students/register/?next=/join/")
        .await
        .expect(200);
    let fields = [
        ("username", "anna"),
        ("password1", PASSWORD),
        ("password2", PASSWORD),
        ("next", JOIN),
    ];
    let page = anna.post("/students/register/", &fields).await;
    page.expect(303);
    assert_eq!(page.location(), JOIN);
    assert_eq!(school.students().await, 0, "looking at it changes nothing");
    anna.get(JOIN).await.expect(200).has("Join the course");
    let page = anna.post(JOIN, &[]).await;
    page.expect(303);
    assert_eq!(
        page.location(),
        format!("/students/course/{}/", school.course.id)
    );
    assert_eq!(school.students().await, 1);
    assert_eq!(anna.cookie("lyceum_invitation"), None);
    school
        .entry()
        .await
        .expect(200)
        .has("spring class")
        .has("1 came")
        .has("anna");
}

#[tokio::test]
async fn an_invitation_works_once_for_thirty_days_unless_its_teacher_says_more() {
    let mut school = School::open().await;
    let link = school.invite(&[]).await;
    school.entry().await.has("0 of 1 came").has("until");
    let (anna, ben) = (
        school.site.login_as("anna", Role::Student).await,
        school.site.login_as("ben", Role::Student).await,
    );
    open(&ben, &link).await.expect(200);
    open(&anna, &link).await.expect(200);
    anna.post(JOIN, &[]).await.expect(303);
    ben.post(JOIN, &[]).await.expect(410).has(OVER);
    let link = school.invite(&MANY).await;
    let visitor = school.site.visitor();
    open(&visitor, &link).await.expect(200);
    school.site.wait_seconds(30 * 24 * 60 * 60);
    open(&visitor, &link).await.expect(410).has(OVER);
    school.teacher = school.site.login("ines").await;
    for (field, none) in [
        ("uses", ""),
        ("days", ""),
        ("uses", "1001"),
        ("days", "366"),
    ] {
        school
            .teacher
            .post(&school.path(), &[(field, none)])
            .await
            .expect(422)
            .has("Say how many");
    }
}

#[tokio::test]
async fn showing_the_page_of_a_new_invitation_once_more_makes_no_other() {
    let school = School::open().await;
    let page = school.teacher.post(&school.path(), &[]).await;
    page.expect(303);
    assert!(!page.location().contains("key"), "{}", page.location());
    let cookie = school.teacher.cookie("lyceum_invited").unwrap();
    let other = school.site.login_as("root", Role::Staff).await;
    let entry = format!("/course/{}/entry/", school.course.id);
    let sessionid = other.cookie("sessionid").unwrap();
    let cookies = format!("sessionid={sessionid}; lyceum_invited={cookie}");
    let stolen = school.site.visitor();
    let request = stolen
        .request(reqwest::Method::GET, &entry)
        .header("cookie", cookies);
    stolen
        .send(request)
        .await
        .expect(200)
        .lacks("Your new invitation");
    school.entry().await.expect(200).has("Your new invitation");
    assert_eq!(school.teacher.cookie("lyceum_invited"), None);
    school
        .entry()
        .await
        .expect(200)
        .lacks("Your new invitation");
    let rows = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn whoever_came_by_an_invitation_finds_her_way_by_it_again() {
    let school = School::open().await;
    let link = school.invite(&[]).await;
    let anna = school.site.login_as("anna", Role::Student).await;
    open(&anna, &link).await.expect(200);
    // A double click.
    let (one, other) = tokio::join!(anna.post(JOIN, &[]), anna.post(JOIN, &[]));
    one.expect(303);
    other.expect(303);
    let lesson = format!("/students/course/{}/", school.course.id);
    let page = open(&anna, &link).await;
    page.expect(303);
    assert_eq!(page.location(), lesson);
    let leave = format!("{lesson}leave/");
    anna.post(&leave, &[]).await.expect(303);
    open(&anna, &link).await.expect(200);
    anna.post(JOIN, &[]).await.expect(303);
    let rows = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    assert_eq!(rows[0].uses, 1);
    // Taken back, it opens no way for whoever has left; to others it never did.
    anna.post(&leave, &[]).await.expect(303);
    let path = format!("{}{}/revoke/", school.path(), rows[0].id);
    school.teacher.post(&path, &[]).await.expect(303);
    open(&anna, &link).await.expect(410);
    anna.post(JOIN, &[]).await.expect(410);
}

#[tokio::test]
async fn joining_and_revoking_at_once_do_not_wait_for_each_other_in_a_ring() {
    for needs_approval in [false, true] {
        let school = School::open_with(|row| row.needs_approval = Set(needs_approval)).await;
        for round in 0..5 {
            join_and_revoke_at_once(&school, round).await;
        }
    }
}

async fn join_and_revoke_at_once(school: &School, round: usize) {
    let link = school.invite(&MANY).await;
    let rows = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    let id = rows.iter().map(|row| row.id).max().unwrap();
    let mut browsers = Vec::new();
    for number in 0..4 {
        let name = format!("student{round}of{number}");
        let browser = school.site.login_as(&name, Role::Student).await;
        open(&browser, &link).await.expect(200);
        browsers.push(browser);
    }
    let revoke = format!("{}{id}/revoke/", school.path());
    let joined = futures::future::join_all(browsers.iter().map(|browser| browser.post(JOIN, &[])));
    let (revoked, joined) = tokio::join!(school.teacher.post(&revoke, &[]), joined);
    revoked.expect(303);
    for page in joined {
        assert!([303, 410].contains(&page.status), "{}", page.text());
    }
}

#[tokio::test]
async fn an_invitation_by_which_many_came_names_the_last_of_them() {
    let school = School::open().await;
    school.invite(&[("uses", "100"), ("note", "large")]).await;
    school.invite(&[("uses", "100"), ("note", "small")]).await;
    let mut rows = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    rows.sort_by_key(|row| row.id);
    for (row, people) in [(&rows[0], 25), (&rows[1], 1)] {
        for number in 0..people {
            let name = format!("{}{number}", row.note);
            let id = school.site.person(&name, Role::Student).await;
            let used = invitation_use::ActiveModel {
                invitation_id: Set(row.id),
                user_id: Set(id),
                created_at: Set(school.site.clock.now() + chrono::TimeDelta::seconds(number)),
            };
            invitation_use::Entity::insert(used)
                .exec_without_returning(school.site.app.db.writer())
                .await
                .unwrap();
        }
        let counted = invitation::ActiveModel {
            id: Set(row.id),
            uses: Set(i32::try_from(people).unwrap()),
            ..Default::default()
        };
        invitation::Entity::update(counted)
            .exec(school.site.app.db.writer())
            .await
            .unwrap();
    }
    school
        .entry()
        .await
        .expect(200)
        .has("25 of 100 came")
        .has("The last: large5, large6,")
        .has("large24")
        .lacks("large4,")
        .has("small0");
}

#[tokio::test]
async fn an_invitation_is_good_for_so_many_people_and_each_counts_once() {
    let school = School::open().await;
    let link = school.invite(&[("uses", "2")]).await;
    let anna = school.site.login_as("anna", Role::Student).await;
    for _ in 0..2 {
        open(&anna, &link).await;
        anna.post(JOIN, &[]).await;
    }
    let leave = format!("/students/course/{}/leave/", school.course.id);
    anna.post(&leave, &[]).await.expect(303);
    open(&anna, &link).await.expect(200);
    anna.post(JOIN, &[]).await.expect(303);
    let uses = invitation_use::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    assert_eq!(uses.len(), 1);
    let mut browsers = Vec::new();
    for name in ["ben", "carl", "dora"] {
        let browser = school.site.login_as(name, Role::Student).await;
        open(&browser, &link).await.expect(200);
        browsers.push(browser);
    }
    let joined = browsers.iter().map(|browser| browser.post(JOIN, &[]));
    let mut statuses: Vec<u16> = futures::future::join_all(joined)
        .await
        .iter()
        .map(|page| page.status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 410, 410]);
    assert_eq!(school.students().await, 2);
    let rows = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    assert_eq!(rows[0].uses, 2);
    school.entry().await.has("Used up").has("2 of 2 came");
}

#[tokio::test]
async fn a_link_that_is_over_says_nothing_about_the_course() {
    let school = School::open().await;
    let (short, revoked) = (
        school.invite(&[("days", "1")]).await,
        school.invite(&[("note", "second")]).await,
    );
    let anna = school.site.login_as("anna", Role::Student).await;
    open(&anna, &revoked).await.expect(200);
    let rows = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    let last = rows.iter().find(|row| row.note == "second").unwrap().id;
    let path = format!("{}{last}/revoke/", school.path());
    school.teacher.post(&path, &[]).await.expect(303);
    school.teacher.post(&path, &[]).await.expect(303);
    for page in [anna.get(JOIN).await, anna.post(JOIN, &[]).await] {
        page.expect(410).has(OVER).lacks("secret");
    }
    open(&anna, &short).await.expect(200);
    school.site.wait_seconds(24 * 60 * 60);
    for page in [anna.get(JOIN).await, anna.post(JOIN, &[]).await] {
        page.expect(410).has(OVER).lacks("secret");
    }
    assert_eq!(school.students().await, 0);
    let bare = school.site.visitor();
    bare.get(JOIN).await.expect(410);
    for key in ["", "short", &"A".repeat(43), "%00", "%0d%0aSet-Cookie:a=b"] {
        let page = bare.get(&format!("{JOIN}?key={key}")).await;
        page.expect(303);
        bare.get(JOIN).await.expect(410).has(OVER);
    }
}

#[tokio::test]
async fn a_draft_opens_to_nobody_by_an_invitation() {
    let school = School::open_with(|row| row.is_draft = Set(true)).await;
    let link = school.invite(&[]).await;
    let anna = school.site.login_as("anna", Role::Student).await;
    open(&anna, &link).await.expect(410).lacks("secret");
    anna.post(JOIN, &[]).await.expect(410);
    let row = course::ActiveModel {
        id: Set(school.course.id),
        is_draft: Set(false),
        ..Default::default()
    };
    course::Entity::update(row)
        .exec(school.site.app.db.writer())
        .await
        .unwrap();
    anna.get(JOIN).await.expect(200).has("secret strings");
}

#[tokio::test]
async fn who_is_invited_to_a_full_course_waits_for_a_place() {
    let school = School::open_with(|row| {
        row.places = Set(Some(1));
        row.needs_approval = Set(true);
    })
    .await;
    let link = school.invite(&MANY).await;
    let anna = school.site.login_as("anna", Role::Student).await;
    open(&anna, &link).await.expect(200);
    anna.post(JOIN, &[]).await.expect(303);
    let ben = school.site.login_as("ben", Role::Student).await;
    // She asked before she was invited, and keeps the place that she has.
    let number = school.course.id.to_string();
    ben.post("/students/enroll-course/", &[("course", number.as_str())])
        .await
        .expect(303);
    open(&ben, &link).await.expect(200);
    let page = ben.post(JOIN, &[]).await;
    page.expect(303);
    assert_eq!(page.location(), "/course/secret-strings/");
    ben.get("/course/secret-strings/")
        .await
        .has("You get the next place");
    let leave = format!("/students/course/{}/leave/", school.course.id);
    anna.post(&leave, &[]).await.expect(303);
    ben.get(&format!("/students/course/{}/", school.course.id))
        .await
        .expect(200);
}

#[tokio::test]
async fn only_the_teacher_makes_and_revokes_invitations() {
    let school = School::open().await;
    school.invite(&[]).await;
    let id = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap()[0]
        .id;
    let revoke = format!("{}{id}/revoke/", school.path());
    let other = school.site.login_as("omar", Role::Instructor).await;
    let owner = lyceum::accounts::find_user(school.site.app.db.read(), "omar").await;
    let theirs = school
        .site
        .course(owner.unwrap().unwrap().id, "drums")
        .await;
    other.post(&school.path(), &[]).await.expect(404);
    other.post(&revoke, &[]).await.expect(404);
    let smuggled = format!("/course/{}/invitations/{id}/revoke/", theirs.id);
    other.post(&smuggled, &[]).await.expect(404);
    let student = school.site.login_as("anna", Role::Student).await;
    student.post(&school.path(), &[]).await.expect(403);
    student.post(&revoke, &[]).await.expect(403);
    for (field, bad) in [("uses", "0"), ("days", "soon"), ("note", &"x".repeat(201))] {
        school
            .teacher
            .post(&school.path(), &[(field, bad)])
            .await
            .expect(422)
            .has(bad);
    }
    school.entry().await.expect(200).has("Open");
}

#[tokio::test]
async fn the_secret_of_an_invitation_is_shown_once_and_stored_nowhere() {
    let school = School::open().await;
    let link = school.invite(&[("note", "<b>bold</b>")]).await;
    let key = link.split_once("key=").unwrap().1.to_owned();
    school
        .entry()
        .await
        .expect(200)
        .lacks(&key)
        .lacks("<b>bold</b>");
    let rows = invitation::Entity::find()
        .all(school.site.app.db.read())
        .await
        .unwrap();
    assert!(!format!("{rows:?}").contains(&key));
    let page = school.site.visitor().get(&link).await;
    assert_eq!(
        page.header("referrer-policy").as_deref(),
        Some("no-referrer")
    );
    let cookie = page.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    // Who manages the course is led there.
    open(&school.teacher, &link).await.expect(303);
}
