//! Followed items of business drives.

use drivedal_server::AccountKind;

use crate::graph::harness::{GraphServer, id, names};

#[tokio::test]
async fn items_are_followed_listed_and_unfollowed() {
    let cloud = GraphServer::new().await;
    let drive = cloud.of(AccountKind::Business);
    let post = |path: &str, action: &str| {
        drive.request("POST", &format!("/me/drive/root:/{path}:/{action}"))
    };
    let list = "/me/drive/following";
    let file = drive.put("a/f", "x").await;
    drive.put("g", "x").await;
    let followed = post("a/f", "follow").await.json_with_status(200);
    assert_eq!(id(&followed), id(&file));
    post("g", "follow").ok().await;
    post("a/f", "follow").ok().await;
    assert_eq!(names(&drive.get(list).await), ["f", "g"]);
    let page = drive.get(&format!("{list}?$top=1&$select=name")).await;
    assert_eq!(names(&page), ["f"]);
    let next = page["@odata.nextLink"].as_str().expect("a link");
    assert_eq!(names(&drive.get(next).await), ["g"]);
    assert_eq!(post("a/f", "unfollow").await.status, 204);
    post("a/f", "unfollow").refused(404, "itemNotFound").await;
    assert_eq!(names(&drive.get(list).await), ["g"]);
    drive.request("DELETE", "/me/drive/root:/g").ok().await;
    assert_eq!(names(&drive.get(list).await), [""; 0]);
    let personal = cloud.of(AccountKind::Personal);
    personal.put("g", "x").await;
    personal.request("GET", list).refused(501, "notSupported").await;
    personal.request("POST", "/me/drive/root:/g:/follow").refused(501, "notSupported").await;
}
