//! `drivedal get`

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::cli::{
    Naming,
    app::{App, Located, Use},
    failure::{Exit, Failure, Result},
    listing::{Depth, Listed, list},
    location::Location,
    transfer::{
        JOBS,
        download::{Download, File},
        ledger::Ledger,
        local::local_name,
    },
};

/// Fetch files, with -r folders and all below them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`get NAME:PATH FILE` makes FILE the file, `get -r NAME:PATH DIR` makes DIR a copy of PATH: what is
there already and is not in PATH stays. With a slash at its end the target is where they go below;
a file goes below a folder that exists in any case. Without a target everything goes below the
current folder.

A file takes its place when it is whole, and its size and hash are those that the cloud tells; until
then it is a hidden .partial file beside it. It gets the drive's modification time. An item that
fails is reported, the rest goes on, and the exit code is 6.

Of a large file (8 MiB) that was stopped what has come stays in the .partial file, and the same
command goes on from there if the drive's file is still the same; so it does with what acd_cli left
as FILE.__incomplete. After 30 days it is forgotten.

With --json one item a line: {\"path\", \"local\", \"result\": \"fetched\"|\"made\", \"bytes\"} or
{\"error\": {\"kind\", \"about\", \"message\"}}, and at last {\"summary\": {\"files\", \"folders\",
\"bytes\", \"kept\", \"skipped\", \"unchecked\", \"failed\", \"seconds\", \"requests\"}}.

Examples:
  drivedal get local-skydrive:notes.txt
  drivedal get -r local-skydrive:backup/photos photos
  drivedal get work:a.pdf work:b.pdf papers/")]
pub(crate) struct Get {
    /// What is to be fetched, and at last where to
    #[arg(value_name = "NAME:PATH... [FILE]", required = true)]
    arguments: Vec<PathBuf>,

    /// Folders too, with everything below them
    #[arg(short, long)]
    recursive: bool,

    /// How many files at once
    #[arg(short, long, value_name = "N", default_value = JOBS)]
    jobs: NonZeroUsize,

    #[command(flatten)]
    naming: Naming,
}

impl Get {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (sources, target) = self.sources()?;
        if sources.len() > 1 && !target.is_folder() {
            let why = "several things cannot be one: write a slash behind it to put them below";
            return Err(Failure::usage(why).about(target.path.display()));
        }
        let ledger = Ledger::new(app);
        let progress = ledger.show("get");
        let download = Download {
            ledger: Arc::clone(&ledger),
            interrupt: app.interrupt.clone(),
            journal: app.journal().await,
            jobs: self.jobs.get(),
        };
        let mut many = sources.len() > 1;
        for source in &sources {
            if app.interrupt.is_set() {
                break;
            }
            match self.fetch(app, &download, source, &target).await {
                Ok(is_tree) => many |= is_tree,
                Err(failure) => ledger.failed(failure)?,
            }
        }
        drop(progress);
        ledger.close("get", many)
    }

    fn sources(&self) -> Result<(Vec<Location>, Target)> {
        let location = |path: &PathBuf| path.to_str().and_then(Location::find);
        let (last, others) = match self.arguments.split_last() {
            Some((last, others)) if !others.is_empty() && location(last).is_none() => {
                (Some(last), others)
            }
            _ => (None, self.arguments.as_slice()),
        };
        let source = |path: &PathBuf| {
            let text = path.to_str().ok_or_else(|| "it is not UTF-8".to_owned());
            text.and_then(Location::parse).map_err(|why| Failure::usage(why).about(path.display()))
        };
        let sources = others.iter().map(source).collect::<Result<_>>()?;
        Ok((sources, Target::new(last.map_or(Path::new("./"), PathBuf::as_path))))
    }

    /// Fetches a file or a tree; whether it was a tree.
    async fn fetch(
        &self,
        app: &App,
        download: &Download,
        source: &Location,
        target: &Target,
    ) -> Result<bool> {
        let uses = if self.recursive { Use::Bulk } else { Use::Few };
        let looking = async {
            let at = app.locate(source, self.naming.named(), uses).await?;
            let listed = match self.recursive {
                true => Some(list(&at, Depth::Tree).await?),
                false => None,
            };
            Ok((at, listed))
        };
        let (at, listed) = app.interrupt.or(looking).await?;
        let metadata = match listed {
            Some(Listed::Folder(listing)) => {
                let to = target.for_folder(at.path.name())?;
                download.tree(&at, listing, to).await?;
                return Ok(true);
            }
            Some(Listed::File(metadata)) => metadata,
            None => app.interrupt.or(file_at(&at)).await?,
        };
        let to = target.for_file(at.path.name())?;
        download.ledger.tally.found_file(metadata.content_length());
        download.ledger.tally.found_all();
        download.file(File::new(at, to, &metadata)).await?;
        Ok(false)
    }
}

async fn file_at(at: &Located) -> Result<opendal::Metadata> {
    use crate::cli::app::Found;
    match at.find().await? {
        Found::File(metadata) => Ok(metadata),
        Found::Folder(_) => Err(Failure::new(Exit::Failed, "is a folder: -r fetches it").about(at)),
    }
}

/// Where things go on this computer.
struct Target {
    path: PathBuf,
    /// It was written with a slash at its end, or as `.` or `..`.
    says_folder: bool,
}

impl Target {
    fn new(path: &Path) -> Self {
        let text = path.as_os_str().as_encoded_bytes();
        let slash = text.last().is_some_and(|last| std::path::is_separator(char::from(*last)));
        Self { path: path.to_owned(), says_folder: slash }
    }

    fn is_folder(&self) -> bool {
        self.says_folder || self.path.is_dir()
    }

    /// The folder that is to be a copy of one of that name; a root has none.
    fn for_folder(&self, name: Option<&str>) -> Result<PathBuf> {
        match name {
            Some(name) if self.says_folder => self.below(name),
            _ => Ok(self.path.clone()),
        }
    }

    fn for_file(&self, name: Option<&str>) -> Result<PathBuf> {
        let name = name.ok_or_else(|| Failure::usage("the root of a remote is not a file"))?;
        let path = if self.is_folder() { self.below(name)? } else { self.path.clone() };
        // What takes its place is what a link leads to, not the link.
        let real = fs::canonicalize(&path).unwrap_or(path);
        match fs::metadata(&real) {
            Ok(found) if !found.is_file() && !found.is_dir() => {
                let why = "is not a regular file, and cannot be replaced by one: `drivedal cat`";
                return Err(Failure::new(Exit::Failed, why).about(real.display()));
            }
            _ => {}
        }
        if let Some(folder) = real.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| Failure::local(folder, &error))?;
        }
        Ok(real)
    }

    fn below(&self, name: &str) -> Result<PathBuf> {
        let name = local_name(name).map_err(|why| Failure::new(Exit::Failed, why).about(name))?;
        Ok(self.path.join(name))
    }
}
