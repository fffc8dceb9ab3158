//! What of an address and of headers may be told.

use std::fmt::Write as _;

use http::{HeaderMap, Request, header};
use opendal::raw::ServiceOperation;

/// What stands where a secret may have stood.
pub(super) const REDACTED: &str = "REDACTED";

/// Parameters whose values are harmless, in the protocols of our drives and in those of object
/// stores: what is selected, sorted, paged by a number.
const SHOWN: [&str; 39] = [
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

/// Parameters that are known, and whose values are not told. A parameter of any other name is not
/// even named: it may be a secret without a name.
const NAMED: [&str; 27] = [
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

/// Headers whose values are harmless.
const HEADERS: [&str; 37] = [
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

/// Where clouds put the id that their support asks for.
const REQUEST_IDS: [&str; 5] =
    ["request-id", "x-amzn-requestid", "x-amz-request-id", "x-ms-request-id", "x-request-id"];

/// The longest request id that is taken for one, in characters.
const REQUEST_ID_MAX: usize = 128;

/// The request's form without values, where its service tells it.
pub(super) fn template<T>(request: &Request<T>) -> &'static str {
    request.extensions().get::<ServiceOperation>().map_or("", |of| of.0)
}

/// The address as it may be told.
pub(super) fn url<T>(request: &Request<T>) -> String {
    let uri = request.uri();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // A user and password before the host would be a secret.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mut told = format!("{}://{host}", uri.scheme_str().unwrap_or("http"));
    if !request.headers().contains_key(header::AUTHORIZATION) {
        told.push('/');
        told.push_str(match template(request) {
            "" => REDACTED,
            template => template.trim_start_matches('/'),
        });
        return told;
    }
    for segment in uri.path().split('/').skip(1) {
        told.push('/');
        told.push_str(if is_link(segment) { REDACTED } else { segment });
    }
    for (at, parameter) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
        told.push(if at == 0 { '?' } else { '&' });
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        // Some clients encode the dollar, some do not.
        let plain = name.replace("%24", "$").replace("%40", "@");
        let written = if SHOWN.contains(&&*plain) {
            write!(told, "{plain}={value}")
        } else if NAMED.contains(&&*plain) {
            write!(told, "{plain}={REDACTED}")
        } else {
            told.write_str(REDACTED)
        };
        written.expect("writing to a string never fails");
    }
    told
}

/// A sharing link, as Graph takes it for an item's address: whoever has it needs nothing else.
fn is_link(segment: &str) -> bool {
    ["u!", "s!", "u%21", "s%21"].iter().any(|begin| segment.starts_with(begin))
}

/// Headers as they may be told: each name, and values that are harmless.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let told = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let harmless = HEADERS.contains(&name.as_str()) && !value.is_sensitive();
        let value = value.to_str().ok().filter(|_| harmless).unwrap_or(REDACTED);
        (name.as_str().to_owned(), value.to_owned())
    };
    headers.iter().map(told).collect()
}

/// The id that the cloud gave the request.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    (id.len() <= REQUEST_ID_MAX && id.chars().all(is_id)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str, signed: bool, template: &'static str) -> String {
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
    fn a_signed_address_is_told_but_for_what_is_secret_in_its_query() {
        assert_eq!(
            told("https://me:pw@h:8080/v1.0/a%20b?$top=5&access_token=x&zzz=y&c2VjcmV0=", true, ""),
            "https://h:8080/v1.0/a%20b?$top=5&access_token=REDACTED&REDACTED&REDACTED"
        );
        assert_eq!(told("https://h/a?%24select=id,name", true, ""), "https://h/a?$select=id,name");
        assert_eq!(
            told("https://h/shares/u!aHR0cHM/driveItem", true, ""),
            "https://h/shares/REDACTED/driveItem"
        );
        assert_eq!(told("https://h/s%21AbC", true, ""), "https://h/REDACTED");
        assert_eq!(told("https://h", true, ""), "https://h/");
    }

    #[test]
    fn of_an_address_that_opens_by_itself_only_host_and_template_are_told() {
        assert_eq!(told("https://h/s1pSECRET/a?tempauth=x", false, ""), "https://h/REDACTED");
        assert_eq!(told("https://h/s1pSECRET/a?b", false, "{ticket}"), "https://h/{ticket}");
        assert_eq!(told("https://u:p@h/oauth/token", false, "/token"), "https://h/token");
    }

    #[test]
    fn of_headers_only_harmless_values_are_told() {
        let mut map = HeaderMap::new();
        map.insert("authorization", "Bearer hunter2".parse().expect("a value"));
        map.insert("location", "https://h/hunter2".parse().expect("a value"));
        map.insert("content-length", "5".parse().expect("a value"));
        let told = headers(&map);
        assert!(told.contains(&("content-length".into(), "5".into())));
        assert!(told.contains(&("authorization".into(), REDACTED.into())));
        assert!(!format!("{told:?}").contains("hunter2"));
    }

    #[test]
    fn a_request_id_is_an_id_or_nothing() {
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
