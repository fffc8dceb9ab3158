//! Large files read over lines that break.

use std::time::Duration;

use drivedal::layers::{Policy, RetryLayer, retry::Backoff};
use drivedal_server::{Fault, Server, Side, When};
use futures::{StreamExt, TryStreamExt, stream};
use opendal::{ErrorKind, Operator};

use crate::uploads::rig::{ALL, Cloud, Drive, WITH_SESSIONS, bytes};

const MIB: usize = 1 << 20;

/// The request that a file's bytes come by.
fn body(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Amazon => "amazon.content.get",
        _ => "ticket.get",
    }
}

/// A server with a file, and the drive by which it was put there.
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
async fn a_body_that_breaks_off_again_and_again_comes_whole_and_no_byte_is_asked_for_twice() {
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
            let backoff = Backoff { first: Duration::ZERO, longest: Duration::ZERO };
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
            // The times of SkyDrive's files, which have no etags, are in whole seconds.
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
async fn a_ticket_that_has_expired_is_got_anew() {
    let written = bytes(4, 3 * MIB);
    for cloud in WITH_SESSIONS {
        for status in [401, 403, 404, 410] {
            let (server, drive) = with_file(cloud, &written).await;
            // A first read, so that a ticket is known; then that one has expired.
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
async fn many_ranges_of_one_file_read_side_by_side_ask_for_one_ticket() {
    let written = bytes(5, 16 * MIB);
    for cloud in WITH_SESSIONS {
        let (server, drive) = with_file(cloud, &written).await;
        // Nothing is known of the file.
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
        // Walking down x/large, by id, or one look by path.
        assert!(looks <= 4, "{cloud:?}: {counters:?}");

        // Several at once find that it has expired, and all of them before there is a new one.
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
        // The request that goes on fails before it is answered: the call fails, and the next goes on.
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
        // Each with the number of bytes of its own body.
        let wrong =
            |text: String| (Some(text.len()), Fault::on(body(cloud)).status(200).body(text));
        let mut faults = vec![wrong("short".to_owned()), wrong("x".repeat(100_010))];
        // SkyDrive tells no hash.
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
            // The caller may compare himself.
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
async fn the_hash_is_of_all_bytes_also_where_they_came_in_several_bodies() {
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
