//! The page on which a user chooses an account, and allows or denies access. It needs no scripts.
//!
//! A public server without a directory redirects without a page, unless the application requests one.
//! A private server always shows the page, which requires its access token; a server with a directory
//! always shows it too.

use axum::{body::Body, http::StatusCode, response::Response};

use super::{
    Form,
    pages::{self, escape, page},
};
use crate::{
    access::{constant_time_eq, is_account_name},
    account::{ADDRESS_DOMAIN, DEFAULT_ADDRESS},
    directory::{CONSUMERS, UserProfile},
    state::ServerState,
};

/// The user's input on the page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Access to the account with this name is allowed.
    Allowed(String),
    Denied,
    /// The page must be shown, with this message if it is not empty.
    Required(StatusCode, String),
}

/// The users who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// All users.
    Any,
    /// Users of Microsoft accounts.
    Personal,
    /// Users of all organizations.
    Organizations,
    /// Users of the tenant with this id.
    Tenant(String),
}

/// The properties of a sign-in that its page shows.
#[derive(Clone, Debug)]
pub(crate) struct ConsentRequest<'a> {
    pub realm: &'a Realm,
    /// The name of the application; `None` if it is not known yet.
    pub application: Option<&'a str>,
    /// The requested scopes, separated by spaces.
    pub scope: &'a str,
    /// The proposed account; empty for none.
    pub hint: &'a str,
    /// HTML at the beginning of the form.
    pub content: &'a str,
}

impl Realm {
    /// Returns whether a user can sign in.
    fn includes(&self, user: &UserProfile) -> bool {
        match self {
            Self::Any => true,
            Self::Personal => user.tenant == CONSUMERS,
            Self::Organizations => user.tenant != CONSUMERS,
            Self::Tenant(id) => user.tenant == *id,
        }
    }
}

/// Returns whether a sign-in shows the page. `is_requested`: whether the application requests it.
pub(crate) fn has_page(state: &ServerState, is_requested: bool) -> bool {
    let accounts = &state.accounts;
    is_requested || !accounts.settings().tokens.public || accounts.directory().is_some()
}

/// Reads the user's decision from the body of the page's form. A form that cannot be read shows the
/// page again, with 400.
pub(crate) async fn read(state: &ServerState, realm: &Realm, body: Body) -> Consent {
    match Form::read(body).await {
        Ok(form) => decision(state, realm, &form),
        Err(_) => required(StatusCode::BAD_REQUEST, "The form could not be read."),
    }
}

/// Returns a decision that shows the page again, with a message.
fn required(status: StatusCode, message: impl Into<String>) -> Consent {
    Consent::Required(status, message.into())
}

/// Returns the user's decision in the page's form: `Denied`, `Allowed` with the account's name, or
/// `Required` with 403 for a wrong server token or password, and 400 for a malformed account name
/// or a user who does not exist or cannot sign in to `realm`.
///
/// Every form without `decision=deny` is a consent, an empty one too: callers pass only forms that
/// were submitted. Without a directory an empty name is the default account. The server token is
/// required unless the development tokens are valid.
pub(crate) fn decision(state: &ServerState, realm: &Realm, form: &Form) -> Consent {
    if form.get("decision") == Some("deny") {
        return Consent::Denied;
    }
    let tokens = &state.accounts.settings().tokens;
    let has_token = || form.get("token").is_some_and(|token| tokens.is_own(token.trim()));
    if !tokens.public && !has_token() {
        return required(StatusCode::FORBIDDEN, "This is not the token of this server.");
    }
    let address = form.get("new_account").or_else(|| form.get("account")).unwrap_or_default();
    let Some(directory) = state.accounts.directory() else {
        return match account_of_address(address.trim()) {
            Some(account) => Consent::Allowed(account),
            None => required(
                StatusCode::BAD_REQUEST,
                "The name of an account has 1 to 64 letters, digits, dots, dashes and underscores.",
            ),
        };
    };
    let Some(user) = directory.user(address.trim()) else {
        let message = format!(
            "AADSTS50034: The user account {} does not exist in the directory.",
            address.trim()
        );
        return required(StatusCode::BAD_REQUEST, message);
    };
    if !realm.includes(user) {
        let message = format!(
            "AADSTS50020: User account '{}' does not exist in this tenant and cannot access the \
             application. Sign in with another account.",
            user.address
        );
        return required(StatusCode::BAD_REQUEST, message);
    }
    let password = form.get("password").unwrap_or_default();
    if user.password.as_ref().is_some_and(|it| !constant_time_eq(password, it.expose())) {
        let message =
            "AADSTS50126: Error validating credentials due to invalid username or password.";
        return required(StatusCode::FORBIDDEN, message);
    }
    Consent::Allowed(user.account.clone())
}

/// Returns the account of a sign-in name: its name, or `NAME@` and the domain of this server's
/// users. An empty name is the default account. Case matters. `None` for a text that is no account
/// name.
pub(crate) fn account_of_address(address: &str) -> Option<String> {
    let name = address.strip_suffix(ADDRESS_DOMAIN).and_then(|rest| rest.strip_suffix('@'));
    match name.unwrap_or(address) {
        "" | DEFAULT_ADDRESS => Some(String::new()),
        name => is_account_name(name).then(|| name.to_owned()),
    }
}

/// Returns the account that a sign-in without a page opens: the one that the application proposes
/// in `hint`, else, also for a text that is no account name, the default account.
pub(crate) fn account_of_hint(hint: &str) -> String {
    account_of_address(hint).unwrap_or_default()
}

/// Returns the page with the status. `message` is shown above the form; it is plain text, and empty
/// for none.
pub(crate) fn show(
    state: &ServerState,
    request: &ConsentRequest<'_>,
    status: StatusCode,
    message: &str,
) -> Response {
    let mut content = String::new();
    if !message.is_empty() {
        content += &format!("<p><b>{}</b></p>", escape(message));
    }
    content += "<form method=post>";
    content += request.content;
    if let Some(application) = request.application {
        content += &format!(
            "<p>The application <b>{}</b> requests access to your drive.</p>",
            escape(application)
        );
    }
    if !request.scope.is_empty() {
        let scopes = request.scope.split_whitespace();
        let scopes: String = scopes.map(|it| format!("<li>{}</li>", escape(it))).collect();
        content += &format!("<ul>{scopes}</ul>");
    }
    content += &account_fields(state, request);
    if !state.accounts.settings().tokens.public {
        content += pages::TOKEN_FIELD;
    }
    content += pages::DECISION_BUTTONS;
    content += "</form>";
    page(status, "Sign in", &content)
}

/// Returns the fields that choose an account or add one.
fn account_fields(state: &ServerState, request: &ConsentRequest<'_>) -> String {
    let directory = state.accounts.directory();
    let mut choices: Vec<(String, String)> = match &directory {
        Some(directory) => {
            let users = directory.users().iter().filter(|user| request.realm.includes(user));
            users.map(|user| (user.address.clone(), user.display_name.clone())).collect()
        }
        // A private server shows the names of its accounts only with its token.
        None if !state.accounts.settings().tokens.public => Vec::new(),
        None => {
            let mut names = state.accounts.opened_names();
            if names.first().is_none_or(|first| !first.is_empty()) {
                names.insert(0, String::new());
            }
            let address = |name: String| match name.as_str() {
                "" => (format!("{DEFAULT_ADDRESS}@{ADDRESS_DOMAIN}"), "default account".to_owned()),
                _ => (format!("{name}@{ADDRESS_DOMAIN}"), name),
            };
            names.into_iter().map(address).collect()
        }
    };
    let hint = request.hint;
    let is_hint = |(address, name): &(String, String)| {
        address.eq_ignore_ascii_case(hint) || name.eq_ignore_ascii_case(hint)
    };
    let mut checked = choices.iter().position(is_hint);
    if checked.is_none() && !hint.is_empty() && directory.is_none() {
        choices.insert(0, (hint.to_owned(), hint.to_owned()));
        checked = Some(0);
    }
    let radio = |(at, (address, name)): (usize, &(String, String))| {
        let checked = if at == checked.unwrap_or(0) { " checked" } else { "" };
        format!(
            "<p><label><input type=radio name=account value=\"{0}\"{checked}> {1} ({0})</label></p>",
            escape(address),
            escape(name)
        )
    };
    let mut fields = "<fieldset><legend>Account</legend>".to_owned();
    fields.extend(choices.iter().enumerate().map(radio));
    let note = if directory.is_some() { "" } else { " (a new name creates an account)" };
    fields += &format!(
        "<p><label>Another account <input name=new_account autocomplete=off></label>{note}</p>\
         </fieldset>"
    );
    let has_password = |user: &std::sync::Arc<UserProfile>| user.password.is_some();
    if directory.is_some_and(|directory| directory.users().iter().any(has_password)) {
        fields += "<p><label>Password <input type=password name=password></label></p>";
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_an_account() {
        let account = |address| account_of_address(address);
        assert_eq!(account("").as_deref(), Some(""));
        assert_eq!(account("developer@drivedal.example").as_deref(), Some(""));
        assert_eq!(account("anna@drivedal.example").as_deref(), Some("anna"));
        assert_eq!(account("anna.business").as_deref(), Some("anna.business"));
        assert_eq!(account("anna@contoso.com"), None);
        assert_eq!(account("a b"), None);
    }
}
