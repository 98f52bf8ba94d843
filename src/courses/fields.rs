//! The fields of a course's form, and what may stand in them.

use crate::entities::{course, subject};
use crate::error::Problems;
use crate::web::form::Form;

/// Longest title and slug, in characters.
pub const LONGEST_TITLE: usize = 200;

/// Names of pages under `/course/`: a course called so would be out of reach.
const RESERVED: [&str; 6] = ["mine", "create", "subject", "module", "content", "preview"];

/// What a course's form says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseChange {
    /// Its subject.
    pub subject_id: i64,
    /// 1-200 characters.
    pub title: String,
    /// 1-200 of `[A-Za-z0-9_-]`, none of the reserved ones.
    pub slug: String,
    /// Markdown, not empty.
    pub overview: String,
    /// Only its owner and staff see it. Absent: it is published.
    pub is_draft: bool,
}

impl CourseChange {
    /// As it is stored.
    pub fn of(course: &course::Model) -> Self {
        Self {
            subject_id: course.subject_id,
            title: course.title.clone(),
            slug: course.slug.clone(),
            overview: course.overview.clone(),
            is_draft: course.is_draft,
        }
    }

    /// Reads the form. All faults at once.
    pub fn read(form: &Form, subjects: &[subject::Model]) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let subject_id = form
            .number("subject")
            .filter(|id| subjects.iter().any(|subject| subject.id == *id));
        problems.check(
            subject_id.is_some(),
            "subject",
            "Choose a subject from the list.",
        );
        let title = form.text("title");
        if let Some(fault) = title_fault(title, "A course needs a title.") {
            problems.add("title", fault);
        }
        let slug = form.text("slug");
        if let Some(fault) = slug_fault(slug) {
            problems.add("slug", fault);
        }
        let overview = form.long_text("overview");
        problems.check(
            !overview.trim().is_empty(),
            "overview",
            "Say in a few sentences what the course is about, and for whom.",
        );
        match subject_id {
            Some(subject_id) if problems.is_empty() => Ok(Self {
                subject_id,
                title: title.to_owned(),
                slug: slug.to_owned(),
                overview,
                is_draft: form.is_set("draft"),
            }),
            _ => Err(problems),
        }
    }
}

/// What is wrong with a title, in words that say how to mend it.
pub fn title_fault(title: &str, when_empty: &str) -> Option<String> {
    let length = title.chars().count();
    if length == 0 {
        Some(when_empty.to_owned())
    } else if length > LONGEST_TITLE {
        Some(format!(
            "The title has {length} characters; up to {LONGEST_TITLE} fit."
        ))
    } else {
        None
    }
}

/// What is wrong with a course's slug, in words that say how to mend it.
pub fn slug_fault(slug: &str) -> Option<String> {
    let fault = letters_fault(slug, "A course needs an address, such as first-steps.");
    if fault.is_some() {
        return fault;
    }
    if RESERVED.contains(&slug) {
        return Some(format!(
            "The site uses the address “{slug}” itself. Please take another one, such as {slug}-course."
        ));
    }
    None
}

/// What is wrong with the letters of an address, and how many they are.
pub fn letters_fault(slug: &str, when_empty: &str) -> Option<String> {
    let length = slug.chars().count();
    if length == 0 {
        return Some(when_empty.to_owned());
    }
    if !slug
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    {
        return Some(
            "An address holds only the letters a to z, digits, - and _, without spaces.".into(),
        );
    }
    if length > LONGEST_TITLE {
        return Some(format!(
            "The address has {length} characters; up to {LONGEST_TITLE} fit."
        ));
    }
    None
}

/// The form of a course that exists.
pub fn form_of(course: &course::Model) -> Form {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let mut fields = vec![
        pair("subject", course.subject_id.to_string()),
        pair("title", course.title.clone()),
        pair("slug", course.slug.clone()),
        pair("overview", course.overview.clone()),
    ];
    if course.is_draft {
        fields.push(pair("draft", "on".into()));
    }
    Form::from_pairs(fields)
}

#[cfg(test)]
mod tests {
    use super::{RESERVED, slug_fault};
    use proptest::prelude::*;

    #[test]
    fn names_of_pages_are_no_slugs() {
        for slug in RESERVED {
            assert!(slug_fault(slug).is_some_and(|words| words.contains(slug)));
        }
        assert_eq!(slug_fault("Mine"), None);
    }

    proptest! {
        #[test]
        fn letters_digits_hyphens_and_underscores_make_a_slug(slug in "[A-Za-z0-9_-]{1,200}") {
            prop_assert_eq!(slug_fault(&slug).is_some(), RESERVED.contains(&slug.as_str()));
        }

        #[test]
        fn any_other_character_makes_none(head in "[a-z]{0,20}", c in "[^A-Za-z0-9_-]", tail in "[a-z]{0,20}") {
            let slug = format!("{head}{c}{tail}");
            prop_assert!(slug_fault(&slug).is_some());
        }

        #[test]
        fn a_slug_has_at_most_200_characters(slug in "[a-z]{201,300}") {
            prop_assert!(slug_fault(&slug).is_some());
        }
    }
}
