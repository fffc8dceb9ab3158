//! Configured remotes: the configuration file and `--remote`.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use directories::ProjectDirs;
use drivedal::remote::{RemoteSource, Remotes};
use serde::Deserialize;

use crate::failure::{Exit, Failure, Result};

/// The configuration file.
///
/// ```toml
/// [remotes.work]
/// type = "skydrive"
/// token_file = "/home/me/work.json"
///
/// [remotes.disk]
/// uri = "fs:///srv/data"
/// ```
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    #[serde(default)]
    remotes: BTreeMap<String, RemoteConfig>,
}

/// `uri` or `type`, and the options of the service.
#[derive(Deserialize)]
struct RemoteConfig {
    uri: Option<String>,
    #[serde(rename = "type")]
    scheme: Option<String>,
    #[serde(flatten)]
    options: BTreeMap<String, toml::Value>,
}

impl std::fmt::Debug for RemoteConfig {
    /// Omits the options, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteConfig").finish_non_exhaustive()
    }
}

/// Returns the remotes of the configuration file and of the command line. The command line
/// overrides the file. `file` is the argument of `--config`; `None` reads the default file, which
/// need not exist.
///
/// # Errors
/// `Usage` if a file is invalid or cannot be read, and if a name or URI of the command line is
/// invalid.
pub(crate) fn remotes(file: Option<&Path>, named: &[(String, String)]) -> Result<Remotes> {
    let mut remotes = match (file, default_file()) {
        (Some(file), _) => read(file).map_err(|failure| failure.with_exit(Exit::Usage))?,
        (None, Some(file)) => match read(&file) {
            Err(failure) if failure.exit == Exit::NotFound => Remotes::default(),
            read => read?,
        },
        (None, None) => Remotes::default(),
    };
    for (name, uri) in named {
        remotes.insert(name, RemoteSource::from_uri(uri))?;
    }
    Ok(remotes)
}

/// Returns the path of `drivedal/config.toml` in the user's configuration folder. `None` if the
/// user has no home folder.
fn default_file() -> Option<PathBuf> {
    dirs().map(|dirs| dirs.config_dir().join("config.toml"))
}

/// Returns the user's folders for this program. `None` if the user has no home folder.
pub(crate) fn dirs() -> Option<ProjectDirs> {
    ProjectDirs::from("", "", "drivedal")
}

/// Parses `NAME=URI`, the value of `--remote`.
///
/// # Errors
/// Returns a message for the user. It does not repeat the URI, which may contain a token.
pub(crate) fn named_uri(text: &str) -> Result<(String, String), String> {
    let (name, uri) = text.split_once('=').ok_or("use NAME=URI, such as disk=fs:///srv/data")?;
    if !drivedal::remote::is_name(name) {
        return Err(format!("`{name}` is not a valid name of a remote"));
    }
    if !uri.contains("://") {
        return Err(format!("the value of {name} is not a URI: use SCHEME://..."));
    }
    Ok((name.to_owned(), uri.to_owned()))
}

/// Reads a configuration file.
///
/// # Errors
/// `NotFound` if it does not exist; `Usage` if it cannot be read or is invalid.
fn read(path: &Path) -> Result<Remotes> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::local("read", path, &error),
        _ => Failure::local("read", path, &error).with_exit(Exit::Usage),
    })?;
    parse(&text).map_err(|failure| failure.doing("read").about(path.display()))
}

/// Parses a configuration file. Messages do not quote its lines, which may contain tokens.
///
/// # Errors
/// `Usage` with the line or the name of the remote that is invalid.
fn parse(text: &str) -> Result<Remotes> {
    // The complete message of the parser quotes the line, which may contain a token.
    let file: ConfigFile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text[..at.min(text.len())].matches('\n').count();
        Failure::usage(format!("line {line}: {}", error.message()))
    })?;
    let mut remotes = Remotes::default();
    for (name, entry) in file.remotes {
        let source = source(entry)
            .map_err(|reason| Failure::usage(format!("[remotes.{name}]: {reason}")))?;
        remotes.insert(&name, source)?;
    }
    Ok(remotes)
}

/// Converts an entry of the file to the options of a remote.
///
/// # Errors
/// The reason, without values: both or neither of `uri` and `type`, or an option that is a list or
/// a table.
fn source(entry: RemoteConfig) -> Result<RemoteSource, String> {
    let source = match (entry.uri, entry.scheme) {
        (Some(uri), None) => RemoteSource::from_uri(uri),
        (None, Some(scheme)) => RemoteSource::from_scheme(scheme),
        (Some(_), Some(_)) => return Err("`uri` and `type` exclude each other".into()),
        (None, None) => return Err("`uri` or `type` is missing".into()),
    };
    entry.options.into_iter().try_fold(source, |source, (key, value)| {
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(yes) => yes.to_string(),
            toml::Value::Float(number) => number.to_string(),
            _ => return Err(format!("`{key}` must be a string, a number, true or false")),
        };
        Ok(source.option(key, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_a_uri_or_a_type_with_options() {
        let remotes = parse(
            "[remotes.disk]\nuri = 'memory:///a'\n[remotes.other]\ntype = 'memory'\nroot = '/b'\n",
        )
        .expect("a configuration");
        let root = |name| remotes.open(name).expect("a remote").operator.info().root().to_string();
        assert_eq!((root("disk"), root("other")), ("/a/".into(), "/b/".into()));
    }

    #[test]
    fn a_configuration_error_names_the_field_and_shows_no_value() {
        for (text, reason) in [
            ("[remotes.a1]\n", "`uri` or `type` is missing"),
            ("[remotes.a1]\nuri = 'x://'\ntype = 'x'", "exclude each other"),
            ("[remotes.a1]\ntype = 'x'\nlist = ['SECRET']", "`list`"),
            ("[remotes.x]\ntype = 'x'\ntoken = 'SECRET'", "cannot add remote `x`: invalid name"),
            ("[remotes.a1]\ntoken = SECRET", "line 2"),
            ("[remote.a1]\ntoken = 'SECRET'", "remote"),
        ] {
            let failure = parse(text).expect_err(text);
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(reason), "{failure}");
            assert!(!failure.message.contains("SECRET"), "{failure}");
        }
    }

    #[test]
    fn a_remote_of_the_command_line_has_name_and_uri() {
        assert_eq!(named_uri("disk=fs:///a=b"), Ok(("disk".into(), "fs:///a=b".into())));
        for text in ["disk", "d=fs:///a", "disk=SECRET", "=fs:///"] {
            assert!(named_uri(text).is_err_and(|reason| !reason.contains("SECRET")), "{text}");
        }
    }
}
