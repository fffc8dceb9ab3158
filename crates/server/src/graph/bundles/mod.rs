//! Bundles of personal drives: named lists of items, which stay in their folders. An album is a bundle
//! of photos. Source: the reference's pages on `bundle`.
//!
//! A bundle is a driveItem without a folder. The server stores it as an object of the drive's account;
//! its id has another form than those of items. Only the owner of the drive sees it: bundles cannot be
//! shared here.

mod resource;
mod route;
mod stored;

use axum::response::Response;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

pub(super) use self::route::BundleAction;
use self::stored::{Album, Bundle, BundleProperties};
use super::{
    address::{Anchor, ItemAddress},
    body::on_conflict,
    contract::Payload,
    drive_context::DriveContext,
    drive_item::View,
    error::{Error, Result},
    expand::expand_node,
    filter::ODataFilter,
    item_response::{collection, entity},
    paging::{SKIP_TOKEN, decode_position, encode_position, page_size},
    response,
};
use crate::{
    item_names,
    signed_token::random_name,
    tree::{AccountObject, AccountObjectKind, ItemKey, OnConflict, ROOT, Role},
};

/// Maximum number of items in a bundle. Inferred.
const MAX_ITEMS: usize = 1000;

/// Maximum number of bundles of a drive: a list of them reads all. Inferred.
const MAX_BUNDLES: usize = 1000;

/// The letter after `!` in the ids of bundles. Those of items have `s` or a digit.
const ID_MARK: char = 'b';

/// The body of a request that creates or changes a bundle.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BundleBody {
    name: Option<String>,
    bundle: Option<BundleFacet>,
    children: Vec<ItemBody>,
    #[serde(rename = "@microsoft.graph.conflictBehavior", alias = "@name.conflictBehavior")]
    conflict_behavior: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BundleFacet {
    album: Option<AlbumBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AlbumBody {
    cover_image_item_id: Option<String>,
}

/// An item by its id.
#[derive(Debug, Deserialize)]
struct ItemBody {
    id: String,
}

/// Returns the id in an address if it is that of a bundle; `None` for other addresses.
pub(super) fn id_in_address<'a>(
    context: &DriveContext<'_>,
    address: &'a ItemAddress,
) -> Option<&'a str> {
    match &address.anchor {
        Anchor::Id(id) if address.path.is_empty() => key_of(context, id).map(|_| id.as_str()),
        _ => None,
    }
}

/// Returns the key of the bundle with an id; `None` if the text is no id of a bundle of the drive.
fn key_of<'a>(context: &DriveContext<'_>, id: &'a str) -> Option<&'a str> {
    let (drive, rest) = id.split_once('!')?;
    let key = rest.strip_prefix(ID_MARK)?;
    (context.kind.is_personal() && drive == context.ids.drive_id()).then_some(key)
}

/// Serves a request to the bundles of a drive.
///
/// # Errors
/// 501 on business drives and libraries; 403 or 404 if the caller does not own the drive, or the token
/// covers the application's own folder only; 404 for an unknown bundle; those of the handler; 507 or
/// 500 if the storage fails.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    action: BundleAction,
    payload: Payload,
) -> Result<Response> {
    if !context.kind.is_personal() {
        return Err(Error::not_supported("bundles are not supported for this account."));
    }
    context.check_covered(ROOT).await?;
    if context.base_role != Some(Role::Owner) {
        return Err(Error::not_found());
    }
    match action {
        BundleAction::List => list(context).await,
        BundleAction::Create => create(context, payload).await,
        BundleAction::Get(id) => get(context, &find(context, &id).await?).await,
        BundleAction::Update(id) => update(context, &find(context, &id).await?, payload).await,
        BundleAction::Delete(id) => delete(context, &find(context, &id).await?).await,
        BundleAction::ListItems(id) => list_items(context, &find(context, &id).await?).await,
        BundleAction::AddItem(id) => add_item(context, &find(context, &id).await?, payload).await,
        BundleAction::RemoveItem { bundle, item } => {
            remove_item(context, &find(context, &bundle).await?, &item).await
        }
    }
}

/// Returns the bundle with an id.
///
/// # Errors
/// 404 if the drive has no such bundle, 500 if the storage fails.
async fn find(context: &DriveContext<'_>, id: &str) -> Result<Bundle> {
    let key = key_of(context, id).ok_or_else(Error::not_found)?;
    let kind = AccountObjectKind::Bundle;
    let object = context.tree().account_object(context.drive(), kind, key).await?;
    Bundle::from_object(object).ok_or_else(Error::not_found)
}

/// `GET bundles`: returns the bundles in the order of their creation.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, a filter that cannot be parsed, an expansion, and the
/// page token of another listing; 500 if the storage fails.
async fn list(context: &DriveContext<'_>) -> Result<Response> {
    let query = &context.request.query;
    let selection = &context.request.selection;
    if selection.expands("children") {
        return Err(Error::bad_query("cannot expand 'children' in a list of bundles"));
    }
    let top = page_size(query)?;
    let filter = ODataFilter::from_query(query)?;
    let start = query.get("skiptoken").map(decode_position).transpose()?.unwrap_or(0);
    let mut found = Vec::new();
    for bundle in Bundle::all(context).await? {
        let resource = bundle.describe(context).await?;
        if filter.as_ref().is_none_or(|filter| filter.matches(&resource)) {
            found.push(selection.project(resource));
        }
    }
    Ok(page(context, found, start, top))
}

/// Returns the response with `top` of the resources from the position `start`.
fn page(context: &DriveContext<'_>, all: Vec<Value>, start: u64, top: u64) -> Response {
    let length = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let next = start.saturating_add(top);
    let has_more = next < all.len() as u64;
    let value = all.into_iter().skip(length(start)).take(length(top)).collect();
    let mut body = collection(context, value);
    if has_more {
        let link = context.request.link(SKIP_TOKEN, &encode_position(next));
        body["@odata.nextLink"] = link.into();
    }
    response::json(StatusCode::OK, &body)
}

/// `POST bundles`: creates a bundle of existing items.
///
/// # Errors
/// 400 for a body without a name or the facet `bundle`, a name that is not allowed, more than
/// [`MAX_ITEMS`] items, more than [`MAX_BUNDLES`] bundles, and the conflict behavior `replace`; 404
/// for an item that does not exist or is in the recycle bin; 409 if another bundle has the name, and
/// the request does not rename the new one; 507 or 500 if the storage fails.
async fn create(context: &DriveContext<'_>, payload: Payload) -> Result<Response> {
    let body: BundleBody = payload.parse()?;
    let (Some(name), Some(facet)) = (body.name, body.bundle) else {
        let message = "cannot create the bundle: the body needs a name and the facet bundle";
        return Err(Error::invalid(message));
    };
    check_name(context, &name)?;
    let all = Bundle::all(context).await?;
    if all.len() >= MAX_BUNDLES {
        let message = format!("cannot create the bundle: the drive has {MAX_BUNDLES} already");
        return Err(Error::invalid(message));
    }
    let behavior = body.conflict_behavior.as_deref().map(on_conflict).transpose()?;
    let name = free_name(context, &all, name, behavior.unwrap_or(OnConflict::Fail))?;
    let mut items = Vec::new();
    for item in body.children {
        add(&mut items, live_item(context, &item.id).await?)?;
    }
    let album = match facet.album {
        Some(album) => Some(album.stored(context).await?),
        None => None,
    };
    let properties = BundleProperties { name, album, items, version: 1, content_version: 1 };
    let mut object = AccountObject::new(AccountObjectKind::Bundle, random_name());
    properties.store(&mut object);
    context.tree().put_account_object(context.drive(), object.clone()).await?;
    let bundle = Bundle { object, properties };
    let resource = context.request.selection.project(bundle.describe(context).await?);
    let mut response = response::json(StatusCode::CREATED, &entity(context, resource));
    let path = format!("/drives/{}/items/{}", context.ids.drive_id(), bundle.id(context));
    if let Ok(url) = context.request.url(&path).parse() {
        response.headers_mut().insert(header::LOCATION, url);
    }
    Ok(response)
}

/// Checks the name of a bundle, which follows the rules of folders.
///
/// # Errors
/// 400 if personal drives do not allow it.
fn check_name(context: &DriveContext<'_>, name: &str) -> Result<()> {
    // A bundle has no folder; the root has further rules, which do not apply.
    let no_folder = ItemKey(0);
    Ok(item_names::check(name, true, context.kind, no_folder, &[])?)
}

/// Returns a name that no other bundle of the drive has: `name`, or with `Rename` the first free one of
/// `name 1`, `name 2` and so on.
///
/// # Errors
/// 409 if the name is taken; 400 for `Replace`, which the reference does not describe for bundles.
fn free_name(
    context: &DriveContext<'_>,
    all: &[Bundle],
    name: String,
    behavior: OnConflict,
) -> Result<String> {
    let taken: Vec<String> = all.iter().map(|one| context.fold(&one.properties.name)).collect();
    let is_free = |name: &String| !taken.contains(&context.fold(name));
    match behavior {
        _ if is_free(&name) => Ok(name),
        OnConflict::Fail => Err(Error::name_taken()),
        OnConflict::Replace => {
            Err(Error::invalid("cannot create the bundle: conflictBehavior replace is for items"))
        }
        OnConflict::Rename => {
            let mut numbered = (1_u64..).map(|number| format!("{name} {number}"));
            numbered.find(is_free).ok_or_else(Error::name_taken)
        }
    }
}

/// Returns the key of the live item with an id.
///
/// # Errors
/// 400 for the root folder; 404 if the item does not exist or is in the recycle bin; 500 if the storage
/// fails.
async fn live_item(context: &DriveContext<'_>, id: &str) -> Result<ItemKey> {
    let item = context.tree().node(context.drive(), context.item_key(id)?).await?.no;
    match item {
        ROOT => Err(Error::invalid("cannot add the root folder to a bundle")),
        item => Ok(item),
    }
}

/// Adds an item to the items of a bundle, unless it is one of them.
///
/// # Errors
/// 400 if the bundle has [`MAX_ITEMS`] already.
fn add(items: &mut Vec<ItemKey>, item: ItemKey) -> Result<()> {
    if items.contains(&item) {
        return Ok(());
    }
    if items.len() >= MAX_ITEMS {
        let message = format!("cannot add the item: the bundle has {MAX_ITEMS} already");
        return Err(Error::invalid(message));
    }
    items.push(item);
    Ok(())
}

impl AlbumBody {
    /// Returns the properties to store.
    ///
    /// # Errors
    /// 400 or 404 for the cover, as of [`live_item`]; 500 if the storage fails.
    async fn stored(&self, context: &DriveContext<'_>) -> Result<Album> {
        Ok(match &self.cover_image_item_id {
            Some(id) => Album { cover: Some(live_item(context, id).await?) },
            None => Album::default(),
        })
    }
}

/// `GET bundle`: returns a bundle, and with `$expand=children` its items.
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum; 500 if the storage fails.
async fn get(context: &DriveContext<'_>, bundle: &Bundle) -> Result<Response> {
    if context.request.header(header::IF_NONE_MATCH).is_some_and(|tags| bundle.matches(tags)) {
        return Ok(response::empty(StatusCode::NOT_MODIFIED));
    }
    let mut resource = bundle.describe(context).await?;
    bundle.expand(context, &mut resource).await?;
    let resource = context.request.selection.project(resource);
    Ok(response::json(StatusCode::OK, &entity(context, resource)))
}

/// `PATCH bundle`: changes the name or the cover of the album. Other members have no effect.
///
/// # Errors
/// 400 for a name that is not allowed, and a cover of a bundle that is no album; 404 for a cover that
/// does not exist; 409 if another bundle has the name; 412 if `If-Match` names another version; 507 or
/// 500 if the storage fails.
async fn update(context: &DriveContext<'_>, bundle: &Bundle, payload: Payload) -> Result<Response> {
    let body: BundleBody = payload.parse()?;
    let cover = body.bundle.and_then(|facet| facet.album);
    if cover.is_some() && bundle.properties.album.is_none() {
        return Err(Error::invalid("cannot set the cover: the bundle is not an album"));
    }
    let album = match cover {
        Some(album) => Some(album.stored(context).await?),
        None => None,
    };
    let name = body.name.filter(|name| *name != bundle.properties.name);
    if let Some(name) = &name {
        check_name(context, name)?;
        let mut others = Bundle::all(context).await?;
        others.retain(|other| other.object.id != bundle.object.id);
        free_name(context, &others, name.clone(), OnConflict::Fail)?;
    }
    let changed = change(context, bundle, move |properties| {
        properties.name = name.unwrap_or_else(|| properties.name.clone());
        properties.album = album.or_else(|| properties.album.clone());
        Ok(())
    });
    let changed = changed.await?;
    let resource = context.request.selection.project(changed.describe(context).await?);
    Ok(response::json(StatusCode::OK, &entity(context, resource)))
}

/// Changes the properties of a bundle in one transaction. Returns the changed bundle.
///
/// # Errors
/// Those of `apply`; 404 if the bundle was deleted meanwhile; 412 if `If-Match` names another version;
/// 507 or 500 if the storage fails.
async fn change(
    context: &DriveContext<'_>,
    bundle: &Bundle,
    apply: impl FnOnce(&mut BundleProperties) -> Result<()> + Send + 'static,
) -> Result<Bundle> {
    let tags = context.request.header(header::IF_MATCH).map(str::to_owned);
    let change = move |object: &mut AccountObject| {
        let mut current = Bundle::from_object(object.clone()).ok_or_else(Error::not_found)?;
        if tags.is_some_and(|tags| !current.matches(&tags)) {
            return Err(Error::changed());
        }
        apply(&mut current.properties)?;
        current.properties.version += 1;
        current.properties.store(object);
        Ok(())
    };
    let (kind, id) = (AccountObjectKind::Bundle, &bundle.object.id);
    let changed = context.tree().change_account_object(context.drive(), kind, id, change).await??;
    Bundle::from_object(changed).ok_or_else(Error::not_found)
}

/// `DELETE bundle`: deletes a bundle permanently. Its items remain.
///
/// # Errors
/// 404 if the bundle was deleted meanwhile; 412 if `If-Match` names another version; 507 or 500 if the
/// storage fails.
async fn delete(context: &DriveContext<'_>, bundle: &Bundle) -> Result<Response> {
    if context.request.header(header::IF_MATCH).is_some_and(|tags| !bundle.matches(tags)) {
        return Err(Error::changed());
    }
    let (kind, id) = (AccountObjectKind::Bundle, &bundle.object.id);
    context.tree().remove_account_object(context.drive(), kind, id).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `GET bundle/children`: returns the items of a bundle in the order in which they were added.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, the page token of another listing, and a thumbnail size
/// outside of 1 to the maximum; 500 if the storage fails.
async fn list_items(context: &DriveContext<'_>, bundle: &Bundle) -> Result<Response> {
    let query = &context.request.query;
    let selection = &context.request.selection;
    let top = page_size(query)?;
    let start = query.get("skiptoken").map(decode_position).transpose()?.unwrap_or(0);
    let mut value = Vec::new();
    for node in bundle.live_items(context).await? {
        let mut item = context.describe(&node, View::SearchResult);
        expand_node(context, &node, selection, &mut item).await?;
        value.push(selection.project(item));
    }
    Ok(page(context, value, start, top))
}

/// `POST bundle/children`: adds an item to a bundle. An item of the bundle stays in its place.
///
/// # Errors
/// 400 for a body without an id, the root folder, and more than [`MAX_ITEMS`] items; 404 for an item
/// that does not exist or is in the recycle bin; 412 if `If-Match` names another version; 507 or 500 if
/// the storage fails.
async fn add_item(
    context: &DriveContext<'_>,
    bundle: &Bundle,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    let item = live_item(context, &body.id).await?;
    let add = move |properties: &mut BundleProperties| {
        properties.content_version += 1;
        add(&mut properties.items, item)
    };
    change(context, bundle, add).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `DELETE bundle/children/ID`: removes an item from a bundle. The item itself remains.
///
/// # Errors
/// 404 if the bundle does not have the item; 412 if `If-Match` names another version; 507 or 500 if the
/// storage fails.
async fn remove_item(context: &DriveContext<'_>, bundle: &Bundle, id: &str) -> Result<Response> {
    let item = context.item_key(id)?;
    let remove = move |properties: &mut BundleProperties| {
        let position = properties.items.iter().position(|one| *one == item);
        properties.items.remove(position.ok_or_else(Error::not_found)?);
        properties.content_version += 1;
        Ok(())
    };
    change(context, bundle, remove).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
