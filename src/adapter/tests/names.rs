//! The mapping of names that a cloud forbids.

use super::*;
use crate::adapter::{DriveHandle, NameEncoding};

/// Returns a drive and its operator, which maps names as rclone does for OneDrive.
fn rig(paths: bool) -> (MemoryDrive, Operator, DriveHandle) {
    let drive = without_sessions(paths);
    let settings = ServiceSettings {
        name_encoding: Some(NameEncoding::onedrive()),
        ..ServiceSettings::new("memory-drive", "")
    };
    let service = DriveService::new(Arc::new(drive.clone()), settings);
    let handle = service.handle();
    (drive, Operator::from_parts(opendal::OperationContext::new(), Arc::new(service)), handle)
}

async fn paths(operator: &Operator, folder: &str) -> Vec<String> {
    let entries = operator.list_with(folder).recursive(true).await.unwrap();
    let mut paths: Vec<_> = entries.iter().map(|entry| entry.path().to_owned()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn forbidden_names_are_mapped_in_every_operation() {
    for by_path in [true, false] {
        let (drive, operator, handle) = rig(by_path);
        operator.create_dir("a:b/").await.unwrap();
        operator.write("a:b/c?", "1").await.unwrap();
        operator.write("a:b/␠d.", "2").await.unwrap();
        assert_eq!(drive.paths(), ["a：b/", "a：b/c？", "a：b/␠d．"]);

        assert_eq!(paths(&operator, "a:b/").await, ["a:b/", "a:b/c?", "a:b/␠d."]);
        let entries = operator.list("a:b/c").await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.path()).collect::<Vec<_>>(), ["a:b/c?"]);
        assert_eq!(operator.read("a:b/␠d.").await.unwrap().to_vec(), b"2");
        let id = drive.id_of("a：b/c？").unwrap();
        assert_eq!(handle.item(&operator, "a:b/c?").await.unwrap().id, id);
        assert_eq!(handle.path_of(&operator, &id).await.unwrap(), "a:b/c?");
        operator.rename("a:b/c?", "a:b/c*").await.unwrap();
        operator.write("a:b/c*", "3").await.unwrap();
        assert_eq!(drive.content("a：b/c＊").as_deref(), Some(&b"3"[..]));
        operator.delete("a:b/c*").await.unwrap();
        operator.delete_with("").recursive(true).await.unwrap();
        assert_eq!(drive.paths(), [""; 0], "{by_path}");
    }
}

#[tokio::test]
async fn an_item_whose_name_another_program_chose_is_used() {
    for by_path in [true, false] {
        let (drive, operator, _) = rig(by_path);
        drive.insert_folder("~a");
        drive.insert_file("~a", "‛tis", "1");
        assert_eq!(paths(&operator, "").await, ["/", "~a/", "~a/‛tis"]);
        assert_eq!(operator.read("~a/‛tis").await.unwrap().to_vec(), b"1");
        operator.write("~a/‛tis", "2").await.unwrap();
        operator.write("~a/new", "3").await.unwrap();
        assert_eq!(drive.paths(), ["~a/", "~a/new", "~a/‛tis"], "{by_path}");
        assert_eq!(drive.content("~a/‛tis").as_deref(), Some(&b"2"[..]));
        operator.rename("~a/‛tis", "~b").await.unwrap();
        operator.delete_with("~a").recursive(true).await.unwrap();
        // A new item gets the encoded name.
        assert_eq!(drive.paths(), ["～b"], "{by_path}");
    }
}

#[tokio::test]
async fn a_new_index_finds_such_an_item_with_two_requests_and_others_cost_none() {
    let (drive, operator, _) = rig(true);
    drive.insert_file("", "~a", "1");
    drive.take_calls();
    assert_eq!(operator.read("~a").await.unwrap().to_vec(), b"1");
    assert_eq!(drive.take_calls().len(), 3, "the encoded name, the name, and the download");
    let (drive, operator, _) = rig(true);
    operator.write("a:b", "1").await.unwrap();
    assert_eq!(drive.take_calls().len(), 1);
}

#[tokio::test]
async fn the_second_of_two_items_with_one_path_is_left_out() {
    for by_path in [true, false] {
        let (drive, operator, handle) = rig(by_path);
        drive.insert_file("", "～a", "1");
        drive.insert_file("", "~a", "2");
        assert_eq!(paths(&operator, "").await, ["/", "~a"]);
        let left_out = handle.take_left_out();
        assert_eq!((left_out.len(), &*left_out[0].name), (1, "~a"), "{by_path}");
    }
}
