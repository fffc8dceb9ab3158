use super::*;
use crate::drive::{
    Conditions, Cursor, Depth, Drive, ErrorKind, HashKind, ItemId, ItemKind, ListRequest, Page,
    SiblingSearch,
};

async fn page(transport: &Scripted, depth: Depth, from: Option<&str>) -> Page {
    let cursor = from.map(|token| Cursor(token.into()));
    let folder = ItemRef::from_id(&"P".into());
    drive()
        .list(
            &transport.context(),
            ListRequest::new(&folder).with_depth(depth).with_cursor(cursor.as_ref()),
        )
        .await
        .unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    page.items.iter().map(|item| item.id.as_str()).collect()
}

#[tokio::test]
async fn a_child_is_one_request_and_its_name_is_escaped() {
    let transport = expecting([(
        "GET nodes?filters=parents%3A%22P%22%20AND%20name%3A%22My%5C%20\
         file%5C%20%5C%281%5C%29%5C%22%23%5C%26%25.txt%22",
        json_answer(
            200,
            list(&[
                node("1", "My file", "FILE", &["P"]),
                with_status(node("2", "my file (1)\"#&%.TXT", "FILE", &["P"]), "PENDING"),
                file_node("3", "my file (1)\"#&%.TXT", &["P"], b"abc"),
            ]),
        ),
    )]);
    let mut seen = Vec::new();
    let mut see = |what: SiblingSearch<'_>| {
        if let SiblingSearch::Item(item) = what {
            seen.push(item.id.clone());
        }
    };
    let folder = ItemRef::from_id(&"P".into());
    let name = "My file (1)\"#&%.txt";
    let item = drive().child(&transport.context(), &folder, name, &mut see).await.unwrap();
    assert_eq!(item.id.as_str(), "3");
    assert_eq!(seen, [ItemId::from("3")]);
    assert_eq!(item.etag.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
    assert_eq!((item.size, item.hashes[0].0), (Some(3), HashKind::Md5));
    assert_all_sent(&transport, 1);
}

#[tokio::test]
async fn other_results_of_a_filter_are_not_the_child() {
    let transport = expecting([(
        "GET nodes?filters=parents%3A%22P%22%20AND%20name%3A%22x%22",
        json_answer(200, list(&[node("1", "x y", "FILE", &["P"])])),
    )]);
    let folder = ItemRef::from_id(&"P".into());
    let error = drive().child(&transport.context(), &folder, "x", &mut |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_folder_is_listed_200_at_a_time() {
    let mut first = list(&[
        node("1", "a", "FOLDER", &["P"]),
        node("2", "b", "ASSET", &["P"]),
        with_status(node("3", "c", "FILE", &["P"]), "TRASH"),
        node("4", "", "FILE", &["P"]),
    ]);
    first["nextToken"] = "t+/=".into();
    let transport = expecting([
        ("GET nodes/P/children?limit=200", json_answer(200, first)),
        (
            "GET nodes/P/children?startToken=t%2B%2F%3D&limit=200",
            json_answer(200, list(&[node("5", "e", "FILE", &["P"])])),
        ),
    ]);
    let (drive, cx, folder) = (drive(), transport.context(), ItemRef::from_id(&"P".into()));
    let one = drive.list(&cx, ListRequest::new(&folder)).await.unwrap();
    assert_eq!((ids(&one), one.items[0].kind), (vec!["1", "4"], ItemKind::Folder));
    let two =
        drive.list(&cx, ListRequest::new(&folder).with_cursor(one.next.as_ref())).await.unwrap();
    assert_eq!((ids(&two), &two.next), (vec!["5"], &None));
}

#[tokio::test]
async fn a_recursive_list_has_neither_the_root_nor_unreachable_nodes() {
    let mut root = node("P", "", "FOLDER", &[]);
    root["isRoot"] = true.into();
    root["name"] = Value::Null;
    let transport = expecting([(
        "GET nodes?filters=status%3AAVAILABLE&limit=200",
        json_answer(
            200,
            list(&[
                root,
                node("1", "a", "FOLDER", &["P", "2"]),
                node("2", "b", "FOLDER", &["1"]),
                node("3", "lost", "FILE", &[]),
            ]),
        ),
    )]);
    let page = page(&transport, Depth::Recursive, None).await;
    assert_eq!(ids(&page), ["1", "2"]);
    assert_eq!(parents(&page.items[0]), ["P", "2"]);
}

#[tokio::test]
async fn an_item_in_the_trash_is_not_found() {
    let transport = expecting([(
        "GET nodes/F",
        json_answer(200, with_status(node("F", "x", "FILE", &["P"]), "TRASH")),
    )]);
    let place = ItemRef::from_id(&"F".into());
    let error =
        drive().item(&transport.context(), &place, &Conditions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_condition_is_compared_with_the_md5() {
    let etag = "900150983cd24fb0d6963f7d28e17f72".to_owned();
    for (conditions, holds) in [
        (Conditions { if_none_match: Some(etag.clone()), ..Conditions::default() }, false),
        (Conditions { if_none_match: Some("other".into()), ..Conditions::default() }, true),
        (Conditions { if_match: Some(format!("\"{etag}\"")), ..Conditions::default() }, true),
        (Conditions { if_match: Some("other".into()), ..Conditions::default() }, false),
    ] {
        let answer = json_answer(200, file_node("F", "x", &["P"], b"abc"));
        let transport = expecting([("GET nodes/F", answer)]);
        let place = ItemRef::from_id(&"F".into());
        match drive().item(&transport.context(), &place, &conditions).await {
            Ok(_) => assert!(holds, "{conditions:?}"),
            Err(error) => {
                assert!(!holds, "{conditions:?}");
                assert_eq!(error.kind(), ErrorKind::ConditionNotMatch);
            }
        }
    }
}
