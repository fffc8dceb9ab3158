//! Everything that was said, to be searched for what must never be said.

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

static SAID: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
static SECRETS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Parts of addresses that open something by themselves: hundreds a case, so they are looked for
/// word by word.
static WORDS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Parts of addresses that open nothing without a token: ids and names.
static OPEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// From how many characters on a part of an address is one.
const WORD_MIN: usize = 12;

/// The log of the wire of all cases, and its file.
static WIRE: LazyLock<(LoggingLayer, HarFile, tempfile::TempDir)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let har = HarFile::create(folder.path().join("wire.har")).expect("a file in it");
    (LoggingLayer::new().with_har(&har), har, folder)
});

/// What only a leak would say, whoever's secret it is.
const TELLTALES: [&str; 7] = [
    "access_token=",
    "refresh_token=",
    "client_secret=",
    "Bearer ",
    // The drive server's tickets, upload sessions and copy monitors: URLs that need no token.
    "/s1p",
    "/rup/",
    "/monitor/",
];

/// A text that somebody may print.
pub fn keep(text: &str) {
    SAID.lock().expect("no panic while it is held").insert(text.to_owned());
}

/// A token, a key: not to be found in anything kept.
pub fn register(secret: &str) {
    if !secret.is_empty() {
        SECRETS.lock().expect("no panic while it is held").insert(secret.to_owned());
    }
}

/// Has an operator tell every request, and learns what must not be told of it.
pub fn told(operator: Operator) -> Operator {
    operator.layer(Learning).layer(WIRE.0.clone())
}

/// Learns tokens, and what addresses have in them that need none.
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
                OPEN.lock().expect("no panic while it is held").extend(open);
            }
            None => {
                let parts = request.uri().path_and_query().map_or("", |parts| parts.as_str());
                // Behind a ticket stands the file's name.
                let parts = match parts.strip_prefix("/s1p").and_then(|rest| rest.find('/')) {
                    Some(end) => &parts[..end + "/s1p".len()],
                    None => parts,
                };
                let secret = words(parts).filter(|word| word.len() >= WORD_MIN).map(str::to_owned);
                // What stands in every such path.
                let secret = secret.filter(|word| word != "uploadSession");
                WORDS.lock().expect("no panic while it is held").extend(secret);
            }
        }
        self.0.fetch(request).await
    }
}

/// What a text has between characters that are none of a token's.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '~' | '!' | '.');
    text.split(move |c| !is_part(c)).filter(|word| !word.is_empty())
}

/// How many requests were told, and how many words of addresses were learnt.
pub fn learnt() -> (u64, usize) {
    let words = WORDS.lock().expect("no panic while it is held").len();
    (WIRE.0.stats().requests(), words)
}

/// The texts that say a secret.
pub fn leaks() -> Vec<String> {
    let har = std::fs::read_to_string(WIRE.1.path()).expect("it was made");
    har.lines().for_each(keep);
    let mut learnt = WORDS.lock().expect("no panic while it is held");
    let open = OPEN.lock().expect("no panic while it is held");
    learnt.retain(|word| !open.contains(word));
    let secrets = SECRETS.lock().expect("no panic while it is held");
    // There are hundreds of tokens that begin alike: few texts have such a beginning.
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for secret in secrets.iter() {
        alike.entry(secret.chars().take(12).collect()).or_default().push(secret);
    }
    let said = SAID.lock().expect("no panic while it is held");
    said.iter()
        .filter(|text| {
            TELLTALES.iter().any(|telltale| text.contains(telltale))
                || words(text).any(|word| learnt.contains(word))
                || alike.iter().any(|(beginning, secrets)| {
                    text.contains(beginning) && secrets.iter().any(|secret| text.contains(secret))
                })
        })
        .cloned()
        .collect()
}

/// How many texts were kept.
pub fn said() -> usize {
    SAID.lock().expect("no panic while it is held").len()
}

/// Keeps what the library logs.
pub struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("drivedal")
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut text = Text::default();
        span.record(&mut text);
        keep(&text.0);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut text = Text::default();
        values.record(&mut text);
        keep(&text.0);
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        keep(&text.0);
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

/// The last trial of all.
pub fn nothing_that_was_said_tells_one() -> Result<Completion, Failed> {
    let leaks = leaks();
    let (texts, (requests, learnt)) = (said(), learnt());
    WIRE.1.check().map_err(|error| format!("the HAR file: {error}"))?;
    println!("{texts} texts, {requests} requests, {learnt} parts of addresses to be kept");
    match leaks.first() {
        None if texts == 0 => Ok(Completion::ignored_with("nothing was said")),
        None => Ok(Completion::Completed),
        // It names no place: the text is all there is to find it by.
        Some(leak) => Err(format!("{} of {texts} texts; the first:\n{leak}", leaks.len()).into()),
    }
}
