//! `drivedal rm`

use serde::Serialize;

use crate::cli::{
    Naming,
    app::{App, Found, Use},
    failure::{Exit, Failure, Result},
    location::Location,
};

/// Remove files, with -r folders and all below them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What a cloud has a recycle bin for goes there. With --json one line each: {\"path\", \"result\":
\"removed\"}.

Examples:
  drivedal rm local-skydrive:notes.txt
  drivedal rm -r work:reports/2013 work:reports/2014")]
pub(crate) struct Rm {
    /// What is to go
    #[arg(value_name = "NAME:PATH", value_parser = Location::parse, required = true)]
    items: Vec<Location>,

    /// Folders too, with everything below them
    #[arg(short, long)]
    recursive: bool,

    /// What is not there is no failure
    #[arg(short, long)]
    force: bool,

    #[command(flatten)]
    naming: Naming,
}

#[derive(Serialize)]
struct Removed<'a> {
    path: &'a str,
    result: &'static str,
}

impl Rm {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        app.each(&self.items, async |item| match self.remove(app, item).await {
            Err(failure) if self.force && failure.exit == Exit::NotFound => Ok(()),
            removed => removed,
        })
        .await
    }

    async fn remove(&self, app: &App, item: &Location) -> Result {
        let at = app.locate(item, self.naming.named(), Use::Few).await?;
        if at.path.is_root() {
            return Err(Failure::usage("the root of a remote cannot be removed").about(&at));
        }
        // OpenDAL is content when there is nothing; the user who mistyped is not.
        let removed = match at.find().await? {
            Found::File(_) => at.operator().delete(&at.file()?).await,
            Found::Folder(_) if self.recursive => {
                // With the slash: on an object store a path without is a prefix, `ab` of `abc` too.
                at.operator().delete_with(&at.path.folder()).recursive(true).await
            }
            Found::Folder(_) => {
                return Err(Failure::new(Exit::Failed, "is a folder: -r removes it").about(&at));
            }
        };
        removed.map_err(|error| Failure::from(error).about(&at))?;
        match app.output.is_json() {
            true => app.output.json(&Removed { path: at.path.as_str(), result: "removed" }),
            false => Ok(()),
        }
    }
}
