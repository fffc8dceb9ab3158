//! Batches of requests.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use drivedal_server::{Budget, Fault};
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, names};

async fn batch(drive: &Drive<'_>, requests: Value) -> Vec<Value> {
    let response =
        drive.request("POST", "/$batch").json(json!({ "requests": requests })).ok().await;
    response.json()["responses"].as_array().expect("responses").clone()
}

fn statuses(responses: &[Value]) -> Vec<(String, u64)> {
    let of =
        |one: &Value| (one["id"].as_str().unwrap().to_owned(), one["status"].as_u64().unwrap());
    responses.iter().map(of).collect()
}

#[tokio::test]
async fn batched_requests_behave_like_separate_ones() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let responses = batch(
        &drive,
        json!([
            {"id": "made", "method": "POST", "url": "/me/drive/root/children",
             "headers": {"Content-Type": "application/json"}, "body": {"name": "d", "folder": {}}},
            {"id": "put", "method": "PUT", "url": "/me/drive/root:/d/f%20%C3%A4:/content",
             "headers": {"content-type": "text/plain"}, "body": STANDARD.encode("batched")},
            {"id": "read", "method": "GET", "url": "/me/drive/root:/d/f%20%C3%A4:/content"},
            {"id": "list", "method": "GET", "url": "me/drive/root:/d:/children?$select=name"},
            {"id": "whole", "method": "GET", "url": cloud.url("/v1.0/me/drive/root")},
            {"id": "open", "method": "GET", "url": "/me/drive/root:/d/f ä"},
            {"id": "none", "method": "GET", "url": "/me/drive/root:/none"},
            {"id": "gone", "method": "DELETE", "url": "/me/drive/root:/d"},
        ]),
    )
    .await;
    let expected = [
        ("made", 201),
        ("put", 201),
        ("read", 302),
        ("list", 200),
        ("whole", 200),
        ("open", 200),
        ("none", 404),
        ("gone", 204),
    ];
    assert_eq!(statuses(&responses), expected.map(|(id, status)| (id.to_owned(), status)));
    assert_eq!(responses[1]["body"]["size"], 7);
    let url = responses[2]["headers"]["Location"].as_str().expect("a place");
    assert!(responses[2].get("body").is_none());
    assert_eq!(cloud.send("GET", url).await.status, 404, "removed by the same batch");
    assert_eq!(names(&responses[3]["body"]), ["f ä"]);
    assert_eq!(responses[6]["body"]["error"]["code"], "itemNotFound");
    let counters = cloud.server.control().counters();
    for (operation, times) in [("graph.batch", 1), ("graph.content.put", 1), ("graph.item.get", 3)]
    {
        assert_eq!(counters.count(operation), times, "{operation}");
    }
}

#[tokio::test]
async fn a_request_waits_for_those_it_depends_on_and_fails_with_them() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let responses = batch(
        &drive,
        json!([
            {"id": "3", "method": "GET", "url": "/me/drive/root:/a/f:/content", "dependsOn": ["2"]},
            {"id": "2", "method": "GET", "url": "/me/drive/root:/a", "dependsOn": ["1"]},
            {"id": "1", "method": "PATCH", "url": "/me/drive/root:/a", "body": {"folder": {}},
             "headers": {"Content-Type": "application/json"}},
            {"id": "4", "method": "GET", "url": "/me/drive", "dependsOn": ["3"]},
        ]),
    )
    .await;
    let expected = [("1", 201), ("2", 200), ("3", 404), ("4", 424)];
    assert_eq!(statuses(&responses), expected.map(|(id, status)| (id.to_owned(), status)));
    for bad in [
        json!([{"id": "1", "method": "GET", "url": "/me", "dependsOn": ["1"]}]),
        json!([{"id": "1", "method": "POST", "url": "/me/drive/root/children", "body": {}}]),
        json!([{"id": "1", "method": "POST", "url": "/$batch"}]),
        json!([{"id": "1", "url": "/me"}]),
    ] {
        let refused = drive.request("POST", "/$batch").json(json!({ "requests": bad }));
        refused.refused(400, "BadRequest").await;
    }
    drive.request("GET", "/$batch").refused(405, "Request_BadRequest").await;
    let stranger = cloud.send("POST", &cloud.url("/v1.0/$batch")).json(json!({"requests": []}));
    stranger.refused(401, "InvalidAuthenticationToken").await;
}

#[tokio::test]
async fn a_refused_batch_has_no_effect() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let make = |id: &str| {
        json!({"id": id, "method": "PATCH", "url": "/me/drive/root:/made", "body": {"folder": {}},
            "headers": {"Content-Type": "application/json"}})
    };
    let with = |member: &str, value: Value| {
        let mut bad = json!({"id": "bad", "method": "GET", "url": "/me"});
        bad[member] = value;
        bad
    };
    let without = |member: &str| {
        let mut bad = with("id", json!("bad"));
        bad.as_object_mut().unwrap().remove(member);
        bad
    };
    let mut batches: Vec<Value> = [
        without("id"),
        without("method"),
        without("url"),
        with("id", json!("")),
        with("id", json!("MADE")),
        with("id", json!(7)),
        with("url", json!("")),
        with("url", json!("https://graph.example.org/v1.0/me")),
        with("url", json!("//example.org/me")),
        with("url", json!("/$batch")),
        with("url", json!("/%24batch")),
        with("method", json!("TRACE")),
        with("method", json!("")),
        with("headers", json!({"a b": "c"})),
        with("headers", json!({"a": 1})),
        with("body", json!({"a": 1})),
        with("dependsOn", json!(["none"])),
        with("dependsOn", json!(["bad"])),
        with("colour", json!("red")),
        json!("text"),
    ]
    .into_iter()
    .map(|bad| json!({"requests": [make("made"), bad]}))
    .collect();
    let binary = json!({"id": "bad", "method": "PUT", "url": "/me/drive/root:/f:/content",
        "headers": {"Content-Type": "image/png"}, "body": "no base64!"});
    batches.push(json!({"requests": [make("made"), binary]}));
    let cycle = json!([
        make("made"),
        {"id": "a", "method": "GET", "url": "/me", "dependsOn": ["b"]},
        {"id": "b", "method": "GET", "url": "/me", "dependsOn": ["A"]},
    ]);
    batches.push(json!({ "requests": cycle }));
    let many: Vec<_> = (0..21).map(|at| make(&at.to_string())).collect();
    batches.push(json!({ "requests": many }));
    batches.push(json!({"requests": [make("made")], "colour": "red"}));
    batches.push(json!({"requests": {"made": make("made")}}));
    batches.push(json!({}));
    let mut texts: Vec<String> = batches.iter().map(Value::to_string).collect();
    let whole = json!({"requests": [make("made")]}).to_string();
    texts.push(whole[..whole.len() - 1].to_owned());
    texts.push(format!("{whole}{}", " ".repeat(5 << 20)));
    for text in texts {
        let shown = text[..text.len().min(400)].to_owned();
        let response = drive.request("POST", "/$batch").body(text).await;
        assert_eq!(response.status, 400, "{shown}: {response:?}");
        assert_eq!(response.json()["error"]["code"], "BadRequest", "{shown}");
    }
    drive.request("GET", "/me/drive/root:/made").refused(404, "itemNotFound").await;
    assert_eq!(cloud.server.control().counters().count("graph.item.update"), 0);
    assert_eq!(statuses(&batch(&drive, json!([make("made")])).await), [("made".to_owned(), 201)]);
}

#[tokio::test]
async fn faults_and_budgets_meet_the_requests_of_a_batch_one_by_one() {
    let cloud = GraphServer::with(|builder| builder.latency(Duration::from_secs(1))).await;
    let drive = cloud.drive();
    let three = json!([
        {"id": "a", "method": "GET", "url": "/me/drive/root"},
        {"id": "b", "method": "GET", "url": "/me/drive/root"},
        {"id": "c", "method": "GET", "url": "/me/drive/root"},
    ]);
    let control = cloud.server.control();
    let once = [Fault::on("graph.item.get").times(1).status(503).header("retry-after", "3")];
    control.add_faults(once).unwrap();
    let began = Instant::now();
    let responses = batch(&drive, three.clone()).await;
    assert!(began.elapsed() < Duration::from_secs(2), "the way is made once");
    let of: Vec<_> = responses.iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(of, [503, 200, 200]);
    assert_eq!(responses[0]["headers"]["Retry-After"], "3");
    control.set_budget(Some(Budget::new(2, Duration::from_secs(60)))).unwrap();
    let responses = batch(&drive, three).await;
    let of: Vec<_> = responses.iter().map(|one| one["status"].as_u64().unwrap()).collect();
    assert_eq!(of, [200, 200, 429]);
}

#[tokio::test]
async fn a_batch_in_a_batch_is_refused_before_anything_is_done() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let inner =
        json!({"requests": [{"id": "1", "method": "DELETE", "url": "/me/drive/root:/kept"}]});
    drive.put("kept", "x").await;
    for url in ["/$batch", "$batch?a=b", "/%24batch", "//%24%62atch", "/$batch/"] {
        let requests = json!([
            {"id": "1", "method": "POST", "url": "/me/drive/root/children",
             "headers": {"Content-Type": "application/json"}, "body": {"name": "d", "folder": {}}},
            {"id": "2", "method": "POST", "url": url,
             "headers": {"Content-Type": "application/json"}, "body": inner},
        ]);
        let asked = drive.request("POST", "/$batch").json(json!({ "requests": requests }));
        asked.refused(400, "BadRequest").await;
    }
    assert_eq!(names(&drive.get("/me/drive/root/children").await), ["kept"]);
}

#[tokio::test]
async fn the_bodies_of_all_responses_are_limited_together() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("large.bin", &"x".repeat(33 << 20)).await;
    drive.put("small.txt", "small").await;
    let read = |id: &str, name: &str| {
        let url = format!("/me/drive/root:/{name}:/contentStream");
        json!({"id": id, "method": "GET", "url": url})
    };
    let requests = [read("1", "large.bin"), read("2", "large.bin"), read("3", "small.txt")];
    let responses = batch(&drive, json!(requests)).await;
    let expected = [("1", 200), ("2", 500), ("3", 200)];
    assert_eq!(statuses(&responses), expected.map(|(id, status)| (id.to_owned(), status)));
    let error = &responses[1]["body"]["error"]["message"];
    assert_eq!(*error, "cannot read the response to request '2': length limit exceeded");
    assert_eq!(responses[2]["body"], STANDARD.encode("small"));
}
