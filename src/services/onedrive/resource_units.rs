//! What requests cost of what Graph allows an account.

use http::Method;
use opendal::raw::Operation;

/// What a signed request costs, in resource units (onedrive-graph#resource-units): one item or its
/// bytes, or a page of a change feed from a token on, 1; several items, and every change, 2. What
/// is pre-authenticated costs nothing, and does not come here.
pub(super) fn resource_units(method: &Method, operation: Operation, url: &str) -> u32 {
    match (method, operation) {
        (&Method::GET, Operation::List) if continues_a_feed(url) => 1,
        (&Method::GET, Operation::List) => 2,
        (&Method::GET, _) => 1,
        _ => 2,
    }
}

/// Whether a URL is that of a change feed with a token: in the query, or in the function's call. A
/// name on the way deceives nobody, because its brackets are escaped.
fn continues_a_feed(url: &str) -> bool {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (_, function) = path.rsplit_once('/').unwrap_or_default();
    match function {
        "delta" | "delta()" => query.split('&').any(|one| one.starts_with("token=")),
        _ => function.starts_with("delta(token="),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_what_the_cloud_publishes() {
        let root = "https://graph.microsoft.com/v1.0/me/drive/root";
        for (method, operation, below, units) in [
            (Method::GET, Operation::Stat, "?$select=id", 1),
            (Method::GET, Operation::Read, ":/a:/content", 1),
            (Method::GET, Operation::List, "/children?$top=5", 2),
            (Method::GET, Operation::List, "/children?$skiptoken=x", 2),
            (Method::GET, Operation::List, "/delta?$top=5", 2),
            (Method::GET, Operation::List, "/delta?$top=5&token=x", 1),
            (Method::GET, Operation::List, "/delta()?token=x", 1),
            (Method::GET, Operation::List, "/delta(token='x%2Fy')", 1),
            (Method::GET, Operation::List, ":/delta:/children?token=x", 2),
            (Method::PUT, Operation::Write, ":/a:/content", 2),
            (Method::POST, Operation::Write, ":/a:/createUploadSession", 2),
            (Method::DELETE, Operation::Delete, ":/a", 2),
        ] {
            let url = format!("{root}{below}");
            assert_eq!(resource_units(&method, operation, &url), units, "{method} {below}");
        }
    }
}
