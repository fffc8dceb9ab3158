//! The configuration file: reading it, and replacing it as a whole.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use drivedal::remote::RemoteSource;
use serde::Deserialize;
use toml_edit::DocumentMut;

use super::RemoteEntries;
use crate::{
    embedded::make_private,
    failure::{Failure, Result},
};

/// Options by key, in the order of the file.
pub(crate) type OptionList = Vec<(String, String)>;

/// A configuration file.
///
/// ```toml
/// [remotes.work]
/// type = "skydrive"
/// token_file = "/home/me/work.json"
///
/// [remotes.disk]
/// uri = "fs:///srv/data"
/// ```
///
/// Commands that change it hold a lock (`FILE.lock`) and replace the file atomically. Comments and
/// the order of remotes stay.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
}

/// One remote of the file.
pub(super) struct FileEntry {
    pub(super) source: RemoteSource,
    /// The keys of its options, outside of a URI.
    pub(super) keys: Vec<String>,
    pub(super) account: Option<SignedInAccount>,
}

/// The account of a sign-in, which `drivedal login` writes into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedInAccount {
    /// The cloud's id of the user, or of the drive if it reports no user.
    pub(crate) id: String,
    /// The display name. `None` if the cloud does not report it.
    pub(crate) name: Option<String>,
}

/// The contents of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileContents {
    #[serde(default)]
    remotes: BTreeMap<String, RemoteConfig>,
}

/// `uri` or `type`, the account of the sign-in, and the options of the service.
#[derive(Deserialize)]
struct RemoteConfig {
    uri: Option<String>,
    #[serde(rename = "type")]
    scheme: Option<String>,
    account: Option<String>,
    account_id: Option<String>,
    #[serde(flatten)]
    options: BTreeMap<String, toml::Value>,
}

impl std::fmt::Debug for RemoteConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteConfig").finish_non_exhaustive()
    }
}

impl ConfigFile {
    /// Creates the configuration file at a path, without reading it.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Returns the path of the file. It need not exist.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the file with the tokens of a remote: `tokens/NAME.json` in the folder
    /// of the configuration file. It need not exist.
    ///
    /// # Errors
    /// [`Failure::local`] if the working folder is unknown.
    pub(crate) fn token_path(&self, name: &str) -> Result<PathBuf> {
        let path = std::path::absolute(&self.path)
            .map_err(|error| Failure::local("find", &self.path, &error))?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(folder.join("tokens").join(format!("{name}.json")))
    }

    /// Returns the remotes of the file by name. `None` if the file does not exist.
    ///
    /// # Errors
    /// [`Failure::local`] if the file cannot be read, and `Usage` if it is not TOML, or a remote in
    /// it does not have exactly one of `uri` and `type`, has an option that is a list, a table or a
    /// time, or `account` without `account_id`.
    pub(super) fn read(&self) -> Result<Option<BTreeMap<String, FileEntry>>> {
        match self.text()? {
            Some(text) => self.parse(&text).map(Some),
            None => Ok(None),
        }
    }

    /// Parses the text of this file, and returns its entries by the remote's name.
    ///
    /// # Errors
    /// `Usage` with the file, and the line that is not TOML or the remote that cannot be used, as
    /// in [`read`](Self::read).
    fn parse(&self, text: &str) -> Result<BTreeMap<String, FileEntry>> {
        parse(text).map_err(|failure| failure.doing("read").about(self.path.display()))
    }

    /// Reads the text of the file; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Failure::local`] if it cannot be read.
    fn text(&self) -> Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::local("read", &self.path, &error)),
        }
    }

    /// Changes the file. Creates it, and its folder, if they do not exist. The new file is readable
    /// by its owner only, because it may contain secrets.
    ///
    /// Waits for other processes that change the file. If `change` fails, the file stays as it is.
    ///
    /// # Errors
    /// The error of `change`; [`Failure::local`] if the file or its folder cannot be read, locked,
    /// created or written; `Usage` if the content before or after the change cannot be parsed, as
    /// in [`read`](Self::read).
    pub(crate) fn edit<T>(
        &self,
        change: impl FnOnce(&mut RemoteEntries<'_>) -> Result<T>,
    ) -> Result<T> {
        // The target of a symbolic link is replaced, not the link.
        let target = match fs::canonicalize(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            found => found.map_err(|error| Failure::local("find", &self.path, &error))?,
        };
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        make_private(folder).map_err(|error| Failure::local("create", folder, &error))?;
        let _lock = lock_beside(&target)?;
        let text = self.text()?.unwrap_or_default();
        self.parse(&text)?;
        let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            syntax_failure(&text, error.span(), error.message())
                .doing("read")
                .about(self.path.display())
        })?;
        let mut entries = RemoteEntries::from_document(&mut document)?;
        let result = change(&mut entries)?;
        let trailing = entries.into_trailing();
        document.set_trailing(trailing);
        let changed = document.to_string();
        self.parse(&changed)?;
        if changed != text {
            replace(folder, &target, &changed)
                .map_err(|error| Failure::local("write", &self.path, &error))?;
        }
        Ok(result)
    }
}

/// Waits for the lock of a file (`FILE.lock`). It is held until the result is dropped.
///
/// # Errors
/// [`Failure::local`] if the lock file cannot be created or locked.
pub(crate) fn lock_beside(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let locked = options.open(&name).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| Failure::local("lock", &name, &error))
}

/// Replaces the file at `path` in `folder` atomically, and waits until the disk has the new one.
///
/// # Errors
/// The operating system's error if the file cannot be written or replaced; the old one is then
/// unchanged.
fn replace(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    // `tempfile` creates it with mode 0600 on Unix.
    let mut file = tempfile::Builder::new().prefix(".config-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Parses the text of a configuration file.
///
/// # Errors
/// `Usage` with the line or the remote. The message contains no value.
fn parse(text: &str) -> Result<BTreeMap<String, FileEntry>> {
    // The complete message of the parser quotes the line, which may contain a token.
    let file: FileContents = toml::from_str(text)
        .map_err(|error| syntax_failure(text, error.span(), error.message()))?;
    let parsed = file.remotes.into_iter().map(|(name, entry)| {
        let invalid = |reason| Failure::usage(format!("[remotes.{name}]: {reason}"));
        let entry = entry.parse().map_err(invalid)?;
        Ok((name, entry))
    });
    parsed.collect()
}

/// Returns `Usage` for a problem in the text of a configuration file, with the line in which `span`
/// begins.
fn syntax_failure(text: &str, span: Option<std::ops::Range<usize>>, problem: &str) -> Failure {
    let at = span.map_or(0, |span| span.start).min(text.len());
    let line = 1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
    Failure::usage(format!("line {line}: {problem}"))
}

impl RemoteConfig {
    /// Returns the entry of a remote: its source, the keys of its options, and its account.
    ///
    /// # Errors
    /// A message for the user if `uri` and `type` are both set or both missing, if an option is a
    /// list, a table or a time, and if `account` is set without `account_id`.
    fn parse(self) -> Result<FileEntry, String> {
        let source = match (self.uri, self.scheme) {
            (Some(uri), None) => RemoteSource::from_uri(uri),
            (None, Some(scheme)) => RemoteSource::from_scheme(scheme),
            (Some(_), Some(_)) => return Err("`uri` and `type` exclude each other".into()),
            (None, None) => return Err("`uri` or `type` is missing".into()),
        };
        let keys = self.options.keys().cloned().collect();
        let source = self.options.into_iter().try_fold(source, |source, (key, value)| {
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(yes) => yes.to_string(),
                toml::Value::Float(number) => number.to_string(),
                _ => return Err(format!("`{key}` must be a string, a number, true or false")),
            };
            Ok(source.option(key, value))
        })?;
        let account = match (self.account_id, self.account) {
            (Some(id), name) => Some(SignedInAccount { id, name }),
            (None, None) => None,
            (None, Some(_)) => return Err("`account` needs `account_id`".into()),
        };
        Ok(FileEntry { source, keys, account })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_remote_is_a_uri_or_a_type_with_options() {
        let remotes = parse(
            "[remotes.disk]\nuri = 'memory:///a'\n[remotes.other]\ntype = 'memory'\nroot = '/b'\n",
        )
        .expect("a configuration");
        let root = |name: &str| {
            let remote = remotes[name].source.open().expect("a remote");
            remote.operator.info().root()
        };
        assert_eq!((root("disk"), root("other")), ("/a/".into(), "/b/".into()));
    }

    #[test]
    fn a_configuration_error_names_the_field_and_shows_no_value() {
        for (text, reason) in [
            ("[remotes.a1]\n", "`uri` or `type` is missing"),
            ("[remotes.a1]\nuri = 'x://'\ntype = 'x'", "exclude each other"),
            ("[remotes.a1]\ntype = 'x'\nlist = ['SECRET']", "`list`"),
            ("[remotes.a1]\ntype = 'x'\naccount = 'SECRET'", "`account` needs `account_id`"),
            ("[remotes.a1]\ntoken = SECRET", "line 2"),
            ("[remote.a1]\ntoken = 'SECRET'", "remote"),
        ] {
            let failure = parse(text).map(drop).expect_err(text);
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(reason), "{failure}");
            assert!(!failure.message.contains("SECRET"), "{failure}");
        }
    }

    #[test]
    fn a_change_that_fails_leaves_the_file_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = ConfigFile::new(folder.path().join("new/config.toml"));
        let options = |scheme: &str| vec![("type".to_owned(), scheme.to_owned())];
        file.edit(|remotes| remotes.insert("one", &options("memory"))).expect("written");
        let text = file.text().expect("read");
        let failed = file.edit(|remotes| {
            remotes.insert("two", &options("memory"))?;
            Err::<(), _>(Failure::usage("no"))
        });
        failed.expect_err("is the error of the change");
        let invalid = file.edit(|remotes| remotes.insert("two", &[]));
        assert!(invalid.expect_err("is checked").message.contains("[remotes.two]"));
        assert_eq!(file.text().expect("read"), text);
        let names: Vec<_> = fs::read_dir(folder.path().join("new"))
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(names.len(), 2, "the file and its lock: {names:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_changed_file_is_private_and_a_link_to_it_stays() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real.toml"), folder.path().join("link.toml"));
        fs::write(&real, "# mine\n").expect("written");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).expect("changed");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        ConfigFile::new(link.clone())
            .edit(|remotes| remotes.insert("one", &[("type".into(), "memory".into())]))
            .expect("written");
        assert!(fs::symlink_metadata(&link).expect("kept").is_symlink());
        let text = fs::read_to_string(&real).expect("read");
        assert_eq!(text, "# mine\n\n[remotes.one]\ntype = \"memory\"\n");
        let mode = fs::metadata(&real).expect("read").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
