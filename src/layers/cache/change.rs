//! What changes things: told to the cache when it begins, and when it ends, fails or is given up.

use std::{mem, sync::Arc};

use opendal::{
    Buffer, BytesRange, Metadata, Result,
    raw::{OpDelete, OpRead, oio},
};

use super::known::{Known, Reach, is_plain};

/// Most paths that a deleter remembers until it is closed; more of them are everything.
const PATHS_MAX: usize = 10_000;

/// What a call changes. Whatever becomes of the call, it may have changed it.
#[derive(Debug)]
pub(super) struct Changing {
    known: Arc<Known>,
    what: Vec<(String, Reach)>,
    /// More than can be named.
    everything: bool,
}

impl Changing {
    pub(super) fn new<const N: usize>(known: &Arc<Known>, paths: [&str; N]) -> Self {
        let what = paths.map(|path| (path.to_owned(), Reach::Tree)).into();
        let changing = Self { known: Arc::clone(known), what, everything: false };
        changing.tell();
        changing
    }

    fn tell(&self) {
        if self.everything || self.what.iter().any(|(path, _)| !is_plain(path)) {
            return self.known.all_changed();
        }
        for (path, reach) in &self.what {
            self.known.changed(path, *reach);
        }
    }

    fn add(&mut self, path: &str, reach: Reach) {
        if self.what.len() < PATHS_MAX {
            self.what.push((path.to_owned(), reach));
        } else {
            self.everything = true;
        }
        if self.everything || !is_plain(path) {
            self.known.all_changed();
        } else {
            self.known.changed(path, reach);
        }
    }

    /// For the length of a call.
    fn during(&self) -> During<'_> {
        self.tell();
        During(self)
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.tell();
    }
}

struct During<'a>(&'a Changing);

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.tell();
    }
}

/// A writer, copier or composer, and what it changes.
#[derive(Debug)]
pub(super) struct Changer<I> {
    inner: I,
    changing: Changing,
}

impl<I> Changer<I> {
    pub(super) fn new(inner: I, changing: Changing) -> Self {
        Self { inner, changing }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Write> oio::Write for Changer<I> {
    async fn write(&mut self, bytes: Buffer) -> Result<()> {
        let _during = self.changing.during();
        self.inner.write(bytes).await
    }

    async fn copy_from(&mut self, path: &str, args: OpRead, range: BytesRange) -> Result<()> {
        let _during = self.changing.during();
        self.inner.copy_from(path, args, range).await
    }

    async fn close(&mut self) -> Result<Metadata> {
        let _during = self.changing.during();
        self.inner.close().await
    }

    async fn abort(&mut self) -> Result<()> {
        let _during = self.changing.during();
        self.inner.abort().await
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Copy> oio::Copy for Changer<I> {
    async fn next(&mut self) -> Result<Option<usize>> {
        let _during = self.changing.during();
        self.inner.next().await
    }

    async fn close(&mut self) -> Result<Metadata> {
        let _during = self.changing.during();
        self.inner.close().await
    }

    async fn abort(&mut self) -> Result<()> {
        let _during = self.changing.during();
        self.inner.abort().await
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Compose> oio::Compose for Changer<I> {
    async fn compose(&mut self, path: &str, args: OpRead) -> Result<()> {
        let _during = self.changing.during();
        self.inner.compose(path, args).await
    }

    async fn close(&mut self) -> Result<Metadata> {
        let _during = self.changing.during();
        self.inner.close().await
    }
}

/// A deleter: what it was given may be gone at once, or when it is closed.
#[derive(Debug)]
pub(super) struct CacheDeleter<I> {
    inner: I,
    changing: Changing,
}

impl<I> CacheDeleter<I> {
    pub(super) fn new(inner: I, known: &Arc<Known>) -> Self {
        Self { inner, changing: Changing::new(known, []) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<I: oio::Delete> oio::Delete for CacheDeleter<I> {
    async fn delete(&mut self, path: &str, args: OpDelete) -> Result<()> {
        let prefix = args.recursive() && !path.ends_with('/');
        let reach = if prefix { Reach::Prefix } else { Reach::Tree };
        self.changing.add(path, reach);
        // What went before may be gone with it, when a batch is full; that is told when the
        // deleter is closed or dropped, before the caller can know.
        let last = Changing {
            known: Arc::clone(&self.changing.known),
            what: vec![(path.to_owned(), reach)],
            everything: self.changing.everything,
        };
        let deleted = self.inner.delete(path, args).await;
        drop(last);
        deleted
    }

    async fn close(&mut self) -> Result<()> {
        let during = self.changing.during();
        let closed = self.inner.close().await;
        drop(during);
        if closed.is_ok() {
            self.changing.everything = false;
            drop(mem::take(&mut self.changing.what));
        }
        closed
    }
}
