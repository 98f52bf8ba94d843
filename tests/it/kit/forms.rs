//! Forms that bring a file.

use super::{Browser, Page};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};

/// A picture of one pixel.
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";
/// What the beginning of a film looks like; there is nothing behind it.
pub const MP4_HEAD: &[u8] = b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2mp41\0\0\0\x08free";

impl Browser {
    /// A form with its CSRF field, other fields, and a file in the field `file`, as a browser without a script
    /// sends it.
    pub fn file_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        name: &str,
        bytes: &[u8],
    ) -> RequestBuilder {
        let token = self.cookie("csrftoken").unwrap_or_default();
        let mut form = Form::new().text("csrfmiddlewaretoken", token);
        for (field, value) in fields {
            form = form.text((*field).to_owned(), (*value).to_owned());
        }
        let file = Part::bytes(bytes.to_vec()).file_name(name.to_owned());
        self.request(Method::POST, path)
            .multipart(form.part("file", file))
    }

    /// Sends such a form plainly.
    pub async fn post_file(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        name: &str,
        bytes: &[u8],
    ) -> Page {
        self.send(self.file_form(path, fields, name, bytes)).await
    }

    /// Sends such a form as the site's scripts do.
    pub async fn script_file(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        name: &str,
        bytes: &[u8],
    ) -> Page {
        let form = self.file_form(path, fields, name, bytes);
        self.send(form.header("X-Requested-With", "XMLHttpRequest"))
            .await
    }
}
