//! Input of the user: lines, secrets and choices.
//!
//! Questions are printed to standard error, so that standard output has only results.

use std::{
    fs::File,
    io::{self, BufRead, IsTerminal, Read},
    path::Path,
};

use drivedal::drive::Secret;

use crate::{
    failure::{Failure, Result},
    output::Output,
    transfer::local::blocking,
};

/// Maximum length of a line and of a file with a secret, in bytes.
const MAX_INPUT: u64 = 64 << 10;

/// The name of standard input in place of a file.
const STANDARD_INPUT: &str = "-";

/// Returns whether the user can reply to a prompt: standard input is a terminal.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal()
}

/// Prints a question and returns the user's line without white space at its ends.
///
/// # Errors
/// `Failed` if standard input cannot be read, and `Usage` if it has ended.
pub(crate) async fn line(output: &Output, question: &str) -> Result<String> {
    output.prompt(question);
    blocking(|| {
        let mut line = String::new();
        let read = io::stdin().lock().take(MAX_INPUT).read_line(&mut line);
        match read.map_err(|error| input_failure(&error))? {
            0 => Err(Failure::usage("it has ended").doing("read").about("standard input")),
            _ => Ok(line.trim().to_owned()),
        }
    })
    .await
}

/// Prompts for a confirmation with the text `question`. Only `y` and `yes` confirm.
///
/// # Errors
/// `Failed` if standard input cannot be read, and `Usage` if it has ended.
pub(crate) async fn confirm(output: &Output, question: &str) -> Result<bool> {
    let reply = line(output, &format!("{question} [y/N] ")).await?;
    Ok(matches!(reply.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Prompts for one of several lines by its number, with the text `question`. Returns its index.
///
/// # Errors
/// `Failed` if standard input cannot be read, and `Usage` if it has ended.
pub(crate) async fn choose(output: &Output, question: &str, lines: &[String]) -> Result<usize> {
    for (number, text) in lines.iter().enumerate() {
        output.message(format_args!("{:>3}  {text}", number + 1));
    }
    loop {
        let reply = line(output, &format!("{question} (1-{}): ", lines.len())).await?;
        match reply.parse::<usize>() {
            Ok(number) if (1..=lines.len()).contains(&number) => return Ok(number - 1),
            _ => output.message(format_args!("Enter a number from 1 to {}.", lines.len())),
        }
    }
}

/// Prompts for a secret with the text `question`. The terminal does not show the secret.
///
/// # Errors
/// `Usage` if the secret is empty or the input has ended, `Failed` if the terminal cannot be
/// changed or the input not be read.
pub(crate) async fn secret(output: &Output, question: &str) -> Result<Secret> {
    let hidden = HiddenEcho::start()?;
    let read = line(output, question).await;
    drop(hidden);
    not_empty(&read?, "the prompt")
}

/// Reads a secret from a file, or from standard input if its name is `-`. White space at its ends
/// is removed.
///
/// # Errors
/// `NotFound`, `Denied` or `Failed` if the file cannot be read, and `Usage` if it is empty, longer
/// than [`MAX_INPUT`] or not UTF-8.
pub(crate) async fn secret_from(path: &Path) -> Result<Secret> {
    let path = path.to_owned();
    blocking(move || {
        let mut text = Vec::new();
        let mut limited: Box<dyn Read> = match path.as_os_str() == STANDARD_INPUT {
            true => Box::new(io::stdin().lock().take(MAX_INPUT + 1)),
            false => {
                let file =
                    File::open(&path).map_err(|error| Failure::local("read", &path, &error))?;
                Box::new(file.take(MAX_INPUT + 1))
            }
        };
        limited.read_to_end(&mut text).map_err(|error| Failure::local("read", &path, &error))?;
        let invalid = |reason: &str| Failure::usage(reason).doing("read").about(path.display());
        if text.len() as u64 > MAX_INPUT {
            return Err(invalid("it is too large for a secret"));
        }
        let text = String::from_utf8(text).map_err(|_| invalid("it is not UTF-8 text"))?;
        not_empty(text.trim(), &path.display().to_string())
    })
    .await
}

/// Returns the text as a secret. `place` is where it is from, for the message.
///
/// # Errors
/// `Usage` if it is empty.
fn not_empty(text: &str, place: &str) -> Result<Secret> {
    match text {
        "" => Err(Failure::usage("it has no secret").doing("read").about(place)),
        text => Ok(Secret::from(text)),
    }
}

/// Returns the failure of a read from standard input.
fn input_failure(error: &io::Error) -> Failure {
    Failure::from(error).doing("read").about("standard input")
}

/// Stops the terminal from showing the user's input, until it is dropped. Has no effect if standard
/// input is not a terminal.
#[cfg(unix)]
struct HiddenEcho(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl HiddenEcho {
    /// Hides the input on the terminal until the value is dropped. Has no effect if standard input
    /// is no terminal.
    ///
    /// # Errors
    /// `Failed` if the terminal does not allow it.
    fn start() -> Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let input = io::stdin();
        if !input.is_terminal() {
            return Ok(Self(None));
        }
        let failed = |error: rustix::io::Errno| {
            Failure::from(&io::Error::from(error)).doing("hide input on").about("the terminal")
        };
        let before = tcgetattr(&input).map_err(failed)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&input, OptionalActions::Now, &hidden).map_err(failed)?;
        Ok(Self(Some(before)))
    }
}

#[cfg(unix)]
impl Drop for HiddenEcho {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that was closed cannot be restored.
            let _ = rustix::termios::tcsetattr(
                io::stdin(),
                rustix::termios::OptionalActions::Now,
                before,
            );
        }
    }
}

#[cfg(not(unix))]
struct HiddenEcho;

#[cfg(not(unix))]
impl HiddenEcho {
    /// # Errors
    /// `Unsupported` if standard input is a terminal, whose echo cannot be changed here.
    fn start() -> Result<Self> {
        match is_interactive() {
            false => Ok(Self),
            true => Err(Failure::new(
                crate::failure::Exit::Unsupported,
                "secrets cannot be entered in the terminal of this system",
            )
            .hint("use a file or standard input")),
        }
    }
}
