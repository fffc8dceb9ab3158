//! Costs of requests in resource units, as the cloud publishes them
//! (onedrive-graph#resource-units).

use http::request::Parts;

/// Returns the cost of a request in resource units, given the name of its operation.
/// [`Budget`](crate::Budget) limits the units of an account.
pub(super) fn units(operation: &str, request: &Parts) -> u32 {
    let Some((_, name)) = operation.split_once('.') else { return 0 };
    match name {
        "session.fragment" | "session.status" | "session.cancel" | "session.commit"
        | "copy.status" | "link.get" | "batch" => 0,
        "permissions" | "link.create" => 5,
        _ if expands_permissions(request) => 5,
        "delta.list" if has_token(request) => 1,
        _ => match name.rsplit('.').next() {
            // Requests for a single item, drive, site or user.
            Some("get" | "unknown") => 1,
            _ => 2,
        },
    }
}

/// Returns whether the query expands permissions, which costs more.
fn expands_permissions(request: &Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    query.contains("expand=") && query.contains("permissions")
}

/// Returns whether a request of the change feed has a token, which costs less.
fn has_token(request: &Parts) -> bool {
    let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
    path.contains("delta(token=") || query.split('&').any(|one| one.starts_with("token="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost_of(operation: &str, uri: &str) -> u32 {
        let request = http::Request::get(uri).body(()).expect("a request");
        units(operation, &request.into_parts().0)
    }

    #[test]
    fn costs_follow_the_published_table() {
        for (operation, uri, units) in [
            ("graph.item.get", "/v1.0/me/drive/root", 1),
            ("graph.content.get", "/v1.0/me/drive/items/1/content", 1),
            ("graph.item.get", "/v1.0/me/drive/root?$expand=permissions", 5),
            ("graph.children.list", "/v1.0/me/drive/root/children", 2),
            ("graph.delta.list", "/v1.0/me/drive/root/delta", 2),
            ("graph.delta.list", "/v1.0/me/drive/root/delta?$top=5&token=x", 1),
            ("graph.delta.list", "/v1.0/me/drive/root/delta(token='x')", 1),
            ("graph.content.put", "/v1.0/me/drive/root:/a:/content", 2),
            ("graph.session.create", "/v1.0/me/drive/root:/a:/createUploadSession", 2),
            ("graph.session.fragment", "/rup/x", 0),
            ("graph.permissions", "/v1.0/me/drive/items/1/permissions", 5),
        ] {
            assert_eq!(cost_of(operation, uri), units, "{operation} {uri}");
        }
    }
}
