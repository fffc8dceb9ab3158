//! `POST /search/query`: Microsoft Search, for items of drives only.
//!
//! Source: the page "searchEntity: query" of the v1.0 reference. Of the query language (KQL) the server
//! has words, phrases, `word*`, `AND`, and the properties of [`PROPERTIES`]. Phrases are searched as
//! words. Other operators and properties are refused by name.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    contract::Payload,
    drive_context::DriveContext,
    drive_item::View,
    error::{Error, Result},
    request::GraphRequest,
    response, search,
};
use crate::tree::{Node, NodeKind, ROOT, fold, words};

/// Maximum number of requests in a body. The reference limits it to one for most entities.
const MAX_REQUESTS: usize = 5;

/// Number of hits on a page by default, and at most.
const DEFAULT_SIZE: usize = 25;
const MAX_SIZE: usize = 1000;

/// Hits that are counted. `total` is an estimate, in the cloud too: with more hits it is this number.
/// A page must begin before this number.
const MAX_COUNTED: usize = 10_000;

/// The properties of KQL that the server has.
const PROPERTIES: [&str; 5] = ["filename", "title", "filetype", "fileextension", "isdocument"];

/// The body of the request.
#[derive(Debug, Deserialize)]
struct SearchBody {
    requests: Vec<SearchRequest>,
}

/// One search.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchRequest {
    entity_types: Vec<String>,
    query: SearchText,
    #[serde(default)]
    from: usize,
    size: Option<usize>,
}

/// The text of a search.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchText {
    query_string: String,
}

/// A parsed query text.
#[derive(Debug, Default, PartialEq, Eq)]
struct KqlQuery {
    /// The words that names must have, as [`words`] returns them.
    words: Vec<String>,
    /// Whether the text has a term that finds every name.
    is_everything: bool,
    /// Extensions in folded form, of which one must be the file's; empty for all.
    extensions: Vec<String>,
    /// Whether items must be files, or must not; `None` for both.
    is_document: Option<bool>,
}

/// Serves `POST /search/query`.
///
/// # Errors
/// 400 for a body with a member of another type, without requests or with more than
/// [`MAX_REQUESTS`], for a size over [`MAX_SIZE`], and for a `from` over [`MAX_COUNTED`]; 401 if the token is missing or invalid; 403
/// on personal drives, and if the token covers only the application's folder; 501 for another entity
/// than `driveItem`, and an operator or property of the query language that this server does not
/// have; 500 if the storage fails.
pub(super) async fn serve(request: &GraphRequest, payload: Payload) -> Result<Response> {
    let SearchBody { requests } = payload.parse()?;
    if requests.is_empty() || requests.len() > MAX_REQUESTS {
        return Err(Error::bad_query(format!(
            "cannot search: the body must have 1 to {MAX_REQUESTS} requests"
        )));
    }
    let mut parsed = Vec::with_capacity(requests.len());
    for one in requests {
        if one.entity_types.is_empty() {
            return Err(Error::bad_query("cannot search: entityTypes is empty"));
        }
        if let Some(other) = one.entity_types.iter().find(|entity| *entity != "driveItem") {
            return Err(Error::unsupported(format_args!("search the entity type '{other}'")));
        }
        let size = one.size.unwrap_or(DEFAULT_SIZE);
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Error::bad_query(format!(
                "cannot search: size must be a number from 1 to {MAX_SIZE}"
            )));
        }
        if one.from > MAX_COUNTED {
            return Err(Error::bad_query(format!(
                "cannot search: from must be a number from 0 to {MAX_COUNTED}"
            )));
        }
        let query = KqlQuery::parse(&one.query.query_string)?;
        parsed.push((query, one.from, size));
    }
    let mut value = Vec::with_capacity(parsed.len());
    for (query, from, size) in parsed {
        value.push(search_drives(request, &query, from, size).await?);
    }
    let odata_context = request.url("/$metadata#Collection(microsoft.graph.searchResponse)");
    let body = json!({"@odata.context": odata_context, "value": value});
    Ok(response::json(StatusCode::OK, &body))
}

/// Searches all drives that the token opens. Returns the `searchResponse` with `size` hits after the
/// first `from`.
///
/// # Errors
/// 401 if the token is missing or invalid; 403 on personal drives, and if the token covers only the
/// application's folder; 500 if the storage fails.
async fn search_drives(
    request: &GraphRequest,
    query: &KqlQuery,
    from: usize,
    size: usize,
) -> Result<Value> {
    let mut hits = Vec::new();
    let mut total = 0_usize;
    let page = from..from + size;
    // One hit after the page shows whether another page follows.
    let counted = MAX_COUNTED.max(page.end + 1);
    for account in request.accounts().await? {
        let context = DriveContext::for_caller(request, account).await?;
        if context.kind.is_personal() {
            // Microsoft Search has no permissions for personal accounts.
            return Err(Error::access_denied());
        }
        context.check_covered(ROOT).await?;
        if context.role(ROOT).await?.is_none() {
            continue;
        }
        for_each_match(&context, query, |node| {
            if page.contains(&total) {
                hits.push(hit(&context, node, total));
            }
            total += 1;
            total < counted
        })
        .await?;
        if total == counted {
            break;
        }
    }
    let more = total > from + hits.len();
    Ok(json!({
        "searchTerms": query.words.iter().map(|word| word.to_lowercase()).collect::<Vec<_>>(),
        "hitsContainers": [{
            "hits": hits,
            "total": total.min(MAX_COUNTED.max(page.end)),
            "moreResultsAvailable": more,
        }],
    }))
}

/// Calls `visit` with each item of a drive that a query finds and the caller has access to, until it
/// returns `false`.
///
/// # Errors
/// 500 if the storage fails.
async fn for_each_match(
    context: &DriveContext<'_>,
    query: &KqlQuery,
    mut visit: impl FnMut(&Node) -> bool,
) -> Result<()> {
    let mut visit_all =
        |nodes: Vec<Node>| nodes.iter().filter(|node| query.has_type_of(node)).all(&mut visit);
    let page = MAX_SIZE as u64;
    if query.words.is_empty() && query.is_everything {
        let mut next = Some(0);
        while let Some(from) = next {
            let (nodes, after) = context.below(ROOT, from, page).await?;
            next = if visit_all(nodes) { after } else { None };
        }
        return Ok(());
    }
    let mut after = None;
    loop {
        let words = query.words.clone();
        let (nodes, next) = search::find(context, ROOT, words, after, None, page).await?;
        if !visit_all(context.visible(nodes).await?) || next.is_none() {
            return Ok(());
        }
        after = next;
    }
}

/// Returns an item as a hit. `rank` is its number in the result, from 0.
fn hit(context: &DriveContext<'_>, node: &Node, rank: usize) -> Value {
    let mut resource = context.describe(node, View::Feed(None));
    resource["@odata.type"] = "#microsoft.graph.driveItem".into();
    json!({
        "hitId": context.ids.item_id(node.no),
        "rank": rank + 1,
        "summary": node.name,
        "resource": resource,
    })
}

impl KqlQuery {
    /// Parses a query text.
    ///
    /// # Errors
    /// 400 for a quote that is not closed, and an `isDocument` that is neither `true` nor `false`;
    /// 501 for an operator or property that this server does not have.
    fn parse(text: &str) -> Result<Self> {
        let mut query = Self { is_everything: search::is_everything(text), ..Self::default() };
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (term, after) = next_term(rest)?;
            query.add(term)?;
            rest = after.trim_start();
        }
        query.words.sort_unstable();
        query.words.dedup();
        Ok(query)
    }

    /// Adds a term: a word, a phrase in quotes, or a property with its value.
    ///
    /// # Errors
    /// As of [`Self::parse`].
    fn add(&mut self, term: &str) -> Result<()> {
        let unsupported =
            |name: &str| Err(Error::unsupported(format_args!("apply '{name}' of a search query")));
        match term {
            "AND" => return Ok(()),
            "OR" | "NOT" | "NEAR" | "ONEAR" | "WORDS" | "XRANK" => return unsupported(term),
            _ => {}
        }
        if let Some(sign @ ('+' | '-' | '(' | ')')) = term.chars().next() {
            return unsupported(&sign.to_string());
        }
        let property = term.split_once([':', '=', '<', '>']).filter(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())
        });
        let Some((name, value)) = property else {
            self.add_words(term);
            return Ok(());
        };
        let operator = &term[name.len()..=name.len()];
        let known = name.to_ascii_lowercase();
        if !PROPERTIES.contains(&known.as_str()) || !matches!(operator, ":" | "=") {
            return unsupported(&format!("{name}{operator}"));
        }
        let value = value.trim_matches('"');
        match known.as_str() {
            "filetype" | "fileextension" => self.extensions.push(fold(value)),
            "isdocument" => match value.to_ascii_lowercase().as_str() {
                "true" | "1" => self.is_document = Some(true),
                "false" | "0" => self.is_document = Some(false),
                _ => {
                    let message =
                        format!("cannot search: isDocument {value:?} is not true or false");
                    return Err(Error::bad_query(message));
                }
            },
            _ => self.add_words(value),
        }
        self.is_everything = true;
        Ok(())
    }

    /// Adds the words of a text. A text without words, except `*`, finds nothing.
    fn add_words(&mut self, text: &str) {
        let found = words(text);
        self.is_everything |= search::is_everything(text);
        self.words.extend(found);
    }

    /// Returns whether an item has one of the wanted types.
    fn has_type_of(&self, node: &Node) -> bool {
        let is_file = node.kind == NodeKind::File;
        let extension = node.name.rsplit_once('.').map(|(_, extension)| fold(extension));
        let has_extension = extension.is_some_and(|own| self.extensions.contains(&own));
        (self.extensions.is_empty() || (is_file && has_extension))
            && self.is_document.is_none_or(|wanted| wanted == is_file)
    }
}

/// Returns the first term of a text, which is not empty and does not begin with a space, and the
/// rest. A quoted value belongs to the term before it.
///
/// # Errors
/// 400 for a quote that is not closed.
fn next_term(text: &str) -> Result<(&str, &str)> {
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_whitespace()
    });
    let (term, rest) = text.split_at(end.unwrap_or(text.len()));
    if end.is_none() && quoted {
        return Err(Error::bad_query("cannot search: a quote of the query is not closed"));
    }
    Ok((term, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<KqlQuery> {
        KqlQuery::parse(text)
    }

    #[test]
    fn words_phrases_and_properties_are_parsed() {
        let query = parse(r#"budget AND "next year" filetype:xlsx isDocument:true"#).unwrap();
        assert_eq!(query.words, ["BUDGET", "NEXT", "YEAR"]);
        assert_eq!(query.extensions, ["XLSX"]);
        assert_eq!(query.is_document, Some(true));
        let query = parse(r#"filename:"a b""#).unwrap();
        assert_eq!(query.words, ["A", "B"]);
        assert!(parse("*").unwrap().is_everything && parse("").unwrap().is_everything);
        assert!(!parse("…").unwrap().is_everything);
        assert_eq!(parse("repo*").unwrap().words, ["REPO"]);
    }

    #[test]
    fn other_operators_and_properties_are_refused_by_name() {
        for (text, named) in [
            ("a OR b", "'OR'"),
            ("NOT a", "'NOT'"),
            ("(a b)", "'('"),
            ("-a", "'-'"),
            ("author:anna", "'author:'"),
            ("size>10", "'size>'"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.status, StatusCode::NOT_IMPLEMENTED, "{text}");
            assert!(error.message.contains(named), "{text}: {}", error.message);
        }
        assert_eq!(parse("\"a").unwrap_err().status, StatusCode::BAD_REQUEST);
        assert_eq!(parse("isDocument:x").unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
