use super::*;

fn below(path: &str) -> ItemRef {
    ItemRef::Path { base: root_id(None), path: path.into() }
}

fn resource(own_drive: &DriveRef, item: &ItemRef, action: &str) -> String {
    address_of(own_drive, item, Shortcut::Follow).url_path(PathStyle::Colons, action)
}

#[test]
fn colons_enclose_paths_only() {
    let mine = &DriveRef::Mine;
    assert_eq!(resource(mine, &below(""), ""), "/me/drive/root");
    assert_eq!(resource(mine, &below(""), "/children"), "/me/drive/root/children");
    assert_eq!(resource(mine, &below("a/b"), ""), "/me/drive/root:/a/b");
    assert_eq!(resource(mine, &below("a/b"), "/content"), "/me/drive/root:/a/b:/content");
    assert_eq!(resource(mine, &below("children"), ""), "/me/drive/root:/children");
}

#[test]
fn names_are_percent_encoded_segment_by_segment() {
    assert_eq!(
        resource(&DriveRef::Mine, &below("50% + #1/ä b/'q'&=?"), "/children"),
        "/me/drive/root:/50%25%20%2B%20%231/%C3%A4%20b/%27q%27%26%3D%3F:/children"
    );
}

#[test]
fn each_kind_of_drive_has_its_prefix() {
    for (drive, start) in [
        (DriveRef::Mine, "/me/drive"),
        (DriveRef::Id("b!x-Y_z".into()), "/drives/b%21x-Y_z"),
        (DriveRef::User("ann@contoso.com".into()), "/users/ann%40contoso.com/drive"),
        (DriveRef::Group("g-1".into()), "/groups/g-1/drive"),
        (DriveRef::Site("h.com,1,2".into()), "/sites/h.com%2C1%2C2/drive"),
    ] {
        assert_eq!(resource(&drive, &below("a"), ""), format!("{start}/root:/a"));
    }
}

#[test]
fn china_uses_paths_as_a_parameter() {
    let address = address_of(&DriveRef::Mine, &below("a/it's"), Shortcut::Follow);
    assert_eq!(
        address.url_path(PathStyle::Parameter, "/content"),
        "/me/drive/root/children('@a1')/content?@a1=%27a%2Fit%27%27s%27"
    );
    let root = address_of(&DriveRef::Mine, &below(""), Shortcut::Follow);
    assert_eq!(root.url_path(PathStyle::Parameter, "/children"), "/me/drive/root/children");
}

#[test]
fn ids_address_items_of_this_drive_of_others_and_through_shortcuts() {
    let own_drive = DriveRef::Id("00d53be8a5056eca".into());
    let at = |id: &str, side| {
        address_of(&own_drive, &ItemRef::from_id(&id.into()), side).url_path(PathStyle::Colons, "")
    };
    let items = "/drives/00d53be8a5056eca/items";
    assert_eq!(at("AB!1", Shortcut::Follow), format!("{items}/AB%211"));
    assert_eq!(at("D2#X", Shortcut::Follow), "/drives/D2/items/X");
    assert_eq!(at("AB!1~D2#X", Shortcut::Follow), "/drives/D2/items/X");
    assert_eq!(at("AB!1~D2#X", Shortcut::Keep), format!("{items}/AB%211"));
    assert_eq!(at("D5#S~D2#X", Shortcut::Keep), "/drives/D5/items/S");
    assert_eq!(at("special:approot", Shortcut::Keep), "/drives/00d53be8a5056eca/special/approot");
    // Another spelling of the service's own drive.
    assert_eq!(at("D53BE8A5056ECA#X", Shortcut::Follow), format!("{items}/X"));
    let inside = ItemRef::Path { base: "AB!1~D2#X".into(), path: "f".into() };
    let removed = address_of(&own_drive, &inside, Shortcut::Keep).url_path(PathStyle::Colons, "");
    assert_eq!(removed, "/drives/D2/items/X:/f");
}

#[test]
fn ids_are_formatted_as_they_are_parsed() {
    for id in ["root", "AB!1", "D2#X", "AB!1~D2#X", "D5#S~D2#X"] {
        let id = ItemId::from(id);
        assert_eq!(ParsedId::parse(&id).to_id(), id);
    }
}

#[test]
fn personal_drive_ids_ignore_case_and_leading_zeros() {
    assert!(same_drive("66D53BE8A5056ECA", "66d53be8a5056eca"));
    assert!(same_drive("06D53BE8A5056EC", "006d53be8a5056ec"));
    assert!(!same_drive("66D53BE8A5056ECA", "66D53BE8A5056ECB"));
    assert!(same_drive("b!aB", "b!aB") && !same_drive("b!aB", "b!Ab"));
    assert!(!same_drive("+1", "1"));
}

#[test]
fn reference_paths_are_encoded_and_only_of_documented_forms() {
    let path =
        |drive, place: &ItemRef| address_of(&drive, place, Shortcut::Follow).reference_path();
    let mine = |place: &str| path(DriveRef::Mine, &below(place));
    assert_eq!(mine("").as_deref(), Some("/drive/root:"));
    assert_eq!(mine("my dir/100%").as_deref(), Some("/drive/root:/my%20dir/100%25"));
    assert_eq!(path(DriveRef::Id("D1".into()), &below("a")).as_deref(), Some("/drives/D1/root:/a"));
    assert_eq!(path(DriveRef::Group("g".into()), &below("a")), None);
    assert_eq!(path(DriveRef::Mine, &ItemRef::from_id(&"X".into())), None);
}
