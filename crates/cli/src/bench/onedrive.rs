//! OpenDAL's own OneDrive service as a backend.
//!
//! The service has fixed hosts. If the remote has another endpoint, such as that of a drive server, the
//! requests are sent to its host.

use std::fmt;

use drivedal::adapter::DriveHandle;
use http::{Request, Response, Uri};
use opendal::{
    Buffer, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator,
    services::Onedrive,
};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::{Addressing, Location},
    skydrive::failed,
};

/// The hosts that OpenDAL's service sends requests to.
const HOSTS: [&str; 2] = ["graph.microsoft.com", "login.microsoftonline.com"];

/// Options of drives that OpenDAL's service cannot open: it knows only the account's own drive.
const OTHER_DRIVES: [&str; 7] =
    ["cloud", "drive_id", "group", "library", "site", "special", "user"];

/// Opens a OneDrive remote with OpenDAL's own service. Returns the operator, and the path of the
/// location. The access token is that of the remote's sign-in.
///
/// # Errors
/// `Usage` if no remote has the name, or the remote has an option that OpenDAL's service lacks;
/// `Unsupported` if it is not a OneDrive; the failure of the sign-in.
pub(super) async fn open(app: &App, at: &Location) -> Result<(Operator, String)> {
    let about = |failure: Failure| failure.doing("open").about(at);
    let resolved = app.resolve(at, Addressing::Path, Workload::Interactive).await?;
    let remote = &resolved.remote;
    if remote.scheme() != "onedrive" {
        let failure = Failure::wrong_service(remote.scheme());
        return Err(about(failure.hint("opendal+ is for onedrive remotes")));
    }
    let source = app.options(&at.remote).await.map_err(about)?;
    let options = source.options().map_err(|error| about(error.into()))?;
    if let Some(option) = OTHER_DRIVES.into_iter().find(|key| options.contains_key(*key)) {
        let reason = format!("OpenDAL's service does not support the option `{option}`");
        return Err(about(Failure::new(Exit::Usage, reason)));
    }
    let tokens = source.token_source().map_err(|error| about(error.into()))?;
    let tokens = tokens.ok_or_else(|| about(Failure::wrong_service(remote.scheme())))?;
    let token = tokens.token(&DriveHandle::context(&remote.operator)).await;
    let token = token.map_err(|error| failed(error, at))?;

    let service = Onedrive::default().access_token(token.expose());
    let service = match options.get("root") {
        Some(root) => service.root(root),
        None => service,
    };
    let operator = Operator::new(service).map_err(|error| about(error.into()))?;
    let transport = app.transport(&at.remote).await.map_err(about)?;
    let transport = match options.get("endpoint") {
        Some(endpoint) => {
            let server: Uri = endpoint
                .parse()
                .map_err(|error| about(Failure::usage(format!("invalid endpoint: {error}"))))?;
            HttpTransporter::new(RedirectedHosts { server, inner: transport })
        }
        None => transport,
    };
    let operator = operator.with_context(OperationContext::new().with_http_transport(transport));
    let name = format!("opendal+{at}");
    Ok((app.layered_operator(operator, &name), resolved.path.as_str().to_owned()))
}

/// A transport that sends the requests for Microsoft's hosts to another server.
#[derive(Clone)]
struct RedirectedHosts {
    /// A URL of the server. Only its scheme and authority matter.
    server: Uri,
    inner: HttpTransporter,
}

impl fmt::Debug for RedirectedHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedirectedHosts").field("server", &self.server).finish_non_exhaustive()
    }
}

impl HttpTransport for RedirectedHosts {
    /// Sends a request for one of Microsoft's hosts to the server, and any other one unchanged.
    ///
    /// # Errors
    /// Those of the inner transport; `Unexpected` if the URL cannot have the server's host.
    async fn fetch(&self, mut request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        if request.uri().host().is_some_and(|host| HOSTS.contains(&host)) {
            let mut parts = request.uri().clone().into_parts();
            parts.scheme = self.server.scheme().cloned();
            parts.authority = self.server.authority().cloned();
            *request.uri_mut() = Uri::from_parts(parts).map_err(|error| {
                let message = "cannot send the request to the endpoint";
                opendal::Error::new(opendal::ErrorKind::Unexpected, message).set_source(error)
            })?;
        }
        self.inner.fetch(request).await
    }
}
