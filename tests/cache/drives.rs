//! The drives on the drive server: request counts and change feeds.

use std::time::Duration;

use drivedal::{
    layers::cache::{CacheBuilder, CacheLayer, Consistency},
    remote,
    transport::Transport,
};
use drivedal_server::{AccountKind, Server};
use futures::TryStreamExt;
use opendal::{ErrorKind, HttpTransporter, OperationContext, Operator};

use crate::{LONG, bytes};

/// A drive, with and without a cache.
struct Rig {
    server: Server,
    cached: Operator,
    other: Operator,
    cache: CacheLayer,
}

/// URIs of the drives with a change feed; `{}` is the server's URL.
const DRIVES: &[(&str, AccountKind)] = &[
    (
        "onedrive://?access_token=drivedal-dev&account_kind=personal&endpoint={}v1.0",
        AccountKind::Personal,
    ),
    (
        "onedrive://?access_token=drivedal-dev&account_kind=business&endpoint={}v1.0",
        AccountKind::Business,
    ),
    (
        "amazon-drive://?access_token=drivedal-dev&index_ttl=0s&endpoint={}drive/v1/",
        AccountKind::Personal,
    ),
];

const SKYDRIVE: (&str, AccountKind) =
    ("skydrive://?access_token=drivedal-dev&index_ttl=0s&endpoint={}v5.0/", AccountKind::Personal);

async fn rig(
    (uri, kind): (&str, AccountKind),
    feed: bool,
    set: impl FnOnce(CacheBuilder) -> CacheBuilder,
) -> Rig {
    let server = Server::builder().ephemeral().kind(kind).start().await.unwrap();
    let uri = uri.replace("{}", server.url().as_str());
    let open = || {
        let remote = remote::open(&uri).unwrap();
        let transport = HttpTransporter::new(Transport::default());
        let context = OperationContext::new().with_http_transport(transport);
        (remote.operator.with_context(context), remote.handle.unwrap())
    };
    let (operator, handle) = open();
    let mut cache = set(CacheLayer::builder().block_size(1000));
    if feed {
        cache = cache.changes(handle.change_source().unwrap());
    }
    let cache = cache.build().await.unwrap();
    let (other, _) = open();
    Rig { server, cached: operator.layer(cache.clone()), other, cache }
}

impl Rig {
    /// Returns the requests since the last call.
    fn requests(&self) -> Vec<String> {
        let control = self.server.control();
        let requests = control.requests().into_iter().map(|request| request.operation).collect();
        control.reset_counters();
        requests
    }

    async fn names(&self, path: &str) -> Vec<String> {
        let entries = self.cached.list(path).await.unwrap();
        let mut names: Vec<_> = entries.iter().map(|entry| entry.path().to_owned()).collect();
        names.sort();
        names
    }

    async fn content(&self, path: &str) -> String {
        String::from_utf8(self.cached.read(path).await.unwrap().to_vec()).unwrap()
    }
}

#[tokio::test]
async fn a_second_read_takes_no_request_within_and_one_fresh() {
    for drive in DRIVES {
        for (consistency, most) in [(Consistency::MaxAge(LONG), 0), (Consistency::Revalidate, 1)] {
            let rig = rig(*drive, false, |cache| cache.consistency(consistency)).await;
            rig.other.write("f", bytes(1, 25_000)).await.unwrap();
            assert!(rig.cached.read("f").await.unwrap().to_vec() == bytes(1, 25_000));
            rig.requests();
            assert!(rig.cached.read("f").await.unwrap().to_vec() == bytes(1, 25_000));
            let requests = rig.requests();
            assert_eq!(requests.len(), most, "{drive:?} {consistency:?}: {requests:?}");
            rig.other.write("f", bytes(2, 25_000)).await.unwrap();
            if consistency == Consistency::Revalidate {
                assert!(rig.cached.read("f").await.unwrap().to_vec() == bytes(2, 25_000));
            }
        }
    }
}

#[tokio::test]
async fn for_skydrive_only_metadata_is_cached() {
    let rig = rig(SKYDRIVE, false, |cache| cache.consistency(Consistency::MaxAge(LONG))).await;
    rig.other.write("f", "one").await.unwrap();
    assert_eq!(rig.content("f").await, "one");
    rig.other.write("f", "two").await.unwrap();
    assert_eq!(rig.content("f").await, "two");
    rig.names("/").await;
    rig.requests();
    assert_eq!(rig.names("/").await, ["/", "f"]);
    assert_eq!(rig.requests(), [""; 0]);
}

#[tokio::test]
async fn with_the_feed_a_listing_is_refreshed_by_one_request() {
    for drive in DRIVES {
        let rig = rig(*drive, true, |cache| cache.consistency(Consistency::Revalidate)).await;
        for name in ["d/a", "d/b", "d/e/c"] {
            rig.other.write(name, "one").await.unwrap();
        }
        let names = ["d/", "d/a", "d/b", "d/e/"];
        assert_eq!(rig.names("d/").await, names);
        rig.requests();
        for _ in 0..3 {
            assert_eq!(rig.names("d/").await, names);
            assert_eq!(rig.requests().len(), 1, "{drive:?}");
        }
    }
}

#[tokio::test]
async fn changes_of_other_clients_are_applied() {
    for drive in DRIVES {
        let rig = rig(*drive, true, |cache| cache.consistency(Consistency::Revalidate)).await;
        for name in ["d/a", "d/b", "x/y/z"] {
            rig.other.write(name, "one").await.unwrap();
        }
        let all = async || {
            let lister = rig.cached.lister_with("/").recursive(true).await.unwrap();
            let entries: Vec<_> = lister.try_collect().await.unwrap();
            let mut names: Vec<_> = entries.iter().map(|entry| entry.path().to_owned()).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(all().await, "/ d/ d/a d/b x/ x/y/ x/y/z", "{drive:?}");
        rig.other.delete("d/b").await.unwrap();
        assert_eq!(all().await, "/ d/ d/a x/ x/y/ x/y/z", "{drive:?}");
        rig.other.write("d/c", "new").await.unwrap();
        assert_eq!(all().await, "/ d/ d/a d/c x/ x/y/ x/y/z", "{drive:?}");
        rig.other.rename("d/c", "x/c").await.unwrap();
        assert_eq!(all().await, "/ d/ d/a x/ x/c x/y/ x/y/z", "{drive:?}");
        rig.other.rename("x", "w").await.unwrap();
        assert_eq!(all().await, "/ d/ d/a w/ w/c w/y/ w/y/z", "{drive:?}");
        rig.other.write("w/y/v", "1").await.unwrap();
        assert_eq!(all().await, "/ d/ d/a w/ w/c w/y/ w/y/v w/y/z", "{drive:?}");
        rig.other.delete_with("w/").recursive(true).await.unwrap();
        assert_eq!(all().await, "/ d/ d/a", "{drive:?}");
    }
}

#[tokio::test]
async fn results_that_the_feed_covers_outlive_their_maximum_age() {
    const AGE: Duration = Duration::from_millis(100);
    for drive in DRIVES {
        let rig = rig(*drive, true, |cache| {
            cache.consistency(Consistency::MaxAge(AGE)).negative_max_age(AGE)
        })
        .await;
        for name in ["d/a", "d/b", "d/e/c"] {
            rig.other.write(name, "one").await.unwrap();
        }
        for path in ["d/a", "d/b", "d/e/c"] {
            rig.cached.stat(path).await.unwrap();
        }
        rig.cached.stat("d/n").await.unwrap_err();
        // The feed reports a folder together with its contents, and covers it from then on.
        rig.other.write("d/e/f", "one").await.unwrap();
        let age = async || tokio::time::sleep(2 * AGE).await;
        age().await;
        for path in ["d/a", "d/b", "d/e/c"] {
            rig.cached.stat(path).await.unwrap();
        }
        age().await;
        rig.requests();
        for path in ["d/a", "d/b", "d/e/c"] {
            rig.cached.stat(path).await.unwrap();
        }
        assert_eq!(rig.requests().len(), 1, "{drive:?}");
        rig.other.write("d/a", "three").await.unwrap();
        rig.other.write("d/n", "new").await.unwrap();
        rig.other.delete("d/b").await.unwrap();
        age().await;
        assert_eq!(rig.cached.stat("d/a").await.unwrap().content_length(), 5, "{drive:?}");
        assert_eq!(rig.cached.stat("d/n").await.unwrap().content_length(), 3, "{drive:?}");
        let gone = rig.cached.stat("d/b").await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound, "{drive:?}");
        rig.requests();
        age().await;
        rig.cached.stat("d/e/c").await.unwrap();
        assert_eq!(rig.requests().len(), 1, "{drive:?}");
    }
}

#[tokio::test]
async fn below_a_root_of_its_own_an_operator_hears_its_own_paths() {
    let (uri, kind) = DRIVES[0];
    let rooted = format!("{uri}&root=/home/me");
    let rig = rig((&rooted, kind), true, |cache| cache.consistency(Consistency::Revalidate)).await;
    rig.other.write("d/a", "one").await.unwrap();
    assert_eq!(rig.names("d/").await, ["d/", "d/a"]);
    rig.other.write("d/b", "one").await.unwrap();
    assert_eq!(rig.names("d/").await, ["d/", "d/a", "d/b"]);
    assert_eq!(rig.names("d/").await, ["d/", "d/a", "d/b"]);
    rig.requests();
    assert_eq!(rig.names("d/").await, ["d/", "d/a", "d/b"]);
    assert_eq!(rig.requests().len(), 1);
}

#[tokio::test]
async fn a_lost_feed_is_restarted() {
    for drive in DRIVES {
        let rig = rig(*drive, true, |cache| cache.consistency(Consistency::Revalidate)).await;
        rig.other.write("d/a", "one").await.unwrap();
        assert_eq!(rig.names("d/").await, ["d/", "d/a"]);
        // The drive is reset, and its old cursors are invalid.
        rig.server.control().reset_state().await.unwrap();
        rig.other.write("d/b", "one").await.unwrap();
        assert_eq!(rig.names("d/").await, ["d/", "d/b"], "{drive:?}");
        rig.other.write("d/c", "one").await.unwrap();
        assert_eq!(rig.names("d/").await, ["d/", "d/b", "d/c"], "{drive:?}");
        assert_eq!(rig.cache.stats().metadata_hits, 0);
    }
}

#[tokio::test]
async fn without_the_feed_results_are_requested_again() {
    use drivedal_server::Fault;
    let rig = rig(DRIVES[0], true, |cache| cache.consistency(Consistency::Revalidate)).await;
    rig.other.write("d/a", "one").await.unwrap();
    rig.names("d/").await;
    let fault = Fault::on("graph.delta.list").status(503);
    rig.server.control().add_faults([fault]).unwrap();
    rig.other.write("d/b", "one").await.unwrap();
    assert_eq!(rig.names("d/").await, ["d/", "d/a", "d/b"]);
    rig.server.control().clear_faults();
    rig.other.write("d/c", "one").await.unwrap();
    assert_eq!(rig.names("d/").await, ["d/", "d/a", "d/b", "d/c"]);
}
