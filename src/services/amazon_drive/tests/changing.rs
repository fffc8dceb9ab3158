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

fn named(name: &str) -> ItemUpdate {
    ItemUpdate { name: Some(name.to_owned()), ..ItemUpdate::default() }
}

async fn update(transport: &Scripted, item: &Item, change: &ItemUpdate) -> Result<Item> {
    drive().update(&transport.context(), &from("P"), Some(item), change).await
}

fn moved(name: &str, parents: &[&str]) -> Outcome {
    json_answer(200, node("F", name, "FILE", parents))
}

#[tokio::test]
async fn a_rename_a_move_and_both_are_one_request_each() {
    let both = ItemUpdate { name: Some("y".to_owned()), ..to_folder("Q") };
    for (change, step, body) in [
        (named("y"), "PATCH nodes/F", r#"{"name":"y"}"#),
        (to_folder("Q"), "POST nodes/Q/children", r#"{"childId":"F","fromParent":"P"}"#),
        (both, "PATCH nodes/F", r#"{"name":"y","parents":["Q"]}"#),
    ] {
        let transport = expecting([(step, moved("y", &["Q"]))]);
        update(&transport, &file(&["P"]), &change).await.unwrap();
        assert_all_sent(&transport, 1);
        assert_eq!(transport.sent()[1].text(), body);
    }
}

#[tokio::test]
async fn of_several_folders_only_the_one_it_was_found_through_is_left() {
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
async fn what_changes_nothing_asks_nothing() {
    let transport = Scripted::by(|_| answer(599, ""));
    let change = ItemUpdate { name: Some("x".to_owned()), ..to_folder("P") };
    update(&transport, &file(&["P"]), &change).await.unwrap();
    assert!(transport.sent().is_empty());
    let error = update(&transport, &file(&["P"]), &to_folder("F")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_taken_name_names_who_has_it() {
    let transport = expecting([("PATCH nodes/F", name_taken("N"))]);
    let error = update(&transport, &file(&["P"]), &named("y")).await.unwrap_err();
    assert_eq!((error.kind(), error.existing().unwrap().as_str()), (ErrorKind::AlreadyExists, "N"));
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
async fn a_file_takes_the_place_of_a_file_which_goes_to_the_trash() {
    let transport =
        expecting([(LOOK, old(&["Q"])), (TRASH, trashed()), (MOVE, moved("x", &["Q"]))]);
    let item = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap();
    assert_eq!(parents(&item), ["Q"]);
    assert_all_sent(&transport, 3);
}

#[tokio::test]
async fn a_replaced_file_that_is_in_other_folders_too_stays_there() {
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
async fn a_failed_replacement_puts_the_old_file_back() {
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
async fn a_replacement_whose_answer_was_lost_is_found_to_be_done() {
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
async fn an_old_file_that_cannot_be_put_back_is_told_to_be_in_the_trash() {
    let transport = expecting([
        (LOOK, old(&["Q"])),
        (TRASH, trashed()),
        (MOVE, answer(500, "")),
        (RESTORE, json_answer(503, json!({"message": "later"}))),
    ]);
    let error = update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert!(error.to_string().contains("in the trash: later"), "{error}");
}

#[tokio::test]
async fn a_replacement_that_cannot_begin_changes_nothing_or_says_so() {
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
async fn an_occupant_that_is_gone_is_not_looked_for_any_further() {
    for gone in [json_answer(404, json!({"message": "gone"})), old(&["O"]), trashed()] {
        let transport = expecting([(LOOK, gone), (MOVE, moved("x", &["Q"]))]);
        update(&transport, &file(&["P"]), &onto_occupant()).await.unwrap();
        assert_all_sent(&transport, 2);
    }
}

async fn remove(transport: &Scripted, known: &[&str]) -> Result<()> {
    let parents = known.iter().map(|id| ItemId::from(*id)).collect();
    let removal = DeleteTarget { item: from("P"), kind: Some(ItemKind::File), parents };
    drive().delete(&transport.context(), &[removal]).await.pop().unwrap()
}

fn into_trash(parents: &[&str]) -> Outcome {
    json_answer(200, with_status(node("F", "x", "FILE", parents), "TRASH"))
}

#[tokio::test]
async fn an_item_of_one_folder_goes_to_the_trash_and_of_several_out_of_this_one() {
    let transport = expecting([("PUT trash/F", into_trash(&["P"]))]);
    remove(&transport, &["P"]).await.unwrap();
    assert_all_sent(&transport, 1);

    let transport = expecting([("DELETE nodes/P/children/F", moved("x", &["O"]))]);
    remove(&transport, &["P", "O"]).await.unwrap();
    assert_all_sent(&transport, 1);
}

#[tokio::test]
async fn of_an_item_whose_folders_are_not_known_they_are_asked() {
    let transport = expecting([
        ("GET nodes/F", moved("x", &["P", "O"])),
        ("DELETE nodes/P/children/F", moved("x", &["O"])),
    ]);
    remove(&transport, &[]).await.unwrap();
    assert_all_sent(&transport, 2);
}

#[tokio::test]
async fn an_item_that_got_another_folder_meanwhile_stays_there() {
    let transport = expecting([
        ("PUT trash/F", into_trash(&["P", "O"])),
        ("POST trash/F/restore", moved("x", &["P", "O"])),
        ("DELETE nodes/P/children/F", moved("x", &["O"])),
    ]);
    remove(&transport, &["P"]).await.unwrap();
    assert_all_sent(&transport, 3);
}

#[tokio::test]
async fn an_item_that_lost_its_other_folder_meanwhile_does_not_end_up_in_the_root() {
    let transport = expecting([
        ("DELETE nodes/P/children/F", moved("x", &["R"])),
        ("PUT trash/F", into_trash(&["R"])),
    ]);
    remove(&transport, &["P", "O"]).await.unwrap();
    assert_all_sent(&transport, 2);
}

#[tokio::test]
async fn each_removal_has_its_own_result() {
    let transport = Scripted::by(|sent| match sent.url.as_str() {
        url if url.ends_with("endpoint") => endpoints(),
        url if url.ends_with("trash/A") => into_trash(&["P"]),
        _ => json_answer(404, json!({"message": "gone"})),
    });
    let removals = ["A", "B"].map(|id| DeleteTarget {
        item: ItemRef::Item { id: id.into(), parent: Some("P".into()) },
        kind: None,
        parents: vec!["P".into()],
    });
    let results = drive().delete(&transport.context(), &removals).await;
    assert!(results[0].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_folder_that_is_there_is_told_with_its_id() {
    let transport = expecting([
        ("POST nodes", json_answer(201, node("D", "d", "FOLDER", &["P"]))),
        ("POST nodes", name_taken("D")),
    ]);
    let (drive, cx) = (drive(), transport.context());
    assert!(drive.create_folder(&cx, &target("d")).await.unwrap().is_folder());
    let error = drive.create_folder(&cx, &target("d")).await.unwrap_err();
    assert_eq!((error.kind(), error.existing().unwrap().as_str()), (ErrorKind::AlreadyExists, "D"));
}
