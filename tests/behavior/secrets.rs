//! Everything that was said, to be searched for what must never be said.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    sync::{LazyLock, Mutex},
};

use libtest_mimic::{Completion, Failed};
use tracing::{Event, Metadata, Subscriber, field, span};

static SAID: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
static SECRETS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

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

/// Every form in which an error may be printed.
pub fn keep_error(error: &opendal::Error) {
    keep(&format!("{error}\n{error:?}\n{error:#?}"));
}

/// A token, a key: not to be found in anything kept.
pub fn register(secret: &str) {
    if !secret.is_empty() {
        SECRETS.lock().expect("no panic while it is held").insert(secret.to_owned());
    }
}

/// The texts that say a secret.
pub fn leaks() -> Vec<String> {
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
    let (texts, leaks) = (said(), leaks());
    match leaks.first() {
        None if texts == 0 => Ok(Completion::ignored_with("nothing was said")),
        None => Ok(Completion::Completed),
        // It names no place: the text is all there is to find it by.
        Some(leak) => Err(format!("{} of {texts} texts; the first:\n{leak}", leaks.len()).into()),
    }
}
