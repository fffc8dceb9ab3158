//! Thumbnails, assets, and the metadata of pictures and videos.

use drivedal_server::Server;
use drivedal_test_support::media;
use serde_json::{Value, json};

use crate::amazon::cloud::{AmazonServer, names};

/// Uploads a file with any bytes, and returns its node.
async fn upload(cloud: &AmazonServer, name: &str, bytes: &[u8]) -> Value {
    let metadata = json!({"kind": "FILE", "name": name});
    let head = format!(
        "--b0undary\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
         --b0undary\r\nContent-Disposition: form-data; name=\"content\"; filename=\"x\"\r\n\r\n"
    );
    let body = [head.as_bytes(), bytes, b"\r\n--b0undary--\r\n"].concat();
    cloud.send(cloud.posted("?suppress=deduplication", body)).await.json_with_status(201)
}

fn id(node: &Value) -> &str {
    node["id"].as_str().unwrap()
}

/// Downloads a picture, and returns its media type, width and height.
async fn picture(cloud: &AmazonServer, path: &str) -> (String, u32, u32) {
    let response = cloud.request("GET", path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let picture = image::load_from_memory(&response.bytes().await.unwrap()).unwrap();
    (media_type, picture.width(), picture.height())
}

#[tokio::test]
async fn pictures_and_covers_have_thumbnails_and_other_files_have_none() {
    let cloud = AmazonServer::start().await;
    let photo = upload(&cloud, "photo.jpg", &media::photo(400, 300)).await;
    let content = format!("cdproxy/nodes/{}/content", id(&photo));
    let jpeg = |width, height| ("image/jpeg".to_owned(), width, height);
    assert_eq!(picture(&cloud, &format!("{content}?viewBox=128")).await, jpeg(128, 96));
    assert_eq!(picture(&cloud, &format!("{content}?viewBox=2048")).await, jpeg(400, 300));
    let upright = upload(&cloud, "upright.jpg", &media::upright_photo(400, 300)).await;
    let upright = format!("cdproxy/nodes/{}/content?viewBox=100", id(&upright));
    assert_eq!(picture(&cloud, &upright).await, jpeg(75, 100));
    let song = upload(&cloud, "song.mp3", &media::song(Some(&media::bare_photo(80, 80)))).await;
    let cover = format!("cdproxy/nodes/{}/content?viewBox=40", id(&song));
    assert_eq!(picture(&cloud, &cover).await, jpeg(40, 40));
    let refused = async |path: String| cloud.send(cloud.request("GET", &path)).await;
    for size in ["0", "2049", "-1", "large"] {
        let error = refused(format!("{content}?viewBox={size}")).await.amazon_error(400);
        assert!(error.contains("viewBox"), "{error}");
    }
    let text = upload(&cloud, "notes.txt", b"no picture").await;
    let broken = upload(&cloud, "broken.jpg", &media::photo(400, 300)[..900]).await;
    let mute = upload(&cloud, "mute.mp3", &media::song(None)).await;
    for file in [&text, &broken, &mute] {
        let path = format!("cdproxy/nodes/{}/content?viewBox=128", id(file));
        let error = refused(path).await.amazon_error(400);
        assert!(error.contains("thumbnail"), "{error}");
    }
}

#[tokio::test]
async fn a_picture_has_an_asset_which_is_a_node_of_its_own() {
    let cloud = AmazonServer::start().await;
    let photo = upload(&cloud, "photo.jpg", &media::photo(800, 600)).await;
    upload(&cloud, "notes.txt", b"no picture").await;
    let photo_id = id(&photo);
    assert!(photo.get("assets").is_none());
    let whole = cloud.get(&format!("nodes/{photo_id}?asset=ALL")).await;
    let asset = &whole["assets"][0];
    let asset_id = id(asset);
    assert_eq!((&asset["kind"], &asset["parents"]), (&json!("ASSET"), &json!([photo_id])));
    assert_eq!(asset["contentProperties"]["image"], json!({"width": 256, "height": 192}));
    assert_eq!(asset["contentProperties"]["contentType"], "image/jpeg");
    assert_eq!(cloud.get(&format!("nodes/{asset_id}")).await, *asset);

    let content = cloud.request("GET", &format!("cdproxy/nodes/{asset_id}/content"));
    let bytes = content.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(asset["contentProperties"]["size"], bytes.len());
    let path = format!("cdproxy/nodes/{asset_id}/content");
    assert_eq!(picture(&cloud, &path).await, ("image/jpeg".to_owned(), 256, 192));
    let small = picture(&cloud, &format!("{path}?viewBox=64")).await;
    assert_eq!(small, ("image/jpeg".to_owned(), 64, 48));

    let list = cloud.get("nodes?filters=kind:ASSET&tempLink=true").await;
    assert_eq!((id(&list["data"][0]), &list["count"]), (asset_id, &json!(1)));
    let link = list["data"][0]["tempLink"].as_str().unwrap();
    assert_eq!(cloud.anonymous("GET", link).send().await.unwrap().status(), 200);
    for filter in [format!("parents:{photo_id}"), format!("id:{asset_id}"), "name:photo*".into()] {
        let list = cloud.get(&format!("nodes?filters=kind:ASSET%20AND%20{filter}")).await;
        assert_eq!(list["count"], 1, "{filter}");
    }
    let files = cloud.get("nodes?filters=kind:FILE&sort=%5B%22name%20ASC%22%5D&asset=ALL").await;
    assert_eq!(names(&files), ["notes.txt", "photo.jpg"]);
    assert_eq!(files["data"][0]["assets"], json!([]));
    assert_eq!(id(&files["data"][1]["assets"][0]), asset_id);

    // Requests do not change an asset.
    let patch = Some(json!({"name": "x"}));
    cloud.call("PATCH", &format!("nodes/{asset_id}"), patch).await.amazon_error(403);
    cloud.call("PUT", &format!("trash/{asset_id}"), None).await.amazon_error(403);
    cloud.overwrite(asset_id, "x", "").await.amazon_error(403);
    cloud.call("PUT", &format!("trash/{photo_id}"), None).await.json_with_status(200);
    assert_eq!(cloud.get("nodes?filters=kind:ASSET").await["count"], 0);
    assert_eq!(cloud.get(&format!("nodes/{asset_id}")).await["status"], "TRASH");
}

#[tokio::test]
async fn assets_are_listed_in_pages() {
    let cloud = AmazonServer::start().await;
    for n in 0..5 {
        upload(&cloud, &format!("p{n}.jpg"), &media::photo(20 + n, 20)).await;
        upload(&cloud, &format!("t{n}.txt"), b"text").await;
    }
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let list = cloud.get(&format!("nodes?filters=kind:ASSET&limit=2{token}")).await;
        assert_eq!(list["count"], 5);
        all.extend(names(&list).into_iter().map(str::to_owned));
        match list["nextToken"].as_str() {
            Some(next) => token = format!("&startToken={next}"),
            None => break,
        }
    }
    all.sort();
    assert_eq!(all, (0..5).map(|n| format!("p{n}.jpg (thumbnail)")).collect::<Vec<_>>());
}

#[tokio::test]
async fn pictures_and_videos_have_their_properties() {
    let cloud = AmazonServer::start().await;
    let photo = upload(&cloud, "photo.jpg", &media::photo(400, 300)).await;
    let content = &photo["contentProperties"];
    assert_eq!(
        content["image"],
        json!({
            "width": 400, "height": 300, "make": "MyManufacturer", "model": "MyModel",
            "dateTime": "2008-03-24T23:41:53.000Z",
            "dateTimeOriginal": "2008-03-24T23:41:53.000Z",
            "exposureTime": "1/15", "apertureValue": "14/5", "focalLength": "77/20",
        })
    );
    assert_eq!(content["contentDate"], "2008-03-24T23:41:53.000Z");
    let bare = upload(&cloud, "bare.png", &media::bare_photo(8, 4)).await;
    assert_eq!(bare["contentProperties"]["image"], json!({"width": 8, "height": 4}));
    assert!(bare["contentProperties"].get("contentDate").is_none());
    let film = upload(&cloud, "film.mp4", &media::film()).await;
    let video = &film["contentProperties"]["video"];
    assert_eq!((&video["width"], &video["height"]), (&json!(640), &json!(360)));
    assert_eq!(video["duration"], 12.5);
    assert!(video["bitrate"].as_u64().unwrap() > 30_000, "{video}");
    for (name, bytes, codec) in [("film.wmv", media::WMV, "WMV2"), ("film.avi", media::AVI, "XVID")]
    {
        let film = upload(&cloud, name, bytes).await;
        let video = &film["contentProperties"]["video"];
        assert_eq!((&video["width"], &video["videoCodec"]), (&json!(64), &json!(codec)), "{name}");
        assert!(video["audioSampleRate"].is_u64() && video["audioCodec"].is_string(), "{video}");
    }
    // The date of a photo is that of its content, for filters and sort orders too.
    let old = "nodes?filters=contentProperties.contentDate:[2008-01-01%20TO%202009-01-01]";
    assert_eq!(names(&cloud.get(old).await), ["photo.jpg"]);
    let sort = "sort=%5B'contentProperties.contentDate%20ASC'%5D";
    let sorted = cloud.get(&format!("nodes?filters=kind:FILE&{sort}")).await;
    assert_eq!(names(&sorted), ["photo.jpg", "bare.png", "film.mp4", "film.wmv", "film.avi"]);
}

#[tokio::test]
async fn every_node_has_a_description() {
    let cloud = AmazonServer::start().await;
    let root = cloud.root().await;
    let file = cloud.file("f", &root, "x").await;
    assert_eq!(cloud.get(&format!("nodes/{file}")).await["description"], "");
    assert_eq!(cloud.get(&format!("nodes/{root}")).await["description"], "");
    let patch = |text: &str| Some(json!({"description": text}));
    let path = format!("nodes/{file}");
    let described = cloud.call("PATCH", &path, patch("d")).await.json_with_status(200);
    assert_eq!(described["description"], "d");
    let cleared = cloud.call("PATCH", &path, patch("")).await.json_with_status(200);
    assert_eq!(cleared["description"], "");
}

#[tokio::test]
async fn a_server_can_allow_a_purge() {
    let cloud = AmazonServer::of(Server::builder().allow_purge(true)).await;
    let root = cloud.root().await;
    let folder = cloud.folder("d", &root).await;
    let file = cloud.file("f", &folder, "x").await;
    let first = cloud.call("POST", "changes", Some(json!({}))).await;
    let first: Value = serde_json::from_str(first.text().lines().next().unwrap()).unwrap();
    let purged = cloud.call("DELETE", &format!("nodes/{folder}"), None).await;
    assert_eq!(purged.json_with_status(200)["status"], "PURGED");
    for id in [&folder, &file] {
        cloud.call("GET", &format!("nodes/{id}"), None).await.amazon_error(404);
    }
    let body = json!({"checkpoint": first["checkpoint"], "includePurged": "true"});
    let changes = cloud.call("POST", "changes", Some(body)).await;
    assert_eq!(changes.text().matches("\"PURGED\"").count(), 2);
    cloud.call("DELETE", &format!("nodes/{root}"), None).await.amazon_error(403);
    cloud.call("DELETE", &format!("nodes/{folder}"), None).await.amazon_error(404);
}
