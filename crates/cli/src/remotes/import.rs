//! `drivedal remotes import`: remotes of other programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use drivedal::auth::{TokenFile, import, import::ImportedRemote};
use serde_json::json;

use crate::{
    app::App,
    config::{ConfigFile, OptionList, remote_name},
    embedded::{self, make_private},
    failure::{Exit, Failure, Result},
    transfer::local::blocking,
};

/// Import the remotes and tokens of another program
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The files of the other program stay. A refresh token that two programs use may become invalid for one of
them; `drivedal login NAME` gets another one. A name that exists already is reported, and the others are
imported.

Examples:
  drivedal remotes import rclone
  drivedal remotes import rclone --section 'My Drive' --name mine
  drivedal remotes import acd_cli ~/.cache/acd_cli")]
pub(super) struct Import {
    /// The program
    #[arg(value_name = "PROGRAM")]
    program: Program,

    /// Its configuration file, or its folder; by default the usual one
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    /// Import only this section of rclone's file
    #[arg(long, value_name = "SECTION")]
    section: Option<String>,

    /// Use this name for the remote
    #[arg(long, value_name = "NAME", value_parser = remote_name)]
    name: Option<String>,
}

/// A program whose configuration can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Program {
    /// The onedrive sections of rclone.conf
    Rclone,
    /// The file ~/.lcrc of the old SkyDrive client
    Lcrc,
    /// The folder of acd_cli
    #[value(name = "acd_cli")]
    AcdCli,
    /// The environment variables `OPENDAL_ONEDRIVE_...`
    Env,
}

impl Import {
    /// Imports the remotes.
    ///
    /// # Errors
    /// `NotFound` if the other program has no remote, `Usage` if its configuration is not
    /// valid, and `Exists` if the only remote cannot be added because of its name.
    pub(super) async fn run(self, app: &App) -> Result<Exit> {
        if self.section.is_some() && self.program != Program::Rclone {
            return Err(Failure::usage("only rclone's file has sections"));
        }
        let found = self.read().await?;
        if self.name.is_some() && found.len() > 1 {
            let failure = Failure::usage("--name is for one remote, and the file has several");
            return Err(failure.hint("use --section"));
        }
        let file = app.configuration.file()?.clone();
        app.for_each_argument(&found, async |remote| {
            let name = self.name_of(remote);
            self.import(app, &file, remote, &name).await.map_err(|failure| failure.about(&name))
        })
        .await
    }

    /// Reads the configuration of the other program.
    ///
    /// # Errors
    /// `NotFound` if it does not exist, `Usage` if it is malformed or has no path, otherwise
    /// `Failed`.
    async fn read(&self) -> Result<Vec<ImportedRemote>> {
        let path = match (&self.path, self.program) {
            (Some(_), Program::Env) => {
                return Err(Failure::usage("the environment has no path"));
            }
            (Some(path), _) => path.clone(),
            (None, program) => program.default_path()?,
        };
        let program = self.program;
        let shown = path.display().to_string();
        let read = move || match program {
            Program::Rclone => import::rclone(path),
            Program::Lcrc => import::lcrc(path).map(|remote| vec![remote]),
            Program::AcdCli => import::acd_cli(path).map(|remote| vec![remote]),
            Program::Env => {
                import::opendal_environment(env::vars_os()).map(|one| one.into_iter().collect())
            }
        };
        let found = blocking(move || Ok(read())).await?;
        let mut found = found.map_err(|error| {
            let exit = match error.kind() {
                drivedal::drive::ErrorKind::NotFound => Exit::NotFound,
                drivedal::drive::ErrorKind::InvalidInput => Exit::Usage,
                _ => Exit::Failed,
            };
            Failure::new(exit, error.to_string())
        })?;
        if let Some(section) = &self.section {
            found.retain(|remote| remote.name.as_ref() == Some(section));
        }
        match found.is_empty() {
            false => Ok(found),
            true => {
                let place = if program == Program::Env { "the environment" } else { &*shown };
                Err(Failure::new(Exit::NotFound, "it has no such remote").about(place))
            }
        }
    }

    /// Returns the name of the new remote: that of the options, else that in the other program,
    /// else the name of the service.
    fn name_of(&self, remote: &ImportedRemote) -> String {
        let name = self.name.clone().or_else(|| remote.name.clone());
        name.unwrap_or_else(|| remote.scheme.to_owned())
    }

    /// Adds one remote, and stores its tokens.
    ///
    /// # Errors
    /// `Usage` if the name is not at least two letters, digits, `-`, `_` or `.`, the first a letter
    /// or digit, `Exists` if a remote has it, and the errors of the files.
    async fn import(
        &self,
        app: &App,
        file: &ConfigFile,
        remote: &ImportedRemote,
        name: &str,
    ) -> Result {
        let hint = "use --name, and --section for one of several remotes";
        remote_name(name).map_err(|reason| Failure::usage(reason).hint(hint))?;
        if app.configuration.contains(name) || embedded::source(name).is_some() {
            let failure = Failure::new(Exit::Exists, "a remote of this name exists");
            return Err(failure.hint(hint));
        }
        let (file, name_, imported) = (file.clone(), name.to_owned(), remote.clone());
        blocking(move || add(&file, &name_, &imported)).await?;
        for note in &remote.notes {
            app.output.notice(format_args!("{name}: {note}"));
        }
        if app.output.is_json() {
            return app.output.json(&json!({
                "name": name,
                "service": remote.scheme,
                "signed_in": remote.tokens.is_some(),
                "notes": remote.notes,
                "result": "imported",
            }));
        }
        if app.output.is_quiet() {
            return Ok(());
        }
        let hint = match remote.tokens {
            Some(_) => String::new(),
            None => format!(", without tokens: run `drivedal login {name}`"),
        };
        app.output.line(format_args!("imported {name} ({}){hint}", remote.scheme))
    }
}

impl Program {
    /// Returns the usual path of the program's configuration.
    ///
    /// # Errors
    /// `Usage` if the user has no home folder.
    fn default_path(self) -> Result<PathBuf> {
        let variable =
            |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || {
            env::home_dir()
                .ok_or_else(|| Failure::usage("the user has no home folder").hint("name the path"))
        };
        match self {
            Self::Rclone => match variable("RCLONE_CONFIG") {
                Some(path) => Ok(path),
                None => {
                    let folder = match variable("XDG_CONFIG_HOME") {
                        Some(folder) => folder,
                        None => home()?.join(".config"),
                    };
                    Ok(folder.join("rclone/rclone.conf"))
                }
            },
            Self::Lcrc => Ok(home()?.join(".lcrc")),
            Self::AcdCli => match variable("ACD_CLI_CACHE_PATH") {
                Some(path) => Ok(path),
                None => Ok(home()?.join(".cache/acd_cli")),
            },
            Self::Env => Ok(PathBuf::new()),
        }
    }
}

/// Writes the tokens, then the remote. If that fails, the tokens are removed.
///
/// # Errors
/// `Exists` if the file has the remote or a token file has its name; `Failed` if the tokens cannot
/// be written; [`Failure::local`] if a file cannot be written or removed.
fn add(file: &ConfigFile, name: &str, remote: &ImportedRemote) -> Result {
    let mut options: OptionList = vec![("type".into(), remote.scheme.to_owned())];
    options.extend(remote.options.clone());
    let Some(tokens) = &remote.tokens else {
        return file.edit(|remotes| remotes.insert(name, &options));
    };
    let path = file.token_path(name)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder).map_err(|error| Failure::local("create", folder, &error))?;
    if path.try_exists().map_err(|error| Failure::local("find", &path, &error))? {
        let failure = Failure::new(Exit::Exists, "a token file of this name exists");
        return Err(failure.hint(format!("remove {}", path.display())));
    }
    let stored = TokenFile::new(&path).write(tokens);
    stored.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    options.push(("token_file".into(), path.to_str().ok_or_else(Failure::is_not_utf8)?.into()));
    let added = file.edit(|remotes| remotes.insert(name, &options));
    if added.is_err() {
        fs::remove_file(&path).map_err(|error| Failure::local("remove", &path, &error))?;
    }
    added
}
