//! Registered applications.

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{access::constant_time_eq, grant::permission, secret::Secret};

/// An application that users can sign in to, or that signs in itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationRecord {
    /// The client id.
    pub id: String,
    /// The name on the consent page; by default the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The only tenant that can use it, by its id or a domain; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The client secrets, each of which is valid.
    #[serde(default, skip_serializing, deserialize_with = "secrets")]
    pub secrets: Vec<Secret>,
    /// The certificates of its keys, as PEM.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// The URLs that a sign-in may redirect to.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The scopes that users can consent to; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Its permissions when it acts for itself; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// The scopes of its own web API, which other applications can request as `api://ID/SCOPE`.
    #[serde(default)]
    pub api_scopes: Vec<String>,
    /// Whether it runs where it cannot keep a secret. It then signs users in without one.
    #[serde(default)]
    pub public_client: bool,
}

/// How a registered redirect URL is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyUrlKind {
    /// All of it.
    Exact,
    /// All but the port: a program on the user's machine listens on any free one.
    Loopback,
}

impl ReplyUrlKind {
    /// Returns the kind of a URL: `Loopback` for `localhost` and loopback addresses.
    pub(crate) fn from_url(url: &Url) -> Self {
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if is_loopback { Self::Loopback } else { Self::Exact }
    }
}

impl ApplicationRecord {
    /// Returns the displayed name.
    pub(crate) fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Returns whether the text `given` is one of the application's secrets. The time does not
    /// depend on the text.
    pub(crate) fn has_secret(&self, given: &str) -> bool {
        self.secrets.iter().fold(false, |found, it| constant_time_eq(given, it.expose()) | found)
    }

    /// Returns whether the application has a secret or a certificate.
    pub(crate) fn has_credentials(&self) -> bool {
        !self.secrets.is_empty() || !self.certificates.is_empty()
    }

    /// Returns its certificates. Those that are no PEM are left out; the check of the directory
    /// rejects them.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        let parse = |pem: &String| CertificateDer::from_pem_slice(pem.as_bytes()).ok();
        self.certificates.iter().filter_map(parse)
    }

    /// Returns whether a sign-in may redirect to the URL `redirect`: it equals a registered one, of
    /// which a loopback URL may have any port. `false` for a text that is no URL.
    pub(crate) fn allows_redirect(&self, redirect: &str) -> bool {
        let Ok(given) = Url::parse(redirect) else { return false };
        self.redirect_uris.iter().any(|registered| {
            let Ok(registered) = Url::parse(registered) else { return false };
            match ReplyUrlKind::from_url(&registered) {
                ReplyUrlKind::Exact => registered == given,
                ReplyUrlKind::Loopback => {
                    let mut given = given.clone();
                    given.set_port(registered.port()).is_ok() && given == registered
                }
            }
        })
    }

    /// Returns whether users can consent to `scope`. Names are compared without their resource and
    /// case. `.default` must be in the application's list too.
    pub(crate) fn allows_scope(&self, scope: &str) -> bool {
        let wanted = permission(scope);
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|it| permission(it) == wanted))
    }
}

/// Deserializes a list of secrets.
///
/// # Errors
/// The deserializer's error if the value is no list of texts.
fn secrets<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    Vec::<String>::deserialize(deserializer)
        .map(|texts| texts.into_iter().map(Secret::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_url_must_be_registered_and_loopback_ports_are_ignored() {
        let json =
            r#"{"id": "a", "redirect_uris": ["http://localhost", "https://app.example/cb"]}"#;
        let application: ApplicationRecord = serde_json::from_str(json).expect("an application");
        for allowed in ["http://localhost:5000", "http://localhost/", "https://app.example/cb"] {
            assert!(application.allows_redirect(allowed), "{allowed}");
        }
        for refused in [
            "http://localhost:5000/other",
            "https://localhost",
            "https://app.example/cb/",
            "https://app.example:444/cb",
            "https://evil.example/cb",
            "nonsense",
        ] {
            assert!(!application.allows_redirect(refused), "{refused}");
        }
    }
}
