//! A page made for one person is never given to another: several people ask at random, and each is answered as by a
//! site of the same data that keeps nothing.

use super::{body, course_id, get_with};
use crate::kit::{Browser, Page, Role, TestApp};
use std::collections::BTreeMap;

const SEEDS: [u64; 4] = [1, 2, 3, 4];
const STEPS: usize = 150;

/// xorshift (Marsaglia, 2003): the same steps for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(all.len());
        &all[at]
    }
}

/// Somebody at a site that keeps pages, and at one that does not.
struct Person {
    name: &'static str,
    kept: Browser,
    fresh: Browser,
}

/// What may differ between two answers to the same person: tokens, and the numbers of requests.
fn without_tokens(text: &str) -> String {
    let mut rest = text;
    let mut left = String::new();
    for (begin, end) in [("name=\"csrfmiddlewaretoken\" value=\"", '"')]
        .iter()
        .cycle()
    {
        let Some(at) = rest.find(begin) else {
            break;
        };
        let (before, after) = rest.split_at(at + begin.len());
        left.push_str(before);
        rest = after.find(*end).map_or("", |end| &after[end..]);
    }
    left.push_str(rest);
    left
}

/// The same on both sites, request by request.
fn compare(person: &Person, path: &str, kept: &Page, fresh: &Page) {
    let who = person.name;
    assert_eq!(kept.status, fresh.status, "{who} {path}");
    let (kept_text, fresh_text) = (without_tokens(&body(kept)), without_tokens(&body(fresh)));
    if kept.status < 400 {
        let differing = kept_text
            .lines()
            .zip(fresh_text.lines())
            .find(|(kept, fresh)| kept != fresh);
        assert_eq!(differing, None, "{who} {path}");
        assert_eq!(kept_text.len(), fresh_text.len(), "{who} {path}");
    }
    for name in [
        "content-type",
        "location",
        "content-security-policy",
        "x-frame-options",
    ] {
        assert_eq!(kept.header(name), fresh.header(name), "{who} {path} {name}");
    }
    let shared = kept
        .header("cache-control")
        .is_some_and(|value| value.contains("no-cache"));
    if shared {
        assert!(who.starts_with("visitor"), "{who} {path}");
        assert_eq!(kept.header("set-cookie"), None, "{who} {path}");
    }
}

struct School {
    site: TestApp,
    people: Vec<Person>,
    paths: Vec<String>,
    courses: Vec<i64>,
    /// Validators that somebody was given, of which page in which form.
    given: Vec<(String, &'static str, String)>,
    /// How often each kind of answer came, so that the test is known to have seen all of them.
    seen: BTreeMap<&'static str, usize>,
}

impl School {
    async fn open() -> Self {
        let site = TestApp::start().await;
        let fresh = site
            .second_with(|config| config.cache = "off:".into())
            .await;
        let mut people = Vec::new();
        for (name, role) in [
            ("ada", Some(Role::Instructor)),
            ("cleo", Some(Role::Instructor)),
            ("bob", Some(Role::Student)),
            ("eve", Some(Role::Student)),
            ("root", Some(Role::Staff)),
            ("visitor", None),
            ("visitor with a cookie", None),
        ] {
            let kept = match role {
                Some(role) => site.login_as(name, role).await,
                None => site.visitor(),
            };
            if name == "visitor with a cookie" {
                kept.get("/accounts/login/").await.expect(200);
            }
            let fresh = kept.at(&fresh.url);
            people.push(Person { name, kept, fresh });
        }
        let mut school = Self {
            site,
            people,
            paths: Vec::new(),
            courses: Vec::new(),
            given: Vec::new(),
            seen: BTreeMap::new(),
        };
        for (teacher, slug, draft) in [
            ("ada", "cello", ""),
            ("ada", "viola", "on"),
            ("cleo", "flute", ""),
        ] {
            school.write_course(teacher, slug, slug, draft, None).await;
            school.courses.push(course_id(&school.site, slug).await);
        }
        school.paths = school.all_paths();
        school
    }

    fn all_paths(&self) -> Vec<String> {
        let fixed = [
            "/",
            "/?sort=title",
            "/?x=1",
            "/?page=2",
            "/?q=cello",
            "/course/subject/music/",
            "/course/subject/none/",
            "/course/cello/",
            "/course/viola/",
            "/course/flute/",
            "/course/none/",
            "/course/mine/",
            "/course/create/",
            "/accounts/login/",
            "/students/register/",
            "/accounts/profile/",
            "/students/courses/",
            "/messages/",
            "/library/",
        ];
        let numbered = self.courses.iter().flat_map(|id| {
            [
                format!("/students/course/{id}/"),
                format!("/course/{id}/outline/"),
            ]
        });
        fixed
            .map(str::to_owned)
            .into_iter()
            .chain(numbered)
            .collect()
    }

    fn person(&self, name: &str) -> &Person {
        self.people
            .iter()
            .find(|person| person.name == name)
            .unwrap()
    }

    async fn write_course(
        &self,
        teacher: &str,
        slug: &str,
        title: &str,
        draft: &str,
        id: Option<i64>,
    ) {
        let music = self.site.subject("music").await.to_string();
        let mut fields = vec![
            ("subject", music.as_str()),
            ("title", title),
            ("slug", slug),
            ("overview", "Words."),
        ];
        if !draft.is_empty() {
            fields.push(("draft", draft));
        }
        let path = id.map_or_else(
            || "/course/create/".to_owned(),
            |id| format!("/course/{id}/edit/"),
        );
        self.person(teacher)
            .kept
            .post(&path, &fields)
            .await
            .expect(303);
    }

    /// Somebody looks at a page, on both sites.
    async fn look(&mut self, chance: &mut Chance) {
        let person = &self.people[chance.below(self.people.len())];
        let newest = &self.given[self.given.len().saturating_sub(6)..];
        let given =
            (!newest.is_empty() && chance.below(3) == 0).then(|| chance.one_of(newest).clone());
        let (path, encoding, held) = given.map_or_else(
            || {
                let encodings = ["", "br", "gzip", "gzip, br;q=0.5"];
                (
                    chance.one_of(&self.paths).clone(),
                    *chance.one_of(&encodings),
                    None,
                )
            },
            |(path, encoding, tag)| (path, encoding, Some(tag)),
        );
        let path = path.as_str();
        let mut headers = vec![("accept-encoding", encoding)];
        if let Some(held) = held.as_deref() {
            headers.push(("if-none-match", held));
        }
        let mut kept = get_with(&person.kept, path, &headers).await;
        if kept.status == 304 {
            *self.seen.entry("held").or_default() += 1;
            assert_eq!(kept.header("etag").as_deref(), held.as_deref());
            headers.pop();
            kept = get_with(&person.kept, path, &headers).await;
            assert_eq!(kept.header("etag").as_deref(), held.as_deref());
        }
        let fresh = get_with(&person.fresh, path, &[]).await;
        compare(person, path, &kept, &fresh);
        let kind = if kept.header("etag").is_some() {
            "kept"
        } else {
            "made"
        };
        *self.seen.entry(kind).or_default() += 1;
        let given = kept
            .header("etag")
            .map(|tag| (path.to_owned(), encoding, tag));
        self.given.extend(given);
    }

    /// Somebody looks, or something changes.
    async fn step(&mut self, chance: &mut Chance, number: usize) {
        if chance.below(6) == 0 {
            self.change(chance, number).await;
        } else {
            self.look(chance).await;
        }
    }

    /// Something changes.
    async fn change(&mut self, chance: &mut Chance, step: usize) {
        let course = self.courses[chance.below(self.courses.len())].to_string();
        match chance.below(5) {
            0 => {
                let draft = *chance.one_of(&["", "on"]);
                let title = format!("cello {step}");
                self.write_course("ada", "cello", &title, draft, Some(self.courses[0]))
                    .await;
            }
            1 => {
                let who = *chance.one_of(&["bob", "eve"]);
                let fields = [("course", course.as_str())];
                self.person(who)
                    .kept
                    .post("/students/enroll-course/", &fields)
                    .await;
            }
            2 => {
                let who = *chance.one_of(&["bob", "eve"]);
                let path = format!("/students/course/{course}/leave/");
                self.person(who).kept.post(&path, &[]).await;
            }
            3 => {
                let path = format!("/course/{course}/module/add/");
                let title = format!("Module {step}");
                let fields = [("title", title.as_str()), ("description", "")];
                self.person("root").kept.post(&path, &fields).await;
            }
            _ => {
                let name = format!("Ada {step}");
                let fields = [
                    ("name", name.as_str()),
                    ("email", ""),
                    ("timezone", "UTC"),
                    ("theme", "dark"),
                ];
                let who = *chance.one_of(&["ada", "bob"]);
                let person = self.person(who);
                person
                    .kept
                    .post("/accounts/profile/", &fields)
                    .await
                    .expect(303);
                // The other process remembers her session and hears of it a moment later.
                while !person.fresh.get("/messages/").await.text().contains(&name) {
                    tokio::task::yield_now().await;
                }
            }
        }
        self.site.wait_seconds(20);
    }
}

#[tokio::test]
async fn a_page_made_for_one_person_is_never_given_to_another() {
    for seed in SEEDS {
        let mut school = School::open().await;
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for step in 0..STEPS {
            school.step(&mut chance, step).await;
        }
        for kind in ["kept", "made", "held"] {
            let often = school.seen.get(kind).copied().unwrap_or(0);
            assert!(often > 0, "{kind}: {often} times with the seed {seed}");
        }
    }
}
