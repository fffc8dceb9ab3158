//! The page on which a user enters the code that a program shows.

use axum::{body::Body, response::Response};
use http::{Method, StatusCode, request::Parts};
use jiff::Timestamp;

use super::device::Decision;
use crate::{
    protocol::RequestContext,
    sign_in::{
        Form,
        clients::Client,
        consent::{self, Consent, ConsentRequest, Realm},
        pages::{self, escape},
    },
};

/// Serves the page. Its form has the code, the account and the user's decision.
pub(super) async fn serve(context: &RequestContext, parts: &Parts, body: Body) -> Response {
    if parts.method != Method::POST {
        let query = Form::parse(parts.uri.query().unwrap_or_default());
        let user_code = query.get("user_code").unwrap_or_default();
        return show(context, StatusCode::OK, "", user_code);
    }
    let Ok(form) = Form::read(body).await else {
        return show(context, StatusCode::BAD_REQUEST, "The form could not be read.", "");
    };
    let state = &context.state;
    let user_code = form.get("user_code").unwrap_or_default();
    let waiting = state.device_codes.waiting(user_code, Timestamp::now());
    let realm = waiting.map_or(Realm::Any, |waiting| waiting.realm);
    let (decision, message) = match consent::decision(state, &realm, &form) {
        Consent::Allowed(account) => (Decision::Allowed(account), "The program is signed in."),
        Consent::Denied => (Decision::Denied, "The program is not signed in."),
        Consent::Required(status, message) => return show(context, status, &message, user_code),
    };
    match state.device_codes.decide(user_code, decision, Timestamp::now()) {
        true => pages::final_page("Signed in", message),
        false => {
            let message = "This code is unknown, has expired, or was used already.";
            show(context, StatusCode::BAD_REQUEST, message, user_code)
        }
    }
}

/// Returns the page. It names the program if the code is known.
fn show(context: &RequestContext, status: StatusCode, message: &str, user_code: &str) -> Response {
    let state = &context.state;
    let content = format!(
        "<p>Enter the code that the program shows. Continue only if you started that program \
         yourself: it gets access to your drive.</p>\
         <p><label>Code <input name=user_code value=\"{}\" autocomplete=off></label></p>",
        escape(user_code)
    );
    let waiting = state.device_codes.waiting(user_code, Timestamp::now());
    let client = waiting.as_ref().and_then(|waiting| Client::find(state, &waiting.client).ok());
    let request = ConsentRequest {
        realm: waiting.as_ref().map_or(&Realm::Any, |waiting| &waiting.realm),
        application: client.as_ref().map(Client::name),
        scope: waiting.as_ref().map_or("", |waiting| &waiting.scope),
        hint: "",
        content: &content,
    };
    consent::show(state, &request, status, message)
}
