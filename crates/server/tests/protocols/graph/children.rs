//! Listings: pages, orders, search.

use drivedal_server::AccountKind;
use serde_json::Value;

use crate::graph::harness::{Drive, GraphServer, id, names};

async fn pages(drive: &Drive<'_>, path: &str) -> Vec<Value> {
    let mut pages = vec![drive.get(path).await];
    while let Some(next) = pages.last().and_then(|page| page["@odata.nextLink"].as_str()) {
        pages.push(drive.get(next).await);
    }
    pages
}

#[tokio::test]
async fn a_listing_is_split_into_linked_pages() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.mkdir("z").await;
    for name in ["b", "a", "c", "d"] {
        drive.put(name, "x").await;
    }
    for option in ["$top=2", "top=2", "%24top=2"] {
        let pages = pages(&drive, &format!("/me/drive/root/children?{option}&$select=name")).await;
        let all: Vec<_> = pages.iter().map(names).collect();
        assert_eq!(all, [vec!["z", "a"], vec!["b", "c"], vec!["d"]], "{option}");
        assert!(pages[2]["value"][0].get("size").is_none(), "the selection holds on every page");
    }
    let whole = drive.get("/me/drive/root/children").await;
    assert_eq!(names(&whole), ["z", "a", "b", "c", "d"]);
    assert_eq!(whole["@odata.count"], 5);
    assert!(whole.get("@odata.nextLink").is_none());
    let bad = drive.request("GET", "/me/drive/root/children?$skiptoken=x");
    bad.refused(400, "invalidRequest").await;
    drive.request("GET", "/me/drive/root/children?$top=0").refused(400, "BadRequest").await;
}

#[tokio::test]
async fn a_page_has_200_items_by_default_and_1000_at_most() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    let folder = drive.mkdir("many").await;
    let path = format!("/me/drive/items/{}/children", id(&folder));
    let make = |n: usize| {
        let body = serde_json::json!({"name": format!("{n:04}"), "folder": {}});
        drive.request("POST", &path).json(body).ok()
    };
    let mut made = futures::stream::StreamExt::buffer_unordered(
        futures::stream::iter((0..1001).map(make)),
        16,
    );
    while futures::StreamExt::next(&mut made).await.is_some() {}
    assert_eq!(names(&drive.get(&path).await).len(), 200);
    let large = drive.get(&format!("{path}?$top=5000")).await;
    assert_eq!(names(&large).len(), 1000);
    let all = pages(&drive, &format!("{path}?$top=300")).await;
    let all: Vec<_> = all.iter().flat_map(names).collect();
    assert_eq!(all.len(), 1001);
    assert!(all.is_sorted());
}

#[tokio::test]
async fn a_listing_has_the_requested_order() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("b", "333").await;
    drive.put("a", "1").await;
    drive.put("c", "22").await;
    for (order, expected) in [
        ("name", ["a", "b", "c"]),
        ("name%20desc", ["c", "b", "a"]),
        ("size", ["a", "c", "b"]),
        ("lastModifiedDateTime+desc", ["c", "a", "b"]),
    ] {
        let listing = drive.get(&format!("/me/drive/root/children?$orderby={order}")).await;
        assert_eq!(names(&listing), expected, "{order}");
    }
    let business = cloud.of(AccountKind::Business);
    business.get("/me/drive/root/children?$orderby=name").await;
    let by_size = business.request("GET", "/me/drive/root/children?$orderby=size");
    by_size.refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn a_consumers_unchanged_folder_is_not_listed_again() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("a/b/f", "x").await;
    let ctag = drive.get("/me/drive/root:/a").await["cTag"].as_str().unwrap().to_owned();
    let request =
        || drive.request("GET", "/me/drive/root:/a:/children").header("if-none-match", &ctag);
    assert_eq!(request().await.status, 304);
    drive.put("a/b/f", "y").await;
    assert_eq!(request().await.status, 200, "what changed below counts");
}

#[tokio::test]
async fn a_filter_applies_to_every_page() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        drive.mkdir("d/sub").await;
        for n in 0..250 {
            drive.put(&format!("d/{n:03}.{}", if n % 100 == 0 { "log" } else { "txt" }), "x").await;
        }
        let path = "/me/drive/root:/d:/children?$filter=";
        let by_name = drive.get(&format!("{path}name%20eq%20'SUB'&$top=1")).await;
        assert_eq!(names(&by_name), ["sub"]);
        let folders = drive.get(&format!("{path}folder+ne+null")).await;
        assert_eq!(names(&folders), ["sub"]);
        assert!(folders.get("@odata.nextLink").is_none());
        for top in ["", "&$top=1", "&$top=2", "&$top=3"] {
            let pages = pages(&drive, &format!("{path}endswith(name,'.log'){top}")).await;
            let all: Vec<_> = pages.iter().flat_map(names).collect();
            assert_eq!(all, ["000.log", "100.log", "200.log"], "{top}");
        }
        let none = drive.get(&format!("{path}name+eq+'none'")).await;
        assert!(names(&none).is_empty());
        drive.request("GET", &format!("{path}name+like+'x'")).refused(400, "BadRequest").await;
        let skip = drive.request("GET", "/me/drive/root:/d:/children?$skip=2");
        skip.refused(400, "invalidRequest").await;
        let search = "/me/drive/root/search(q='sub')?$filter=";
        assert_eq!(names(&drive.get(&format!("{search}folder+ne+null")).await), ["sub"]);
        assert!(names(&drive.get(&format!("{search}file+ne+null")).await).is_empty());
    }
}

#[tokio::test]
async fn a_missing_folder_has_no_listing_and_a_file_an_empty_one() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    drive.put("f", "x").await;
    drive.request("GET", "/me/drive/root:/none:/children").refused(404, "itemNotFound").await;
    assert!(names(&drive.get("/me/drive/root:/f:/children").await).is_empty());
}

#[tokio::test]
async fn a_search_finds_names_that_contain_the_text() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for name in ["a/Report 1.txt", "a/b/report 2.txt", "c/rep.txt", "o'report.txt"] {
        drive.put(name, "x").await;
    }
    let mut found = names(&drive.get("/me/drive/root/search(q='REPORT')").await);
    found.sort();
    assert_eq!(found, ["Report 1.txt", "o'report.txt", "report 2.txt"]);
    let found = names(&drive.get("/me/drive/root:/a:/search(q='report')").await);
    assert_eq!(found.len(), 2);
    assert_eq!(names(&drive.get("/me/drive/search(q='o''rep')").await), ["o'report.txt"]);
    let paged = pages(&drive, "/me/drive/root/search(q='report')?$top=1").await;
    assert_eq!(paged.iter().flat_map(names).count(), 3);
    let all = names(&drive.get("/me/drive/root/search(q='')").await);
    assert_eq!(all.len(), 7, "an empty text is in every name: {all:?}");
    assert_eq!(names(&drive.get("/me/drive/search(q='')?$filter=folder+ne+null").await).len(), 3);
}

/// Follows a listing to its end and deletes each returned item on the way. Returns the names.
async fn consumed(drive: &Drive<'_>, path: &str) -> Vec<String> {
    let (mut seen, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = drive.get(&path).await;
        for item in page["value"].as_array().expect("a listing") {
            seen.push(item["name"].as_str().expect("a name").to_owned());
            drive.request("DELETE", &format!("/me/drive/items/{}", id(item))).ok().await;
        }
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    seen
}

#[tokio::test]
async fn a_client_that_removes_each_page_reaches_every_item() {
    let cloud = GraphServer::new().await;
    let mut account = 0;
    for option in [
        "children?",
        "children?$orderby=name&",
        "children?$orderby=name+desc&",
        "children?$orderby=size&",
        "children?$orderby=size+desc&",
        "children?$orderby=lastModifiedDateTime&",
        "children?$orderby=lastModifiedDateTime+desc&",
        "children?$filter=startswith(name,'n')&",
        "search(q='n')?",
        "search(q='')?",
    ] {
        account += 1;
        let name = format!("account{account}");
        let drive = cloud.named(&name);
        let folder = drive.mkdir("folder").await;
        let mut expected: Vec<String> = Vec::new();
        for n in 0..10 {
            let name = format!("n{}", (n * 7) % 10);
            // Sizes and times are not unique.
            let file = drive.put(&format!("folder/{name}"), &"x".repeat(n / 4)).await;
            let time = format!("2020-01-0{}T00:00:00Z", 1 + n / 4);
            let body = serde_json::json!({"fileSystemInfo": {"lastModifiedDateTime": time}});
            drive.request("PATCH", &format!("/me/drive/items/{}", id(&file))).json(body).ok().await;
            expected.push(name);
        }
        drive.mkdir("folder/n-folder").await;
        expected.push("n-folder".into());
        let path = format!("/me/drive/items/{}/{option}$top=3", id(&folder));
        let mut seen = consumed(&drive, &path).await;
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected, "{option}");
    }
    let drive = cloud.named("recent");
    for n in 0..7 {
        drive.put(&format!("f{n}"), "x").await;
    }
    let recent = consumed(&drive, "/me/drive/recent?$top=2").await;
    assert_eq!(recent, ["f6", "f5", "f4", "f3", "f2", "f1", "f0"]);
}

#[tokio::test]
async fn an_item_that_is_added_between_two_pages_repeats_none() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for name in ["b", "c", "d"] {
        drive.put(name, "x").await;
    }
    let first = drive.get("/me/drive/root/children?$orderby=name&$top=2").await;
    assert_eq!(names(&first), ["b", "c"]);
    drive.put("a", "x").await;
    let next = drive.get(first["@odata.nextLink"].as_str().expect("a link")).await;
    assert_eq!(names(&next), ["d"]);
    // The token names the last item in the order of the listing.
    let mixed = first["@odata.nextLink"].as_str().expect("a link").replace("=name", "=size");
    drive.request("GET", &mixed).refused(400, "invalidRequest").await;
}

#[tokio::test]
async fn recent_files_are_those_that_were_changed_last() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    for name in ["a/1", "2", "b/3", "a/1"] {
        drive.put(name, "x").await;
    }
    assert_eq!(names(&drive.get("/me/drive/recent").await), ["1", "3", "2"]);
    assert_eq!(names(&drive.get("/me/drive/recent()?$top=2&$select=name").await), ["1", "3"]);
    drive.request("DELETE", "/me/drive/root:/a").ok().await;
    assert_eq!(names(&drive.get("/me/drive/recent").await), ["3", "2"]);
}
