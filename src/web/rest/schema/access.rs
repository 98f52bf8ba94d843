//! Who may, in words; and how callers say who they are.

use super::document::{Entries, SecurityScheme};
use super::naming::camel;
use crate::web::csrf;
use crate::web::permissions::admin;
use crate::web::rest::permissions::Rule;
use crate::web::scopes::Scope;
use axum::http::Method;

/// The ways to say who asks, by the names that operations give them.
pub fn schemes() -> Entries<SecurityScheme> {
    let http = |scheme, description| SecurityScheme {
        r#type: "http",
        scheme: Some(scheme),
        r#in: None,
        name: None,
        description,
    };
    let key = |place, name, description| SecurityScheme {
        r#type: "apiKey",
        scheme: None,
        r#in: Some(place),
        name: Some(name),
        description,
    };
    Entries(vec![
        (
            "basic".to_owned(),
            http("basic", "Name and password of an account."),
        ),
        (
            "bearer".to_owned(),
            http(
                "bearer",
                "The key of a token: `Authorization: Bearer <key>`.",
            ),
        ),
        (
            "token".to_owned(),
            key(
                "header",
                "Authorization",
                "The same in the words of older clients: `Authorization: Token <key>`.",
            ),
        ),
        (
            "session".to_owned(),
            key(
                "cookie",
                "sessionid",
                "The cookie of somebody who has logged in with a browser.",
            ),
        ),
        (
            "csrf".to_owned(),
            key(
                "header",
                CSRF_HEADER,
                "With a session, whatever changes something repeats the value of the cookie `csrftoken`.",
            ),
        ),
    ])
}

/// The header of [`csrf::HEADER`], as people write it.
const CSRF_HEADER: &str = "X-CSRFToken";
const _: () = assert!(csrf::HEADER.eq_ignore_ascii_case(CSRF_HEADER));

/// How callers of this method say who they are: one of these, tokens with the scope that they need.
pub fn ways(
    method: &Method,
    admits_visitors: bool,
    needs: Scope,
) -> Vec<Entries<Vec<&'static str>>> {
    let way = |names: &[&str]| {
        let all = names.iter().map(|name| ((*name).to_owned(), Vec::new()));
        Entries(all.collect())
    };
    let mut ways = Vec::new();
    if admits_visitors {
        ways.push(way(&[]));
    }
    ways.push(way(&["basic"]));
    for name in ["bearer", "token"] {
        ways.push(Entries(vec![(name.to_owned(), vec![needs.name()])]));
    }
    if *method == Method::GET {
        ways.push(way(&["session"]));
    } else {
        ways.push(way(&["session", "csrf"]));
    }
    ways
}

/// Whether the rule lets in callers who do not say who they are. Permissions of features ask who it is: those that let
/// in anybody have a name here.
pub fn admits_visitors(rule: &Rule, method: &Method) -> bool {
    match rule {
        Rule::Is("AllowAny", _) => true,
        Rule::Is("ReadOnly", _) => *method == Method::GET,
        Rule::Is(..) => false,
        Rule::All(rules) => rules.iter().all(|rule| admits_visitors(rule, method)),
        Rule::Any(rules) => rules.iter().any(|rule| admits_visitors(rule, method)),
        Rule::Not(rule) => !admits_visitors(rule, method),
    }
}

/// Whether the rule lets in nobody but those who run the site or a part of it, whose rights a token has with the scope
/// `admin` alone.
pub fn is_for_staff(rule: &Rule) -> bool {
    match rule {
        Rule::Is(name, _) => *name == "IsStaff" || name.starts_with(admin::PREFIX),
        Rule::All(rules) => rules.iter().any(is_for_staff),
        Rule::Any(rules) => rules.iter().all(is_for_staff),
        Rule::Not(_) => false,
    }
}

/// Who may, as people say it: `Whoever runs the site, or whoever owns it.`
pub fn words(rule: &Rule) -> String {
    let words = clause(rule);
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    let sentence: String = first.into_iter().chain(chars).collect();
    format!("{sentence}.")
}

fn clause(rule: &Rule) -> String {
    let several = |rules: &[Rule], word: &str| {
        let clauses = rules.iter().map(|rule| match rule {
            Rule::All(_) | Rule::Any(_) => format!("({})", clause(rule)),
            _ => clause(rule),
        });
        clauses.collect::<Vec<_>>().join(word)
    };
    match rule {
        Rule::Is("AllowAny", _) => "everybody".to_owned(),
        Rule::Is("IsAuthenticated", _) => "whoever is logged in".to_owned(),
        Rule::Is("IsStaff", _) => "whoever runs the site".to_owned(),
        Rule::Is("IsOwner", _) => "whoever owns it".to_owned(),
        Rule::Is("ReadOnly", _) => "whoever only reads".to_owned(),
        Rule::Is(name, _) if name.contains('.') => format!("whoever has the permission {name}"),
        Rule::Is(name, _) => format!("whoever{}", spelled(name)),
        Rule::All(rules) => several(rules, ", and at once "),
        Rule::Any(rules) => several(rules, ", or "),
        Rule::Not(rule) => format!("everybody but {}", clause(rule)),
    }
}

/// `IsEnrolled` as ` is enrolled`.
fn spelled(name: &str) -> String {
    let mut words = String::new();
    for c in camel(name).chars() {
        if c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::rest::permissions::{
        ALLOW_ANY, IS_AUTHENTICATED, IS_OWNER, IS_STAFF, READ_ONLY, said,
    };

    const IS_ENROLLED: Rule = Rule::Is("IsEnrolled", |_| said(true));

    #[test]
    fn a_rule_is_told_as_people_say_it() {
        for (rule, sentence) in [
            (ALLOW_ANY, "Everybody."),
            (
                Rule::Any(&[IS_STAFF, IS_OWNER, IS_ENROLLED]),
                "Whoever runs the site, or whoever owns it, or whoever is enrolled.",
            ),
            (
                Rule::All(&[IS_AUTHENTICATED, Rule::Any(&[IS_OWNER, IS_STAFF])]),
                "Whoever is logged in, and at once (whoever owns it, or whoever runs the site).",
            ),
            (
                Rule::All(&[IS_AUTHENTICATED, Rule::Not(&IS_STAFF)]),
                "Whoever is logged in, and at once everybody but whoever runs the site.",
            ),
        ] {
            assert_eq!(words(&rule), sentence);
        }
    }

    #[test]
    fn visitors_are_admitted_where_the_rule_lets_in_anybody() {
        const READ_OR_STAFF: Rule = Rule::Any(&[READ_ONLY, IS_STAFF]);
        assert!(admits_visitors(&READ_OR_STAFF, &Method::GET));
        assert!(!admits_visitors(&READ_OR_STAFF, &Method::POST));
        assert!(!admits_visitors(&IS_ENROLLED, &Method::GET));
        assert!(!admits_visitors(
            &Rule::All(&[ALLOW_ANY, IS_OWNER]),
            &Method::GET
        ));
    }
}
