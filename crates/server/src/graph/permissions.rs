//! Permissions and sharing links (onedrive-graph#permissions, onedrive-graph#create-link).
//!
//! A link's id says, signed, to which item it leads; the item remembers which links it has, so a
//! link that was taken back leads nowhere. Links of Live Connect are permissions of their item too, so
//! that they can be taken back.
//!
//! A link gives access to whoever has it. What would restrict that (an audience, a password, an expiry)
//! is refused: it is not enforced here.

use std::sync::Arc;

use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    address::ItemAddress,
    contract::Payload,
    drive_context::DriveContext,
    drive_item::{FACETS, planted},
    error::{Error, Result},
    invitations, reply,
    request::GraphRequest,
    route::PermissionTask,
    select::project,
};
use crate::{
    account::Account,
    account_kind::AccountKind,
    download_urls,
    secret_urls::SecretUrl,
    sharing_links,
    signed_token::Purpose,
    state::ServerState,
    tree::{Change, ItemKey, Node, OnConflict, Precondition, TreeError},
};

/// How a link's path begins.
pub(crate) const PREFIX: &str = "/s/";

/// Under which name an item keeps its links.
pub(super) const KEPT: &str = "links";

/// How long a link leads to its item, if it is not taken back.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

/// Beginning of the permission id of a link of Live Connect; its type follows.
const LIVE: &str = "live!";

/// Where sharing tokens are in the paths of other requests.
pub(super) const SECRET_TOKEN: SecretUrl = SecretUrl::Key("shares");

/// A link gives access to its item.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Path(PREFIX);

/// How often a change is repeated because another request changed the item meanwhile. Each time another
/// request succeeds, so this many can change an item at the same time.
const TRIES: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LinkBody {
    r#type: String,
    scope: Option<String>,
}

impl LinkBody {
    /// Refuses links that the cloud does not make, and those whose terms are not enforced here.
    fn check(&self, kind: AccountKind) -> Result<()> {
        if !["view", "edit", "embed"].contains(&self.r#type.as_str()) {
            return Err(Error::invalid(format!(
                "A link's type is view, edit or embed, not {:?}.",
                self.r#type
            )));
        }
        match self.scope.as_deref() {
            // Empty means none given (onedrive-graph#create-link-scope).
            None | Some("" | ANONYMOUS) => Ok(()),
            Some("organization") if kind.is_personal() => {
                let why = "A link's scope is organization on business accounts only.";
                Err(Error::invalid(why))
            }
            Some(scope @ ("organization" | "users")) => Err(Error::not_supported(format!(
                "A link of scope {scope} is not supported: this server does not enforce it."
            ))),
            Some(scope) => Err(Error::invalid(format!(
                "A link's scope is anonymous, organization or users, not {scope:?}."
            ))),
        }
    }
}

/// The scope of the links that are made here: whoever has one.
const ANONYMOUS: &str = "anonymous";

/// `POST item/createLink`.
pub(super) async fn create_link(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: LinkBody = payload.parse()?;
    body.check(scope.kind)?;
    let node = scope.locate(address).await?.node;
    let state = &scope.request.state;
    let (status, link) = change(scope, node, |node| {
        let all = links(state, node);
        let is =
            |link: &&&Value| link["type"] == body.r#type.as_str() && link["scope"] == ANONYMOUS;
        if let Some(&link) = all.iter().find(is) {
            return Ok(((StatusCode::OK, link.clone()), Map::new()));
        }
        let expires = Timestamp::now() + LINK_LIFE;
        let claims = (&scope.account.name, node.no, &body.r#type, ANONYMOUS);
        let sealed = state.signer.sign(Purpose::Share, expires, &claims);
        let link = json!({"id": format!("s!{sealed}"), "type": body.r#type, "scope": ANONYMOUS});
        let facets = kept(node, KEPT, all.into_iter().chain([&link]).cloned().collect());
        Ok(((StatusCode::CREATED, link), facets))
    })
    .await?;
    Ok(reply::json(status, &permission(scope, &link)))
}

/// Serves `item/permissions` and `item/permissions/ID`.
pub(super) async fn answer(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    task: PermissionTask,
    payload: Payload,
) -> Result<Response> {
    let node = scope.locate(address).await?.node;
    let all = permissions(scope, &node);
    let select = scope.request.query.get("select");
    let find = |id: &str| all.iter().find(|one| one["id"] == id).ok_or_else(Error::not_found);
    match task {
        PermissionTask::List if scope.if_none_match(&node) => {
            Ok(reply::empty(StatusCode::NOT_MODIFIED))
        }
        PermissionTask::List => {
            let value: Value = all.into_iter().map(|one| project(select, one)).collect();
            Ok(reply::json(StatusCode::OK, &json!({ "value": value })))
        }
        PermissionTask::Get(id) => {
            let found = find(&id)?.clone();
            Ok(reply::json(StatusCode::OK, &project(select, found)))
        }
        PermissionTask::Update(id) => {
            find(&id)?;
            scope.if_match(Some(&node))?;
            invitations::change(scope, node, &id, payload).await
        }
        PermissionTask::Delete(id) => {
            find(&id)?;
            scope.if_match(Some(&node))?;
            delete(scope, node, &id).await?;
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
    }
}

/// Takes a permission of an item back. With a link goes the one that Live Connect has of that type: the
/// cloud knows one link of a type.
async fn delete(scope: &DriveContext<'_>, node: Node, id: &str) -> Result<()> {
    let is = |one: &&Value| one["id"] == id;
    change(scope, node, |node| {
        let links = links(&scope.request.state, node);
        let kind = match links.iter().find(|link| is(link)) {
            Some(link) => link["type"].as_str(),
            None => id.strip_prefix(LIVE),
        };
        let rest = |all: Vec<&Value>| all.into_iter().filter(|one| !is(one)).cloned().collect();
        let mut facets = match kind {
            Some(_) => kept(node, KEPT, rest(links)),
            None => kept(node, invitations::KEPT, rest(invitations::of(node))),
        };
        if let Some(kind) = kind {
            facets.extend(sharing_links::without_link(node, kind).unwrap_or_default());
        }
        Ok(((), facets))
    })
    .await
}

/// The permissions of an item: its links, those of Live Connect, and what was given to people.
pub(super) fn permissions(scope: &DriveContext<'_>, node: &Node) -> Vec<Value> {
    let request = scope.request;
    let links = links(&request.state, node).into_iter().map(|link| permission(scope, link));
    let live = sharing_links::links_of(&request.state, &request.base_url, &scope.account, node);
    let live = live
        .into_iter()
        .map(|(kind, url)| permission_of(&format!("{LIVE}{kind}"), kind, ANONYMOUS, url));
    let people = invitations::of(node).into_iter().map(|one| invitations::permission(scope, one));
    links.chain(live).chain(people).collect()
}

/// The links that lead to an item. A copy has its original's among its own; those are not its.
fn links<'n>(state: &ServerState, node: &'n Node) -> Vec<&'n Value> {
    let kept = planted(node, KEPT).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let leads_here = |link: &&Value| {
        let claims = link["id"].as_str().and_then(|id| claims(state, id));
        claims.is_some_and(|(_, item, ..)| item == node.no)
    };
    kept.iter().filter(leads_here).collect()
}

/// Changes facets of an item by what they are, and returns what `facets_of` does. Repeats that when
/// another request has changed the item meanwhile, so that no change is lost. Without new facets nothing
/// is written.
pub(super) async fn change<T>(
    scope: &DriveContext<'_>,
    mut node: Node,
    facets_of: impl Fn(&Node) -> Result<(T, Map<String, Value>)>,
) -> Result<T> {
    for _ in 0..TRIES {
        let (value, facets) = facets_of(&node)?;
        if facets.is_empty() {
            return Ok(value);
        }
        let change = Change { facets, ..Change::default() };
        let expect = Precondition::Version(node.version);
        let (tree, drive) = (scope.tree(), scope.drive());
        match tree.update(drive, node.no, change, OnConflict::Fail, expect).await {
            Ok(_) => return Ok(value),
            Err(TreeError::Changed) => node = tree.node(drive, node.no).await?,
            Err(error) => return Err(error.into()),
        }
    }
    let why = "Other requests change the item all the time.";
    Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "serviceNotAvailable", why))
}

/// The facets of an item that keeps a list of the server's own.
pub(super) fn kept(node: &Node, name: &str, list: Vec<Value>) -> Map<String, Value> {
    let mut ours = match node.facets.get(FACETS) {
        Some(Value::Object(facets)) => facets.clone(),
        _ => Map::new(),
    };
    ours.insert(name.into(), list.into());
    Map::from_iter([(FACETS.to_owned(), ours.into())])
}

fn permission(scope: &DriveContext<'_>, link: &Value) -> Value {
    let text = |name: &str| link[name].as_str().unwrap_or_default();
    let url = scope.request.base_url.url(&format!("{PREFIX}{}", text("id")));
    permission_of(text("id"), text("type"), text("scope"), url)
}

fn permission_of(id: &str, kind: &str, scope: &str, url: String) -> Value {
    json!({
        "id": id,
        "roles": [if kind == "edit" { "write" } else { "read" }],
        "shareId": id,
        "hasPassword": false,
        "link": {"type": kind, "scope": scope, "webUrl": url, "preventsDownload": false},
    })
}

/// What a link leads to, said by the link.
struct Target {
    account: Arc<Account>,
    node: Node,
    scope: String,
}

/// The account and item that a link's id names, its type and scope.
type Claims = (String, ItemKey, String, String);

fn claims(state: &ServerState, id: &str) -> Option<Claims> {
    state.signer.verify(Purpose::Share, id.strip_prefix("s!")?, Timestamp::now()).ok()
}

/// A link's URL as it was parsed.
pub(super) struct FollowedLink {
    id: String,
    /// `None` if it is invalid.
    claims: Option<Claims>,
}

impl FollowedLink {
    /// Opens a link's path.
    pub(super) fn open(state: &ServerState, path: &str) -> Self {
        let id = path.strip_prefix(PREFIX).unwrap_or_default();
        let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
        let claims = claims(state, &id);
        Self { id, claims }
    }

    /// Returns the account that it names.
    pub(super) fn account(&self) -> Option<String> {
        self.claims.as_ref().map(|(account, ..)| account.clone())
    }
}

/// The item of a link's id, if the item still has the link.
async fn resolve(request: &GraphRequest, id: &str, claims: Option<Claims>) -> Result<Target> {
    let (name, item, _, scope) = claims.ok_or_else(Error::not_found)?;
    let account = request.state.accounts.open(&name).await?;
    let node = request.state.tree.node(account.drive, item).await?;
    if links(&request.state, &node).iter().any(|link| link["id"] == id) {
        Ok(Target { account, node, scope })
    } else {
        Err(Error::not_found())
    }
}

/// The item that a sharing token leads to: a link's id, or its encoded URL (`u!…`).
pub(super) async fn open(
    request: &GraphRequest,
    account: &Account,
    token: &str,
) -> Result<ItemKey> {
    let id = match token.strip_prefix("u!") {
        Some(encoded) => {
            let url =
                URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|url| String::from_utf8(url).ok());
            let url = url.ok_or_else(|| Error::invalid("The sharing token is not a URL."))?;
            url.rsplit('/').next().unwrap_or_default().to_owned()
        }
        None => token.to_owned(),
    };
    let target = resolve(request, &id, claims(&request.state, &id)).await?;
    if target.account.name == account.name { Ok(target.node.no) } else { Err(Error::not_found()) }
}

/// `GET` of a link: to the bytes, without a token. Of a folder there is no page to show.
pub(super) async fn follow(request: &GraphRequest, link: FollowedLink) -> Result<Response> {
    let FollowedLink { id, claims } = link;
    let Target { account, node, scope } = resolve(request, &id, claims).await?;
    // Earlier versions made links for a narrower audience.
    if scope != ANONYMOUS {
        let why = format!("The link is of scope {scope}, which this server does not enforce.");
        return Err(Error::new(StatusCode::FORBIDDEN, "accessDenied", why));
    }
    match download_urls::path(&request.state, &account, &node, false) {
        Some(path) => {
            reply::elsewhere(StatusCode::FOUND, &request.content_url(request.kind(&account), &path))
        }
        None => Err(Error::not_supported("Only links to files can be followed here.")),
    }
}
