//! Minimal cloud in memory. It counts requests, and can delay responses or be unreachable.

use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use opendal::{
    Buffer, BytesRange, Capability, Error, ErrorKind, Metadata, MetadataBuilder, OperationContext,
    Operator, Result,
    raw::{
        OpCompose, OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename, OpRestore,
        OpStat, OpWrite, RpCreateDir, RpPresign, RpRead, RpRename, RpRestore, RpStat, Service,
        ServiceInfo, oio,
    },
};
use tokio::sync::Semaphore;

/// How the cloud reports the version of the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtagSupport {
    /// The response to a read has the etag.
    InReads,
    /// The response to a read has no etag, but `if_match` is supported.
    IfMatch,
    /// Only `stat` returns an etag.
    StatOnly,
    /// There are no etags.
    None,
}

/// Kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    Stat,
    Read,
    List,
    Change,
}

#[derive(Clone)]
pub struct Cloud(Arc<Inner>);

pub struct Inner {
    etags: EtagSupport,
    files: Mutex<BTreeMap<String, (u64, Bytes)>>,
    version: AtomicU64,
    requests: Mutex<Vec<RequestKind>>,
    away: AtomicBool,
    /// Reads and `stat`s wait here with their response until a permit is added.
    gate: Semaphore,
    gated: AtomicBool,
    /// Number of responses that wait.
    pub waiting: tokio::sync::watch::Sender<usize>,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cloud")
    }
}

impl Cloud {
    pub fn new(etags: EtagSupport) -> Self {
        Self(Arc::new(Inner {
            etags,
            files: Mutex::default(),
            version: AtomicU64::new(0),
            requests: Mutex::default(),
            away: AtomicBool::new(false),
            gate: Semaphore::new(0),
            gated: AtomicBool::new(false),
            waiting: tokio::sync::watch::Sender::new(0),
        }))
    }

    /// Returns a client of this cloud.
    pub fn client(&self) -> Operator {
        Operator::from_parts(OperationContext::new(), Arc::new(self.clone()))
    }

    /// Returns the requests since the last call.
    pub fn requests(&self) -> Vec<RequestKind> {
        mem::take(&mut self.0.requests.lock().unwrap())
    }

    pub fn set_away(&self, away: bool) {
        self.0.away.store(away, Ordering::Relaxed);
    }

    /// Delays responses from now on.
    pub fn hold(&self) {
        self.0.gated.store(true, Ordering::Relaxed);
    }

    /// Waits until this many responses are delayed.
    pub async fn wait_for_held(&self, answers: usize) {
        self.0.waiting.subscribe().wait_for(|waiting| *waiting >= answers).await.unwrap();
    }

    pub fn let_through(&self) {
        self.0.gated.store(false, Ordering::Relaxed);
        self.0.gate.add_permits(1000);
    }

    /// Returns the current files.
    pub fn snapshot(&self) -> BTreeMap<String, Bytes> {
        let files = self.files();
        files.iter().map(|(path, (_, bytes))| (path.clone(), bytes.clone())).collect()
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, (u64, Bytes)>> {
        self.0.files.lock().unwrap()
    }

    fn record(&self, kind: RequestKind) -> Result<()> {
        self.0.requests.lock().unwrap().push(kind);
        if self.0.away.load(Ordering::Relaxed) {
            return Err(
                Error::new(ErrorKind::Unexpected, "the cloud is unreachable").set_temporary()
            );
        }
        Ok(())
    }

    async fn gate(&self) {
        if self.0.gated.load(Ordering::Relaxed) {
            self.0.waiting.send_modify(|waiting| *waiting += 1);
            self.0.gate.acquire().await.unwrap().forget();
        }
    }

    fn metadata(&self, version: u64, bytes: &Bytes) -> Metadata {
        let mut metadata = MetadataBuilder::file(bytes.len() as u64);
        if self.0.etags != EtagSupport::None {
            metadata.etag(format!("\"{version}\""));
        }
        metadata.build()
    }

    fn look(&self, path: &str) -> Result<(Metadata, Bytes)> {
        let files = self.files();
        if let Some((version, bytes)) = files.get(path) {
            return Ok((self.metadata(*version, bytes), bytes.clone()));
        }
        if path.ends_with('/') && (path == "/" || files.keys().any(|key| key.starts_with(path))) {
            return Ok((MetadataBuilder::dir().build(), Bytes::new()));
        }
        Err(Error::new(ErrorKind::NotFound, "there is nothing"))
    }

    fn put(&self, path: &str, bytes: Bytes) -> Metadata {
        let version = self.0.version.fetch_add(1, Ordering::Relaxed) + 1;
        let metadata = self.metadata(version, &bytes);
        self.files().insert(path.to_owned(), (version, bytes));
        metadata
    }
}

fn unsupported<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "this cloud cannot do that"))
}

#[deny(clippy::missing_trait_methods)]
impl Service for Cloud {
    type Reader = CloudReader;
    type Writer = CloudWriter;
    type Lister = CloudLister;
    type Deleter = CloudDeleter;
    type Copier = CloudCopier;
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::new("cloud", "/", "tests")
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            stat_with_if_none_match: self.0.etags == EtagSupport::InReads,
            read: true,
            read_with_suffix: true,
            read_with_if_match: self.0.etags == EtagSupport::IfMatch,
            write: true,
            write_can_multi: true,
            write_can_empty: true,
            delete: true,
            delete_with_recursive: true,
            copy: true,
            rename: true,
            list: true,
            list_with_recursive: true,
            ..Capability::default()
        }
    }

    async fn create_dir(
        &self,
        _: &OperationContext,
        _: &str,
        _: OpCreateDir,
    ) -> Result<RpCreateDir> {
        unsupported()
    }

    async fn stat(&self, _: &OperationContext, path: &str, args: OpStat) -> Result<RpStat> {
        self.record(RequestKind::Stat)?;
        let looked = self.look(path);
        self.gate().await;
        let (metadata, _) = looked?;
        if args.if_none_match().is_some() && args.if_none_match() == metadata.etag() {
            return Err(Error::new(ErrorKind::ConditionNotMatch, "304"));
        }
        Ok(RpStat::new(metadata))
    }

    fn read(&self, _: &OperationContext, path: &str, args: OpRead) -> Result<CloudReader> {
        Ok(CloudReader {
            cloud: self.clone(),
            path: path.to_owned(),
            if_match: args.if_match().map(str::to_owned),
        })
    }

    fn write(&self, _: &OperationContext, path: &str, _: OpWrite) -> Result<CloudWriter> {
        Ok(CloudWriter { cloud: self.clone(), path: path.to_owned(), bytes: Vec::new() })
    }

    fn delete(&self, _: &OperationContext) -> Result<CloudDeleter> {
        Ok(CloudDeleter(self.clone()))
    }

    fn list(&self, _: &OperationContext, path: &str, args: OpList) -> Result<CloudLister> {
        Ok(CloudLister {
            cloud: self.clone(),
            path: if path == "/" { String::new() } else { path.to_owned() },
            recursive: args.recursive(),
            entries: None,
        })
    }

    fn copy(&self, _: &OperationContext, from: &str, to: &str, _: OpCopy) -> Result<CloudCopier> {
        Ok(CloudCopier { cloud: self.clone(), from: from.to_owned(), to: to.to_owned() })
    }

    fn compose(&self, _: &OperationContext, _: &str, _: OpCompose) -> Result<()> {
        unsupported()
    }

    async fn rename(
        &self,
        _: &OperationContext,
        from: &str,
        to: &str,
        _: OpRename,
    ) -> Result<RpRename> {
        self.record(RequestKind::Change)?;
        let moved = self.files().remove(from);
        match moved {
            Some((_, bytes)) => drop(self.put(to, bytes)),
            None => return Err(Error::new(ErrorKind::NotFound, "there is nothing")),
        }
        Ok(RpRename::default())
    }

    async fn restore(&self, _: &OperationContext, _: &str, _: OpRestore) -> Result<RpRestore> {
        unsupported()
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        unsupported()
    }
}

pub struct CloudReader {
    cloud: Cloud,
    path: String,
    if_match: Option<String>,
}

impl oio::Read for CloudReader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (reply, bytes) = self.read(range).await?;
        Ok((reply, Box::new(bytes)))
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        self.cloud.record(RequestKind::Read)?;
        let looked = self.cloud.look(&self.path);
        self.cloud.gate().await;
        let (metadata, bytes) = looked?;
        if self.if_match.is_some() && self.if_match.as_deref() != metadata.etag() {
            return Err(Error::new(ErrorKind::ConditionNotMatch, "412"));
        }
        let length = bytes.len() as u64;
        let span = match range {
            BytesRange::Suffix { size } => length.saturating_sub(size)..length,
            BytesRange::Range { offset, size } => {
                offset..size.map_or(length.max(offset), |size| offset.saturating_add(size))
            }
        };
        if span.start > length || span.end > length {
            return Err(Error::new(ErrorKind::RangeNotSatisfied, "416"));
        }
        let reply = match self.cloud.0.etags {
            EtagSupport::InReads => RpRead::new(metadata),
            _ => RpRead::default(),
        };
        Ok((reply, bytes.slice(span.start as usize..span.end as usize).into()))
    }
}

pub struct CloudWriter {
    cloud: Cloud,
    path: String,
    bytes: Vec<u8>,
}

impl oio::Write for CloudWriter {
    async fn write(&mut self, bytes: Buffer) -> Result<()> {
        self.bytes.extend(bytes.to_vec());
        Ok(())
    }

    async fn close(&mut self) -> Result<Metadata> {
        self.cloud.record(RequestKind::Change)?;
        Ok(self.cloud.put(&self.path, mem::take(&mut self.bytes).into()))
    }

    async fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

pub struct CloudLister {
    cloud: Cloud,
    path: String,
    recursive: bool,
    entries: Option<std::vec::IntoIter<oio::Entry>>,
}

impl CloudLister {
    fn entries(&self) -> Vec<oio::Entry> {
        let mut entries = BTreeMap::new();
        for (key, (version, bytes)) in &*self.cloud.files() {
            let Some(rest) = key.strip_prefix(&self.path) else { continue };
            for (at, _) in rest.match_indices('/') {
                let folder = &key[..self.path.len() + at + 1];
                let entry = oio::Entry::new(folder, MetadataBuilder::dir().build());
                entries.insert(folder.to_owned(), entry);
                if !self.recursive {
                    break;
                }
            }
            if self.recursive || !rest.contains('/') {
                let metadata = self.cloud.metadata(*version, bytes);
                entries.insert(key.clone(), oio::Entry::new(key, metadata));
            }
        }
        entries.into_values().collect()
    }
}

impl oio::List for CloudLister {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        if self.entries.is_none() {
            self.cloud.record(RequestKind::List)?;
            let entries = self.entries();
            self.cloud.gate().await;
            self.entries = Some(entries.into_iter());
        }
        Ok(self.entries.as_mut().and_then(Iterator::next))
    }
}

pub struct CloudDeleter(Cloud);

impl oio::Delete for CloudDeleter {
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        self.0.record(RequestKind::Change)?;
        let tree = format!("{}/", path.trim_end_matches('/'));
        self.0
            .files()
            .retain(|key, _| key != path && !(args.recursive() && key.starts_with(&tree)));
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

pub struct CloudCopier {
    cloud: Cloud,
    from: String,
    to: String,
}

impl oio::Copy for CloudCopier {
    async fn next(&mut self) -> Result<Option<usize>> {
        Ok(None)
    }

    async fn close(&mut self) -> Result<Metadata> {
        self.cloud.record(RequestKind::Change)?;
        let (_, bytes) = self.cloud.look(&self.from)?;
        Ok(self.cloud.put(&self.to, bytes))
    }

    async fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}
