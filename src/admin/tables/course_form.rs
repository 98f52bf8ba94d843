//! The form of a course: what it is called, whose it is, and its modules, a line each.

use super::who;
use crate::accounts;
use crate::admin::table::{Control, Doing, Entry, Line, Look};
use crate::courses::{self, CourseChange, ModuleChange};
use crate::db::Write;
use crate::entities::{course, module, user};
use crate::error::{Error, Problems, Result};
use crate::web::form::Form;
use crate::web::permissions::admin::STAFF;
use sea_orm::EntityTrait;
use std::collections::{BTreeMap, BTreeSet};

/// Empty lines for new modules.
const NEW_LINES: usize = 2;

/// Modules that the form shows and takes.
const MOST_LINES: usize = 200;

/// What can be typed.
pub async fn entries(look: &Look, id: Option<i64>) -> Result<Vec<Entry>> {
    let subjects = super::courses::subject_choices(&look.app).await?;
    let mut entries = vec![
        Entry::new("title", "Title", Control::Line(200)),
        Entry::new("slug", "Address", Control::Slug("title"))
            .hint("The end of its address: letters, digits, - and _. Left empty, it is made from the title."),
        Entry::new("teacher", "Teacher", Control::Line(254))
            .hint("The user name or mail address of whose course it is."),
        Entry::new("subject", "Subject", Control::One(subjects)),
        Entry::new("overview", "Overview", Control::Text)
            .hint("What it is about, and for whom. Markdown works."),
        Entry::new("draft", "Draft", Control::Check)
            .hint("Only its teacher and the staff see it."),
    ];
    if let Some(id) = id {
        let modules = courses::list_modules(look.app.db.read(), id).await?;
        if modules.len() <= MOST_LINES {
            entries.push(
                Entry::new("modules", "Modules", Control::Lines(lines(look, modules)))
                    .hint("A new one goes last unless you give it a place. What is deleted takes its contents and their files along."),
            );
        }
    }
    Ok(entries)
}

fn lines(look: &Look, modules: Vec<module::Model>) -> Vec<Line> {
    let known = modules.into_iter().enumerate().map(|(at, module)| Line {
        id: Some(module.id),
        path: look.path_for(STAFF, format!("/course/module/{}/", module.id)),
        title: module.title,
        place: (at + 1).to_string(),
        is_deleted: false,
    });
    let blank = std::iter::repeat_with(Line::default).take(NEW_LINES);
    known.chain(blank).collect()
}

/// What stands there.
pub async fn values(look: &Look, id: i64) -> Result<Form> {
    let db = look.app.db.read();
    let found = course::Entity::find_by_id(id).one(db).await?;
    let row = found.ok_or(Error::NotFound)?;
    let owners = who::usernames(db, std::iter::once(row.owner_id)).await?;
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let mut pairs = vec![
        pair("title", row.title),
        pair("slug", row.slug),
        pair("teacher", owners.into_values().next().unwrap_or_default()),
        pair("subject", row.subject_id.to_string()),
        pair("overview", row.overview),
    ];
    if row.is_draft {
        pairs.push(pair("draft", "on".into()));
    }
    Ok(Form::from_pairs(pairs))
}

/// Saves it; all faults at once.
pub async fn save(doing: Doing<'_>, id: Option<i64>) -> Result<i64> {
    let subjects = courses::list_subjects(&**doing.write).await?;
    let read = CourseChange::read(doing.form, &subjects);
    let owner = teacher(doing.write, id, doing.form.get("teacher")).await;
    let typed = match id {
        Some(_) => Typed::read(doing.form),
        None => Ok(Vec::new()),
    };
    let mut problems = Problems::new();
    let (change, owner, typed) = match (read, owner, typed) {
        (Ok(change), Ok(owner), Ok(typed)) => (change, owner, typed),
        (read, owner, typed) => {
            problems.extend(read.err().unwrap_or_default());
            problems.extend(typed.err().unwrap_or_default());
            match owner {
                Err(Error::Invalid(more)) => problems.extend(more),
                Err(other) => return Err(other),
                Ok(_) => {}
            }
            return Err(Error::Invalid(problems));
        }
    };
    let Some(id) = id else {
        let course = courses::insert_course_of(doing.app, doing.write, owner.id, change).await?;
        return Ok(course.id);
    };
    let before = courses::hold_any_course(doing.write, id).await?;
    // What this form does not show stays as it is.
    let mut wanted = CourseChange::of(&before);
    wanted.subject_id = change.subject_id;
    wanted.title = change.title;
    wanted.slug = change.slug;
    wanted.overview = change.overview;
    wanted.is_draft = change.is_draft;
    if wanted != CourseChange::of(&before) {
        courses::update_course(doing.app, doing.write, &before, wanted).await?;
    }
    if owner.id != before.owner_id {
        courses::set_owner(doing.write, &before, owner.id).await?;
    }
    save_modules(doing, id, typed).await?;
    Ok(id)
}

/// Who was typed as the teacher. Whose course it is already may stay; another is somebody who can open its editor.
async fn teacher(write: &Write, id: Option<i64>, typed: &str) -> Result<user::Model> {
    let person = who::find_person(&**write, "teacher", typed).await?;
    let course = match id {
        Some(id) => course::Entity::find_by_id(id).one(&**write).await?,
        None => None,
    };
    let has_it = course.is_some_and(|course| course.owner_id == person.id);
    if has_it || accounts::may_teach(&**write, &person).await? {
        Ok(person)
    } else {
        Err(Error::invalid("teacher", accounts::no_teacher(&person)))
    }
}

/// A line of the form, as typed.
struct Typed {
    index: usize,
    id: Option<i64>,
    change: Option<ModuleChange>,
    place: Option<usize>,
    is_deleted: bool,
}

impl Typed {
    /// All lines that say something.
    fn read(form: &Form) -> Result<Vec<Self>, Problems> {
        let mut problems = Problems::new();
        let count = form.text("modules-count").parse::<usize>().unwrap_or(0);
        let lines = 0..count.min(MOST_LINES + NEW_LINES);
        let typed: Vec<Self> = lines
            .filter_map(|index| Self::read_line(form, index, &mut problems))
            .collect();
        let ids: Vec<i64> = typed.iter().filter_map(|line| line.id).collect();
        let once: BTreeSet<&i64> = ids.iter().collect();
        problems.check(
            once.len() == ids.len(),
            "modules",
            "The form names a module twice. Reload the page, and send it again.",
        );
        if problems.is_empty() {
            Ok(typed)
        } else {
            Err(problems)
        }
    }

    fn read_line(form: &Form, index: usize, problems: &mut Problems) -> Option<Self> {
        let part = |part: &str| format!("modules-{index}-{part}");
        let id = form.number(&part("id"));
        let title = form.text(&part("title"));
        let is_deleted = form.is_set(&part("delete"));
        if id.is_none() && (title.is_empty() || is_deleted) {
            return None;
        }
        let place = match form.text(&part("place")) {
            "" => None,
            typed => match typed.parse::<usize>() {
                Ok(place) if place > 0 => Some(place),
                _ => {
                    let words = format!("The place of “{title}” is a number from 1 on.");
                    problems.add("modules", words);
                    None
                }
            },
        };
        let change = match ModuleChange::read(title, "") {
            Ok(change) => Some(change),
            Err(_) if is_deleted => None,
            Err(found) => {
                let number = index + 1;
                for words in found.iter().flat_map(|(_, words)| words) {
                    problems.add("modules", format!("Line {number}: {words}"));
                }
                None
            }
        };
        Some(Self {
            index,
            id,
            change,
            place,
            is_deleted,
        })
    }
}

/// Deletes, renames, adds and orders the modules of a course that is held. A module that came in the meantime stays, after
/// those that were shown.
async fn save_modules(doing: Doing<'_>, course_id: i64, typed: Vec<Typed>) -> Result<()> {
    if typed.is_empty() {
        return Ok(());
    }
    let known = courses::list_modules(&**doing.write, course_id).await?;
    let known: BTreeMap<i64, module::Model> = known.into_iter().map(|row| (row.id, row)).collect();
    let mut deleted = Vec::new();
    let mut placed = Vec::new();
    for line in typed {
        let place = (line.place.unwrap_or(usize::MAX), line.index);
        match (line.id, line.is_deleted, line.change) {
            (Some(id), _, _) if !known.contains_key(&id) => {}
            (Some(id), true, _) => deleted.push(id),
            (Some(id), false, Some(change)) => {
                rename(&doing, known.get(&id), change).await?;
                placed.push((place, id));
            }
            (None, false, Some(change)) => {
                let made =
                    courses::insert_module(doing.app, doing.write, course_id, change).await?;
                placed.push((place, made.id));
            }
            _ => {}
        }
    }
    if !deleted.is_empty() {
        courses::touch(doing.app, doing.write, course_id).await?;
        courses::delete_modules(doing.app, doing.write, doing.by, &deleted).await?;
    }
    placed.sort_unstable();
    let order: Vec<i64> = placed.into_iter().map(|(_, id)| id).collect();
    courses::place_modules(doing.app, doing.write, course_id, &order).await
}

async fn rename(
    doing: &Doing<'_>,
    before: Option<&module::Model>,
    change: ModuleChange,
) -> Result<()> {
    let Some(before) = before.filter(|before| before.title != change.title) else {
        return Ok(());
    };
    let change = ModuleChange {
        description: before.description.clone(),
        ..change
    };
    courses::update_module(doing.app, doing.write, before.clone(), change).await?;
    Ok(())
}
