//! Enrollments from and to CSV: what would happen is told first, every faulty line is named, nothing changes on the way,
//! and no file of ours runs in a spreadsheet.

use crate::kit::{Browser, Page, Role, TestApp, account_row};
use lyceum::accounts;
use lyceum::entities::{csv_import, enrollment, user};
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait};

const PATH: &str = "/admin/enrollments/import/";

/// Staff, a course `strings` and three students.
async fn school(site: &TestApp) -> (Browser, i64) {
    let staff = site.login_as("sofia", Role::Staff).await;
    let tomas = site.person("tomas", Role::Instructor).await;
    let course = site.course(tomas, "strings").await;
    for name in ["ada", "ben", "cleo"] {
        site.person(name, Role::Student).await;
    }
    (staff, course.id)
}

async fn send(browser: &Browser, file: impl Into<Vec<u8>>) -> Page {
    let token = browser.cookie("csrftoken").unwrap_or_default();
    let part = reqwest::multipart::Part::bytes(file.into()).file_name("students.csv");
    let form = reqwest::multipart::Form::new()
        .text("csrfmiddlewaretoken", token)
        .part("file", part);
    let request = browser.request(reqwest::Method::POST, PATH);
    browser.send(request.multipart(form)).await
}

/// Where the page would say yes.
fn yes(page: &Page) -> String {
    let text = page.text();
    let at = text.find("action=\"/admin/enrollments/import/").unwrap();
    // The first such form is the one with a number, on the page that tells what would happen.
    text[at + 8..].chars().take_while(|c| *c != '"').collect()
}

async fn enrolled(site: &TestApp) -> u64 {
    enrollment::Entity::find()
        .count(site.app.db.read())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_file_is_told_first_and_done_once_when_it_is_confirmed() {
    let site = TestApp::start().await;
    let (staff, course_id) = school(&site).await;
    let ada = site.login("ada").await;
    staff.get(PATH).await.expect(200);
    let page = send(&staff, "username,course\nada,strings\nben,strings\n").await;
    page.expect(200)
        .has("2 enrollments would be made")
        .has("Nothing has changed yet")
        .lacks("cannot be used");
    assert_eq!(enrolled(&site).await, 0);
    let path = yes(&page);
    let done = staff.post(&path, &[]).await;
    done.expect(303);
    assert_eq!(done.leads_to(), "/admin/enrollments/?done=import&count=2");
    staff
        .get(&done.location())
        .await
        .has("Imported: 2 enrollments.");
    assert_eq!(enrolled(&site).await, 2);
    ada.get(&format!("/students/course/{course_id}/"))
        .await
        .expect(200);
    let names: Vec<String> = site
        .log()
        .await
        .into_iter()
        .map(|line| line.object_name)
        .collect();
    assert_eq!(names, ["ada in strings", "ben in strings"]);
    // Twice is once, and told.
    staff
        .post(&path, &[])
        .await
        .expect(409)
        .has("imported already");
    assert_eq!(site.log().await.len(), 2);
    // Who is in it already stays.
    let page = send(&staff, "username,course\nada,strings\ncleo,strings\n").await;
    page.has("1 enrollment would be made")
        .has("1 enrollment is there already");
    let page = send(&staff, "username,course\nada,strings\n").await;
    page.expect(200)
        .has("Nobody would be enrolled")
        .lacks("Make ");
}

#[tokio::test]
async fn every_faulty_line_is_named_by_its_number_and_nothing_is_changed_by_looking() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    let file = b"username,email,course\n\
        ada,,strings\n\
        \"ben,,strings\n\
        m\xfcller,,strings\n\
        nobody,,strings\n\
        cleo,,nowhere\n\
        ,,strings\n\
        ben,,\n\
        ada,,strings\n";
    let page = send(&staff, file.to_vec()).await;
    page.expect(200)
        .has("1 enrollment would be made")
        .has("7 lines cannot be used");
    for (line, words) in [
        (3, "is not closed"),
        (4, "cannot be read"),
        (5, "Nobody here has this user name"),
        (6, "No course has this address"),
        (7, "neither a user name nor a mail address"),
        (8, "names no course"),
        (9, "A line before says the same"),
    ] {
        let text = page.text();
        let at = text.find(&format!("<th scope=\"row\" class=\"number\">{line}</th>"));
        let row: String = text[at.unwrap()..].chars().take(400).collect();
        assert!(row.contains(words), "line {line}: {row}");
    }
    assert_eq!(enrolled(&site).await, 0);
    assert!(site.log().await.is_empty());
    staff.post(&yes(&page), &[]).await.expect(303);
    assert_eq!(enrolled(&site).await, 1);
}

#[tokio::test]
async fn files_that_are_no_list_are_refused_as_a_whole() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    for file in [
        &b""[..],
        b"\n\n\n",
        b"name,age\nada,9\n",
        b"PK\x03\x04\x14\0\0\0",
        b"\x89PNG\r\n\x1a\n\0\0",
    ] {
        send(&staff, file.to_vec())
            .await
            .expect(422)
            .has("One thing to mend");
    }
    send(&staff, vec![b'x'; 16_100_000]).await.expect(413);
    let waiting = csv_import::Entity::find()
        .count(site.app.db.read())
        .await
        .unwrap();
    assert_eq!(waiting, 0);
    // Without the token of this site's form, and for whom it is not.
    let request = staff.request(reqwest::Method::POST, PATH);
    let form = reqwest::multipart::Form::new().text("file", "username,course\nada,strings\n");
    staff.send(request.multipart(form)).await.expect(403);
    let student = site.login("ada").await;
    send(&student, "username,course\nada,strings\n")
        .await
        .expect(403);
}

#[tokio::test]
async fn a_file_waits_for_her_who_sent_it_alone_and_not_for_ever() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    let other = site.login_as("rosa", Role::Staff).await;
    let page = send(&staff, "username,course\nada,strings\n").await;
    other.post(&yes(&page), &[]).await.expect(409);
    assert_eq!(enrolled(&site).await, 0);
    site.wait_seconds(86_401);
    staff.post(&yes(&page), &[]).await.expect(409);
    assert_eq!(enrolled(&site).await, 0);
}

#[tokio::test]
async fn when_an_account_is_gone_by_then_nothing_of_the_file_is_done() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    let page = send(&staff, "username,course\nada,strings\nben,strings\n").await;
    let ben = user::Entity::find().all(site.app.db.read()).await.unwrap();
    let ben = ben
        .into_iter()
        .find(|row| row.username == "ben")
        .unwrap()
        .id;
    user::Entity::delete_by_id(ben)
        .exec(site.app.db.writer())
        .await
        .unwrap();
    staff
        .post(&yes(&page), &[])
        .await
        .expect(409)
        .has("Nothing was changed");
    assert_eq!(enrolled(&site).await, 0);
    assert!(site.log().await.is_empty());
    let page = send(&staff, "username,course\nada,strings\nben,strings\n").await;
    staff.post(&yes(&page), &[]).await.expect(303);
    assert_eq!(enrolled(&site).await, 1);
}

#[tokio::test]
async fn a_hundred_thousand_lines_are_answered_with_all_their_faults() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    let mut file = b"username,course\nada,strings\n".to_vec();
    for number in 0..33_333 {
        file.extend(format!("\"ghost{number},strings\n").bytes());
        file.extend(b"\xff\xfe,strings\n");
        file.extend(b"ada,strings\n");
    }
    let page = send(&staff, file.clone()).await;
    page.expect(200)
        .has("1 enrollment would be made")
        .has("99,999 lines cannot be used")
        .has("33333 lines");
    assert!(page.bytes.len() < 2_000_000, "{} bytes", page.bytes.len());
    assert_eq!(enrolled(&site).await, 0);
    file.extend(b"ben,strings\nben,strings\n");
    send(&staff, file)
        .await
        .expect(422)
        .has("more than 100000 lines");
}

#[tokio::test]
async fn many_are_enrolled_in_one_go() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    let mut file = String::from("username,course\n");
    let people: Vec<user::ActiveModel> = (0..1_500)
        .map(|number| {
            let username = format!("student{number}");
            file.extend([username.as_str(), ",strings\n"]);
            account_row(&username, site.clock.now())
        })
        .collect();
    for chunk in people.chunks(500) {
        user::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(site.app.db.writer())
            .await
            .unwrap();
    }
    let page = send(&staff, file).await;
    page.has("1,500 enrollments would be made");
    staff.post(&yes(&page), &[]).await.expect(303);
    assert_eq!(enrolled(&site).await, 1_500);
    assert_eq!(site.log().await.len(), 1_500);
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn an_export_runs_nothing_in_a_spreadsheet_and_can_be_imported_again() {
    let site = TestApp::start().await;
    let (staff, course_id) = school(&site).await;
    let odd = site.person("-odd", Role::Student).await;
    let row = user::ActiveModel {
        id: Set(odd),
        name: Set("=HYPERLINK(\"http://evil.example\",\"Click\")".into()),
        email: Set("+1@example.org".into()),
        ..Default::default()
    };
    user::Entity::update(row)
        .exec(site.app.db.writer())
        .await
        .unwrap();
    let ada = user::Entity::find().all(site.app.db.read()).await.unwrap();
    let ada = ada
        .into_iter()
        .find(|row| row.username == "ada")
        .unwrap()
        .id;
    site.enrollment(odd, course_id).await;
    site.enrollment(ada, course_id).await;
    let users = staff.get("/admin/users/export.csv").await;
    users
        .expect(200)
        .has("\"'=HYPERLINK(\"\"http://evil.example")
        .has(",'+1@example.org,");
    assert_eq!(
        users.header("content-type").unwrap(),
        "text/csv; charset=utf-8"
    );
    assert!(
        users
            .header("content-disposition")
            .unwrap()
            .contains("users.csv")
    );
    for line in users.text().trim_start_matches('\u{feff}').lines() {
        for cell in line.split(',') {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{line}");
        }
    }
    let file = staff
        .get("/admin/enrollments/export.csv?course=strings")
        .await;
    file.expect(200)
        .has("'-odd,'+1@example.org,strings,strings,");
    enrollment::Entity::delete_many()
        .exec(site.app.db.writer())
        .await
        .unwrap();
    let page = send(&staff, file.bytes.clone()).await;
    page.expect(200)
        .has("2 enrollments would be made")
        .lacks("cannot be used");
    staff.post(&yes(&page), &[]).await.expect(303);
    assert_eq!(enrolled(&site).await, 2);
    // Filters hold in exports; who may not look may not export.
    staff
        .get("/admin/users/export.csv?q=odd")
        .await
        .has("'-odd")
        .lacks("sofia");
    let student = site.login("ada").await;
    student.get("/admin/users/export.csv").await.expect(403);
    site.visitor()
        .get("/admin/users/export.csv")
        .await
        .expect(302);
}

#[tokio::test]
async fn an_address_counts_in_whatever_letters_it_is_written_and_first_as_it_stands() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    for (name, email) in [
        ("ada", "Ada@School.example"),
        ("ben", "BEN@school.example"),
        ("cleo", "ben@school.example"),
    ] {
        let id = accounts::find_user(site.app.db.read(), name).await;
        site.address(id.unwrap().unwrap().id, email).await;
    }
    let file = "email,course\nada@school.EXAMPLE,strings\nben@school.example,strings\n";
    let page = send(&staff, file).await;
    page.expect(200)
        .has("2 enrollments would be made")
        .lacks("cannot be used");
    staff.post(&yes(&page), &[]).await.expect(303);
    let names: Vec<String> = site
        .log()
        .await
        .into_iter()
        .map(|line| line.object_name)
        .collect();
    assert_eq!(names, ["ada in strings", "cleo in strings"]);
    // Nobody writes it so, and two in other letters.
    let page = send(&staff, "email,course\nBen@School.example,strings\n").await;
    page.expect(200).has("Several accounts have this mail");
    let form = |student| [("student", student), ("course", "strings")];
    staff
        .post("/admin/enrollments/add/", &form("BEN@school.example"))
        .await
        .expect(303);
    staff
        .post("/admin/enrollments/add/", &form("aDA@school.example"))
        .await
        .expect(422)
        .has("ada is in this course already");
    staff
        .post("/admin/enrollments/add/", &form("Ben@School.example"))
        .await
        .expect(422)
        .has("Several accounts have this mail address");
    assert_eq!(enrolled(&site).await, 3);
}

#[tokio::test]
async fn a_file_after_which_another_was_sent_says_that_it_waits_no_longer() {
    let site = TestApp::start().await;
    let (staff, _) = school(&site).await;
    let first = send(&staff, "username,course\nada,strings\n").await;
    let second = send(&staff, "username,course\nben,strings\n").await;
    staff
        .post(&yes(&first), &[])
        .await
        .expect(409)
        .has("you have sent another one since");
    assert_eq!(enrolled(&site).await, 0);
    staff.post(&yes(&second), &[]).await.expect(303);
}
