//! Objects of accounts that are not items of a drive.

use ::bytes::Bytes as Piece;
use jiff::Timestamp;
use serde_json::json;

use super::{
    super::{super::*, *},
    ephemeral, on_disk,
    on_postgres::also_on_postgres,
    refusal,
};

/// Returns an object whose name is its id.
fn object(kind: AccountObjectKind, id: &str, parent: &str) -> AccountObject {
    let mut object = AccountObject::new(kind, id);
    // The precision of the database.
    let now = Timestamp::from_microsecond(object.created.as_microsecond()).expect("a time");
    (object.created, object.modified) = (now, now);
    object.parent = parent.to_owned();
    object.fields.insert("name".to_owned(), id.into());
    object
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn ids(objects: &[AccountObject]) -> Vec<&str> {
    objects.iter().map(|object| &*object.id).collect()
}

#[tokio::test]
async fn objects_are_stored_per_account_and_kind() {
    let (tree, drive) = ephemeral().await;
    let other = tree.drive("anna").await.expect("drive").no;
    let contact = object(AccountObjectKind::Contact, "1", "");
    for (drive, object) in [
        (drive, contact.clone()),
        (drive, object(AccountObjectKind::Calendar, "1", "")),
        (other, object(AccountObjectKind::Contact, "1", "")),
    ] {
        tree.put_account_object(drive, object).await.expect("puts");
    }
    assert_eq!(
        tree.account_object(drive, AccountObjectKind::Contact, "1").await.expect("finds"),
        contact
    );
    let owners = tree.account_object_owners(AccountObjectKind::Contact, "1").await.expect("finds");
    assert_eq!(owners, ["", "anna"]);
    let missing = tree.account_object(other, AccountObjectKind::Calendar, "1").await;
    assert!(matches!(refusal(missing), TreeError::NotFound));
    tree.reset().await.expect("resets");
    let drive = tree.drive("").await.expect("drive").no;
    let listed =
        tree.account_objects(drive, AccountObjectQuery::all(AccountObjectKind::Contact)).await;
    assert_eq!(listed.expect("lists"), []);
}

#[tokio::test]
async fn a_list_is_selected_by_parent_time_and_page() {
    let (tree, drive) = ephemeral().await;
    for (id, parent, start, end) in [
        ("c", "1", "2011-04-20T01:00:00Z", "2011-04-20T02:00:00Z"),
        ("a", "1", "2011-04-20T03:00:00Z", "2011-04-20T03:00:00Z"),
        ("b", "2", "2011-04-20T01:00:00Z", "2011-04-20T04:00:00Z"),
    ] {
        let span = Some((time(start), time(end)));
        let event = AccountObject { span, ..object(AccountObjectKind::Event, id, parent) };
        tree.put_account_object(drive, event).await.expect("puts");
    }
    let all = || AccountObjectQuery::all(AccountObjectKind::Event);
    let list = async |query| tree.account_objects(drive, query).await.expect("lists");
    let during =
        |from: &str, to: &str| AccountObjectQuery { during: Some((time(from), time(to))), ..all() };
    assert_eq!(ids(&list(all()).await), ["c", "a", "b"], "in the order of their creation");
    assert_eq!(
        ids(&list(AccountObjectQuery { parent: Some("1".into()), ..all() }).await),
        ["c", "a"]
    );
    assert_eq!(ids(&list(AccountObjectQuery { offset: 1, limit: Some(1), ..all() }).await), ["a"]);
    let later = during("2011-04-20T02:00:00Z", "2011-04-20T05:00:00Z");
    assert_eq!(ids(&list(later).await), ["a", "b"]);
    let at_its_start = during("2011-04-20T03:00:00Z", "2011-04-20T03:30:00Z");
    assert_eq!(ids(&list(at_its_start).await), ["a", "b"]);
    let before = during("2011-04-20T00:00:00Z", "2011-04-20T01:00:00Z");
    assert!(list(before).await.is_empty());
}

#[tokio::test]
async fn a_replaced_object_keeps_its_place_its_creation_time_and_its_data() {
    let (tree, drive) = ephemeral().await;
    let data = Some(Piece::from_static(b"logo"));
    let first = AccountObject { data, ..object(AccountObjectKind::Application, "1", "") };
    let created = first.created;
    tree.put_account_object(drive, first).await.expect("puts");
    tree.put_account_object(drive, object(AccountObjectKind::Application, "2", ""))
        .await
        .expect("puts");
    let mut again = object(AccountObjectKind::Application, "1", "x");
    again.created = time("2030-01-01T00:00:00Z");
    tree.put_account_object(drive, again).await.expect("puts");
    let listed =
        tree.account_objects(drive, AccountObjectQuery::all(AccountObjectKind::Application)).await;
    let listed = listed.expect("lists");
    assert_eq!((ids(&listed), &*listed[0].parent), (vec!["1", "2"], "x"));
    assert_eq!((listed[0].created, &listed[0].data), (created, &None));
    let data = tree.account_object_data(drive, AccountObjectKind::Application, "1").await;
    assert_eq!(data.expect("reads").as_deref(), Some(&b"logo"[..]));
    assert_eq!(
        tree.account_object_data(drive, AccountObjectKind::Application, "2").await.expect("reads"),
        None
    );
}

#[tokio::test]
async fn a_failed_change_leaves_the_object_as_it_was() {
    let (tree, drive) = ephemeral().await;
    let contact = object(AccountObjectKind::Contact, "1", "");
    tree.put_account_object(drive, contact.clone()).await.expect("puts");
    let failed = tree
        .change_account_object(drive, AccountObjectKind::Contact, "1", |contact| {
            contact.fields.clear();
            Err("no")
        })
        .await;
    assert_eq!(failed.expect("runs"), Err("no"));
    assert_eq!(
        tree.account_object(drive, AccountObjectKind::Contact, "1").await.expect("finds"),
        contact
    );
    let changed = tree
        .change_account_object(drive, AccountObjectKind::Contact, "1", |contact| {
            contact.fields.insert("name".to_owned(), "2".into());
            Ok::<_, ()>(())
        })
        .await;
    let changed = changed.expect("runs").expect("changes");
    assert_eq!(changed.fields["name"], json!("2"));
    assert!(changed.modified > contact.modified && changed.created == contact.created);
    assert_eq!(
        tree.account_object(drive, AccountObjectKind::Contact, "1").await.expect("finds"),
        changed
    );
}

#[tokio::test]
async fn a_removed_object_takes_the_objects_in_it() {
    let (tree, drive) = ephemeral().await;
    for (kind, id, parent) in [
        (AccountObjectKind::Calendar, "1", ""),
        (AccountObjectKind::Calendar, "2", ""),
        (AccountObjectKind::Event, "3", "1"),
        (AccountObjectKind::Event, "4", "2"),
    ] {
        tree.put_account_object(drive, object(kind, id, parent)).await.expect("puts");
    }
    let removed = tree.remove_account_object(drive, AccountObjectKind::Calendar, "1").await;
    removed.expect("removes");
    let events =
        tree.account_objects(drive, AccountObjectQuery::all(AccountObjectKind::Event)).await;
    assert_eq!(ids(&events.expect("lists")), ["4"]);
    let again = tree.remove_account_object(drive, AccountObjectKind::Calendar, "1").await;
    assert!(matches!(refusal(again), TreeError::NotFound));
}

#[tokio::test]
async fn a_repair_saves_objects() {
    let data = tempfile::tempdir().expect("temporary folder");
    let tree = on_disk(data.path()).await;
    let drive = tree.drive("").await.expect("drive").no;
    let span = Some((time("2011-04-20T01:00:00Z"), time("2011-04-20T02:00:00Z")));
    let event = AccountObject { span, ..object(AccountObjectKind::Event, "1", "2") };
    let picture = Some(Piece::from_static(b"picture"));
    let profile = AccountObject { data: picture, ..object(AccountObjectKind::Profile, "", "") };
    for object in [event.clone(), profile] {
        tree.put_account_object(drive, object).await.expect("puts");
    }
    tree.close().await;
    let database = data.path().join("tree.db");
    let mut damaged = std::fs::read(&database).expect("reads");
    damaged[..100].fill(0);
    std::fs::write(&database, damaged).expect("writes");
    let tree = Tree::open_for_repair(TreeOptions::folder(data.path())).await.expect("opens");
    tree.repair().await.expect("repairs");
    assert_eq!(
        tree.account_object(drive, AccountObjectKind::Event, "1").await.expect("finds"),
        event
    );
    let data =
        tree.account_object_data(drive, AccountObjectKind::Profile, "").await.expect("reads");
    assert_eq!(data.as_deref(), Some(&b"picture"[..]));
    tree.close().await;
}

also_on_postgres!(
    objects_are_stored_per_account_and_kind,
    a_list_is_selected_by_parent_time_and_page,
    a_replaced_object_keeps_its_place_its_creation_time_and_its_data,
    a_failed_change_leaves_the_object_as_it_was,
    a_removed_object_takes_the_objects_in_it,
);
