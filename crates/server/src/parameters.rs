//! Query parameters of the legacy protocols. Each action declares those that its reference describes,
//! so that none of them is ignored. Unknown parameters are ignored, as the clouds did.

/// A query parameter of an action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) values: Values,
}

/// The values that a parameter can have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// Any text; the handler parses it.
    Any,
    /// `true` or `false`, in any case.
    Flag,
    /// A whole number.
    Number,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
    /// None: the reference describes the parameter, but the server does not implement it.
    Unsupported,
}

impl Parameter {
    pub(super) const fn new(name: &'static str, values: Values) -> Self {
        Self { name, values }
    }

    fn admits(self, value: &str) -> bool {
        let is = |known: &&str| value.eq_ignore_ascii_case(known);
        match self.values {
            Values::Any => true,
            Values::Flag => ["true", "false"].iter().any(is),
            Values::Number => value.parse::<u64>().is_ok(),
            Values::OneOf(known) => known.iter().any(is),
            Values::Unsupported => false,
        }
    }
}

/// Returns the first declared parameter with an invalid value, and the value. `get` returns a
/// parameter's value. An empty value counts as missing.
pub(super) fn invalid<'q>(
    declared: &[&'static [Parameter]],
    get: impl Fn(&str) -> Option<&'q str>,
) -> Option<(Parameter, &'q str)> {
    declared.iter().copied().flatten().find_map(|parameter| {
        let value = get(parameter.name).filter(|value| !value.is_empty())?;
        (!parameter.admits(value)).then_some((*parameter, value))
    })
}

/// Helpers of tests that send requests for all actions of a legacy protocol.
#[cfg(test)]
pub(super) mod walk {
    use std::collections::BTreeSet;

    use http::StatusCode;
    use serde_json::Value;

    use super::{Parameter, Values};
    use crate::server::Server;

    pub(crate) struct Cloud {
        server: Server,
        client: reqwest::Client,
    }

    /// The parts of a response that are compared.
    #[derive(Debug)]
    pub(crate) struct Answer {
        pub(crate) status: StatusCode,
        pub(crate) text: String,
    }

    impl Answer {
        pub(crate) fn json(&self) -> Value {
            serde_json::from_str(&self.text).unwrap_or_default()
        }

        pub(crate) fn keys(&self) -> BTreeSet<String> {
            self.json().as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        }
    }

    impl Cloud {
        pub(crate) async fn new() -> Self {
            let server = Server::builder().start().await.unwrap();
            let redirects = reqwest::redirect::Policy::none();
            let client = reqwest::Client::builder().no_proxy().redirect(redirects);
            Self { server, client: client.build().unwrap() }
        }

        pub(crate) async fn send(
            &self,
            method: &str,
            path: &str,
            content_type: &str,
            body: &str,
        ) -> Answer {
            let url = format!("{}{path}", self.server.url().as_str().trim_end_matches('/'));
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let method_has_body = !matches!(method.as_str(), "GET" | "DELETE");
            let mut request = self.client.request(method, url).bearer_auth("drivedal-dev");
            if !content_type.is_empty() {
                request = request.header("content-type", content_type);
            }
            if body.is_empty() && method_has_body {
                request = request.header("content-length", "0");
            }
            let response = request.body(body.to_owned()).send().await.unwrap();
            Answer { status: response.status(), text: response.text().await.unwrap() }
        }
    }

    /// Appends a parameter to a path.
    pub(crate) fn with(path: &str, option: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}{option}")
    }

    impl Parameter {
        /// Returns a value that the parameter cannot have, if any exists.
        pub(crate) fn bad(self) -> Option<&'static str> {
            match self.values {
                Values::Any => None,
                Values::Flag | Values::Number | Values::OneOf(_) => Some("perhaps"),
                Values::Unsupported => Some("1"),
            }
        }

        /// Returns a value that the parameter can have, if it is known.
        pub(crate) fn good(self) -> Option<&'static str> {
            match self.values {
                Values::Any | Values::Unsupported => None,
                Values::Flag => Some("TRUE"),
                Values::Number => Some("1"),
                Values::OneOf(known) => known.first().copied(),
            }
        }
    }
}
