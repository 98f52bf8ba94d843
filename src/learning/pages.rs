//! Enrolling, leaving, and the page "my courses".

use super::admission::{self, Standing, ask_to_enroll};
use super::lesson_path;
use super::shelf::{StudiedCourse, list_studied_courses};
use super::store::get_studied_course;
use crate::app::App;
use crate::entities::course;
use crate::error::{Error, Result};
use crate::web::extract::Path;
use crate::web::form::Form;
use crate::web::identity::Student;
use crate::web::redirect;
use crate::web::shell::{Place, Shell, page};
use crate::web::text;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use sea_orm::EntityTrait as _;

/// The courses that a student is in.
#[derive(Template)]
#[template(path = "learning/courses.html")]
struct StudiedCoursesPage {
    shell: Shell,
    courses: Vec<StudiedCourse>,
}

impl StudiedCoursesPage {
    /// `3 courses`.
    fn courses_words(&self) -> String {
        let number = i64::try_from(self.courses.len()).unwrap_or(i64::MAX);
        text::count(number, "course", "courses")
    }
}

/// Asks before somebody leaves a course.
#[derive(Template)]
#[template(path = "learning/leave.html")]
struct LeavePage {
    shell: Shell,
    course: course::Model,
}

/// `GET /students/courses/`: her courses.
pub async fn courses(
    State(app): State<App>,
    Student(person): Student,
    shell: Shell,
) -> Result<Response> {
    let courses = list_studied_courses(&app, &person).await?;
    let shell = shell.at(Place::MyCourses);
    page(&StudiedCoursesPage { shell, courses })
}

/// `POST /students/enroll-course/`: enrolls her in `course` and leads to its lesson; where she has to wait, to its page.
pub async fn enroll(
    State(app): State<App>,
    Student(person): Student,
    form: Form,
) -> Result<Response> {
    let course_id = form.number("course").ok_or(Error::NotFound)?;
    let mut write = app.write().await?;
    let standing = ask_to_enroll(&app, &mut write, &person, course_id, None).await?;
    write.commit().await?;
    let path = match standing {
        Standing::Enrolled => lesson_path(course_id, None, None),
        Standing::Asked | Standing::Waiting(_) => overview_path(&app, course_id).await?,
    };
    Ok(redirect::see_other(&path))
}

/// The page of a course, which tells how she stands with it.
async fn overview_path(app: &App, course_id: i64) -> Result<String> {
    let course = course::Entity::find_by_id(course_id)
        .one(app.db.read())
        .await?;
    let course = course.ok_or(Error::NotFound)?;
    Ok(format!("/course/{}/", course.slug))
}

/// `POST /students/course/<id>/withdraw/`: takes her request back.
pub async fn withdraw(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
) -> Result<Response> {
    let path = overview_path(&app, id).await?;
    let write = app.write().await?;
    admission::withdraw(&write, person.id, id).await?;
    write.commit().await?;
    Ok(redirect::see_other(&path))
}

/// `GET /students/course/<id>/leave/`: asks whether she means it.
pub async fn ask_leave(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
    shell: Shell,
) -> Result<Response> {
    let (course, enrollment) = get_studied_course(app.db.read(), &person, id).await?;
    if enrollment.is_none() {
        return Err(Error::NotFound);
    }
    let shell = shell.at(Place::MyCourses);
    page(&LeavePage { shell, course })
}

/// `POST /students/course/<id>/leave/`: takes her out of the course.
pub async fn leave(
    State(app): State<App>,
    Student(person): Student,
    Path(id): Path<i64>,
) -> Result<Response> {
    let mut write = app.write().await?;
    admission::leave(&app, &mut write, &person, id).await?;
    write.commit().await?;
    Ok(redirect::see_other("/students/courses/"))
}
