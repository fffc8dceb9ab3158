//! Copies that the cloud makes (onedrive-graph#copy).

use http::{HeaderName, Method, StatusCode, header};
use opendal::raw::Operation;

use super::{BEHAVIOR, Client, succeeded};
use crate::{
    drive::{Context, Error, Result, Secret},
    services::onedrive::{
        address::Address,
        error::failure_in,
        model::{ConflictBehavior, CopyMonitor, ItemPatch},
    },
    transport::{self, ApiRequest},
};

/// How a copy stands.
#[derive(Debug)]
pub enum CopyProgress {
    /// Under way.
    Running,
    /// Ready; the new item's id, where it was told.
    Completed(Option<String>),
    /// It came to nothing.
    Failed(Error),
}

impl Client {
    /// `POST {item}/copy` (onedrive-graph#copy-request): the URL to ask how it is doing. `behavior`
    /// is not understood by personal drives.
    ///
    /// # Errors
    /// `NotFound` for the item or the folder.
    pub async fn copy(
        &self,
        cx: &Context,
        from: &Address,
        to: &ItemPatch,
        behavior: Option<ConflictBehavior>,
    ) -> Result<Secret> {
        let url = self.url(from, "/copy");
        let call = || {
            let call = ApiRequest::new(Operation::Copy, Method::POST, &*url, "{item}/copy")
                .header(HeaderName::from_static("prefer"), "respond-async")
                .json(to);
            match behavior {
                Some(behavior) => call.query(BEHAVIOR, behavior.as_str()),
                None => call,
            }
        };
        let reply = self.ok(cx, &call).await?;
        match reply.header(header::LOCATION) {
            Some(monitor) => Ok(monitor.into()),
            None => Err(reply.failure("the answer does not tell whom to ask about the copy")),
        }
    }

    /// `GET` a copy's monitor (onedrive-graph#copy-monitor). Without a token.
    ///
    /// # Errors
    /// The host's; how the copy itself failed is [`CopyProgress::Failed`].
    pub async fn monitor(&self, cx: &Context, monitor: &Secret) -> Result<CopyProgress> {
        let operation = Operation::Copy;
        let call =
            ApiRequest::to_link(operation, Method::GET, monitor, "{copy monitor}", &self.urls)
                .with_limiter(&self.limiter)
                .cost(0);
        let reply = transport::Client::new(cx).send(call).await?;
        // Once ready, some hosts redirect to the new item, which without a token says 401.
        if reply.redirected || reply.status == StatusCode::SEE_OTHER {
            return Ok(CopyProgress::Completed(None));
        }
        let reply = succeeded(reply, monitor)?;
        if reply.body.is_empty() {
            return Ok(CopyProgress::Running);
        }
        let CopyMonitor { status, resource_id, error, error_code } = reply.json()?;
        Ok(match status.as_deref() {
            Some("completed") => CopyProgress::Completed(resource_id),
            Some("failed" | "deleteFailed" | "cancelled") => {
                CopyProgress::Failed(failure_in(error, error_code))
            }
            _ => CopyProgress::Running,
        })
    }
}
