//! Permissions and sharing links (`onedrive-graph.md`, A16).
//!
//! A link's id says, signed, to which item it leads; the item remembers which links it has, so a
//! link that was taken back leads nowhere.

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
    describe::{FACETS, planted},
    error::{Error, Result},
    grants, reply,
    scope::Scope,
    select::project,
    task::PermissionTask,
    visit::Visit,
};
use crate::server::{
    account::Account,
    app::App,
    seal::Purpose,
    tree::{Change, Expect, ItemNo, Node, OnConflict},
};

/// How a link's path begins.
pub(in crate::server) const PREFIX: &str = "/s/";

/// Under which name an item keeps its links.
pub(super) const KEPT: &str = "links";

/// How long a link leads to its item, if it is not taken back.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(100 * 365 * 24);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LinkBody {
    r#type: String,
    scope: Option<String>,
}

/// `POST item/createLink`.
pub(super) async fn create_link(
    scope: &Scope<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: LinkBody = payload.parse()?;
    if !["view", "edit", "embed"].contains(&body.r#type.as_str()) {
        return Err(Error::invalid(format!(
            "A link's type is view, edit or embed, not {:?}.",
            body.r#type
        )));
    }
    let to_whom = body.scope.as_deref().filter(|scope| !scope.is_empty()).unwrap_or("anonymous");
    if !["anonymous", "organization", "users"].contains(&to_whom) {
        return Err(Error::invalid(format!(
            "A link's scope is anonymous, organization or users, not {to_whom:?}."
        )));
    }
    let node = scope.locate(address).await?.node;
    let all = links(&scope.visit.app, &node);
    let known =
        all.iter().find(|link| link["type"] == body.r#type.as_str() && link["scope"] == to_whom);
    if let Some(link) = known {
        return Ok(reply::json(StatusCode::OK, &permission(scope, link)));
    }
    let expires = Timestamp::now() + LINK_LIFE;
    let claims = (&scope.account.name, node.no, &body.r#type, to_whom);
    let sealed = scope.visit.app.seal.seal(Purpose::Share, expires, &claims);
    let link = json!({"id": format!("s!{sealed}"), "type": body.r#type, "scope": to_whom});
    let all = all.into_iter().chain([&link]).cloned().collect();
    keep(scope, &node, KEPT, all).await?;
    Ok(reply::json(StatusCode::CREATED, &permission(scope, &link)))
}

/// Serves `item/permissions` and `item/permissions/ID`.
pub(super) async fn answer(
    scope: &Scope<'_>,
    address: &ItemAddress,
    task: PermissionTask,
    payload: Payload,
) -> Result<Response> {
    let node = scope.locate(address).await?.node;
    let all = permissions(scope, &node);
    let select = scope.visit.query.get("select");
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
            grants::change(scope, &node, &id, payload).await
        }
        PermissionTask::Delete(id) => {
            let permission = find(&id)?;
            scope.if_match(Some(&node))?;
            let (kept, all) = match permission.get("link") {
                Some(_) => (KEPT, links(&scope.visit.app, &node)),
                None => (grants::KEPT, grants::of(&node)),
            };
            let rest = all.into_iter().filter(|one| one["id"] != id.as_str()).cloned().collect();
            keep(scope, &node, kept, rest).await?;
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
    }
}

/// The permissions of an item: its links, and what was given to people.
pub(super) fn permissions(scope: &Scope<'_>, node: &Node) -> Vec<Value> {
    let links = links(&scope.visit.app, node).into_iter().map(|link| permission(scope, link));
    links.chain(grants::of(node).into_iter().map(|one| grants::permission(scope, one))).collect()
}

/// The links that lead to an item. A copy has its original's among its own; those are not its.
fn links<'n>(app: &App, node: &'n Node) -> Vec<&'n Value> {
    let kept = planted(node, KEPT).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let leads_here = |link: &&Value| {
        let claims = link["id"].as_str().and_then(|id| claims(app, id));
        claims.is_some_and(|(_, item, ..)| item == node.no)
    };
    kept.iter().filter(leads_here).collect()
}

/// Has an item keep a list of the server's own.
pub(super) async fn keep(
    scope: &Scope<'_>,
    node: &Node,
    name: &str,
    list: Vec<Value>,
) -> Result<()> {
    let mut ours = match node.facets.get(FACETS) {
        Some(Value::Object(facets)) => facets.clone(),
        _ => Map::new(),
    };
    ours.insert(name.into(), list.into());
    let mut change = Change::default();
    change.facets.insert(FACETS.into(), ours.into());
    scope.tree().update(scope.drive(), node.no, change, OnConflict::Fail, Expect::Any).await?;
    Ok(())
}

fn permission(scope: &Scope<'_>, link: &Value) -> Value {
    let id = link["id"].as_str().unwrap_or_default();
    let role = if link["type"] == "edit" { "write" } else { "read" };
    json!({
        "id": id,
        "roles": [role],
        "shareId": id,
        "hasPassword": false,
        "link": {
            "type": link["type"],
            "scope": link["scope"],
            "webUrl": scope.visit.origin.url(&format!("{PREFIX}{id}")),
            "preventsDownload": false,
        },
    })
}

/// What a link leads to, said by the link.
struct Target {
    account: Arc<Account>,
    node: Node,
}

/// The account and item that a link's id names, its type and scope.
type Claims = (String, ItemNo, String, String);

fn claims(app: &App, id: &str) -> Option<Claims> {
    app.seal.open(Purpose::Share, id.strip_prefix("s!")?, Timestamp::now()).ok()
}

/// The account that a link's path names.
pub(super) fn account_of(app: &App, path: &str) -> Option<String> {
    let id = percent_decode_str(path.strip_prefix(PREFIX)?).decode_utf8_lossy();
    claims(app, &id).map(|(account, ..)| account)
}

/// The item of a link's id, if the item still has the link.
async fn resolve(visit: &Visit, id: &str) -> Result<Target> {
    let (name, item, ..) = claims(&visit.app, id).ok_or_else(Error::not_found)?;
    let account = visit.app.account(&name).await?;
    let node = visit.app.tree.node(account.drive, item).await?;
    if links(&visit.app, &node).iter().any(|link| link["id"] == id) {
        Ok(Target { account, node })
    } else {
        Err(Error::not_found())
    }
}

/// The item that a sharing token leads to: a link's id, or its encoded URL (`u!…`).
pub(super) async fn open(visit: &Visit, account: &Account, token: &str) -> Result<ItemNo> {
    let id = match token.strip_prefix("u!") {
        Some(encoded) => {
            let url =
                URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|url| String::from_utf8(url).ok());
            let url = url.ok_or_else(|| Error::invalid("The sharing token is not a URL."))?;
            url.rsplit('/').next().unwrap_or_default().to_owned()
        }
        None => token.to_owned(),
    };
    let target = resolve(visit, &id).await?;
    if target.account.name == account.name { Ok(target.node.no) } else { Err(Error::not_found()) }
}

/// `GET` of a link: to the bytes, without a token. Of a folder there is no page to show.
pub(super) async fn follow(visit: &Visit) -> Result<Response> {
    let id = visit.path.strip_prefix(PREFIX).ok_or_else(Error::not_found)?;
    let id = percent_decode_str(id).decode_utf8_lossy();
    let Target { account, node } = resolve(visit, &id).await?;
    match visit.app.ticket(&account, &node, false) {
        Some(path) => {
            reply::elsewhere(StatusCode::FOUND, &visit.content_url(visit.kind(&account), &path))
        }
        None => Err(Error::not_supported("Only links to files can be followed here.")),
    }
}
