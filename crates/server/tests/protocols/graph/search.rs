//! Search by the words of names, and Microsoft Search (onedrive-graph#search).

use std::time::Duration;

use drivedal_server::{AccountKind, CloudBehavior};
use serde_json::{Value, json};

use crate::graph::harness::{Drive, GraphServer, encoded, names};

/// Returns the names that a search of the whole drive finds, in alphabetical order.
async fn found(drive: &Drive<'_>, text: &str) -> Vec<String> {
    let path = format!("/me/drive/root/search(q='{}')", encoded(text));
    let mut found = names(&drive.get(&path).await);
    found.sort_unstable();
    found
}

#[tokio::test]
async fn each_word_of_the_text_begins_a_word_of_the_name() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        for name in ["Annual report 2024.docx", "report-final.PDF", "Reporter.txt", "über.txt"] {
            drive.put(name, "x").await;
        }
        for (text, expected) in [
            ("report", &["Annual report 2024.docx", "Reporter.txt", "report-final.PDF"][..]),
            ("REPORT pdf", &["report-final.PDF"]),
            ("2024 annual", &["Annual report 2024.docx"]),
            ("report.docx", &["Annual report 2024.docx"]),
            ("Reporter", &["Reporter.txt"]),
            ("ÜBER", &["über.txt"]),
            ("porter", &[]),
            ("…", &[]),
        ] {
            assert_eq!(found(&drive, text).await, expected, "{kind} {text}");
        }
    }
}

#[tokio::test]
async fn the_index_follows_names_deletions_and_copies() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("d/alpha.txt", "x").await;
    let rename = drive.request("PATCH", "/me/drive/root:/d/alpha.txt");
    rename.json(json!({"name": "beta.txt"})).ok().await;
    assert_eq!(found(&drive, "alpha").await, [""; 0]);
    assert_eq!(found(&drive, "beta").await, ["beta.txt"]);
    let copy = drive.request("POST", "/me/drive/root:/d:/copy").json(json!({"name": "gamma"}));
    copy.ok().await;
    assert_eq!(found(&drive, "beta").await, ["beta.txt", "beta.txt"]);
    assert_eq!(found(&drive, "gamma").await, ["gamma"]);
    let deleted = drive.get("/me/drive/root:/d").await;
    drive.request("DELETE", "/me/drive/root:/d").ok().await;
    assert_eq!(found(&drive, "beta").await, ["beta.txt"]);
    let restore = format!("/me/drive/items/{}/restore", deleted["id"].as_str().unwrap());
    drive.request("POST", &restore).json(json!({"name": "delta"})).ok().await;
    assert_eq!(found(&drive, "beta").await, ["beta.txt", "beta.txt"]);
    assert_eq!(found(&drive, "delta").await, ["delta"]);
    let purge = "/me/drive/root:/delta:/permanentDelete";
    drive.request("POST", purge).ok().await;
    assert_eq!(found(&drive, "beta").await, ["beta.txt"]);
}

#[tokio::test]
async fn a_search_below_a_folder_pages_through_its_descendants() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for number in 0..7 {
        drive.put(&format!("a/{}/note {number}.txt", number % 2), "x").await;
        drive.put(&format!("b/note {number}.txt"), "x").await;
    }
    let mut page = drive.get("/me/drive/root:/a:/search(q='note')?$top=3&$select=name").await;
    let mut all = names(&page);
    while let Some(next) = page["@odata.nextLink"].as_str() {
        assert!(names(&page).len() <= 3);
        page = drive.get(next).await;
        all.extend(names(&page));
    }
    all.sort_unstable();
    let expected: Vec<_> = (0..7).map(|number| format!("note {number}.txt")).collect();
    assert_eq!(all, expected, "each item once");
    let token = "/me/drive/root/search(q='note')?$skiptoken=x";
    drive.request("GET", token).refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_search_may_lag() {
    let behavior = CloudBehavior::default().search_lag(Duration::from_secs(3600));
    let cloud = GraphServer::with(|builder| builder.behavior(behavior)).await;
    let drive = cloud.drive();
    drive.put("note.txt", "x").await;
    assert_eq!(found(&drive, "note").await, [""; 0]);
    assert_eq!(found(&drive, "").await, ["note.txt"], "an empty text needs no index");
}

async fn query(drive: &Drive<'_>, request: Value) -> Value {
    let body = json!({"requests": [request]});
    drive.request("POST", "/search/query").json(body).ok().await.json()
}

#[tokio::test]
async fn microsoft_search_returns_hits_in_pages() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    for number in 0..5 {
        drive.put(&format!("plan {number}.docx"), "x").await;
    }
    drive.put("plan.txt", "x").await;
    drive.mkdir("plan folder").await;
    let request = |text: &str, from: usize| json!({"entityTypes": ["driveItem"], "query": {"queryString": text}, "from": from, "size": 3});
    let response = query(&drive, request("plan filetype:docx", 0)).await;
    let container = &response["value"][0]["hitsContainers"][0];
    assert_eq!(response["value"][0]["searchTerms"], json!(["plan"]));
    assert_eq!(
        (&container["total"], &container["moreResultsAvailable"]),
        (&json!(5), &json!(true))
    );
    assert_eq!(container["hits"].as_array().unwrap().len(), 3);
    let hit = &container["hits"][0];
    assert_eq!(
        (&hit["rank"], &hit["resource"]["@odata.type"]),
        (&json!(1), &json!("#microsoft.graph.driveItem"),)
    );
    assert_eq!(hit["hitId"], hit["resource"]["id"]);
    assert!(hit["resource"]["parentReference"]["driveId"].is_string());
    let last = query(&drive, request("plan filetype:docx", 3)).await;
    let container = &last["value"][0]["hitsContainers"][0];
    assert_eq!(container["hits"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&container["moreResultsAvailable"], &container["hits"][0]["rank"]),
        (&json!(false), &json!(4),)
    );
    let folders = query(&drive, request("plan isDocument:false", 0)).await;
    let container = &folders["value"][0]["hitsContainers"][0];
    assert_eq!(container["hits"][0]["resource"]["name"], "plan folder");
    assert_eq!(container["total"], 1);
    // The number of counted hits is limited, and so is the first hit of a page.
    let body = json!({"requests": [request("plan", 1_000_000_000)]});
    drive.request("POST", "/search/query").json(body).refused(400, "BadRequest").await;
}

#[tokio::test]
async fn microsoft_search_refuses_by_name() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    let send = |request: Value| {
        drive.request("POST", "/search/query").json(json!({"requests": [request]}))
    };
    let with =
        |text: &str, entity: &str| json!({"entityTypes": [entity], "query": {"queryString": text}});
    for (request, named) in [
        (with("a", "message"), "message"),
        (with("a OR b", "driveItem"), "OR"),
        (with("author:anna", "driveItem"), "author"),
    ] {
        let error = send(request).refused(501, "notSupported").await;
        assert!(error["error"]["message"].as_str().unwrap().contains(named), "{error}");
    }
    let mut large = with("a", "driveItem");
    large["size"] = 1001.into();
    send(large).refused(400, "BadRequest").await;
    let personal = cloud.of(AccountKind::Personal).request("POST", "/search/query");
    let body = json!({"requests": [with("a", "driveItem")]});
    personal.json(body).refused(403, "accessDenied").await;
    drive.request("GET", "/search/acronyms").refused(501, "notSupported").await;
}

#[tokio::test]
async fn a_search_is_sorted_in_pages() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        for (path, bytes) in [("d/row B.txt", "xx"), ("row a.txt", "xxx"), ("row C.txt", "x")] {
            drive.put(path, bytes).await;
        }
        let sorted = async |text: &str, order: &str| {
            let path = format!("/me/drive/root/search(q='{text}')?$orderby={order}&$top=2");
            let first = drive.get(&path).await;
            let next = first["@odata.nextLink"].as_str().expect("a second page");
            let second = drive.get(next).await;
            assert!(second.get("@odata.nextLink").is_none() || text.is_empty());
            [names(&first), names(&second)].concat()
        };
        assert_eq!(sorted("row", "name").await, ["row a.txt", "row B.txt", "row C.txt"], "{kind}");
        let descending = sorted("row", "name desc").await;
        assert_eq!(descending, ["row C.txt", "row B.txt", "row a.txt"], "{kind}");
        assert_eq!(sorted("", "name").await, ["d", "row a.txt", "row B.txt", "row C.txt"]);
        if kind.to_string().starts_with("personal") {
            assert_eq!(sorted("row", "size").await, ["row C.txt", "row B.txt", "row a.txt"]);
        } else {
            let by_size = "/me/drive/root/search(q='row')?$orderby=size";
            drive.request("GET", by_size).refused(400, "invalidRequest").await;
        }
    }
}
