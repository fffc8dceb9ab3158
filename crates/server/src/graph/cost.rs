//! Costs of requests in resource units, as the cloud publishes them
//! (onedrive-graph#resource-units). [`Budget`](crate::Budget) limits the units of an account.

use super::{
    delta,
    query::QueryOptions,
    route::{GraphAction, ItemAction},
    select::Selection,
    table::GraphRoute,
};

/// Cost of a request without a route.
pub(super) const UNKNOWN: u32 = 1;

/// Cost of a request that expands permissions.
const WITH_PERMISSIONS: u32 = 5;

/// Cost of a request of the change feed that has a token.
const FEED_WITH_TOKEN: u32 = 1;

/// Returns the cost of an action in resource units. `route` is the action's row of the table.
pub(super) fn units(
    route: &GraphRoute,
    action: &GraphAction,
    query: &QueryOptions,
    selection: &Selection,
) -> u32 {
    match action {
        _ if selection.expands("permissions") => WITH_PERMISSIONS,
        GraphAction::Item { action: ItemAction::Delta(segment), .. }
            if delta::token(query, segment).is_some() =>
        {
            FEED_WITH_TOKEN
        }
        _ => route.cost,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::graph::address::Address;

    fn cost_of(method: &Method, uri: &str) -> u32 {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let query = QueryOptions::parse(Some(query)).expect("a query");
        let address = Address::parse(path, &query).expect("an address");
        let action = GraphAction::parse(method, address).expect("an action");
        let selection = Selection::from_query(&query, &[]).expect("a selection");
        units(action.route(), &action, &query, &selection)
    }

    #[test]
    fn costs_follow_the_published_table() {
        for (method, uri, units) in [
            (Method::GET, "/me/drive/root", 1),
            (Method::GET, "/me/drive/items/1/content", 1),
            (Method::GET, "/me/drive/root?$expand=permissions", 5),
            (Method::GET, "/me/drive/root?expand=children,permissions", 5),
            (Method::GET, "/me/drive/root?%24expand=children(%24expand%3Dpermissions)", 5),
            (Method::GET, "/me/drive/root?$expand=children&$select=permissions", 1),
            (Method::GET, "/me/drive/root?$expand=children($select=permissions)", 1),
            (Method::GET, "/me/drive/root/children", 2),
            (Method::GET, "/me/drive/root/delta", 2),
            (Method::GET, "/me/drive/root/delta?token=", 2),
            (Method::GET, "/me/drive/root/delta?$top=5&token=x", 1),
            (Method::GET, "/me/drive/root/delta(token='x')", 1),
            (Method::GET, "/me/drive/root:/delta(token='x')", 1),
            (Method::PUT, "/me/drive/root:/a:/content", 2),
            (Method::POST, "/me/drive/root:/a:/createUploadSession", 2),
            (Method::GET, "/me/drive/items/1/permissions", 5),
            (Method::POST, "/$batch", 0),
        ] {
            assert_eq!(cost_of(&method, uri), units, "{method} {uri}");
        }
    }
}
