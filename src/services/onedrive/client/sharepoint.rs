//! Requests to upload sessions and copy monitors, which are on the drive's own host.
//!
//! Their URLs are pre-authenticated, or they need an access token for SharePoint, whose audience is
//! not that of Graph (onedrive-graph#pre-auth-retirement). No option selects the mode: a host that
//! rejects a request without a token gets one with a token, and the client remembers it.
//!
//! A token is sent only to the host that it was issued for, and never with a pre-authenticated URL.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use url::Url;

use super::{Client, check_status};
use crate::{
    auth::TokenSource,
    drive::{Context, Error, ErrorKind, Result, Secret},
    services::onedrive::error::response_error,
    transport::{ApiRequest, ApiResponse, UrlPolicy},
};

/// Code of the error of a request that needs an access token for SharePoint, if none can be obtained
/// or the host rejects it.
pub const SHAREPOINT_TOKEN_REQUIRED: &str = "sharepoint_token_required";

/// The domains of SharePoint in Microsoft's clouds. A tenant's host is directly below one of them.
const SHAREPOINT_DOMAINS: [&str; 5] =
    ["sharepoint.com", "sharepoint.us", "sharepoint-mil.us", "sharepoint.cn", "sharepoint.de"];

/// Query parameter of pre-authenticated URLs (onedrive-graph#graph-content-urls).
const PRE_AUTHENTICATION: &str = "tempauth";

/// How long an account without a token for SharePoint is not tried again. The user or an
/// administrator may grant the permission meanwhile.
const REFUSAL_LIFETIME: Duration = Duration::from_secs(600);

/// The access of a client to the drive's own hosts. Clones of the client share it.
#[derive(Default)]
pub(super) struct SharePointAccess {
    /// Audience of the tokens for hosts that are not SharePoint's: the endpoint's own and the
    /// allowed ones. `None`: they get no token.
    audience: Option<String>,
    /// Whether a URL of a host was tried without a token.
    is_known: AtomicBool,
    /// Whether a host has rejected a request without a token and accepted one with a token.
    needs_token: AtomicBool,
    /// Sources of tokens, by scope. They share the refresh token with the source for Graph.
    sources: Mutex<BTreeMap<String, TokenSource>>,
    /// The last error for a missing token, and when it occurred.
    refusal: Mutex<Option<(Instant, Error)>>,
}

impl SharePointAccess {
    /// Returns the access of a client whose hosts outside SharePoint have tokens of this audience.
    pub(super) fn with_audience(audience: Option<String>) -> Self {
        Self { audience, ..Self::default() }
    }

    /// Returns the source of tokens with this scope. `graph` is the source for Graph.
    fn source(&self, graph: &TokenSource, scope: &str) -> TokenSource {
        let mut sources = lock(&self.sources);
        sources.entry(scope.to_owned()).or_insert_with(|| graph.for_audience(scope)).clone()
    }

    /// Returns the error of a recent request that needed a token. `None` if there was none, or if a
    /// later request had a token.
    fn recent_refusal(&self) -> Option<Error> {
        let refusal = lock(&self.refusal);
        let (at, error) = refusal.as_ref()?;
        (at.elapsed() < REFUSAL_LIFETIME).then(|| error.clone())
    }

    /// Records that no token can be used on a host, for the reason `cause`, and returns the error.
    fn refuse(&self, host: &TokenHost, cause: Error) -> Error {
        let text = format!(
            "cannot use the upload session or copy monitor at {}: it needs an access token for \
             SharePoint ({cause}); grant the application the permission AllSites.Write of SharePoint \
             (Sites.ReadWrite.All if it has no user), and sign in again",
            host.name,
        );
        let code = match cause.code() {
            Some(code) => format!("{SHAREPOINT_TOKEN_REQUIRED}/{code}"),
            None => SHAREPOINT_TOKEN_REQUIRED.to_owned(),
        };
        let error =
            Error::new(ErrorKind::PermissionDenied, text).with_code(code).with_source(cause);
        *lock(&self.refusal) = Some((Instant::now(), error.clone()));
        error
    }
}

/// Locks a value. A panic of another caller does not prevent it.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A host that may need a token for SharePoint.
struct TokenHost {
    /// The name, for errors.
    name: String,
    /// The scope of its tokens.
    scope: String,
    /// Allows the token on this origin only.
    urls: UrlPolicy,
}

/// Returns whether a URL is on a tenant's host of SharePoint, with TLS.
fn is_sharepoint(url: &Url) -> bool {
    let host = url.host_str().and_then(|host| host.split_once('.'));
    url.scheme() == "https"
        && url.port().is_none()
        && host.is_some_and(|(tenant, domain)| {
            !tenant.is_empty() && SHAREPOINT_DOMAINS.contains(&domain)
        })
}

impl Client {
    /// Returns the error of a recent request that needed a token for SharePoint, which the account
    /// does not have. `None` if sessions and monitors can be used, or if it is unknown.
    pub(in super::super) fn sharepoint_refusal(&self) -> Option<Error> {
        self.sharepoint.recent_refusal()
    }

    /// Returns whether sessions and monitors get a token for SharePoint.
    pub(in super::super) fn uses_sharepoint_token(&self) -> bool {
        self.sharepoint.needs_token.load(Ordering::Relaxed)
    }

    /// Returns whether the URL of a session or monitor may need a token.
    pub(in super::super) fn may_need_token(&self, url: &Secret) -> bool {
        self.token_host(url).is_some()
    }

    /// Returns the host of a URL if requests to it may need a token. `None` for a pre-authenticated
    /// URL and for hosts that never get one.
    fn token_host(&self, url: &Secret) -> Option<TokenHost> {
        let parsed = Url::parse(url.expose()).ok()?;
        let is_pre_authenticated =
            parsed.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case(PRE_AUTHENTICATION));
        if is_pre_authenticated {
            return None;
        }
        let origin = parsed.origin().ascii_serialization();
        let audience = match is_sharepoint(&parsed) {
            true => origin.clone(),
            false if self.urls.check_token(url.expose()).is_ok() => {
                self.sharepoint.audience.clone()?
            }
            false => return None,
        };
        let urls = UrlPolicy::for_endpoint(&origin).ok()?;
        Some(TokenHost {
            name: parsed.host_str().unwrap_or_default().to_owned(),
            scope: format!("{}/.default", audience.trim_end_matches('/')),
            urls: urls.with_plain_http(self.urls.plain_http().clone()),
        })
    }

    /// Finds out with a request without a body whether the URL of an upload session needs a token,
    /// unless that is known: a host may reject a fragment before it has received the bytes.
    ///
    /// # Errors
    /// Those of [`fetch_direct`](Self::fetch_direct).
    pub(super) async fn detect_sharepoint_token(
        &self,
        cx: &Context,
        url: &Secret,
        request: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<()> {
        if self.sharepoint.is_known.load(Ordering::Relaxed) || self.token_host(url).is_none() {
            return Ok(());
        }
        self.fetch_direct(cx, url, request).await.map(drop)
    }

    /// Sends a request to an upload session or copy monitor. Adds a token for SharePoint if the host
    /// requires it: once a request without a token has got 401. `request` builds the request without
    /// a token, once for each attempt. Returns the response, whatever its status, and the secrets of
    /// the request.
    ///
    /// # Errors
    /// `PermissionDenied` with the code [`SHAREPOINT_TOKEN_REQUIRED`] if the host requires a token and
    /// none can be obtained, or if it rejects the token; `Unexpected` if no response arrives.
    pub(super) async fn fetch_direct(
        &self,
        cx: &Context,
        url: &Secret,
        request: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<(ApiResponse, Secret)> {
        let host = self.token_host(url);
        if host.is_none() || !self.uses_sharepoint_token() {
            let response = self.http(cx).send(request()).await?;
            // A monitor may redirect to the new item, which needs the token of Graph.
            let is_rejected = response.status == StatusCode::UNAUTHORIZED && !response.redirected;
            if !is_rejected && host.is_some() {
                self.sharepoint.is_known.store(true, Ordering::Relaxed);
            }
            if !is_rejected || host.is_none() {
                return Ok((response, url.clone()));
            }
        }
        let Some(host) = host else { return Err(Error::unsupported("a URL without a host")) };
        self.fetch_with_token(cx, url, &host, request).await
    }

    /// Sends a request with a token for `host`, and once more with a refreshed token if the response
    /// is 401. The other arguments and the result are those of [`fetch_direct`](Self::fetch_direct).
    ///
    /// # Errors
    /// Those of [`fetch_direct`](Self::fetch_direct).
    async fn fetch_with_token(
        &self,
        cx: &Context,
        url: &Secret,
        host: &TokenHost,
        request: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<(ApiResponse, Secret)> {
        let refused = |error: Error| match error.is_temporary() {
            true => error,
            false => self.sharepoint.refuse(host, error),
        };
        let tokens = self.sharepoint.source(&self.tokens, &host.scope);
        let mut token = tokens.token(cx).await.map_err(refused)?;
        let mut response = self.http(cx).send(request().bearer(&token, &host.urls)).await?;
        if response.status == StatusCode::UNAUTHORIZED && tokens.is_renewable() {
            token = tokens.renew(cx, &token).await.map_err(refused)?;
            response = self.http(cx).send(request().bearer(&token, &host.urls)).await?;
        }
        // Errors must contain neither of them; they are compared part by part.
        let secrets = Secret::from(format!("{} {}", url.expose(), token.expose()));
        let is_first = !self.uses_sharepoint_token();
        let is_rejected = match response.status {
            StatusCode::UNAUTHORIZED => !response.redirected,
            // The token has no permission, unless it had one before.
            StatusCode::FORBIDDEN => is_first,
            _ => false,
        };
        if is_rejected {
            return Err(self.sharepoint.refuse(host, response_error(&response, &secrets)));
        }
        self.sharepoint.is_known.store(true, Ordering::Relaxed);
        self.sharepoint.needs_token.store(true, Ordering::Relaxed);
        *lock(&self.sharepoint.refusal) = None;
        Ok((response, secrets))
    }

    /// Sends a request like [`fetch_direct`](Self::fetch_direct), and returns the response if its
    /// status is a success.
    ///
    /// # Errors
    /// The error in the response; those of [`fetch_direct`](Self::fetch_direct).
    pub(super) async fn send_direct(
        &self,
        cx: &Context,
        url: &Secret,
        request: &(dyn Fn() -> ApiRequest + Sync),
    ) -> Result<ApiResponse> {
        let (response, secrets) = self.fetch_direct(cx, url, request).await?;
        check_status(response, &secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_tenants_are_sharepoint() {
        for good in [
            "https://contoso.sharepoint.com/_api/v2.0/x",
            "https://contoso-my.sharepoint.com/x",
            "https://contoso.sharepoint.us/x",
            "https://contoso.sharepoint.cn:443/x",
        ] {
            assert!(is_sharepoint(&Url::parse(good).unwrap()), "{good}");
        }
        for bad in [
            "http://contoso.sharepoint.com/x",
            "https://contoso.sharepoint.com:8443/x",
            "https://sharepoint.com/x",
            "https://.sharepoint.com/x",
            "https://a.contoso.sharepoint.com/x",
            "https://contoso.sharepoint.com.evil.test/x",
            "https://contosharepoint.com/x",
            "https://my.microsoftpersonalcontent.com/x",
            "https://127.0.0.1/x",
        ] {
            assert!(!Url::parse(bad).is_ok_and(|url| is_sharepoint(&url)), "{bad}");
        }
    }
}
