//! `drivedal completions` and `drivedal manual`

use std::{path::PathBuf, time::Duration};

use clap_complete::Shell;

use crate::{
    app::{App, Workload},
    args,
    failure::{Exit, Failure, Result},
    location::{Addressing, Location},
};

/// The name of the program.
const PROGRAM: &str = "drivedal";

/// Completion of remote names and paths in bash, after the generated script. Bash splits words at
/// colons, so only the part after the last colon is completed.
const BASH_PLACES: &str = r#"
_drivedal_with_places() {
    local line="${COMP_LINE:0:COMP_POINT}" prefix="" place
    local word="${line##*[[:space:]]}"
    if [[ $word == *:* ]]; then
        COMPREPLY=()
        [[ $COMP_WORDBREAKS == *:* ]] && prefix="${word%"${word##*:}"}"
    else
        _drivedal "$@"
    fi
    [[ $word == -* ]] && return
    while IFS= read -r place; do
        COMPREPLY+=("$(printf %q "${place#"$prefix"}")")
    done < <(drivedal complete-place -- "$word" 2>/dev/null)
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:/] ]] && compopt -o nospace 2>/dev/null
}
complete -F _drivedal_with_places -o bashdefault -o default drivedal
"#;

/// The time after which a folder on a remote is not completed.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
In bash, the names of remotes and paths on them are completed, too. A path needs a request.

Examples:
  drivedal completions bash > ~/.local/share/bash-completion/completions/drivedal
  drivedal completions zsh > ~/.zfunc/_drivedal")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the completions.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if they cannot be written.
    pub(crate) fn run(self, app: &App) -> Result<Exit> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut args::grammar(), PROGRAM, &mut text);
        app.output.part(&String::from_utf8_lossy(&text))?;
        if self.shell == Shell::Bash {
            app.output.part(BASH_PLACES)?;
        }
        Ok(Exit::Done)
    }
}

/// Print the remotes or paths that begin with a text
#[derive(Debug, clap::Args)]
pub(crate) struct CompletePlace {
    /// The beginning of REMOTE:PATH
    #[arg(value_name = "TEXT", default_value = "")]
    start: String,
}

impl CompletePlace {
    /// Prints the names of remotes, or the entries of the folder that the text names.
    ///
    /// # Errors
    /// Those of [`App::resolve`]; `TryLater` if the folder is not listed within five seconds; the
    /// failure of the request ([`Failure::from`]); `ClosedPipe` or `Failed` if the lines cannot be
    /// written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if !self.start.contains(':') {
            for name in app.configuration.names().filter(|name| name.starts_with(&*self.start)) {
                app.output.line(format_args!("{name}:"))?;
            }
            return Ok(Exit::Done);
        }
        let listing = tokio::time::timeout(TIME_LIMIT, self.entries(app)).await;
        let listing = listing.map_err(|_| Failure::new(Exit::TryLater, "the remote is slow"))?;
        for place in listing? {
            app.output.line(place)?;
        }
        Ok(Exit::Done)
    }

    /// Returns the entries of the folder that the text names, whose paths begin with the text. A
    /// folder ends with a slash.
    ///
    /// # Errors
    /// Those of [`App::resolve`]; the failure of the request ([`Failure::from`]).
    async fn entries(&self, app: &App) -> Result<Vec<String>> {
        let folder_end = self.start.rfind(['/', ':']).map_or(0, |end| end + 1);
        let (folder, name) = self.start.split_at(folder_end);
        let at = Location::parse(folder).map_err(Failure::usage)?;
        let at = app.resolve(&at, Addressing::Path, Workload::Interactive).await?;
        let path = at.path.to_folder_arg();
        let entries = at.operator().list(&path).await;
        let entries = entries.map_err(|error| Failure::from(error).about(&at))?;
        let own = path.trim_start_matches('/');
        let names = entries.iter().filter_map(|entry| {
            entry.path().strip_prefix(own).filter(|below| !matches!(*below, "" | "/"))
        });
        let places = names.filter(|below| below.starts_with(name));
        Ok(places.map(|below| format!("{folder}{below}")).collect())
    }
}

/// Write the man pages into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal manual ~/.local/share/man/man1")]
pub(crate) struct Manual {
    /// The folder for the pages, which must exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Manual {
    /// Writes a page for each command.
    ///
    /// # Errors
    /// [`Failure::local`] if a page cannot be written.
    pub(crate) fn run(self) -> Result<Exit> {
        let written = clap_mangen::generate_to(args::grammar(), &self.folder);
        written.map_err(|error| Failure::local("write", &self.folder, &error))?;
        Ok(Exit::Done)
    }
}
