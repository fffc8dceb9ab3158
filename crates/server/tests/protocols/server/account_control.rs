//! Control of one account, while others go on: reset, counters, faults, clock, snapshots, ids.

use std::time::Instant;

use drivedal_server::{Control, FixtureItem};
use serde_json::{Value, json};

use crate::server::rig::{Rig, TestRequest};

/// Returns a request of Graph with the token of an account.
fn graph(rig: &Rig, account: &str, method: &str, path: &str) -> TestRequest {
    let url = if path.starts_with("http") { path.to_owned() } else { format!("/v1.0{path}") };
    rig.bare(method, &url).token(&format!("drivedal-dev-{account}"))
}

async fn put(rig: &Rig, account: &str, name: &str, bytes: &str) -> Value {
    let path = format!("/me/drive/root:/{name}:/content");
    graph(rig, account, "PUT", &path).body(bytes).ok().await.json()
}

async fn names(rig: &Rig, account: &str) -> Vec<String> {
    let listed = graph(rig, account, "GET", "/me/drive/root/children").ok().await.json();
    let all = listed["value"].as_array().expect("a list");
    all.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

async fn control(rig: &Rig, method: &str, path: &str, body: Value) -> Value {
    let request = rig.bare(method, &format!("/_control/{path}"));
    let request = if body.is_null() { request } else { request.json(body) };
    let response = request.ok().await;
    serde_json::from_slice(&response.body).unwrap_or_default()
}

#[tokio::test]
async fn a_reset_concerns_one_account() {
    let rig = Rig::new().await;
    for account in ["anna", "bob"] {
        put(&rig, account, "f.txt", account).await;
        let rule = json!({"operation": "graph.drive.get", "status": 503});
        control(&rig, "POST", &format!("faults?account={account}"), rule).await;
        graph(&rig, account, "GET", "/me/drive").refused(503, "serviceNotAvailable").await;
    }
    let count = async |path: &str| control(&rig, "GET", path, Value::Null).await["total"].clone();
    assert_eq!(count("counters?account=anna").await, 2);
    let log = rig.bare("GET", "/_control/requests?account=bob").ok().await;
    assert_eq!(log.text().lines().count(), 2, "{log:?}");

    control(&rig, "POST", "state/reset?account=anna", Value::Null).await;
    assert_eq!(count("counters?account=anna").await, 0);
    assert_eq!(count("counters").await, 4, "the counters of all requests remain");
    assert_eq!(rig.bare("GET", "/_control/requests?account=anna").ok().await.text(), "");
    assert!(names(&rig, "anna").await.is_empty());
    graph(&rig, "anna", "GET", "/me/drive").ok().await;
    assert_eq!(names(&rig, "bob").await, ["f.txt"]);
    graph(&rig, "bob", "GET", "/me/drive").refused(503, "serviceNotAvailable").await;
    control(&rig, "DELETE", "faults?account=bob", Value::Null).await;
    graph(&rig, "bob", "GET", "/me/drive").ok().await;
    let audit = rig.server.control().audit().await.expect("an audit");
    assert_eq!((audit.missing, audit.damaged), (0, 0));
}

#[tokio::test]
async fn unknown_parameters_are_rejected() {
    let rig = Rig::new().await;
    for (method, path, known) in [
        ("GET", "counters?acount=anna", "account"),
        ("POST", "state/reset?drive=anna", "account"),
        ("DELETE", "faults?all=true", "account and seed"),
        ("GET", "budget?account=anna", "none"),
        ("GET", "snapshots?name=x", "account"),
    ] {
        let refused = rig.bare(method, &format!("/_control/{path}")).await;
        assert_eq!(refused.status, 400, "{path}");
        let text = refused.text().trim_end();
        assert!(text.starts_with("cannot use the parameter") && text.ends_with(known), "{text}");
    }
    let outside = rig.bare("GET", "/_control/snapshots/a%2Fb/restore").await;
    assert_eq!(outside.status, 405);
    let invalid = rig.bare("PUT", "/_control/snapshots/a%20b").await;
    assert_eq!(invalid.status, 400, "{invalid:?}");
    let account = rig.bare("POST", "/_control/state/reset?account=a%20b").await;
    assert_eq!(account.status, 400, "{account:?}");
}

#[tokio::test]
async fn times_of_an_account_follow_its_clock() {
    let rig = Rig::new().await;
    let noon = json!({"now": "2024-05-06T12:00:00Z", "frozen": true});
    let set = control(&rig, "PUT", "clock?account=anna", noon).await;
    assert_eq!((&set["now"], &set["system"]), (&json!("2024-05-06T12:00:00Z"), &json!(false)));
    let file = put(&rig, "anna", "f.txt", "hello").await;
    assert_eq!(file["createdDateTime"], "2024-05-06T12:00:00Z");
    let theirs = put(&rig, "bob", "f.txt", "hello").await;
    assert_ne!(theirs["createdDateTime"], "2024-05-06T12:00:00Z");
    // A fragment extends the session of the account whose clock is frozen.
    let session = "/me/drive/root:/big:/createUploadSession";
    let session = graph(&rig, "anna", "POST", session).json(json!({})).ok().await.json();
    let upload = session["uploadUrl"].as_str().expect("a URL").to_owned();
    let expires = session["expirationDateTime"].as_str().expect("a time").to_owned();
    assert!(expires.starts_with("2024-05-07T12:00:00"), "{expires}");
    let download = graph(&rig, "anna", "GET", "/me/drive/root:/f.txt:/content").await.location();
    rig.bare("GET", &download).ok().await;
    let tokens = "client_id=c&grant_type=refresh_token&refresh_token=drivedal-dev-anna-refresh";
    let tokens = rig.bare("POST", "/common/oauth2/v2.0/token").form(tokens).ok().await.json();
    let token = tokens["access_token"].as_str().expect("a token").to_owned();
    let me = || rig.bare("GET", "/v1.0/me/drive").token(&token);
    me().ok().await;
    // Another session must not remove the one of the account with the other clock.
    let other = "/me/drive/root:/other:/createUploadSession";
    graph(&rig, "bob", "POST", other).json(json!({})).ok().await;
    rig.bare("GET", &upload).ok().await;

    let later = json!({"milliseconds": 25 * 3600 * 1000});
    let advanced = control(&rig, "POST", "clock/advance?account=anna", later).await;
    assert_eq!(advanced["now"], "2024-05-07T13:00:00Z");
    assert_eq!(rig.bare("GET", &download).await.status, 401, "the download URL has expired");
    assert_eq!(me().await.status, 401, "the token has expired");
    assert_eq!(rig.bare("GET", &upload).await.status, 404, "the upload session has expired");

    graph(&rig, "anna", "DELETE", "/me/drive/root:/f.txt").ok().await;
    let deleted = || async {
        let drive = graph(&rig, "anna", "GET", "/me/drive").ok().await.json();
        drive["quota"]["deleted"].clone()
    };
    assert_eq!(deleted().await, 5);
    let month = json!({"milliseconds": 31_u64 * 24 * 3600 * 1000});
    control(&rig, "POST", "clock/advance?account=anna", month).await;
    assert_eq!(deleted().await, 0, "the recycle bin keeps items for 30 days");
    control(&rig, "DELETE", "clock?account=anna", Value::Null).await;
    let clock = control(&rig, "GET", "clock?account=anna", Value::Null).await;
    assert_eq!(clock["system"], true);
    let far = json!({"milliseconds": u64::MAX});
    let far = rig.bare("POST", "/_control/clock/advance?account=anna").json(far).await;
    assert_eq!(far.status, 400, "{far:?}");
}

#[tokio::test]
async fn the_window_of_a_budget_ends_with_the_clock() {
    use drivedal_server::Budget;
    let rig = Rig::new().await;
    let budget = Budget::new(2, std::time::Duration::from_secs(60));
    rig.server.control().set_budget(Some(budget)).expect("a budget");
    let get = || graph(&rig, "anna", "GET", "/me/drive");
    control(&rig, "PUT", "clock?account=anna", json!({"frozen": true})).await;
    get().ok().await;
    get().ok().await;
    assert_eq!(get().await.status, 429);
    control(&rig, "POST", "clock/advance?account=anna", json!({"milliseconds": 60_000})).await;
    get().ok().await;
}

/// Creates `count` files in a folder of an account's drive.
async fn many(control: &Control, account: &str, count: usize) {
    let items = (0..count).map(|number| {
        FixtureItem::file(format!("many/{number}.txt"), format!("content {number}"))
            .on_drive(account)
    });
    control.add_fixtures(items).await.expect("fixtures");
}

#[tokio::test]
async fn a_snapshot_restores_a_drive_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::with(|builder| builder.data(folder.path())).await;
    let kept = put(&rig, "anna", "kept.txt", "first").await;
    let large = "x".repeat(300_000);
    put(&rig, "anna", "large.txt", &large).await;
    put(&rig, "anna", "trashed.txt", "t").await;
    graph(&rig, "anna", "DELETE", "/me/drive/root:/trashed.txt").ok().await;
    let taken = control(&rig, "PUT", "snapshots/start?account=anna", Value::Null).await;
    assert_eq!((&taken["items"], &taken["name"]), (&json!(3), &json!("start")));
    let new = put(&rig, "anna", "new.txt", "new").await;

    put(&rig, "anna", "kept.txt", "second").await;
    graph(&rig, "anna", "DELETE", "/me/drive/root:/large.txt").ok().await;
    put(&rig, "bob", "theirs.txt", "b").await;
    let delta = graph(&rig, "anna", "GET", "/me/drive/root/delta").ok().await.json();
    let delta = delta["@odata.deltaLink"].as_str().expect("a link").to_owned();
    let session = "/me/drive/root:/big:/createUploadSession";
    let session = graph(&rig, "anna", "POST", session).json(json!({})).ok().await.json();

    for _ in 0..2 {
        control(&rig, "POST", "snapshots/start/restore?account=anna", Value::Null).await;
        assert_eq!(names(&rig, "anna").await, ["kept.txt", "large.txt"]);
        let item = graph(&rig, "anna", "GET", "/me/drive/root:/kept.txt").ok().await.json();
        assert_eq!((&item["id"], &item["eTag"]), (&kept["id"], &kept["eTag"]));
        let url = item["@microsoft.graph.downloadUrl"].as_str().expect("a URL");
        assert_eq!(rig.bare("GET", url).ok().await.text(), "first");
        let item = graph(&rig, "anna", "GET", "/me/drive/root:/large.txt").ok().await.json();
        let url = item["@microsoft.graph.downloadUrl"].as_str().expect("a URL");
        assert_eq!(rig.bare("GET", url).ok().await.text(), large);
        // A new item has the id that it had after the snapshot.
        assert_eq!(put(&rig, "anna", "new.txt", "new").await["id"], new["id"]);
        graph(&rig, "anna", "GET", &delta).refused(410, "resyncRequired").await;
        let upload = session["uploadUrl"].as_str().expect("a URL");
        assert_eq!(rig.bare("GET", upload).await.status, 404);
    }
    assert_eq!(names(&rig, "bob").await, ["theirs.txt"]);
    let listed = control(&rig, "GET", "snapshots?account=anna", Value::Null).await;
    assert_eq!(listed[0]["name"], "start");
    assert_eq!(control(&rig, "GET", "snapshots", Value::Null).await, json!([]));

    // The bytes live as long as the drive or a snapshot has them.
    control(&rig, "POST", "state/reset?account=anna", Value::Null).await;
    control(&rig, "POST", "snapshots/start/restore?account=anna", Value::Null).await;
    let quota = graph(&rig, "anna", "GET", "/me/drive").ok().await.json()["quota"].clone();
    assert_eq!((&quota["used"], &quota["deleted"]), (&json!(300_005), &json!(1)));
    control(&rig, "DELETE", "snapshots/start?account=anna", Value::Null).await;
    assert_eq!(names(&rig, "anna").await, ["kept.txt", "large.txt"]);
    for (method, path) in [
        ("DELETE", "snapshots/start?account=anna"),
        ("POST", "snapshots/start/restore?account=anna"),
    ] {
        let refused = rig.bare(method, &format!("/_control/{path}")).await;
        assert_eq!(refused.status, 404, "{path}");
        assert!(refused.text().contains("no snapshot `start`"), "{refused:?}");
    }
    graph(&rig, "anna", "DELETE", "/me/drive/root:/large.txt").ok().await;
    control(&rig, "POST", "state/reset", Value::Null).await;
    let audit = rig.server.control().audit().await.expect("an audit");
    assert_eq!((audit.blobs, audit.orphans, audit.missing), (0, 0, 0));
    rig.server.stop().await;
}

#[tokio::test]
async fn a_snapshot_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::with(|builder| builder.data(folder.path())).await;
    put(&rig, "anna", "f.txt", &"x".repeat(300_000)).await;
    rig.server.control().take_snapshot("anna", "s").await.expect("a snapshot");
    graph(&rig, "anna", "POST", "/me/drive/root:/f.txt:/permanentDelete").await;
    control(&rig, "POST", "state/reset?account=anna", Value::Null).await;
    rig.server.stop().await;
    let rig = Rig::with(|builder| builder.data(folder.path())).await;
    rig.server.control().restore_snapshot("anna", "s").await.expect("restored");
    let item = graph(&rig, "anna", "GET", "/me/drive/root:/f.txt").ok().await.json();
    let url = item["@microsoft.graph.downloadUrl"].as_str().expect("a URL");
    assert_eq!(rig.bare("GET", url).ok().await.text().len(), 300_000);
    rig.server.stop().await;
}

#[tokio::test]
async fn a_thousand_items_are_restored() {
    let rig = Rig::new().await;
    let control = rig.server.control();
    many(&control, "anna", 1000).await;
    control.take_snapshot("anna", "s").await.expect("a snapshot");
    graph(&rig, "anna", "DELETE", "/me/drive/root:/many").ok().await;
    let before = Instant::now();
    control.restore_snapshot("anna", "s").await.expect("restored");
    // The time is reported and not asserted: a debug build on a busy machine has no bound.
    eprintln!("1,000 items were restored in {:?}", before.elapsed());
    let many = graph(&rig, "anna", "GET", "/me/drive/root:/many").ok().await.json();
    assert_eq!(many["folder"]["childCount"], 1000);
}

#[tokio::test]
async fn a_seed_makes_ids_reproducible() {
    let mut runs = Vec::new();
    for others in [false, true] {
        let rig = Rig::with(|builder| builder.id_seed(7)).await;
        let frozen = json!({"now": "2024-05-06T12:00:00Z", "frozen": true});
        control(&rig, "PUT", "clock?account=anna", frozen).await;
        if others {
            // The requests of another account do not matter.
            put(&rig, "bob", "x", "x").await;
            let session = "/me/drive/root:/x:/createUploadSession";
            graph(&rig, "bob", "POST", session).json(json!({})).ok().await;
        }
        let file = put(&rig, "anna", "f.txt", "hello").await;
        let session = "/me/drive/root:/big:/createUploadSession";
        let session = graph(&rig, "anna", "POST", session).json(json!({})).ok().await.json();
        let host = rig.url("");
        let host = host.trim_end_matches('/');
        let path = |value: &Value| value.as_str().expect("a URL").replace(host, "");
        runs.push((
            file["id"].clone(),
            path(&file["@microsoft.graph.downloadUrl"]),
            path(&session["uploadUrl"]),
        ));
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_control_token_guards_the_control_api() {
    let rig = Rig::with(|builder| builder.control_token("fixed").stand_in()).await;
    assert_eq!(rig.bare("GET", "/_control/counters").await.status, 401);
    assert_eq!(rig.bare("GET", "/_control/counters").token("other").await.status, 401);
    rig.bare("GET", "/_control/counters").token("fixed").ok().await;
    let authority = rig.bare("GET", "/_control/ca.pem").ok().await;
    assert!(authority.text().starts_with("-----BEGIN CERTIFICATE-----"), "{authority:?}");
    let plain = Rig::new().await;
    assert_eq!(plain.bare("GET", "/_control/ca.pem").await.status, 404);
}
