//! A drive server without a port: in this process, or behind a Unix socket.

use drivedal::{
    remote::RemoteSource,
    transport::{Timeouts, Transport},
};
use drivedal_server::{Fault, Server, When};
use opendal::{HttpTransporter, OperationContext, Operator};

/// A OneDrive on `server`, whose requests are sent by `transport`.
fn onedrive(server: &Server, transport: Transport) -> Operator {
    let source = RemoteSource::from_scheme("onedrive")
        .option("endpoint", format!("{}v1.0", server.url()))
        .option("account_kind", "personal")
        .option("access_token", "drivedal-dev");
    let operator = source.open().expect("a drive").operator;
    let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
    operator.with_context(context)
}

/// Writes a small file and one that is sent by an upload session, reads both, and lists them.
async fn transfer(operator: &Operator) {
    let large: Vec<u8> = (0..11_000_000u32).map(|i| (i % 251) as u8).collect();
    operator.write("docs/small.txt", "small").await.expect("written");
    operator.write("docs/large.bin", large.clone()).await.expect("written");
    assert_eq!(operator.read("docs/small.txt").await.expect("read").to_vec(), b"small");
    assert!(operator.read("docs/large.bin").await.expect("read").to_vec() == large);
    let range = operator.read_with("docs/large.bin").range(5_000_000..5_000_003);
    assert_eq!(range.await.expect("read").to_vec(), large[5_000_000..5_000_003]);
    let entries = operator.list("docs/").await.expect("listed");
    let names: Vec<_> = entries.iter().map(|entry| entry.name()).collect();
    assert_eq!(names, ["docs/", "large.bin", "small.txt"]);
    let missing = operator.stat("docs/missing").await.expect_err("missing");
    assert_eq!(missing.kind(), opendal::ErrorKind::NotFound);
}

#[tokio::test]
async fn a_server_in_this_process_is_used_without_a_connection() {
    let server = Server::builder().in_process().start().await.expect("a server");
    assert_eq!(server.address(), None);
    let transport = Transport::in_process(server.service(), Timeouts::default());
    let operator = onedrive(&server, transport.clone());
    transfer(&operator).await;
    assert!(transport.requests() > 0);

    // A connection would be interrupted here, and so is the in-process call.
    let rules = [
        Fault::on("graph.children.list").times(1).reset(When::Before),
        Fault::on("ticket.get").times(1).reset(When::During),
    ];
    server.control().add_faults(rules).expect("rules");
    let error = operator.list("docs/").await.expect_err("reset");
    assert!(error.is_temporary(), "{error}");
    // A read continues after the bytes that arrived.
    let read = operator.read("docs/large.bin").await.expect("read");
    assert_eq!(read.len(), 11_000_000);
    let faults = server.control().requests().into_iter().filter_map(|request| request.fault);
    assert_eq!(faults.count(), 2);

    server.stop().await;
    let error = operator.stat("docs/small.txt").await.expect_err("stopped");
    assert!(format!("{error:?}").contains("stopped"), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_behind_a_unix_socket_is_found_by_its_data_folder() {
    use std::os::unix::fs::PermissionsExt;

    // The second one is longer than the maximum path of a socket.
    for name in ["data".to_owned(), "d".repeat(120)] {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join(name);
        let builder = Server::builder().data(&data).socket(data.join("socket"));
        let server = builder.start().await.expect("a server");
        let running = Server::running_at(&data).await.expect("a running server");
        assert_eq!(&running.url, server.url());
        let socket = running.socket.expect("a socket");
        let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let transport = Transport::over_unix_socket(&socket, Timeouts::default());
        transfer(&onedrive(&server, transport)).await;

        server.stop().await;
        assert!(!socket.exists() && Server::running_at(&data).await.is_none());
        // The socket file of a killed server does not prevent a new one.
        std::fs::write(data.join("socket"), "").expect("a file");
        let builder = Server::builder().data(&data).socket(data.join("socket"));
        builder.start().await.expect("a server").stop().await;
    }
}
