//! Whatever people send on pages, programs can send to `/api/`, but for what is named here with its reason.

use lyceum::{admin, router};
use reqwest::Method;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a page's form has in its place for programs.
enum Has {
    /// This operation of the API.
    Api(&'static str, &'static str),
    /// None, for this reason.
    None(&'static str),
}
use Has::{Api, None as Without};

const BEFORE_AN_ACCOUNT: &str = "is for people who have no account, or cannot open theirs";
const TAKES_A_CODE: &str = "takes a code of the moment, which a person types";
const IS_FOR_PROGRAMS: &str = "is for programs already";
const KEYS: &str = "no key makes or revokes another (decision 0026)";

/// Every path of `router` that takes more than GET.
#[expect(clippy::too_many_lines, reason = "a table, a line for each path")]
fn counterparts() -> Vec<(&'static str, Has)> {
    vec![
        ("/api/{*path}", Without(IS_FOR_PROGRAMS)),
        (
            "/uploads/watched/",
            Without("keeps an open page from being told what it shows"),
        ),
        (
            "/uploads/{id}/retry/",
            Api("POST", "/api/uploads/{id}/retry/"),
        ),
        (
            "/uploads/{id}/cancel/",
            Api("POST", "/api/uploads/{id}/cancel/"),
        ),
        (
            "/accounts/login/",
            Without("credentials come with each call"),
        ),
        (
            "/accounts/logout/",
            Without("credentials come with each call"),
        ),
        ("/accounts/profile/", Api("PATCH", "/api/users/me/")),
        ("/accounts/theme/", Api("PATCH", "/api/users/me/")),
        (
            "/accounts/password/",
            Api("POST", "/api/users/me/password/"),
        ),
        (
            "/accounts/sessions/",
            Api("POST", "/api/users/me/sessions/end/"),
        ),
        ("/accounts/tokens/", Without(KEYS)),
        ("/accounts/tokens/{id}/revoke/", Without(KEYS)),
        ("/students/register/", Without(BEFORE_AN_ACCOUNT)),
        ("/accounts/password/forgot/", Without(BEFORE_AN_ACCOUNT)),
        ("/accounts/password/reset/", Without(BEFORE_AN_ACCOUNT)),
        ("/accounts/login/code/", Without(TAKES_A_CODE)),
        (
            "/accounts/email/confirm/",
            Without("is opened by a link in a letter"),
        ),
        ("/accounts/email/needed/", Without(BEFORE_AN_ACCOUNT)),
        (
            "/accounts/email/send/",
            Api("POST", "/api/users/me/confirm/"),
        ),
        (
            "/accounts/email/keep/",
            Api("DELETE", "/api/users/me/confirm/"),
        ),
        ("/accounts/security/", Without(TAKES_A_CODE)),
        ("/accounts/security/two-factor/", Without(TAKES_A_CODE)),
        ("/accounts/security/two-factor/end/", Without(TAKES_A_CODE)),
        ("/accounts/security/codes/", Without(TAKES_A_CODE)),
        (
            "/students/enroll-course/",
            Api("POST", "/api/courses/{id}/enroll/"),
        ),
        (
            "/students/course/{id}/withdraw/",
            Api("POST", "/api/courses/{id}/leave/"),
        ),
        (
            "/students/course/{id}/leave/",
            Api("POST", "/api/courses/{id}/leave/"),
        ),
        ("/join/", Api("POST", "/api/invitations/join/")),
        (
            "/course/{id}/entry/",
            Api("PATCH", "/api/courses/{id}/entry/"),
        ),
        (
            "/course/{id}/entry/requests/",
            Api("POST", "/api/requests/{id}/accept/"),
        ),
        (
            "/course/{id}/invitations/",
            Api("POST", "/api/invitations/"),
        ),
        (
            "/course/{id}/invitations/{invitation}/revoke/",
            Api("POST", "/api/invitations/{id}/revoke/"),
        ),
        (
            "/students/content/{id}/done/",
            Api("POST", "/api/contents/{id}/done/"),
        ),
        (
            "/students/content/{id}/position/",
            Api("POST", "/api/contents/{id}/position/"),
        ),
        ("/uploads/status/", Without(IS_FOR_PROGRAMS)),
        ("/progressbar/upload_status", Without(IS_FOR_PROGRAMS)),
        ("/uploads/", Without(IS_FOR_PROGRAMS)),
        ("/uploads/{id}", Without(IS_FOR_PROGRAMS)),
        ("/course/create/", Api("POST", "/api/courses/")),
        (
            "/course/preview/",
            Without("shows what is typed into a form as it will look"),
        ),
        ("/course/{id}/edit/", Api("PATCH", "/api/courses/{id}/")),
        ("/course/{id}/delete/", Api("DELETE", "/api/courses/{id}/")),
        ("/course/{id}/module/", Api("PATCH", "/api/modules/{id}/")),
        (
            "/course/module/order/",
            Api("POST", "/api/courses/{id}/order/"),
        ),
        (
            "/course/content/order/",
            Api("POST", "/api/modules/{id}/order/"),
        ),
        (
            "/messages/read/",
            Api("POST", "/api/messages/{id}/dismiss/"),
        ),
        ("/messages/read/all/", Api("POST", "/api/messages/dismiss/")),
        ("/course/{id}/module/add/", Api("POST", "/api/modules/")),
        (
            "/course/module/{id}/edit/",
            Api("PATCH", "/api/modules/{id}/"),
        ),
        (
            "/course/module/{id}/delete/",
            Api("DELETE", "/api/modules/{id}/"),
        ),
        (
            "/course/module/{id}/content/{kind}/{item}/captions/{language}/delete/",
            Api("DELETE", "/api/contents/{id}/captions/"),
        ),
        (
            "/course/module/{id}/move/",
            Api("POST", "/api/courses/{id}/order/"),
        ),
        (
            "/course/content/{id}/move/",
            Api("POST", "/api/modules/{id}/order/"),
        ),
        (
            "/course/content/{id}/retry/",
            Api("POST", "/api/contents/{id}/retry/"),
        ),
        (
            "/course/content/{id}/cancel/",
            Api("POST", "/api/contents/{id}/cancel/"),
        ),
        (
            "/course/content/{id}/keep/",
            Api("POST", "/api/contents/{id}/keep/"),
        ),
        (
            "/course/content/{id}/delete/",
            Api("DELETE", "/api/contents/{id}/"),
        ),
        ("/library/delete/", Api("DELETE", "/api/uploads/{id}/")),
        ("/library/{id}/rename/", Api("PATCH", "/api/uploads/{id}/")),
        ("/library/{id}/use/", Api("POST", "/api/contents/")),
        (
            "/library/unfinished/{id}/discard/",
            Without("tus ends an upload by DELETE; /api/uploads/unfinished/ has the address"),
        ),
        (
            "/chat/room/{id}/lock/",
            Api("POST", "/api/rooms/{id}/lock/"),
        ),
        (
            "/chat/room/{id}/slow/",
            Api("POST", "/api/rooms/{id}/slow/"),
        ),
        (
            "/chat/room/{id}/mute/",
            Api("POST", "/api/rooms/{id}/mute/"),
        ),
        ("/chat/room/{id}/read/", Without(IS_FOR_PROGRAMS)),
        ("/chat/room/{id}/ticket/", Without(IS_FOR_PROGRAMS)),
        ("/chat/room/{id}/pictures/", Without(IS_FOR_PROGRAMS)),
        (
            "/chat/room/{id}/pictures/{upload}/",
            Without(IS_FOR_PROGRAMS),
        ),
        (
            "/admin/enrollments/import/",
            Without("a program puts people in one by one at /api/enrollments/"),
        ),
        (
            "/admin/enrollments/import/{id}/",
            Without("a program puts people in one by one at /api/enrollments/"),
        ),
        ("/admin/announcements/", Api("POST", "/api/announcements/")),
        (
            "/admin/announcements/{id}/stop/",
            Api("POST", "/api/announcements/{id}/stop/"),
        ),
        ("/admin/jobs/act/", Api("POST", "/api/jobs/{id}/retry/")),
        ("/admin/jobs/pause/", Api("POST", "/api/jobs/pause/")),
        ("/admin/jobs/resume/", Api("POST", "/api/jobs/resume/")),
        ("/admin/cache/key/", Api("POST", "/api/caches/forget/")),
        ("/admin/cache/clear/", Api("POST", "/api/caches/forget/")),
        (
            "/course/module/{id}/content/{kind}/create/",
            Api("POST", "/api/contents/"),
        ),
        (
            "/course/module/{id}/content/{kind}/{item}/",
            Api("PATCH", "/api/contents/{id}/"),
        ),
        (
            "/course/module/{id}/content/{kind}/{item}/captions/",
            Api("POST", "/api/contents/{id}/captions/"),
        ),
        (
            "/library/upload/{kind}/",
            Without("programs send files by tus to /uploads/"),
        ),
        ("/hooks/transcode/", Without(IS_FOR_PROGRAMS)),
        ("/audio/transcode-complete/", Without(IS_FOR_PROGRAMS)),
    ]
}

/// What the tables of the admin site have in their place.
const TABLES: [(&str, Has); 10] = [
    ("users", Api("PATCH", "/api/users/{id}/")),
    ("groups", Api("PATCH", "/api/groups/{id}/")),
    ("subjects", Api("PATCH", "/api/subjects/{id}/")),
    ("courses", Api("PATCH", "/api/courses/{id}/")),
    ("contents", Api("PATCH", "/api/contents/{id}/")),
    ("enrollments", Api("POST", "/api/enrollments/")),
    ("uploads", Api("DELETE", "/api/uploads/{id}/")),
    ("rooms", Api("POST", "/api/rooms/{id}/lock/")),
    ("tokens", Without(KEYS)),
    ("log", Without("it is only read, and so it is at /api/log/")),
];

/// The paths in the source of the router that take more than GET.
fn written() -> BTreeSet<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/router.rs");
    let text = std::fs::read_to_string(file).expect("the router can be read");
    let mut paths = BTreeSet::new();
    for start in [".at(", ".route("] {
        for (at, _) in text.match_indices(start) {
            let call = inside(&text[at + start.len()..]);
            let others = ["post(", "put(", "patch(", "delete(", "any("];
            let mut quoted = call.split('"');
            let is_path = quoted.next().is_some_and(|before| before.trim().is_empty());
            if let Some(path) = quoted.next()
                && is_path
                && others.iter().any(|method| call.contains(method))
            {
                paths.insert(path.to_owned());
            }
        }
    }
    paths
}

/// What stands before the parenthesis that closes the one before it.
fn inside(text: &str) -> &str {
    let mut depth = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

fn require(path: &str, has: &Has) {
    let (method, api) = match has {
        Api(method, api) => (method, api),
        Without(reason) => return assert!(reason.contains(' '), "{path}: {reason}"),
    };
    let method: Method = method.parse().unwrap();
    let mut endpoints = router::api().endpoints();
    let found = endpoints.find(|endpoint| endpoint.path == *api);
    let found = found.unwrap_or_else(|| panic!("{path}: there is no {api}"));
    assert!(
        found.operation(&method).is_some(),
        "{path}: {api} takes no {method}"
    );
}

#[test]
fn whatever_is_sent_on_pages_has_a_counterpart_for_programs_or_a_reason_why_not() {
    let counterparts = counterparts();
    let told: BTreeSet<String> = counterparts
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .collect();
    assert_eq!(told.len(), counterparts.len(), "a path stands here twice");
    let written = written();
    let untold: Vec<&String> = written.difference(&told).collect();
    assert!(
        untold.is_empty(),
        "without counterpart or reason: {untold:?}"
    );
    let gone: Vec<&String> = told.difference(&written).collect();
    assert!(gone.is_empty(), "the router has not: {gone:?}");
    for (path, has) in &counterparts {
        require(path, has);
    }
}

#[test]
fn every_table_of_the_admin_site_has_a_counterpart_for_programs_or_a_reason_why_not() {
    let routes = admin::tables::routes();
    let tables: BTreeSet<&str> = routes
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("/admin/")?.split('/').next())
        .collect();
    assert_eq!(tables, TABLES.iter().map(|(name, _)| *name).collect());
    for (name, has) in &TABLES {
        require(name, has);
    }
}
