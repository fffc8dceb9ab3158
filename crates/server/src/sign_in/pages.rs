//! Pages of the sign-in. They need no scripts.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use url::Url;

use crate::responses::text;

/// Returns a page that must not be cached or framed. `title` is text without special characters of
/// HTML, which is not escaped; `content` is HTML.
pub(crate) fn page(status: StatusCode, title: &str, content: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <h1>drivedal drive server</h1>{content}\n"
    );
    let mut response = text(status, page);
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_FRAME_OPTIONS, "DENY");
    // With `no-referrer`, a browser would send the page's own form with the origin `null`, which the
    // check for other sites refuses.
    set(header::REFERRER_POLICY, "same-origin");
    response
}

/// Returns the page that shows the user that a sign-in is complete. `message` is HTML.
pub(crate) fn final_page(title: &str, message: &str) -> Response {
    page(StatusCode::OK, title, &format!("<p>{message} You may close this window.</p>"))
}

/// Returns a page that sends parameters to a program by `POST`: the response mode `form_post`. The
/// browser sends the form at once, or when the user presses the button if it runs no scripts.
pub(crate) fn form_post(target: &Url, parameters: &[(&str, String)]) -> Response {
    let fields: String = parameters
        .iter()
        .map(|(name, value)| {
            format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(name), escape(value))
        })
        .collect();
    let content = format!(
        "<form method=post action=\"{}\">{fields}<p>Return to the application.</p>\
         <button>Continue</button></form><script>document.forms[0].submit()</script>",
        escape(target.as_str())
    );
    page(StatusCode::OK, "Signed in", &content)
}

/// The field for the token of a private server.
pub(crate) const TOKEN_FIELD: &str = "<p><label>Access token, from the file <code>token</code> of the server's data folder \
     <input type=password name=token autofocus></label></p>";

/// The buttons of a page that requests consent.
pub(crate) const DECISION_BUTTONS: &str = "<button name=decision value=allow>Allow</button> <button name=decision value=deny>Deny</button>";

/// Escapes text for HTML, also inside quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
