//! Metadata: `stat` and listings.

use std::time::Duration;

use drivedal::layers::cache::Consistency;
use futures::TryStreamExt;
use opendal::{ErrorKind, Operator};

use crate::{
    LONG,
    cloud::{EtagSupport, RequestKind},
    rig, rig_with,
};

async fn names(operator: &Operator, path: &str) -> Vec<String> {
    let entries = operator.list(path).await.unwrap();
    entries.into_iter().map(|entry| entry.path().to_owned()).collect()
}

#[tokio::test]
async fn a_fresh_stat_is_served_from_memory() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", "one").await.unwrap();
    rig.cloud.requests();
    for _ in 0..3 {
        assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 3);
    }
    assert_eq!(rig.cloud.requests(), [RequestKind::Stat]);
    rig.other.write("a", "three").await.unwrap();
    assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 3);
    rig.cache.clear_metadata();
    assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 5);
}

#[tokio::test(start_paused = true)]
async fn expired_results_are_requested_again_and_negative_ones_earlier() {
    let age = Duration::from_secs(60);
    let rig = rig_with(EtagSupport::InReads, |cache| {
        cache.consistency(Consistency::MaxAge(age)).negative_max_age(Duration::from_secs(2))
    })
    .await;
    rig.other.write("a", "one").await.unwrap();
    rig.cached.stat("a").await.unwrap();
    rig.cached.stat("b").await.unwrap_err();
    rig.other.write("a", "three").await.unwrap();
    rig.other.write("b", "1").await.unwrap();
    rig.cloud.requests();
    tokio::time::advance(Duration::from_secs(1)).await;
    let missing = rig.cached.stat("b").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(rig.cloud.requests(), []);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(rig.cached.stat("b").await.unwrap().content_length(), 1);
    assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 3);
    assert_eq!(rig.cloud.requests(), [RequestKind::Stat]);
    tokio::time::advance(age).await;
    assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 5);
}

#[tokio::test]
async fn revalidate_sends_a_request_every_time() {
    let rig = rig(EtagSupport::InReads, Consistency::Revalidate).await;
    rig.other.write("a", "one").await.unwrap();
    rig.cached.stat("a").await.unwrap();
    rig.other.write("a", "three").await.unwrap();
    assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 5);
    assert_eq!(names(&rig.cached, "/").await, ["a"]);
    rig.other.delete("a").await.unwrap();
    assert!(names(&rig.cached, "/").await.is_empty());
    rig.cached.stat("a").await.unwrap_err();
}

#[tokio::test]
async fn a_listing_is_cached_with_the_metadata_of_its_entries() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("d/a", "one").await.unwrap();
    rig.other.write("d/e/b", "two").await.unwrap();
    rig.cloud.requests();
    for _ in 0..2 {
        assert_eq!(names(&rig.cached, "d/").await, ["d/a", "d/e/"]);
        assert_eq!(rig.cached.stat("d/a").await.unwrap().content_length(), 3);
    }
    assert_eq!(rig.cloud.requests(), [RequestKind::List]);
    let all = || rig.cached.lister_with("d/").recursive(true);
    for _ in 0..2 {
        let entries: Vec<_> = all().await.unwrap().try_collect().await.unwrap();
        assert_eq!(entries.len(), 3);
    }
    assert_eq!(rig.cloud.requests(), [RequestKind::List]);
    rig.cached.list_with("d/").start_after("d/a").await.unwrap();
    rig.cached.list("d/a").await.unwrap();
    assert_eq!(rig.cloud.requests(), [RequestKind::List, RequestKind::List]);
}

#[tokio::test]
async fn a_listing_that_is_given_up_is_not_remembered() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", "1").await.unwrap();
    rig.other.write("b", "1").await.unwrap();
    let mut lister = rig.cached.lister("/").await.unwrap();
    lister.try_next().await.unwrap();
    drop(lister);
    rig.cloud.requests();
    assert_eq!(names(&rig.cached, "/").await, ["a", "b"]);
    assert_eq!(rig.cloud.requests(), [RequestKind::List]);
}

#[tokio::test]
async fn every_change_through_the_operator_shows_at_once() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    let op = &rig.cached;
    op.stat("d/a").await.unwrap_err();
    assert!(names(op, "/").await.is_empty());
    op.write("d/a", "1").await.unwrap();
    assert_eq!(op.stat("d/a").await.unwrap().content_length(), 1);
    assert_eq!(names(op, "/").await, ["d/"]);
    op.write("d/a", "22").await.unwrap();
    assert_eq!(op.stat("d/a").await.unwrap().content_length(), 2);
    op.stat("d/b").await.unwrap_err();
    op.rename("d/a", "d/b").await.unwrap();
    assert_eq!(op.stat("d/b").await.unwrap().content_length(), 2);
    op.stat("d/a").await.unwrap_err();
    op.stat("e").await.unwrap_err();
    op.copy("d/b", "e").await.unwrap();
    assert_eq!(op.stat("e").await.unwrap().content_length(), 2);
    op.delete("e").await.unwrap();
    op.stat("e").await.unwrap_err();
    assert_eq!(op.stat("d/b").await.unwrap().content_length(), 2);
    op.delete_with("d").recursive(true).await.unwrap();
    op.stat("d/b").await.unwrap_err();
    assert!(names(op, "/").await.is_empty());
}

#[tokio::test]
async fn a_change_under_another_spelling_shows_too() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("D/Ä", "1").await.unwrap();
    rig.cached.stat("D/Ä").await.unwrap();
    rig.cloud.requests();
    rig.cached.delete("d/ä").await.unwrap();
    rig.cached.stat("D/Ä").await.unwrap();
    assert_eq!(rig.cloud.requests(), [RequestKind::Change, RequestKind::Stat]);
}

#[tokio::test]
async fn a_result_that_overlaps_with_a_change_is_not_cached() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.cached.write("a", "1").await.unwrap();
    rig.cloud.hold();
    let cached = rig.cached.clone();
    let look = tokio::spawn(async move { cached.stat("a").await.unwrap() });
    let cached = rig.cached.clone();
    let list = tokio::spawn(async move { cached.list("/").await.unwrap() });
    rig.cloud.wait_for_held(2).await;
    rig.cached.write("a", "22").await.unwrap();
    rig.cloud.let_through();
    // The state at the time of the request.
    assert_eq!(look.await.unwrap().content_length(), 1);
    assert_eq!(list.await.unwrap()[0].metadata().content_length(), 1);
    assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 2);
    let listed = rig.cached.list("/").await.unwrap();
    assert_eq!(listed[0].metadata().content_length(), 2);
}

#[tokio::test]
async fn a_writer_that_is_dropped_may_have_written() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.cached.write("a", "1").await.unwrap();
    let mut writer = rig.cached.writer("a").await.unwrap();
    writer.write("22").await.unwrap();
    rig.cached.stat("a").await.unwrap();
    rig.cloud.requests();
    drop(writer);
    rig.cached.stat("a").await.unwrap();
    assert_eq!(rig.cloud.requests(), [RequestKind::Stat]);
}

#[tokio::test]
async fn a_change_that_fails_may_have_happened() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.cached.write("a", "1").await.unwrap();
    rig.cached.stat("a").await.unwrap();
    rig.cloud.set_away(true);
    rig.cached.rename("b", "a").await.unwrap_err();
    rig.cached.write("a", "22").await.unwrap_err();
    rig.cached.stat("a").await.unwrap_err();
}

#[tokio::test]
async fn stale_if_error_serves_the_latest_results_of_an_unreachable_cloud() {
    let rig = rig(EtagSupport::InReads, Consistency::StaleIfError).await;
    rig.other.write("d/a", bytes::Bytes::from(crate::bytes(1, 25))).await.unwrap();
    names(&rig.cached, "d/").await;
    rig.cached.read("d/a").await.unwrap();
    rig.cached.stat("d/b").await.unwrap_err();
    rig.cloud.set_away(true);
    assert_eq!(rig.cached.stat("d/a").await.unwrap().content_length(), 25);
    assert_eq!(rig.cached.stat("d/b").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(names(&rig.cached, "d/").await, ["d/a"]);
    assert_eq!(rig.cached.read("d/a").await.unwrap().to_vec(), crate::bytes(1, 25));
    assert!(rig.cached.stat("c").await.unwrap_err().is_temporary());
    rig.cloud.set_away(false);
    rig.other.write("d/a", "1").await.unwrap();
    assert_eq!(rig.cached.read("d/a").await.unwrap().to_vec(), b"1");
    assert_eq!(rig.cached.stat("d/a").await.unwrap().content_length(), 1);
}

#[tokio::test]
async fn other_consistencies_report_an_unreachable_cloud() {
    for consistency in [Consistency::Revalidate, Consistency::MaxAge(Duration::ZERO)] {
        let rig = rig(EtagSupport::InReads, consistency).await;
        rig.other.write("a", "1").await.unwrap();
        rig.cached.read("a").await.unwrap();
        rig.cloud.set_away(true);
        rig.cached.stat("a").await.unwrap_err();
        rig.cached.read("a").await.unwrap_err();
        rig.cached.list("/").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_layer_that_is_applied_again_keeps_its_state() {
    let rig = rig(EtagSupport::InReads, Consistency::MaxAge(LONG)).await;
    rig.other.write("a", "1").await.unwrap();
    rig.cached.stat("a").await.unwrap();
    // OpenDAL applies all layers again when one is added.
    let more = rig.cached.clone().layer(opendal::layers::RetryLayer::new());
    rig.cloud.requests();
    more.stat("a").await.unwrap();
    assert_eq!(rig.cloud.requests(), []);
    more.write("a", "22").await.unwrap();
    assert_eq!(rig.cached.stat("a").await.unwrap().content_length(), 2);
}

#[tokio::test]
async fn the_capabilities_are_the_services() {
    let rig = rig(EtagSupport::InReads, Consistency::Revalidate).await;
    let of = |operator: &Operator| format!("{:?}", operator.info().capability());
    assert_eq!(of(&rig.cached), of(&rig.other));
}
