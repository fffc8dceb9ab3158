//! The budget of an account in a window of time, in the errors of each protocol.

use std::time::Duration;

use drivedal_server::Budget;
use serde_json::{Value, json};

use crate::server::rig::{Rig, TestResponse};

fn budget(units: u32) -> Budget {
    Budget::new(units, Duration::from_secs(600))
}

async fn graph(rig: &Rig, path: &str) -> TestResponse {
    let request = rig.bare("GET", path).header("authorization", "Bearer drivedal-dev");
    request.send().await
}

#[tokio::test]
async fn graph_sends_rate_limit_headers_from_80_percent_and_refuses_excess() {
    let rig = Rig::with(|builder| builder.budget(budget(10))).await;
    let mut told = Vec::new();
    // Two requests of two units, six of one.
    for path in ["/children", "/children", "", "", "", "", "", ""] {
        let answer = graph(&rig, &format!("/v1.0/me/drive/root{path}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        told.push(answer.header("ratelimit-remaining").to_owned());
    }
    assert_eq!(told, ["", "", "", "", "", "2", "1", "0"]);

    let refused = graph(&rig, "/v1.0/me/drive/root").await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.refusal().1, "activityLimitReached");
    for (name, value) in [
        ("retry-after", "600"),
        ("ratelimit-limit", "10"),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", "600"),
    ] {
        assert_eq!(refused.header(name), value, "{refused:?}");
    }
}

#[tokio::test]
async fn only_expanded_permissions_cost_five_units() {
    for (query, cost) in [
        ("$expand=permissions", 5),
        ("%24expand=children(%24expand%3Dpermissions)", 5),
        ("$expand=children&$select=permissions", 1),
    ] {
        let rig = Rig::with(|builder| builder.budget(budget(cost))).await;
        let answer = graph(&rig, &format!("/v1.0/me/drive/root?{query}")).await;
        assert_eq!((answer.status, answer.header("ratelimit-remaining")), (200, "0"), "{query}");
    }
}

#[tokio::test]
async fn live_connect_refuses_with_420_and_amazon_with_429() {
    let rig = Rig::with(|builder| builder.budget(budget(1))).await;
    assert_eq!(rig.live("GET", "/me").send().await.status, 200);
    let refused = rig.live("GET", "/me").send().await;
    crate::server::refused!(refused, 420, "request_throttled");
    assert_eq!(refused.header("retry-after"), "600");
    assert_eq!(refused.header("ratelimit-limit"), "");

    // Another account has a separate budget; sign-in is free.
    let amazon = || {
        let request = rig.bare("GET", "/drive/v1/account/info");
        request.header("authorization", "Bearer drivedal-dev-other").send()
    };
    assert_eq!(amazon().await.status, 200);
    let refused = amazon().await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, ""));
    assert_eq!(refused.json()["message"], "Rate exceeded");
}

#[tokio::test]
async fn a_budget_is_set_read_and_lifted_by_control() {
    let rig = Rig::new().await;
    let control = || rig.bare("GET", "/_control/budget").send();
    assert_eq!(control().await.json(), Value::Null);
    let put = |body: Value| rig.bare("PUT", "/_control/budget").json(&body).send();
    assert_eq!(put(json!({"units": 1, "window": 200})).await.status, 204);
    assert_eq!(control().await.json(), json!({"units": 1, "window": 200}));
    for bad in [json!({"units": 0, "window": 200}), json!({"units": 1}), json!([])] {
        assert_eq!(put(bad).await.status, 400);
    }
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(rig.live("GET", "/me").send().await.status);
    }
    assert_eq!(statuses, [200, 420]);
    // The next window begins without any request.
    let next_window = async {
        while rig.live("GET", "/me").send().await.status == 420 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), next_window).await.expect("in time");
    assert_eq!(rig.bare("DELETE", "/_control/budget").send().await.status, 204);
    for _ in 0..5 {
        assert_eq!(rig.live("GET", "/me").send().await.status, 200);
    }
}
