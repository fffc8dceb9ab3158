//! Upload sessions (onedrive-graph#upload-session).

use http::{Method, StatusCode, header};
use opendal::raw::Operation;
use serde_json::json;

use super::{BEHAVIOR, Client, conditional, succeeded};
use crate::{
    drive::{Body, Conditions, Context, Result, Secret},
    rate_limit::Repeat,
    services::onedrive::{
        address::Address,
        model::{ConflictBehavior, DriveItem, UploadSession, UploadableProperties},
    },
    transport::{self, ApiRequest},
};

/// How an upload session stands after a fragment.
#[derive(Debug)]
pub enum Fragment {
    /// More is missing.
    More(UploadSession),
    /// That was the last one.
    Done(Box<DriveItem>),
}

impl Client {
    /// `POST {item}/createUploadSession` (onedrive-graph#session-create). With `defer_commit` the
    /// last fragment does not make the file, but [`commit_upload`](Self::commit_upload) or
    /// [`commit_upload_as`](Self::commit_upload_as) does.
    ///
    /// # Errors
    /// As [`put_content`](Self::put_content).
    pub async fn create_upload_session(
        &self,
        cx: &Context,
        at: &Address,
        item: &UploadableProperties,
        defer_commit: bool,
        conditions: &Conditions,
    ) -> Result<UploadSession> {
        let url = self.url(at, "/createUploadSession");
        let mut body = json!({ "item": item });
        if defer_commit {
            body["deferCommit"] = true.into();
        }
        let call = || {
            let call = ApiRequest::new(
                Operation::Write,
                Method::POST,
                &*url,
                "{item}/createUploadSession",
            )
            .json(&body);
            conditional(call, conditions)
        };
        self.ok(cx, &call).await?.json()
    }

    /// `PUT` a fragment to its session (onedrive-graph#session-fragments): the bytes from `offset`
    /// on, of `total`. Without a token.
    ///
    /// # Errors
    /// `NotFound`: the session is lost. `Range`: not the bytes that are expected next.
    pub async fn put_fragment(
        &self,
        cx: &Context,
        session: &Secret,
        offset: u64,
        total: u64,
        body: Body,
    ) -> Result<Fragment> {
        let end = offset.saturating_add(body.len());
        let call = self
            .to_session(Method::PUT, session)
            // A fragment that has arrived is refused the second time.
            .repeated(Repeat::IfRefused)
            .header(
                header::CONTENT_RANGE,
                format!("bytes {offset}-{}/{total}", end.saturating_sub(1)),
            )
            .body(body);
        let reply = succeeded(transport::Client::new(cx).send(call).await?, session)?;
        match reply.status {
            StatusCode::ACCEPTED => reply.json().map(Fragment::More),
            _ => reply.json().map(Fragment::Done),
        }
    }

    /// `GET` a session (onedrive-graph#session-status): what is missing. Without a token.
    ///
    /// # Errors
    /// `NotFound`: the session is lost, or its file is there.
    pub async fn upload_status(&self, cx: &Context, session: &Secret) -> Result<UploadSession> {
        let call = self.to_session(Method::GET, session);
        succeeded(transport::Client::new(cx).send(call).await?, session)?.json()
    }

    /// `POST` a session all of whose bytes are there (onedrive-graph#session-defer-commit). Without
    /// a token.
    ///
    /// # Errors
    /// As [`put_fragment`](Self::put_fragment).
    pub async fn commit_upload(&self, cx: &Context, session: &Secret) -> Result<DriveItem> {
        let call = self.to_session(Method::POST, session);
        succeeded(transport::Client::new(cx).send(call).await?, session)?.json()
    }

    /// `PUT {item}` with a session all of whose bytes are there as its source
    /// (onedrive-graph#session-late-conflict): makes the file where personal accounts have no other
    /// way, and where the session's own name was taken.
    ///
    /// # Errors
    /// `NotFound`: the session is lost. `Exists`.
    pub async fn commit_upload_as(
        &self,
        cx: &Context,
        at: &Address,
        name: &str,
        behavior: ConflictBehavior,
        session: &Secret,
    ) -> Result<DriveItem> {
        let url = self.url(at, "");
        let body = json!({
            "name": name,
            BEHAVIOR: behavior,
            "@microsoft.graph.sourceUrl": session.expose(),
        });
        let call = || ApiRequest::new(Operation::Write, Method::PUT, &*url, "{item}").json(&body);
        self.ok(cx, &call).await?.json()
    }

    /// `DELETE` a session and its bytes (onedrive-graph#session-cancel). Without a token.
    ///
    /// # Errors
    /// `NotFound` if it is gone already.
    pub async fn cancel_upload(&self, cx: &Context, session: &Secret) -> Result<()> {
        let call = self.to_session(Method::DELETE, session);
        succeeded(transport::Client::new(cx).send(call).await?, session).map(drop)
    }

    /// A request to a session, which authenticates itself.
    fn to_session(&self, method: Method, session: &Secret) -> ApiRequest {
        ApiRequest::to_link(Operation::Write, method, session, "{upload session}", &self.urls)
            .with_limiter(&self.limiter)
            .cost(0)
    }
}
