//! Listings, folders, removals.

use super::*;
use crate::{
    drive::{Cursor, DeleteTarget, Drive, ErrorKind, ListRequest, Result, SiblingSearch},
    services::skydrive::ROOT,
    transport::scripted::Scripted,
};

async fn child(transport: &Scripted, name: &str) -> (Result<Item>, Vec<String>, bool) {
    let (mut seen, mut all) = (Vec::new(), false);
    let mut see = |what: SiblingSearch<'_>| match what {
        SiblingSearch::Item(item) => seen.push(item.id.to_string()),
        SiblingSearch::Complete => all = true,
    };
    let found = drive().child(&transport.context(), &place(FOLDER), name, &mut see).await;
    (found, seen, all)
}

const FILES: &str =
    "GET https://apis.live.net/v5.0/folder.8c8ce076ca27823f.8C8CE076CA27823F%21142/files";

fn listed(id: &str, name: &str, updated: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","type":"file","parent_id":"{FOLDER}","size":3,
            "updated_time":"{updated}","source":"https://t/{id}"}}"#
    )
}

fn page<const N: usize>(items: [String; N], next: Option<&str>) -> Outcome {
    let paging = next.map_or(String::new(), |next| format!(r#","paging":{{"next":"{next}"}}"#));
    answer(200, format!(r#"{{"data":[{}]{paging}}}"#, items.join(",")))
}

const T: &str = "2012-01-01T00:00:00+0000";

#[tokio::test]
async fn a_child_is_found_whatever_its_case_and_the_whole_folder_is_seen() {
    let items = [listed("file.a.A!1", "One.TXT", T), listed("file.a.A!2", "two", T)];
    let transport = Scripted::expecting([(FILES, page(items, None))]);
    let (found, seen, all) = child(&transport, "one.txt").await;
    let found = found.unwrap();
    assert_eq!((found.id.as_str(), found.size), ("file.a.A!1", Some(3)));
    assert_eq!(found.parents, [ItemId::from(FOLDER)]);
    assert_eq!(found.modified.unwrap().to_string(), "2012-01-01T00:00:00Z");
    assert_eq!(found.download_url.unwrap().url.expose(), "https://t/file.a.A!1");
    assert_eq!((seen.len(), all), (2, true));
}

#[tokio::test]
async fn a_missing_child_is_not_found_and_all_of_the_folder_is_known() {
    let transport = Scripted::expecting([(FILES, page([listed("file.a.A!1", "one", T)], None))]);
    let (found, seen, all) = child(&transport, "two").await;
    assert_eq!(found.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((seen.len(), all), (1, true));
}

#[tokio::test]
async fn pages_are_followed_by_the_links_of_the_cloud() {
    let one = [listed("file.a.A!1", "one", T)];
    let two = [listed("file.a.A!2", "two", T)];
    let three = [listed("file.a.A!3", "three", T)];
    let transport = Scripted::expecting([
        (FILES, page(one, Some("/v5.0/folder.x/files?pretty=false&offset=1&limit=1"))),
        (&*format!("{FILES}?limit=1&offset=1"), page(two, Some("https://elsewhere/x?offset=2"))),
        (&*format!("{FILES}?offset=2"), page(three, None)),
    ]);
    let (found, seen, all) = child(&transport, "three").await;
    assert_eq!(found.unwrap().id.as_str(), "file.a.A!3");
    assert_eq!((seen.len(), all), (3, true));
}

#[tokio::test]
async fn a_listing_whose_pages_repeat_is_an_error() {
    for next in ["files?offset=0", "files?limit=5", "files?offset=x"] {
        let next = next.to_owned();
        let transport = Scripted::by(move |_| page([listed("file.a.A!1", "one", T)], Some(&next)));
        let (found, seen, all) = child(&transport, "two").await;
        assert_eq!(found.unwrap_err().kind(), ErrorKind::Unexpected);
        assert_eq!((seen.len(), all), (0, false));
    }
}

#[tokio::test]
async fn of_two_items_with_one_name_the_newest_is_there() {
    let later = "2012-01-02T00:00:00+0000";
    let items = || {
        [
            listed("file.a.A!1", "same", later),
            listed("file.a.A!9", "SAME", T),
            listed("file.a.A!3", "other", T),
            listed("file.a.A!20", "Other", T),
            listed("file.a.A!4", "OTHER", T),
        ]
    };
    let transport = Scripted::by(move |_| page(items(), None));
    let (found, seen, _) = child(&transport, "same").await;
    assert_eq!(found.unwrap().id.as_str(), "file.a.A!1", "the time decides");
    assert_eq!(seen, ["file.a.A!1", "file.a.A!20"]);
    let (found, ..) = child(&transport, "other").await;
    assert_eq!(found.unwrap().id.as_str(), "file.a.A!20", "then the number, as a number");

    let cx = transport.context();
    let page = drive().list(&cx, ListRequest::new(&place(FOLDER))).await.unwrap();
    let ids: Vec<_> = page.items.iter().map(|item| item.id.as_str()).collect();
    // The adapter shows the first of a name, and reports the others.
    let expected = ["file.a.A!1", "file.a.A!9", "file.a.A!20", "file.a.A!3", "file.a.A!4"];
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_folder_is_listed_page_by_page_without_a_limit_of_ours() {
    let transport = Scripted::expecting([
        (FILES, page([listed("file.a.A!1", "one", T)], Some("x?limit=1&offset=1"))),
        (&*format!("{FILES}?limit=1&offset=1"), page([listed("file.a.A!2", "two", T)], None)),
    ]);
    let (drive, cx) = (drive(), transport.context());
    let first = drive.list(&cx, ListRequest::new(&place(FOLDER)).with_limit(7)).await.unwrap();
    let from = first.next.unwrap();
    let second =
        drive.list(&cx, ListRequest::new(&place(FOLDER)).with_cursor(&from)).await.unwrap();
    assert_eq!((&*second.items[0].name, second.next), ("two", None));

    let foreign = Cursor("elsewhere".into());
    let refused = drive.list(&cx, ListRequest::new(&place(FOLDER)).with_cursor(&foreign)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    let file = drive.list(&cx, ListRequest::new(&place(FILE))).await;
    assert_eq!(file.unwrap_err().kind(), ErrorKind::NotAFolder);
    let tree = drive.list(&cx, ListRequest::recursive(&place(FOLDER))).await;
    assert_eq!(tree.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn what_is_listed_is_file_folder_or_neither() {
    let transport = Scripted::by(|_| {
        let item = |id: &str, kind: &str| {
            format!(r#"{{"id":"{id}","name":"{kind}","type":"{kind}","size":5,"count":2}}"#)
        };
        page(
            [
                item("file.a.A!1", "photo"),
                item("folder.a.A!2", "album"),
                item("file.a.A!3", "notebook"),
                item("file.a.A!4", "hologram"),
            ],
            None,
        )
    });
    let cx = transport.context();
    let page = drive().list(&cx, ListRequest::new(&place(FOLDER))).await.unwrap();
    let facts: Vec<_> = page.items.iter().map(|i| (i.kind, i.size, i.children)).collect();
    assert_eq!(
        facts,
        [
            (ItemKind::File, Some(5), None),
            (ItemKind::Folder, None, Some(2)),
            (ItemKind::Opaque, None, None),
            (ItemKind::Opaque, None, None),
        ]
    );
}

#[tokio::test]
async fn the_root_has_one_id_and_its_real_one_is_requested_once_as_a_destination() {
    let root = "folder.8c8ce076ca27823f";
    let file = "file.8c8ce076ca27823f.8C8CE076CA27823F%21128";
    let moved = || {
        answer(201, format!(r#"{{"id":"{FILE}","name":"a","type":"file","parent_id":"{root}"}}"#))
    };
    let transport = Scripted::expecting([
        (
            &*format!("GET {API}/me/skydrive"),
            answer(
                200,
                format!(r#"{{"id":"{root}","name":"SkyDrive","type":"folder","parent_id":null}}"#),
            ),
        ),
        (&*format!("MOVE {API}/{file}"), moved()),
        (&*format!("MOVE {API}/{file}"), moved()),
    ]);
    let (drive, cx) = (drive(), transport.context());
    assert_eq!(drive.root(&cx).await.unwrap().as_str(), ROOT);
    let change = crate::drive::ItemUpdate { folder: Some(place(ROOT)), ..Default::default() };
    let file = known(FILE, "a", FOLDER, ItemKind::File);
    let item = drive.update(&cx, &place(FILE), Some(&file), &change).await.unwrap();
    assert_eq!(item.parents, [ItemId::from(ROOT)]);
    drive.update(&cx, &place(FILE), Some(&file), &change).await.unwrap();
    assert_eq!(transport.sent()[1].text(), format!(r#"{{"destination":"{root}"}}"#));
    assert_eq!(transport.sent().len(), 3);
}

#[tokio::test]
async fn items_are_removed_one_by_one_each_with_its_own_result() {
    let transport = Scripted::by(|sent| match sent.url.ends_with("%21128") {
        true => answer(204, ""),
        false => refusal(404, "resource_not_found", "Gone."),
    });
    let removal =
        |id: &str, kind| DeleteTarget { item: place(id), kind, parents: vec![], if_match: None };
    let removals = [
        removal(FILE, Some(ItemKind::File)),
        removal(FOLDER, Some(ItemKind::Folder)),
        removal(FOLDER, Some(ItemKind::File)),
        removal(ROOT, None),
    ];
    let results = drive().delete(&transport.context(), &removals).await;
    let kinds: Vec<_> = results.into_iter().map(|result| result.err().map(|e| e.kind())).collect();
    assert_eq!(
        kinds,
        [None, Some(ErrorKind::NotFound), Some(ErrorKind::IsAFolder), Some(ErrorKind::Conflict),]
    );
    assert_eq!(transport.sent().len(), 2);
}
