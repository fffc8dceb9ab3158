//! Names: equal names, invalid names, and conflicts.

use drivedal_server::AccountKind;
use serde_json::json;

use crate::graph::harness::{GraphServer, id, names};

#[tokio::test]
async fn names_are_one_as_the_kind_of_the_account_compares_them() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let sharepoint = matches!(kind, AccountKind::Business | AccountKind::Library);
        for (one, other, same) in [
            ("\u{dc}ber.txt", "U\u{308}ber.txt", true),
            ("u\u{308}ber.txt", "\u{dc}BER.TXT", true),
            ("Straße.txt", "STRASSE.TXT", true),
            ("ΟΔΟΣ", "οδος", true),
            ("Mærsk.txt", "Maersk.txt", sharepoint),
            ("resume", "résumé", false),
        ] {
            let drive = cloud.named(&format!("n{}.{kind}", one.len() * 100 + other.len()));
            let folder = drive.mkdir(&format!("of {one}")).await;
            let first = drive.put(&format!("of {one}/{one}"), "1").await;
            let second = drive.put(&format!("of {one}/{other}"), "2").await;
            assert_eq!(id(&first) == id(&second), same, "{kind} {one} {other}");
            let create = format!("/me/drive/items/{}/children", id(&folder));
            let create = drive.request("POST", &create).json(json!({"name": other, "folder": {}}));
            create.refused(409, "nameAlreadyExists").await;
            let listed =
                names(&drive.get(&format!("/me/drive/items/{}/children", id(&folder))).await);
            assert!(listed.contains(&one.to_owned()), "the name stays as it was sent: {listed:?}");
            assert_eq!(listed.len(), if same { 1 } else { 2 });
        }
    }
}

#[tokio::test]
async fn other_protocols_show_the_same_drive_with_the_same_names() {
    let cloud = GraphServer::new().await;
    let business = cloud.of(AccountKind::Business);
    let file = business.put("Mærsk.txt", "1").await;
    let token = "Bearer drivedal-dev-test.business";
    let put = cloud
        .send("PUT", &cloud.url("/v5.0/me/skydrive/files/Maersk.txt"))
        .header("authorization", token)
        .body("22");
    assert_eq!(put.ok().await.status, 200, "replaced and not made");
    assert_eq!(business.get("/me/drive/root:/maersk.txt").await["size"], 2);
    assert_eq!(id(&business.get("/me/drive/root:/MÆRSK.TXT").await), id(&file));
}

#[tokio::test]
async fn a_colon_in_a_name_is_refused_however_it_is_encoded() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for path in ["root:/a%3Ab:/content", "root:/a:b:/content", "root:/d/a%3ab:/content"] {
        let put = drive.request("PUT", &format!("/me/drive/{path}")).body("x");
        let body = put.refused(400, "invalidRequest").await;
        assert!(body["error"]["message"].as_str().expect("a message").contains(':'), "{path}");
    }
    for path in ["root:/a%3Ab", "root:/a%3Ab:/children", "root:/x/a%3Ab:/createUploadSession"] {
        let method = if path.ends_with("Session") { "POST" } else { "GET" };
        drive.request(method, &format!("/me/drive/{path}")).refused(400, "invalidRequest").await;
    }
    assert!(names(&drive.get("/me/drive/root/children").await).is_empty());
    // A path as an id, which a client encodes completely.
    let put = drive.request("PUT", "/me/drive/items/root%3A%2Fx.txt%3A/content").body("x");
    assert_eq!(put.ok().await.status, 201);
    assert_eq!(drive.read("x.txt").await, "x");
    let found = drive.get("/me/drive/root:/x.txt").await;
    assert_eq!(found["name"], "x.txt");
    assert_eq!(names(&drive.get("/me/drive/root/search(q='a%3Ab')").await).len(), 0);
}

#[tokio::test]
async fn only_business_drives_create_empty_files_among_children() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        let body = json!({"name": "empty.txt", "file": {}});
        let create = || drive.request("POST", "/me/drive/root/children").json(body.clone());
        if matches!(kind, AccountKind::Personal | AccountKind::PersonalLegacy) {
            create().refused(400, "invalidRequest").await;
            continue;
        }
        let made = create().await;
        assert_eq!(made.status, 201, "{made:?}");
        let item = made.json();
        assert_eq!((&item["name"], &item["size"]), (&json!("empty.txt"), &json!(0)));
        assert!(item.get("file").is_some());
        assert_eq!(drive.read("empty.txt").await, "");
        create().refused(409, "nameAlreadyExists").await;
        let again =
            json!({"name": "empty.txt", "file": {}, "@microsoft.graph.conflictBehavior": "rename"});
        let again = drive.request("POST", "/me/drive/root/children").json(again).ok().await.json();
        assert_eq!(again["name"], "empty 1.txt");
        drive.mkdir("folder").await;
        let onto =
            json!({"name": "folder", "file": {}, "@microsoft.graph.conflictBehavior": "replace"});
        let onto = drive.request("POST", "/me/drive/root/children").json(onto);
        onto.refused(409, "nameAlreadyExists").await;
    }
}

#[tokio::test]
async fn an_empty_link_scope_counts_as_absent() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    let link = |body| drive.request("POST", "/me/drive/root:/f:/createLink").json(body).ok();
    let made = link(json!({"type": "view", "scope": ""})).await;
    assert_eq!(made.status, 201);
    let same = link(json!({"type": "view"})).await;
    assert_eq!(same.status, 200);
    assert_eq!(made.json()["id"], same.json()["id"]);
}

#[tokio::test]
async fn every_time_is_taken_or_refused_and_breaks_nothing() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        drive.put("f", "x").await;
        for (time, expected) in [
            ("9999-12-31T23:59:59Z", Some("9999-12-30T22:00:00Z")),
            ("9999-12-31T23:59:59.9999999Z", Some("9999-12-30T22:00:00Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59Z")),
            ("2020-01-01T00:00:00+14:00", Some("2019-12-31T10:00:00Z")),
            ("0000-01-01T00:00:00Z", None),
            ("-000001-01-01T00:00:00Z", None),
            ("10000-01-01T00:00:00Z", None),
            ("2020-02-30T00:00:00Z", None),
            ("2020-01-01T00:00:00", None),
            ("never", None),
        ] {
            for property in ["lastModifiedDateTime", "createdDateTime"] {
                let info = json!({"fileSystemInfo": {property: time}});
                let patch = drive.request("PATCH", "/me/drive/root:/f").json(info.clone());
                let session = drive.request("POST", "/me/drive/root:/s:/createUploadSession");
                let session = session.json(json!({"item": info}));
                let Some(expected) = expected else {
                    patch.refused(400, "invalidRequest").await;
                    session.refused(400, "invalidRequest").await;
                    continue;
                };
                let item = patch.ok().await.json();
                assert_eq!(item["fileSystemInfo"][property], expected, "{kind} {time}");
                let url = session.ok().await.json()["uploadUrl"].as_str().unwrap().to_owned();
                let put = cloud.send("PUT", &url).header("content-range", "bytes 0-0/1").body("x");
                let item = put.ok().await.json();
                assert_eq!(item["fileSystemInfo"][property], expected, "{kind} {time}");
            }
            drive.get("/me/drive/root/children?$filter=name+ne+'x'").await;
            drive.get("/me/drive/root/delta").await;
            let later = format!(
                "/me/drive/root/children?$filter=lastModifiedDateTime+lt+{}",
                time.replace('+', "%2B")
            );
            assert!(drive.request("GET", &later).await.status < 500, "{later}");
        }
        assert_eq!(drive.read("f").await, "x");
    }
}
