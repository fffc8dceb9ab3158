//! Redaction of URLs and headers.

use std::fmt::Write as _;

use http::{HeaderMap, Request, header};
use opendal::raw::ServiceOperation;

/// Replacement for a value that may be secret.
pub(super) const REDACTED: &str = "REDACTED";

/// Parameters with harmless values, in the protocols of our drives and of object stores:
/// selections, sort orders, numbered pages.
const SAFE_PARAMETERS: [&str; 39] = [
    "$count",
    "$expand",
    "$filter",
    "$orderby",
    "$select",
    "$skip",
    "$top",
    "@microsoft.graph.conflictBehavior",
    "asset",
    "comp",
    "deferCommit",
    "delimiter",
    "download",
    "downsize_photo_uploads",
    "encoding-type",
    "fields",
    "fileFilter",
    "filter",
    "filters",
    "forceDelete",
    "limit",
    "list-type",
    "locale",
    "max-keys",
    "maxResults",
    "maxresults",
    "method",
    "offset",
    "overwrite",
    "partNumber",
    "pretty",
    "prefix",
    "resourceVersion",
    "restype",
    "select",
    "sort",
    "sort_by",
    "sort_order",
    "start-after",
];

/// Known parameters with secret values. A parameter that is in neither list is hidden with its
/// name, because the name may be the secret.
const KNOWN_PARAMETERS: [&str; 27] = [
    "$deltatoken",
    "$skiptoken",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "access_token",
    "authkey",
    "callback",
    "client_id",
    "client_secret",
    "code",
    "continuation-token",
    "marker",
    "password",
    "q",
    "refresh_token",
    "scope",
    "se",
    "sig",
    "sp",
    "startToken",
    "state",
    "sv",
    "tempLink",
    "tempauth",
    "token",
    "uploadId",
];

/// Headers with harmless values.
const SAFE_HEADERS: [&str; 37] = [
    "accept",
    "accept-ranges",
    "bits-packet-type",
    "bits-protocol",
    "bits-received-content-range",
    "bits-supported-protocols",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "if-match",
    "if-none-match",
    "if-range",
    "last-modified",
    "prefer",
    "preference-applied",
    "range",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "request-id",
    "retry-after",
    "server",
    "transfer-encoding",
    "user-agent",
    "vary",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-http-live-library",
    "x-ms-request-id",
    "x-ms-throttle-limit-percentage",
    "x-ms-throttle-scope",
    "x-requeststats",
];

/// Response headers with the request id that a cloud's support needs.
const REQUEST_IDS: [&str; 5] =
    ["request-id", "x-amzn-requestid", "x-amz-request-id", "x-ms-request-id", "x-request-id"];

/// Maximum length of a request id, in characters.
const REQUEST_ID_MAX: usize = 128;

/// Returns the form of the request without values, as the service declares it. Empty if it declares
/// none.
pub(super) fn template<T>(request: &Request<T>) -> &'static str {
    request.extensions().get::<ServiceOperation>().map_or("", |of| of.0)
}

/// Returns the URL of the request in a form without secrets: see the [module](super) documentation.
pub(super) fn url<T>(request: &Request<T>) -> String {
    let uri = request.uri();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // A user and a password before the host are secret.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mut redacted = format!("{}://{host}", uri.scheme_str().unwrap_or("http"));
    if !request.headers().contains_key(header::AUTHORIZATION) {
        redacted.push('/');
        redacted.push_str(match template(request) {
            "" => REDACTED,
            template => template.trim_start_matches('/'),
        });
        return redacted;
    }
    for segment in uri.path().split('/').skip(1) {
        redacted.push('/');
        redacted.push_str(if is_sharing_link(segment) { REDACTED } else { segment });
    }
    for (at, parameter) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        redacted.push(if at == 0 { '?' } else { '&' });
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        // Some clients percent-encode the dollar sign.
        let plain = name.replace("%24", "$").replace("%40", "@");
        let written = if SAFE_PARAMETERS.contains(&&*plain) {
            write!(redacted, "{plain}={value}")
        } else if KNOWN_PARAMETERS.contains(&&*plain) {
            write!(redacted, "{plain}={REDACTED}")
        } else {
            redacted.write_str(REDACTED)
        };
        written.expect("writing to a string never fails");
    }
    redacted
}

/// Returns the URL of a redirect, of which only the origin is known: its path and query are secret.
pub(super) fn redirect(origin: &str) -> String {
    format!("{origin}/{REDACTED}")
}

/// Returns whether a path segment is a sharing link in Graph's encoding. It grants access without a
/// token.
fn is_sharing_link(segment: &str) -> bool {
    ["u!", "s!", "u%21", "s%21"].iter().any(|begin| segment.starts_with(begin))
}

/// Returns all headers as pairs of name and value. Values that are not known to be harmless are
/// redacted.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let redacted = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let harmless = SAFE_HEADERS.contains(&name.as_str()) && !value.is_sensitive();
        let value = value.to_str().ok().filter(|_| harmless).unwrap_or(REDACTED);
        (name.as_str().to_owned(), value.to_owned())
    };
    headers.iter().map(redacted).collect()
}

/// Returns the id that the cloud gave to the request. `None` if the header is missing or is not a
/// plain id.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    (id.len() <= REQUEST_ID_MAX && id.chars().all(is_id)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(url: &str, signed: bool, template: &'static str) -> String {
        let mut request = Request::get(url).body(()).expect("a request");
        if signed {
            request.headers_mut().insert("authorization", "Bearer x".parse().expect("a value"));
        }
        if !template.is_empty() {
            request.extensions_mut().insert(ServiceOperation(template));
        }
        self::url(&request)
    }

    #[test]
    fn a_signed_url_is_logged_without_secret_parameters() {
        assert_eq!(
            redacted(
                "https://me:pw@h:8080/v1.0/a%20b?$top=5&access_token=x&zzz=y&c2VjcmV0=",
                true,
                ""
            ),
            "https://h:8080/v1.0/a%20b?$top=5&access_token=REDACTED&REDACTED&REDACTED"
        );
        assert_eq!(
            redacted("https://h/a?%24select=id,name", true, ""),
            "https://h/a?$select=id,name"
        );
        assert_eq!(
            redacted("https://h/shares/u!aHR0cHM/driveItem", true, ""),
            "https://h/shares/REDACTED/driveItem"
        );
        assert_eq!(redacted("https://h/s%21AbC", true, ""), "https://h/REDACTED");
        assert_eq!(redacted("https://h", true, ""), "https://h/");
    }

    #[test]
    fn an_unsigned_url_is_logged_as_host_and_template() {
        assert_eq!(redacted("https://h/s1pSECRET/a?tempauth=x", false, ""), "https://h/REDACTED");
        assert_eq!(redacted("https://h/s1pSECRET/a?b", false, "{ticket}"), "https://h/{ticket}");
        assert_eq!(redacted("https://u:p@h/oauth/token", false, "/token"), "https://h/token");
    }

    #[test]
    fn only_harmless_header_values_are_logged() {
        let mut map = HeaderMap::new();
        map.insert("authorization", "Bearer hunter2".parse().expect("a value"));
        map.insert("location", "https://h/hunter2".parse().expect("a value"));
        map.insert("content-length", "5".parse().expect("a value"));
        let redacted = headers(&map);
        assert!(redacted.contains(&("content-length".into(), "5".into())));
        assert!(redacted.contains(&("authorization".into(), REDACTED.into())));
        assert!(!format!("{redacted:?}").contains("hunter2"));
    }

    #[test]
    fn a_request_id_must_be_a_plain_id() {
        let id = |text: &str| {
            let mut map = HeaderMap::new();
            map.insert("request-id", text.parse().expect("a value"));
            request_id(&map).map(str::to_owned)
        };
        assert_eq!(id("0fa-12:3"), Some("0fa-12:3".into()));
        assert_eq!(id("https://h/?x"), None);
        assert_eq!(id(&"x".repeat(129)), None);
    }
}
