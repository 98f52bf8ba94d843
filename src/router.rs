//! Every route of the site, in one table, by feature.

use crate::accounts::{
    api as users, confirmation, pages as accounts, recovery, security, settings, token_pages,
};
use crate::admin::import::pages as import;
use crate::admin::{self, announcements, cache, jobs, tables};
use crate::app::App;
use crate::chat;
use crate::courses::{
    self, api as courses_api, authoring, captions, catalogue, contents, deletion, module_form,
    modules, moves, order, outline, overview, preview,
};
use crate::learning::{
    api as studies, entry, joining, lesson, marks, pages as learning, transcript,
};
use crate::library;

use crate::media::api as uploads;
use crate::media::cloud::hook;
use crate::media::pages as media;
use crate::media::tus::pages as tus;
use crate::messages::{Beside, api as messages_api, pages as messages, stream};
use crate::web::headers::Security;
use crate::web::metrics::{self, Watched};
use crate::web::response_cache::{Policy, ResponseCache};
use crate::web::rest::{self, Api};
use crate::web::shell::RoomCount;
use crate::web::{assets, csrf, errors, headers, health, identity, redirect};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, delete, get, post};
use axum::{Extension, Router};
use std::sync::{Arc, LazyLock};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_layer::Layer as _;

/// Adds a route, and the redirect from its path without the closing slash.
trait At {
    fn at(self, path: &str, methods: MethodRouter<App>) -> Self;
}

impl At for Router<App> {
    fn at(self, path: &str, methods: MethodRouter<App>) -> Self {
        let routed = self.route(path, methods);
        match path.strip_suffix('/') {
            Some(bare) if !bare.is_empty() => routed.route(bare, any(add_slash)),
            _ => routed,
        }
    }
}

/// The whole site.
pub fn router(app: &App) -> Router {
    kept(app, served(app, routes(app)))
}

/// Every route that needs to know who asks.
pub fn routes(app: &App) -> Router<App> {
    let rooms = chat::Rooms::new(app);
    let forms = Router::new()
        .merge(accounts_routes())
        .merge(courses_routes())
        .merge(learning_routes())
        .merge(messages_routes(&rooms))
        .merge(outline_routes())
        .merge(library_routes())
        .merge(chat_routes(rooms))
        .merge(admin_routes())
        .merge(api().routes())
        .route("/api/{*path}", any(errors::not_found))
        .at("/uploads/watched/", post(media::watched))
        .at("/uploads/{id}/retry/", post(media::retry))
        .at("/uploads/{id}/cancel/", post(media::cancel));
    let forms = forms.layer(from_fn_with_state(app.clone(), csrf::guard));
    let streams = content_routes().merge(picture_routes());
    let streams = streams.layer(from_fn_with_state(app.clone(), csrf::guard_streams));
    Router::new()
        .merge(forms)
        .merge(media_routes())
        .merge(streams)
        .merge(resumable_routes(app))
}

/// The site with the cache of whole pages around it, outside of everything else but the counting: what is found there
/// costs none of the layers within.
pub fn kept(app: &App, site: Router) -> Router {
    match Policy::of_site(app) {
        Some(policy) => {
            let cache = ResponseCache::new(app, policy);
            let kept = Watched::new(cache.layer(site), &app.traffic);
            Router::new().fallback_service(kept)
        }
        None => site.layer(from_fn_with_state(app.clone(), metrics::count)),
    }
}

/// What programs find under `/api/`.
pub fn api() -> &'static Api {
    static API: LazyLock<Api> = LazyLock::new(|| {
        Api::new(vec![
            courses_api::subjects(),
            studies::with_studies(courses_api::courses()),
            courses_api::modules(),
            studies::with_marks(courses_api::contents()),
            studies::enrollments(),
            studies::requests(),
            studies::invitations(),
            library::api::with_library(uploads::uploads()),
            messages_api::messages(),
            chat::api::rooms(),
            users::users(),
            users::groups(),
            jobs::api::jobs(),
            cache::api::caches(),
            admin::api::announcements(),
            admin::api::log(),
        ])
    });
    &API
}

/// Routes with all that the site puts around them: who asks, tokens, fault pages, headers, the log.
pub fn served(app: &App, routes: Router<App>) -> Router {
    let bare = |routes: Router<App>| {
        routes
            .method_not_allowed_fallback(errors::method_not_allowed)
            .layer(DefaultBodyLimit::disable())
            .layer(CatchPanicLayer::custom(errors::caught))
    };
    bare(routes.fallback(errors::not_found))
        .layer(Extension(RoomCount(chat::count_unread_rooms)))
        .layer(from_fn_with_state(app.clone(), csrf::issue))
        .layer(from_fn_with_state(app.clone(), identity::identify))
        .merge(bare(open()))
        .layer(from_fn_with_state(app.clone(), errors::present))
        .layer(from_fn_with_state(
            Arc::new(Security::new(app)),
            headers::secure,
        ))
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                .compress_when(headers::is_text),
        )
        .layer(from_fn_with_state(app.clone(), errors::trace))
        .layer(from_fn_with_state(api().allowed(), rest::declare))
        .layer(from_fn_with_state(app.clone(), headers::locate))
        .with_state(app.clone())
}

/// Accounts.
fn accounts_routes() -> Router<App> {
    Router::new()
        .merge(recovery_routes())
        .at(
            "/accounts/login/",
            get(accounts::login_form).post(accounts::login),
        )
        .at("/accounts/logout/", post(accounts::logout))
        .at(
            "/accounts/profile/",
            get(settings::profile_form).post(settings::profile),
        )
        .at("/accounts/theme/", post(settings::theme))
        .at(
            "/accounts/password/",
            get(settings::password_form).post(settings::password),
        )
        .at(
            "/accounts/sessions/",
            get(settings::sessions_page).post(settings::end_sessions),
        )
        .at(
            "/accounts/tokens/",
            get(token_pages::list).post(token_pages::create),
        )
        .at(
            "/accounts/tokens/{id}/revoke/",
            get(token_pages::ask).post(token_pages::revoke),
        )
        .at(
            "/students/register/",
            get(accounts::register_form).post(accounts::register),
        )
}

/// What is done by a link in a letter, and the second step of the log-in.
fn recovery_routes() -> Router<App> {
    Router::new()
        .at(
            "/accounts/password/forgot/",
            get(recovery::forgot_form).post(recovery::forgot),
        )
        .at(
            "/accounts/password/reset/",
            get(recovery::reset_form).post(recovery::reset),
        )
        .at(
            "/accounts/login/code/",
            get(security::code_form).post(security::code),
        )
        .at(
            "/accounts/email/confirm/",
            get(confirmation::confirm_form).post(confirmation::confirm),
        )
        .at(
            "/accounts/email/needed/",
            get(confirmation::needed_form).post(confirmation::needed),
        )
        .at("/accounts/email/send/", post(confirmation::send))
        .at("/accounts/email/keep/", post(confirmation::keep))
        .at(
            "/accounts/security/",
            get(security::overview).post(security::begin),
        )
        .at(
            "/accounts/security/two-factor/",
            get(security::setup_form).post(security::set_up),
        )
        .at(
            "/accounts/security/two-factor/end/",
            get(security::end_form).post(security::end),
        )
        .at(
            "/accounts/security/codes/",
            get(security::codes_form).post(security::codes),
        )
}

/// Studying.
fn learning_routes() -> Router<App> {
    Router::new()
        .at("/students/courses/", get(learning::courses))
        .at("/students/enroll-course/", post(learning::enroll))
        .at("/students/course/{id}/", get(lesson::course))
        .at("/students/course/{id}/{module_id}/", get(lesson::module))
        .at("/students/course/{id}/withdraw/", post(learning::withdraw))
        .at("/join/", get(joining::show).post(joining::join))
        .at(
            "/course/{id}/entry/",
            get(entry::show).post(entry::set_rules),
        )
        .at("/course/{id}/entry/requests/", post(entry::decide))
        .at("/course/{id}/invitations/", post(entry::invite))
        .at(
            "/course/{id}/invitations/{invitation}/revoke/",
            post(entry::revoke),
        )
        .at(
            "/students/course/{id}/leave/",
            get(learning::ask_leave).post(learning::leave),
        )
        .at("/students/content/{id}/transcript/", get(transcript::show))
        .at("/students/content/{id}/done/", post(marks::done))
        .at("/students/content/{id}/position/", post(marks::position))
}

/// Files, and how far they are.
fn media_routes() -> Router<App> {
    Router::new()
        .route("/media/{upload}/{name}", get(media::media))
        .at("/uploads/status/", any(media::status))
        .route("/progressbar/upload_status", any(media::status))
        .at("/uploads/{id}/state/", get(media::state))
}

/// Resumable uploads (tus 1.0); what they become is for courses.
fn resumable_routes(app: &App) -> Router<App> {
    Router::new()
        .at("/uploads/", post(tus::create).options(tus::options))
        .route(
            "/uploads/{id}",
            post(tus::overridden)
                .head(tus::offset)
                .patch(tus::patch)
                .delete(tus::terminate)
                .options(tus::options),
        )
        .layer(Extension(courses::placement()))
        .layer(from_fn_with_state(app.clone(), csrf::guard_streams))
        .layer(from_fn(tus::speak))
}

/// Finding, reading about and writing courses. Names of pages under `/course/` are refused as slugs
/// (`courses::fields`), so that no course is out of reach.
fn courses_routes() -> Router<App> {
    Router::new()
        .at("/", get(catalogue::all))
        .at("/course/subject/{slug}/", get(catalogue::of_subject))
        .at("/course/{slug}/", get(overview::show))
        .at("/course/mine/", get(authoring::mine))
        .at(
            "/course/create/",
            get(authoring::create_form).post(authoring::create),
        )
        .at("/course/preview/", post(preview::show))
        .at(
            "/course/{id}/edit/",
            get(authoring::edit_form).post(authoring::edit),
        )
        .at(
            "/course/{id}/delete/",
            get(authoring::delete_form).post(authoring::delete),
        )
        .at(
            "/course/{id}/module/",
            get(modules::form).post(modules::save),
        )
        .at("/course/module/order/", post(order::modules))
        .at("/course/content/order/", post(order::contents))
}

/// Messages, and the stream of events.
fn messages_routes(rooms: &chat::Rooms) -> Router<App> {
    let rooms = rooms.clone();
    let beside = Beside(Arc::new(move |user_id| rooms.unread().watch(user_id)));
    Router::new()
        .at("/messages/", get(messages::list))
        .at("/messages/read/", post(messages::read))
        .at("/messages/read/all/", post(messages::read_all))
        .at("/messages/unread/", get(messages::unread))
        .at("/events/", get(stream::events))
        .layer(Extension(beside))
}

/// The editor of a course.
fn outline_routes() -> Router<App> {
    Router::new()
        .at("/course/{id}/outline/", get(outline::show_course))
        .at("/course/{id}/module/add/", post(module_form::add))
        .at("/course/module/{id}/", get(outline::show_module))
        .at(
            "/course/module/{id}/edit/",
            get(module_form::edit).post(module_form::change),
        )
        .at(
            "/course/module/{id}/delete/",
            get(deletion::ask_module).post(deletion::delete_module),
        )
        .at(
            "/course/module/{id}/content/{kind}/{item}/captions/{language}/delete/",
            post(captions::delete),
        )
        .at("/course/module/{id}/move/", post(moves::module))
        .at("/course/content/{id}/move/", post(moves::content))
        .at("/course/content/{id}/retry/", post(moves::retry))
        .at("/course/content/{id}/cancel/", post(moves::cancel))
        .at("/course/content/{id}/keep/", post(moves::keep))
        .at(
            "/course/content/{id}/delete/",
            get(deletion::ask_content).post(deletion::delete_content),
        )
}

/// A teacher's files.
fn library_routes() -> Router<App> {
    Router::new()
        .at("/library/", get(library::pages::list))
        .at("/library/upload/", get(library::sending::form))
        .at(
            "/library/delete/",
            get(library::deletion::ask).post(library::deletion::delete),
        )
        .at(
            "/library/{id}/rename/",
            get(library::pages::rename_form).post(library::pages::rename),
        )
        .at(
            "/library/{id}/use/",
            get(library::reuse::form).post(library::reuse::add),
        )
        .at(
            "/library/unfinished/{id}/discard/",
            get(library::unfinished::ask).post(library::unfinished::discard),
        )
}

/// The rooms of courses.
fn chat_routes(rooms: chat::Rooms) -> Router<App> {
    Router::new()
        .at("/chat/", get(chat::pages::list))
        .at("/chat/room/{id}/", get(chat::pages::show))
        .at("/chat/room/{id}/log/", get(chat::pages::moderate::log))
        .at("/chat/room/{id}/lock/", post(chat::pages::moderate::lock))
        .at("/chat/room/{id}/slow/", post(chat::pages::moderate::slow))
        .at("/chat/room/{id}/mute/", post(chat::pages::moderate::mute))
        .at("/chat/room/{id}/history/", get(chat::history::history))
        .at("/chat/room/{id}/search/", get(chat::history::find))
        .at("/chat/room/{id}/read/", post(chat::history::read))
        .at("/chat/room/{id}/ticket/", post(chat::tickets::create))
        .at(
            "/chat/room/{id}/pictures/{upload}/",
            delete(chat::sending::remove),
        )
        .at("/ws/chat/room/{id}/", get(chat::enter))
        .layer(Extension(rooms))
}

/// Running the site.
fn admin_routes() -> Router<App> {
    let tables = tables::routes().into_iter();
    let tables = tables.fold(Router::new(), |router, (path, methods)| {
        router.at(&path, methods)
    });
    tables
        .at("/admin/enrollments/import/{id}/", post(import::confirm))
        .at("/admin/", get(admin::overview::show))
        .at("/admin/health/", get(admin::health::show))
        .at(
            "/admin/announcements/",
            get(announcements::pages::show).post(announcements::pages::write),
        )
        .at(
            "/admin/announcements/{id}/stop/",
            post(announcements::pages::halt),
        )
        .at("/admin/jobs/", get(jobs::pages::list))
        .at("/admin/jobs/act/", post(jobs::pages::act))
        .at("/admin/jobs/pause/", post(jobs::pages::pause))
        .at("/admin/jobs/resume/", post(jobs::pages::resume))
        .at("/admin/cache/", get(cache::pages::overview))
        .at(
            "/admin/cache/key/",
            get(cache::keys::look).post(cache::keys::delete),
        )
        .at(
            "/admin/cache/clear/",
            get(cache::clearing::ask).post(cache::clearing::clear),
        )
}

/// Forms that may bring a file: they are streamed, and check their token themselves.
fn content_routes() -> Router<App> {
    Router::new()
        .at(
            "/course/module/{id}/content/{kind}/create/",
            get(contents::new).post(contents::create),
        )
        .at(
            "/course/module/{id}/content/{kind}/{item}/",
            get(contents::edit).post(contents::change),
        )
        .at(
            "/course/module/{id}/content/{kind}/{item}/captions/",
            post(captions::add),
        )
        .at("/library/upload/{kind}/", post(library::sending::send))
        .at(
            "/admin/enrollments/import/",
            get(import::form).post(import::look),
        )
}

/// Pictures for the lines of rooms; as above.
fn picture_routes() -> Router<App> {
    Router::new().at("/chat/room/{id}/pictures/", post(chat::sending::send))
}

/// What needs neither a person nor a form, and answers while nobody can be looked up: health, and the styles of the page
/// that says so.
fn open() -> Router<App> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .layer(Extension(health::Probe::default()))
        .at("/hooks/transcode/", post(hook::receive))
        .at("/audio/transcode-complete/", post(hook::receive))
        .route("/favicon.ico", get(assets::favicon))
        .route("/static/{version}/{*path}", get(assets::serve))
}

/// 301 to the path with the closing slash, for GET; other methods have no such page.
async fn add_slash(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return errors::not_found().await.into_response();
    }
    let uri = request.uri();
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    redirect::moved(&format!("{}/{query}", uri.path()))
}
