//! The query parameters of a request.

/// The decoded parameters, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct AmazonQuery(Vec<(String, String)>);

impl AmazonQuery {
    /// Parses the query of a URL, percent-encoded and without the question mark. `None` is an empty
    /// query.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Returns the first value of a parameter, percent-decoded; `None` if it is missing. `name` is
    /// in the case of the reference.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether the first value of a parameter is `true`, in any case; `false` if it is
    /// missing.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
