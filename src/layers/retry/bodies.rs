//! Readers, writers and the like whose calls are made again. A body that fails with a temporary
//! error keeps what it needs for the same call: that is OpenDAL's contract.

use std::sync::Arc;

use opendal::{
    Buffer, BytesRange, Error, ErrorKind, Metadata, OperationContext, Result,
    options::ReaderOptions,
    raw::{OpDelete, OpRead, RpRead, Service, Servicer, oio},
};

use super::{
    Core,
    tries::{Tries, until_it_works},
    watch::Watch,
};

/// A body, and the requests that were in vain for it.
pub(super) struct Body<T> {
    inner: T,
    core: Core,
    watch: Watch,
}

impl<T> Body<T> {
    pub(super) fn new(inner: T, core: Core, watch: Watch) -> Self {
        Self { inner, core, watch }
    }

    fn tries(&self, what: &'static str) -> Tries {
        Tries::new(&self.core, &self.watch, what)
    }
}

/// Reads; a stream that breaks off goes on where it was.
pub(super) struct Reader(pub(super) Arc<Reading>);

/// A file that is read.
pub(super) struct Reading {
    pub(super) body: Body<oio::Reader>,
    pub(super) service: Servicer,
    pub(super) context: OperationContext,
    pub(super) path: String,
    pub(super) args: OpRead,
}

impl Reading {
    fn tries(&self) -> Tries {
        self.body.tries("read")
    }

    /// Whether the service can be asked for the rest of one version only.
    fn can_insist(&self) -> bool {
        let args = &self.args;
        Service::capability(&self.service).read_with_if_match
            && args.version().is_none()
            && args.if_match().is_none()
            && args.if_none_match().is_none()
            && args.if_modified_since().is_none()
            && args.if_unmodified_since().is_none()
    }

    /// The rest, of the same version where the service can be asked for that.
    async fn rest(
        &self,
        range: BytesRange,
        version: &Version,
    ) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let Some(etag) = version.etag.as_ref().filter(|_| self.can_insist()) else {
            return oio::Read::open(&self.body.inner, range).await;
        };
        let options = ReaderOptions { if_match: Some(etag.clone()), ..Default::default() };
        let (args, _) = options.into();
        let reader = Service::read(&self.service, &self.context, &self.path, args)?;
        oio::Read::open(&reader, range).await
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Read for Reader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (reply, stream) =
            until_it_works!(self.0.tries(), oio::Read::open(&self.0.body.inner, range))?;
        let file = Version::of(&reply);
        let stream =
            Stream { reader: Arc::clone(&self.0), stream: Some(stream), range, given: 0, file };
        Ok((reply, Box::new(stream)))
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        until_it_works!(self.0.tries(), oio::Read::read(&self.0.body.inner, range))
    }
}

/// What a file was when its reading began.
struct Version {
    etag: Option<String>,
    len: Option<u64>,
}

impl Version {
    fn of(reply: &RpRead) -> Self {
        let metadata = reply.metadata();
        Self {
            etag: metadata.and_then(|metadata| metadata.etag()).map(str::to_owned),
            len: metadata.map(Metadata::content_length),
        }
    }
}

impl Version {
    /// Whether the rest is of the same version. A service may tell the etag at one time and not at
    /// another; where there was none it cannot be missed, and where it was asked for it was there.
    fn is_of(&self, rest: &Self, asked: bool) -> bool {
        let same = match (&self.etag, &rest.etag) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (Some(_), None) => asked,
            (None, _) => true,
        };
        same && self.len == rest.len
    }
}

struct Stream {
    reader: Arc<Reading>,
    /// `None`: it broke off.
    stream: Option<Box<dyn oio::ReadStreamDyn>>,
    range: BytesRange,
    given: u64,
    file: Version,
}

impl Stream {
    async fn next(&mut self) -> Result<Buffer> {
        if self.stream.is_none() {
            if self.is_all() {
                return Ok(Buffer::new());
            }
            let mut rest = self.range;
            rest.advance(self.given);
            let (reply, stream) = self.reader.rest(rest, &self.file).await?;
            let asked = self.reader.can_insist();
            if !self.file.is_of(&Version::of(&reply), asked) {
                return Err(Error::new(
                    ErrorKind::ConditionNotMatch,
                    format!("the file changed while it was read, after {} bytes", self.given),
                ));
            }
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return Ok(Buffer::new()) };
        match stream.read_dyn().await {
            Ok(bytes) => {
                self.given += bytes.len() as u64;
                Ok(bytes)
            }
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    /// Whether it broke off at its end.
    fn is_all(&self) -> bool {
        match (self.range, self.file.len) {
            (BytesRange::Range { size: Some(size), .. } | BytesRange::Suffix { size }, _)
                if self.given >= size =>
            {
                true
            }
            (BytesRange::Range { offset, .. }, Some(len)) => offset + self.given >= len,
            _ => false,
        }
    }
}

impl oio::ReadStream for Stream {
    async fn read(&mut self) -> Result<Buffer> {
        until_it_works!(self.reader.tries(), self.next())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Write for Body<oio::Writer> {
    async fn write(&mut self, bytes: Buffer) -> Result<()> {
        until_it_works!(self.tries("write"), self.inner.write(bytes.clone()))
    }

    async fn copy_from(&mut self, path: &str, args: OpRead, range: BytesRange) -> Result<()> {
        until_it_works!(self.tries("write"), self.inner.copy_from(path, args.clone(), range))
    }

    async fn close(&mut self) -> Result<Metadata> {
        until_it_works!(self.tries("write"), self.inner.close())
    }

    async fn abort(&mut self) -> Result<()> {
        until_it_works!(self.tries("write"), self.inner.abort())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::List for Body<oio::Lister> {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        until_it_works!(self.tries("list"), self.inner.next())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Delete for Body<oio::Deleter> {
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        until_it_works!(self.tries("delete"), self.inner.delete(path, args.clone()))
    }

    async fn close(&mut self) -> Result<()> {
        until_it_works!(self.tries("delete"), self.inner.close())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Copy for Body<oio::Copier> {
    async fn next(&mut self) -> Result<Option<usize>> {
        until_it_works!(self.tries("copy"), self.inner.next())
    }

    async fn close(&mut self) -> Result<Metadata> {
        until_it_works!(self.tries("copy"), self.inner.close())
    }

    async fn abort(&mut self) -> Result<()> {
        until_it_works!(self.tries("copy"), self.inner.abort())
    }
}

#[deny(clippy::missing_trait_methods)]
impl oio::Compose for Body<oio::Composer> {
    async fn compose(&mut self, path: &str, args: OpRead) -> Result<()> {
        until_it_works!(self.tries("compose"), self.inner.compose(path, args.clone()))
    }

    async fn close(&mut self) -> Result<Metadata> {
        until_it_works!(self.tries("compose"), self.inner.close())
    }
}
