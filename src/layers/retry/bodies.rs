//! Readers, writers and the like whose calls are made again. A body that fails with a temporary
//! error keeps what it needs for the same call: that is OpenDAL's contract.

use std::sync::Arc;

use opendal::{
    Buffer, BytesRange, Error, ErrorKind, Metadata, Result,
    raw::{OpDelete, OpRead, RpRead, oio},
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
pub(super) struct Reader(pub(super) Arc<Body<oio::Reader>>);

#[deny(clippy::missing_trait_methods)]
impl oio::Read for Reader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (reply, stream) =
            until_it_works!(self.0.tries("read"), oio::Read::open(&self.0.inner, range))?;
        let file = Version::of(&reply);
        let stream =
            Stream { reader: Arc::clone(&self.0), stream: Some(stream), range, given: 0, file };
        Ok((reply, Box::new(stream)))
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        until_it_works!(self.0.tries("read"), oio::Read::read(&self.0.inner, range))
    }
}

/// What a file was when its reading began.
#[derive(PartialEq, Eq)]
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

struct Stream {
    reader: Arc<Body<oio::Reader>>,
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
            let (reply, stream) = oio::Read::open(&self.reader.inner, rest).await?;
            if Version::of(&reply) != self.file {
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
        until_it_works!(self.reader.tries("read"), self.next())
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
