//! Configured remotes: the configuration file, environment variables and `--remote`.
//!
//! The command line overrides the environment, and the environment overrides the file.

mod entries;
mod environment;
mod file;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use directories::ProjectDirs;
use drivedal::remote::{RemoteSource, Remotes};

use self::environment::RemoteVariables;
pub(crate) use self::{
    entries::RemoteEntries,
    file::{ConfigFile, OptionList, SignedInAccount, lock_beside},
};
use crate::failure::{Exit, Failure, Result};

/// The options that have tokens of a user. `drivedal login` stores tokens in a file instead.
pub(crate) const TOKEN_OPTIONS: [&str; 2] = ["access_token", "refresh_token"];

/// The source of a remote's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The configuration file at this path.
    File(PathBuf),
    /// Environment variables.
    Environment,
    /// `--remote`.
    CommandLine,
    /// A drive of the embedded server.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::CommandLine => f.write_str("command line"),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// All configured remotes, and the file that commands change.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    remotes: Remotes,
    details: BTreeMap<String, RemoteDetails>,
    /// Options of the environment for the remote that the command will create.
    new_options: OptionList,
    /// `None` if the user has no home folder and named no file.
    file: Option<ConfigFile>,
}

/// The part of a remote's configuration that no service reads.
#[derive(Clone, Debug)]
pub(crate) struct RemoteDetails {
    pub(crate) origin: Origin,
    /// The account of the last sign-in. `None` if `drivedal login` did not write the remote.
    pub(crate) account: Option<SignedInAccount>,
    /// The keys of the options that are in the configuration file, outside of a URI.
    pub(crate) file_options: Vec<String>,
}

impl RemoteDetails {
    /// Creates the details of a remote from this origin, without options of a file.
    fn new(origin: Origin) -> Self {
        Self { origin, account: None, file_options: Vec::new() }
    }
}

impl Configuration {
    /// Loads the remotes of the file, the environment and the command line. `path` is the argument
    /// of `--config`, `uris` are the arguments of `--remote`. `new_name` is the remote that the
    /// command will create: environment variables may name its options already.
    ///
    /// # Errors
    /// `Usage` if the file named by `--config` does not exist although the command reads it, if the
    /// file cannot be parsed, if a name in `uris` is not that of a remote, and if an environment
    /// variable is not Unicode, names no remote or several. [`Failure::local`] if the file cannot
    /// be read.
    pub(crate) fn load(
        path: Option<&Path>,
        uris: &[(String, String)],
        new_name: Option<&str>,
    ) -> Result<Self> {
        Self::load_with(path, uris, new_name, &RemoteVariables::from_process()?)
    }

    /// Reads the configuration file and applies the options of the command line and the
    /// environment. `path` is that of `--config`, `None` for the default file; `uris` are names and
    /// URIs of `--remote`; `new_name` is the remote that the command will create, whose file need
    /// not exist.
    ///
    /// # Errors
    /// `Usage` if the file is malformed or missing although `path` names it, or if the service
    /// rejects an option.
    fn load_with(
        path: Option<&Path>,
        uris: &[(String, String)],
        new_name: Option<&str>,
        variables: &RemoteVariables,
    ) -> Result<Self> {
        let file = path.map(Path::to_owned).or_else(default_file).map(ConfigFile::new);
        let mut loaded = Self { file, ..Self::default() };
        if let Some(file) = &loaded.file {
            let entries = file.read().map_err(|failure| failure.with_exit(Exit::Usage))?;
            let must_exist = path.is_some() && new_name.is_none();
            if entries.is_none() && must_exist {
                let failure = Failure::usage("the file does not exist").doing("read");
                return Err(failure.about(file.path().display()));
            }
            let origin = Origin::File(file.path().to_owned());
            for (name, entry) in entries.unwrap_or_default() {
                let details = RemoteDetails {
                    origin: origin.clone(),
                    account: entry.account,
                    file_options: entry.keys,
                };
                loaded.insert(&name, entry.source, details)?;
            }
        }
        loaded.apply_environment(uris, new_name, variables)?;
        Ok(loaded)
    }

    /// Applies the variables of the environment: options of known remotes, and remotes that only
    /// the environment has. `uris` and `new_name` name further known remotes.
    ///
    /// # Errors
    /// `Usage` if a variable is malformed or names no remote.
    fn apply_environment(
        &mut self,
        uris: &[(String, String)],
        new_name: Option<&str>,
        variables: &RemoteVariables,
    ) -> Result {
        let mut known: Vec<&str> = self.remotes.names().collect();
        known.extend(uris.iter().map(|(name, _)| name.as_str()).chain(new_name));
        known.sort_unstable();
        known.dedup();
        let settings = variables.settings(&known)?;
        for (name, setting) in &settings {
            let source = match (setting.base.clone(), self.remotes.config(name)) {
                (Some(base), _) => base,
                (None, Ok(source)) => source,
                (None, Err(_)) => {
                    // A remote of the command line follows below.
                    if new_name == Some(name) {
                        self.new_options.clone_from(&setting.options);
                    }
                    continue;
                }
            };
            let is_new = setting.base.is_some();
            let details = match self.details.get(name).filter(|_| !is_new) {
                Some(details) => details.clone(),
                None => RemoteDetails::new(Origin::Environment),
            };
            let source = setting
                .options
                .iter()
                .fold(source, |source, (key, value)| source.option(key, value));
            self.insert(name, source, details)?;
        }
        for (name, uri) in uris {
            let options = settings.get(name).into_iter().flat_map(|setting| &setting.options);
            let source = options
                .into_iter()
                .try_fold(RemoteSource::from_uri(uri), |source, (key, value)| {
                    source.with_default_option(key, value)
                })?;
            self.insert(name, source, RemoteDetails::new(Origin::CommandLine))?;
        }
        Ok(())
    }

    /// Adds or replaces a remote and its details.
    ///
    /// # Errors
    /// `Usage` if the name is not at least two letters, digits, `-`, `_` or `.`, the first a letter
    /// or digit.
    fn insert(&mut self, name: &str, source: RemoteSource, details: RemoteDetails) -> Result {
        self.remotes.insert(name, source)?;
        self.details.insert(name.to_owned(), details);
        Ok(())
    }

    /// Returns the names of the remotes in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.remotes.names()
    }

    /// Returns whether a remote has this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.details.contains_key(name)
    }

    /// Returns the options of a remote. `None` if no remote has the name.
    pub(crate) fn source(&self, name: &str) -> Option<RemoteSource> {
        self.contains(name).then(|| self.remotes.config(name).ok()).flatten()
    }

    /// Returns the details of a remote. `None` if no remote has the name.
    pub(crate) fn details(&self, name: &str) -> Option<&RemoteDetails> {
        self.details.get(name)
    }

    /// Returns the options that environment variables have for the remote that the command will
    /// create.
    pub(crate) fn new_options(&self) -> &[(String, String)] {
        &self.new_options
    }

    /// Returns the file that commands change. It need not exist.
    ///
    /// # Errors
    /// `Usage` if the user has no home folder and named no file.
    pub(crate) fn file(&self) -> Result<&ConfigFile> {
        self.file.as_ref().ok_or_else(|| {
            Failure::usage("no home folder for the configuration file").hint("use --config FILE")
        })
    }
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
/// A message for the user. It does not repeat the URI, which may contain a token.
pub(crate) fn named_uri(text: &str) -> Result<(String, String), String> {
    let (name, uri) = text.split_once('=').ok_or("use NAME=URI, such as disk=fs:///srv/data")?;
    let name = remote_name(name)?;
    if !uri.contains("://") {
        return Err(format!("the value of {name} is not a URI: use SCHEME://..."));
    }
    Ok((name, uri.to_owned()))
}

/// Parses the name of a remote. A colon at its end is accepted.
///
/// # Errors
/// A message for the user if it is not at least two letters, digits, `-`, `_` or `.`, the first a
/// letter or digit.
pub(crate) fn remote_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix(':').unwrap_or(text);
    match drivedal::remote::is_name(name) {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "`{name}` is not a valid name of a remote: use at least two letters, digits, `-`, `_` \
             or `.`, starting with a letter or digit"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        text: &str,
        variables: &[(&str, &str)],
        uris: &[(&str, &str)],
    ) -> Result<Configuration> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).expect("written");
        let uris: Vec<_> =
            uris.iter().map(|(name, uri)| ((*name).to_owned(), (*uri).to_owned())).collect();
        Configuration::load_with(Some(&path), &uris, None, &RemoteVariables::from_pairs(variables)?)
    }

    fn root(configuration: &Configuration, name: &str) -> String {
        let source = configuration.source(name).expect("a remote");
        source.open().expect("a service").operator.info().root()
    }

    #[test]
    fn the_command_line_overrides_the_environment_which_overrides_the_file() {
        let text = "[remotes.one]\ntype = 'memory'\nroot = '/file'\n\
                    [remotes.two]\nuri = 'memory:///file'\n";
        let variables = [
            ("ONE_ROOT", "/environment"),
            ("TWO_URI", "memory:///environment"),
            ("THREE_TYPE", "memory"),
            ("THREE_ROOT", "/three"),
            ("FOUR_ROOT", "/environment"),
        ];
        let uris = [("two", "memory:///uri"), ("four", "memory://")];
        let configuration = load(text, &variables, &uris).expect("a configuration");
        for (name, expected, origin) in [
            ("one", "/environment/", "config.toml"),
            ("two", "/uri/", "command line"),
            ("three", "/three/", "environment"),
            ("four", "/environment/", "command line"),
        ] {
            assert_eq!(root(&configuration, name), expected, "{name}");
            let shown = configuration.details(name).expect("details").origin.to_string();
            assert!(shown.ends_with(origin), "{name}: {shown}");
        }
    }

    #[test]
    fn the_account_of_a_sign_in_is_no_option_of_the_service() {
        let text = "[remotes.one]\ntype = 'memory'\naccount = 'Anna'\naccount_id = '7'\n";
        let configuration = load(text, &[], &[]).expect("a configuration");
        let account = configuration.details("one").and_then(|one| one.account.clone());
        let expected = SignedInAccount { id: "7".into(), name: Some("Anna".into()) };
        assert_eq!(account, Some(expected));
        root(&configuration, "one");
    }

    #[test]
    fn a_remote_of_the_command_line_has_name_and_uri() {
        assert_eq!(named_uri("disk=fs:///a=b"), Ok(("disk".into(), "fs:///a=b".into())));
        for text in ["disk", "d=fs:///a", "disk=SECRET", "=fs:///"] {
            assert!(named_uri(text).is_err_and(|reason| !reason.contains("SECRET")), "{text}");
        }
    }
}
