//! `presign`: requests that another program can send, without a token.

use std::time::Duration;

use http::{Method, Request, Response};
use opendal::{Buffer, ErrorKind, raw::PresignedRequest};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, content},
    expect_error,
};

cases! {
    /// Sends a presigned request without anything of the service. The response has the bytes.
    a_presigned_read_needs_no_token: presign_read;
    /// Sends a presigned `stat` of a file without a token. The response is a success, and has no
    /// bytes if its method is HEAD.
    a_presigned_stat_needs_no_token: presign_stat;
    /// Sends a presigned `write` with bytes, without a token. The file then has these bytes.
    a_presigned_write_creates_the_file: presign_write;
    /// Sends a presigned `write` to an existing file. The file then has the new bytes.
    a_presigned_write_replaces_the_file: presign_write;
}

/// Sends a presigned request with this body. The URL alone must give access.
///
/// # Errors
/// `Failed` if the request cannot be sent.
async fn send(
    test: &TestContext,
    presigned: PresignedRequest,
    body: Buffer,
) -> CaseResult<Response<Buffer>> {
    assert!(!presigned.header().contains_key("authorization"), "the URL alone gives access");
    let request = Request::from(presigned).map(|_: Buffer| body);
    Ok(test.op.context().http_transport().send(request).await?)
}

async fn a_presigned_read_needs_no_token(test: &TestContext) -> CaseResult {
    test.op.write("d/file", bytes(1, 100)).await?;
    let presigned = test.op.presign_read("d/file", Duration::from_secs(60)).await?;
    let response = send(test, presigned, Buffer::new()).await?;
    assert_eq!(response.into_body().to_vec(), bytes(1, 100));
    let missing = test.op.presign_read("d/missing", Duration::from_secs(60)).await;
    expect_error(missing.map(drop), &[ErrorKind::NotFound])?;
    Ok(())
}

async fn a_presigned_stat_needs_no_token(test: &TestContext) -> CaseResult {
    test.op.write("d/file", bytes(1, 100)).await?;
    let presigned = test.op.presign_stat("d/file", Duration::from_secs(60)).await?;
    let is_head = presigned.method() == Method::HEAD;
    let response = send(test, presigned, Buffer::new()).await?;
    assert!(response.status().is_success(), "{}", response.status());
    assert!(!is_head || response.into_body().is_empty(), "a response to HEAD has bytes");
    Ok(())
}

async fn a_presigned_write_creates_the_file(test: &TestContext) -> CaseResult {
    let presigned = test.op.presign_write("file", Duration::from_secs(60)).await?;
    let response = send(test, presigned, bytes(1, 100).into()).await?;
    assert!(response.status().is_success(), "{}", response.status());
    assert_eq!(content(&test.op, "file").await?, bytes(1, 100));
    Ok(())
}

async fn a_presigned_write_replaces_the_file(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 100)).await?;
    let presigned = test.op.presign_write("file", Duration::from_secs(60)).await?;
    let response = send(test, presigned, bytes(2, 50).into()).await?;
    assert!(response.status().is_success(), "{}", response.status());
    assert_eq!(content(&test.op, "file").await?, bytes(2, 50));
    Ok(())
}
