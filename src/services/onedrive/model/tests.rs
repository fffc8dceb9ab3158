use super::*;

#[test]
fn the_folder_path_is_decoded_and_its_prefix_ignored() {
    let folder =
        |path: &str| ItemReference { path: Some(path.to_owned()), ..Default::default() }.folder();
    assert_eq!(folder("/drive/root:").as_deref(), Some(""));
    assert_eq!(folder("/drive/root:/my%20dir/50%25").as_deref(), Some("my dir/50%"));
    assert_eq!(folder("/drives/b!x/root:/%C3%A4").as_deref(), Some("ä"));
    assert_eq!(folder("/drive/root"), None);
    assert_eq!(ItemReference::default().folder(), None);
}

#[test]
fn next_offset_is_the_smallest_start_of_the_missing_ranges() {
    let next = |ranges: &[&str]| {
        let ranges: Vec<_> = ranges.iter().map(ToString::to_string).collect();
        UploadSessionResource {
            upload_url: None,
            expiration_date_time: None,
            next_expected_ranges: ranges,
        }
        .next_offset()
    };
    assert_eq!(next(&["26-"]), Some(26));
    assert_eq!(next(&["500-999", "0-99", "2000-"]), Some(0));
    assert_eq!(next(&[]), None);
    assert_eq!(next(&["what"]), None);
}

#[test]
fn an_unknown_entry_and_a_malformed_time_do_not_invalidate_a_page() {
    let page: ItemPage = serde_json::from_str(
        r#"{"value":[
            {"id":"1","name":"a","lastModifiedDateTime":"yesterday","file":{}},
            {"id":"2","name":"b","file":7},
            {"id":"3","name":"c","folder":{"childCount":2},"extra":[1]}
        ]}"#,
    )
    .unwrap();
    assert!(matches!(&page.value[0], ListEntry::Item(item) if item.file.is_some()
        && item.last_modified_date_time.is_none()));
    assert!(matches!(&page.value[1], ListEntry::Unknown(value) if value["name"] == "b"));
    assert!(matches!(&page.value[2], ListEntry::Item(item)
        if item.folder.as_ref().unwrap().child_count == Some(2)));
    assert!(page.next.is_none() && page.delta.is_none());
}

#[test]
fn every_item_property_is_selected() {
    for property in ["eTag", "fileSystemInfo", "remoteItem", "@microsoft.graph.downloadUrl"] {
        assert!(ITEM_PROPERTIES.split(',').any(|selected| selected == property), "{property}");
    }
    assert!(!ITEM_PROPERTIES.contains(' '));
}
