use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

fn parse(url: &str) -> Address {
    try_parse(url).unwrap_or_else(|error| panic!("{url}: {}", error.message))
}

fn try_parse(url: &str) -> Result<Address> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    Address::parse(path, &QueryOptions::parse(Some(query))?)
}

fn me() -> DriveRef {
    DriveRef::OwnedBy(Owner::Me)
}

fn drive(id: &str) -> DriveRef {
    DriveRef::Id { id: id.into(), site: None }
}

fn segment(name: &str) -> PathSegment {
    PathSegment { name: name.into(), arguments: Vec::new() }
}

fn item(drive: DriveRef, anchor: Anchor, path: &[&str], segments: &[PathSegment]) -> Address {
    let path = path.iter().map(|name| (*name).into()).collect();
    Address::Item(ItemAddress { drive, anchor, path, segments: segments.to_vec() })
}

#[test]
fn a_drive_has_many_names() {
    let site = || Site { id: "host,1,2".into(), path: Vec::new() };
    for (url, expected) in [
        ("/me/drive", me()),
        ("/drive", me()),
        ("/drives/b!x", drive("b!x")),
        ("/drives/b%21x", drive("b!x")),
        ("/drives('b!x')", drive("b!x")),
        ("/users/a@b.c/drive", DriveRef::OwnedBy(Owner::User("a@b.c".into()))),
        ("/groups/1-2/drive", DriveRef::OwnedBy(Owner::Group("1-2".into()))),
        ("/sites/host,1,2/drive", DriveRef::OwnedBy(Owner::Site(site()))),
        ("/sites/host,1,2/drives/b!x", DriveRef::Id { id: "b!x".into(), site: Some(site()) }),
    ] {
        let segments = Vec::new();
        assert_eq!(parse(url), Address::Drive { drive: expected.clone(), segments }, "{url}");
        let root = item(expected, Anchor::Root, &[], &[]);
        assert_eq!(parse(&format!("{url}/root")), root, "{url}/root");
    }
    // The slash before the question mark is abraunegg's.
    assert_eq!(parse("/drives/b!x/?select=quota"), parse("/drives/b!x"));
    assert_eq!(parse("/me/drives"), Address::Drives(Owner::Me));
    assert_eq!(parse("/sites/host,1,2/drives"), Address::Drives(Owner::Site(site())));
}

#[test]
fn a_site_is_named_by_id_or_path() {
    let site = |id: &str, path: &[&str]| {
        Address::Site(Site {
            id: id.into(),
            path: path.iter().map(|name| (*name).into()).collect(),
        })
    };
    assert_eq!(parse("/sites/root"), site("root", &[]));
    assert_eq!(parse("/sites/root:/sites/x"), site("root", &["sites", "x"]));
    assert_eq!(parse("/sites/host.example:/sites/x"), site("host.example", &["sites", "x"]));
    assert_eq!(parse("/sites?search=*"), Address::Sites);
    let Address::Drive { drive: DriveRef::OwnedBy(Owner::Site(by_path)), .. } =
        parse("/sites/host.example:/sites/x:/drive")
    else {
        panic!("not the drive of a site");
    };
    assert_eq!(by_path.path, ["sites", "x"]);
}

#[test]
fn the_closing_colon_is_optional() {
    for url in [
        "/me/drive/root:/a/b",
        "/me/drive/root:/a/b:",
        "/me/drive/root:/a/b/",
        "/me/drive/root:/a/b:/",
        "/me/drive/root:/a%2Fb",
        "/me/drive/root%3A%2Fa%2Fb%3A",
        "/me/drive/items/root:/a/b:",
        "/me/drive/root:/.%2Fa%2Fb",
        "/me/drive/root:/a:/children/b",
        "/me/drive/root/children/a/children/b",
        "/me/drive/root/children('a')/children('b')",
        "//me//drive/root:/a//b",
    ] {
        assert_eq!(parse(url), item(me(), Anchor::Root, &["a", "b"], &[]), "{url}");
    }
}

#[test]
fn an_empty_path_is_the_item_itself() {
    for url in
        ["/drives/d/items/i", "/drives/d/items/i:/", "/drives/d/items/i:", "/drives/d/items('i')"]
    {
        assert_eq!(parse(url), item(drive("d"), Anchor::Id("i".into()), &[], &[]), "{url}");
    }
}

#[test]
fn everything_between_colons_is_a_name() {
    let root = |path: &[&str], segments: &[PathSegment]| item(me(), Anchor::Root, path, segments);
    assert_eq!(parse("/me/drive/root:/children"), root(&["children"], &[]));
    assert_eq!(parse("/me/drive/root/children"), root(&[], &[segment("children")]));
    assert_eq!(
        parse("/me/drive/root:/a/content:/content"),
        root(&["a", "content"], &[segment("content")])
    );
    assert_eq!(
        parse("/me/drive/root:/it's (1).txt:/content"),
        root(&["it's (1).txt"], &[segment("content")])
    );
    assert_eq!(
        parse("/me/drive/root/children/it's (1).txt/content"),
        root(&["it's (1).txt"], &[segment("content")])
    );
}

#[test]
fn an_sdk_may_hide_the_colons_in_the_id() {
    let expected = item(drive("d"), Anchor::Root, &["x.txt"], &[segment("content")]);
    assert_eq!(parse("/drives/d/items/root%3A%2Fx.txt%3A/content"), expected);
}

#[test]
fn functions_have_parentheses_and_namespaces_or_not() {
    let delta = |arguments: &[(Option<&str>, &str)]| {
        let arguments = arguments.iter().map(|(name, value)| Argument {
            name: name.map(str::to_owned),
            value: (*value).into(),
        });
        let segment = PathSegment { name: "delta".into(), arguments: arguments.collect() };
        item(me(), Anchor::Root, &[], &[segment])
    };
    for url in
        ["root/delta", "root/delta()", "items/root/microsoft.graph.delta()", "root/oneDrive.delta"]
    {
        assert_eq!(parse(&format!("/me/drive/{url}")), delta(&[]), "{url}");
    }
    let with_token = delta(&[(Some("token"), "a'b,(c)")]);
    assert_eq!(parse("/me/drive/root/delta(token='a''b,(c)')"), with_token);
    assert_eq!(parse("/me/drive/root/delta(token=latest)"), delta(&[(Some("token"), "latest")]));
    let Address::Item(ItemAddress { segments, .. }) = parse("/me/drive/root/search(q='a%2Fb''c')")
    else {
        panic!("not an item");
    };
    assert_eq!(segments[0].argument("q"), Some("a/b'c"));
    assert!(try_parse("/me/drive/root/search(q='a").is_err());
}

#[test]
fn an_alias_is_replaced_with_its_value() {
    let expected = item(drive("d"), Anchor::Id("i".into()), &["a b", "c"], &[segment("content")]);
    let url = "/drives/d/items/i/children('@a1')/content?@a1='a+b%2Fc'";
    assert_eq!(parse(url), expected);
}

#[test]
fn a_path_has_a_limited_number_of_arguments() {
    let list = |count| format!("/drive/root/f({})?@a='x'", vec!["@a"; count].join(","));
    let chain = |count| format!("/drive/root{}?@a='x'", "/f(@a)".repeat(count));
    for url in [list(100), chain(100)] {
        assert!(try_parse(&url).is_ok(), "{url}");
    }
    for url in [list(101), chain(101)] {
        let error = try_parse(&url).expect_err(&url);
        assert_eq!(error.status, http::StatusCode::BAD_REQUEST);
        assert!(error.message.contains("100 arguments"), "{}", error.message);
    }
}

#[test]
fn special_folders_and_shares_are_items() {
    let special = |path: &[&str], segments: &[PathSegment]| {
        item(me(), Anchor::Special("approot".into()), path, segments)
    };
    assert_eq!(parse("/me/drive/special/approot"), special(&[], &[]));
    assert_eq!(
        parse("/me/drive/special/approot:/a/b:/content"),
        special(&["a", "b"], &[segment("content")])
    );
    let share = DriveRef::Share("u!x".into());
    assert_eq!(parse("/shares/u!x/driveItem"), item(share.clone(), Anchor::Shared, &[], &[]));
    assert_eq!(parse("/shares/u!x/root:/a"), item(share, Anchor::Shared, &["a"], &[]));
}

#[test]
fn an_invalid_address_is_refused() {
    for url in ["/", "/you/drive", "/me/drive/root:/../x", "/me/drive/items", "/me/drive/root:/%FF"]
    {
        assert!(try_parse(url).is_err(), "{url}");
    }
}

/// The characters that RFC 3986's `pchar` leaves as it is, but for the colon.
const LOOSE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

proptest! {
    #[test]
    fn every_path_that_is_encoded_is_parsed_to_the_same(
        path in prop::collection::vec("[^/:]{1,20}", 0..6),
        by_id in prop::option::of("[A-Za-z0-9!]{1,40}"),
        strict: bool, closed: bool, content: bool,
    ) {
        prop_assume!(path.iter().all(|name| name != "." && name != ".."));
        let set = if strict { NON_ALPHANUMERIC } else { LOOSE };
        let mut url = match &by_id {
            Some(id) => format!("/drives/d/items/{}", utf8_percent_encode(id, set)),
            None => "/drives/d/root".to_owned(),
        };
        if !path.is_empty() {
            url.push(':');
            for name in &path {
                url.extend(std::iter::once("/").chain(utf8_percent_encode(name, set)));
            }
            if closed || content {
                url.push(':');
            }
        }
        let segments: Vec<_> = content.then(|| segment("content")).into_iter().collect();
        url.push_str(if content { "/content" } else { "" });
        let anchor = by_id.filter(|id| id != "root").map_or(Anchor::Root, Anchor::Id);
        let parsed = Address::parse(&url, &QueryOptions::default());
        let expected = Address::Item(ItemAddress { drive: drive("d"), anchor, path, segments });
        prop_assert_eq!(parsed.ok(), Some(expected));
    }

    #[test]
    fn no_path_makes_the_parser_fall(raw in "\\PC{0,80}") {
        let _ = Address::parse(&raw, &QueryOptions::default());
    }
}
