//! OpenDAL's OneDrive service, 0.59.5, against the drive server. A transport sends requests for
//! Microsoft's hosts to the server.
//!
//! Comments name the limitations of the service where they restrict a test.

use drivedal_server::Server;
use drivedal_test_support::rewriting::Rewriting;
use futures::{TryStreamExt, future::LocalBoxFuture};
use libtest_mimic::Trial;
use opendal::{
    EntryMode, ErrorKind, HttpTransporter, OperationContext, Operator, services::Onedrive,
};
use tokio::runtime::Runtime;

/// Returns the tests; each starts a separate server.
pub fn trials() -> Vec<Trial> {
    fn test(name: &str, run: fn() -> LocalBoxFuture<'static, ()>) -> Trial {
        Trial::test(format!("opendal_{name}"), move || {
            Runtime::new()?.block_on(run());
            Ok(())
        })
    }
    vec![
        test("what_is_written_is_read_and_described", || {
            Box::pin(what_is_written_is_read_and_described())
        }),
        test("a_large_file_is_sent_in_fragments", || Box::pin(a_large_file_is_sent_in_fragments())),
        test("a_file_is_replaced_and_only_if_it_is_as_known", || {
            Box::pin(a_file_is_replaced_and_only_if_it_is_as_known())
        }),
        test("folders_are_created_and_listed", || Box::pin(folders_are_created_and_listed())),
        test("a_long_listing_is_followed_to_its_end", || {
            Box::pin(a_long_listing_is_followed_to_its_end())
        }),
        test("files_are_copied_renamed_and_removed", || {
            Box::pin(files_are_copied_renamed_and_removed())
        }),
        test("versions_are_listed_with_the_current_one_marked", || {
            Box::pin(versions_are_listed_with_the_current_one_marked())
        }),
    ]
}

async fn server() -> Server {
    Server::builder().start().await.expect("a server")
}

/// Returns OpenDAL's service with a refresh token, as in its documentation.
fn operator(server: &Server, root: &str) -> Operator {
    let builder =
        Onedrive::default().root(root).client_id("client").refresh_token("drivedal-dev-refresh");
    let transport = HttpTransporter::new(Rewriting::to(server.url().as_str()));
    let context = OperationContext::new().with_http_transport(transport);
    Operator::new(builder).expect("a service").with_context(context)
}

async fn listed(operator: &Operator, path: &str) -> Vec<String> {
    let mut paths: Vec<_> = operator
        .list(path)
        .await
        .expect("a listing")
        .into_iter()
        .map(|entry| entry.path().to_owned())
        .collect();
    paths.sort();
    paths
}

async fn what_is_written_is_read_and_described() {
    let server = server().await;
    for root in ["/", "/some/root"] {
        let operator = operator(&server, root);
        let written = operator.write("a/b/hello world.txt", "hello world").await.unwrap();
        assert_eq!(written.content_length(), 11);
        let described = operator.stat("a/b/hello world.txt").await.unwrap();
        assert_eq!(described.content_length(), 11);
        assert_eq!(described.etag(), written.etag());
        assert!(described.last_modified().is_some());
        let read = |range| {
            let operator = operator.clone();
            async move { operator.read_with("a/b/hello world.txt").range(range).await.unwrap().to_vec() }
        };
        assert_eq!(read(0..11).await, b"hello world");
        assert_eq!(read(6..9).await, b"wor");
        operator.write("empty", "").await.unwrap();
        assert_eq!(operator.stat("empty").await.unwrap().content_length(), 0);
        let missing = operator.stat("none").await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert_eq!(operator.stat("a/").await.unwrap().mode(), EntryMode::DIR);
    }
}

async fn a_large_file_is_sent_in_fragments() {
    let server = server().await;
    let operator = operator(&server, "/");
    // Only to a new name: if the file exists, the last response is 200, which the service does not
    // handle (it panics in debug builds, and returns no metadata in others).
    let bytes: Vec<u8> = (0..9 * 1024 * 1024_u32).map(|i| (i ^ i >> 8) as u8).collect();
    let written = operator.write("large.bin", bytes.clone()).await.unwrap();
    assert_eq!(written.content_length(), bytes.len() as u64);
    assert!(operator.read("large.bin").await.unwrap().to_vec() == bytes);
    assert_eq!(server.control().counters().count("graph.session.fragment"), 3);
}

async fn a_file_is_replaced_and_only_if_it_is_as_known() {
    let server = server().await;
    let operator = operator(&server, "/");
    let first = operator.write("f", "one").await.unwrap();
    operator.write("f", "two").await.unwrap();
    let stale = first.etag().expect("an etag");
    let refused = operator.write_with("f", "three").if_match(stale).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConditionNotMatch);
    let now = operator.stat("f").await.unwrap();
    let etag = now.etag().expect("an etag");
    operator.write_with("f", "four").if_match(etag).await.unwrap();
    assert_eq!(operator.read("f").await.unwrap().to_vec(), b"four");
    let now = operator.stat("f").await.unwrap();
    let etag = now.etag().expect("an etag");
    let unchanged = operator.stat_with("f").if_none_match(etag).await.unwrap_err();
    assert_eq!(unchanged.kind(), ErrorKind::ConditionNotMatch);
    let unchanged = operator.read_with("f").if_none_match(etag).await.unwrap_err();
    assert_eq!(unchanged.kind(), ErrorKind::ConditionNotMatch);
}

async fn folders_are_created_and_listed() {
    let server = server().await;
    let operator = operator(&server, "/");
    // The service creates a folder in the root at `root:/children`, which is the address of an
    // item. The server treats it as the collection.
    operator.create_dir("top/").await.unwrap();
    operator.create_dir("top/a/b/").await.unwrap();
    operator.create_dir("top/a/b/").await.unwrap();
    operator.write("top/f", "x").await.unwrap();
    assert_eq!(listed(&operator, "top/").await, ["top/", "top/a/", "top/f"]);
    assert_eq!(listed(&operator, "/").await, ["/", "top/"]);
    assert_eq!(listed(&operator, "none/").await, Vec::<String>::new());
    // The test has no names that need encoding: the service does not decode the path of their
    // folder, and lists `sp ace/f` as `sp%20ace/f`.
    let all = operator.list_with("/").recursive(true).await.unwrap();
    let mut all: Vec<_> = all.iter().map(|entry| entry.path().to_owned()).collect();
    all.sort();
    assert_eq!(all, ["/", "top/", "top/a/", "top/a/b/", "top/f"]);
}

async fn a_long_listing_is_followed_to_its_end() {
    let server = server().await;
    let operator = operator(&server, "/");
    let writes = futures::stream::iter((0..250).map(Ok::<_, opendal::Error>));
    let write = |n: u32| {
        let operator = operator.clone();
        async move { operator.write(&format!("many/{n:03}"), "x").await.map(drop) }
    };
    writes.try_for_each_concurrent(16, write).await.unwrap();
    assert_eq!(listed(&operator, "many/").await.len(), 251);
}

async fn files_are_copied_renamed_and_removed() {
    let server = server().await;
    let operator = operator(&server, "/");
    operator.write("a/f", "one").await.unwrap();
    operator.write("b/g", "two").await.unwrap();
    operator.copy("a/f", "c/copy").await.unwrap();
    operator.copy("a/f", "b/g").await.unwrap();
    assert_eq!(operator.read("c/copy").await.unwrap().to_vec(), b"one");
    assert_eq!(operator.read("b/g").await.unwrap().to_vec(), b"one");
    operator.rename("a/f", "d/renamed").await.unwrap();
    operator.rename("d/renamed", "b/g").await.unwrap();
    assert_eq!(operator.stat("a/f").await.unwrap_err().kind(), ErrorKind::NotFound);
    operator.delete("b/g").await.unwrap();
    operator.delete("b/g").await.unwrap();
    // In sequence: the service cannot delete a whole tree.
    operator.delete_with("c/").recursive(true).await.unwrap();
    let mut left = listed(&operator, "/").await;
    left.retain(|path| path != "/");
    assert_eq!(left, ["a/", "b/", "d/"]);
}

async fn versions_are_listed_with_the_current_one_marked() {
    let server = server().await;
    let operator = operator(&server, "/");
    operator.write("v/f", "x").await.unwrap();
    let entries = operator.list_with("v/").versions(true).await.unwrap();
    let file = entries.iter().find(|entry| entry.path() == "v/f").expect("the file");
    assert_eq!(file.metadata().is_current(), Some(true));
    assert!(file.metadata().version().is_some());
}
