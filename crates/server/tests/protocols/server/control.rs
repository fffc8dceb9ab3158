//! Counters, request log, seeded items and reset, through the API and over HTTP.

use drivedal_server::{Fault, FixtureItem};
use serde_json::{Value, json};

use crate::server::rig::Rig;

#[tokio::test]
async fn requests_are_counted_by_operation_and_control_is_not() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "a", "x").await;
    rig.live("GET", "/nothing").send().await;
    rig.bare("GET", "/elsewhere").send().await;
    rig.bare("GET", "/_control/health").send().await;
    let counters = rig.bare("GET", "/_control/counters").send().await.json();
    assert_eq!(counters["total"], 4);
    let expected = json!({
        "live.files.put": 1, "live.item.get": 1, "live.unknown": 1, "elsewhere": 1,
    });
    assert_eq!(counters["operations"], expected);
    // The last request may not be completed yet: its client has the response already.
    assert!(counters["completed"].as_u64().is_some_and(|count| (3..=4).contains(&count)));
    assert!(counters["bytes_out"].as_u64().is_some_and(|bytes| bytes > 0), "{counters}");
    let control = rig.server.control();
    assert_eq!((control.counters().total, control.counters().count("live.files.put")), (4, 1));
    assert_eq!(rig.bare("POST", "/_control/counters/reset").send().await.status, 204);
    assert_eq!(control.counters(), Default::default());
    assert_eq!(control.requests(), []);
}

#[tokio::test]
async fn the_log_has_everything_but_secrets() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "12345").await;
    let source = file["source"].as_str().expect("a download URL").to_owned();
    rig.bare("GET", &source).send().await;
    rig.bare("GET", "/v5.0/me?access_token=drivedal-dev-anna&pretty=false").send().await;
    rig.bare("GET", "/v5.0/me?access_token=sesame").send().await;
    let log = rig.bare("GET", "/_control/requests").send().await;
    assert_eq!(log.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(log.body.to_vec()).expect("UTF-8");
    let ticket = source.rsplit('/').nth(1).expect("a download URL");
    for secret in ["drivedal-dev", "sesame", ticket] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let part = |at: usize| {
        let record = &records[at];
        ["number", "method", "path", "operation", "drive", "status", "bytes_in", "bytes_out"]
            .map(|name| record[name].clone())
    };
    let put = part(0);
    assert_eq!(
        put[..7],
        [
            1.into(),
            "PUT".into(),
            "/v5.0/me/skydrive/files/a".into(),
            "live.files.put".into(),
            "".into(),
            json!(201),
            json!(5)
        ]
    );
    assert_eq!(
        part(2)[2..],
        ["/s1pREDACTED/a".into(), "ticket.get".into(), "".into(), json!(200), json!(0), json!(5)]
    );
    assert_eq!(part(3)[2], "/v5.0/me?access_token=REDACTED&pretty=false");
    assert_eq!((&part(3)[4], &part(4)[4]), (&json!("anna"), &Value::Null));
    for record in &records {
        assert!(record["duration"].as_f64().is_some_and(|milliseconds| milliseconds > 0.0));
        assert!(record["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
}

#[tokio::test]
async fn no_url_that_gives_access_is_in_the_log() {
    let rig = Rig::new().await;
    let photo = rig.file("me/skydrive", "a.jpg", crate::server::media::photo(20, 20)).await;
    let path = format!("/{}", photo["id"].as_str().expect("an id"));
    let link = rig.live("GET", &format!("{path}/shared_read_link")).send().await.member("link");
    let encoded: String = url::form_urlencoded::byte_serialize(link.as_bytes()).collect();
    let graph =
        rig.graph("POST", "/me/drive/root:/a.jpg:/createLink").json(json!({"type": "view"}));
    let graph = graph.send().await.json();
    let share = graph["link"]["webUrl"].as_str().expect("a URL").to_owned();
    let session = rig.graph("POST", "/me/drive/root:/b:/createUploadSession").json(json!({}));
    let copy = rig.graph("POST", "/me/drive/root:/a.jpg:/copy").json(json!({"name": "c"}));
    let urls = [
        photo["source"].as_str().expect("a URL").to_owned(),
        photo["picture"].as_str().expect("a URL").to_owned(),
        link.clone(),
        rig.url(&format!("/v5.0/skydrive/get_item_preview?type=small&url={encoded}")),
        share.clone(),
        rig.url(&format!("/v1.0/shares/{}/driveItem", graph["shareId"].as_str().expect("one"))),
        session.send().await.member("uploadUrl"),
        copy.send().await.header("location").to_owned(),
    ];
    let before = rig.server.control().requests().len();
    for url in &urls {
        let reply =
            rig.bare("GET", url).header("authorization", "Bearer drivedal-dev").send().await;
        assert!(reply.status < 400, "{url} works: {reply:?}");
    }
    // The secret is redacted too if the first segment or the path is encoded.
    for (at, first) in [(0, "/s1p"), (1, "/p1p"), (4, "/s/")] {
        let other = first.replace('1', "%31").replace("/s/", "/%73/");
        rig.bare("GET", &urls[at].replacen(first, &other, 1)).send().await;
    }
    let log = rig.bare("GET", "/_control/requests").send().await;
    let text = String::from_utf8(log.body.to_vec()).expect("UTF-8");
    assert_eq!(text.lines().count(), before + urls.len() + 3);
    // Each secret has a part of at least 20 characters that cannot be guessed.
    for url in &urls {
        let parts = url.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
        for secret in parts.filter(|part| part.len() >= 20 && !part.contains("get_item")) {
            assert!(!text.contains(secret), "{secret} of {url} is in {text}");
        }
    }
}

#[tokio::test]
async fn the_log_has_a_size_and_is_read_in_pieces() {
    let rig = Rig::new().await;
    let long = "x".repeat(60_000);
    for _ in 0..320 {
        rig.bare("GET", &format!("/{long}")).send().await;
    }
    rig.bare("GET", "/last").send().await;
    let reply = rig.bare("GET", "/_control/requests").send().await;
    assert_eq!(reply.header("transfer-encoding"), "chunked");
    let memory = drivedal_server::MAX_LOGGED_BYTES;
    assert!(reply.body.len() < memory + (1 << 20) && reply.body.len() > memory / 2);
    let text = String::from_utf8(reply.body.to_vec()).expect("UTF-8");
    let records = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let records: Vec<Value> = records.collect();
    assert_eq!(records.last().expect("one")["path"], "/last");
    assert_eq!(records.last().expect("one")["number"], 321);
    assert!(records.len() < 321);
}

#[tokio::test]
async fn fault_rules_are_added_listed_and_cleared_over_http() {
    let rig = Rig::new().await;
    let rules = json!([
        { "operation": "live.user.get", "count": 1, "status": 503, "headers": { "Retry-After": "1" } },
        { "share": 0.5, "latency": 1 },
    ]);
    let added = rig.bare("POST", "/_control/faults?seed=7").json(&rules).send().await;
    assert_eq!(added.json(), json!({ "seed": 7, "rules": 2 }));
    assert_eq!(rig.live("GET", "/me").send().await.status, 503);
    assert_eq!(rig.live("GET", "/me").send().await.status, 200);
    let active = rig.bare("GET", "/_control/faults").send().await.json();
    assert_eq!((&active[0]["matched"], &active[0]["struck"]), (&json!(2), &json!(1)));
    // Every rule counts its matches, whichever rule takes effect.
    assert_eq!((&active[1]["matched"], &active[1]["seed"]), (&json!(2), &json!(7)));
    assert_eq!(rig.bare("DELETE", "/_control/faults").send().await.status, 204);
    assert_eq!(rig.server.control().faults(), []);
}

#[tokio::test]
async fn every_kind_of_rule_can_be_written_in_json() {
    let rig = Rig::new().await;
    let rules = json!([
        { "operation": "live.*", "path": "/v5.0/*", "drive": "", "share": 0.5, "skip": 1,
          "every": 2, "count": 3, "from": 0, "until": 1000, "lasting": 500, "status": 503,
          "headers": { "Retry-After": "1" }, "body": "no", "when": "after" },
        { "latency": 20 },
        { "latency": { "uniform": { "least": 1, "most": 2.5 } } },
        { "latency": { "normal": { "mean": 20, "deviation": 5 } } },
        { "latency": { "lognormal": { "median": 20, "sigma": 0.5 } } },
        { "latency": { "exponential": { "mean": 20 } } },
        { "bandwidth": 1000 }, { "bandwidth": { "up": 1000 } }, { "bandwidth": { "down": 1000 } },
        { "drip": { "bytes": 1, "every": 50 } },
        { "reset": true }, { "reset": true, "when": "during", "at": 7 },
        { "reset": true, "when": "after" }, { "truncate": 10 },
        { "corrupt": "request" }, { "corrupt": "answer" }, { "headers": { "a": "b" } },
        { "expire": true }, { "lose_session": true }, { "invisible": 100 }, { "wrong_hash": true },
    ]);
    let added = rig.bare("POST", "/_control/faults").json(&rules).send().await;
    let count = rules.as_array().expect("a list").len();
    let seed = rig.server.control().fault_seed();
    assert_eq!(added.json(), json!({ "seed": seed, "rules": count }));
    let told = rig.bare("GET", "/_control/faults").send().await.json();
    for (told, rule) in told.as_array().expect("a list").iter().zip(rules.as_array().unwrap()) {
        for (field, value) in rule.as_object().expect("a rule") {
            let same = *field == "bandwidth" && value.is_u64() || told[field] == *value;
            assert!(same || told[field].as_f64() == value.as_f64(), "{rule} {told}");
        }
    }
}

#[tokio::test]
async fn bad_rules_and_items_are_refused_with_reason_and_position() {
    let rig = Rig::new().await;
    for (path, body, complaint) in [
        ("faults", r#"[{"status": 500}, {"statis": 500}]"#, "rule 2: unknown field `statis`"),
        ("faults", r#"{"operation": "live.nothing", "status": 500}"#, "rule 1: no operation"),
        ("faults", "nonsense", "not JSON"),
        ("faults", r#"{"latency": {"unifrom": {}}}"#, "unknown variant `unifrom`"),
        ("faults", r#"{"latency": {"uniform": {"least": 1}}}"#, "missing field `most`"),
        ("faults", r#"{"latency": "long"}"#, "expected milliseconds"),
        ("faults", r#"{"bandwidth": {"sideways": 1}}"#, "unknown field `sideways`"),
        ("faults", r#"{"drip": {"bytes": 1}}"#, "missing field `every`"),
        ("faults", r#"{"corrupt": "both"}"#, "unknown variant `both`"),
        ("faults", r#"{"reset": true, "when": "later"}"#, "unknown variant `later`"),
        ("faults", r#"{"status": 999}"#, "200 to 599"),
        ("faults", r#"{"share": 1.5, "status": 500}"#, "share must be"),
        ("faults?seed=x", r#"{"status": 500}"#, "seed"),
        ("faults?sead=1", r#"{"status": 500}"#, "sead"),
        ("items", r#"[{"path": "a"}, {"path": ""}]"#, "item 2 (``): the path is empty"),
        ("items", r#"{"path": "b", "content_base64": "%"}"#, "content_base64"),
        ("items", r#"{"path": "b", "kind": "folder", "content": "x"}"#, "only a file"),
        ("items", r#"{"path": "b", "drive": "a b"}"#, "`a b`"),
        ("items", r#"{"path": "A"}"#, "has this name already"),
    ] {
        let reply = rig.bare("POST", &format!("/_control/{path}")).body(body).send().await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(reply.status == 400 && text.contains(complaint), "{body}: {text}");
    }
    assert_eq!(rig.bare("GET", "/_control/nothing").send().await.status, 404);
    assert_eq!(rig.bare("PUT", "/_control/faults").send().await.status, 405);
}

#[tokio::test]
async fn items_are_planted_with_the_times_they_are_to_have() {
    let rig = Rig::new().await;
    let items = json!([
        { "path": "a/b/old.txt", "content": "ä", "modified": "2001-02-03T04:05:06Z", "description": "d" },
        { "path": "hers", "kind": "folder", "drive": "anna" },
    ]);
    let planted = rig.bare("POST", "/_control/items").json(&items).send().await;
    assert_eq!(planted.status, 201);
    let planted = planted.json();
    let file = rig.object(planted[0]["live_id"].as_str().expect("an id")).await;
    assert_eq!(file["client_updated_time"], "2001-02-03T04:05:06+0000");
    assert_eq!((&file["description"], &file["size"]), (&json!("d"), &json!(2)));
    assert_eq!(rig.names("me/skydrive", "").await, ["a"]);
    let anna = Rig { token: "drivedal-dev-anna", ..rig };
    assert_eq!(anna.names("me/skydrive", "").await, ["hers"]);
}

#[tokio::test]
async fn reset_restores_the_initial_state() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("sub")).expect("made");
    std::fs::write(folder.path().join("sub/seed.txt"), "seed").expect("written");
    let rig = Rig::with(|builder| builder.seed(folder.path()).quota(1000)).await;
    let seeded = rig.names("me/skydrive", "").await;
    assert_eq!(seeded, ["sub"]);
    let control = rig.server.control();
    rig.file("me/skydrive", "extra", "x").await;
    rig.live("DELETE", "/me/skydrive/files").send().await;
    control.add_faults([Fault::on("live.files.list").status(500)]).expect("a good rule");
    control.add_fixtures([FixtureItem::folder("x").on_drive("anna")]).await.expect("planted");
    assert_eq!(rig.bare("POST", "/_control/state/reset").send().await.status, 204);
    assert_eq!(control.counters().total, 0);
    assert_eq!(rig.names("me/skydrive", "").await, seeded);
    let quota = rig.live("GET", "/me/skydrive/quota").send().await.json();
    assert_eq!(quota, json!({ "quota": 1000, "available": 996 }));
    let anna = Rig { token: "drivedal-dev-anna", ..rig };
    assert_eq!(anna.names("me/skydrive", "").await, [""; 0]);
}

#[tokio::test]
async fn a_seed_is_taken_in_with_bytes_and_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect();
    std::fs::write(folder.path().join("large"), &bytes).expect("written");
    let file = std::fs::File::create(folder.path().join("Ünïcode")).expect("made");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    file.set_modified(time).expect("set");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("circle")).expect("linked");
    let rig = Rig::with(|builder| builder.seed(folder.path())).await;
    let listed = rig.live("GET", "/me/skydrive/files").send().await.json();
    assert_eq!(crate::server::rig::names(&listed), ["large", "Ünïcode"]);
    assert_eq!(listed["data"][1]["client_updated_time"], "2001-09-09T01:46:40+0000");
    let source = listed["data"][0]["source"].as_str().expect("a download URL");
    assert!(rig.bare("GET", source).send().await.body == bytes);
}

#[cfg(unix)]
#[tokio::test]
async fn entries_that_a_drive_cannot_have_are_skipped_and_each_is_reported() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};

    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret"), "secret").expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let latin1 = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let long = "x".repeat(250);
    for file in ["README", "readme", "a:b", "target", &long] {
        std::fs::write(at(file), file).expect("written");
    }
    std::fs::write(&latin1, "").expect("written");
    for directory in ["Docs", "docs"] {
        std::fs::create_dir(at(directory)).expect("made");
        std::fs::write(at(directory).join(format!("in-{directory}")), "").expect("written");
    }
    symlink(outside.path().join("secret"), at("out")).expect("linked");
    symlink(outside.path(), at("out-folder")).expect("linked");
    symlink(at("missing"), at("dangling")).expect("linked");
    symlink(at("target"), at("inside")).expect("linked");
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    let made = std::process::Command::new("mkfifo").arg(at("fifo")).status().expect("mkfifo");
    assert!(made.success());

    let rig = Rig::with(|builder| builder.seed(folder.path())).await;
    let mut names = rig.names("me/skydrive", "").await;
    names.sort();
    assert_eq!(names, ["Docs", "README", "inside", "target", &long]);
    let seeded = rig.server.seeded().expect("a seed");
    assert_eq!((seeded.files, seeded.folders), (5, 1));
    let mut skipped: Vec<_> = seeded
        .skipped
        .iter()
        .map(|(path, reason)| (path.file_name().expect("a name").to_string_lossy(), &**reason))
        .collect();
    skipped.sort();
    let (link, kind) = ("it is a link out of the seed folder", "it is neither a file nor a folder");
    let twin = "another entry of its folder has the same name on the drive";
    let expected = [
        ("a:b", "The name \"a:b\" contains the character ':'."),
        ("caf\u{fffd}", "its name is not Unicode"),
        ("dangling", "cannot follow the link: No such file or directory (os error 2)"),
        ("docs", twin),
        ("fifo", kind),
        ("out", link),
        ("out-folder", link),
        ("readme", twin),
        ("socket", kind),
    ];
    let skipped: Vec<_> = skipped.iter().map(|(name, reason)| (&**name, *reason)).collect();
    assert_eq!(skipped, expected);

    // A second run on the same data replaces items, and the items with equal names still do not
    // replace each other.
    rig.server.control().reset_state().await.expect("reset");
    assert_eq!(rig.names("me/skydrive", "").await.len(), 5);
}
