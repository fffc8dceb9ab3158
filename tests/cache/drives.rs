//! The drives, on the drive server: requests are counted, and changes heard.

use std::time::Duration;

use drivedal::{
    layers::cache::{CacheBuilder, CacheLayer, Validity},
    remote,
    transport::Transport,
};
use drivedal_server::{AccountKind, Server};
use futures::TryStreamExt;
use opendal::{ErrorKind, HttpTransporter, OperationContext, Operator};

use crate::{LONG, bytes};

/// A drive, with a cache in front and without.
struct Rig {
    server: Server,
    cached: Operator,
    other: Operator,
    cache: CacheLayer,
}

/// What each drive that has a feed is opened by; `{}` is the server.
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
    let mut cache = set(CacheLayer::builder().block(1000));
    if feed {
        cache = cache.changes(handle.change_source().unwrap());
    }
    let cache = cache.build().await.unwrap();
    let (other, _) = open();
    Rig { server, cached: operator.layer(cache.clone()), other, cache }
}

impl Rig {
    /// The requests since the last time.
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
        for (validity, most) in [(Validity::Within(LONG), 0), (Validity::Fresh, 1)] {
            let rig = rig(*drive, false, |cache| cache.validity(validity)).await;
            rig.other.write("f", bytes(1, 25_000)).await.unwrap();
            assert!(rig.cached.read("f").await.unwrap().to_vec() == bytes(1, 25_000));
            rig.requests();
            assert!(rig.cached.read("f").await.unwrap().to_vec() == bytes(1, 25_000));
            let requests = rig.requests();
            assert_eq!(requests.len(), most, "{drive:?} {validity:?}: {requests:?}");
            rig.other.write("f", bytes(2, 25_000)).await.unwrap();
            if validity == Validity::Fresh {
                assert!(rig.cached.read("f").await.unwrap().to_vec() == bytes(2, 25_000));
            }
        }
    }
}

#[tokio::test]
async fn skydrive_tells_no_etags_and_has_its_metadata_kept_only() {
    let rig = rig(SKYDRIVE, false, |cache| cache.validity(Validity::Within(LONG))).await;
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
        let rig = rig(*drive, true, |cache| cache.validity(Validity::Fresh)).await;
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
async fn what_others_change_is_heard_of() {
    for drive in DRIVES {
        let rig = rig(*drive, true, |cache| cache.validity(Validity::Fresh)).await;
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
async fn answers_that_the_feed_vouches_for_outlive_their_time() {
    const AGE: Duration = Duration::from_millis(100);
    for drive in DRIVES {
        let rig =
            rig(*drive, true, |cache| cache.validity(Validity::Within(AGE)).negative(AGE)).await;
        for name in ["d/a", "d/b", "d/e/c"] {
            rig.other.write(name, "one").await.unwrap();
        }
        for path in ["d/a", "d/b", "d/e/c"] {
            rig.cached.stat(path).await.unwrap();
        }
        rig.cached.stat("d/n").await.unwrap_err();
        // Folders are told of with what changes in them, and known from then on.
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
    let rig = rig((&rooted, kind), true, |cache| cache.validity(Validity::Fresh)).await;
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
async fn a_feed_that_was_lost_is_begun_anew() {
    for drive in DRIVES {
        let rig = rig(*drive, true, |cache| cache.validity(Validity::Fresh)).await;
        rig.other.write("d/a", "one").await.unwrap();
        assert_eq!(rig.names("d/").await, ["d/", "d/a"]);
        // The drive is made anew, and knows no cursor of before.
        rig.server.control().reset_state().await.unwrap();
        rig.other.write("d/b", "one").await.unwrap();
        assert_eq!(rig.names("d/").await, ["d/", "d/b"], "{drive:?}");
        rig.other.write("d/c", "one").await.unwrap();
        assert_eq!(rig.names("d/").await, ["d/", "d/b", "d/c"], "{drive:?}");
        assert_eq!(rig.cache.stats().metadata_hits, 0);
    }
}

#[tokio::test]
async fn without_its_feed_the_cloud_is_asked_itself() {
    use drivedal_server::Fault;
    let rig = rig(DRIVES[0], true, |cache| cache.validity(Validity::Fresh)).await;
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
