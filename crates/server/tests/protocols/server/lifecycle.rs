//! Start, stop and restart.

use std::time::{Duration, Instant};

use drivedal_server::{Server, ServerError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::rig::{Rig, client};

#[tokio::test]
async fn files_tokens_and_download_urls_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::with(|builder| {
        builder.data(folder.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let small = rig.file("me/skydrive", "small", "small").await;
    let large = rig.file("me/skydrive", "large", vec![7; 3 << 20]).await;
    let form = "grant_type=refresh_token&client_id=c&refresh_token=drivedal-dev-refresh";
    let token =
        rig.bare("POST", "/oauth20_token.srf").form(form).send().await.member("access_token");
    let before = rig.url("");
    let Rig { server, .. } = rig;
    server.stop().await;

    let rig = Rig::with(|builder| {
        builder.data(folder.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    for (file, size) in [(small, 5), (large, 3 << 20)] {
        let source =
            file["source"].as_str().expect("a download URL").replace(&before, &rig.url(""));
        assert_eq!(rig.bare("GET", &source).send().await.body.len(), size);
    }
    let me = rig.bare("GET", "/v5.0/me").header("authorization", &format!("Bearer {token}"));
    assert_eq!(me.send().await.status, 200);
}

#[tokio::test]
async fn stopping_does_not_wait_for_idle_connections() {
    let rig = Rig::new().await;
    rig.live("GET", "/me").send().await;
    let silent = rig.connect().await;
    let mut half = rig.connect().await;
    half.write_all(b"GET /v5.0/me HTT").await.expect("sent");
    let began = Instant::now();
    let Rig { server, http, .. } = rig;
    server.stop().await;
    // The server would wait longer for requests in progress.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop((silent, http));
}

#[tokio::test]
async fn stopping_lets_requests_under_way_end() {
    let rig = Rig::new().await;
    let mut connection = rig.connect().await;
    let head = "PUT /v5.0/me/skydrive/files/a?access_token=drivedal-dev HTTP/1.1\r\n\
                host: localhost\r\ncontent-length: 4\r\n\r\nbo";
    connection.write_all(head.as_bytes()).await.expect("sent");
    let control = rig.server.control();
    while control.counters().total == 0 {
        tokio::task::yield_now().await;
    }
    let address = rig.server.address().expect("a port");
    let stopped = tokio::spawn(rig.server.stop());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    connection.write_all(b"dy").await.expect("sent");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    stopped.await.expect("stopped");
}

#[tokio::test]
async fn a_dropped_server_ends() {
    let rig = Rig::new().await;
    let address = rig.server.address().expect("a port");
    let mut connection = rig.connect().await;
    drop(rig);
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest).await;
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_second_server_on_a_data_folder_gets_the_url_of_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(Server::running_at(folder.path()).await, None);
    let rig = Rig::with(|builder| {
        builder.data(folder.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let running = Server::running_at(folder.path()).await.expect("a server");
    assert_eq!(&running.url, rig.server.url());
    let error = Server::builder()
        .data(folder.path())
        .durability(drivedal_server::Durability::Relaxed)
        .start()
        .await
        .expect_err("taken");
    let text = error.to_string();
    assert!(matches!(error, ServerError::Locked { .. }), "{text}");
    assert!(text.contains(rig.server.url().as_str()), "{text}");
    rig.server.stop().await;
    assert_eq!(Server::running_at(folder.path()).await, None);
    assert!(!folder.path().join("server.json").exists());
    let again = Server::builder()
        .data(folder.path())
        .durability(drivedal_server::Durability::Relaxed)
        .start()
        .await
        .expect("free");
    again.stop().await;
}

#[tokio::test]
async fn a_stale_instance_file_is_ignored() {
    let folder = tempfile::tempdir().expect("a folder");
    let rig = Rig::with(|builder| {
        builder.data(folder.path()).durability(drivedal_server::Durability::Relaxed)
    })
    .await;
    let left = std::fs::read(folder.path().join("server.json")).expect("written");
    let other = tempfile::tempdir().expect("a folder");
    let text = String::from_utf8(left).expect("JSON");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let stale = text.replace(value["instance"].as_str().expect("an instance"), "another");
    std::fs::write(other.path().join("server.json"), stale).expect("written");
    assert_eq!(Server::running_at(other.path()).await, None);
    std::fs::write(other.path().join("server.json"), "nonsense").expect("written");
    assert_eq!(Server::running_at(other.path()).await, None);
    rig.server.stop().await;
}

#[tokio::test]
async fn addresses_that_cannot_be_listened_on_are_explained() {
    let rig = Rig::new().await;
    let taken = Server::builder()
        .listen(rig.server.address().expect("a port"))
        .start()
        .await
        .expect_err("taken");
    assert!(taken.to_string().contains("another process listens on it"), "{taken}");
    let public = Server::builder().listen(([0, 0, 0, 0], 0).into()).start().await;
    let public = public.expect_err("refused");
    assert!(matches!(public, ServerError::NotLoopback(_)));
    assert!(public.to_string().contains("0.0.0.0:0: other machines can reach it"), "{public}");
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let error = Server::builder().data(&file).start().await.expect_err("a file");
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    let error = Server::builder().seed(folder.path().join("missing")).start().await;
    assert!(matches!(error, Err(ServerError::Seed { .. })));
}

#[tokio::test]
async fn on_a_public_address_control_requires_its_token() {
    let rig = Rig::with(|builder| builder.insecure_listen(([127, 0, 0, 1], 0).into())).await;
    let token = rig.server.control_token().expect("a token").expose().to_owned();
    assert_eq!(rig.bare("GET", "/_control/health").send().await.status, 200);
    let counters = |token: &str| {
        rig.bare("GET", "/_control/counters")
            .header("authorization", &format!("Bearer {token}"))
            .send()
    };
    assert_eq!(rig.bare("GET", "/_control/counters").send().await.status, 401);
    assert_eq!(counters("drivedal-dev").await.status, 401);
    assert_eq!(counters(&token).await.status, 200);
    assert!(!format!("{:?}", rig.server).contains(&token));
    assert!(Rig::new().await.server.control_token().is_none());
}

#[tokio::test]
async fn http_2_is_served_with_prior_knowledge() {
    let rig = Rig::new().await;
    let http =
        reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let rig = Rig { http, ..rig };
    let file = rig.file("me/skydrive", "a", vec![7; 300_000]).await;
    assert_eq!(
        rig.bare("GET", file["source"].as_str().expect("a download URL")).send().await.body.len(),
        300_000
    );
    let _ = client();
}
