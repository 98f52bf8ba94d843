//! The preview beside a text that is being written.

use crate::error::Result;
use crate::web::form::Form;
use crate::web::identity::Author;
use crate::web::text;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};

/// `POST /course/preview/`: fields `content` and `format` (`markdown`, else plain). Answers the cleaned HTML as a
/// fragment, exactly as a lesson shows it.
pub async fn show(_: Author, form: Form) -> Result<Response> {
    let typed = form.long_text("content");
    let html = if form.text("format") == "markdown" {
        text::markdown(&typed)
    } else {
        text::plain(&typed)
    };
    Ok(([(CACHE_CONTROL, "private, no-store")], Html(html)).into_response())
}
