//! The token service of acd_cli, which kept the client secret of the program.

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde_json::Value;

use super::{SCOPE, error::OAuthError, issue, refresh_grant, tokens};
use crate::{
    grant::{Audience, Grant},
    protocol::RequestContext,
    sign_in::{
        Form,
        clients::Client,
        consent::{self, Consent, ConsentRequest, Realm},
        json_response,
    },
    signed_token::random_name,
};

/// The host of the service.
const HOST: &str = "tensile-runway-92512.appspot.com";

/// The client id of acd_cli, whose secret only the service knew.
const ACD_CLI: &str = "acd_cli";

/// Returns whether a request was sent to the host of the service, in any case and at any port.
pub(super) fn is_addressed(parts: &Parts) -> bool {
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = parts.uri.host().or(host).unwrap_or_default();
    host.split(':').next().is_some_and(|host| host.eq_ignore_ascii_case(HOST))
}

/// Handles the token service of acd_cli. A `POST` with a refresh token refreshes; the page signs in
/// and returns the file `oauth_data`.
pub(super) async fn serve(context: &RequestContext, parts: &Parts, body: Body) -> Response {
    let refused = |error: OAuthError| -> Response { error.into() };
    let client = match Client::find(&context.state, ACD_CLI) {
        Ok(client) => client,
        Err(error) => return refused(error.into()),
    };
    let mut form = None;
    if parts.method == Method::POST {
        form = match Form::read(body).await {
            Ok(form) => Some(form),
            Err(error) => {
                let description = format!("The form: {error}");
                return refused(OAuthError::new("invalid_request", description));
            }
        };
    }
    if let Some(token) = form.as_ref().and_then(|form| form.get("refresh_token")) {
        return match refresh_grant(context, token, &client) {
            Ok(grant) => json_response(StatusCode::OK, &tokens(context, &grant, token)),
            Err(error) => refused(error),
        };
    }
    let state = &context.state;
    let decision = match &form {
        Some(form) => consent::decision(state, &Realm::Any, form),
        None => Consent::Required(StatusCode::OK, String::new()),
    };
    match decision {
        Consent::Allowed(account) => {
            let grant = Grant::new(account, Some(SCOPE.to_owned())).for_client(ACD_CLI);
            let grant = grant.for_audience(Audience::Amazon).in_family(&random_name());
            issue(context, &grant).map_or_else(refused, |tokens| oauth_data(&tokens))
        }
        Consent::Denied => {
            refused(OAuthError::new("access_denied", "The customer has denied the request"))
        }
        Consent::Required(status, message) => {
            let request = ConsentRequest {
                realm: &Realm::Any,
                application: Some(client.name()),
                scope: SCOPE,
                hint: "",
                content: "<p>Save the file <code>oauth_data</code> in the folder of acd_cli.</p>",
            };
            consent::show(state, &request, status, &message)
        }
    }
}

/// Returns tokens as the file that acd_cli reads (amazon-drive#acdcli-oauth-files).
fn oauth_data(tokens: &Value) -> Response {
    let mut response = json_response(StatusCode::OK, tokens);
    let attachment = HeaderValue::from_static("attachment; filename=\"oauth_data\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, attachment);
    response
}
