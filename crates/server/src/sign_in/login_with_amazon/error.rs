//! The OAuth errors of Login with Amazon (amazon-drive#oauth-errors).

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
    /// Creates an error with a code of RFC 6749 or 6750.
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into() }
    }

    /// Returns the error with the code `error`: the request has no field `name`.
    pub(super) fn missing(error: &'static str, name: &str) -> Self {
        Self::new(error, format!("The request is missing {name}"))
    }

    /// Returns `server_error`: the storage failed.
    pub(super) fn server(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "cannot look up an account");
        Self::new("server_error", "The server could not look the account up")
    }
}

impl From<ClientError> for OAuthError {
    /// Converts the refusal of an application: `invalid_request` for a redirect URL,
    /// `invalid_scope` for a scope, `invalid_client` otherwise.
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Redirect { .. } => Self::new("invalid_request", error.to_string()),
            ClientError::Scope(_) => {
                Self::new("invalid_scope", format!("An unknown scope was requested: {error}"))
            }
            _ => Self::new("invalid_client", "Client authentication failed"),
        }
    }
}

impl From<OAuthError> for Response {
    /// Returns the response: 401 for `invalid_client`, 403 for `insufficient_scope`, 500 for
    /// `server_error`, 400 for all other codes.
    fn from(OAuthError { error, description }: OAuthError) -> Self {
        let status = match error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "insufficient_scope" => StatusCode::FORBIDDEN,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        json_response(status, &json!({ "error": error, "error_description": description }))
    }
}
