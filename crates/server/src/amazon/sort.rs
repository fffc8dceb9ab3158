//! The parameter `sort`: `["name ASC"]`, `['createdDate DESC']`, with either quotes
//! (amazon-drive#sort).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{
    content_properties::content_date,
    error::{AmazonError, Result},
    filter::Field,
    node::{kind, md5},
};
use crate::tree::{ItemKey, Node};

/// The sort fields in order, each with whether it is descending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sort(Vec<(Field, bool)>);

/// The sort value of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum SortKey {
    Number(i64),
    Text(String),
}

impl Sort {
    /// Parses the query parameter `sort`, such as `["name ASC"]`.
    ///
    /// # Errors
    /// 400 if the text is not a list in brackets, an entry is not quoted, a field is unknown or
    /// cannot be sorted by, or a direction is neither `ASC` nor `DESC`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = |what: String| AmazonError::invalid(format!("Invalid sort: {what}"));
        let inner = text
            .trim()
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .ok_or_else(|| bad("expected a list in brackets".into()))?;
        let mut fields = Vec::new();
        for entry in inner.split(',') {
            let entry = entry.trim();
            let unquoted = ['"', '\'']
                .into_iter()
                .find_map(|quote| entry.strip_prefix(quote)?.strip_suffix(quote))
                .ok_or_else(|| bad(format!("{entry} is not quoted")))?;
            let mut words = unquoted.split_whitespace();
            let name = words.next().unwrap_or_default();
            let field = Field::parse(name)
                .filter(|field| is_sortable(*field))
                .ok_or_else(|| bad(format!("cannot sort by '{name}'")))?;
            let descending = match (words.next(), words.next()) {
                (None | Some("ASC" | "asc"), None) => false,
                (Some("DESC" | "desc"), None) => true,
                _ => return Err(bad(format!("'{unquoted}' is not 'FIELD ASC' or 'FIELD DESC'"))),
            };
            fields.push((field, descending));
        }
        Ok(Self(fields))
    }

    /// Returns the sort values of a node, one per field.
    pub(super) fn keys(&self, node: &Node) -> Vec<SortKey> {
        self.0.iter().map(|(field, _)| key(node, *field)).collect()
    }
}

/// Returns whether nodes can be sorted by a field: it has one value per node.
fn is_sortable(field: Field) -> bool {
    !matches!(
        field,
        Field::Parents | Field::Labels | Field::Description | Field::Status | Field::IsRoot
    )
}

/// Returns the sort value of a field. Names and extensions ignore case. A field that the node does
/// not have is empty text; the id is the item's key.
fn key(node: &Node, field: Field) -> SortKey {
    match field {
        Field::Name => SortKey::Text(crate::tree::fold(&node.name)),
        Field::Kind => SortKey::Text(kind(node).to_owned()),
        Field::CreatedDate => SortKey::Number(node.created.as_microsecond()),
        Field::ModifiedDate => SortKey::Number(node.modified.as_microsecond()),
        Field::ContentDate => SortKey::Number(content_date(node).as_microsecond()),
        Field::Size => SortKey::Number(i64::try_from(node.size).unwrap_or(i64::MAX)),
        Field::Md5 => SortKey::Text(md5(node).unwrap_or_default()),
        Field::ContentType => SortKey::Text(node.media_type.clone().unwrap_or_default()),
        Field::Extension => SortKey::Text(
            node.name.rsplit_once('.').map(|(_, end)| end.to_lowercase()).unwrap_or_default(),
        ),
        _ => SortKey::Number(node.no.0),
    }
}

/// Compares two nodes, given as sort values and item key. Of equal nodes, the older is first.
pub(super) fn order(
    sort: &Sort,
    one: &(Vec<SortKey>, ItemKey),
    other: &(Vec<SortKey>, ItemKey),
) -> Ordering {
    let mut compared = sort
        .0
        .iter()
        .zip(one.0.iter().zip(&other.0))
        .map(|((_, descending), (a, b))| if *descending { b.cmp(a) } else { a.cmp(b) });
    compared.find(|order| order.is_ne()).unwrap_or_else(|| one.1.cmp(&other.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_cases_that_clients_send_are_understood() {
        let name = Sort(vec![(Field::Name, false)]);
        for text in ["[\"name ASC\"]", "['name ASC']", "[ 'name asc' ]", "['name']"] {
            assert_eq!(Sort::parse(text), Ok(name.clone()), "{text}");
        }
        assert_eq!(
            Sort::parse("['kind DESC', \"createdDate ASC\"]"),
            Ok(Sort(vec![(Field::Kind, true), (Field::CreatedDate, false)]))
        );
        for text in
            ["name ASC", "[name ASC]", "['nothing ASC']", "['name UP']", "[]", "['name ASC x']"]
        {
            assert!(Sort::parse(text).is_err(), "{text}");
        }
    }
}
