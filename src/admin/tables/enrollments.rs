//! Who is in which course. The export can be imported again: `import`.

use super::who;
use crate::admin::table::{
    Action, Cell, Choices, Column, Control, Doing, Editing, Entry, Filter, Filtered, List, Look,
    Row, Table, containing,
};
use crate::db::Write;
use crate::entities::{course, enrollment, user};
use crate::error::{Error, Problems, Result};
use crate::learning;
use crate::web::audit::Facts;
use crate::web::permissions::admin;
use futures::future::BoxFuture;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait,
};
use std::collections::HashMap;
use std::sync::LazyLock;

/// With more courses than this one types a course's address instead of choosing it.
const MOST_CHOICES: u64 = 300;

/// The heads of the export, which are those that an import reads.
pub const HEADS: [&str; 5] = ["username", "email", "course", "title", "enrolled"];

/// `/admin/enrollments/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "enrollment",
    one: "enrollment",
    many: "enrollments",
    title: "Enrollments",
    path: "/admin/enrollments/",
    lead: "Who is in which course.",
    searched: "Student or course",
    view: admin::VIEW_ENROLLMENT,
    columns: vec![
        Column::new("Student").sorts("student"),
        Column::new("Course").sorts("course"),
        Column::new("Enrolled").sorts("since"),
        Column::new("Last there").sorts("seen"),
    ],
    filters: vec![
        Filter {
            name: "course",
            label: "Course",
            by: Filtered::Typed("Address or number"),
        },
        Filter {
            name: "user",
            label: "Student",
            by: Filtered::Typed("User name or number"),
        },
    ],
    usual: "-since",
    list: Box::new(list()),
    csv: &HEADS,
    editing: Some(Editing {
        entries: |look, _| Box::pin(entries(look)),
        // An enrollment is made and ended; there is nothing in it to change.
        values: |_, _| Box::pin(std::future::ready(Err(Error::NotFound))),
        prepare: None,
        hold: None,
        save: |doing, id| Box::pin(save(doing, id)),
        add: Some(admin::ADD_ENROLLMENT),
        change: admin::ADD_ENROLLMENT,
        closed: None,
    }),
    actions: vec![Action {
        name: "remove",
        label: "Remove",
        icon: "log-out",
        permission: admin::DELETE_ENROLLMENT,
        is_danger: true,
        is_for_many: true,
        words: "They are no longer in the course. What they have marked as done is kept for when they come back.",
        entries: Vec::new,
        prepare: None,
        act: |doing, id| Box::pin(remove(doing, id)),
    }],
    facts: |write, id| facts(write, id),
    ways: &[],
    heads: &[(
        "Import CSV",
        "upload",
        "/admin/enrollments/import/",
        admin::ADD_ENROLLMENT,
    )],
    none: "Students enroll by themselves; you can also enroll somebody here, or many from a file.",
});

fn list() -> List<enrollment::Entity> {
    List {
        select: || {
            enrollment::Entity::find()
                .join(JoinType::InnerJoin, enrollment::Relation::User.def())
                .join(JoinType::InnerJoin, enrollment::Relation::Course.def())
        },
        id: enrollment::Column::Id,
        search: |word| {
            Condition::any()
                .add(containing(user::Column::Username, word))
                .add(containing(user::Column::Name, word))
                .add(containing(user::Column::Email, word))
                .add(containing(course::Column::Title, word))
        },
        filter: |name, value| match name {
            "course" => Some(who::of_course(enrollment::Column::CourseId, value)),
            "user" => Some(who::of_person(enrollment::Column::UserId, value)),
            _ => None,
        },
        sort: |name| match name {
            "student" => Some(user::Column::Username.into_expr()),
            "course" => Some(course::Column::Title.into_expr()),
            "since" => Some(enrollment::Column::CreatedAt.into_expr()),
            "seen" => Some(enrollment::Column::LastSeenAt.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }
}

async fn dress(look: &Look, rows: Vec<enrollment::Model>) -> Result<Vec<Row>> {
    let db = look.app.db.read();
    let people = user::Entity::find()
        .filter(user::Column::Id.is_in(rows.iter().map(|row| row.user_id)))
        .all(db)
        .await?;
    let people: HashMap<i64, user::Model> = people.into_iter().map(|row| (row.id, row)).collect();
    let courses: Vec<(i64, String, String)> = course::Entity::find()
        .select_only()
        .columns([
            course::Column::Id,
            course::Column::Title,
            course::Column::Slug,
        ])
        .filter(course::Column::Id.is_in(rows.iter().map(|row| row.course_id)))
        .into_tuple()
        .all(db)
        .await?;
    let courses: HashMap<i64, (String, String)> = courses
        .into_iter()
        .map(|(id, title, slug)| (id, (title, slug)))
        .collect();
    let rows = rows.into_iter().filter_map(|row| {
        let person = people.get(&row.user_id)?;
        let (title, slug) = courses.get(&row.course_id)?;
        let student = if person.name.is_empty() {
            Cell::text(&person.username)
        } else {
            Cell::Two(person.name.clone(), person.username.clone())
        };
        Some(Row {
            id: row.id,
            name: format!("{} in {title}", person.username),
            path: look.path_for(admin::VIEW_USER, format!("/admin/users/{}/", row.user_id)),
            cells: vec![
                student,
                Cell::link(
                    look,
                    admin::VIEW_COURSE,
                    title,
                    format!("/admin/courses/{}/", row.course_id),
                ),
                Cell::time(Some(row.created_at), look),
                Cell::time(row.last_seen_at, look),
            ],
            csv: vec![
                person.username.clone(),
                person.email.clone(),
                slug.clone(),
                title.clone(),
                row.created_at.to_rfc3339(),
            ],
        })
    });
    Ok(rows.collect())
}

async fn entries(look: &Look) -> Result<Vec<Entry>> {
    let courses = course::Entity::find()
        .select_only()
        .columns([course::Column::Slug, course::Column::Title])
        .order_by_asc(course::Column::Title)
        .limit(MOST_CHOICES + 1);
    let courses: Choices = courses.into_tuple().all(look.app.db.read()).await?;
    let is_short = u64::try_from(courses.len()).unwrap_or(u64::MAX) <= MOST_CHOICES;
    let course = if is_short {
        let blank = (String::new(), "Choose a course".to_owned());
        let choices = std::iter::once(blank).chain(courses).collect();
        Entry::new("course", "Course", Control::One(choices))
    } else {
        Entry::new("course", "Course", Control::Line(200))
            .hint("Its address, as it stands in the list of courses, for example first-steps.")
    };
    Ok(vec![
        Entry::new("student", "Student", Control::Line(254))
            .hint("The user name or the mail address of who is to be in the course."),
        course,
    ])
}

async fn save(doing: Doing<'_>, id: Option<i64>) -> Result<i64> {
    if id.is_some() {
        return Err(Error::NotFound);
    }
    let db = &**doing.write;
    let mut problems = Problems::new();
    let person = match who::find_person(db, "student", doing.form.get("student")).await {
        Ok(person) => Some(person),
        Err(Error::Invalid(found)) => {
            problems.extend(found);
            None
        }
        Err(other) => return Err(other),
    };
    let slug = doing.form.text("course");
    let course = course::Entity::find().filter(course::Column::Slug.eq(slug));
    let course = course.one(db).await?;
    problems.check(
        course.is_some(),
        "course",
        "Choose a course, or type its address as it stands in the list of courses.",
    );
    let (Some(person), Some(course), true) = (person, course, problems.is_empty()) else {
        return Err(Error::Invalid(problems));
    };
    if learning::is_enrolled(db, person.id, course.id).await? {
        let words = format!("{} is in this course already.", person.username);
        return Err(Error::invalid("student", words));
    }
    let pairs = [(person.id, course.id)];
    let made = learning::enroll_by_staff(doing.app, doing.write, &pairs).await?;
    let made = made.first().map(|row| row.id);
    made.ok_or_else(|| Error::invalid("student", "They are in this course already."))
}

async fn remove(doing: Doing<'_>, id: i64) -> Result<()> {
    learning::remove_by_staff(doing.app, doing.write, id).await
}

fn facts(write: &Write, id: i64) -> BoxFuture<'_, Result<Option<Facts>>> {
    Box::pin(async move { learning::enrollment_facts(&**write, id).await })
}
