//! The part of version 6 with permissions. Earlier versions stored them in the facets of the items.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::AnyConnection;

use super::{
    super::{DriveKey, ItemKey, LinkAudience, Permission, PermissionKind, Role, SharingSummary},
    permissions,
    row::text_of_facets,
    schema::MigrationStep,
};

/// The steps of version 6 for permissions.
pub(super) const PERMISSION_STEPS: &[MigrationStep] =
    &[MigrationStep::Sql(&TABLES), MigrationStep::Code(|sql| Box::pin(move_from_facets(sql)))];

/// `permission.no` orders the permissions of an item by their creation. `kind` and `role` are codes
/// of [`PermissionKind`] and [`Role`]. `grantees` is a JSON array of texts, `details` a JSON object.
/// `grantee` has one row for each of the grantees.
const TABLES: [&str; 3] = [
    "CREATE TABLE permission (
        drive BIGINT NOT NULL, item BIGINT NOT NULL, id TEXT NOT NULL, no BIGINT NOT NULL,
        kind BIGINT NOT NULL, role BIGINT NOT NULL, grantees TEXT NOT NULL,
        created BIGINT NOT NULL, expires BIGINT, details TEXT NOT NULL,
        PRIMARY KEY (drive, item, id))",
    "CREATE TABLE grantee (
        grantee TEXT NOT NULL, drive BIGINT NOT NULL, item BIGINT NOT NULL,
        permission TEXT NOT NULL,
        PRIMARY KEY (grantee, drive, item, permission))",
    "CREATE INDEX grantee_item ON grantee (drive, item)",
];

/// Rows that the migration reads at a time.
const PAGE: i64 = 256;

/// Number of bytes before and after the claims in the id of a link.
const CLAIMS: [usize; 2] = [9, 16];

/// Moves the permissions of all items from their facets to the tables.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn move_from_facets(sql: &mut AnyConnection) -> sqlx::Result<()> {
    let mut after = (i64::MIN, i64::MIN);
    loop {
        let page: Vec<(DriveKey, ItemKey, i64, String)> = sqlx::query_as(
            "SELECT drive, no, modified, facets FROM item \
             WHERE facets IS NOT NULL AND (drive, no) > ($1, $2) ORDER BY drive, no LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(PAGE)
        .fetch_all(&mut *sql)
        .await?;
        let Some((drive, item, ..)) = page.last() else { return Ok(()) };
        after = (drive.0, item.0);
        for (drive, item, modified, facets) in page {
            // Facets that are no JSON are damaged. Reads of the item report them.
            let Ok(facets) = serde_json::from_str::<Map<String, Value>>(&facets) else { continue };
            let created = Timestamp::from_microsecond(modified).unwrap_or_default();
            move_item(sql, drive, item, created, facets).await?;
        }
    }
}

/// Moves the permissions of one item. `created` is their time.
///
/// # Errors
/// `sqlx::Error` if a statement fails.
async fn move_item(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
    created: Timestamp,
    mut facets: Map<String, Value>,
) -> sqlx::Result<()> {
    let before = facets.clone();
    let mut all = take_permissions(item, &mut facets);
    if facets == before {
        return Ok(());
    }
    for permission in &mut all {
        permission.created = created;
        permissions::insert(sql, drive, permission).await?;
    }
    if let Some(summary) = SharingSummary::new(item, &all) {
        let summary = serde_json::to_value(summary).unwrap_or_default();
        facets.insert(SharingSummary::FACET.to_owned(), summary);
    }
    sqlx::query("UPDATE item SET facets = $3 WHERE drive = $1 AND no = $2")
        .bind(drive)
        .bind(item)
        .bind(text_of_facets(&facets))
        .execute(sql)
        .await?;
    Ok(())
}

/// Removes the permissions from the facets of an item, and returns those that are its own: a copied
/// item has the facets of its original.
fn take_permissions(item: ItemKey, facets: &mut Map<String, Value>) -> Vec<Permission> {
    let mut all = Vec::new();
    if let Some(Value::Object(graph)) = facets.get_mut("graph") {
        let links = graph.remove("links");
        all.extend(entries(&links).filter_map(|link| graph_link(item, link)));
        let grants = graph.remove("grants");
        all.extend(entries(&grants).filter_map(|entry| grant(item, entry)));
    }
    if let Some(Value::Object(live)) = facets.get_mut("live") {
        let is_own = live.get("of").and_then(Value::as_i64).is_none_or(|of| of == item.0);
        let links = live.remove("links");
        if is_own {
            for (kind, key) in live_links(&links) {
                add_live_link(&mut all, item, &kind, key);
            }
        }
        if live.remove("public") == Some(Value::Bool(true)) {
            all.push(Permission::new(item, "everyone", PermissionKind::Everyone, Role::Read));
        }
    }
    facets.retain(|_, facet| facet.as_object().is_none_or(|members| !members.is_empty()));
    all
}

/// Returns the entries of a list; none if it is absent.
fn entries(list: &Option<Value>) -> impl Iterator<Item = &Value> {
    list.as_ref().and_then(Value::as_array).into_iter().flatten()
}

/// Returns a link of Graph; `None` if its id names another item.
fn graph_link(item: ItemKey, link: &Value) -> Option<Permission> {
    let id = link["id"].as_str()?;
    let bytes = URL_SAFE_NO_PAD.decode(id.strip_prefix("s!")?).ok()?;
    let claims = bytes.get(CLAIMS[0]..bytes.len().checked_sub(CLAIMS[1])?)?;
    let (_, named, kind, scope): (String, ItemKey, String, String) =
        serde_json::from_slice(claims).ok()?;
    let audience = match scope.as_str() {
        "organization" => LinkAudience::Organization,
        "users" => LinkAudience::Users,
        _ => LinkAudience::Anonymous,
    };
    let role = if kind == "edit" { Role::Write } else { Role::Read };
    let mut permission = Permission::new(item, id, PermissionKind::Link(audience), role);
    permission.details.embed = kind == "embed";
    (named == item).then_some(permission)
}

/// Returns the permission of an invitation; `None` if it is that of another item.
fn grant(item: ItemKey, grant: &Value) -> Option<Permission> {
    let address = grant["who"].as_str()?;
    let role = if grant["role"] == "write" { Role::Write } else { Role::Read };
    let id = grant["id"].as_str()?;
    let mut permission = Permission::new(item, id, PermissionKind::Users, role);
    permission.grantees = vec![format!("name:{}", address.to_lowercase())];
    permission.details.invited = Some(address.to_owned());
    permission.details.sign_in = grant["signIn"] == true;
    (grant["item"] == item.0).then_some(permission)
}

/// Returns the links of Live Connect: the key of each kind. The first versions stored a list of kinds,
/// whose keys are empty.
fn live_links(links: &Option<Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match links {
        Some(Value::Array(kinds)) => kinds.iter().map(|kind| (text(kind), String::new())).collect(),
        Some(Value::Object(keys)) => {
            keys.iter().map(|(kind, key)| (kind.clone(), text(key))).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// Adds the key of a link of Live Connect to Graph's link of the same kind, or adds a link.
fn add_live_link(all: &mut Vec<Permission>, item: ItemKey, kind: &str, key: String) {
    let (role, embed) = match kind {
        "edit" => (Role::Write, false),
        "embed" => (Role::Read, true),
        _ => (Role::Read, false),
    };
    let anonymous = PermissionKind::Link(LinkAudience::Anonymous);
    let is_same =
        |it: &&mut Permission| (it.kind, it.role, it.details.embed) == (anonymous, role, embed);
    match all.iter_mut().find(is_same) {
        Some(link) => link.details.key = key,
        None => {
            let id = format!("live!{}", if kind == "read" { "view" } else { kind });
            let mut link = Permission::new(item, id, anonymous, role);
            (link.details.embed, link.details.key) = (embed, key);
            all.push(link);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facets(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn permissions_in_facets_become_permissions_of_their_own_item() {
        let claims = json!(["anna", 107, "view", "anonymous"]).to_string();
        let token = [&[0; CLAIMS[0]], claims.as_bytes(), &[0; CLAIMS[1]]].concat();
        let link = format!("s!{}", URL_SAFE_NO_PAD.encode(token));
        let stored = facets(json!({
            "graph": {
                "links": [{"id": link, "type": "view", "scope": "anonymous"}],
                "grants": [
                    {"id": "g", "item": 107, "who": "Bea@a.example", "role": "write", "signIn": true}
                ],
                "malware": {},
            },
            "live": {"of": 107, "links": {"read": "k1", "edit": "k2"}, "public": true},
        }));
        let mut own = stored.clone();
        let all = take_permissions(ItemKey(107), &mut own);
        let shown: Vec<_> = all.iter().map(|it| (&*it.id, it.role, &*it.details.key)).collect();
        assert_eq!(
            shown,
            [
                (&*link, Role::Read, "k1"),
                ("g", Role::Write, ""),
                ("live!edit", Role::Write, "k2"),
                ("everyone", Role::Read, "")
            ]
        );
        assert_eq!(all[1].grantees, ["name:bea@a.example"]);
        let left = facets(json!({"graph": {"malware": {}}, "live": {"of": 107}}));
        assert_eq!(own, left);
        let mut copied = stored;
        let of_copy = take_permissions(ItemKey(108), &mut copied);
        assert_eq!(of_copy.iter().map(|it| &*it.id).collect::<Vec<_>>(), ["everyone"]);
        assert_eq!(copied, left);
    }

    #[test]
    fn links_without_keys_have_empty_keys() {
        let mut stored = facets(json!({"live": {"links": ["read"]}}));
        let all = take_permissions(ItemKey(107), &mut stored);
        assert_eq!((all.len(), &*all[0].id, &*all[0].details.key), (1, "live!view", ""));
        assert!(stored.is_empty());
    }
}
