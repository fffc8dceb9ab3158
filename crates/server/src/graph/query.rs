//! Query options, as clients spell them.

use percent_encoding::percent_decode_str;

use super::error::{Error, Result};

/// The options of a request's query. OData's own are meant with and without `$`, and the `$` may
/// arrive encoded (onedrive-graph#query-options); names are case-sensitive.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    /// Each option as it came, with its decoded name and value.
    options: Vec<QueryOption>,
}

#[derive(Clone, Debug)]
struct QueryOption {
    raw: String,
    name: String,
    value: String,
}

/// Options that Microsoft describes for Graph as a whole. A route that does not implement one
/// refuses it by name.
pub(super) const SYSTEM: [&str; 11] = [
    "count",
    "deltatoken",
    "expand",
    "filter",
    "format",
    "orderby",
    "search",
    "select",
    "skip",
    "skiptoken",
    "top",
];

/// Maximum number of options: every parameter alias in a path is looked up among them. Inferred.
const MAX_OPTIONS: usize = 200;

impl Query {
    /// Reads the part of a URL after `?`.
    pub(super) fn parse(raw: Option<&str>) -> Result<Self> {
        let given = || raw.unwrap_or_default().split('&').filter(|option| !option.is_empty());
        if given().nth(MAX_OPTIONS).is_some() {
            let why = format!("A request has {MAX_OPTIONS} query options at most.");
            return Err(Error::bad_query(why));
        }
        let options = given()
            .map(|raw| {
                let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
                Ok(QueryOption { raw: raw.into(), name: decode(name)?, value: decode(value)? })
            })
            .collect::<Result<_>>()?;
        Ok(Self { options })
    }

    /// The value of an option, given without its `$`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|option| plain(&option.name) == name)
            .map(|option| option.value.as_str())
    }

    /// Every option: its name as it was given, its name without `$`, and its value.
    pub(super) fn options(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.options
            .iter()
            .map(|option| (option.name.as_str(), plain(&option.name), option.value.as_str()))
    }

    /// Whether an option is `true`; without one it is not.
    ///
    /// # Errors
    /// 400 for any value but `true` and `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(Error::bad_query(format!(
                "Invalid value '{text}' for the query option '{name}': it is true or false."
            ))),
        }
    }

    /// The value of a parameter alias (`@a1='…'`), without its quotes.
    pub(super) fn alias(&self, name: &str) -> Option<String> {
        let value = &self.options.iter().find(|option| option.name == name)?.value;
        Some(unquote(value).unwrap_or_else(|| value.clone()))
    }

    /// An annotation in either of its spellings: `@microsoft.graph.NAME`, `@name.NAME`
    /// (onedrive-graph#annotation-spellings).
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        let is = |given: &str| {
            ["@microsoft.graph.", "@name."]
                .iter()
                .any(|prefix| given.strip_prefix(prefix) == Some(name))
        };
        self.options.iter().find(|option| is(&option.name)).map(|option| option.value.as_str())
    }

    /// A count, or a refusal that names it.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(Error::bad_query(format!(
                "Invalid value '{text}' for ${name} query option found. \
                 The ${name} query option requires a positive integer value."
            ))),
        }
    }

    /// The query as it came without the options of one name, to be gone on with in a link.
    pub(super) fn without(&self, name: &str) -> String {
        let kept = self.options.iter().filter(|option| plain(&option.name) != name);
        kept.map(|option| option.raw.as_str()).collect::<Vec<_>>().join("&")
    }
}

/// The name of an option without its `$`. The reference writes `$skipToken`, the cloud's links have
/// `$skiptoken`.
fn plain(name: &str) -> &str {
    match name.strip_prefix('$').unwrap_or(name) {
        "skipToken" => "skiptoken",
        plain => plain,
    }
}

/// The text of an OData string literal: quotes off, doubled ones single.
pub(super) fn unquote(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

/// Decodes a name or value: `+` is a space here, as forms have it.
fn decode(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(Error::bad_query(format!("The query option {text} is not UTF-8."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_the_same_with_and_without_its_dollar_sign_however_encoded() {
        for raw in ["$top=7", "top=7", "%24top=7", "%24%74op=%37"] {
            assert_eq!(Query::parse(Some(raw)).unwrap().count("top").unwrap(), Some(7), "{raw}");
        }
    }

    #[test]
    fn there_are_only_so_many_options() {
        let query = |count| vec!["a=1"; count].join("&");
        assert!(Query::parse(Some(&query(200))).is_ok());
        let error = Query::parse(Some(&query(201))).unwrap_err();
        assert_eq!(error.status, http::StatusCode::BAD_REQUEST);
    }

    #[test]
    fn names_are_case_sensitive() {
        assert_eq!(Query::parse(Some("$Top=7")).unwrap().get("top"), None);
    }

    #[test]
    fn a_count_that_is_none_is_refused() {
        for raw in ["$top=0", "$top=-1", "$top=x", "$top="] {
            let error = Query::parse(Some(raw)).unwrap().count("top").unwrap_err();
            assert!(error.message.contains("$top"), "{raw}");
        }
    }

    #[test]
    fn an_annotation_has_two_spellings() {
        for raw in ["@microsoft.graph.conflictBehavior=fail", "%40name.conflictBehavior=fail"] {
            let query = Query::parse(Some(raw)).unwrap();
            assert_eq!(query.annotation("conflictBehavior"), Some("fail"), "{raw}");
        }
    }

    #[test]
    fn an_alias_is_unquoted() {
        let query = Query::parse(Some("@a1='it%27%27s%2Fa+b'")).unwrap();
        assert_eq!(query.alias("@a1").as_deref(), Some("it's/a b"));
    }

    #[test]
    fn the_rest_of_a_query_is_kept_verbatim() {
        let query = Query::parse(Some("$select=id%2Cname&%24skiptoken=x&$top=2")).unwrap();
        assert_eq!(query.without("skiptoken"), "$select=id%2Cname&$top=2");
    }
}
