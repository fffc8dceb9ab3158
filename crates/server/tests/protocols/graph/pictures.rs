//! Metadata of photos, sound and videos, and thumbnails.

use drivedal_server::AccountKind;
use serde_json::json;

use crate::graph::{
    harness::{Drive, GraphServer},
    media,
};

async fn put(drive: &Drive<'_>, name: &str, bytes: Vec<u8>) {
    drive.request("PUT", &format!("/me/drive/root:/{name}:/content")).body(bytes).ok().await;
}

#[tokio::test]
async fn media_facets_are_read_from_the_file() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    put(&drive, "photo.jpg", media::photo(320, 200)).await;
    put(&drive, "song.mp3", media::song(None)).await;
    put(&drive, "film.mp4", media::film()).await;
    put(&drive, "text.jpg", b"no picture".to_vec()).await;
    let photo = drive.get("/me/drive/root:/photo.jpg").await;
    assert_eq!(photo["image"], json!({"width": 320, "height": 200}));
    assert!(photo["photo"]["takenDateTime"].as_str().is_some_and(|time| time.ends_with('Z')));
    assert!(photo["photo"]["cameraMake"].is_string(), "{photo}");
    assert!(photo["location"]["latitude"].is_f64(), "{photo}");
    let song = drive.get("/me/drive/root:/song.mp3").await;
    assert!(song["audio"]["duration"].is_u64(), "{song}");
    let film = drive.get("/me/drive/root:/film.mp4").await;
    assert!(film["video"]["width"].is_u64() && film["video"]["duration"].is_u64(), "{film}");
    let text = drive.get("/me/drive/root:/text.jpg").await;
    assert!(text.get("image").is_none());
    let images = drive.get("/me/drive/root/children?$filter=image+ne+null").await;
    assert_eq!(images["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn facets_of_sound_and_videos_describe_the_streams() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    put(&drive, "song.wma", media::windows_media_song(&media::bare_photo(8, 8))).await;
    put(&drive, "film.wmv", media::WMV.to_vec()).await;
    put(&drive, "film.avi", media::AVI.to_vec()).await;
    put(&drive, "film.mpg", media::MPEG_2.to_vec()).await;
    let song = drive.get("/me/drive/root:/song.wma").await;
    for (name, value) in [
        ("bitrate", json!(128)),
        ("duration", json!(225_000)),
        ("track", json!(7)),
        ("year", json!(2011)),
        ("title", json!("Wildlife")),
    ] {
        assert_eq!(song["audio"][name], value, "{name}: {song}");
    }
    for (name, frame_rate, four_cc, format, sample_rate) in [
        ("film.wmv", json!(null), json!("WMV2"), "WMA2", 16_000),
        ("film.avi", json!(10.0), json!("XVID"), "MP3", 16_000),
        ("film.mpg", json!(25.0), json!(null), "MP2", 32_000),
    ] {
        let film = drive.get(&format!("/me/drive/root:/{name}")).await;
        let video = &film["video"];
        assert_eq!(video["frameRate"], frame_rate, "{name}: {film}");
        assert_eq!(video["fourCC"], four_cc, "{name}: {film}");
        assert_eq!(video["audioFormat"], format, "{name}: {film}");
        assert_eq!(video["audioSamplesPerSecond"], sample_rate, "{name}: {film}");
        assert_eq!(video["audioChannels"], 1, "{name}: {film}");
        assert_eq!((&video["width"], &video["height"]), (&json!(64), &json!(48)), "{name}");
    }
}

#[tokio::test]
async fn a_photo_has_thumbnails_in_three_sizes_that_need_no_token() {
    let cloud = GraphServer::new().await;
    for kind in AccountKind::ALL {
        let drive = cloud.of(kind);
        put(&drive, "photo.jpg", media::photo(320, 200)).await;
        drive.put("text.txt", "none").await;
        let path = "/me/drive/root:/photo.jpg:/thumbnails";
        let sets = drive.get(path).await;
        let set = &sets["value"][0];
        assert_eq!(set["id"], "0");
        for (size, width, height) in [("small", 96, 60), ("medium", 176, 110), ("large", 320, 200)]
        {
            assert_eq!(
                (&set[size]["width"], &set[size]["height"]),
                (&json!(width), &json!(height))
            );
            let url = set[size]["url"].as_str().expect("a URL");
            let picture = cloud.send("GET", url).ok().await;
            assert_eq!(picture.header("content-type"), "image/jpeg");
            let image = image::load_from_memory(&picture.body).expect("a picture");
            assert_eq!((image.width(), image.height()), (width, height));
            let one = drive.get(&format!("{path}/0/{size}")).await;
            assert_eq!(one["width"], width);
            let content = drive.request("GET", &format!("{path}/0/{size}/content")).await;
            assert_eq!(content.status, 302);
            cloud.send("GET", &content.location()).ok().await;
        }
        let some = drive.get(&format!("{path}?select=small")).await;
        assert!(some["value"][0].get("large").is_none() && some["value"][0]["small"].is_object());
        let listing = drive.get("/me/drive/root/children?$expand=thumbnails($select=medium)").await;
        assert!(listing["value"][0]["thumbnails"][0]["medium"]["url"].is_string(), "{listing}");
        assert_eq!(listing["value"][1]["thumbnails"], json!([]));
        let none = drive.get("/me/drive/root:/text.txt:/thumbnails").await;
        assert_eq!(none["value"], json!([]));
        let missing = drive.request("GET", "/me/drive/root:/text.txt:/thumbnails/0/small");
        missing.refused(404, "itemNotFound").await;
        let odd = drive.request("GET", &format!("{path}/0/c0x99"));
        odd.refused(400, "invalidRequest").await;
        let own = drive.request("PUT", &format!("{path}/0/source/content")).body("x");
        own.refused(501, "notSupported").await;
    }
}

/// Returns an RGBA PNG with 16 bits per channel, without its pixels.
fn deep_png(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [kind, data].concat();
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(&body);
        let crc = body.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        });
        file.extend((!crc).to_be_bytes());
    };
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    chunk(b"IHDR", &[&size[..], &[16, 6, 0, 0, 0]].concat());
    chunk(b"IDAT", &[]);
    file
}

#[tokio::test]
async fn a_picture_that_takes_too_much_memory_shows_no_thumbnails() {
    let cloud = GraphServer::new().await;
    let drive = cloud.drive();
    // Pixels of 8 bytes: decoding may use 160 MiB, and the larger image needs 175.
    for (size, is_shown) in [((1000, 1000), true), ((5000, 4600), false)] {
        put(&drive, "deep.png", deep_png(size.0, size.1)).await;
        let item = drive.get("/me/drive/root:/deep.png?$expand=thumbnails").await;
        assert_eq!(item["image"], json!({"width": size.0, "height": size.1}));
        assert_eq!(item["thumbnails"] != json!([]), is_shown, "{item}");
        let sets = drive.get("/me/drive/root:/deep.png:/thumbnails").await;
        assert_eq!(sets["value"] != json!([]), is_shown, "{sets}");
        let one = drive.request("GET", "/me/drive/root:/deep.png:/thumbnails/0/small/content");
        match is_shown {
            true => assert_eq!(one.await.status, 302),
            false => drop(one.refused(404, "itemNotFound").await),
        }
    }
}

#[tokio::test]
async fn thumbnails_of_personal_drives_can_have_the_original_orientation() {
    let cloud = GraphServer::new().await;
    for (kind, expected) in [(AccountKind::Personal, [96, 60]), (AccountKind::Business, [60, 96])] {
        let drive = cloud.of(kind);
        put(&drive, "upright.jpg", media::upright_photo(320, 200)).await;
        let size = async |path: &str| {
            let small = drive.get(&format!("/me/drive/root:/upright.jpg:/thumbnails{path}")).await;
            let small =
                if path.contains("small") { small } else { small["value"][0]["small"].clone() };
            let url = small["url"].as_str().expect("a URL").to_owned();
            let picture = cloud.send("GET", &url).ok().await.body;
            let picture = image::load_from_memory(&picture).expect("a picture");
            assert_eq!(small["width"], picture.width(), "{url}");
            [picture.width(), picture.height()]
        };
        assert_eq!(size("").await, [60, 96], "{kind}");
        assert_eq!(size("?originalOrientation=true").await, expected, "{kind}");
        assert_eq!(size("?originalOrientation=false").await, [60, 96], "{kind}");
        assert_eq!(size("/0/small?originalOrientation=true").await, expected, "{kind}");
        let path = "/me/drive/root:/upright.jpg:/thumbnails?originalOrientation=up";
        drive.request("GET", path).refused(400, "BadRequest").await;
    }
}
