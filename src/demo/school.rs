//! What the demo school consists of: its people, its courses, and who studies what.
//!
//! The data are the TOML files under `demo/`, compiled into the program. This module reads them and knows nothing of
//! databases or uploads. The files that contents name are made by `demo/recordings.sh` and are not part of the program.

use serde::Deserialize;
use thiserror::Error;

/// People, subjects and enrollments.
const SCHOOL: (&str, &str) = ("demo/school.toml", include_str!("../../demo/school.toml"));

macro_rules! course_files {
    ($($slug:literal),* $(,)?) => {
        &[$((
            concat!("demo/courses/", $slug, ".toml"),
            include_str!(concat!("../../demo/courses/", $slug, ".toml")),
        )),*]
    };
}

/// Every course with the path of its file, in the order of the catalogue: newest first.
const COURSES: &[(&str, &str)] = course_files![
    "how-strings-sing",
    "proof-gently",
    "databases-from-the-inside",
    "baroque-violin",
    "light-lenses-and-the-camera",
    "counting-without-counting",
    "the-web-one-request-at-a-time",
    "hearing-harmony",
    "the-night-sky",
    "chance-and-what-to-do-about-it",
    "shell-files-and-patience",
    "rhythm-across-the-atlantic",
    "electricity-at-the-kitchen-table",
];

/// A file of the demo school that cannot be read.
#[derive(Debug, Error)]
#[error("{path}: {source}")]
pub struct SchoolError {
    /// The file, from the root of the repository.
    pub path: &'static str,
    /// What is wrong with it, and where.
    pub source: toml::de::Error,
}

/// The whole demo school.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct School {
    /// The subjects that a new site starts with.
    pub subjects: Vec<Subject>,
    /// Everyone with an account: teachers, students, staff.
    pub people: Vec<Person>,
    /// Who studies what, and how far.
    pub enrollments: Vec<Enrollment>,
    /// All courses, newest first: to appear in this order they are created from the last to the first.
    pub courses: Vec<Course>,
}

/// A subject of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The name that people read.
    pub title: String,
    /// The name in addresses.
    pub slug: String,
}

/// Someone with an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name to log in with.
    pub username: String,
    /// First and last name.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// An address at a domain kept for examples (RFC 2606), to which no mail can go.
    pub email: String,
    /// The password, in the clear: it is printed for whoever tries the demo school.
    pub password: String,
}

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An instructor, who owns courses.
    Teacher,
    /// Someone who enrolls in courses.
    Student,
    /// Someone who runs the site.
    Staff,
}

/// A student in a course.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrollment {
    /// The student's user name.
    pub student: String,
    /// The course's slug.
    pub course: String,
    /// How many contents are done, counted from the first of the course.
    pub done: usize,
}

/// A course with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// The name in addresses.
    pub slug: String,
    /// The name that people read.
    pub title: String,
    /// The slug of its subject.
    pub subject: String,
    /// The user name of its teacher.
    pub owner: String,
    /// Markdown: what the course is, and what one learns.
    pub overview: String,
    /// Whether only its owner sees it.
    #[serde(default)]
    pub draft: bool,
    /// Its modules in their order; a course that was only just begun has none.
    #[serde(default)]
    pub modules: Vec<Module>,
}

impl Course {
    /// All contents of the course, module after module, in the order in which a student meets them.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.modules.iter().flat_map(|module| &module.contents)
    }
}

/// A part of a course.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Its heading.
    pub title: String,
    /// One sentence on what it is about.
    pub description: String,
    /// What it holds, in order.
    pub contents: Vec<Content>,
}

/// One thing to read, see, hear or download.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Content {
    /// Its heading.
    pub title: String,
    /// What it is.
    #[serde(flatten)]
    pub item: Item,
}

/// What a content is. A `file` is the name of one that `demo/recordings.sh` makes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Item {
    /// Something to read.
    Text {
        /// How `body` is written.
        format: TextFormat,
        /// The text itself.
        body: String,
    },
    /// A picture.
    Image {
        /// PNG or JPEG.
        file: String,
    },
    /// Something to download.
    File {
        /// A worksheet, as PDF or plain text.
        file: String,
    },
    /// A recording to hear.
    Audio {
        /// WAV or Ogg.
        file: String,
        /// Languages in which the recording has captions: tags.
        #[serde(default)]
        captions: Vec<String>,
    },
    /// A recording to see.
    Video {
        /// MP4, QuickTime, AVI or WebM.
        file: String,
        /// Languages in which the film has captions: tags.
        #[serde(default)]
        captions: Vec<String>,
        /// Whether students may download it.
        #[serde(default)]
        download: bool,
    },
    /// A video that stays at YouTube or Vimeo.
    WebVideo {
        /// The address of its page there.
        url: String,
    },
}

impl Item {
    /// The name of the file to upload, if the item is an upload.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Image { file }
            | Self::File { file }
            | Self::Audio { file, .. }
            | Self::Video { file, .. } => Some(file),
            Self::Text { .. } | Self::WebVideo { .. } => None,
        }
    }

    /// The captions that come with it: language, and the name of the file that `demo/recordings.sh` makes.
    pub fn captions(&self) -> Vec<(&str, String)> {
        let (Self::Audio { file, captions } | Self::Video { file, captions, .. }) = self else {
            return Vec::new();
        };
        let named = |tag: &String| format!("{file}.{tag}.vtt");
        captions
            .iter()
            .map(|tag| (tag.as_str(), named(tag)))
            .collect()
    }

    /// Whether students may download it from its lesson.
    pub fn allows_download(&self) -> bool {
        matches!(self, Self::Video { download: true, .. })
    }
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    /// Blank lines part paragraphs.
    Plain,
    /// CommonMark.
    Markdown,
}

/// The part of the school that is in `school.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Roster {
    subjects: Vec<Subject>,
    people: Vec<Person>,
    enrollments: Vec<Enrollment>,
}

impl School {
    /// The school that is compiled into the program.
    ///
    /// # Errors
    /// Names the file that is no TOML or lacks something; the tests of this module see to it that there is none.
    pub fn embedded() -> Result<Self, SchoolError> {
        let roster: Roster = parse(SCHOOL)?;
        Ok(Self {
            subjects: roster.subjects,
            people: roster.people,
            enrollments: roster.enrollments,
            courses: COURSES
                .iter()
                .copied()
                .map(parse)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The names of all files of captions.
    pub fn captions(&self) -> Vec<String> {
        let items = self.courses.iter().flat_map(Course::contents);
        items
            .flat_map(|content| content.item.captions())
            .map(|(_, name)| name)
            .collect()
    }

    /// The names of all files that the contents of the courses need, each once, in the order of their first use.
    pub fn files(&self) -> Vec<&str> {
        let mut files = Vec::new();
        for file in self
            .courses
            .iter()
            .flat_map(Course::contents)
            .filter_map(|content| content.item.file())
        {
            if !files.contains(&file) {
                files.push(file);
            }
        }
        files
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    (path, text): (&'static str, &str),
) -> Result<T, SchoolError> {
    toml::from_str(text).map_err(|source| SchoolError { path, source })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};
    use std::path::Path;

    use super::*;

    fn is_slug(text: &str) -> bool {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=200).contains(&text.len()) && text.chars().all(allowed)
    }

    fn has_length(text: &str, most: usize) -> bool {
        (1..=most).contains(&text.trim().chars().count())
    }

    fn no_one_twice<'a>(names: impl Iterator<Item = &'a str>) {
        let mut seen = HashSet::new();
        for name in names {
            assert!(seen.insert(name), "{name} is there twice");
        }
    }

    fn role_of(school: &School, username: &str) -> Option<Role> {
        school
            .people
            .iter()
            .find(|person| person.username == username)
            .map(|person| person.role)
    }

    #[test]
    fn slugs_and_user_names_are_unique() -> Result<(), SchoolError> {
        let school = School::embedded()?;
        no_one_twice(school.subjects.iter().map(|subject| subject.slug.as_str()));
        no_one_twice(school.people.iter().map(|person| person.username.as_str()));
        no_one_twice(school.courses.iter().map(|course| course.slug.as_str()));
        Ok(())
    }

    #[test]
    fn courses_have_slugs_that_the_site_accepts() -> Result<(), SchoolError> {
        for (course, (path, _)) in School::embedded()?.courses.iter().zip(COURSES) {
            assert!(is_slug(&course.slug), "{path}");
            assert!(
                path.ends_with(&format!("/{}.toml", course.slug)),
                "{path} holds {}",
                course.slug
            );
            let reserved = ["mine", "create", "subject", "module", "content"];
            assert!(!reserved.contains(&course.slug.as_str()), "{path}");
        }
        Ok(())
    }

    #[test]
    fn the_starting_subjects_are_those_of_every_site_and_each_has_three_published_courses()
    -> Result<(), SchoolError> {
        let school = School::embedded()?;
        let titles: Vec<_> = school
            .subjects
            .iter()
            .map(|subject| subject.title.as_str())
            .collect();
        assert_eq!(titles, ["Mathematics", "Music", "Physics", "Programming"]);
        for subject in &school.subjects {
            assert_eq!(subject.slug, subject.title.to_lowercase());
            let published = school
                .courses
                .iter()
                .filter(|course| course.subject == subject.slug && !course.draft);
            assert_eq!(published.count(), 3, "{}", subject.slug);
        }
        Ok(())
    }

    #[test]
    fn texts_keep_within_the_limits_of_the_site() -> Result<(), SchoolError> {
        for course in &School::embedded()?.courses {
            assert!(has_length(&course.title, 200), "{}", course.slug);
            assert!(has_length(&course.overview, 20_000), "{}", course.slug);
            for module in &course.modules {
                assert!(
                    has_length(&module.title, 200),
                    "{}: {}",
                    course.slug,
                    module.title
                );
                assert!(
                    has_length(&module.description, 200),
                    "{}: {}",
                    course.slug,
                    module.title
                );
                assert!(
                    !module.contents.is_empty(),
                    "{}: {} is empty",
                    course.slug,
                    module.title
                );
            }
            for content in course.contents() {
                assert!(
                    has_length(&content.title, 250),
                    "{}: {}",
                    course.slug,
                    content.title
                );
                let is_too_long =
                    matches!(&content.item, Item::Text { body, .. } if !has_length(body, 20_000));
                assert!(!is_too_long, "{}: {}", course.slug, content.title);
            }
        }
        Ok(())
    }

    #[test]
    fn a_published_course_has_three_to_six_modules() -> Result<(), SchoolError> {
        for course in School::embedded()?
            .courses
            .iter()
            .filter(|course| !course.draft)
        {
            assert!((3..=6).contains(&course.modules.len()), "{}", course.slug);
        }
        Ok(())
    }

    #[test]
    fn every_course_has_a_subject_and_a_teacher_that_exist() -> Result<(), SchoolError> {
        let school = School::embedded()?;
        for course in &school.courses {
            assert!(
                school
                    .subjects
                    .iter()
                    .any(|subject| subject.slug == course.subject),
                "{}",
                course.slug
            );
            assert_eq!(
                role_of(&school, &course.owner),
                Some(Role::Teacher),
                "{}",
                course.slug
            );
        }
        Ok(())
    }

    #[test]
    fn students_are_enrolled_once_in_published_courses_and_have_done_no_more_than_there_is()
    -> Result<(), SchoolError> {
        let school = School::embedded()?;
        let mut seen = HashSet::new();
        for enrollment in &school.enrollments {
            let Enrollment {
                student,
                course: slug,
                done,
            } = enrollment;
            assert_eq!(role_of(&school, student), Some(Role::Student), "{student}");
            let course = school
                .courses
                .iter()
                .find(|course| course.slug == *slug && !course.draft);
            let contents = course.map(|course| course.contents().count());
            assert!(
                contents.is_some_and(|contents| *done <= contents),
                "{student} in {slug}"
            );
            assert!(seen.insert((student, slug)), "{student} is in {slug} twice");
        }
        Ok(())
    }

    #[test]
    fn there_are_teachers_three_students_and_one_staff_user() -> Result<(), SchoolError> {
        let school = School::embedded()?;
        let count = |role| {
            school
                .people
                .iter()
                .filter(|person| person.role == role)
                .count()
        };
        assert_eq!(
            (
                count(Role::Teacher),
                count(Role::Student),
                count(Role::Staff)
            ),
            (3, 3, 1)
        );
        assert_eq!(role_of(&school, "teacher"), Some(Role::Teacher));
        Ok(())
    }

    #[test]
    fn user_names_and_passwords_pass_the_rules_of_the_site() -> Result<(), SchoolError> {
        for person in &School::embedded()?.people {
            let Person {
                username,
                password,
                email,
                ..
            } = person;
            let allowed = |c: char| c.is_alphanumeric() || "_.@+-".contains(c);
            assert!(
                has_length(username, 150) && username.chars().all(allowed),
                "{username}"
            );
            assert!(password.chars().count() >= 8, "{username}");
            assert!(!password.chars().all(|c| c.is_ascii_digit()), "{username}");
            assert!(!password.contains(username.as_str()), "{username}");
            let strength = zxcvbn::zxcvbn(password, &[username, &person.name, email]);
            assert!(
                strength.score() >= zxcvbn::Score::Three,
                "{username}: the password is easily guessed"
            );
            assert!(email.ends_with("@example.org"), "{username}");
        }
        Ok(())
    }

    /// What `demo/recordings.sh` makes: the name of each source, without the ending `.svg` of a drawing.
    fn made_files() -> std::io::Result<BTreeSet<String>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
        let mut names = BTreeSet::new();
        for folder in ["files", "recordings"] {
            for entry in std::fs::read_dir(root.join(folder))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                names.insert(
                    name.strip_suffix(".svg")
                        .map_or(name.clone(), str::to_owned),
                );
            }
        }
        Ok(names)
    }

    #[test]
    fn every_file_that_a_course_names_is_made_and_every_file_made_is_used()
    -> Result<(), Box<dyn std::error::Error>> {
        let school = School::embedded()?;
        let needed: BTreeSet<String> = school.files().into_iter().map(str::to_owned).collect();
        assert_eq!(needed, made_files()?);
        Ok(())
    }

    #[test]
    fn files_have_endings_that_fit_their_kind() -> Result<(), SchoolError> {
        let school = School::embedded()?;
        for content in school.courses.iter().flat_map(Course::contents) {
            let endings: &[&str] = match &content.item {
                Item::Text { .. } | Item::WebVideo { .. } => continue,
                Item::Image { .. } => &["png", "jpg"],
                Item::File { .. } => &["pdf", "txt"],
                Item::Audio { .. } => &["wav", "ogg"],
                Item::Video { .. } => &["mp4", "mov", "avi", "webm"],
            };
            let ending = content
                .item
                .file()
                .and_then(|file| file.rsplit_once('.'))
                .map(|(_, ending)| ending);
            assert!(
                ending.is_some_and(|ending| endings.contains(&ending)),
                "{}",
                content.title
            );
        }
        Ok(())
    }

    #[test]
    fn a_course_that_lacks_something_is_named_with_the_fault() {
        let outcome: Result<Course, _> = parse((
            "demo/courses/half.toml",
            "slug = \"half\"\ntitel = \"Half\"",
        ));
        let message = outcome.map_err(|error| error.to_string());
        assert!(
            matches!(&message, Err(text) if text.starts_with("demo/courses/half.toml: ") && text.contains("titel")),
            "{message:?}"
        );
    }
}
