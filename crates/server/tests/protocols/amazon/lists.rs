use std::collections::BTreeSet;

use serde_json::json;

use crate::amazon::cloud::{AmazonServer, names};

/// Reads all pages of a list. Returns the number of pages and the names.
async fn pages(cloud: &AmazonServer, query: &str) -> (usize, Vec<String>) {
    let (mut count, mut all, mut token) = (0, Vec::new(), String::new());
    loop {
        let list = cloud.get(&format!("{query}{token}")).await;
        count += 1;
        all.extend(names(&list).into_iter().map(str::to_owned));
        match list["nextToken"].as_str() {
            Some(next) => token = format!("&startToken={next}"),
            None => {
                return (count, all);
            }
        }
    }
}

#[tokio::test]
async fn pages_have_200_nodes_and_their_count_is_of_all() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let folder = cloud.folder("many", &root).await;
    for n in 0..450 {
        cloud.folder(&format!("f{n:03}"), &folder).await;
    }
    let expected: BTreeSet<String> = (0..450).map(|n| format!("f{n:03}")).collect();
    for query in [
        format!("nodes/{folder}/children?limit=200"),
        format!("nodes/{folder}/children?limit=1000"),
        "nodes?filters=kind:FOLDER%20AND%20name:f*".to_owned(),
        format!("nodes?filters=parents:{folder}&sort=%5B%22name%20DESC%22%5D"),
    ] {
        let first = cloud.get(&query).await;
        assert_eq!((names(&first).len(), &first["count"]), (200, &json!(450)), "{query}");
        let (count, all) = pages(&cloud, &query).await;
        assert_eq!(count, 3, "{query}");
        assert_eq!(all.len(), 450, "{query}");
        assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_list_with_concurrent_changes_omits_no_node() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(cloud.folder(&format!("f{n}"), &root).await);
    }
    let first = cloud.get("nodes?filters=kind:FOLDER%20AND%20name:f*&limit=2").await;
    // Changes an item of the listed page and one of a later page.
    for n in [0, 5] {
        let patch = json!({"description": "changed"});
        cloud.call("PATCH", &format!("nodes/{}", ids[n]), Some(patch)).await.json_with_status(200);
    }
    let token = first["nextToken"].as_str().unwrap();
    let rest = format!("nodes?filters=kind:FOLDER%20AND%20name:f*&limit=2&startToken={token}");
    let mut all = BTreeSet::from_iter(names(&first).into_iter().map(str::to_owned));
    let mut list = cloud.get(&rest).await;
    loop {
        all.extend(names(&list).into_iter().map(str::to_owned));
        let Some(token) = list["nextToken"].as_str() else { break };
        let next = "nodes?filters=kind:FOLDER%20AND%20name:f*&limit=2";
        list = cloud.get(&format!("{next}&startToken={token}")).await;
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(all, ["f0", "f1", "f2", "f3", "f4", "f5"]);
}

#[tokio::test]
async fn nodes_are_sorted_by_the_fields_that_clients_use() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    for name in ["b.txt", "A.txt", "c.txt"] {
        cloud.file(name, &root, name).await;
    }
    cloud.folder("d", &root).await;
    let sorted = async |sort: &str| {
        let list = cloud.get(&format!("nodes/{root}/children?sort={sort}")).await;
        names(&list).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(sorted("[%22name%20ASC%22]").await, ["A.txt", "b.txt", "c.txt", "d"]);
    assert_eq!(sorted("[%27name%20DESC%27]").await, ["d", "c.txt", "b.txt", "A.txt"]);
    assert_eq!(sorted("[%27createdDate%20ASC%27]").await, ["b.txt", "A.txt", "c.txt", "d"]);
    assert_eq!(
        sorted("[%27kind%20DESC%27,%22name%20ASC%22]").await,
        ["d", "A.txt", "b.txt", "c.txt"]
    );
    cloud.call("GET", "nodes?sort=name", None).await.amazon_error(400);
}

#[tokio::test]
async fn filters_select_nodes() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let folder = cloud.folder("My dir (1)", &root).await;
    let id = cloud.file("a b.txt", &folder, "hello").await;
    let node = cloud.get(&format!("nodes/{id}")).await;
    let md5 = node["contentProperties"]["md5"].as_str().unwrap();
    for (filter, found) in [
        (format!("kind:FOLDER AND parents:\"{root}\" AND name:My\\ dir\\ \\(1\\)"), "My dir (1)"),
        (format!("parents:\"{folder}\" AND name:\"A\\ B.TXT\""), "a b.txt"),
        (format!("contentProperties.md5:{md5}"), "a b.txt"),
        ("kind:FILE and status:AVAILABLE".to_owned(), "a b.txt"),
        ("contentProperties.contentType:(text* OR image*)".to_owned(), "a b.txt"),
        ("kind:(FILE* OR ASSET*) AND contentProperties.size:[5 TO 5]".to_owned(), "a b.txt"),
        (format!("id:{id}"), "a b.txt"),
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let list = cloud.get(&format!("nodes?filters={encoded}")).await;
        assert_eq!((names(&list), &list["count"]), (vec![found], &json!(1)), "{filter}");
    }
    for filter in ["kind:ASSET", "status:TRASH", "name:b.txt", "parents:AbCdEfGhIjKlMnOpQr0123"] {
        assert_eq!(cloud.get(&format!("nodes?filters={filter}")).await["count"], 0, "{filter}");
    }
    for filter in ["kind", "nothing:1", "name:%22x", "(kind:FILE"] {
        let error =
            cloud.call("GET", &format!("nodes?filters={filter}"), None).await.amazon_error(400);
        assert!(error.starts_with("Invalid filters"), "{error}");
    }
}

#[tokio::test]
async fn a_page_token_is_for_its_own_question() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    for n in 0..3 {
        cloud.folder(&format!("f{n}"), &root).await;
    }
    let first = cloud.get("nodes?filters=kind:FOLDER&limit=1").await;
    let token = first["nextToken"].as_str().unwrap();
    for query in [
        format!("nodes?filters=kind:FILE&limit=1&startToken={token}"),
        "nodes?startToken=nonsense".to_owned(),
        "nodes?limit=0".to_owned(),
        "nodes?limit=x".to_owned(),
    ] {
        cloud.call("GET", &query, None).await.amazon_error(400);
    }
    let file = cloud.file("f", &root, "x").await;
    cloud.call("GET", &format!("nodes/{file}/children"), None).await.amazon_error(400);
}

#[tokio::test]
async fn a_client_that_trashes_each_page_reaches_every_node() {
    for query in [
        "nodes?filters=kind:FILE&limit=3",
        "nodes/{folder}/children?limit=3",
        "nodes?filters=parents:{folder}&limit=3&sort=%5B%22name%20ASC%22%5D",
        "nodes?filters=parents:{folder}&limit=3&sort=%5B%22contentProperties.size%20DESC%22%5D",
        "nodes?filters=parents:{folder}&limit=3&sort=%5B%22createdDate%20DESC%22%5D",
    ] {
        let cloud = AmazonServer::start().await;
        let root = cloud.root().await;
        let folder = cloud.folder("many", &root).await;
        let mut expected = Vec::new();
        for n in 0..10 {
            let name = format!("f{}", (n * 7) % 10);
            cloud.file(&name, &folder, &"x".repeat(n / 4)).await;
            expected.push(name);
        }
        let query = query.replace("{folder}", &folder);
        let (mut seen, mut token) = (Vec::new(), String::new());
        loop {
            let list = cloud.get(&format!("{query}{token}")).await;
            for node in list["data"].as_array().expect("nodes") {
                seen.push(node["name"].as_str().expect("a name").to_owned());
                let id = node["id"].as_str().expect("an id");
                cloud.call("PUT", &format!("trash/{id}"), None).await.json_with_status(200);
            }
            match list["nextToken"].as_str() {
                Some(next) => token = format!("&startToken={next}"),
                None => break,
            }
        }
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected, "{query}");
    }
}

#[tokio::test]
async fn the_trash_is_listed_by_pages_while_nodes_are_restored() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    for n in 0..7 {
        let id = cloud.folder(&format!("f{n}"), &root).await;
        cloud.call("PUT", &format!("trash/{id}"), None).await.json_with_status(200);
    }
    let (mut seen, mut token) = (0, String::new());
    loop {
        let list = cloud.get(&format!("trash?limit=2{token}")).await;
        for node in list["data"].as_array().expect("nodes") {
            seen += 1;
            let restore = format!("trash/{}/restore", node["id"].as_str().expect("an id"));
            cloud.call("POST", &restore, None).await.json_with_status(200);
        }
        match list["nextToken"].as_str() {
            Some(next) => token = format!("&startToken={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 7);
}

#[tokio::test]
async fn filters_that_are_nested_too_deep_or_too_long_are_refused() {
    let cloud = AmazonServer::start().await;
    let deep = "(".repeat(3_000);
    let closed = format!("{deep}kind:FILE{}", ")".repeat(3_000));
    let wide = vec!["kind:FILE"; 2_000].join("%20OR%20");
    for filter in [&deep, &closed, &wide] {
        let said =
            cloud.call("GET", &format!("nodes?filters={filter}"), None).await.amazon_error(400);
        assert!(said.starts_with("Invalid filters"), "{said}");
    }
    cloud.get("nodes?filters=((kind:FILE))").await;
}
