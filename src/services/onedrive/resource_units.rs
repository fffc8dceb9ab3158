//! Cost of requests against the account's limits in Microsoft Graph.

use http::Method;
use opendal::raw::Operation;

/// Returns the cost of a signed request in resource units (onedrive-graph#resource-units).
///
/// One item, its content, or a page of a change feed from a token on costs 1. A list of items and
/// every modification cost 2. Requests for links and permissions, which have the operation
/// [`Presign`](Operation::Presign), cost 5. Requests to pre-authenticated URLs are free and must not be passed to
/// this function.
pub(super) fn resource_units(method: &Method, operation: Operation, url: &str) -> u32 {
    match (method, operation) {
        (_, Operation::Presign) => 5,
        (&Method::GET, Operation::List) if has_delta_token(url) => 1,
        (&Method::GET, Operation::List) => 2,
        (&Method::GET, _) => 1,
        _ => 2,
    }
}

/// Returns whether a URL is a change feed with a token, in the query or as the function's argument.
/// A file name in the path cannot match, because its brackets are percent-encoded.
fn has_delta_token(url: &str) -> bool {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (_, function) = path.rsplit_once('/').unwrap_or_default();
    match function {
        "delta" | "delta()" => query.split('&').any(|pair| pair.starts_with("token=")),
        _ => function.starts_with("delta(token="),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_as_published() {
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
            (Method::GET, Operation::Presign, ":/a:/permissions", 5),
            (Method::POST, Operation::Presign, ":/a:/createLink", 5),
        ] {
            let url = format!("{root}{below}");
            assert_eq!(resource_units(&method, operation, &url), units, "{method} {below}");
        }
    }
}
