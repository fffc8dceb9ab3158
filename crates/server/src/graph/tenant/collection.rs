//! OData's options on the collections of a tenant: `$filter`, `$search`, `$orderby`, `$count`, pages
//! and `$select`.
//!
//! Users and groups have advanced queries: `$search`, `ne`, `not` and `endsWith` need the header
//! `ConsistencyLevel: eventual`.
//!
//! Source: <https://learn.microsoft.com/en-us/graph/aad-advanced-queries>.

use std::cmp::Ordering;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    graph::{
        error::{Error, Result},
        filter::{Comparison, ODataFilter, TextFunction},
        paging::{SKIP_TOKEN, decode_position, encode_position},
        request::GraphRequest,
        response,
        select::properties,
    },
    tree::fold,
};

/// Maximum number of words in `$search`. Inferred.
const MAX_SEARCHES: usize = 100;

/// A type of resource in a collection.
#[derive(Debug)]
pub(in crate::graph) struct EntityType {
    /// The name in the metadata, such as `user`.
    pub(in crate::graph) name: &'static str,
    /// The name of the collection in `@odata.context`, such as `users`.
    pub(in crate::graph) context: &'static str,
    /// The properties that the server has.
    pub(in crate::graph) properties: &'static [&'static str],
    /// Further properties of the reference, which are refused by name.
    pub(in crate::graph) unimplemented: &'static [&'static str],
    /// Whether the directory serves it, so that advanced queries need a header.
    pub(in crate::graph) is_directory_object: bool,
    /// The default and the maximum of `$top`.
    pub(in crate::graph) page_size: (u64, u64),
}

impl EntityType {
    /// Checks that the type has a property. Names are case-sensitive.
    ///
    /// # Errors
    /// 501 for a property that only the cloud has, 400 for an unknown one.
    pub(in crate::graph) fn check_property(&self, name: &str) -> Result<()> {
        if self.properties.contains(&name) || name == "*" {
            return Ok(());
        }
        let kind = self.name;
        match self.unimplemented.contains(&name) {
            true => Err(Error::unsupported(format_args!("use the property '{name}' of a {kind}"))),
            false => Err(Error::bad_query(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' \
                 on type 'microsoft.graph.{kind}'."
            ))),
        }
    }

    /// Checks the properties in `$select`.
    ///
    /// # Errors
    /// Those of [`check_property`](Self::check_property).
    pub(in crate::graph) fn check_select(&self, request: &GraphRequest) -> Result<()> {
        let names = request.query.get("select").map(properties).unwrap_or_default();
        names.iter().try_for_each(|name| self.check_property(name))
    }

    /// Checks that a filter or search may be used with the request's headers.
    ///
    /// # Errors
    /// 400 for an advanced query without `ConsistencyLevel: eventual`, and for `contains`, which the
    /// directory does not have.
    fn check_consistency(
        &self,
        request: &GraphRequest,
        filter: Option<&ODataFilter>,
    ) -> Result<()> {
        if !self.is_directory_object {
            return Ok(());
        }
        let uses =
            |wanted: &dyn Fn(&ODataFilter) -> bool| filter.is_some_and(|filter| filter.any(wanted));
        let is_contains = |it: &ODataFilter| {
            matches!(it, ODataFilter::Text { function: TextFunction::Contains, .. })
        };
        if uses(&is_contains) {
            return Err(unsupported_query("Function 'contains' is not supported."));
        }
        let is_advanced = |it: &ODataFilter| {
            matches!(
                it,
                ODataFilter::Not(_)
                    | ODataFilter::Compare { by: Comparison::Unequal, .. }
                    | ODataFilter::Text { function: TextFunction::EndsWith, .. }
            )
        };
        let is_eventual = request
            .header("consistencylevel")
            .is_some_and(|level| level.eq_ignore_ascii_case("eventual"));
        let is_sorted = filter.is_some() && request.query.get("orderby").is_some();
        if (request.query.get("search").is_some() || uses(&is_advanced) || is_sorted)
            && !is_eventual
        {
            return Err(unsupported_query(
                "Request with $search, $orderby with $filter, or the operators 'ne', 'not' and \
                 'endsWith' requires the header ConsistencyLevel: eventual.",
            ));
        }
        Ok(())
    }
}

/// Returns 400 for a query that the directory does not have.
fn unsupported_query(message: &str) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
}

/// Returns a page of a collection: the resources in `all` that `$filter` and `$search` select, in
/// the order of `$orderby`. `all` is in the default order.
///
/// # Errors
/// 400 for a malformed option, an unknown property, an advanced query without its header, and a page
/// token of another collection; 501 for a property that only the cloud has.
pub(in crate::graph) fn page(
    request: &GraphRequest,
    entity: &EntityType,
    mut all: Vec<Value>,
) -> Result<Response> {
    let query = &request.query;
    entity.check_select(request)?;
    let check = |name: &str| entity.check_property(name);
    let filter = query.get("filter").filter(|text| !text.trim().is_empty());
    let filter = filter.map(|text| ODataFilter::parse(text, &check)).transpose()?;
    entity.check_consistency(request, filter.as_ref())?;
    if let Some(filter) = &filter {
        all.retain(|resource| filter.matches(resource));
    }
    // Sites have a search of their own.
    if let Some(text) = query.get("search").filter(|_| entity.is_directory_object) {
        let search = ResourceSearch::parse(text, entity)?;
        all.retain(|resource| search.matches(resource));
    }
    if let Some(text) = query.get("orderby") {
        sort(&mut all, text, entity)?;
    }
    let (default, maximum) = entity.page_size;
    let top = query.count("top")?.unwrap_or(default).min(maximum);
    let start = query.get("skiptoken").map(decode_position).transpose()?.unwrap_or(0);
    let count = all.len() as u64;
    let next = start.saturating_add(top);
    let taken = usize::try_from(start).unwrap_or(usize::MAX);
    let value = all.into_iter().skip(taken).take(usize::try_from(top).unwrap_or(usize::MAX));
    let value: Vec<_> = value.map(|it| request.selection.project_resource(it)).collect();
    let mut body =
        json!({"@odata.context": request.url(&format!("/$metadata#{}", entity.context))});
    if query.flag("count")? == Some(true) {
        body["@odata.count"] = count.into();
    }
    if next < count {
        body["@odata.nextLink"] = request.link(SKIP_TOKEN, &encode_position(next)).into();
    }
    body["value"] = value.into();
    Ok(response::json(StatusCode::OK, &body))
}

/// Sorts resources by `$orderby`: properties with `asc` or `desc`, separated by commas.
///
/// # Errors
/// 400 for another form, and for an unknown property; 501 for a property that only the cloud has.
pub(in crate::graph) fn sort(all: &mut [Value], text: &str, entity: &EntityType) -> Result<()> {
    let mut keys = Vec::new();
    for key in text.split(',') {
        let mut words = key.split_whitespace();
        let name = words.next().unwrap_or_default();
        entity.check_property(name)?;
        let is_descending = match (words.next(), words.next()) {
            (None | Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => {
                let message = format!("Invalid $orderby: '{key}' is not supported.");
                return Err(Error::bad_query(message));
            }
        };
        keys.push((name, is_descending));
    }
    let text = |resource: &Value, name: &str| match &resource[name] {
        Value::String(text) => fold(text),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    all.sort_by(|left, right| {
        let compared = keys.iter().map(|(name, is_descending)| {
            let order = text(left, name).cmp(&text(right, name));
            if *is_descending { order.reverse() } else { order }
        });
        compared.fold(Ordering::Equal, Ordering::then)
    });
    Ok(())
}

/// A parsed `$search`: clauses `"property:word"` with `AND` or `OR` between them.
#[derive(Debug)]
struct ResourceSearch {
    /// Alternatives, each of which has clauses that all must match.
    alternatives: Vec<Vec<(String, String)>>,
}

impl ResourceSearch {
    /// Parses `$search`.
    ///
    /// # Errors
    /// 400 if a clause is not in quotes or has no property, for an unknown property, and for more
    /// than [`MAX_SEARCHES`] clauses; 501 for a property that only the cloud has.
    fn parse(text: &str, entity: &EntityType) -> Result<Self> {
        let refuse = || {
            Error::bad_query(format!(
                "Syntax error: the search '{text}' is not \"property:word\", with AND or OR between clauses."
            ))
        };
        let mut alternatives = vec![Vec::new()];
        let mut rest = text.trim();
        for _ in 0..MAX_SEARCHES {
            let inner = rest.strip_prefix('"').ok_or_else(refuse)?;
            let (clause, after) = inner.split_once('"').ok_or_else(refuse)?;
            let (name, word) = clause.split_once(':').ok_or_else(refuse)?;
            entity.check_property(name)?;
            if let Some(clauses) = alternatives.last_mut() {
                clauses.push((name.to_owned(), fold(word)));
            }
            let after = after.trim_start();
            if after.is_empty() {
                return Ok(Self { alternatives });
            }
            rest = match (after.strip_prefix("OR "), after.strip_prefix("AND ")) {
                (Some(rest), _) => {
                    alternatives.push(Vec::new());
                    rest.trim_start()
                }
                (None, Some(rest)) => rest.trim_start(),
                (None, None) => return Err(refuse()),
            };
        }
        Err(refuse())
    }

    /// Returns whether a resource has the words: each begins a word of its property, in any case.
    fn matches(&self, resource: &Value) -> bool {
        let has = |(name, word): &(String, String)| {
            let text = fold(resource[name.as_str()].as_str().unwrap_or_default());
            let starts = text.char_indices().filter(|(at, _)| {
                let before = text[..*at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric())
            });
            starts.map(|(at, _)| at).any(|at| text[at..].starts_with(word.as_str()))
        };
        self.alternatives.iter().any(|clauses| clauses.iter().all(has))
    }
}
