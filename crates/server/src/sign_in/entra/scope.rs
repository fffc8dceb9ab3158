//! Scopes, and the resources that they belong to.
//!
//! A scope is a permission of a resource: `https://graph.microsoft.com/Files.Read`, or `Files.Read` for
//! Microsoft Graph. A user can consent to scopes of several resources; an access token is for one.

use super::error::EntraError;
use crate::{
    base_url::BaseUrl,
    grant::{ALL_PERMISSIONS, Audience, permission},
};

/// Scopes that belong to no resource and need no consent of their own.
const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The ids of Microsoft's applications, which can replace the URL of a resource.
const GRAPH_ID: &str = "00000003-0000-0000-c000-000000000000";
const SHAREPOINT_ID: &str = "00000003-0000-0ff1-ce00-000000000000";

/// A parsed scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    pub text: &'a str,
    /// `None` for a scope of OpenID Connect.
    pub resource: Option<Audience>,
    /// The name of the permission, in lower case.
    pub permission: String,
}

/// Parses the scopes of requests to one host.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScopeParser<'a>(pub &'a BaseUrl);

impl ScopeParser<'_> {
    /// Parses scopes, which are separated by spaces.
    pub(super) fn parse<'t>(self, scopes: &'t str) -> impl Iterator<Item = Scope<'t>> {
        scopes.split_whitespace().map(move |text| {
            let permission = permission(text);
            let is_openid = OPENID.contains(&permission.as_str()) && !text.contains('/');
            let resource = (!is_openid).then(|| match text.rsplit_once('/') {
                Some((resource, _)) => self.resource(resource.trim_end_matches('/')),
                None => Audience::Graph,
            });
            Scope { text, resource, permission }
        })
    }

    /// Returns the resource with a URL, without a slash at the end, or an id, both in any case. The
    /// URL of this server is an alias of Graph. Every other name is that of an application's API.
    fn resource(self, name: &str) -> Audience {
        let name = name.to_ascii_lowercase();
        let host = name.strip_prefix("https://").unwrap_or(&name);
        let is_own = || self.0.url("").eq_ignore_ascii_case(&name);
        match host {
            "" | "graph.microsoft.com" | GRAPH_ID => Audience::Graph,
            "my.microsoftpersonalcontent.com" | SHAREPOINT_ID => Audience::SharePoint,
            _ if host.ends_with(".sharepoint.com") => Audience::SharePoint,
            _ if is_own() => Audience::Graph,
            _ => Audience::Api(name.strip_prefix("api://").unwrap_or(&name).to_owned()),
        }
    }

    /// Returns the only resource of the requested scopes, which are separated by spaces; `None` if
    /// they have none.
    ///
    /// # Errors
    /// `invalid_scope` (AADSTS28000) for several resources.
    pub(super) fn single_resource(self, scopes: &str) -> Result<Option<Audience>, EntraError> {
        let mut found = None;
        for scope in self.parse(scopes) {
            match (&found, scope.resource) {
                (_, None) => {}
                (None, resource) => found = resource,
                (Some(first), Some(resource)) if *first == resource => {}
                (Some(_), Some(_)) => {
                    let description = format!(
                        "Provided value for the input parameter scope is not valid because it \
                         contains more than one resource. Scope {scopes} is not valid."
                    );
                    return Err(EntraError::new("invalid_scope", 28_000, description));
                }
            }
        }
        Ok(found)
    }

    /// Checks that the user consented to the requested scopes. Both lists are separated by spaces;
    /// `granted` is `None` for all scopes, `requested` if the request names none.
    ///
    /// # Errors
    /// `invalid_grant` (AADSTS65001) for the first scope without consent.
    pub(super) fn check_consent(
        self,
        granted: Option<&str>,
        requested: Option<&str>,
    ) -> Result<(), EntraError> {
        let (Some(granted), Some(requested)) = (granted, requested) else { return Ok(()) };
        let granted: Vec<_> = self.parse(granted).collect();
        let is_granted = |scope: &Scope<'_>| {
            let includes = |granted: &Scope<'_>| {
                granted.resource == scope.resource
                    && [scope.permission.as_str(), ALL_PERMISSIONS]
                        .contains(&granted.permission.as_str())
            };
            scope.resource.is_none()
                || scope.permission == ALL_PERMISSIONS
                || granted.iter().any(includes)
        };
        match self.parse(requested).find(|scope| !is_granted(scope)) {
            None => Ok(()),
            Some(scope) => Err(EntraError::no_consent(scope.text)),
        }
    }

    /// Returns the scopes of an access token for a resource, separated by spaces: the granted
    /// scopes of that resource. SharePoint serves the same files as Graph, so the user's consent to
    /// permissions of Graph applies there too. The scope `.default` in `requested` adds no
    /// permission that was not granted, except of the web API of another application, whose
    /// permissions the server does not know.
    pub(super) fn for_resource(
        self,
        granted: &str,
        requested: &str,
        resource: &Audience,
    ) -> String {
        let is_included = |scope: &Scope<'_>| match &scope.resource {
            None => true,
            Some(Audience::Graph) if *resource == Audience::SharePoint => true,
            Some(other) => other == resource,
        };
        let is_api = matches!(resource, Audience::Api(_));
        let is_added = |scope: &Scope<'_>| {
            is_api
                && scope.resource.as_ref() == Some(resource)
                && scope.permission == ALL_PERMISSIONS
        };
        let mut scopes: Vec<_> =
            self.parse(granted).filter(is_included).map(|scope| scope.text).collect();
        for scope in self.parse(requested).filter(is_added) {
            if !scopes.contains(&scope.text) {
                scopes.push(scope.text);
            }
        }
        scopes.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn base_url() -> BaseUrl {
        let request = http::Request::builder().uri("https://localhost:9/");
        let parts = request.body(()).expect("a request").into_parts().0;
        BaseUrl::from_request(&parts, true, SocketAddr::from(([127, 0, 0, 1], 9))).expect("a host")
    }

    #[test]
    fn a_scope_names_its_resource() {
        let base_url = base_url();
        let resource = |scope| ScopeParser(&base_url).parse(scope).next().expect("one").resource;
        for scope in [
            "Files.Read",
            "https://graph.microsoft.com/Files.Read",
            "https://graph.microsoft.com//.default",
            "https://localhost:9/.default",
        ] {
            assert_eq!(resource(scope), Some(Audience::Graph), "{scope}");
        }
        assert_eq!(
            resource("https://contoso-my.sharepoint.com/.default"),
            Some(Audience::SharePoint)
        );
        assert_eq!(resource("api://Photos/read"), Some(Audience::Api("photos".into())));
        assert_eq!(resource("offline_access"), None);
        let several = ScopeParser(&base_url).single_resource("Files.Read api://photos/read");
        assert!(several.is_err());
    }

    #[test]
    fn a_refresh_needs_the_consent_of_the_first_sign_in() {
        let base_url = base_url();
        let check =
            |granted, requested| ScopeParser(&base_url).check_consent(granted, requested).is_ok();
        let granted = Some("Files.Read https://graph.microsoft.com/User.Read");
        assert!(check(granted, None));
        assert!(check(granted, Some("user.read openid offline_access")));
        assert!(check(granted, Some("https://graph.microsoft.com/.default")));
        assert!(!check(granted, Some("Files.Read Files.ReadWrite")));
        assert!(!check(Some("api://photos/Files.ReadWrite"), Some("Files.ReadWrite")));
        assert!(check(Some("https://graph.microsoft.com/.default"), Some("Files.ReadWrite")));
        assert!(check(None, Some("Files.ReadWrite")));
    }

    #[test]
    fn a_token_has_the_granted_scopes_of_its_resource() {
        let base_url = base_url();
        let scopes = |requested, resource: &Audience| {
            let granted = "openid Files.Read api://photos/read";
            ScopeParser(&base_url).for_resource(granted, requested, resource)
        };
        let default = "https://graph.microsoft.com/.default";
        assert_eq!(scopes(default, &Audience::Graph), "openid Files.Read");
        assert_eq!(
            scopes("https://a.sharepoint.com/.default", &Audience::SharePoint),
            "openid Files.Read"
        );
        let photos = Audience::Api("photos".into());
        assert_eq!(scopes("", &photos), "openid api://photos/read");
    }
}
