//! The OAuth errors of login.live.com (live-connect#oauth-errors).

use axum::{http::StatusCode, response::Response};
use serde_json::json;

use crate::sign_in::{clients::ClientError, json_response};

/// An OAuth error response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OAuthError {
    pub(super) error: &'static str,
    pub(super) description: String,
}

impl OAuthError {
    /// Creates an error with a code of OAuth and a description.
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into() }
    }

    /// Returns `invalid_request`: the request does not have the field.
    pub(super) fn missing(field: &str) -> Self {
        Self::new(
            "invalid_request",
            format!("The request must include a value for the input parameter '{field}'."),
        )
    }
}

impl From<ClientError> for OAuthError {
    /// Converts the refusal of an application: `invalid_scope`, `unauthorized_client` for an
    /// unknown application, `invalid_request` for a redirect URL or a missing secret,
    /// `invalid_client` for a wrong or unexpected one.
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Scope(scope) => Self::new(
                "invalid_scope",
                format!(
                    "The provided value for the input parameter 'scope' is not valid. The scope \
                     '{scope}' does not exist."
                ),
            ),
            ClientError::Unknown(id) => Self::new(
                "unauthorized_client",
                format!(
                    "The client does not exist or is not enabled for consumers. The client id is \
                     '{id}'."
                ),
            ),
            ClientError::Redirect { .. } => Self::new("invalid_request", error.to_string()),
            ClientError::MissingCredential => Self::missing("client_secret"),
            ClientError::Secret(_) | ClientError::PublicClient => {
                Self::new("invalid_client", "The client secret is not valid for this client.")
            }
        }
    }
}

impl From<OAuthError> for Response {
    /// Returns the response: 500 for `server_error`, 400 for all other codes.
    fn from(OAuthError { error, description }: OAuthError) -> Self {
        let status = match error {
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        json_response(status, &json!({ "error": error, "error_description": description }))
    }
}
