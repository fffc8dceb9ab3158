//! Parses `$select` and `$expand`, and reduces resources to the selected properties.

use serde_json::Value;

use super::{
    error::{Error, Result},
    query::{QueryOptions, SYSTEM_OPTIONS},
};

/// The properties and relations of a driveItem in the metadata of v1.0.
pub(super) const ITEM_PROPERTIES: &[&str] = &[
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

/// Relations that this server expands.
const EXPANDABLE: &[&str] =
    &["children", "listItem", "permissions", "retentionLabel", "thumbnails", "versions"];

/// Relations of a listItem that this server expands within a driveItem.
const LIST_ITEM_RELATIONS: &[&str] = &["fields"];

/// Maximum nesting depth of expansions: children, and the relations of the children.
const MAX_DEPTH: usize = 2;

/// Maximum number of relations in one `$expand`, because each is loaded for every item. Inferred.
const MAX_EXPANSIONS: usize = 16;

/// Maximum number of names in one `$select`. Each name is compared with every property of every
/// item on a page, and may be a thumbnail size. Inferred; an item has 44 properties.
const MAX_SELECTED: usize = 200;

/// The properties and relations of an item that a request selects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// Names of the selected properties; `None` for all of them, which is the default.
    properties: Option<Vec<String>>,
    pub(super) expanded: Vec<Expansion>,
}

/// An expanded relation: it is returned with its item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expansion {
    pub(super) name: String,
    pub(super) selection: Selection,
    /// Number of children on the first page; `None` for the default.
    pub(super) top: Option<u64>,
    /// Names and values of the options as sent, for the link to the next page.
    pub(super) options: Vec<(String, String)>,
}

impl Selection {
    /// Parses `$select` and `$expand`. `relations` are those that can be expanded; if empty, those
    /// of a driveItem.
    ///
    /// # Errors
    /// 400 for an unknown relation or option, a `$top` that is no number above 0, more than
    /// [`MAX_SELECTED`] names, and more than [`MAX_EXPANSIONS`] relations; 501 for a relation or
    /// option that this server does not implement at this place, and for relations deeper than
    /// [`MAX_DEPTH`].
    pub(super) fn from_query(query: &QueryOptions, relations: &[&str]) -> Result<Self> {
        Self::parse(query.get("select"), query.get("expand"), 1, relations)
    }

    /// Parses the values of `$select` and `$expand`. `depth` is the depth of this expansion, 1 for
    /// that of the query.
    ///
    /// # Errors
    /// 400 for an unknown relation or option, a `$top` that is no number above 0, more than
    /// [`MAX_SELECTED`] names, and more than [`MAX_EXPANSIONS`] relations; 501 for a relation or
    /// option that this server does not implement at this place, and for relations deeper than
    /// [`MAX_DEPTH`].
    fn parse(
        select: Option<&str>,
        expand: Option<&str>,
        depth: usize,
        relations: &[&str],
    ) -> Result<Self> {
        check_select(select)?;
        let properties = select.map(properties).filter(|all| !is_everything(all));
        let expanded = match expand {
            Some(text) if split(text, ',').nth(MAX_EXPANSIONS).is_some() => {
                let message = format!("cannot expand more than {MAX_EXPANSIONS} relations");
                return Err(Error::bad_query(message));
            }
            Some(text) => split(text, ',')
                .map(|text| Expansion::parse(text, depth, relations))
                .collect::<Result<_>>()?,
            None => Vec::new(),
        };
        Ok(Self { properties, expanded })
    }

    /// Returns the selected names; empty if all properties are selected.
    pub(super) fn names(&self) -> &[String] {
        self.properties.as_deref().unwrap_or_default()
    }

    /// Returns an item with only its selected properties and expanded relations. The etag is always
    /// added.
    pub(super) fn project(&self, item: Value) -> Value {
        let (Some(wanted), Value::Object(properties)) = (&self.properties, &item) else {
            return item;
        };
        let etag = properties.get("eTag").map(|etag| ("@odata.etag".to_owned(), etag.clone()));
        let kept = properties.iter().filter(|(name, _)| {
            let relation = name.split_once('@').map_or(name.as_str(), |(relation, _)| relation);
            is_wanted(wanted, name) || self.expanded.iter().any(|one| one.name == relation)
        });
        kept.map(|(name, value)| (name.clone(), value.clone())).chain(etag).collect()
    }

    /// Returns a resource other than an item with only its selected properties. Unknown names have
    /// no effect.
    pub(super) fn project_resource(&self, resource: Value) -> Value {
        match (&self.properties, resource) {
            (Some(wanted), Value::Object(properties)) => properties
                .into_iter()
                .filter(|(name, _)| name.starts_with('@') || wanted.contains(name))
                .collect(),
            (_, resource) => resource,
        }
    }

    /// Returns whether a relation, such as `permissions`, is expanded, for the item itself or for
    /// items that are expanded with it.
    pub(super) fn expands(&self, relation: &str) -> bool {
        self.expanded.iter().any(|one| one.name == relation || one.selection.expands(relation))
    }
}

/// Returns whether a list of names selects all properties: it is empty or contains `*`.
fn is_everything(properties: &[String]) -> bool {
    properties.is_empty() || properties.iter().any(|name| name == "*")
}

/// Returns whether a property is selected. The annotation of the download URL has several spellings
/// (onedrive-graph#select-download-url).
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

/// Returns the names in `$select`, separated by commas; of a path such as `file/hashes`, the first
/// one. An unknown name selects nothing (inferred: clients of the cloud select `title`, `driveId`,
/// `siteId`).
pub(super) fn properties(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            // A path such as `file/hashes` selects the whole property.
            name.split('/').next().unwrap_or(name).to_owned()
        })
        .collect()
}

/// Checks the number of names in `$select`.
///
/// # Errors
/// 400 if there are more than [`MAX_SELECTED`].
fn check_select(select: Option<&str>) -> Result<()> {
    match select.is_some_and(|text| text.split(',').nth(MAX_SELECTED).is_some()) {
        true => Err(Error::bad_query(format!("cannot select more than {MAX_SELECTED} names"))),
        false => Ok(()),
    }
}

/// Checks that an item can have a property. Names are case-sensitive.
///
/// # Errors
/// 400 for a name that is not in [`ITEM_PROPERTIES`].
pub(super) fn check_property(name: &str) -> Result<()> {
    if ITEM_PROPERTIES.contains(&name) {
        return Ok(());
    }
    Err(Error::bad_query(format!(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
         'microsoft.graph.driveItem'."
    )))
}

impl Expansion {
    /// Parses `children` or `children($select=id,name;$top=5;$expand=thumbnails)`. `depth` is the
    /// depth of the expansion, 1 for that of the query.
    ///
    /// # Errors
    /// 400 for an unknown relation or option, a `$top` that is no number above 0, and more than
    /// [`MAX_SELECTED`] names; 501 for a relation or option that this server does not implement at
    /// this place, and for relations deeper than [`MAX_DEPTH`].
    fn parse(text: &str, depth: usize, relations: &[&str]) -> Result<Self> {
        let (name, options) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix(')').unwrap_or(rest)),
            None => (text.trim(), ""),
        };
        if !relations.is_empty() && !relations.contains(&name) {
            return Err(unsupported(name));
        }
        if relations.is_empty() && !EXPANDABLE.contains(&name) {
            check_property(name)?;
            return Err(unsupported(name));
        }
        let is_inner = depth > 1;
        if depth > MAX_DEPTH || (is_inner && name == "children") {
            return Err(Error::unsupported(format_args!(
                "expand '{name}' within another relation"
            )));
        }
        let mut expansion = Self {
            name: name.into(),
            selection: Selection::default(),
            top: None,
            options: Vec::new(),
        };
        let (mut select, mut expand) = (None, None);
        for option in split(options, ';') {
            let (given, value) = option.split_once('=').unwrap_or((option, ""));
            let (given, value) = (given.trim(), value.trim());
            let known = given.strip_prefix('$').unwrap_or(given);
            match (known, name) {
                ("select", _) => select = Some(value),
                ("expand", "children" | "listItem") => expand = Some(value),
                ("top", "children") => {
                    let top = value.parse().ok().filter(|top| *top > 0);
                    let refuse = || {
                        let message =
                            format!("cannot expand '{text}': $top is not a positive number");
                        Error::bad_query(message)
                    };
                    expansion.top = Some(top.ok_or_else(refuse)?);
                }
                (other, _) if SYSTEM_OPTIONS.contains(&other) || other == "levels" => {
                    return Err(Error::unsupported(format_args!(
                        "apply the query option '{given}' within $expand={name}"
                    )));
                }
                _ => {
                    return Err(Error::bad_query(format!(
                        "cannot apply the query option '{given}' within $expand={name}: it is unknown"
                    )));
                }
            }
            expansion.options.push((known.into(), value.into()));
        }
        let relations = if name == "listItem" { LIST_ITEM_RELATIONS } else { &[] };
        expansion.selection = Selection::parse(select, expand, depth + 1, relations)?;
        Ok(expansion)
    }
}

/// Returns 501 for a relation that this server does not expand.
fn unsupported(relation: &str) -> Error {
    Error::unsupported(format_args!("expand '{relation}'"))
}

/// Splits a text at a character, but not inside parentheses. Leaves empty parts out.
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
        Selection::parse(Some(text), None, 1, &[]).unwrap()
    }

    #[test]
    fn a_selection_keeps_its_properties_and_the_etag() {
        let item =
            json!({"id": "1", "name": "a", "eTag": "e", "@microsoft.graph.downloadUrl": "u"});
        assert_eq!(select("id").project(item.clone()), json!({"id": "1", "@odata.etag": "e"}));
        assert_eq!(Selection::default().project(item.clone()), item);
        for name in ["@microsoft.graph.downloadUrl", "@content.downloadUrl", "content.downloadUrl"]
        {
            let projected = select(name).project(item.clone());
            assert_eq!(projected["@microsoft.graph.downloadUrl"], "u", "{name}");
        }
    }

    #[test]
    fn an_unknown_property_is_ignored_in_select_and_refused_in_expand() {
        let item = json!({"id": "1", "name": "a", "eTag": "e"});
        assert_eq!(select("id,colour").project(item), json!({"id": "1", "@odata.etag": "e"}));
        let refused = |relation| Selection::parse(None, Some(relation), 1, &[]).unwrap_err();
        assert!(refused("activities").message.contains("'activities'"));
        assert_eq!(refused("analytics").status, http::StatusCode::NOT_IMPLEMENTED);
    }

    #[test]
    fn an_expansion_has_options() {
        let selection =
            Selection::parse(None, Some("children($select=id,name;$top=5),thumbnails"), 1, &[])
                .unwrap();
        assert_eq!(selection.expanded.len(), 2);
        assert_eq!(selection.expanded[0].top, Some(5));
        assert_eq!(selection.expanded[0].selection, select("id,name"));
        assert_eq!(selection.expanded[1].name, "thumbnails");
    }
    #[test]
    fn a_star_selects_everything() {
        let item = json!({"id": "1", "name": "a", "eTag": "e"});
        for text in ["*", "id,*", "", " "] {
            assert_eq!(select(text).project(item.clone()), item, "{text}");
            assert_eq!(select(text).project_resource(item.clone()), item, "{text}");
        }
        assert_eq!(select("id").project_resource(item), json!({"id": "1"}));
    }

    #[test]
    fn a_selection_has_a_limited_number_of_names() {
        let names = |count| vec!["id"; count].join(",");
        assert!(Selection::parse(Some(&names(200)), None, 1, &[]).is_ok());
        let error = Selection::parse(Some(&names(201)), None, 1, &[]).unwrap_err();
        assert_eq!(error.status, http::StatusCode::BAD_REQUEST);
    }

    #[test]
    fn an_expanded_relation_does_not_depend_on_the_selection() {
        let item = json!({"id": "1", "name": "a", "children": [], "children@odata.nextLink": "u"});
        let selection = Selection::parse(Some("id"), Some("children"), 1, &[]).unwrap();
        let expected = json!({"id": "1", "children": [], "children@odata.nextLink": "u"});
        assert_eq!(selection.project(item), expected);
    }

    #[test]
    fn an_expansion_nests_once_and_refuses_options_by_name() {
        let expand = |text: &str| Selection::parse(None, Some(text), 1, &[]);
        let nested = expand("children($expand=thumbnails($select=c9x9))").unwrap();
        assert_eq!(nested.expanded[0].selection.expanded[0].selection.names(), ["c9x9"]);
        let deep = format!("{}children{}", "children($expand=".repeat(9000), ")".repeat(9000));
        for (text, status, named) in [
            ("children($expand=children)", 501, "'children'"),
            (&deep, 501, "'children'"),
            ("children($filter=x)", 501, "'$filter'"),
            ("thumbnails($top=1)", 501, "'$top'"),
            ("children($colour=x)", 400, "'$colour'"),
            ("children($top=0)", 400, "$top"),
            ("colour", 400, "'colour'"),
            (&vec!["children"; 17].join(","), 400, "16 relations"),
            (&format!("thumbnails($select={})", ["c1x1"; 201].join(",")), 400, "200 names"),
        ] {
            let error = expand(text).unwrap_err();
            assert_eq!(error.status.as_u16(), status, "{text}");
            assert!(error.message.contains(named), "{}", error.message);
        }
    }
}
