//! `$select` and `$expand`: which properties are wanted, and which related items.

use serde_json::Value;

use super::{
    error::{Error, Result},
    query::Query,
};

/// What a driveItem may be asked for: its properties and relations in v1.0's metadata.
const KNOWN: &[&str] = &[
    "analytics",
    "audio",
    "bundle",
    "cTag",
    "children",
    "content",
    "createdBy",
    "createdByUser",
    "createdDateTime",
    "deleted",
    "description",
    "eTag",
    "file",
    "fileSystemInfo",
    "folder",
    "id",
    "image",
    "lastModifiedBy",
    "lastModifiedByUser",
    "lastModifiedDateTime",
    "listItem",
    "location",
    "malware",
    "name",
    "package",
    "parentReference",
    "pendingOperations",
    "permissions",
    "photo",
    "publication",
    "remoteItem",
    "retentionLabel",
    "root",
    "searchResult",
    "shared",
    "sharepointIds",
    "size",
    "specialFolder",
    "subscriptions",
    "thumbnails",
    "versions",
    "video",
    "webDavUrl",
    "webUrl",
];

/// Relations that can be expanded here.
const EXPANDED: &[&str] = &["children", "permissions", "thumbnails"];

/// What of an item is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// `None`: everything that is told by default.
    properties: Option<Vec<String>>,
    pub(super) expanded: Vec<Expansion>,
}

/// A relation that is wanted with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expansion {
    pub(super) name: String,
    pub(super) selection: Selection,
    pub(super) top: Option<u64>,
}

impl Selection {
    /// What a query asks for.
    pub(super) fn of(query: &Query) -> Result<Self> {
        Self::parse(query.get("select"), query.get("expand"))
    }

    fn parse(select: Option<&str>, expand: Option<&str>) -> Result<Self> {
        let properties = select.map(properties).filter(|all| !all.is_empty());
        let expanded = match expand {
            Some(text) => split(text, ',').map(Expansion::parse).collect::<Result<_>>()?,
            None => Vec::new(),
        };
        Ok(Self { properties, expanded })
    }

    /// Leaves of an item what is wanted.
    pub(super) fn project(&self, item: Value) -> Value {
        let (Some(wanted), Value::Object(properties)) = (&self.properties, &item) else {
            return item;
        };
        let etag = properties.get("eTag").map(|etag| ("@odata.etag".to_owned(), etag.clone()));
        let kept = properties.iter().filter(|(name, _)| is_wanted(wanted, name));
        kept.map(|(name, value)| (name.clone(), value.clone())).chain(etag).collect()
    }
}

/// Whether a property was asked for; a ticket's annotation is, in several spellings (A5).
fn is_wanted(wanted: &[String], property: &str) -> bool {
    let plain = |name: &str| {
        let name = name.strip_prefix('@').unwrap_or(name);
        name.strip_prefix("microsoft.graph.")
            .or_else(|| name.strip_prefix("content."))
            .unwrap_or(name)
            .to_owned()
    };
    let property = plain(property);
    wanted.iter().any(|name| plain(name) == property)
}

/// What is to be told of an item. A name that no item has tells nothing (inferred: clients that work
/// with the cloud select `title`, `driveId`, `siteId`).
fn properties(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            // Of a structure, all is told.
            name.split('/').next().unwrap_or(name).to_owned()
        })
        .collect()
}

/// Refuses what is no property of an item.
pub(super) fn check_property(name: &str) -> Result<()> {
    if KNOWN.contains(&name) {
        return Ok(());
    }
    Err(Error::bad_query(format!(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
         'microsoft.graph.driveItem'."
    )))
}

impl Expansion {
    /// Reads `children` or `children($select=id,name;$top=5)`.
    fn parse(text: &str) -> Result<Self> {
        let (name, options) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix(')').unwrap_or(rest)),
            None => (text.trim(), ""),
        };
        if !EXPANDED.contains(&name) {
            check_property(name)?;
            return Err(Error::not_supported(format!("'{name}' cannot be expanded here.")));
        }
        let option = |wanted: &str| {
            split(options, ';').find_map(|option| {
                let (name, value) = option.split_once('=')?;
                let name = name.trim();
                (name.strip_prefix('$').unwrap_or(name) == wanted).then(|| value.trim())
            })
        };
        let top = match option("top").map(str::parse) {
            None => None,
            Some(Ok(top)) => Some(top),
            Some(Err(_)) => {
                return Err(Error::bad_query(format!("In '{text}', $top is not a number.")));
            }
        };
        let selection = Selection::parse(option("select"), option("expand"))?;
        Ok(Self { name: name.into(), selection, top })
    }
}

/// Splits outside parentheses.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let is_end = move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == at && depth == 0
    };
    text.split(is_end).filter(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn select(text: &str) -> Selection {
        Selection::parse(Some(text), None).unwrap()
    }

    #[test]
    fn only_what_is_selected_stays_and_the_etag_with_it() {
        let item =
            json!({"id": "1", "name": "a", "eTag": "e", "@microsoft.graph.downloadUrl": "u"});
        assert_eq!(select("id").project(item.clone()), json!({"id": "1", "@odata.etag": "e"}));
        assert_eq!(Selection::default().project(item.clone()), item);
        for ticket in
            ["@microsoft.graph.downloadUrl", "@content.downloadUrl", "content.downloadUrl"]
        {
            let projected = select(ticket).project(item.clone());
            assert_eq!(projected["@microsoft.graph.downloadUrl"], "u", "{ticket}");
        }
    }

    #[test]
    fn an_unknown_property_is_told_by_none_and_expanded_by_none() {
        let item = json!({"id": "1", "name": "a", "eTag": "e"});
        assert_eq!(select("id,colour").project(item), json!({"id": "1", "@odata.etag": "e"}));
        let refused = |relation| Selection::parse(None, Some(relation)).unwrap_err();
        assert!(refused("activities").message.contains("'activities'"));
        assert_eq!(refused("listItem").status, http::StatusCode::NOT_IMPLEMENTED);
    }

    #[test]
    fn an_expansion_has_options_of_its_own() {
        let selection =
            Selection::parse(None, Some("children($select=id,name;$top=5),thumbnails")).unwrap();
        assert_eq!(selection.expanded.len(), 2);
        assert_eq!(selection.expanded[0].top, Some(5));
        assert_eq!(selection.expanded[0].selection, select("id,name"));
        assert_eq!(selection.expanded[1].name, "thumbnails");
    }
}
