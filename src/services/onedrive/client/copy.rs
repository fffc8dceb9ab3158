//! Requests for copies within the cloud (onedrive-graph#copy).

use http::{HeaderName, Method, StatusCode, header};
use opendal::raw::Operation;

use super::{CONFLICT_BEHAVIOR, Client, check_status};
use crate::{
    drive::{Context, Error, Result, Secret},
    services::onedrive::{
        address::Address,
        error::copy_error,
        model::{ConflictBehavior, CopyMonitor, ItemPatch},
    },
    transport::ApiRequest,
};

/// The state of a copy.
#[derive(Debug)]
#[non_exhaustive]
pub enum CopyProgress {
    /// The cloud is still copying.
    Running,
    /// The copy is complete. Contains the id of the new item, if the response had it.
    Completed(Option<String>),
    /// The copy failed or was cancelled.
    Failed(Error),
}

impl Client {
    /// Sends `POST {item}/copy` (onedrive-graph#copy-request), which starts a copy. Returns the URL
    /// for [`copy_progress`](Self::copy_progress).
    ///
    /// `target` has the name and the folder of the copy. Personal drives reject a `behavior`.
    ///
    /// # Errors
    /// `NotFound` if the item or the folder does not exist.
    pub async fn copy(
        &self,
        cx: &Context,
        item: &Address,
        target: &ItemPatch,
        behavior: Option<ConflictBehavior>,
    ) -> Result<Secret> {
        let url = self.url(item, "/copy");
        let request = || {
            let request = ApiRequest::new(Operation::Copy, Method::POST, &*url, "{item}/copy")
                .header(HeaderName::from_static("prefer"), "respond-async")
                .json(target);
            match behavior {
                Some(behavior) => request.query(CONFLICT_BEHAVIOR, behavior.as_str()),
                None => request,
            }
        };
        let response = self.send(cx, &request).await?;
        match response.header(header::LOCATION) {
            Some(monitor) => Ok(monitor.into()),
            None => Err(response
                .failure("cannot follow the copy: the response has no URL for its progress")),
        }
    }

    /// Sends `GET` to the URL from [`copy`](Self::copy) (onedrive-graph#copy-monitor), without a
    /// token, or with one for SharePoint if the host requires it. Returns the state of the copy.
    ///
    /// # Errors
    /// `NotFound` if the cloud does not know the URL any more; `PermissionDenied` with the code
    /// [`SHAREPOINT_TOKEN_REQUIRED`](super::SHAREPOINT_TOKEN_REQUIRED) if the host requires a token
    /// and none can be obtained; `Unexpected` if no valid response arrives. If the copy failed, the
    /// result is [`CopyProgress::Failed`] instead.
    pub async fn copy_progress(&self, cx: &Context, monitor: &Secret) -> Result<CopyProgress> {
        let request = || {
            let operation = Operation::Copy;
            ApiRequest::for_link(operation, Method::GET, monitor, "{copy monitor}", &self.urls)
                .with_limiter(&self.limiter)
                .cost(0)
        };
        let (response, secrets) = self.fetch_direct(cx, monitor, &request).await?;
        // After completion, some hosts redirect to the new item, which responds 401 because the
        // request has no token.
        let is_item = response.status.is_success() || response.status == StatusCode::UNAUTHORIZED;
        if (response.redirected && is_item) || response.status == StatusCode::SEE_OTHER {
            return Ok(CopyProgress::Completed(None));
        }
        let response = check_status(response, &secrets)?;
        if response.body.is_empty() {
            return Ok(CopyProgress::Running);
        }
        let CopyMonitor { status, resource_id, error, error_code } = response.json()?;
        Ok(match status.as_deref() {
            Some("completed") => CopyProgress::Completed(resource_id),
            Some("failed" | "deleteFailed" | "cancelled") => {
                CopyProgress::Failed(copy_error(error, error_code))
            }
            _ => CopyProgress::Running,
        })
    }
}
