//! `drivedal share`

use clap::ValueEnum;
use drivedal::drive::{Access, GrantRequest, Grantee, Link, LinkAudience, LinkKind, Permission};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
    units,
};

/// List, add, change and remove the permissions of an item
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  drivedal share list work:plans
  drivedal share add work:plans ann@example.com --access write")]
pub(crate) struct ShareArgs {
    #[command(subcommand)]
    command: ShareCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ShareCommand {
    List(ShareList),
    Add(ShareAdd),
    Update(ShareUpdate),
    Remove(ShareRemove),
    WithMe(SharedWithMe),
}

impl ShareArgs {
    /// Runs the subcommand of `share`.
    ///
    /// # Errors
    /// `Usage` for an unknown remote or a rejected option, `Unsupported` if the drive has no
    /// permissions, `NotFound` if the item does not exist, the failure of a request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self.command {
            ShareCommand::List(list) => list.run(app).await,
            ShareCommand::Add(add) => add.run(app).await,
            ShareCommand::Update(update) => update.run(app).await,
            ShareCommand::Remove(remove) => remove.run(app).await,
            ShareCommand::WithMe(list) => list.run(app).await,
        }
    }

    /// Returns the verb for failures of this command: `cannot <verb> <item>: …`.
    pub(crate) fn action(&self) -> &'static str {
        match self.command {
            ShareCommand::List(_) => "list the permissions of",
            ShareCommand::Add(_) => "share",
            ShareCommand::Update(_) => "change a permission of",
            ShareCommand::Remove(_) => "remove a permission of",
            ShareCommand::WithMe(_) => "list the shared items of",
        }
    }
}

/// Arguments that name the item of a command.
#[derive(Debug, clap::Args)]
struct SharedItemArgs {
    /// The file or folder
    #[arg(value_name = "REMOTE:PATH", value_parser = Location::parse)]
    item: Location,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl SharedItemArgs {
    /// Returns the path of the item.
    ///
    /// # Errors
    /// Those of [`App::resolve`]; `Unsupported` if the remote is not a cloud drive.
    async fn resolve(&self, app: &App) -> Result<RemotePath> {
        let at = app.resolve(&self.item, self.addressing.mode(), Workload::Interactive).await?;
        at.drive("permissions")?;
        Ok(at)
    }
}

/// List the permissions of an item, with those of links
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line has the id, the access, and the users or the link. With --json: {\"id\", \"access\", \"users\":
[{\"id\", \"name\", \"email\"}], \"link\": {\"link\", \"type\", \"scope\", \"has_password\"}, \"expires\",
\"inherited_from\"}.

Example:
  drivedal share list work:plans")]
struct ShareList {
    #[command(flatten)]
    item: SharedItemArgs,
}

impl ShareList {
    /// Prints the permissions of an item.
    ///
    /// # Errors
    /// Those of [`ShareArgs::run`].
    async fn run(self, app: &App) -> Result<Exit> {
        let at = self.item.resolve(app).await?;
        let listed = at.drive("permissions")?.permissions(at.operator(), at.path.as_str()).await;
        for permission in listed.map_err(|error| Failure::from(error).about(&at))? {
            print(app, &permission)?;
        }
        Ok(Exit::Done)
    }
}

/// Share an item with users, by their e-mail addresses
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json each new permission is a line as in `share list`.

Examples:
  drivedal share add work:plans ann@example.com bob@example.com
  drivedal share add --access write --invite --message 'Our plans' work:plans ann@example.com")]
struct ShareAdd {
    #[command(flatten)]
    item: SharedItemArgs,

    /// The e-mail addresses of the users
    #[arg(value_name = "ADDRESS", required = true)]
    users: Vec<String>,

    /// Grant this access
    #[arg(long, value_enum, default_value_t, value_name = "ACCESS")]
    access: SharedAccess,

    /// Let the cloud send an invitation to the users
    #[arg(long)]
    invite: bool,

    /// Add this text to the invitation
    #[arg(long, value_name = "TEXT", requires = "invite")]
    message: Option<String>,

    /// Let the users open the item without sign-in, by the link in the invitation
    #[arg(long, requires = "invite")]
    no_sign_in: bool,

    /// Let the permissions expire at this time, or after a time such as 7d
    #[arg(long, value_name = "TIME", value_parser = units::time_ahead)]
    expires: Option<Timestamp>,

    /// End the permissions that the item inherits, if it is shared for the first time
    #[arg(long)]
    end_inherited: bool,
}

/// The access that a user can receive.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SharedAccess {
    /// Read the item
    #[default]
    Read,
    /// Read and change the item
    #[value(alias = "edit")]
    Write,
}

impl From<SharedAccess> for Access {
    fn from(access: SharedAccess) -> Self {
        match access {
            SharedAccess::Read => Self::Read,
            SharedAccess::Write => Self::Write,
        }
    }
}

impl ShareAdd {
    /// Shares an item, and prints the new permissions.
    ///
    /// # Errors
    /// Those of [`ShareArgs::run`]; `Denied` or `Failed` if the account does not permit it.
    async fn run(self, app: &App) -> Result<Exit> {
        let at = self.item.resolve(app).await?;
        let handle = at.drive("permissions")?;
        let fail = |error| Failure::from(error).about(&at);
        let item = handle.item_ref(at.operator(), at.path.as_str()).await.map_err(fail)?;
        let mut request = GrantRequest::new(item, self.users, self.access.into());
        request.invite = self.invite;
        request.message = self.message;
        request.require_sign_in = !self.no_sign_in;
        request.expires = self.expires;
        request.keep_inherited = !self.end_inherited;
        for permission in handle.grant(at.operator(), &request).await.map_err(fail)? {
            print(app, &permission)?;
        }
        Ok(Exit::Done)
    }
}

/// Change the access of a permission
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json the permission is a line as in `share list`.

Example:
  drivedal share update work:plans aTowIy5mfG1lbWJlcnNoaXA --access write")]
struct ShareUpdate {
    #[command(flatten)]
    item: SharedItemArgs,

    /// The id of the permission, as `share list` prints it
    permission: String,

    /// Grant this access
    #[arg(long, value_enum, value_name = "ACCESS")]
    access: SharedAccess,
}

impl ShareUpdate {
    /// Changes a permission, and prints it.
    ///
    /// # Errors
    /// Those of [`ShareArgs::run`]; `NotFound` if the permission does not exist.
    async fn run(self, app: &App) -> Result<Exit> {
        let at = self.item.resolve(app).await?;
        let (handle, path) = (at.drive("permissions")?, at.path.as_str());
        let access = self.access.into();
        let updated = handle.update_permission(at.operator(), path, &self.permission, access).await;
        print(app, &updated.map_err(|error| Failure::from(error).about(&at))?)?;
        Ok(Exit::Done)
    }
}

/// Remove permissions, and the links that they belong to
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A permission that does not exist is no failure.

Example:
  drivedal share remove work:plans aTowIy5mfG1lbWJlcnNoaXA")]
struct ShareRemove {
    #[command(flatten)]
    item: SharedItemArgs,

    /// The ids of the permissions, as `share list` prints them
    #[arg(value_name = "PERMISSION", required = true)]
    permissions: Vec<String>,
}

impl ShareRemove {
    /// Removes permissions.
    ///
    /// # Errors
    /// Those of [`ShareArgs::run`]. Permissions before the failed one are removed.
    async fn run(self, app: &App) -> Result<Exit> {
        let at = self.item.resolve(app).await?;
        let handle = at.drive("permissions")?;
        app.for_each_argument(&self.permissions, async |id| {
            let revoked = handle.revoke(at.operator(), at.path.as_str(), id).await;
            revoked.map_err(|error| Failure::from(error).about(&at))
        })
        .await
    }
}

/// List the items that other users share with the account
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line has the id and the name; folders end with a slash. With --json: {\"id\", \"name\",
\"kind\", \"size\", \"modified\"}.

Example:
  drivedal share with-me work:")]
struct SharedWithMe {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

impl SharedWithMe {
    /// Prints the items that other users share.
    ///
    /// # Errors
    /// Those of [`ShareArgs::run`].
    async fn run(self, app: &App) -> Result<Exit> {
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let handle = remote.drive("shared items").map_err(|failure| failure.about(&self.drive))?;
        let items = handle.shared_with_me(&remote.operator);
        crate::search::print_by_id(app, items, &self.drive).await
    }
}

/// Prints a permission.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print(app: &App, permission: &Permission) -> Result {
    if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
        return app.output.value(&permission_record(permission));
    }
    let names: Vec<_> = permission.grantees.iter().filter_map(grantee_label).collect();
    let mut text = format!("{}  {:<5}", permission.id, access_name(permission.access));
    if let Some(link) = &permission.link {
        let scope = link.audience.map_or("unknown", scope_name);
        text.push_str(&format!("  link ({}, {scope})", kind_name(link.kind)));
        if let Some(url) = &link.url {
            text.push_str(&format!("  {}", url.expose()));
        }
    }
    if !names.is_empty() {
        text.push_str(&format!("  {}", names.join(", ")));
    }
    if let Some(expires) = permission.expires {
        text.push_str(&format!("  until {}", units::seconds(expires)));
    }
    if permission.inherited_from.is_some() {
        text.push_str("  (inherited)");
    }
    app.output.line(app.output.shown(&text))
}

/// Returns a user for a line: the name with the address in brackets, or one of them. `None` if
/// neither is known.
fn grantee_label(grantee: &Grantee) -> Option<String> {
    match (&grantee.name, &grantee.email) {
        (Some(name), Some(email)) if name != email => Some(format!("{name} <{email}>")),
        (Some(name), _) => Some(name.clone()),
        (None, email) => email.clone().or_else(|| grantee.id.clone()),
    }
}

/// Returns a permission as JSON, without members of unknown value.
fn permission_record(permission: &Permission) -> Value {
    let users: Vec<_> = permission
        .grantees
        .iter()
        .map(|user| without_nulls(json!({"id": user.id, "name": user.name, "email": user.email})))
        .collect();
    let link = permission.link.as_ref().map(|link| {
        let mut record = link_record(link);
        if let Some(members) = record.as_object_mut() {
            members.remove("id");
            members.remove("expires");
        }
        record
    });
    without_nulls(json!({
        "id": permission.id,
        "access": access_name(permission.access),
        "users": users,
        "link": link,
        "expires": permission.expires,
        "inherited_from": permission.inherited_from.as_ref().map(|id| id.as_str()),
    }))
}

/// Returns a link as JSON, without members of unknown value. The user requests a link in order to
/// share it, so its URL is not redacted.
pub(crate) fn link_record(link: &Link) -> Value {
    let url = link.url.as_ref().map(|url| url.expose());
    let is_embed = link.kind == LinkKind::Embed;
    without_nulls(json!({
        "id": Some(&link.id).filter(|id| !id.is_empty()),
        "link": url.filter(|_| !is_embed),
        "embed_html": url.filter(|_| is_embed),
        "type": kind_name(link.kind),
        "scope": link.audience.map(scope_name),
        "expires": link.expires,
        "has_password": link.has_password,
    }))
}

/// Removes the members of an object that are null.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let known = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(known.collect::<Map<_, _>>())
        }
        value => value,
    }
}

/// Returns the name of an access in results.
fn access_name(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Owner => "owner",
        _ => "other",
    }
}

/// Returns the name of a type of links, as `link -t` has it.
fn kind_name(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Edit => "edit",
        LinkKind::Embed => "embed",
        _ => "view",
    }
}

/// Returns the name of the users of a link, as `link --scope` has it.
fn scope_name(audience: LinkAudience) -> &'static str {
    match audience {
        LinkAudience::Anyone => "anonymous",
        LinkAudience::Organization => "organization",
        _ => "users",
    }
}
