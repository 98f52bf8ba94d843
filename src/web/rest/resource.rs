//! Resources as they are declared: routes, permissions, `OPTIONS` and the schema all come from here.

use super::call::{Answer, Call};
use super::fields::Declared;
use super::negotiation::Format;
use super::parameters::{FORMAT, Parameter};
use super::permissions::{ALLOW_ANY, Asked, Object, Rule, Verdict};
use super::throttle;
use crate::error::{Error, Result};
use crate::web::identity::Person;
use crate::web::scopes::{self, Scope};
use axum::http::{Method, StatusCode};
use futures::future::BoxFuture;
use std::sync::Arc;

/// What answers a call that is allowed.
pub type Handle = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Answer>> + Send + Sync>;

/// What finds the thing that a call is about, as far as the caller can see it.
pub type Find = for<'a> fn(&'a Call) -> BoxFuture<'a, Result<Box<dyn Object>>>;

/// One method of one path.
#[derive(Clone)]
pub struct Operation {
    /// By which method it is called. HEAD comes with GET.
    pub method: Method,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Who may.
    pub rule: Rule,
    /// For what a key of a program has to be good to be used for it.
    pub needs: Scope,
    /// Finds what it is about; none where it is about nothing in particular.
    pub find: Option<Find>,
    /// What of the query it looks at.
    pub parameters: Vec<Parameter>,
    /// The formats of its answer, besides pages.
    pub formats: &'static [Format],
    /// The fields of its answer.
    pub answers: Vec<Declared>,
    /// The fields of its answer to what it takes without doing it yet (202); none where it does everything at once.
    pub accepts: Vec<Declared>,
    /// The fields of the body that it takes, in one of the [types](super::PARSES): each as it is [declared](Declared),
    /// with [who sets it](super::Access). Empty: whatever is sent is not looked at. What is not declared is refused by
    /// its name (400); a body of another type is 415, one over a megabyte 413.
    pub takes: Vec<Declared>,
    /// The status of its answer: 200, 201 with `Location`, or 204 without a body.
    pub status: StatusCode,
    /// The faults that it may answer besides those of every operation (400 where it looks at parameters or takes a
    /// body, 401 and 403 by its rule, 404 where it is about something, 406, 412 where it is
    /// [conditional](Self::is_conditional), 413, 415, 429, 503), each with the reason in a sentence.
    pub faults: Vec<(StatusCode, &'static str)>,
    /// The name under which its calls are counted apart, besides those of a caller in all: `write` for what changes
    /// something.
    pub scope: Option<&'static str>,
    /// Whether its answer is a list of those.
    pub is_list: bool,
    /// Whether it heeds `If-Match`, where its method does not say so.
    heeds_version: Option<bool>,
    /// What answers.
    pub(super) handle: Handle,
}

impl Operation {
    /// An operation that everybody may call, about nothing in particular, answered in JSON.
    pub fn new<F, Fut>(method: Method, about: &'static str, handle: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer>> + Send + 'static,
    {
        let is_change = method != Method::GET;
        let needs = if is_change { Scope::Teach } else { Scope::Read };
        Self {
            method,
            about,
            rule: ALLOW_ANY,
            needs,
            find: None,
            parameters: vec![FORMAT],
            formats: &[Format::Json, Format::Page],
            answers: Vec::new(),
            accepts: Vec::new(),
            takes: Vec::new(),
            status: StatusCode::OK,
            faults: Vec::new(),
            scope: is_change.then_some(throttle::WRITE),
            is_list: false,
            heeds_version: None,
            handle: Arc::new(move |call| Box::pin(handle(call))),
        }
    }

    /// Only for those.
    #[must_use]
    pub fn only(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// With a key that is good for this; when nothing is said, `read` to look and `teach` to change.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.needs = scope;
        self
    }

    /// Whether somebody may: by the rule, with what showed who she is.
    ///
    /// # Errors
    /// When what decides it cannot be looked up.
    pub async fn verdict(&self, asked: Asked<'_>) -> Result<Verdict> {
        if scopes::check(asked.person, self.needs).is_err() {
            return Ok(Verdict::No);
        }
        self.rule.verdict(asked).await
    }

    /// What somebody is told who may not.
    pub fn refusal(&self, person: Option<&Person>) -> Error {
        let lacking = scopes::check(person, self.needs).err();
        lacking.unwrap_or_else(Error::forbidden)
    }

    /// About what this finds.
    #[must_use]
    pub fn about(mut self, find: Find) -> Self {
        self.find = Some(find);
        self
    }

    /// Looks at these parameters of the query, `format` besides.
    #[must_use]
    pub fn looks_at<P: Into<Parameter> + Clone>(mut self, parameters: &[P]) -> Self {
        let parameters = parameters.iter().cloned().map(Into::into);
        self.parameters.extend(parameters);
        self
    }

    /// Answers these fields.
    #[must_use]
    pub fn answers(mut self, fields: Vec<Declared>) -> Self {
        self.answers = fields;
        self
    }

    /// Answers these fields, with 202, to what it takes without doing it yet.
    #[must_use]
    pub fn or_accepts(mut self, fields: Vec<Declared>) -> Self {
        self.accepts = fields;
        self
    }

    /// Takes these fields in its body. With PATCH none of them is required.
    #[must_use]
    pub fn takes(mut self, fields: Vec<Declared>) -> Self {
        self.takes = fields;
        if self.method == Method::PATCH {
            self.takes = self.takes.into_iter().map(Declared::optional).collect();
        }
        self
    }

    /// Makes something: 201, with its address in `Location`.
    #[must_use]
    pub fn creates(mut self) -> Self {
        self.status = StatusCode::CREATED;
        self
    }

    /// Answers nothing but that it is done: 204.
    #[must_use]
    pub fn without_answer(mut self) -> Self {
        self.status = StatusCode::NO_CONTENT;
        self
    }

    /// May answer this fault besides those that every operation has.
    #[must_use]
    pub fn may_answer(mut self, status: StatusCode, why: &'static str) -> Self {
        self.faults.push((status, why));
        self
    }

    /// Heeds `If-Match`, as PUT, PATCH and DELETE do, with the version of the thing to whose path that of this act is
    /// added: its handler asks [`Call::unchanged`].
    #[must_use]
    pub fn heeds_version(mut self) -> Self {
        self.heeds_version = Some(true);
        self
    }

    /// Heeds no `If-Match`, whatever its method: it changes something that has no version of its own.
    #[must_use]
    pub fn without_version(mut self) -> Self {
        self.heeds_version = Some(false);
        self
    }

    /// Whether it changes or deletes a thing, and heeds `If-Match` (RFC 9110, section 13.1.1) before it does: the thing
    /// must still be as the validator of a GET without parameters says, else 412. What does not heed it refuses a call
    /// that sends it (400), since whoever does so wants nothing done that was not made sure of.
    pub fn is_conditional(&self) -> bool {
        let changes = matches!(self.method, Method::PUT | Method::PATCH | Method::DELETE);
        self.find.is_some() && self.heeds_version.unwrap_or(changes)
    }

    /// Whether it changes a thing that there is, so that what the site sets may be sent back as it was read.
    pub fn changes_present(&self) -> bool {
        self.find.is_some() && matches!(self.method, Method::PUT | Method::PATCH)
    }

    /// Answers a list, which is to be had as a table, too.
    #[must_use]
    pub fn list(mut self) -> Self {
        self.is_list = true;
        self.formats = &Format::ALL;
        self
    }
}

/// One path, with all that can be done there.
#[derive(Clone)]
pub struct Endpoint {
    /// As axum writes it, with the closing slash: `/api/courses/{id}/`.
    pub path: String,
    /// What its page is called.
    pub name: String,
    /// What it is, in a sentence or two.
    pub about: &'static str,
    /// What can be done there, each method once.
    pub operations: Vec<Operation>,
}

impl Endpoint {
    /// The operation behind a method.
    pub fn operation(&self, method: &Method) -> Option<&Operation> {
        let wanted = if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.operations
            .iter()
            .find(|operation| operation.method == wanted)
    }

    /// The value of `Allow`: `GET, POST, HEAD, OPTIONS`.
    pub fn allow(&self) -> String {
        let mut methods: Vec<&str> = self
            .operations
            .iter()
            .map(|op| op.method.as_str())
            .collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }
}

/// A resource: its list, its single things, and what can be done with one.
#[derive(Clone)]
pub struct Resource {
    /// Its name in paths: `courses`.
    pub name: &'static str,
    list: Endpoint,
    one: Endpoint,
    actions: Vec<Endpoint>,
}

impl Resource {
    /// A resource at `/api/<name>/`, of which nothing can be done yet. `title` names one of them.
    pub fn new(name: &'static str, title: &'static str, about: &'static str) -> Self {
        let endpoint = |path, name| Endpoint {
            path,
            name,
            about,
            operations: Vec::new(),
        };
        Self {
            name,
            list: endpoint(format!("/api/{name}/"), format!("{title} List")),
            one: endpoint(format!("/api/{name}/{{id}}/"), format!("{title} Instance")),
            actions: Vec::new(),
        }
    }

    /// What can be done with all of them.
    #[must_use]
    pub fn all(mut self, operation: Operation) -> Self {
        self.list.operations.push(operation);
        self
    }

    /// What can be done with one of them.
    #[must_use]
    pub fn one(mut self, operation: Operation) -> Self {
        self.one.operations.push(operation);
        self
    }

    /// A path of its own below one of them: `/api/courses/<id>/enroll/`.
    #[must_use]
    pub fn action(
        mut self,
        path: &'static str,
        title: &'static str,
        about: &'static str,
        operation: Operation,
    ) -> Self {
        self.actions.push(Endpoint {
            path: format!("/api/{}/{{id}}/{path}/", self.name),
            name: title.to_owned(),
            about,
            operations: vec![operation],
        });
        self
    }

    /// A path of its own below all of them: `/api/messages/dismiss/`. Its name is no number.
    #[must_use]
    pub fn action_on_all(
        mut self,
        path: &'static str,
        title: &'static str,
        about: &'static str,
        operation: Operation,
    ) -> Self {
        let path = format!("/api/{}/{path}/", self.name);
        self.actions.push(Endpoint {
            path: path.clone(),
            name: title.to_owned(),
            about,
            operations: Vec::new(),
        });
        self.at(&path, operation)
    }

    /// Another method at a path of its own that there is already.
    #[must_use]
    pub fn at(mut self, path: &str, operation: Operation) -> Self {
        let found = self.actions.iter_mut().find(|action| action.path == path);
        if let Some(action) = found {
            action.operations.push(operation);
        }
        self
    }

    /// Its paths, those left out at which nothing can be done.
    pub fn endpoints(self) -> impl Iterator<Item = Endpoint> {
        [self.list, self.one]
            .into_iter()
            .chain(self.actions)
            .filter(|endpoint| !endpoint.operations.is_empty())
    }
}
