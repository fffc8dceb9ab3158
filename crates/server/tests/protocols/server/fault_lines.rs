//! Faults of the connection: slow, interrupted, with corrupted bytes.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use drivedal_server::{Bandwidth, Fault, Latency, Side, When};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::rig::Rig;

/// Returns bytes of which neighbors differ.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

/// Uploads a file, and returns the path of its download URL.
async fn download_path(rig: &Rig, length: usize) -> String {
    let file = rig.file("me/skydrive", "file", bytes(length)).await;
    let source = file["source"].as_str().expect("a download URL");
    format!("/{}", source.trim_start_matches(rig.server.url().as_str()))
}

/// Returns the rest of a response's body, and the error that ended the connection.
async fn rest(mut connection: TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut answer = Vec::new();
    let ended = connection.read_to_end(&mut answer).await.err().map(|error| error.kind());
    let head =
        answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    (answer.split_off(head), ended)
}

#[tokio::test]
async fn each_request_has_its_own_random_latency() {
    let rig = Rig::new().await;
    let ms = Duration::from_millis;
    rig.fault(Fault::on("graph.drive.get").latency(Latency::uniform(ms(20), ms(60))));
    for _ in 0..6 {
        let began = Instant::now();
        rig.graph("GET", "/me/drive").send().await;
        assert!(began.elapsed() >= ms(20));
    }
    let told: std::collections::BTreeSet<String> = rig
        .server
        .control()
        .requests()
        .into_iter()
        .map(|record| record.fault.expect("struck"))
        .collect();
    assert!(told.len() > 1 && told.iter().all(|text| text.starts_with("latency ")), "{told:?}");
}

#[tokio::test]
async fn bandwidth_is_limited_in_both_directions() {
    let rig = Rig::new().await;
    let (length, rate) = (30_000, 100_000);
    let least = Duration::from_millis(290);
    rig.fault(Fault::on("live.files.put").bandwidth(Bandwidth::up(rate)));
    rig.fault(Fault::on("ticket.get").bandwidth(Bandwidth::down(rate)));
    let began = Instant::now();
    let path = download_path(&rig, length).await;
    assert!(began.elapsed() >= least, "up: {:?}", began.elapsed());
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let (one, two) = tokio::join!(rig.bare("GET", &path).send(), rig.bare("GET", &path).send());
        fastest = fastest.min(began.elapsed());
        assert!(one.body == bytes(length) && two.body == one.body);
    }
    // Each connection has the full bandwidth. Other load of the machine can only slow it down.
    assert!(fastest >= least && fastest < least * 2, "down: {fastest:?}");
}

#[tokio::test]
async fn a_body_arrives_in_drips() {
    let rig = Rig::new().await;
    let path = download_path(&rig, 10).await;
    rig.fault(Fault::on("ticket.get").drip(2, Duration::from_millis(30)));
    let mut connection = rig.connect().await;
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let began = Instant::now();
    connection.write_all(head.as_bytes()).await.expect("sent");
    let mut pieces = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = connection.read(&mut piece).await {
        pieces.push(length);
    }
    assert!(began.elapsed() >= Duration::from_millis(120), "{:?}", began.elapsed());
    assert!(pieces.ends_with(&[2, 2, 2, 2]), "{pieces:?}");
}

#[tokio::test]
async fn a_connection_is_reset_while_the_request_is_sent() {
    let rig = Rig::new().await;
    for at in [Some(0), Some(400), Some(5000), None] {
        let rule = Fault::on("live.files.put").times(1).reset(When::During);
        rig.fault(at.map_or(rule.clone(), |at| rule.at(at)));
        let mut request = b"PUT /v5.0/me/skydrive/files/a?access_token=drivedal-dev HTTP/1.1\r\n\
                            host: localhost\r\ncontent-length: 1000\r\n\r\n"
            .to_vec();
        request.extend(bytes(1000));
        let reset = rig.raw(&request).await.expect_err("no answer");
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset, "{at:?}");
        assert_eq!(rig.names("me/skydrive", "").await, [""; 0], "{at:?}");
    }
    let record = &rig.server.control().requests()[0];
    assert_eq!(record.fault.as_deref(), Some("reset during the effect"));
    assert!(record.bytes_in < 1000 && record.status.is_none(), "{record:?}");
}

#[tokio::test]
async fn a_connection_is_reset_during_the_response() {
    let rig = Rig::new().await;
    let path = download_path(&rig, 100_000).await;
    rig.fault(Fault::on("ticket.get").times(1).reset(When::During).at(60_000));
    rig.fault(Fault::on("ticket.get").times(1).reset(When::During));
    for _ in 0..2 {
        let mut connection = rig.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        connection.write_all(head.as_bytes()).await.expect("sent");
        let (body, ended) = rest(connection).await;
        assert_eq!(ended, Some(ErrorKind::ConnectionReset));
        assert!(body.len() < 100_000 && bytes(100_000).starts_with(&body), "{}", body.len());
    }
    // A response without a body is reset after the effect.
    rig.fault(Fault::on("live.item.delete").reset(When::During));
    let root = rig.object("me/skydrive").await;
    let id = root["id"].as_str().expect("an id");
    let folder = rig.folder(id, "folder").await["id"].as_str().expect("an id").to_owned();
    assert!(rig.live("DELETE", &format!("/{folder}")).try_send().await.is_err());
    assert_eq!(rig.names("me/skydrive", "").await, ["file"]);
}

#[tokio::test]
async fn a_corruption_fault_changes_one_byte() {
    let rig = Rig::new().await;
    let sent = bytes(50_000);
    let differ = |one: &[u8], other: &[u8]| {
        assert_eq!(one.len(), other.len());
        one.iter().zip(other).filter(|(a, b)| a != b).count()
    };
    let path = download_path(&rig, sent.len()).await;
    rig.fault(Fault::on("ticket.get").times(1).corrupt(Side::Answer));
    assert_eq!(differ(&rig.bare("GET", &path).send().await.body, &sent), 1);
    assert_eq!(differ(&rig.bare("GET", &path).send().await.body, &sent), 0);
    rig.fault(Fault::on("live.files.put").times(1).corrupt(Side::Request));
    let wrong = rig.file("me/skydrive", "wrong", sent.clone()).await;
    let kept = rig.content(wrong["id"].as_str().expect("an id")).await;
    assert_eq!(differ(&kept, &sent), 1);
}
