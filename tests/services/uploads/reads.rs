//! Reads of large files over interrupted connections.

use std::time::Duration;

use drivedal::layers::{Policy, RetryLayer, retry::Backoff};
use drivedal_server::{Fault, Server, Side, When};
use futures::{StreamExt, TryStreamExt, stream};
use opendal::{ErrorKind, Operator};

use crate::uploads::rig::{ALL, Cloud, Drive, WITH_SESSIONS, bytes};

const MIB: usize = 1 << 20;

/// Returns the operation name of requests that download a file.
fn body(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Amazon => "amazon.content.get",
        _ => "ticket.get",
    }
}

/// Starts a server with a file, and returns the drive that wrote it.
async fn with_file(cloud: Cloud, file: &[u8]) -> (Server, Drive) {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let drive = Drive::new(cloud, &server, "a", &[]);
    drive.operator.write("x/large", file.to_vec()).await.expect("written");
    server.control().reset_counters();
    (server, drive)
}

async fn streamed(operator: &Operator) -> opendal::Result<Vec<u8>> {
    let stream = operator.reader("x/large").await?.into_stream(..).await?;
    stream
        .try_fold(Vec::new(), async |mut all, piece| {
            all.extend(piece.to_vec());
            Ok(all)
        })
        .await
}

#[tokio::test]
async fn a_repeatedly_interrupted_read_is_complete_and_requests_no_byte_twice() {
    let written = bytes(1, 20 * MIB);
    for cloud in ALL {
        let (server, drive) = with_file(cloud, &written).await;
        let cuts = [1, 3 << 20, 65_536, 9 << 20]
            .map(|after| Fault::on(body(cloud)).times(1).truncate(after));
        server.control().add_faults(cuts).expect("rules");
        assert!(streamed(&drive.operator).await.expect("all of it") == written, "{cloud:?}");
        let requests = server.control().requests();
        let bodies: Vec<_> =
            requests.iter().filter(|request| request.operation == body(cloud)).collect();
        assert_eq!(bodies.len(), 5, "{cloud:?}");
        let sent: u64 = bodies.iter().map(|request| request.bytes_out).sum();
        let each: Vec<_> = bodies.iter().map(|request| request.bytes_out).collect();
        assert!(sent <= written.len() as u64, "{cloud:?}: {each:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_read_is_an_error_and_not_a_mixture() {
    let (before, after) = (bytes(2, 6 * MIB), bytes(3, 6 * MIB));
    for cloud in ALL {
        for layered in [false, true] {
            let (server, drive) = with_file(cloud, &before).await;
            let cut = Fault::on(body(cloud)).times(1).truncate(2 << 20);
            server.control().add_faults([cut]).expect("a rule");
            let backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
            let operator = match layered {
                true => {
                    let policy = Policy { backoff, ..Policy::default() };
                    drive.operator.clone().layer(RetryLayer::new(policy))
                }
                false => drive.operator.clone(),
            };
            let mut stream = operator
                .reader("x/large")
                .await
                .expect("a reader")
                .into_stream(..)
                .await
                .expect("it");
            let first = stream.try_next().await.expect("bytes").expect("some").to_vec();
            assert!(before.starts_with(&first));
            // SkyDrive has no etags, and the times of its files are in whole seconds.
            if cloud == Cloud::SkyDrive {
                tokio::time::sleep(Duration::from_millis(1100)).await;
            }
            let other = Drive::new(cloud, &server, "a", &[]);
            other.operator.write("x/large", after.clone()).await.expect("replaced");
            let error = stream.try_fold((), async |(), _| Ok(())).await.expect_err("a mixture");
            assert_eq!(error.kind(), ErrorKind::ConditionNotMatch, "{cloud:?}: {error}");
        }
    }
}

#[tokio::test]
async fn an_expired_download_url_is_renewed() {
    let written = bytes(4, 3 * MIB);
    for cloud in WITH_SESSIONS {
        for status in [401, 403, 404, 410] {
            let (server, drive) = with_file(cloud, &written).await;
            // The first read caches a download URL, which then expires.
            assert_eq!(
                drive.operator.read_with("x/large").range(..5).await.expect("five").len(),
                5
            );
            let expired = Fault::on("ticket.get").times(1).status(status);
            server.control().add_faults([expired]).expect("a rule");
            assert!(streamed(&drive.operator).await.expect("all of it") == written);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_ranges_of_a_file_share_one_download_url() {
    let written = bytes(5, 16 * MIB);
    for cloud in WITH_SESSIONS {
        let (server, drive) = with_file(cloud, &written).await;
        // A new client with an empty cache.
        let fresh = Drive::new(cloud, &server, "a", &[]);
        drop(drive);
        let ranges = || {
            let reader = fresh.operator.reader("x/large");
            async {
                let reader = reader.await.expect("a reader");
                let parts = stream::iter(0..64_u64).map(|part| {
                    let (reader, size) = (&reader, MIB as u64 / 4);
                    async move { reader.read(part * size..(part + 1) * size).await }
                });
                let parts: Vec<_> = parts.buffered(32).try_collect().await.expect("all parts");
                let read: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
                assert!(read == written, "{cloud:?}: other bytes");
            }
        };
        ranges().await;
        let counters = server.control().counters();
        assert_eq!(counters.count("ticket.get"), 64, "{counters:?}");
        let looks = counters.total - 64;
        // One request per folder of x/large by id, or one request by path.
        assert!(looks <= 4, "{cloud:?}: {counters:?}");

        // Several reads find an expired URL before any of them has a new one.
        server.control().reset_counters();
        let expired = Fault::on("ticket.get").times(8).status(401);
        let looks = if cloud == Cloud::SkyDrive { "live.*" } else { "graph.*" };
        let slow = Fault::on(looks).latency(Duration::from_millis(300));
        server.control().add_faults([expired, slow]).expect("rules");
        ranges().await;
        let counters = server.control().counters();
        let looks = counters.total - counters.count("ticket.get");
        assert!(looks <= 2, "{cloud:?}: {counters:?}");
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_is_survived_as_a_short_body_is() {
    let written = bytes(6, 4 * MIB);
    for cloud in ALL {
        let (server, drive) = with_file(cloud, &written).await;
        // The request that resumes the read fails without a response. The call fails, and the next
        // one resumes.
        let cut = Fault::on(body(cloud)).times(1).truncate(MIB as u64);
        let reset = Fault::on(body(cloud)).times(1).reset(When::Before);
        server.control().add_faults([cut, reset]).expect("rules");
        let mut stream = drive
            .operator
            .reader("x/large")
            .await
            .expect("a reader")
            .into_bytes_stream(..)
            .await
            .expect("it");
        let (mut read, mut failures) = (Vec::new(), 0);
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => read.extend_from_slice(&piece),
                Err(_) => {
                    failures += 1;
                    break;
                }
            }
        }
        assert_eq!(failures, 1, "{cloud:?}");
        assert!(written.starts_with(&read) && read.len() >= MIB / 2, "{cloud:?}: {}", read.len());
        server.control().clear_faults();
        let retried = drive.operator.clone().layer(opendal::layers::RetryLayer::new());
        let faults = [
            Fault::on(body(cloud)).times(1).truncate(MIB as u64),
            Fault::on(body(cloud)).times(1).reset(When::Before),
        ];
        server.control().add_faults(faults).expect("rules");
        assert!(streamed(&retried).await.expect("all of it") == written, "{cloud:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_the_files_are_an_error_however_they_are_read() {
    let written = bytes(7, 100_000);
    for cloud in ALL {
        let (server, drive) = with_file(cloud, &written).await;
        let operator = &drive.operator;
        // Each body has its own length.
        let wrong =
            |text: String| (Some(text.len()), Fault::on(body(cloud)).status(200).body(text));
        let mut faults = vec![wrong("short".to_owned()), wrong("x".repeat(100_010))];
        // SkyDrive reports no hash.
        if cloud != Cloud::SkyDrive {
            faults.push((None, Fault::on(body(cloud)).corrupt(Side::Answer)));
        }
        for (wrong_len, fault) in faults {
            let how = format!("{cloud:?}: {}", wrong_len.unwrap_or(0));
            server.control().add_faults([fault]).expect("a rule");
            streamed(operator).await.expect_err(&how);
            operator.read("x/large").await.expect_err(&how);
            if wrong_len.is_some() {
                operator.read_with("x/large").range(5..50).await.expect_err(&how);
                let reader = operator.reader("x/large").await.expect("a reader");
                let stream = reader.into_stream(5..50).await;
                if let Ok(stream) = stream {
                    stream.try_collect::<Vec<_>>().await.expect_err(&how);
                }
            }
            // Callers can compare the hash themselves.
            drive.handle.set_checked_reads(false);
            let read = streamed(operator).await;
            assert!(read.is_ok_and(|read| read != written), "{how}");
            drive.handle.set_checked_reads(true);
            server.control().clear_faults();
        }
        assert!(streamed(operator).await.expect("all of it") == written, "{cloud:?}");
    }
}

#[tokio::test]
async fn the_hash_covers_all_bytes_of_several_bodies() {
    let written = bytes(8, 4 * MIB);
    for cloud in [Cloud::OneDrive, Cloud::Amazon] {
        let (server, drive) = with_file(cloud, &written).await;
        let cut = Fault::on(body(cloud)).times(1).truncate(1 << 20);
        let flipped = Fault::on(body(cloud)).times(1).corrupt(Side::Answer);
        server.control().add_faults([cut.clone()]).expect("a rule");
        assert!(streamed(&drive.operator).await.expect("all of it") == written, "{cloud:?}");
        server.control().add_faults([cut, flipped]).expect("rules");
        streamed(&drive.operator).await.expect_err("a byte is wrong");
    }
}
