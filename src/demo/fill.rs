//! Writes the school into the site.

use super::rooms::write_rooms;
use super::school::{Course, Item, Role, School, SchoolError, TextFormat as Format};
use crate::accounts::{self, INSTRUCTORS, NewUser};
use crate::app::App;
use crate::db::Write;
use crate::entities::item::{ItemKind, TextFormat};
use crate::entities::{content, course, done_mark, item, message, module, subject, user};
use crate::error::Error;
use crate::learning;
use crate::media::{self, Accepts, Captions, Language, ReceivedFile, StoredCaptions};
use crate::web::changes;
use crate::web::tags::Tag;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The school is there now; so many files are in line to be processed.
    Filled {
        /// Files.
        files: usize,
    },
    /// The school was there already; nothing was changed.
    WasThere,
}

/// Why there is no demo school.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The site is in use.
    #[error(
        "this site has courses or people already, and the demo school fills an empty one.\n  \
         Try it in a folder of its own: lyceum demo --data ./demo-data"
    )]
    NotEmpty,
    /// The recordings were not made.
    #[error("{} is missing.\n  Run demo/recordings.sh {} to make the recordings, then ask again.", .0.display(), .1.display())]
    Recordings(PathBuf, PathBuf),
    /// The school's own files are at fault.
    #[error(transparent)]
    School(#[from] SchoolError),
    /// The site is at fault.
    #[error(transparent)]
    Site(#[from] Error),
}

/// Fills an empty site; `recordings` is the folder that `demo/recordings.sh` has made.
///
/// # Errors
/// [`DemoError`]; then nothing was changed.
pub async fn fill(app: &App, recordings: &Path) -> Result<Outcome, DemoError> {
    let school = School::embedded()?;
    if is_there(app, &school).await? {
        return Ok(Outcome::WasThere);
    }
    if let Some(name) = school
        .files()
        .into_iter()
        .map(str::to_owned)
        .chain(school.captions())
        .find(|name| !recordings.join(name).is_file())
    {
        return Err(DemoError::Recordings(
            recordings.join(name),
            recordings.to_owned(),
        ));
    }
    let hashes = hash_passwords(app, &school).await?;
    let mut files = store_files(app, &school, recordings).await?;
    let count = files.len();
    let mut write = app.write().await?;
    let people = write_people(app, &mut write, &school, &hashes).await?;
    let mut contents = HashMap::new();
    for (age, course) in school.courses.iter().enumerate().rev() {
        let made = app.clock.now() - TimeDelta::days(9 * i64::try_from(age).unwrap_or(0) + 3);
        let ids = CourseWriter {
            app,
            people: &people,
            made,
        }
        .write(&mut write, course, &mut files)
        .await?;
        contents.insert(course.slug.clone(), ids);
    }
    write_enrollments(app, &write, &school, &people, &contents).await?;
    write_rooms(app, &mut write, &people).await?;
    write.commit().await?;
    Ok(Outcome::Filled { files: count })
}

/// Once the files are processed: of the messages that said so only the newest of each teacher
/// stays unread, as if she had looked in now and then.
pub async fn settle(app: &App) -> Result<(), Error> {
    let write = app.write().await?;
    let newest = Query::select()
        .expr(Expr::col(message::Column::Id).max())
        .from(message::Entity)
        .group_by_col(message::Column::RecipientId)
        .to_owned();
    let read = message::Entity::update_many()
        .col_expr(message::Column::IsRead, Expr::value(true))
        .filter(message::Column::Id.not_in_subquery(newest))
        .exec_with_returning(&*write)
        .await?;
    for message in read {
        write.changes(Tag::messages(message.recipient_id));
    }
    write.commit().await
}

/// Whether the school is there.
///
/// # Errors
/// [`DemoError::NotEmpty`] when something else is.
async fn is_there(app: &App, school: &School) -> Result<bool, DemoError> {
    let db = app.db.read();
    let slugs = school.courses.iter().map(|course| course.slug.as_str());
    let found = course::Entity::find()
        .filter(course::Column::Slug.is_in(slugs))
        .count(db)
        .await;
    if found.map_err(Error::from)? > 0 {
        return Ok(true);
    }
    let courses = course::Entity::find()
        .count(db)
        .await
        .map_err(Error::from)?;
    let names = school.people.iter().map(|person| person.username.as_str());
    let people = user::Entity::find()
        .filter(user::Column::Username.is_in(names))
        .count(db)
        .await;
    if courses > 0 || people.map_err(Error::from)? > 0 {
        Err(DemoError::NotEmpty)
    } else {
        Ok(false)
    }
}

async fn hash_passwords(app: &App, school: &School) -> Result<HashMap<String, String>, Error> {
    let mut hashes = HashMap::new();
    for person in &school.people {
        hashes.insert(
            person.username.clone(),
            app.passwords.hash(&person.password).await?,
        );
    }
    Ok(hashes)
}

/// Puts every file into the store, as an upload that is nobody's yet.
async fn store_files(
    app: &App,
    school: &School,
    recordings: &Path,
) -> Result<HashMap<String, StoredFile>, Error> {
    let mut files = HashMap::new();
    let items = school
        .courses
        .iter()
        .flat_map(Course::contents)
        .map(|content| &content.item);
    for (item, name) in items.filter_map(|item| Some((item, item.file()?))) {
        if let Some(accepts) = Accepts::of(kind_of(item))
            && !files.contains_key(name)
        {
            let file = media::receive_local(app, accepts, &recordings.join(name)).await?;
            let captions = store_captions(app, item, &file, recordings).await?;
            files.insert(name.to_owned(), StoredFile { file, captions });
        }
    }
    Ok(files)
}

/// The captions that come with a recording.
async fn store_captions(
    app: &App,
    item: &Item,
    file: &ReceivedFile,
    recordings: &Path,
) -> Result<Vec<StoredCaptions>, Error> {
    let mut stored = Vec::new();
    for (tag, name) in item.captions() {
        let bytes = tokio::fs::read(recordings.join(&name)).await;
        let bytes = bytes.map_err(Error::internal)?;
        let language = Language::read(tag).ok_or(Error::NotFound)?;
        let read = Captions::read(&bytes).map_err(|faults| {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            Error::internal(format!("{name}: {first}"))
        })?;
        stored.push(media::put_captions_beside(app, file, language, &read).await?);
    }
    Ok(stored)
}

async fn write_people(
    app: &App,
    write: &mut Write,
    school: &School,
    hashes: &HashMap<String, String>,
) -> Result<HashMap<String, i64>, Error> {
    let mut people = HashMap::new();
    for person in &school.people {
        let new = NewUser {
            username: person.username.clone(),
            name: person.name.clone(),
            email: person.email.clone(),
            is_staff: person.role == Role::Staff,
        };
        let hash = hashes.get(&person.username).cloned().unwrap_or_default();
        let made = accounts::create_user(app, write, new, hash).await?;
        if person.role == Role::Teacher {
            accounts::add_to_group(write, made.id, INSTRUCTORS).await?;
        }
        people.insert(person.username.clone(), made.id);
    }
    Ok(people)
}

/// A file in the store that is nobody's yet, with its captions.
struct StoredFile {
    file: ReceivedFile,
    captions: Vec<StoredCaptions>,
}

struct CourseWriter<'a> {
    app: &'a App,
    people: &'a HashMap<String, i64>,
    made: DateTime<Utc>,
}

impl CourseWriter<'_> {
    /// Writes a course with all that is in it; answers the ids of its contents in their order.
    async fn write(
        &self,
        write: &mut Write,
        course: &Course,
        files: &mut HashMap<String, StoredFile>,
    ) -> Result<Vec<i64>, Error> {
        let owner_id = self
            .people
            .get(&course.owner)
            .copied()
            .ok_or(Error::NotFound)?;
        let course_id = self.insert_course(write, course, owner_id).await?;
        let mut ids = Vec::new();
        for (order, part) in (0_i64..).zip(&course.modules) {
            let row = module::ActiveModel {
                course_id: Set(course_id),
                title: Set(part.title.clone()),
                description: Set(part.description.clone()),
                order: Set(order),
                ..Default::default()
            };
            let module_id = module::Entity::insert(row)
                .exec(&**write)
                .await?
                .last_insert_id;
            for (order, held) in (0_i64..).zip(&part.contents) {
                let item_id = self
                    .insert_item(write, owner_id, &held.title, &held.item, files)
                    .await?;
                let row = content::ActiveModel {
                    module_id: Set(module_id),
                    item_id: Set(item_id),
                    order: Set(order),
                    ..Default::default()
                };
                ids.push(
                    content::Entity::insert(row)
                        .exec(&**write)
                        .await?
                        .last_insert_id,
                );
            }
        }
        Ok(ids)
    }

    async fn insert_course(
        &self,
        write: &Write,
        course: &Course,
        owner_id: i64,
    ) -> Result<i64, Error> {
        let subject = subject::Entity::find().filter(subject::Column::Slug.eq(&course.subject));
        let subject = subject.one(&**write).await?.ok_or(Error::NotFound)?;
        let row = course::ActiveModel {
            owner_id: Set(owner_id),
            subject_id: Set(subject.id),
            title: Set(course.title.clone()),
            slug: Set(course.slug.clone()),
            overview: Set(course.overview.clone()),
            is_draft: Set(course.draft),
            created_at: Set(self.made),
            updated_at: Set(self.made),
            ..Default::default()
        };
        let id = course::Entity::insert(row)
            .exec(&**write)
            .await?
            .last_insert_id;
        changes::course(write, id, owner_id);
        Ok(id)
    }

    async fn insert_item(
        &self,
        write: &mut Write,
        owner_id: i64,
        title: &str,
        shown: &Item,
        files: &mut HashMap<String, StoredFile>,
    ) -> Result<i64, Error> {
        let mut upload_id = None;
        if let Some(stored) = shown.file().and_then(|name| files.remove(name)) {
            let adopted = media::adopt(self.app, write, owner_id, stored.file).await?;
            for captions in stored.captions {
                media::attach_captions(self.app, write, adopted.id, captions).await?;
            }
            upload_id = Some(adopted.id);
        }
        let (body, format) = match shown {
            Item::Text {
                format: Format::Markdown,
                body,
            } => (Some(body), TextFormat::Markdown),
            Item::Text { body, .. } => (Some(body), TextFormat::Plain),
            _ => (None, TextFormat::Plain),
        };
        let url = match shown {
            Item::WebVideo { url } => Some(url),
            _ => None,
        };
        let row = item::ActiveModel {
            owner_id: Set(owner_id),
            kind: Set(kind_of(shown)),
            title: Set(title.to_owned()),
            body: Set(body.cloned()),
            format: Set(format),
            url: Set(url.cloned()),
            upload_id: Set(upload_id),
            allow_download: Set(shown.allows_download()),
            created_at: Set(self.made),
            updated_at: Set(self.made),
            ..Default::default()
        };
        Ok(item::Entity::insert(row)
            .exec(&**write)
            .await?
            .last_insert_id)
    }
}

async fn write_enrollments(
    app: &App,
    write: &Write,
    school: &School,
    people: &HashMap<String, i64>,
    contents: &HashMap<String, Vec<i64>>,
) -> Result<(), Error> {
    for enrollment in &school.enrollments {
        let student = people
            .get(&enrollment.student)
            .copied()
            .ok_or(Error::NotFound)?;
        let course = course::Entity::find().filter(course::Column::Slug.eq(&enrollment.course));
        let course = course.one(&**write).await?.ok_or(Error::NotFound)?;
        learning::enroll(app, write, student, course.id).await?;
        let done = contents
            .get(&enrollment.course)
            .into_iter()
            .flatten()
            .take(enrollment.done);
        let marks: Vec<done_mark::ActiveModel> = done
            .map(|content_id| done_mark::ActiveModel {
                user_id: Set(student),
                content_id: Set(*content_id),
                created_at: Set(app.clock.now()),
            })
            .collect();
        if !marks.is_empty() {
            done_mark::Entity::insert_many(marks)
                .exec_without_returning(&**write)
                .await?;
            write.changes(Tag::progress(student));
        }
    }
    Ok(())
}

fn kind_of(item: &Item) -> ItemKind {
    match item {
        Item::Text { .. } => ItemKind::Text,
        Item::Image { .. } => ItemKind::Image,
        Item::File { .. } => ItemKind::File,
        Item::Audio { .. } => ItemKind::Audio,
        Item::Video { .. } | Item::WebVideo { .. } => ItemKind::Video,
    }
}
