//! `GET {folder}/files`.

use serde_json::{Value, json};

use crate::server::{
    refused,
    rig::{Rig, names},
};

#[tokio::test]
async fn folders_are_first_then_names_by_code_point() {
    let rig = Rig::new().await;
    for name in ["b", "B", "ä", "z"] {
        rig.file("me/skydrive", &format!("{name}.txt"), name).await;
    }
    for name in ["y", "X"] {
        rig.folder("me/skydrive", name).await;
    }
    // `B.txt` overwrote `b.txt`, which keeps its first name.
    assert_eq!(rig.names("me/skydrive", "").await, ["X", "y", "b.txt", "z.txt", "ä.txt"]);
}

#[tokio::test]
async fn empty_and_long_folders_are_listed_completely() {
    let rig = Rig::new().await;
    let empty = rig.live("GET", "/me/skydrive/files").send().await;
    assert_eq!(empty.json(), json!({ "data": [] }));
    for number in 0..150 {
        rig.file("me/skydrive", &format!("{number:03}"), "x").await;
    }
    let expected: Vec<String> = (0..150).map(|number| format!("{number:03}")).collect();
    for pretty in ["true", "false"] {
        let query = format!("?pretty={pretty}");
        assert_eq!(rig.names("me/skydrive", &query).await, expected);
        let script = rig.live("GET", &format!("/me/skydrive/files{query}&callback=f")).send().await;
        let text = String::from_utf8(script.body.to_vec()).expect("UTF-8");
        let inside = text.strip_prefix("f(").and_then(|text| text.strip_suffix(");"));
        let inside: Value = serde_json::from_str(inside.expect("a script")).expect("JSON");
        assert_eq!(names(&inside), expected);
    }
}

#[tokio::test]
async fn a_listing_has_the_objects_as_they_are_alone() {
    let rig = Rig::new().await;
    let folder = rig.folder("me/skydrive", "a").await;
    rig.file("me/skydrive", "b", "x").await;
    let listed = rig.live("GET", "/me/skydrive/files").send().await.json();
    assert_eq!(listed["data"][0], folder);
    let mut file = rig.object(listed["data"][1]["id"].as_str().expect("an id")).await;
    // The download URL expires relative to its creation.
    file["source"] = listed["data"][1]["source"].clone();
    assert_eq!(listed["data"][1], file);
}

#[tokio::test]
async fn pages_lead_from_one_to_the_next_and_back() {
    let rig = Rig::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        rig.file("me/skydrive", name, name).await;
    }
    let mut seen = Vec::new();
    let mut url = rig.url("/v5.0/me/skydrive/files?limit=2&pretty=false");
    let last = loop {
        let page = rig.bare("GET", &format!("{url}&access_token=drivedal-dev")).send().await;
        assert!(!page.body.windows(12).any(|bytes| bytes == b"drivedal-dev"), "{page:?}");
        let page = page.json();
        seen.push(names(&page).concat());
        let Some(next) = page["paging"]["next"].as_str() else {
            break page;
        };
        url = next.to_owned();
    };
    assert_eq!(seen, ["ab", "cd", "e"]);
    let previous = last["paging"]["previous"].as_str().expect("a page before the last");
    let previous = rig.bare("GET", &format!("{previous}&access_token=drivedal-dev")).send().await;
    assert_eq!(names(&previous.json()).concat(), "cd");
}

#[tokio::test]
async fn a_list_that_fits_on_a_page_has_no_paging() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "a", "x").await;
    for query in ["", "?limit=1", "?limit=500&offset=0"] {
        let listed = rig.live("GET", &format!("/me/skydrive/files{query}")).send().await.json();
        assert_eq!(listed.get("paging"), None, "{query}");
    }
    let beyond = rig.live("GET", "/me/skydrive/files?limit=500&offset=500").send().await.json();
    assert_eq!(beyond["data"], json!([]));
    assert_eq!(beyond["paging"].get("next"), None);
}

#[tokio::test]
async fn lists_are_sorted_and_filtered_on_request() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "b", "1").await;
    rig.folder("me/skydrive", "c").await;
    rig.file("me/skydrive", "a", "22").await;
    let first = rig.live("GET", "/me/skydrive/files?filter=folders").send().await.json();
    let folder = format!("/{}", first["data"][0]["id"].as_str().expect("an id"));
    // The last item is then the one updated last, not the one created last.
    rig.live("PUT", &folder).json(json!({ "description": "changed" })).send().await;
    for (query, expected) in [
        ("?sort_by=name", "abc"),
        ("?sort_by=name&sort_order=descending", "cba"),
        ("?sort_by=updated", "bac"),
        ("?sort_by=Updated&sort_order=Descending", "cab"),
        ("?sort_by=updated&limit=1&offset=1", "a"),
        ("?sort_by=size", "cba"),
        ("?sort_by=default&sort_order=ascending", "cab"),
        ("?filter=folders", "c"),
        ("?filter=folders,albums", "c"),
        ("?filter=audio,photos,videos", ""),
        ("?filter=folders&offset=1", ""),
    ] {
        assert_eq!(rig.names("me/skydrive", query).await.concat(), expected, "{query}");
    }
    for query in ["?sort_by=colour", "?sort_order=up", "?filter=cats", "?limit=x", "?offset=-1"] {
        let reply = rig.live("GET", &format!("/me/skydrive/files{query}")).send().await;
        refused!(reply, 400, "request_parameter_invalid");
    }
}

#[tokio::test]
async fn only_folders_have_files() {
    let rig = Rig::new().await;
    let file = rig.file("me/skydrive", "a", "x").await;
    let file = file["id"].as_str().expect("an id");
    refused!(rig.live("GET", &format!("/{file}/files")).send().await, 400, "request_url_invalid");
    let disguised = file.replacen("file", "folder", 1);
    let reply = rig.live("GET", &format!("/{disguised}/files")).send().await;
    refused!(reply, 404, "resource_not_found");
    let missing = disguised.replace("!10", "!99");
    let reply = rig.live("GET", &format!("/{missing}/files")).send().await;
    refused!(reply, 404, "resource_not_found");
}

#[tokio::test]
async fn links_of_a_listing_for_download_are_attachments() {
    let rig = Rig::new().await;
    rig.file("me/skydrive", "ä b.txt", "x").await;
    for (query, expected) in
        [("", ""), ("?download=true", "attachment; filename*=UTF-8''%C3%A4%20b.txt")]
    {
        let listed = rig.live("GET", &format!("/me/skydrive/files{query}")).send().await.json();
        let source = listed["data"][0]["source"].as_str().expect("a download URL");
        let got = rig.bare("GET", source).send().await;
        assert_eq!(got.header("content-disposition"), expected);
    }
}
