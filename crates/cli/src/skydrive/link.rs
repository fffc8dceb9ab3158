//! `drivedal skydrive link`

use clap::ValueEnum;
use drivedal::services::skydrive::LinkType;
use serde_json::json;

use super::ItemArgs;
use crate::{
    app::App,
    failure::{Exit, Result},
};

/// Create a link to an item that works without sign-in
///
/// Anyone who has the link can open the item.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json: {\"link\"}, or {\"embed_html\"} with -t embed.

Examples:
  drivedal skydrive link local-skydrive:photos
  drivedal skydrive link -t embed local-skydrive:photos/a.jpg")]
pub(crate) struct Link {
    /// Create a link of this type
    #[arg(short = 't', long = "type", value_enum, default_value_t, value_name = "TYPE")]
    kind: ShareLinkKind,

    #[command(flatten)]
    item: ItemArgs,
}

/// Access that a link gives. Names are those of Live Connect; aliases are short.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ShareLinkKind {
    /// Give read access
    #[default]
    #[value(alias = "read")]
    SharedReadLink,
    /// Give write access
    #[value(alias = "edit")]
    SharedEditLink,
    /// Return HTML that embeds the item in a page
    Embed,
}

impl Link {
    /// Creates a link to an item, and prints it.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if it is
    /// not a SkyDrive; `NotFound` if the item does not exist; the failure of the request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let (live, id) = self.item.resolve(app).await?;
        let (kind, key) = match self.kind {
            ShareLinkKind::SharedReadLink => (LinkType::Read, "link"),
            ShareLinkKind::SharedEditLink => (LinkType::Edit, "link"),
            ShareLinkKind::Embed => (LinkType::Embed, "embed_html"),
        };
        let link = live.client()?.link(&live.cx, &id, kind).await;
        let link = link.map_err(|error| self.item.failed(error))?;
        // The user requests the link in order to share it, so it is not redacted.
        app.output.value(&json!({ key: link.expose() }))?;
        Ok(Exit::Done)
    }
}
