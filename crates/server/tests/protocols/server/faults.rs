//! Fault rules, as clients observe them.

use std::time::{Duration, Instant};

use drivedal_server::{Fault, When};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{refused, rig::Rig};

async fn with(rule: Fault) -> Rig {
    let rig = Rig::new().await;
    rig.server.control().add_faults([rule]).expect("a good rule");
    rig
}

#[tokio::test]
async fn a_fault_status_has_the_error_form_of_the_protocol() {
    let rig = Rig::new().await;
    for (status, code) in [
        (401, "request_token_expired"),
        (404, "resource_not_found"),
        (420, "request_throttled"),
        (500, "server_internal_error"),
        (503, "server_busy"),
        (507, "resource_quota_exceeded"),
    ] {
        let rule = Fault::on("live.user.get").times(1).status(status).header("Retry-After", "7");
        rig.server.control().add_faults([rule]).expect("a good rule");
        let reply = rig.live("GET", "/me").send().await;
        refused!(reply, status, code);
        assert_eq!(reply.header("retry-after"), "7");
        assert_eq!(rig.live("GET", "/me").send().await.status, 200);
    }
    let rule = Fault::on("oauth.token").times(1).status(503);
    rig.server.control().add_faults([rule]).expect("a good rule");
    let reply = rig.bare("POST", "/oauth20_token.srf").form("").send().await;
    assert_eq!((reply.status, reply.member("error")), (503, "server_error".into()));
}

#[tokio::test]
async fn a_status_may_have_a_body_of_its_own() {
    let rig = with(Fault::on("live.user.get").status(502).body("<h1>Bad Gateway</h1>")).await;
    let reply = rig.live("GET", "/me").send().await;
    assert_eq!((reply.status, &reply.body[..]), (502, &b"<h1>Bad Gateway</h1>"[..]));
    assert_eq!(reply.header("content-type"), "text/plain");
}

#[tokio::test]
async fn before_the_effect_nothing_has_happened() {
    let rig = with(Fault::on("live.files.put").times(1).status(503)).await;
    let put = rig.live("PUT", "/me/skydrive/files/a").body(vec![0; 3 << 20]).send().await;
    refused!(put, 503, "server_busy");
    assert_eq!(rig.names("me/skydrive", "").await, [""; 0]);
}

#[tokio::test]
async fn a_reset_after_the_effect_loses_only_the_response() {
    let rig = with(Fault::on("live.files.put").times(1).status(500).after_the_effect()).await;
    let put = rig.live("PUT", "/me/skydrive/files/a").body("x").send().await;
    refused!(put, 500, "server_internal_error");
    assert_eq!(rig.names("me/skydrive", "").await, ["a"]);
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after_the_effect() {
    for (when, names) in [(When::Before, vec![]), (When::After, vec!["a".to_owned()])] {
        let rig = with(Fault::on("live.files.put").times(1).reset(when)).await;
        let head = "PUT /v5.0/me/skydrive/files/a?access_token=drivedal-dev HTTP/1.1\r\n\
                    host: localhost\r\ncontent-length: 1\r\n\r\nx";
        let reset = rig.raw(head.as_bytes()).await.expect_err("no answer");
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset, "{when:?}");
        assert_eq!(rig.names("me/skydrive", "").await, names);
        let record = &rig.server.control().requests()[0];
        assert_eq!(record.status, None);
        assert!(record.fault.as_deref().is_some_and(|fault| fault.starts_with("reset")));
    }
}

#[tokio::test]
async fn a_body_ends_at_the_byte_of_the_rule() {
    let rig = Rig::new().await;
    let bytes = vec![7; 100_000];
    let file = rig.file("me/skydrive", "a", bytes).await;
    let source = file["source"].as_str().expect("a download URL");
    let path = source.trim_start_matches(rig.server.url().as_str());
    for cut in [0, 10, 70_000] {
        let rule = Fault::on("ticket.get").times(1).truncate(cut);
        rig.server.control().add_faults([rule]).expect("a good rule");
        let mut connection = rig.connect().await;
        let head = format!("GET /{path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        connection.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("content-length: 100000"), "{text}");
        let body = text.find("\r\n\r\n").expect("a head") + 4;
        assert_eq!((answer.len() - body) as u64, cut);
    }
    assert!(rig.bare("GET", source).send().await.body.len() == 100_000);
    let rule = Fault::on("live.item.get").times(1).truncate(10);
    rig.server.control().add_faults([rule]).expect("a good rule");
    assert!(rig.live("GET", "/me/skydrive").try_send().await.is_err());
}

#[tokio::test]
async fn latency_delays_and_does_no_more() {
    let delay = Duration::from_millis(60);
    let rig = Rig::with(|builder| builder.latency(delay)).await;
    let rule = Fault::on("live.user.get").times(1).latency(delay);
    rig.server.control().add_faults([rule]).expect("a good rule");
    for at_least in [delay * 2, delay] {
        let began = Instant::now();
        assert_eq!(rig.live("GET", "/me").send().await.status, 200);
        assert!(began.elapsed() >= at_least);
    }
    // Other load of the machine can only slow it down.
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let began = Instant::now();
        rig.bare("GET", "/_control/health").send().await;
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < delay, "control is not delayed");
}

#[tokio::test]
async fn faults_of_one_drive_do_not_meet_another() {
    let rig = with(Fault::on("*").drive("anna").status(500)).await;
    assert_eq!(rig.live("GET", "/me").send().await.status, 200);
    let anna = Rig { token: "drivedal-dev-anna", ..rig };
    assert_eq!(anna.live("GET", "/me").send().await.status, 500);
}

#[tokio::test]
async fn a_ticket_belongs_to_its_drive_too() {
    let rig = Rig { token: "drivedal-dev-anna", ..Rig::new().await };
    let file = rig.file("me/skydrive", "a", "x").await;
    let rule = Fault::on("ticket.get").drive("anna").status(500);
    rig.server.control().add_faults([rule]).expect("a good rule");
    let source = file["source"].as_str().expect("a download URL");
    assert_eq!(rig.bare("GET", source).send().await.status, 500);
}

#[tokio::test]
async fn any_status_can_be_had_and_headers_without_one() {
    let rig = Rig::new().await;
    rig.fault(Fault::on("live.user.get").times(1).status(307).header("location", "/elsewhere"));
    let reply = rig.live("GET", "/me").send().await;
    assert_eq!((reply.status, reply.header("location"), reply.body.len()), (307, "/elsewhere", 0));
    rig.fault(
        Fault::on("live.user.get").times(1).status(200).body("<h1>Welcome to the hotel</h1>"),
    );
    let reply = rig.live("GET", "/me").send().await;
    assert_eq!((reply.status, &reply.body[..9]), (200, &b"<h1>Welco"[..]));
    rig.fault(Fault::on("live.user.get").times(1).header("RateLimit-Remaining", "3"));
    let reply = rig.live("GET", "/me").send().await;
    assert_eq!((reply.status, reply.header("ratelimit-remaining")), (200, "3"));
    assert!(!reply.member("id").is_empty());
}

#[tokio::test]
async fn a_seed_selects_the_same_requests_whatever_else_is_sent() {
    let rules = || {
        ["live.user.get", "graph.drive.get", "amazon.account.quota", "live.*"]
            .map(|operation| Fault::on(operation).share(0.4).status(503))
    };
    let mut seen = Vec::new();
    for others in [false, true] {
        let rig = Rig::with(|builder| builder.fault_seed(20)).await;
        rig.server.control().add_faults(rules()).expect("good rules");
        assert_eq!(rig.server.control().faults()[3].seed, 20);
        let mine = async {
            let mut failed = Vec::new();
            for _ in 0..30 {
                failed.push(rig.graph("GET", "/me/drive").send().await.status);
                failed.push(rig.amazon("GET", "/drive/v1/account/quota").send().await.status);
            }
            failed
        };
        let noise = async {
            for _ in 0..if others { 40 } else { 0 } {
                rig.live("GET", "/me").send().await;
            }
        };
        seen.push(tokio::join!(mine, noise).0);
    }
    assert!(seen[0].contains(&503) && seen[0].contains(&200));
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn rules_keep_to_their_times() {
    let rig = Rig::new().await;
    let ms = Duration::from_millis;
    let status = async || rig.live("GET", "/me").send().await.status;
    let before = Instant::now();
    rig.fault(Fault::on("live.user.get").from(ms(100)).until(ms(900)).status(503));
    let after = Instant::now();
    let mut failed = Vec::new();
    while after.elapsed() < ms(950) {
        let asked = after.elapsed();
        if status().await == 503 {
            failed.push((asked, before.elapsed()));
        }
    }
    assert!(!failed.is_empty());
    assert!(failed.iter().all(|(asked, told)| *told >= ms(100) && *asked <= ms(900)), "{failed:?}");
    // An outage begins with the first matching request.
    rig.server.control().clear_faults();
    rig.fault(Fault::on("live.user.get").skip(2).lasting(ms(150)).status(503));
    assert_eq!([status().await, status().await], [200, 200]);
    let began = Instant::now();
    while status().await == 503 {}
    assert!(began.elapsed() >= ms(150));
    rig.server.control().clear_faults();
    rig.fault(Fault::on("live.user.get").every(3).times(2).status(503));
    let mut failed = Vec::new();
    for nth in 1..=12 {
        if status().await == 503 {
            failed.push(nth);
        }
    }
    assert_eq!(failed, [3, 6]);
}
