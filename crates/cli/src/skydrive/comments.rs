//! `drivedal skydrive comments`, `comment-add` and `comment-delete`

use drivedal::services::skydrive::model::Comment;
use serde_json::{Value, json};

use super::{ItemArgs, SkyDriveRemote, failed};
use crate::{
    app::App,
    failure::{Exit, Failure, Result},
    location::Location,
};

/// List the comments on an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json the output is a list of {\"id\", \"from\": {\"id\", \"name\"}, \"message\", \"created_time\"}.

Example:
  drivedal skydrive comments local-skydrive:photos/a.jpg")]
pub(crate) struct Comments {
    #[command(flatten)]
    item: ItemArgs,
}

impl Comments {
    /// Prints the comments on an item.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not a SkyDrive; `NotFound` if the item does not exist; the failure of the request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (live, id) = self.item.resolve(app).await?;
        let comments = live.client()?.comments(&live.cx, &id).await;
        let comments = comments.map_err(|error| self.item.failed(error))?;
        app.output.value(&comments.iter().map(comment_record).collect())?;
        Ok(Exit::Done)
    }
}

/// Add a comment to an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal skydrive comment-add local-skydrive:photos/a.jpg 'How nice!'")]
pub(crate) struct CommentAdd {
    #[command(flatten)]
    item: ItemArgs,

    /// The text of the comment, at most 10,000 characters
    message: String,
}

impl CommentAdd {
    /// Adds a comment to an item, and prints it.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not a SkyDrive; `NotFound` if the item does not exist; the failure of the request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (live, id) = self.item.resolve(app).await?;
        let comment = live.client()?.add_comment(&live.cx, &id, &self.message).await;
        app.output.value(&comment_record(&comment.map_err(|error| self.item.failed(error))?))?;
        Ok(Exit::Done)
    }
}

/// Delete a comment
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  drivedal skydrive comment-delete \\
    'local-skydrive:comment.22688711f5410e6c.22688711f5410e6c!818.22688711F5410E6C!979'")]
pub(crate) struct CommentDelete {
    /// The id of the comment, as `comments` prints it
    #[arg(value_name = "REMOTE:ID", value_parser = Location::parse)]
    comment: Location,
}

impl CommentDelete {
    /// Deletes a comment.
    ///
    /// # Errors
    /// `Usage` if the id is not that of a comment; `Unsupported` if the remote is not a SkyDrive;
    /// the failure of the request ([`Failure::from`]).
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let live = SkyDriveRemote::open(app, &self.comment).await?;
        // Another id may be an item's, and the request would remove the item with everything below
        // it.
        if !self.comment.text.starts_with("comment.") {
            return Err(Failure::usage("the id is not a comment's").about(&self.comment));
        }
        let deleted = live.client()?.delete_comment(&live.cx, &self.comment.text).await;
        deleted.map_err(|error| failed(error, &self.comment))?;
        Ok(Exit::Done)
    }
}

/// Returns a comment as the old client prints it.
fn comment_record(comment: &Comment) -> Value {
    let created =
        comment.created_time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string());
    json!({
        "id": comment.id,
        "from": { "id": comment.from.id, "name": comment.from.name },
        "message": comment.message,
        "created_time": created,
    })
}
