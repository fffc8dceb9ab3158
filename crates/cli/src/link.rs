//! `drivedal link`

use std::path::PathBuf;

use clap::ValueEnum;
use drivedal::drive::{LinkAudience, LinkKind, LinkRequest};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    prompt,
    share::link_record,
    units,
};

/// Create a link to an item, and print it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An existing link of the same type is returned instead of a second one. `drivedal share list` lists the
links to an item, and `drivedal share remove` deletes them. With --json: {\"id\", \"link\", \"type\",
\"scope\", \"expires\", \"has_password\"}; the type embed has \"embed_html\" instead of \"link\".

Examples:
  drivedal link work:report.pdf
  drivedal link -t edit --scope organization --expires 7d work:plans")]
pub(crate) struct Link {
    /// The file or folder
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    item: Location,

    /// Create a link of this type
    #[arg(short = 't', long = "type", value_enum, default_value_t, value_name = "TYPE")]
    kind: LinkType,

    /// Create a link for these users; by default the cloud chooses
    #[arg(long, value_enum, value_name = "SCOPE")]
    scope: Option<LinkScope>,

    /// Protect the link with a password, which is prompted for
    #[arg(long, conflicts_with = "password_file")]
    password: bool,

    /// Protect the link with the password in this file; - reads standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Let the link expire at this time, or after a time such as 7d
    #[arg(long, value_name = "TIME", value_parser = units::time_ahead)]
    expires: Option<Timestamp>,

    #[command(flatten)]
    addressing: AddressingArgs,
}

/// The use of a link. The names with `shared_` are those of Live Connect.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LinkType {
    /// Give read access
    #[default]
    #[value(alias = "read", alias = "shared_read_link")]
    View,
    /// Give write access
    #[value(alias = "shared_edit_link")]
    Edit,
    /// Return HTML that embeds the item in a page
    Embed,
}

/// The users of a link.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LinkScope {
    /// Everyone who has the link
    #[value(alias = "anyone")]
    Anonymous,
    /// Members of the organization
    Organization,
    /// Users that the item is shared with
    Users,
}

impl Link {
    /// Creates a link to an item, and prints it.
    ///
    /// # Errors
    /// `Usage` if no remote has the name, the service rejects an option, or the password cannot be
    /// read; `NotFound` if the item does not exist; `Unsupported` if the drive has no links, or none
    /// of this kind; the failure of the request ([`Failure::from`]); `ClosedPipe` or `Failed` if
    /// results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let at = app.resolve(&self.item, self.addressing.mode(), Workload::Interactive).await?;
        let handle = at.drive("links")?;
        let fail = |error| Failure::from(error).about(&at);
        let item = handle.item_ref(at.operator(), at.path.as_str()).await.map_err(fail)?;
        let mut request = LinkRequest::new(item, self.kind.into());
        request.audience = self.scope.map(Into::into);
        request.expires = self.expires;
        request.password = match &self.password_file {
            Some(file) => Some(prompt::secret_from(file).await?),
            None if self.password => Some(prompt::secret(&app.output, "Password: ").await?),
            None => None,
        };
        let link = handle.create_link(at.operator(), &request).await.map_err(fail)?;
        let Some(url) = &link.url else {
            return Err(Failure::new(Exit::Failed, "the cloud's response has no URL").about(&at));
        };
        if app.output.is_json() || app.output.is_partial() {
            app.output.value(&link_record(&link))?;
            return Ok(Exit::Done);
        }
        if app.output.is_yaml() {
            let key = if link.kind == LinkKind::Embed { "embed_html" } else { "link" };
            app.output.value(&json!({ key: url.expose() }))?;
            return Ok(Exit::Done);
        }
        // The user requests the link in order to share it, so it is not redacted.
        app.output.line(url.expose())?;
        Ok(Exit::Done)
    }
}

impl From<LinkType> for LinkKind {
    fn from(kind: LinkType) -> Self {
        match kind {
            LinkType::View => Self::View,
            LinkType::Edit => Self::Edit,
            LinkType::Embed => Self::Embed,
        }
    }
}

impl From<LinkScope> for LinkAudience {
    fn from(scope: LinkScope) -> Self {
        match scope {
            LinkScope::Anonymous => Self::Anyone,
            LinkScope::Organization => Self::Organization,
            LinkScope::Users => Self::ExistingUsers,
        }
    }
}
