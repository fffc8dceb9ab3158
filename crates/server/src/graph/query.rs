//! Parses query options.

use percent_encoding::percent_decode_str;

use super::error::{Error, Result};

/// The options of a request's query. OData options may be written with or without `$`, and the `$`
/// may be encoded (onedrive-graph#query-options). Names are case-sensitive.
#[derive(Clone, Debug, Default)]
pub(super) struct QueryOptions {
    options: Vec<QueryOption>,
}

/// A query option. `name` and `value` are decoded, `raw` is `name=value` as the client sent it.
#[derive(Clone, Debug)]
struct QueryOption {
    raw: String,
    name: String,
    value: String,
}

/// Options that Microsoft describes for all of Graph, without `$`. A route that does not implement
/// one refuses it by name.
pub(super) const SYSTEM_OPTIONS: [&str; 11] = [
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

/// Maximum number of options in a query: each parameter alias in a path is searched in all of them.
/// Inferred.
const MAX_OPTIONS: usize = 200;

impl QueryOptions {
    /// Parses the part of a URL after `?`, percent-encoded. `None` is an empty query.
    ///
    /// # Errors
    /// 400 if there are more than 200 options, or the decoded bytes of one are not UTF-8.
    pub(super) fn parse(raw: Option<&str>) -> Result<Self> {
        let given = || raw.unwrap_or_default().split('&').filter(|option| !option.is_empty());
        if given().nth(MAX_OPTIONS).is_some() {
            let message = format!("cannot read the query: it has more than {MAX_OPTIONS} options");
            return Err(Error::bad_query(message));
        }
        let options = given()
            .map(|raw| {
                let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
                Ok(QueryOption { raw: raw.into(), name: decode(name)?, value: decode(value)? })
            })
            .collect::<Result<_>>()?;
        Ok(Self { options })
    }

    /// Returns the decoded value of the first option of that name; `None` if it is absent. `name`
    /// is without `$`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|option| plain(&option.name) == name)
            .map(|option| option.value.as_str())
    }

    /// Returns all options: the name as sent, the name without `$`, and the value.
    pub(super) fn options(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.options
            .iter()
            .map(|option| (option.name.as_str(), plain(&option.name), option.value.as_str()))
    }

    /// Returns the value of a boolean option; `None` if it is absent. `name` is without `$`.
    ///
    /// # Errors
    /// 400 for a value other than `true` and `false`, in any case of letters.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(Error::bad_query(format!(
                "cannot read the query option '{name}': '{text}' is not true or false"
            ))),
        }
    }

    /// Returns the value of a parameter alias (`@a1='…'`) without its quotes; `None` if it is
    /// absent. `name` includes the `@`.
    pub(super) fn alias(&self, name: &str) -> Option<String> {
        let value = &self.options.iter().find(|option| option.name == name)?.value;
        Some(unquote(value).unwrap_or_else(|| value.clone()))
    }

    /// Returns the value of an annotation in either of its spellings: `@microsoft.graph.NAME` and
    /// `@name.NAME` (onedrive-graph#annotation-spellings). `None` if it is absent.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        let is = |given: &str| {
            ["@microsoft.graph.", "@name."]
                .iter()
                .any(|prefix| given.strip_prefix(prefix) == Some(name))
        };
        self.options.iter().find(|option| is(&option.name)).map(|option| option.value.as_str())
    }

    /// Returns the value of an option that is a whole number above 0; `None` if it is absent.
    /// `name` is without `$`.
    ///
    /// # Errors
    /// 400 for any other value.
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

    /// Returns the query as sent, percent-encoded, without the options of one name, which is
    /// without `$`. For links to the next page.
    pub(super) fn without(&self, name: &str) -> String {
        let kept = self.options.iter().filter(|option| plain(&option.name) != name);
        kept.map(|option| option.raw.as_str()).collect::<Vec<_>>().join("&")
    }
}

/// Returns the name of an option without `$`. The reference writes `$skipToken`, links of the cloud
/// have `$skiptoken`.
fn plain(name: &str) -> &str {
    match name.strip_prefix('$').unwrap_or(name) {
        "skipToken" => "skiptoken",
        plain => plain,
    }
}

/// Returns the text of an OData string literal, whose inner quotes are doubled; `None` if it is not
/// quoted.
pub(super) fn unquote(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

/// Decodes a name or value. `+` is a space, as in forms.
///
/// # Errors
/// 400 if the decoded bytes are not UTF-8.
fn decode(text: &str) -> Result<String> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => {
            Err(Error::bad_query(format!("cannot read the query option {text}: it is not UTF-8")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dollar_sign_is_optional_and_may_be_encoded() {
        for raw in ["$top=7", "top=7", "%24top=7", "%24%74op=%37"] {
            assert_eq!(
                QueryOptions::parse(Some(raw)).unwrap().count("top").unwrap(),
                Some(7),
                "{raw}"
            );
        }
    }

    #[test]
    fn the_number_of_options_is_limited() {
        let query = |count| vec!["a=1"; count].join("&");
        assert!(QueryOptions::parse(Some(&query(200))).is_ok());
        let error = QueryOptions::parse(Some(&query(201))).unwrap_err();
        assert_eq!(error.status, http::StatusCode::BAD_REQUEST);
    }

    #[test]
    fn names_are_case_sensitive() {
        assert_eq!(QueryOptions::parse(Some("$Top=7")).unwrap().get("top"), None);
    }

    #[test]
    fn an_invalid_count_is_refused() {
        for raw in ["$top=0", "$top=-1", "$top=x", "$top="] {
            let error = QueryOptions::parse(Some(raw)).unwrap().count("top").unwrap_err();
            assert!(error.message.contains("$top"), "{raw}");
        }
    }

    #[test]
    fn an_annotation_has_two_spellings() {
        for raw in ["@microsoft.graph.conflictBehavior=fail", "%40name.conflictBehavior=fail"] {
            let query = QueryOptions::parse(Some(raw)).unwrap();
            assert_eq!(query.annotation("conflictBehavior"), Some("fail"), "{raw}");
        }
    }

    #[test]
    fn an_alias_is_unquoted() {
        let query = QueryOptions::parse(Some("@a1='it%27%27s%2Fa+b'")).unwrap();
        assert_eq!(query.alias("@a1").as_deref(), Some("it's/a b"));
    }

    #[test]
    fn the_rest_of_a_query_is_kept_verbatim() {
        let query = QueryOptions::parse(Some("$select=id%2Cname&%24skiptoken=x&$top=2")).unwrap();
        assert_eq!(query.without("skiptoken"), "$select=id%2Cname&$top=2");
    }
}
