//! Search for secrets in all texts that the cases have produced.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    sync::{LazyLock, Mutex},
};

use drivedal::layers::{LoggingLayer, logging::HarFile};
use http::{Request, Response, header};
use libtest_mimic::{Completion, Failed};
use opendal::{
    Buffer, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator,
    raw::{Layer, Servicer},
};
use tracing::{Event, Metadata, Subscriber, field, span};

static RECORDED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
static SECRETS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Secret parts of URLs that need no token. A case has hundreds, so that the search works word by
/// word.
static SECRET_WORDS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Parts of URLs that are useless without a token: ids and names.
static PUBLIC_WORDS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Minimum length of a secret part, in characters.
const WORD_MIN: usize = 12;

/// HTTP log of all cases, and its HAR file.
static HTTP_LOG: LazyLock<(LoggingLayer, HarFile, tempfile::TempDir)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let har = HarFile::create(folder.path().join("wire.har")).expect("a file in it");
    (LoggingLayer::new().with_har(&har), har, folder)
});

/// Prefixes that occur in secrets only.
const SECRET_PREFIXES: [&str; 5] = [
    "access_token=",
    "refresh_token=",
    "client_secret=",
    "Bearer ",
    // Download URLs of the drive server, which need no token.
    "/s1p",
];

/// Prefixes of the paths of upload sessions and copy monitors of the drive server. They are secret
/// where the request needs no token: not on a server without pre-authenticated URLs.
const URL_PREFIXES: [&str; 2] = ["/rup/", "/monitor/"];

/// Such URLs, without their queries, that were requested with a token.
static SIGNED_URLS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Records a text that a user might print.
pub fn record(text: &str) {
    RECORDED.lock().expect("no panic while it is held").insert(text.to_owned());
}

/// Registers a secret, such as a token or a key, that must not occur in any recorded text.
pub fn register(secret: &str) {
    if !secret.is_empty() {
        SECRETS.lock().expect("no panic while it is held").insert(secret.to_owned());
    }
}

/// Logs every request of an operator, and registers the secrets in its requests.
pub fn observe(operator: Operator) -> Operator {
    operator.layer(Learning).layer(HTTP_LOG.0.clone())
}

/// Layer that registers tokens, and secret parts of URLs that need no token.
#[derive(Debug)]
struct Learning;

impl Layer for Learning {
    fn apply_context(&self, _: Servicer, inner: OperationContext) -> OperationContext {
        let transport = LearningTransport(inner.http_transport().clone());
        inner.with_http_transport(HttpTransporter::new(transport))
    }
}

struct LearningTransport(HttpTransporter);

impl HttpTransport for LearningTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        match request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            Some(signature) => {
                register(signature.split_once(' ').map_or(signature, |(_, token)| token));
                let open = words(request.uri().path()).filter(|word| word.len() >= WORD_MIN);
                let open = open.map(str::to_owned);
                let path = request.uri().path();
                if URL_PREFIXES.iter().any(|prefix| path.contains(prefix)) {
                    let host = request.uri().authority().map_or("", |host| host.as_str());
                    let url = format!("{host}{path}");
                    SIGNED_URLS.lock().expect("no panic while it is held").insert(url);
                }
                PUBLIC_WORDS.lock().expect("no panic while it is held").extend(open);
            }
            None => {
                let parts = request.uri().path_and_query().map_or("", |parts| parts.as_str());
                // A download URL ends with the name of the file.
                let parts = match parts.strip_prefix("/s1p").and_then(|rest| rest.find('/')) {
                    Some(end) => &parts[..end + "/s1p".len()],
                    None => parts,
                };
                let secret = words(parts).filter(|word| word.len() >= WORD_MIN).map(str::to_owned);
                // Common to all of these URLs.
                let secret = secret.filter(|word| word != "uploadSession");
                SECRET_WORDS.lock().expect("no panic while it is held").extend(secret);
            }
        }
        self.0.fetch(request).await
    }
}

/// Splits a text at characters that cannot be part of a token.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '~' | '!' | '.');
    text.split(move |c| !is_part(c)).filter(|word| !word.is_empty())
}

/// Returns the number of logged requests and of registered parts of URLs.
pub fn counts() -> (u64, usize) {
    let words = SECRET_WORDS.lock().expect("no panic while it is held").len();
    (HTTP_LOG.0.stats().requests(), words)
}

/// Returns the recorded texts that contain a secret.
pub fn leaks() -> Vec<String> {
    let har = std::fs::read_to_string(HTTP_LOG.1.path()).expect("it was made");
    har.lines().for_each(record);
    let mut registered = SECRET_WORDS.lock().expect("no panic while it is held");
    let open = PUBLIC_WORDS.lock().expect("no panic while it is held");
    registered.retain(|word| !open.contains(word));
    let secrets = SECRETS.lock().expect("no panic while it is held");
    let signed = SIGNED_URLS.lock().expect("no panic while it is held");
    // Hundreds of tokens share a prefix, and few texts contain it.
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for secret in secrets.iter() {
        alike.entry(secret.chars().take(12).collect()).or_default().push(secret);
    }
    let recorded = RECORDED.lock().expect("no panic while it is held");
    recorded
        .iter()
        .filter(|text| {
            SECRET_PREFIXES.iter().any(|telltale| text.contains(telltale))
                || (URL_PREFIXES.iter().any(|prefix| text.contains(prefix))
                    && !signed.iter().any(|url| text.contains(url)))
                || words(text).any(|word| registered.contains(word))
                || alike.iter().any(|(beginning, secrets)| {
                    text.contains(beginning) && secrets.iter().any(|secret| text.contains(secret))
                })
        })
        .cloned()
        .collect()
}

/// Returns the number of recorded texts.
pub fn recorded_count() -> usize {
    RECORDED.lock().expect("no panic while it is held").len()
}

/// Subscriber that records the library's log.
pub struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("drivedal")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut text = Text::default();
        span.record(&mut text);
        record(&text.0);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut text = Text::default();
        values.record(&mut text);
        record(&text.0);
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        record(&text.0);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Text(String);

impl field::Visit for Text {
    fn record_debug(&mut self, field: &field::Field, value: &dyn std::fmt::Debug) {
        // Writing to a string never fails.
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

/// The final trial.
pub fn no_recorded_text_contains_a_secret() -> Result<Completion, Failed> {
    let leaks = leaks();
    let (texts, (requests, registered)) = (recorded_count(), counts());
    HTTP_LOG.1.check().map_err(|error| format!("the HAR file: {error}"))?;
    println!("{texts} texts, {requests} requests, {registered} registered secrets");
    match leaks.first() {
        None if texts == 0 => Ok(Completion::ignored_with("nothing was recorded")),
        None => Ok(Completion::Completed),
        // A leak has no location; the text itself must be enough to find its source.
        Some(leak) => Err(format!("{} of {texts} texts; the first:\n{leak}", leaks.len()).into()),
    }
}
