//! Standard output for results, standard error for everything else.
//!
//! Results are text, or one JSON document per line with `--json`. Text output contains only
//! results, so that it can be piped. Text escapes control characters in names: an item is always
//! one line, and a name cannot control the terminal. JSON contains names unchanged.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar};
use jiff::Timestamp;
use opendal::Buffer;
use serde::Serialize;
use serde_json::Value;

use crate::{
    failure::{Exit, Failure, Result},
    options::LogFormat,
    text::escaped,
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

/// The form of results and messages.
#[derive(Debug, Default)]
pub(crate) struct OutputForm {
    pub(crate) results: Format,
    /// Selects the fields of objects (`-k`). `None`: all of them.
    pub(crate) template: Option<Template>,
    pub(crate) messages: LogFormat,
    /// Suppresses messages and progress, and not results.
    pub(crate) quiet: bool,
}

/// The importance of a message, as in the log.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum MessageLevel {
    Info,
    Warn,
    Error,
}

/// A message in the form of the log's events.
#[derive(Serialize)]
struct MessageRecord<'a> {
    timestamp: Timestamp,
    level: MessageLevel,
    fields: MessageFields<'a>,
    target: &'static str,
}

#[derive(Serialize)]
struct MessageFields<'a> {
    message: &'a str,
}

/// Prints results and messages.
pub(crate) struct Output {
    form: OutputForm,
    /// The verb of the running command, for failures that have none of their own.
    action: &'static str,
    /// The names of the configured remotes, for hints. Empty until they are known.
    remotes: OnceLock<Vec<String>>,
    results: Mutex<BufWriter<Stdout>>,
    results_on_terminal: bool,
    messages_on_terminal: bool,
    bars: MultiProgress,
}

impl Output {
    /// Creates an output. `action` is the command's verb, for failures that name none.
    pub(crate) fn new(form: OutputForm, action: &'static str) -> Arc<Self> {
        Arc::new(Self {
            form,
            action,
            remotes: OnceLock::new(),
            results: Mutex::new(BufWriter::with_capacity(64 << 10, io::stdout())),
            results_on_terminal: io::stdout().is_terminal(),
            messages_on_terminal: io::stderr().is_terminal(),
            bars: MultiProgress::new(),
        })
    }

    /// Returns whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.form.results == Format::Json
    }

    /// Returns whether results have the form of the old command-line client.
    pub(crate) fn is_yaml(&self) -> bool {
        self.form.results == Format::Yaml
    }

    /// Returns whether only a field of each object is printed (`-k`).
    pub(crate) fn is_partial(&self) -> bool {
        self.form.template.is_some()
    }

    /// Prints a result that is one value: as a line of JSON, or in the form of the old command-line
    /// client. With `-k` only the selected fields are printed.
    ///
    /// # Errors
    /// `ClosedPipe` if the reader closed standard output, and `Failed` for other write errors.
    pub(crate) fn value(&self, value: &Value) -> Result {
        let part = match &self.form.template {
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

    /// Formats a value as YAML. The text of a template is printed without quotes.
    fn lines(&self, value: &Value) -> String {
        match (value, &self.form.template, self.is_yaml()) {
            (Value::String(text), _, false) => escaped(text).into_owned(),
            (Value::Array(all), Some(_), false) if all.iter().all(Value::is_string) => {
                let line = |one: &Value| format!("- {}", escaped(one.as_str().unwrap_or_default()));
                all.iter().map(line).collect::<Vec<_>>().join("\n")
            }
            _ => yaml(value),
        }
    }

    /// Prints a part of a line and flushes it.
    ///
    /// # Errors
    /// `ClosedPipe` if the reader closed standard output, and `Failed` for other write errors.
    pub(crate) fn part(&self, text: &str) -> Result {
        let mut results = self.results();
        write!(results, "{text}").map_err(|error| stdout_failure(&error))?;
        results.flush().map_err(|error| stdout_failure(&error))
    }

    /// Returns whether progress and summary are suppressed (`-q`).
    pub(crate) fn is_quiet(&self) -> bool {
        self.form.quiet
    }

    /// Returns whether standard error is a terminal.
    pub(crate) fn has_terminal(&self) -> bool {
        self.messages_on_terminal
    }

    /// Prints a result as one line of JSON.
    ///
    /// # Errors
    /// `ClosedPipe` if the reader closed standard output, and `Failed` for other write errors.
    pub(crate) fn json(&self, record: &impl Serialize) -> Result {
        let text = serde_json::to_string(record)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))?;
        self.line(text)
    }

    /// Prints a result as one line of text.
    ///
    /// # Errors
    /// `ClosedPipe` if the reader closed standard output, and `Failed` for other write errors.
    pub(crate) fn line(&self, text: impl Display) -> Result {
        let write = || {
            let mut results = self.results();
            writeln!(results, "{text}").map_err(|error| stdout_failure(&error))?;
            // A user at a terminal should see each line at once.
            if self.results_on_terminal {
                results.flush().map_err(|error| stdout_failure(&error))?;
            }
            Ok(())
        };
        if self.results_on_terminal { self.bars.suspend(write) } else { write() }
    }

    /// Escapes the control characters of a name or path.
    pub(crate) fn shown<'a>(&self, name: &'a str) -> Cow<'a, str> {
        escaped(name)
    }

    /// Writes the bytes of a file.
    ///
    /// # Errors
    /// `ClosedPipe` if the reader closed standard output, and `Failed` for other write errors.
    pub(crate) async fn bytes(self: &Arc<Self>, bytes: Buffer) -> Result {
        let output = Arc::clone(self);
        // A slow reader must not block a thread of the async runtime.
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

    /// Flushes standard output.
    ///
    /// # Errors
    /// `ClosedPipe` if the reader closed standard output, and `Failed` for other write errors.
    pub(crate) fn flush(&self) -> Result {
        self.results().flush().map_err(|error| stdout_failure(&error))
    }

    /// Prints a message of the program: `drivedal: …`.
    pub(crate) fn notice(&self, text: impl Display) {
        self.named_message(MessageLevel::Warn, text);
    }

    /// Prints a message with the name of the program.
    fn named_message(&self, level: MessageLevel, text: impl Display) {
        match self.form.messages {
            LogFormat::Text => self.line_on_stderr(format_args!("drivedal: {text}")),
            LogFormat::Json => self.message_record(level, &text.to_string()),
        }
    }

    /// Prints a message without the name of the program, such as a summary.
    pub(crate) fn message(&self, text: impl Display) {
        match self.form.messages {
            LogFormat::Text => self.line_on_stderr(text),
            LogFormat::Json => self.message_record(MessageLevel::Info, &text.to_string()),
        }
    }

    /// Prints a message as a JSON document.
    fn message_record(&self, level: MessageLevel, message: &str) {
        let fields = MessageFields { message };
        let timestamp = Timestamp::now();
        let record = MessageRecord { timestamp, level, fields, target: "drivedal" };
        // Texts and a time can always be written as JSON.
        if let Ok(text) = serde_json::to_string(&record) {
            self.line_on_stderr(text);
        }
    }

    /// Prints a line to standard error, above the progress bars.
    pub(crate) fn line_on_stderr(&self, text: impl Display) {
        let text = text.to_string();
        let text = escaped(&text);
        // If standard error is closed, the message cannot be shown anywhere.
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    /// Prints a question to standard error, without a line break at its end.
    pub(crate) fn prompt(&self, question: &str) {
        let question = escaped(question);
        self.bars.suspend(|| {
            let _ = write!(io::stderr(), "{question}");
            let _ = io::stderr().flush();
        });
    }

    /// Sets the names of the configured remotes. Hints to sign in name them.
    pub(crate) fn set_remotes(&self, names: Vec<String>) {
        self.remotes.get_or_init(|| names);
    }

    /// Reports a failure: as a message, and with `--json` also as a record. A failure without a
    /// verb gets the verb of the command. A silent failure is not reported.
    ///
    /// # Errors
    /// `ClosedPipe` if the reader closed standard output, and `Failed` for other write errors.
    pub(crate) fn failed(&self, failure: &Failure) -> Result {
        if failure.is_silent() {
            return Ok(());
        }
        let remotes = self.remotes.get().map_or(&[][..], Vec::as_slice);
        let failure =
            failure.clone().with_sign_in_hint(|name| remotes.iter().any(|remote| remote == name));
        self.named_message(MessageLevel::Error, failure.clone().doing(self.action));
        if self.is_json() {
            #[derive(Serialize)]
            struct Record<'a> {
                error: &'a Failure,
            }
            self.json(&Record { error: &failure })?;
        }
        Ok(())
    }

    /// Adds a progress bar below the messages.
    pub(crate) fn add_bar(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }

    /// Locks standard output.
    fn results(&self) -> MutexGuard<'_, BufWriter<Stdout>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer for log events. It prints whole lines above the progress bars.
pub(crate) struct MessageWriter(pub(crate) Arc<Output>);

impl io::Write for MessageWriter {
    /// Prints the text as one message. Never fails.
    ///
    /// # Errors
    /// Never.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.line_on_stderr(String::from_utf8_lossy(text).trim_end());
        Ok(text.len())
    }

    /// Does nothing: messages are not buffered.
    ///
    /// # Errors
    /// Never.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Converts an error of standard output: `ClosedPipe` if its reader closed it.
fn stdout_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Exit::ClosedPipe, "standard output was closed"),
        _ => Failure::from(error).doing("write").about("standard output"),
    }
}
