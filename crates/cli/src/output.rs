//! Standard output for results, standard error for everything else.
//!
//! Results are text or, with `--json`, JSON: one document a line. Text is what was asked for and
//! nothing else, so that it can be piped. Control characters in names are escaped in text, and JSON
//! has them exactly: a line is one item, and no name commands the terminal.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar};
use opendal::Buffer;
use serde::Serialize;
use serde_json::Value;

use crate::{
    failure::{Exit, Failure, Result},
    value::{Template, yaml},
};

/// The form of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Print text
    #[default]
    Text,
    /// Print JSON, one document per line
    Json,
    /// Print YAML as the old SkyDrive client did: ls, tree, stat, quota, user and `skydrive`
    Yaml,
}

/// Where a command's results and messages go.
pub(crate) struct Output {
    format: Format,
    template: Option<Template>,
    quiet: bool,
    /// The verb of the running command, for failures that have none of their own.
    action: &'static str,
    results: Mutex<BufWriter<Stdout>>,
    results_on_terminal: bool,
    messages_on_terminal: bool,
    bars: MultiProgress,
}

impl Output {
    pub(crate) fn new(
        format: Format,
        template: Option<Template>,
        quiet: bool,
        action: &'static str,
    ) -> Arc<Self> {
        Arc::new(Self {
            format,
            template,
            quiet,
            action,
            results: Mutex::new(BufWriter::with_capacity(64 << 10, io::stdout())),
            results_on_terminal: io::stdout().is_terminal(),
            messages_on_terminal: io::stderr().is_terminal(),
            bars: MultiProgress::new(),
        })
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether results are as the old command-line client wrote them.
    pub(crate) fn is_yaml(&self) -> bool {
        self.format == Format::Yaml
    }

    /// Whether only a part of each object is shown.
    pub(crate) fn is_partial(&self) -> bool {
        self.template.is_some()
    }

    /// A value that is an answer as a whole: a line of JSON, or as the old command-line client wrote
    /// it; or what of it is asked for.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) fn value(&self, value: &Value) -> Result {
        let part = match &self.template {
            Some(template) => match template.apply(value) {
                Some(part) => Cow::Owned(part),
                None => return Ok(()),
            },
            None => Cow::Borrowed(value),
        };
        if self.is_json() {
            return self.json(&part);
        }
        match self.lines(&part) {
            nothing if nothing.is_empty() => Ok(()),
            text => self.line(text),
        }
    }

    /// A value in lines: as YAML, or a part that a template has made as it is.
    fn lines(&self, value: &Value) -> String {
        match (value, &self.template, self.is_yaml()) {
            (Value::String(text), _, false) => escaped(text).into_owned(),
            (Value::Array(all), Some(_), false) if all.iter().all(Value::is_string) => {
                let line = |one: &Value| format!("- {}", escaped(one.as_str().unwrap_or_default()));
                all.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            _ => yaml(value),
        }
    }

    /// A part of a line, shown at once.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) fn part(&self, text: &str) -> Result {
        let mut results = self.results();
        write!(results, "{text}").map_err(|error| stdout_failure(&error))?;
        results.flush().map_err(|error| stdout_failure(&error))
    }

    /// Whether nobody wants progress and summary.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether standard error is a terminal.
    pub(crate) fn has_terminal(&self) -> bool {
        self.messages_on_terminal
    }

    /// A result as one line of JSON.
    ///
    /// # Errors
    /// When nobody reads any more, or it cannot be written.
    pub(crate) fn json(&self, record: &impl Serialize) -> Result {
        let text = serde_json::to_string(record)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
        self.line(text)
    }

    /// A result as one line of text.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) fn line(&self, text: impl Display) -> Result {
        let write = || {
            let mut results = self.results();
            writeln!(results, "{text}").map_err(|error| stdout_failure(&error))?;
            // Somebody is looking on.
            if self.results_on_terminal {
                results.flush().map_err(|error| stdout_failure(&error))?;
            }
            Ok(())
        };
        if self.results_on_terminal { self.bars.suspend(write) } else { write() }
    }

    /// A name or path for a line of text, without control characters.
    pub(crate) fn shown<'a>(&self, name: &'a str) -> Cow<'a, str> {
        escaped(name)
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) async fn bytes(self: &Arc<Self>, bytes: Buffer) -> Result {
        let output = Arc::clone(self);
        // Whoever reads may do so slowly: not on a thread that others need.
        let written = tokio::task::spawn_blocking(move || {
            let mut results = output.results();
            Iterator::try_for_each(&mut bytes.into_iter(), |piece| results.write_all(&piece))
        });
        match written.await {
            Ok(result) => result.map_err(|error| stdout_failure(&error)),
            Err(died) => {
                Err(Failure::new(Exit::Failed, format!("cannot write standard output: {died}")))
            }
        }
    }

    /// Hands everything written so far to the reader.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) fn flush(&self) -> Result {
        self.results().flush().map_err(|error| stdout_failure(&error))
    }

    /// Prints a message of the program: `drivedal: …`.
    pub(crate) fn notice(&self, text: impl Display) {
        self.message(format_args!("drivedal: {text}"));
    }

    /// Prints a line to standard error, above the progress bars.
    pub(crate) fn message(&self, text: impl Display) {
        let text = text.to_string();
        let text = escaped(&text);
        // Nothing can be done for a user whose standard error is gone.
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    /// A failure: a message always, a record too where results are JSON.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) fn failed(&self, failure: &Failure) -> Result {
        if failure.is_silent() {
            return Ok(());
        }
        self.notice(failure.clone().doing(self.action));
        if self.is_json() {
            #[derive(Serialize)]
            struct Record<'a> {
                error: &'a Failure,
            }
            self.json(&Record { error: failure })?;
        }
        Ok(())
    }

    /// Puts a progress bar below the messages.
    pub(crate) fn add_bar(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }

    fn results(&self) -> MutexGuard<'_, BufWriter<Stdout>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the log: whole lines, above the progress bars.
pub(crate) struct MessageWriter(pub(crate) Arc<Output>);

impl io::Write for MessageWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.message(String::from_utf8_lossy(text).trim_end());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stdout_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Exit::ClosedPipe, "standard output was closed"),
        _ => Failure::from(error).doing("write").about("standard output"),
    }
}

/// Escapes what would end the line, command the terminal or change the order of what is shown.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => safe.extend(c.escape_default()),
            c if is_control(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Control characters, separators of lines and paragraphs, and Unicode's bidirectional controls
/// (UAX #9, table 1 and 2.6).
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_command_the_terminal_end_the_line_or_turn_it_around() {
        assert_eq!(escaped("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escaped("two\nlines\r\t"), "two\\nlines\\r\\t");
        assert_eq!(escaped("bidi\u{202e}txt\u{2069}"), "bidi\\u{202e}txt\\u{2069}");
        assert!(matches!(escaped("plain é 漢 שלום"), Cow::Borrowed(_)));
    }
}
