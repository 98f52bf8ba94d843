//! What things are called in the schema: operations, and components.

use axum::http::Method;

/// One of several: `courses` as `course`.
pub fn singular(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("ies") {
        return format!("{stem}y");
    }
    match name.strip_suffix('s') {
        Some(stem) if !stem.ends_with(['s', 'u', 'i']) => stem.to_owned(),
        _ => name.to_owned(),
    }
}

/// `CourseModule` for `module` of a `Course`.
pub fn joined(whole: &str, part: &str) -> String {
    format!("{whole}{}", camel(part))
}

/// `place_in_line` as `PlaceInLine`.
pub fn camel(name: &str) -> String {
    let words = name.split(['_', '-', ' ', '/']);
    let big = words.map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    big.collect()
}

/// The parts of a path below `/api/`: `courses`, `{id}`, `enroll`.
pub fn parts(path: &str) -> Vec<&str> {
    let below = path.strip_prefix("/api/").unwrap_or(path);
    below.split('/').filter(|part| !part.is_empty()).collect()
}

fn is_number(part: &str) -> bool {
    part.starts_with('{')
}

/// What is at a path: `Course`, `CourseModule` where there are several of them, else `CourseContents`.
pub fn thing(path: &str, are_several: bool) -> String {
    let parts = parts(path);
    let Some((last, before)) = parts.split_last() else {
        return "Root".to_owned();
    };
    let owners = before.iter().filter(|part| !is_number(part));
    let owners: String = owners.map(|part| camel(&singular(part))).collect();
    if is_number(last) {
        owners
    } else if are_several {
        joined(&owners, &singular(last))
    } else {
        joined(&owners, last)
    }
}

/// The name of an operation in programs that are generated: `list_courses`, `enroll_course`.
pub fn operation(method: &Method, path: &str, is_list: bool) -> String {
    let parts = parts(path);
    let Some((last, before)) = parts.split_last() else {
        return "list_resources".to_owned();
    };
    let owners = before.iter().filter(|part| !is_number(part));
    let owners: Vec<String> = owners.map(|part| singular(part)).collect();
    let owners = owners.join("_");
    let name = |verb: &str, what: &str| {
        let words = [verb, &owners, what];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join("_").replace('-', "_")
    };
    // `owners` names it already.
    let one = |verb: &str| name(verb, "");
    match (method.as_str(), is_number(last)) {
        ("GET", true) => one("get"),
        ("PUT", true) => one("update"),
        ("PATCH", true) => one("change"),
        ("DELETE", true) => one("delete"),
        (_, true) => one(&method.as_str().to_ascii_lowercase()),
        ("GET", false) if is_list => name("list", last),
        ("GET", false) => name("get", last),
        // What can be done with one of them: `/api/courses/{id}/enroll/`.
        ("POST", false)
            if before.last().is_some_and(|part| is_number(part)) && !is_plural(last) =>
        {
            one(last)
        }
        // What can be done with all: `/api/messages/dismiss/`.
        ("POST", false) if !before.is_empty() && !is_plural(last) => {
            format!("{last}_{}", before.join("_")).replace('-', "_")
        }
        ("POST", false) => name("create", &singular(last)),
        ("PUT", false) => name("update", last),
        ("PATCH", false) => name("change", last),
        ("DELETE", false) => name("delete", last),
        _ => name(&method.as_str().to_ascii_lowercase(), last),
    }
}

fn is_plural(name: &str) -> bool {
    singular(name) != name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_called_as_programmers_would() {
        for (method, path, is_list, name) in [
            ("GET", "/api/", false, "list_resources"),
            ("GET", "/api/courses/", true, "list_courses"),
            ("POST", "/api/courses/", false, "create_course"),
            ("GET", "/api/courses/{id}/", false, "get_course"),
            ("PUT", "/api/courses/{id}/", false, "update_course"),
            ("PATCH", "/api/courses/{id}/", false, "change_course"),
            ("DELETE", "/api/courses/{id}/", false, "delete_course"),
            ("POST", "/api/courses/{id}/enroll/", false, "enroll_course"),
            (
                "GET",
                "/api/courses/{id}/contents/",
                false,
                "get_course_contents",
            ),
            (
                "POST",
                "/api/courses/{id}/modules/",
                false,
                "create_course_module",
            ),
            ("POST", "/api/messages/dismiss/", false, "dismiss_messages"),
            ("GET", "/api/users/me/", false, "get_user_me"),
            ("GET", "/api/cache/", false, "get_cache"),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(operation(&method, path, is_list), name, "{path}");
        }
    }

    #[test]
    fn things_are_called_by_their_path() {
        assert_eq!(thing("/api/courses/{id}/", false), "Course");
        assert_eq!(thing("/api/courses/", true), "Course");
        assert_eq!(
            thing("/api/courses/{id}/contents/", false),
            "CourseContents"
        );
        assert_eq!(thing("/api/", false), "Root");
        assert_eq!(singular("progress"), "progress");
        assert_eq!(singular("categories"), "category");
    }
}
