//! The parameters of the redirect at the end of a sign-in page.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use url::Url;

use crate::{
    auth::sign_in_error,
    drive::{Error, ErrorKind, Result, Secret},
};

/// Returns the authorization code in a URL that the user copied from the browser. The code may be in
/// the query or in the fragment. `state` is that of the authorization request.
///
/// # Errors
/// `PermissionDenied` if the URL contains an error of the cloud, with its code, its description and
/// the next step. `InvalidInput` if the text is not a URL, has no code, or belongs to another
/// sign-in.
pub(super) fn code_in_url(text: &str, state: &Secret) -> Result<Secret> {
    let url = Url::parse(text.trim()).map_err(|error| {
        invalid(&format!(
            "the text is not a URL ({error}); copy the whole address of the last page"
        ))
    })?;
    let parameters = [url.query().unwrap_or_default(), url.fragment().unwrap_or_default()];
    match parameters.iter().find(|parameters| has_result(parameters)) {
        Some(parameters) => code_in_parameters(parameters, state),
        None => Err(invalid(
            "the URL has no authorization code (copy the address of the last page of the sign-in)",
        )),
    }
}

/// Returns whether these parameters are those of a redirect: a code or an error.
pub(super) fn has_result(parameters: &str) -> bool {
    find(parameters, "code").is_some() || find(parameters, "error").is_some()
}

/// Returns the authorization code in the parameters of a redirect. `state` is that of the
/// authorization request.
///
/// # Errors
/// Those of [`code_in_url`], except for a text that is not a URL.
pub(super) fn code_in_parameters(parameters: &str, state: &Secret) -> Result<Secret> {
    if !has_state(parameters, state) {
        return Err(invalid("the redirect belongs to another sign-in (its state differs)"));
    }
    if let Some(error) = find(parameters, "error") {
        let description = find(parameters, "error_description").unwrap_or_default();
        return Err(sign_in_error::of_redirect(&error, &description));
    }
    find(parameters, "code")
        .map(Secret::from)
        .ok_or_else(|| invalid("the redirect has no authorization code"))
}

/// Returns whether the parameters have this state. The comparison takes the same time for any value.
pub(super) fn has_state(parameters: &str, state: &Secret) -> bool {
    let found = find(parameters, "state").unwrap_or_default();
    verify_slices_are_equal(found.as_bytes(), state.expose().as_bytes()).is_ok()
}

/// Returns the first non-empty value of a parameter. `None` if it is missing or empty.
fn find(parameters: &str, wanted: &str) -> Option<String> {
    url::form_urlencoded::parse(parameters.as_bytes())
        .find(|(name, value)| name == wanted && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

/// Returns the error for a URL that cannot finish the sign-in.
fn invalid(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("cannot finish the sign-in: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://login.live.com/oauth20_desktop.srf";

    fn code(url: &str) -> Result<String> {
        code_in_url(url, &"s/1".into()).map(|code| code.expose().to_owned())
    }

    #[test]
    fn the_code_is_in_the_query_or_the_fragment() {
        assert_eq!(code(&format!("{PAGE}?code=a%2Bb&state=s%2F1&lc=1033\n")).unwrap(), "a+b");
        assert_eq!(code(&format!("{PAGE}?lc=1#state=s/1&code=c")).unwrap(), "c");
    }

    #[test]
    fn an_error_of_the_cloud_has_its_text_and_the_next_step() {
        let denied =
            code(&format!("{PAGE}#error=access_denied&error_description=No+way.&state=s/1"));
        let denied = denied.unwrap_err();
        assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
        assert_eq!(denied.code(), Some("access_denied"));
        assert!(denied.to_string().contains("No way."), "{denied}");
    }

    #[test]
    fn another_text_is_an_error_that_does_not_repeat_the_code() {
        for bad in [
            "SECRET",
            PAGE,
            &format!("{PAGE}?code=&state=s/1"),
            &format!("{PAGE}?code=SECRET"),
            &format!("{PAGE}?code=SECRET&state="),
            &format!("{PAGE}?code=SECRET&state=s/2"),
            &format!("{PAGE}?error=access_denied&state=s/2"),
        ] {
            let error = code(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
