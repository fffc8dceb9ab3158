use super::*;
use crate::drive::{DeleteTarget, Drive, ErrorKind, ItemId, ItemKind, ItemUpdate, Result};

fn file(parents: &[&str]) -> Item {
    let mut item = Item::new("F", "x", ItemKind::File);
    item.parents = parents.iter().map(|id| ItemId::from(*id)).collect();
    item
}

fn from(parent: &str) -> ItemRef {
    ItemRef::Item { id: "F".into(), parent: Some(parent.into()) }
}

fn to_folder(folder: &str) -> ItemUpdate {
    ItemUpdate { folder: Some(ItemRef::from_id(&folder.into())), ..ItemUpdate::default() }
}

async fn update(transport: &Scripted, item: &Item, change: &ItemUpdate) -> Result<Item> {
    drive().update(&transport.context(), &from("P"), Some(item), change).await
}

fn moved(name: &str, parents: &[&str]) -> Outcome {
    json_answer(200, node("F", name, "FILE", parents))
}

#[tokio::test]
async fn an_item_leaves_only_the_folder_of_its_path() {
    let both = ItemUpdate { name: Some("y".to_owned()), ..to_folder("Q") };
    let transport = expecting([("PATCH nodes/F", moved("y", &["O", "Q"]))]);
    update(&transport, &file(&["P", "O"]), &both).await.unwrap();
    assert_eq!(transport.sent()[1].text(), r#"{"name":"y","parents":["O","Q"]}"#);

    // It is in the new folder already: one edge less.
    let transport = expecting([("PATCH nodes/F", moved("x", &["Q"]))]);
    update(&transport, &file(&["P", "Q"]), &to_folder("Q")).await.unwrap();
    assert_eq!(transport.sent()[1].text(), r#"{"parents":["Q"]}"#);
}

#[tokio::test]
async fn an_update_without_changes_sends_no_request() {
    let transport = Scripted::by(|_| answer(599, ""));
    let change = ItemUpdate { name: Some("x".to_owned()), ..to_folder("P") };
    update(&transport, &file(&["P"]), &change).await.unwrap();
    assert!(transport.sent().is_empty());
    let error = update(&transport, &file(&["P"]), &to_folder("F")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

fn onto_occupant() -> ItemUpdate {
    ItemUpdate { occupant: Some("N".into()), ..to_folder("Q") }
}

fn old(parents: &[&str]) -> Outcome {
    json_answer(200, node("N", "x", "FILE", parents))
}

fn trashed() -> Outcome {
    json_answer(200, with_status(node("N", "x", "FILE", &["Q"]), "TRASH"))
}

const LOOK: &str = "GET nodes/N";
const TRASH: &str = "PUT trash/N";
const MOVE: &str = "POST nodes/Q/children";
const RESTORE: &str = "POST trash/N/restore";

#[tokio::test]
async fn a_replaced_file_remains_in_its_other_folders() {
    let transport = expecting([
        (LOOK, old(&["O", "Q"])),
        ("DELETE nodes/Q/children/N", old(&["O"])),
        (MOVE, moved("x", &["Q"])),
    ]);
    update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap();

    let transport = expecting([
        (LOOK, old(&["O", "Q"])),
        ("DELETE nodes/Q/children/N", old(&["O"])),
        (MOVE, answer(500, "")),
        ("PUT nodes/Q/children/N", old(&["O", "Q"])),
    ]);
    let error = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert_all_sent(&transport, 4);
}

#[tokio::test]
async fn a_failed_replacement_restores_the_old_file() {
    let transport = expecting([
        (LOOK, old(&["Q"])),
        (TRASH, trashed()),
        (MOVE, json_answer(403, json!({"message": "no"}))),
        (RESTORE, old(&["Q"])),
    ]);
    let error = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::PermissionDenied, Some(403)));
    assert!(!error.to_string().contains("trash"), "{error}");
    assert_all_sent(&transport, 4);
}

#[tokio::test]
async fn a_replacement_with_a_lost_response_succeeds() {
    let transport = expecting([
        (LOOK, old(&["Q"])),
        (TRASH, trashed()),
        (MOVE, Outcome::Reset),
        (RESTORE, name_taken("F")),
        ("GET nodes/F", moved("x", &["Q"])),
    ]);
    let item = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap();
    assert_eq!(parents(&item), ["Q"]);
}

#[tokio::test]
async fn an_old_file_that_cannot_be_restored_is_in_the_error() {
    let transport = expecting([
        (LOOK, old(&["Q"])),
        (TRASH, trashed()),
        (MOVE, answer(500, "")),
        (RESTORE, json_answer(503, json!({"message": "later"}))),
    ]);
    let error = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert!(error.to_string().contains("in the trash"), "{error}");
}

#[tokio::test]
async fn a_replacement_that_cannot_begin_changes_nothing() {
    let transport = expecting([(LOOK, answer(500, ""))]);
    let error = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap_err();
    assert!(!error.to_string().contains("trash"), "{error}");

    let transport = expecting([(LOOK, old(&["Q"])), (TRASH, Outcome::Reset)]);
    let error = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap_err();
    assert!(error.to_string().contains("may be in the trash"), "{error}");

    let folder = json_answer(200, node("N", "x", "FOLDER", &["Q"]));
    let transport = expecting([(LOOK, folder)]);
    let error = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsAFolder);
}

#[tokio::test]
async fn a_missing_occupant_is_ignored() {
    for gone in [json_answer(404, json!({"message": "gone"})), old(&["O"]), trashed()] {
        let transport = expecting([(LOOK, gone), (MOVE, moved("x", &["Q"]))]);
        update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap();
        assert_all_sent(&transport, 2);
    }
}

async fn remove(transport: &Scripted, known: &[&str]) -> Result<()> {
    let parents = known.iter().map(|id| ItemId::from(*id)).collect();
    let removal =
        DeleteTarget { item: from("P"), kind: Some(ItemKind::File), parents, if_match: None };
    drive().delete(&transport.context(), &[removal]).await.pop().unwrap()
}

fn into_trash(parents: &[&str]) -> Outcome {
    json_answer(200, with_status(node("F", "x", "FILE", parents), "TRASH"))
}

#[tokio::test]
async fn unknown_parents_are_requested() {
    let transport = expecting([
        ("GET nodes/F", moved("x", &["P", "O"])),
        ("DELETE nodes/P/children/F", moved("x", &["O"])),
    ]);
    remove(&transport, &[]).await.unwrap();
    assert_all_sent(&transport, 2);
}

#[tokio::test]
async fn an_item_added_to_another_folder_meanwhile_remains_there() {
    let transport = expecting([
        ("PUT trash/F", into_trash(&["P", "O"])),
        ("POST trash/F/restore", moved("x", &["P", "O"])),
        ("DELETE nodes/P/children/F", moved("x", &["O"])),
    ]);
    remove(&transport, &["P"]).await.unwrap();
    assert_all_sent(&transport, 3);
}

#[tokio::test]
async fn an_item_without_its_other_folder_does_not_move_to_the_root() {
    let transport = expecting([
        ("DELETE nodes/P/children/F", moved("x", &["R"])),
        ("PUT trash/F", into_trash(&["R"])),
    ]);
    remove(&transport, &["P", "O"]).await.unwrap();
    assert_all_sent(&transport, 2);
}

#[tokio::test]
async fn each_deletion_has_its_own_result() {
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        url if url.ends_with("endpoint") => endpoints(),
        url if url.ends_with("trash/A") => into_trash(&["P"]),
        _ => json_answer(404, json!({"message": "gone"})),
    });
    let removals = ["A", "B"].map(|id| DeleteTarget {
        item: ItemRef::Item { id: id.into(), parent: Some("P".into()) },
        kind: None,
        parents: vec!["P".into()],
        if_match: None,
    });
    let results = drive().delete(&transport.context(), &removals).await;
    assert!(results[0].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_existing_folder_is_in_the_error() {
    let transport = expecting([
        ("POST nodes", json_answer(201, node("D", "d", "FOLDER", &["P"]))),
        ("POST nodes", name_taken("D")),
    ]);
    let (drive, cx) = (drive(), transport.context());
    assert!(drive.create_folder(&cx, &target("d")).await.unwrap().is_folder());
    let error = drive.create_folder(&cx, &target("d")).await.unwrap_err();
    assert_eq!((error.kind(), error.existing().unwrap().as_str()), (ErrorKind::AlreadyExists, "D"));
}
