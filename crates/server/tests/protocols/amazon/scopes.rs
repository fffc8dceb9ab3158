//! The scopes of a token decide which requests it allows and which nodes it shows.

use drivedal_test_support::http::{TestRequest, TestResponse, client};
use serde_json::{Value, json};

use crate::amazon::cloud::{AmazonServer, names};

/// Returns an access token with scopes, by an authorization code.
async fn token(cloud: &AmazonServer, scopes: &str) -> String {
    let scopes = scopes.replace(' ', "%20");
    let url = cloud.url(&format!(
        "ap/oa?client_id=c&response_type=code&scope={scopes}&redirect_uri=http://localhost:1/"
    ));
    let location = TestRequest::new(&client(), "GET", &url).await.location();
    let location = url::Url::parse(&location).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = format!(
        "grant_type=authorization_code&code={code}&client_id=c&redirect_uri=http://localhost:1/"
    );
    let request = cloud.anonymous("POST", &cloud.url("auth/o2/token")).body(form);
    let tokens = cloud.send(request).await.json_with_status(200);
    tokens["access_token"].as_str().unwrap().to_owned()
}

async fn call(cloud: &AmazonServer, token: &str, method: &str, path: &str) -> TestResponse {
    let request = cloud.anonymous(method, &cloud.url(path)).bearer_auth(token);
    cloud.send(if method == "GET" { request } else { request.body("{}") }).await
}

const DENIED: &str = "The access token provided does not have access to the required scope.";

#[tokio::test]
async fn a_token_to_read_cannot_write() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let file = cloud.file("a.txt", &root, "x").await;
    let read = token(&cloud, "clouddrive:read_all").await;
    for path in ["drive/v1/nodes", &format!("cdproxy/nodes/{file}/content")] {
        assert_eq!(call(&cloud, &read, "GET", path).await.status, 200, "{path}");
    }
    let changes = call(&cloud, &read, "POST", "drive/v1/changes").await;
    assert_eq!(changes.status, 200, "a list by POST");
    for (method, path) in [
        ("POST", "drive/v1/nodes".to_owned()),
        ("PATCH", format!("drive/v1/nodes/{file}")),
        ("PUT", format!("drive/v1/trash/{file}")),
        ("PUT", format!("drive/v1/nodes/{root}/children/{file}")),
        ("PUT", format!("drive/v1/nodes/{file}/properties/o/k")),
        ("POST", "cdproxy/nodes".into()),
        ("PUT", format!("cdproxy/nodes/{file}/content")),
    ] {
        let refused = call(&cloud, &read, method, &path).await;
        assert_eq!(refused.amazon_error(403), DENIED, "{method} {path}");
    }
    let write = token(&cloud, "clouddrive:write").await;
    let renamed = cloud.anonymous("PATCH", &cloud.url(&format!("drive/v1/nodes/{file}")));
    let renamed = renamed.bearer_auth(&write).body(json!({"name": "b.txt"}).to_string());
    cloud.send(renamed).await.json_with_status(200);
    let refused = call(&cloud, &write, "GET", "drive/v1/nodes").await;
    assert_eq!(refused.amazon_error(403), DENIED);
    let profile = token(&cloud, "profile").await;
    let refused = call(&cloud, &profile, "GET", "drive/v1/account/quota").await;
    assert_eq!(refused.amazon_error(403), DENIED);
}

#[tokio::test]
async fn a_scope_for_some_files_shows_only_those() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let folder = cloud.folder("folder", &root).await;
    let photo = cloud.file("a.jpg", &root, "x").await;
    let film = cloud.file("b.mp4", &root, "y").await;
    cloud.file("c.txt", &folder, "z").await;
    let images = token(&cloud, "clouddrive:read_image").await;
    let listed = async |path: &str| -> Value {
        call(&cloud, &images, "GET", path).await.json_with_status(200)
    };
    let children = listed(&format!("drive/v1/nodes/{root}/children")).await;
    let mut shown = names(&children);
    shown.sort_unstable();
    assert_eq!((shown, &children["count"]), (vec!["a.jpg", "folder"], &json!(2)));
    assert!(names(&listed("drive/v1/nodes?filters=kind:FILE").await) == ["a.jpg"]);
    listed(&format!("drive/v1/nodes/{photo}")).await;
    for path in [format!("drive/v1/nodes/{film}"), format!("cdproxy/nodes/{film}/content")] {
        call(&cloud, &images, "GET", &path).await.amazon_error(404);
    }
    let changes = call(&cloud, &images, "POST", "drive/v1/changes").await;
    assert!(changes.text().contains("a.jpg") && !changes.text().contains("b.mp4"));
}

#[tokio::test]
async fn a_token_of_another_cloud_is_refused() {
    let cloud = AmazonServer::start().await;
    let amazon = token(&cloud, "clouddrive:read_all clouddrive:write").await;
    assert_eq!(call(&cloud, &amazon, "GET", "v5.0/me").await.status, 401);
    assert_eq!(call(&cloud, &amazon, "GET", "v1.0/me/drive").await.status, 401);
    assert_eq!(call(&cloud, &amazon, "GET", "drive/v1/account/info").await.status, 200);
}
