//! Query parameters of the legacy protocols. Each action declares those that its reference
//! describes, so that none of them is dropped; unknown ones are ignored, as the clouds did.

/// A parameter of an action.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) values: Values,
}

/// Values that a parameter may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// Read by the handler.
    Any,
    /// `true` or `false`, whatever their case.
    Flag,
    /// A whole number.
    Number,
    /// One of these, whatever their case.
    OneOf(&'static [&'static str]),
    /// None: the parameter is described, and not implemented.
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

/// Returns the first declared parameter with a value that it cannot have, and the value. An empty
/// value is the same as none.
pub(super) fn invalid<'q>(
    declared: &[&'static [Parameter]],
    get: impl Fn(&str) -> Option<&'q str>,
) -> Option<(Parameter, &'q str)> {
    declared.iter().copied().flatten().find_map(|parameter| {
        let value = get(parameter.name).filter(|value| !value.is_empty())?;
        (!parameter.admits(value)).then_some((*parameter, value))
    })
}

/// A server, and requests of a walk over the actions of a legacy protocol.
#[cfg(test)]
pub(super) mod walk {
    use std::collections::BTreeSet;

    use http::StatusCode;
    use serde_json::Value;

    use super::{Parameter, Values};
    use crate::Server;

    pub(crate) struct Cloud {
        server: Server,
        client: reqwest::Client,
    }

    /// A response, as far as it is compared.
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

    /// A path with one more option.
    pub(crate) fn with(path: &str, option: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}{option}")
    }

    impl Parameter {
        /// A value that the parameter cannot have, where there is one.
        pub(crate) fn bad(self) -> Option<&'static str> {
            match self.values {
                Values::Any => None,
                Values::Flag | Values::Number | Values::OneOf(_) => Some("perhaps"),
                Values::Unsupported => Some("1"),
            }
        }

        /// A value that it can have, where any will do.
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
