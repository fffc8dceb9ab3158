//! Requests for upload sessions (onedrive-graph#upload-session).
//!
//! The request that creates the session has the token of Graph. The URL of the session is
//! pre-authenticated, or needs a token for SharePoint ([`sharepoint`](super::sharepoint)). The methods
//! for a session fail with `PermissionDenied` and the code
//! [`SHAREPOINT_TOKEN_REQUIRED`](super::SHAREPOINT_TOKEN_REQUIRED) if none can be obtained.

use http::{Method, StatusCode, header};
use opendal::raw::Operation;
use serde_json::json;

use super::{CONFLICT_BEHAVIOR, Client, with_conditions};
use crate::{
    drive::{Body, Conditions, Context, Result, Secret},
    rate_limit::Repeat,
    services::onedrive::{
        address::Address,
        model::{ConflictBehavior, DriveItem, UploadSessionResource, UploadableProperties},
    },
    transport::ApiRequest,
};

/// The result of [`Client::put_fragment`].
#[derive(Debug)]
#[non_exhaustive]
pub enum FragmentOutcome {
    /// The session has the fragment, but no file yet.
    Incomplete(UploadSessionResource),
    /// The fragment was the last one, and the file exists.
    Complete(Box<DriveItem>),
}

impl Client {
    /// Sends `POST {item}/createUploadSession` (onedrive-graph#session-create). Returns the session
    /// with its URL.
    ///
    /// With `defer_commit`, the last fragment does not create the file; a call of
    /// [`commit_upload`](Self::commit_upload) or [`commit_upload_as`](Self::commit_upload_as) does.
    ///
    /// # Errors
    /// As [`put_content`](Self::put_content): `AlreadyExists`, `ConditionNotMatch`, `QuotaExceeded`
    /// and `Conflict`.
    pub async fn create_upload_session(
        &self,
        cx: &Context,
        item: &Address,
        properties: &UploadableProperties,
        defer_commit: bool,
        conditions: &Conditions,
    ) -> Result<UploadSessionResource> {
        let url = self.url(item, "/createUploadSession");
        let mut body = json!({ "item": properties });
        if defer_commit {
            body["deferCommit"] = true.into();
        }
        let request = || {
            let template = "{item}/createUploadSession";
            let request =
                ApiRequest::new(Operation::Write, Method::POST, &*url, template).json(&body);
            with_conditions(request, conditions)
        };
        self.send_gathered(cx, &request).await?.json()
    }

    /// Sends `PUT` with one fragment to the session (onedrive-graph#session-fragments). `offset` is
    /// the position of `body` in the file, `total` the size of the file, in bytes.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist any more, `RangeNotSatisfied` if the session expects other
    /// bytes next.
    pub async fn put_fragment(
        &self,
        cx: &Context,
        session: &Secret,
        offset: u64,
        total: u64,
        body: Body,
    ) -> Result<FragmentOutcome> {
        let end = offset.saturating_add(body.len());
        let range = format!("bytes {offset}-{}/{total}", end.saturating_sub(1));
        let request = || {
            self.session_request(Method::PUT, session)
                // The session rejects a fragment that it already has.
                .repeat(Repeat::IfRefused)
                .header(header::CONTENT_RANGE, &range)
                .body(body.clone())
        };
        let status = || self.session_request(Method::GET, session);
        self.detect_sharepoint_token(cx, session, &status).await?;
        let permit = self.upload_permit().await;
        let response = self.send_direct(cx, session, &request).await?;
        drop(permit);
        match response.status {
            StatusCode::ACCEPTED => response.json().map(FragmentOutcome::Incomplete),
            _ => response.json().map(FragmentOutcome::Complete),
        }
    }

    /// Sends `GET` to the session (onedrive-graph#session-status). Returns the missing ranges.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist any more, also because its file is complete.
    pub async fn upload_status(
        &self,
        cx: &Context,
        session: &Secret,
    ) -> Result<UploadSessionResource> {
        let request = || self.session_request(Method::GET, session);
        self.send_direct(cx, session, &request).await?.json()
    }

    /// Sends `POST` to the session (onedrive-graph#session-defer-commit). Creates the file from the
    /// session's bytes, which must be complete.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist any more, `AlreadyExists` if the name is in use,
    /// `RangeNotSatisfied` if bytes are missing.
    pub async fn commit_upload(&self, cx: &Context, session: &Secret) -> Result<DriveItem> {
        let request = || self.session_request(Method::POST, session);
        self.send_direct(cx, session, &request).await?.json()
    }

    /// Sends `PUT {item}` with the session as the source of the content
    /// (onedrive-graph#session-late-conflict). The session's bytes must be complete. `name` is the
    /// last name in the path of `item`.
    ///
    /// This is the only way to commit in personal accounts. It also works if the name of the
    /// session is in use.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist any more, `AlreadyExists` if the name is in use.
    pub async fn commit_upload_as(
        &self,
        cx: &Context,
        item: &Address,
        name: &str,
        behavior: ConflictBehavior,
        session: &Secret,
    ) -> Result<DriveItem> {
        let url = self.url(item, "");
        let body = json!({
            "name": name,
            CONFLICT_BEHAVIOR: behavior,
            "@microsoft.graph.sourceUrl": session.expose(),
        });
        let request =
            || ApiRequest::new(Operation::Write, Method::PUT, &*url, "{item}").json(&body);
        self.send(cx, &request).await?.json()
    }

    /// Sends `DELETE` to the session (onedrive-graph#session-cancel). Deletes the session and its
    /// bytes.
    ///
    /// # Errors
    /// `NotFound` if the session does not exist any more.
    pub async fn cancel_upload(&self, cx: &Context, session: &Secret) -> Result<()> {
        let request = || self.session_request(Method::DELETE, session);
        self.send_direct(cx, session, &request).await.map(drop)
    }

    /// Returns an unsigned request to the URL of a session.
    fn session_request(&self, method: Method, session: &Secret) -> ApiRequest {
        ApiRequest::for_link(Operation::Write, method, session, "{upload session}", &self.urls)
            .with_limiter(&self.limiter)
            .cost(0)
    }
}
