//! Recursive listings by the change feed.

use super::*;
use crate::{
    drive::{Cursor, Drive, ErrorKind, ListRequest, Page, RecursiveList, Result},
    transport::scripted::Scripted,
};

async fn page(
    drive: &GraphDrive,
    transport: &Scripted,
    place: &ItemRef,
    from: Option<&Cursor>,
) -> Result<Page> {
    drive.list(&transport.context(), ListRequest::recursive(place).with_cursor(from)).await
}

fn root() -> Value {
    json!({"id": "ROOT", "name": "root", "root": {}, "folder": {"childCount": 2},
        "parentReference": {"driveId": "D", "driveType": "personal"}})
}

fn shown(page: &Page) -> Vec<(&str, Vec<&str>)> {
    let parents = |item: &'_ Item| item.parents.len();
    page.items
        .iter()
        .map(|item| {
            assert!(parents(item) <= 1);
            (item.name.as_str(), item.parents.iter().map(|id| id.as_str()).collect())
        })
        .collect()
}

#[tokio::test]
async fn a_recursive_listing_is_the_feed_and_direct_children_have_no_parent() {
    let next = format!("{API}/me/drive/root/delta(token='a%2Fb')");
    let line = page_request("/me/drive/root/delta");
    let transport = Scripted::expecting([
        (
            &*line,
            ok(json!({"value": [root(), folder("1", "a", "ROOT"), folder("2", "b", "1")],
                "@odata.nextLink": next})),
        ),
        (
            &*format!("GET {next}"),
            ok(json!({"value": [
                folder("1", "a", "ROOT"), root(),
                {"id": "3", "deleted": {"state": "deleted"}, "parentReference": {"id": "1"}},
                {"id": "4", "name": "odd", "size": "large", "parentReference": {"id": "2"}},
                {"id": "5", "name": "nowhere", "file": {}},
                folder("6", "c", "2"),
            ], "@odata.deltaLink": format!("{API}/me/drive/root/delta?token=z")})),
        ),
    ]);
    let drive = drive();
    let first = page(&drive, &transport, &at(""), None).await.unwrap();
    assert_eq!(shown(&first), [("a", vec![]), ("b", vec!["1"])]);
    let last = page(&drive, &transport, &at(""), first.next.as_ref()).await.unwrap();
    assert_eq!(shown(&last), [("a", vec![]), ("odd", vec!["2"]), ("c", vec!["2"])]);
    assert!(last.next.is_none());
    assert_eq!(drive.root_id.get().map(String::as_str), Some("ROOT"));
}

#[tokio::test]
async fn a_feed_without_the_root_costs_one_more_request_once() {
    let lines = (page_request("/me/drive/root/delta"), item_request("/me/drive/root"));
    let feed =
        || ok(json!({"value": [folder("1", "a", "ROOT")], "@odata.deltaLink": format!("{API}/x")}));
    let transport =
        Scripted::expecting([(&*lines.0, feed()), (&*lines.1, ok(root())), (&*lines.0, feed())]);
    let drive = drive();
    for _ in 0..2 {
        let page = page(&drive, &transport, &at(""), None).await.unwrap();
        assert_eq!(shown(&page), [("a", vec![])]);
    }
}

#[tokio::test]
async fn the_listed_folder_itself_is_left_out() {
    let lines = (page_request("/me/drive/root:/x/y:/delta"), item_request("/me/drive/root:/x/y"));
    let transport = Scripted::expecting([
        (
            &*lines.0,
            ok(json!({"value": [folder("Y", "y", "X"), folder("1", "a", "Y")],
                "@odata.deltaLink": format!("{API}/x")})),
        ),
        (&*lines.1, ok(folder("Y", "y", "X"))),
    ]);
    let drive = drive_of_kind(AccountKind::Personal);
    let page = page(&drive, &transport, &at("x/y"), None).await.unwrap();
    assert_eq!(shown(&page), [("a", vec![])]);
}

#[tokio::test]
async fn an_expired_link_restarts_the_feed_a_limited_number_of_times() {
    let gone = || {
        answer(
            410,
            json!({"error": {"code": "resyncRequired", "message": "Resync required.",
                "innerError": {"code": "resyncApplyDifferences"}}})
            .to_string(),
        )
    };
    let feed = |link: &str| {
        ok(json!({"value": [root(), folder("1", "a", "ROOT")], "@odata.nextLink": link}))
    };
    let transport = Scripted::by(move |sent| match sent.url.contains("/delta") {
        true => feed("https://graph.microsoft.com/v1.0/old"),
        false => gone(),
    });
    let drive = drive();
    let (mut from, mut pages, mut items) = (None, 0, 0);
    let error = loop {
        match page(&drive, &transport, &at(""), from.as_ref()).await {
            Ok(page) => {
                (pages, items) = (pages + 1, items + page.items.len());
                from = page.next;
            }
            Err(error) => break error,
        }
    };
    assert_eq!((pages, items), (7, 4), "the feed is begun four times");
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Conflict, false));
    // The first request must not restart.
    let transport = Scripted::by(move |_| gone());
    assert!(page(&drive, &transport, &at(""), None).await.is_err());
}

#[tokio::test]
async fn an_incomplete_feed_is_an_error() {
    let transport = Scripted::by(|_| ok(json!({"value": [root()]})));
    let error = page(&drive(), &transport, &at(""), None).await.unwrap_err();
    assert!(error.to_string().contains("neither a next link nor a delta link"), "{error}");
    let transport = Scripted::by(|_| answer(599, ""));
    let strange = Cursor("not ours".into());
    let error = page(&drive(), &transport, &at(""), Some(&strange)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(transport.sent().is_empty());
}

#[test]
fn recursive_listings_depend_on_the_account_kind() {
    let trees = |special: Option<&str>, kind| {
        let lookup = DriveLookup::new(ConfiguredDrive::Drive(DriveRef::Mine), None);
        GraphDrive::new(client(), lookup, special, kind).capabilities().recursive_list
    };
    assert_eq!(trees(None, None), RecursiveList::Root);
    assert_eq!(trees(None, Some(AccountKind::Business)), RecursiveList::Root);
    assert_eq!(trees(None, Some(AccountKind::Library)), RecursiveList::Root);
    assert_eq!(trees(None, Some(AccountKind::Personal)), RecursiveList::Any);
    assert_eq!(trees(Some("approot"), Some(AccountKind::PersonalLegacy)), RecursiveList::Any);
    assert_eq!(trees(Some("approot"), None), RecursiveList::No, "its root is not the drive's");
}
