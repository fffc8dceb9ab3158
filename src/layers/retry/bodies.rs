//! Readers, writers and other bodies whose calls are retried. By OpenDAL's contract, a body that
//! returns a temporary error can be called again with the same arguments.

use std::sync::Arc;

use opendal::{
    Buffer, BytesRange, Error, ErrorKind, Metadata, OperationContext, Result,
    options::ReaderOptions,
    raw::{OpDelete, OpRead, RpRead, Service, Servicer, oio},
};

use super::{
    RetryShared,
    failed_requests::FailedRequests,
    state::{RetryState, retry},
};

/// A body, and its requests whose attempts are exhausted.
pub(super) struct RetryBody<T> {
    inner: T,
    shared: RetryShared,
    failed_requests: FailedRequests,
}

impl<T> RetryBody<T> {
    /// Wraps a body. `failed_requests` records the requests that its context sends.
    pub(super) fn new(inner: T, shared: RetryShared, failed_requests: FailedRequests) -> Self {
        Self { inner, shared, failed_requests }
    }

    /// Returns the state for a new call. `call` is its name in events.
    fn new_state(&self, call: &'static str) -> RetryState {
        RetryState::new(&self.shared, &self.failed_requests, call)
    }
}

/// Reader whose streams resume after an interruption.
pub(super) struct RetryReader(pub(super) Arc<ReadContext>);

/// Everything that is needed to open a file again.
pub(super) struct ReadContext {
    pub(super) body: RetryBody<oio::Reader>,
    pub(super) service: Servicer,
    pub(super) context: OperationContext,
    pub(super) path: String,
    pub(super) args: OpRead,
}

impl ReadContext {
    /// Returns the state for a new read call.
    fn new_state(&self) -> RetryState {
        self.body.new_state("read")
    }

    /// Returns whether a read can be restricted to one version of the file with `if_match`.
    fn can_pin_version(&self) -> bool {
        let args = &self.args;
        Service::capability(&self.service).read_with_if_match
            && args.version().is_none()
            && args.if_match().is_none()
            && args.if_none_match().is_none()
            && args.if_modified_since().is_none()
            && args.if_unmodified_since().is_none()
    }

    /// Opens the remaining bytes `range` of the file, restricted to `version` if the service
    /// supports it. Sends one request, without retries.
    ///
    /// # Errors
    /// Those of the service, such as `ConditionNotMatch` if the file has another version now.
    async fn rest(
        &self,
        range: BytesRange,
        version: &ReadVersion,
    ) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let Some(etag) = version.etag.as_ref().filter(|_| self.can_pin_version()) else {
            return oio::Read::open(&self.body.inner, range).await;
        };
        let options = ReaderOptions { if_match: Some(etag.clone()), ..Default::default() };
        let (args, _) = options.into();
        let reader = Service::read(&self.service, &self.context, &self.path, args)?;
        oio::Read::open(&reader, range).await
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Read for RetryReader {
    /// Opens a range, with retries. The returned stream resumes after an interruption.
    ///
    /// # Errors
    /// The service's error, if it is permanent or the attempts are exhausted.
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (reply, stream) =
            retry!(self.0.new_state(), oio::Read::open(&self.0.body.inner, range))?;
        let file = ReadVersion::from_reply(&reply);
        let stream = ResumingStream {
            reader: Arc::clone(&self.0),
            stream: Some(stream),
            range,
            delivered: 0,
            file,
        };
        Ok((reply, Box::new(stream)))
    }

    /// Reads a whole range, with retries.
    ///
    /// # Errors
    /// The service's error, if it is permanent or the attempts are exhausted.
    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        retry!(self.0.new_state(), oio::Read::read(&self.0.body.inner, range))
    }
}

/// Etag and length of the file when the read started. `None` if the service did not report them.
struct ReadVersion {
    etag: Option<String>,
    len: Option<u64>,
}

impl ReadVersion {
    /// Returns the version that the response to a read reports.
    fn from_reply(reply: &RpRead) -> Self {
        let metadata = reply.metadata();
        Self {
            etag: metadata.and_then(|metadata| metadata.etag()).map(str::to_owned),
            len: metadata.map(Metadata::content_length),
        }
    }

    /// Returns whether `rest` is of the same version. The lengths must be equal. If `self` has no
    /// etag, the etags are not compared. Services report etags inconsistently: a missing etag in
    /// `rest` is accepted only if the request was restricted to the version (`pinned`).
    fn matches(&self, rest: &Self, pinned: bool) -> bool {
        let same = match (&self.etag, &rest.etag) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (Some(_), None) => pinned,
            (None, _) => true,
        };
        same && self.len == rest.len
    }
}

/// Stream of a file. After an interruption, the next read resumes at the first missing byte.
struct ResumingStream {
    reader: Arc<ReadContext>,
    /// `None` after an interruption.
    stream: Option<Box<dyn oio::ReadStreamDyn>>,
    range: BytesRange,
    /// Number of bytes that were returned.
    delivered: u64,
    file: ReadVersion,
}

impl ResumingStream {
    /// Returns the next bytes, or an empty buffer at the end. Opens the rest of the range if the
    /// stream was interrupted. Does not retry.
    ///
    /// # Errors
    /// `ConditionNotMatch` if the file has changed since the interruption; those of the service.
    async fn next(&mut self) -> Result<Buffer> {
        if self.stream.is_none() {
            if self.is_complete() {
                return Ok(Buffer::new());
            }
            let mut rest = self.range;
            rest.advance(self.delivered);
            let (reply, stream) = self.reader.rest(rest, &self.file).await?;
            let pinned = self.reader.can_pin_version();
            if !self.file.matches(&ReadVersion::from_reply(&reply), pinned) {
                return Err(Error::new(
                    ErrorKind::ConditionNotMatch,
                    format!(
                        "cannot resume the read after {} bytes: the file has changed",
                        self.delivered
                    ),
                ));
            }
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return Ok(Buffer::new()) };
        match stream.read_dyn().await {
            Ok(bytes) => {
                self.delivered += bytes.len() as u64;
                Ok(bytes)
            }
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    /// Returns whether all bytes were delivered before the interruption.
    fn is_complete(&self) -> bool {
        match (self.range, self.file.len) {
            (BytesRange::Range { size: Some(size), .. } | BytesRange::Suffix { size }, _)
                if self.delivered >= size =>
            {
                true
            }
            (BytesRange::Range { offset, .. }, Some(len)) => offset + self.delivered >= len,
            _ => false,
        }
    }
}

impl oio::ReadStream for ResumingStream {
    /// Returns the next bytes, with retries.
    ///
    /// # Errors
    /// Those of [`next`](Self::next), if they are permanent or the attempts are exhausted.
    async fn read(&mut self) -> Result<Buffer> {
        retry!(self.reader.new_state(), self.next())
    }
}

/// Each call is repeated with the same arguments after a temporary error. The last error is
/// returned: it is permanent, or the attempts are exhausted.
#[deny(clippy::missing_trait_methods)]
impl oio::Write for RetryBody<oio::Writer> {
    /// Writes the bytes, with retries.
    ///
    /// # Errors
    /// The writer's error, if it is permanent or the attempts are exhausted.
    async fn write(&mut self, bytes: Buffer) -> Result<()> {
        retry!(self.new_state("write"), self.inner.write(bytes.clone()))
    }

    /// Copies from another file, with retries.
    ///
    /// # Errors
    /// The writer's error, if it is permanent or the attempts are exhausted.
    async fn copy_from(&mut self, path: &str, args: OpRead, range: BytesRange) -> Result<()> {
        retry!(self.new_state("write"), self.inner.copy_from(path, args.clone(), range))
    }

    /// Completes the file, with retries.
    ///
    /// # Errors
    /// The writer's error, if it is permanent or the attempts are exhausted.
    async fn close(&mut self) -> Result<Metadata> {
        retry!(self.new_state("write"), self.inner.close())
    }

    /// Aborts the write, with retries.
    ///
    /// # Errors
    /// The writer's error, if it is permanent or the attempts are exhausted.
    async fn abort(&mut self) -> Result<()> {
        retry!(self.new_state("write"), self.inner.abort())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::List for RetryBody<oio::Lister> {
    /// Returns the next entry, with retries; `None` at the end.
    ///
    /// # Errors
    /// The lister's error, if it is permanent or the attempts are exhausted.
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        retry!(self.new_state("list"), self.inner.next())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Delete for RetryBody<oio::Deleter> {
    /// Adds a path, with retries. The deleter may execute a batch.
    ///
    /// # Errors
    /// The deleter's error, if it is permanent or the attempts are exhausted.
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        retry!(self.new_state("delete"), self.inner.delete(path, args.clone()))
    }

    /// Executes the remaining batch, with retries.
    ///
    /// # Errors
    /// The deleter's error, if it is permanent or the attempts are exhausted.
    async fn close(&mut self) -> Result<()> {
        retry!(self.new_state("delete"), self.inner.close())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Copy for RetryBody<oio::Copier> {
    /// Continues the copy, with retries. Returns the number of bytes copied; `None` at the end.
    ///
    /// # Errors
    /// The copier's error, if it is permanent or the attempts are exhausted.
    async fn next(&mut self) -> Result<Option<usize>> {
        retry!(self.new_state("copy"), self.inner.next())
    }

    /// Completes the copy, with retries.
    ///
    /// # Errors
    /// The copier's error, if it is permanent or the attempts are exhausted.
    async fn close(&mut self) -> Result<Metadata> {
        retry!(self.new_state("copy"), self.inner.close())
    }

    /// Aborts the copy, with retries.
    ///
    /// # Errors
    /// The copier's error, if it is permanent or the attempts are exhausted.
    async fn abort(&mut self) -> Result<()> {
        retry!(self.new_state("copy"), self.inner.abort())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Compose for RetryBody<oio::Composer> {
    /// Appends a file, with retries.
    ///
    /// # Errors
    /// The composer's error, if it is permanent or the attempts are exhausted.
    async fn compose(&mut self, path: &str, args: OpRead) -> Result<()> {
        retry!(self.new_state("compose"), self.inner.compose(path, args.clone()))
    }

    /// Completes the file, with retries.
    ///
    /// # Errors
    /// The composer's error, if it is permanent or the attempts are exhausted.
    async fn close(&mut self) -> Result<Metadata> {
        retry!(self.new_state("compose"), self.inner.close())
    }
}
