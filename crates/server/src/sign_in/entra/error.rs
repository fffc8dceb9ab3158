//! Error responses of Entra's endpoints (onedrive-graph#token-errors,
//! onedrive-graph#sign-in-error-numbers).

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    graph::RequestIds,
    sign_in::{CodeError, json_response},
};

/// An error response of the token endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EntraError {
    /// The OAuth error code.
    error: &'static str,
    /// Entra's error number.
    number: u32,
    description: String,
    /// A detail of the error code for client libraries.
    suberror: Option<&'static str>,
}

impl EntraError {
    /// Creates an error. `error` is the code of OAuth, `number` that of Entra (`AADSTS…`).
    pub(super) fn new(error: &'static str, number: u32, description: impl Into<String>) -> Self {
        Self { error, number, description: description.into(), suberror: None }
    }

    /// Returns `invalid_request`: a required field is missing.
    pub(super) fn missing(field: &str) -> Self {
        let description =
            format!("The request body must contain the following parameter: '{field}'.");
        Self::new("invalid_request", 900_144, description)
    }

    /// Returns the error for an application that the directory does not have, or not in this
    /// tenant. `id` is that of the request.
    pub(super) fn unknown_application(id: &str, tenant: &str) -> Self {
        let description = format!(
            "Application with identifier '{id}' was not found in the directory '{tenant}'. This can \
             happen if the application has not been installed by the administrator of the tenant or \
             consented to by any user in the tenant. You may have sent your authentication request \
             to the wrong tenant."
        );
        Self::new("unauthorized_client", 700_016, description)
    }

    /// Returns `invalid_request` (AADSTS90002): the directory does not have the tenant. `tenant` is
    /// the segment of the path.
    pub(super) fn unknown_tenant(tenant: &str) -> Self {
        let description = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are \
             signing into the correct cloud."
        );
        Self::new("invalid_request", 90_002, description)
    }

    /// Returns `invalid_grant` (AADSTS70000): a refresh token is unknown, expired, revoked or of
    /// another client.
    pub(super) fn bad_refresh_token() -> Self {
        Self::new("invalid_grant", 70_000, "The refresh token is not valid or expired.")
    }

    /// Returns `invalid_grant` (AADSTS65001): the user did not consent to a scope.
    pub(super) fn no_consent(scope: &str) -> Self {
        let description = format!(
            "The user or administrator has not consented to use the application with the scope \
             '{scope}'. Send an interactive authorization request for this user and resource."
        );
        let suberror = Some("consent_required");
        Self { suberror, ..Self::new("invalid_grant", 65_001, description) }
    }

    /// Returns `server_error`: the storage failed. The error is logged.
    pub(super) fn server(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "cannot issue tokens");
        Self::new("server_error", 90_033, "A transient error has occurred. Please try again.")
    }

    /// Returns the response: 500, 503 or 401 by the code, otherwise 400. The headers of the request
    /// may have its id.
    pub(super) fn into_response(self, headers: &HeaderMap) -> Response {
        let status = match self.error {
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let ids = RequestIds::from_headers(headers);
        let mut body = json!({
            "error": self.error,
            "error_description": self.description(),
            "error_codes": [self.number],
            "timestamp": Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            "trace_id": ids.request,
            "correlation_id": ids.client,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.number),
        });
        if let Some(suberror) = self.suberror {
            body["suberror"] = suberror.into();
        }
        json_response(status, &body)
    }

    /// Returns the parameters of a redirect with this error.
    pub(super) fn into_parameters(self) -> Vec<(&'static str, String)> {
        let description = self.description();
        vec![("error", self.error.to_owned()), ("error_description", description)]
    }

    /// Returns the description with the error's number.
    pub(super) fn description(&self) -> String {
        format!("AADSTS{}: {}", self.number, self.description)
    }
}

impl From<CodeError> for EntraError {
    /// Converts the reason why a code cannot be exchanged: `invalid_grant` with Entra's number.
    fn from(error: CodeError) -> Self {
        let number = match error {
            CodeError::Invalid => 70_008,
            CodeError::OtherClient => 70_000,
            CodeError::OtherRedirect => 500_112,
            CodeError::Used => 54_005,
            CodeError::WrongVerifier => 501_481,
        };
        Self::new("invalid_grant", number, error.to_string())
    }
}
