//! The unbiased client: one method per request of Live Connect's, decoded answers out.
//!
//! Nothing is repeated, remembered or guessed here, but that a request whose access token is
//! refused (401) is repeated once with a renewed one. Numbers in the methods' documentation are
//! rows of live-connect.md, A.5.

use ::http::{HeaderMap, Method, StatusCode, header};
use opendal::raw::Operation;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    error::{refused, unexplained},
    model::{Collection, Location, Object, Quota, Uploaded, User},
    multipart::Form,
    options::{Listing, Overwrite, Properties, UploadOptions},
};
use crate::{
    adapter::DriveHandle,
    auth::TokenSource,
    drive::{Body, ByteRange, Context, Download, Error, ErrorKind, Result, Secret},
    gate::{Gate, Repeat},
    http::{Call, Incoming, Reply, asking_for, exactly, segment},
    services::options::base_address,
};

/// The root folder's alias; takes an id's place everywhere but as a destination (row 10).
pub const ROOT: &str = "me/skydrive";

/// The storage host, to which large uploads go; `{cid}` stands for the account's id (A.7).
pub const STORAGE_ENDPOINT: &str = "https://cid-{cid}.users.storage.live.com";

/// Live Connect, as one account sees it.
///
/// ```no_run
/// use drivedal::{auth::TokenSource, drive::Context, services::skydrive::{Client, Listing, ROOT}};
///
/// # async fn example(context: &Context) -> drivedal::drive::Result<()> {
/// let client = Client::new("https://apis.live.net/v5.0/", TokenSource::given("EwA…".into()))?;
/// for object in client.files(context, ROOT, &Listing::default()).await?.data {
///     println!("{} {}", object.id, object.name);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    /// Ends with a slash.
    endpoint: String,
    /// Where large uploads go, `{cid}` in it for the account's id; without a slash at its end.
    pub(super) storage: String,
    headers: HeaderMap,
    tokens: TokenSource,
    pub(super) gate: Gate,
}

#[derive(Serialize)]
struct Destination<'a> {
    destination: &'a str,
}

impl Client {
    /// A client of the API at `endpoint`, such as `https://apis.live.net/v5.0/`.
    ///
    /// # Errors
    /// `Invalid` if `endpoint` is no `http` or `https` URL, or has a query.
    pub fn new(endpoint: &str, tokens: TokenSource) -> Result<Self> {
        let endpoint = base_address("the API's endpoint", endpoint)?;
        let storage = STORAGE_ENDPOINT.to_owned();
        Ok(Self { endpoint, storage, headers: HeaderMap::new(), tokens, gate: Gate::new() })
    }

    /// Sends large uploads to another host than [`STORAGE_ENDPOINT`]; `{cid}` in the address stands
    /// for the account's id.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_storage(mut self, endpoint: &str) -> Result<Self> {
        const CID: &str = "0cid0";
        let address = base_address("the storage endpoint", &endpoint.replace("{cid}", CID))?;
        self.storage = address.trim_end_matches('/').replace(CID, "{cid}");
        Ok(self)
    }

    /// The client of a drive that is a SkyDrive; `None`: it is another.
    /// [`DriveHandle::context`] gives what its methods take.
    pub fn of(handle: &DriveHandle) -> Option<&Self> {
        handle.drive().extras()?.downcast_ref()
    }

    /// Gets another access token, whether or not the one at hand still works.
    ///
    /// # Errors
    /// `Denied` if there is nothing to get it from.
    pub async fn renew_token(&self, cx: &Context) -> Result<()> {
        let stale = self.tokens.token(cx).await?;
        self.tokens.renew(cx, &stale).await.map(drop)
    }

    pub(super) fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// Adds headers to every request to the API; not to those to pre-authenticated addresses.
    pub fn with_headers(mut self, mut headers: HeaderMap) -> Self {
        for value in headers.values_mut() {
            // What a proxy or gateway wants to see may be a secret; so nothing prints it.
            value.set_sensitive(true);
        }
        self.headers = headers;
        self
    }

    /// `GET me`: the account's owner.
    ///
    /// # Errors
    /// See [`drive::ErrorKind`](ErrorKind); so do all methods.
    pub async fn me(&self, cx: &Context) -> Result<User> {
        self.ask(cx, || self.call(Operation::Info, Method::GET, "me", "me")).await
    }

    /// Row 19: how much the drive holds.
    pub async fn quota(&self, cx: &Context) -> Result<Quota> {
        let template = "me/skydrive/quota";
        self.ask(cx, || self.call(Operation::Info, Method::GET, template, template)).await
    }

    /// Rows 1 and 2: any object, by id or [`ROOT`].
    pub async fn object(&self, cx: &Context, id: &str) -> Result<Object> {
        self.ask(cx, || self.call(Operation::Stat, Method::GET, &path(id), "{id}")).await
    }

    /// Row 3: what is in a folder.
    pub async fn files(&self, cx: &Context, folder: &str, listing: &Listing) -> Result<Collection> {
        let path = format!("{}/files", path(folder));
        self.ask(cx, || {
            listing.onto(self.call(Operation::List, Method::GET, &path, "{folder}/files"))
        })
        .await
    }

    /// Row 7: makes a folder in a folder.
    pub async fn create_folder(
        &self,
        cx: &Context,
        parent: &str,
        properties: &Properties<'_>,
    ) -> Result<Object> {
        self.ask(cx, || {
            self.call(Operation::CreateDir, Method::POST, &path(parent), "{folder}")
                .json(properties)
        })
        .await
    }

    /// Row 8: changes an object's name or description.
    pub async fn update(
        &self,
        cx: &Context,
        id: &str,
        properties: &Properties<'_>,
    ) -> Result<Object> {
        self.ask(cx, || {
            self.call(Operation::Rename, Method::PUT, &path(id), "{id}").json(properties)
        })
        .await
    }

    /// Row 9: puts an object, with everything below it, into the recycle bin.
    pub async fn delete(&self, cx: &Context, id: &str) -> Result<()> {
        let call = || self.call(Operation::Delete, Method::DELETE, &path(id), "{id}");
        self.send(cx, call).await.map(drop)
    }

    /// Row 10: moves an object into the folder `destination`, which must be named by its id.
    pub async fn move_into(&self, cx: &Context, id: &str, destination: &str) -> Result<Object> {
        self.transfer(cx, Operation::Rename, b"MOVE", id, destination).await
    }

    /// Row 11: copies a file into the folder `destination`, which must be named by its id. The
    /// copy has the same name.
    pub async fn copy_into(&self, cx: &Context, id: &str, destination: &str) -> Result<Object> {
        self.transfer(cx, Operation::Copy, b"COPY", id, destination).await
    }

    async fn transfer(
        &self,
        cx: &Context,
        operation: Operation,
        method: &'static [u8; 4],
        id: &str,
        destination: &str,
    ) -> Result<Object> {
        let method = Method::from_bytes(method)
            .map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        let body = Destination { destination };
        self.ask(cx, || self.call(operation, method.clone(), &path(id), "{id}").json(&body)).await
    }

    /// Row 12: a file's bytes, through the redirect that the cloud answers with.
    pub async fn content(&self, cx: &Context, id: &str, range: &ByteRange) -> Result<Download> {
        let path = format!("{}/content", path(id));
        let (answer, token) = self
            .signed(cx, || {
                let call = self.call(Operation::Read, Method::GET, &path, "{id}/content");
                asking_for(call, range)
            })
            .await?;
        match has_bytes(&answer) {
            true => exactly(range, None, answer),
            false => Err(refused(&answer.read().await?, Some(&token))),
        }
    }

    /// Row 12 with `suppress_redirects`: the pre-authenticated address of a file's bytes.
    pub async fn content_location(&self, cx: &Context, id: &str) -> Result<Secret> {
        let path = format!("{}/content", path(id));
        let answer: Location = self
            .ask(cx, || {
                self.call(Operation::Read, Method::GET, &path, "{id}/content")
                    .query("suppress_redirects", "true")
            })
            .await?;
        Ok(answer.location.into())
    }

    /// Row 13: bytes from a pre-authenticated address. No token is sent there. `size` is the
    /// file's where it is known, for a host that does not tell it.
    pub async fn source(
        &self,
        cx: &Context,
        source: &Secret,
        range: &ByteRange,
        size: Option<u64>,
    ) -> Result<Download> {
        let call = Call::new(Operation::Read, Method::GET, source.expose(), "{source}")
            .of_account(&self.gate);
        let answer = cx.fetch(asking_for(call, range)).await?;
        match has_bytes(&answer) {
            true => exactly(range, size, answer),
            // The host's own words are not repeated: they may have parts of the address.
            false => Err(unexplained(&answer.read().await?)),
        }
    }

    /// Row 14: writes the file `name` in a folder; at most 100 MB (A.6).
    pub async fn put_file(
        &self,
        cx: &Context,
        folder: &str,
        name: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let path = format!("{}/files/{}", path(folder), segment(name));
        self.put(cx, &path, "{folder}/files/{name}", body, options).await
    }

    /// Row 15: replaces a file's content; at most 100 MB (A.6).
    pub async fn put_content(
        &self,
        cx: &Context,
        file: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.put(cx, &format!("{}/content", path(file)), "{id}/content", body, options).await
    }

    async fn put(
        &self,
        cx: &Context,
        path: &str,
        template: &'static str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        self.ask(cx, || {
            let call = self.call(Operation::Write, Method::PUT, path, template);
            // Without a body nobody else would say that there is none.
            let call = match body.is_empty() {
                true => call.header(header::CONTENT_LENGTH, "0"),
                false => call,
            };
            // No Content-Type (A.6).
            // A second one would find the name taken by the first, or make another file.
            let call = match options.overwrite {
                Overwrite::Yes => call,
                Overwrite::No | Overwrite::ChooseNewName => call.repeated(Repeat::IfRefused),
            };
            options.onto(call).body(body.clone())
        })
        .await
    }

    /// Row 16: writes a file by a form, as a browser would; at most 100 MB (A.6). Names that are
    /// not ASCII did not survive this in the cloud; [`put_file`](Self::put_file) keeps them.
    pub async fn post_file(
        &self,
        cx: &Context,
        folder: &str,
        name: &str,
        body: &Body,
        options: &UploadOptions,
    ) -> Result<Uploaded> {
        let path = format!("{}/files", path(folder));
        let form = Form::new(name);
        self.ask(cx, || {
            let call = self.call(Operation::Write, Method::POST, &path, "{folder}/files");
            options.onto(call).header(header::CONTENT_TYPE, &form.content_type).enclosed(
                form.before.clone(),
                body.clone(),
                form.after.clone(),
            )
        })
        .await
    }

    pub(super) fn call(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        template: &'static str,
    ) -> Call {
        Call::new(operation, method, format!("{}{path}", self.endpoint), template)
            .headers(&self.headers)
            .of_account(&self.gate)
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        cx: &Context,
        call: impl Fn() -> Call + Send + Sync,
    ) -> Result<T> {
        self.send(cx, call).await?.json()
    }

    pub(super) async fn send(
        &self,
        cx: &Context,
        call: impl Fn() -> Call + Send + Sync,
    ) -> Result<Reply> {
        let (answer, token) = self.signed(cx, call).await?;
        let reply = answer.read().await?;
        match reply.status.is_success() {
            true => Ok(reply),
            false => Err(refused(&reply, Some(&token))),
        }
    }

    /// Sends a request with an access token, and once more with another if that one is refused.
    pub(super) async fn signed(
        &self,
        cx: &Context,
        call: impl Fn() -> Call + Send + Sync,
    ) -> Result<(Incoming, Secret)> {
        let token = self.tokens.token(cx).await?;
        let answer = cx.fetch(call().bearer(&token)).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.is_renewable() {
            return Ok((answer, token));
        }
        // Read, so that its connection can be used again.
        drop(answer.read().await);
        let token = self.tokens.renew(cx, &token).await?;
        Ok((cx.fetch(call().bearer(&token)).await?, token))
    }
}

/// Whether an answer is one to a request for bytes, of any range.
pub(super) fn has_bytes(answer: &Incoming) -> bool {
    let expected = [StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
    expected.contains(&answer.status)
}

/// An id, or an alias such as [`ROOT`], as part of a URL.
pub(super) fn path(id: &str) -> String {
    let segments: Vec<String> = id.split('/').map(|part| segment(part).to_string()).collect();
    segments.join("/")
}
