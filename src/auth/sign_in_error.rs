//! Errors of a cloud's sign-in: their kinds, and the next step for the user.

use std::borrow::Cow;

use super::token_client::OAuthError;
use crate::{
    drive::{Error, ErrorKind, Retry, Secret},
    transport::ApiResponse,
};

/// Error codes that are temporary and do not concern the tokens (RFC 6749, section 4.1.2.1).
const TEMPORARY: [&str; 2] = ["server_error", "temporarily_unavailable"];

/// The next step for each error number of Microsoft (`AADSTS…`). Source:
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
const MICROSOFT: &[(&[u32], &str)] = &[
    (
        &[65001],
        "sign in again and consent to the permissions, or let an administrator of the tenant consent",
    ),
    (&[65004], "sign in again and accept the permissions: they were declined"),
    (
        &[90094, 90095, 90008],
        "an administrator of the tenant must consent to the permissions of the application",
    ),
    (&[70008, 700082, 700084], "sign in again: the refresh token has expired"),
    (&[50173, 700081, 70000], "sign in again: the refresh token was revoked or is not valid"),
    (
        &[54005, 70043],
        "start the sign-in again: the authorization code or token was used already or has expired",
    ),
    (&[501481], "start the sign-in again: the code belongs to another sign-in"),
    (
        &[7000222],
        "create a new secret for the application and configure it: the old one has expired",
    ),
    (
        &[7000215],
        "configure the value of the application's secret: it is wrong, or it is the id of the secret",
    ),
    (
        &[7000218],
        "allow public client flows for the application (registration, Authentication), or configure \
         its secret or certificate",
    ),
    (&[7000216], "configure the secret or certificate of the application: this flow requires one"),
    (
        &[700025],
        "remove the secret from the configuration: the application is registered as a public client",
    ),
    (
        &[700027, 700021, 50012, 500122],
        "register the certificate with the application and check the clock of this machine: the \
         assertion was rejected",
    ),
    (&[700024], "check the clock of this machine: the assertion has expired or is not valid yet"),
    (
        &[50011, 500112, 500117, 900971],
        "register the redirect URI http://localhost with the application, as a mobile and desktop \
         application",
    ),
    (&[700016, 700038], "check client_id and tenant: the tenant does not know this application"),
    (&[90002, 900021, 900023, 50059], "check the tenant: use its id or its domain"),
    (
        &[50194, 50020, 50128, 16000],
        "sign in with an account of the tenant, or configure the tenant of the account",
    ),
    (
        &[700005, 90023, 9002325, 9002326, 9002327],
        "register the redirect URI as a mobile and desktop application, not as a web or single-page \
         application",
    ),
    (
        &[9002346, 9002332, 9002331],
        "use the tenant `consumers`: the application is for personal accounts only",
    ),
    (
        &[50076, 50079, 50072, 50074, 50158],
        "sign in again in a browser: the tenant requires multi-factor authentication",
    ),
    (
        &[53000, 53001, 53002, 53003, 53004, 530021, 530035, 50097, 50105, 50199],
        "ask an administrator of the tenant: a conditional access policy or an assignment blocks this \
         sign-in",
    ),
    (
        &[50055, 50144, 50034, 50053, 50057, 50126],
        "check the account with its administrator: it is unknown, locked or disabled, or its password \
         is wrong or has expired",
    ),
    (&[50058, 50132, 50133, 50089, 50140, 160021], "sign in again: the session has ended"),
    (
        &[28000, 28002, 28003, 70011, 650053, 650057, 500011, 1002012],
        "check the scopes: the resource or the application does not have them",
    ),
    (&[650052, 650056, 650051], "let an administrator of the tenant add the application to it"),
    (&[70016, 70019, 70018], "start the sign-in again and enter the new code"),
    (&[7000112, 7000113], "enable the application in its tenant: it is disabled"),
];

/// The next step for each error code of OAuth 2.0 (RFC 6749, 8628; OpenID Connect), if the number of
/// the error is unknown.
const OAUTH: &[(&[&str], &str)] = &[
    (
        &["invalid_grant"],
        "sign in again: the token or code has expired, was revoked, or belongs to another application",
    ),
    (
        &["interaction_required", "login_required", "account_selection_required"],
        "sign in again in a browser",
    ),
    (&["consent_required"], "sign in again and consent to the permissions"),
    (
        &["access_denied", "authorization_declined"],
        "start the sign-in again and allow the access: it was denied",
    ),
    (&["invalid_client"], "check client_id and the application's secret or certificate"),
    (
        &["unauthorized_client"],
        "check the registration of the application: it does not allow this flow or this tenant",
    ),
    (&["invalid_scope"], "check the scopes: the application does not have them"),
    (
        &["unsupported_grant_type", "unsupported_response_type"],
        "check the endpoint: it does not support this flow",
    ),
    (&["expired_token", "bad_verification_code"], "start the sign-in again and enter the new code"),
    (
        &["invalid_request", "redirect_uri_mismatch"],
        "check client_id, tenant and redirect URI against the registration of the application",
    ),
    (&["invalid_resource"], "check the scopes: the tenant does not have this resource"),
];

/// Returns the error of a token endpoint's response, with the endpoint's message and the next step.
/// `secrets` are removed from the message.
pub(super) fn of_response<'s>(
    response: &ApiResponse,
    body: Option<OAuthError>,
    secrets: impl Iterator<Item = &'s Secret>,
) -> Error {
    let Some(OAuthError { error, error_description, error_codes }) = body else {
        let reason = response.status.canonical_reason().unwrap_or("no reason");
        return response.failure(reason);
    };
    let message = error_description.unwrap_or_else(|| error.clone());
    let message = secrets.fold(message, |message, secret| secret.redact_in(&message).into_owned());
    let text = describe(&error, &message, &error_codes);
    let failure = response.failure(text).with_code(&error);
    match kind_of(&error) {
        ErrorKind::Unexpected => {
            failure.with_kind(ErrorKind::Unexpected).with_retry(Retry::Again { after: None })
        }
        ErrorKind::InvalidInput => failure.with_kind(ErrorKind::InvalidInput),
        // For example too many requests: the endpoint does not reject the tokens.
        _ if response.status.is_server_error() || failure.retry() != Retry::No => failure,
        kind => failure.with_kind(kind),
    }
}

/// Returns the error in the parameters of a redirect, with its message and the next step.
pub(super) fn of_redirect(error: &str, description: &str) -> Error {
    let message = if description.is_empty() { error } else { description };
    let text = format!("cannot sign in: {}", describe(error, message, &[]));
    let failure = Error::new(kind_of(error), text).with_code(single_line(error));
    match failure.kind() {
        ErrorKind::Unexpected => failure.with_retry(Retry::Again { after: None }),
        _ => failure,
    }
}

/// Returns the kind of an error code. `Unexpected` is temporary.
fn kind_of(error: &str) -> ErrorKind {
    match error {
        error if TEMPORARY.contains(&error) => ErrorKind::Unexpected,
        "invalid_request" | "invalid_scope" | "unsupported_grant_type" => ErrorKind::InvalidInput,
        _ => ErrorKind::PermissionDenied,
    }
}

/// Returns a cloud's message, with the next step in parentheses if it is known.
fn describe(error: &str, message: &str, numbers: &[u32]) -> String {
    let message = single_line(message);
    match next_step(error, &message, numbers) {
        Some(step) => format!("{message} ({step})"),
        None => message.into_owned(),
    }
}

/// Replaces control characters, such as the line breaks in Microsoft's messages, by spaces.
fn single_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let words = text.split(char::is_control).filter(|part| !part.is_empty());
    Cow::Owned(words.collect::<Vec<_>>().join(" "))
}

/// Returns the next step for an error. `None` if it is unknown, or if a retry is enough.
fn next_step(error: &str, message: &str, numbers: &[u32]) -> Option<&'static str> {
    let of_number = |number: u32| {
        MICROSOFT.iter().find(|(numbers, _)| numbers.contains(&number)).map(|(_, step)| *step)
    };
    let in_message = number_in(message).and_then(of_number);
    let in_list = || numbers.iter().copied().find_map(of_number);
    let of_code = || OAUTH.iter().find(|(codes, _)| codes.contains(&error)).map(|(_, step)| *step);
    in_message.or_else(in_list).or_else(of_code)
}

/// Returns the error number in a message of Microsoft, such as 65001 of `AADSTS65001: …`. Returns
/// `None` if it has none.
fn number_in(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("AADSTS")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests;
