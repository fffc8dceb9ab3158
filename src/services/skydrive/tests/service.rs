//! The service as its users have it: an operator.

use opendal::{HttpTransporter, OperationContext, Operator, OperatorRegistry};
use tokio::sync::Semaphore;

use super::{cloud::*, *};
use crate::{
    adapter::DriveHandle,
    drive::{Drive, ItemUpdate},
    services::skydrive::{SkyDrive, register_skydrive_service},
    transport::scripted::Scripted,
};

fn operator(cloud: &Cloud) -> Operator {
    let context =
        OperationContext::new().with_http_transport(HttpTransporter::new(cloud.transport()));
    Operator::new(SkyDrive::default().access_token("token").name("me"))
        .unwrap()
        .with_context(context)
}

async fn names(operator: &Operator, path: &str) -> Vec<String> {
    let entries = operator.list(path).await.unwrap();
    entries.into_iter().map(|entry| entry.path().to_owned()).collect()
}

#[tokio::test]
async fn duplicates_of_another_client_are_one_file() {
    let cloud = Cloud::default();
    cloud.file(0, "same", "older");
    cloud.file(0, "Same", "newer");
    let operator = operator(&cloud);
    assert_eq!(names(&operator, "/").await, ["/", "Same"]);
    assert_eq!(operator.read("same").await.unwrap().to_vec(), b"newer");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_with_the_limit() {
    let operator = operator(&Cloud::default());
    let announced = crate::announce().size((10 << 30) + 1);
    let refused = operator.write_with("large", "x").user_metadata(announced).await;
    let error = refused.unwrap_err();
    assert!(error.to_string().contains("10737418240"), "{error}");
}

#[tokio::test]
async fn an_operator_is_built_from_a_uri_and_from_pairs() {
    register_skydrive_service(OperatorRegistry::get());
    let uri = "skydrive://me/photos?endpoint=http%3A%2F%2F127.0.0.1%3A9%2Fv5.0%2F&access_token=a";
    let info = Operator::from_uri(uri).unwrap().info();
    assert_eq!((info.scheme(), &*info.root(), &*info.name()), ("skydrive", "/photos/", "me"));
    let pairs = [("access_token", "a"), ("root", "/photos"), ("header.x-one", "1")];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let operator = Operator::via_iter("skydrive", pairs).unwrap();
    assert_eq!(&*operator.info().root(), "/photos/");
}

#[tokio::test]
async fn the_service_has_a_handle() {
    let (service, handle) = SkyDrive::default().access_token("token").build_with_handle().unwrap();
    assert!(std::ptr::eq(service.handle().drive().capabilities(), handle.drive().capabilities()));
    let cloud = Cloud::default();
    let number = cloud.file(cloud.folder(0, "notes"), "a.txt", "text");
    let operator = operator(&cloud);
    let cx = DriveHandle::context(&operator);
    let item =
        handle.drive().item(&cx, &ItemRef::from_id(&cloud.id(number)), &Default::default()).await;
    assert_eq!(item.unwrap().size, Some(4));
    assert_eq!(handle.path_of(&operator, &cloud.id(number)).await.unwrap(), "notes/a.txt");
}

#[tokio::test]
async fn a_rename_whose_caller_gives_up_is_finished_all_the_same() {
    let cloud = Cloud::default();
    let (x, y) = (cloud.file(0, "x", "new"), cloud.file(0, "y", "old"));
    // Every request waits to be let through.
    let gate = std::sync::Arc::new(Semaphore::new(0));
    let transport = {
        let (cloud, gate) = (cloud.clone(), gate.clone());
        Scripted::by(move |sent| cloud.answer(sent).later(&gate))
    };
    let item = cloud.item(x);
    let change = ItemUpdate {
        name: Some("y".to_owned()),
        occupant: Some(cloud.id(y)),
        ..ItemUpdate::default()
    };
    let (cx, drive, place) = (transport.context(), drive(), ItemRef::from_id(&item.id));
    let caller = drive.update(&cx, &place, Some(&item), &change);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(20), caller).await;
    assert!(waited.is_err());
    assert_eq!(transport.sent().len(), 1);

    gate.add_permits(9);
    while cloud.state().nodes.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(cloud.item(x).name, "y");
}
