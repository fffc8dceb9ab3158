//! Copies that the cloud makes itself.

use std::{sync::Arc, time::Duration};

use opendal::{Metadata, raw::oio};
use tokio::time::{Instant, sleep_until};

use super::{core::Core, error::to_opendal, index::Folder, metadata, path::Path, rename::taken};
use crate::drive::{
    Context, CopyJob, CopyRequest, CopyStatus, Error, ErrorKind, IfExists, Item, ItemId, ItemKind,
    Result,
};

/// The longest time that a copy is waited for. Clouds queue large ones.
const COPY_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// A copy under way. Each call asks the cloud once, so none is long and each can be repeated.
#[derive(Debug)]
pub struct DriveCopier {
    core: Arc<Core>,
    cx: Context,
    from: Result<Path>,
    to: Result<Path>,
    if_exists: IfExists,
    state: State,
}

#[derive(Debug)]
enum State {
    Begin,
    Running {
        job: CopyJob,
        size: u64,
        begun: Instant,
        not_before: Instant,
        folder: Folder,
    },
    /// Done, and the bytes not told yet.
    Copied(Metadata),
    Told(Metadata),
}

impl DriveCopier {
    pub(super) fn new(
        core: Arc<Core>,
        cx: Context,
        from: &str,
        to: &str,
        if_exists: IfExists,
    ) -> Self {
        let (from, to) = (core.path(from), core.path(to));
        Self { core, cx, from, to, if_exists, state: State::Begin }
    }

    async fn begin(&self) -> Result<State> {
        let (core, cx) = (&self.core, &self.cx);
        let from = self.from.as_ref().map_err(Clone::clone)?;
        let to = self.to.as_ref().map_err(Clone::clone)?;
        if from.is_root() || to.is_root() {
            return Err(Error::new(
                ErrorKind::IsAFolder,
                "the root is neither copied nor replaced",
            ));
        }
        if from.names().len() == to.names().len() && to.is_within(from, core.capabilities()) {
            return Err(Error::new(ErrorKind::Conflict, "a file cannot be copied onto itself"));
        }
        // The length is needed at the end, and asking for the copy would be a request more.
        let (source, item) = core.look(cx, from, &Default::default()).await?;
        let item = core.with_size(cx, &source, item).await;
        if item.kind != ItemKind::File {
            return Err(Error::new(ErrorKind::IsAFolder, "only files are copied"));
        }
        let Some(size) = item.size else {
            let text = "the cloud does not say the size of the file, so its copy cannot be checked";
            return Err(Error::new(ErrorKind::Unexpected, text));
        };
        let (target, folder) = core.target(cx, to).await?;
        let asked = Instant::now();
        let copy = || {
            core.drive.copy(
                cx,
                CopyRequest::new(&source.place, &target)
                    .with_known(&item)
                    .with_if_exists(self.if_exists),
            )
        };
        let copying = match copy().await {
            // The file was there just now, so it is the folder that is missing.
            Err(error) if error.kind() == ErrorKind::NotFound && core.capabilities().paths => {
                core.make_parents(cx, to).await?;
                copy().await
            }
            copying => copying,
        };
        match copying {
            Ok(CopyStatus::Running { job, poll_after }) => Ok(State::Running {
                job,
                size,
                begun: asked,
                not_before: asked + poll_after,
                folder,
            }),
            Ok(CopyStatus::Done(copy)) => self.done(copy, size, &folder),
            Err(error) => {
                core.index.doubt(&folder, &core.fold(&target.name));
                Err(taken(error, self.if_exists))
            }
        }
    }

    fn done(&self, copy: Option<Box<Item>>, size: u64, folder: &Folder) -> Result<State> {
        let to = self.to.as_ref().map_err(Clone::clone)?;
        let name = to.split().map_or("", |(_, name)| name);
        let folded = self.core.fold(name);
        let item = match copy {
            Some(item) => *item,
            None => {
                self.core.index.doubt(folder, &folded);
                Item::new(ItemId::from(""), name, ItemKind::File)
            }
        };
        if item.size.is_some_and(|copied| copied != size) {
            return Err(Error::new(
                ErrorKind::Unexpected,
                format!("the copy has {:?} bytes, the file {size}", item.size),
            ));
        }
        let keeps_times = self.core.capabilities().set_modified;
        let shown = metadata::of_written(&item, size, keeps_times);
        if !item.id.as_str().is_empty() {
            self.core.index.made(folder, folded, Arc::new(item));
        }
        Ok(State::Copied(shown))
    }

    async fn step(&mut self) -> Result<Option<usize>> {
        match &self.state {
            State::Begin => self.state = self.begin().await?,
            State::Running { job, size, begun, not_before, folder } => {
                sleep_until(*not_before).await;
                let status = self.core.drive.copy_status(&self.cx, job).await;
                match status.map_err(|error| taken(error, self.if_exists))? {
                    CopyStatus::Running { .. } if begun.elapsed() > COPY_MAX => {
                        return Err(never_done());
                    }
                    CopyStatus::Running { job, poll_after } => {
                        let not_before = Instant::now() + poll_after.max(Duration::from_millis(50));
                        let (size, begun, folder) = (*size, *begun, folder.clone());
                        self.state = State::Running { job, size, begun, not_before, folder };
                    }
                    CopyStatus::Done(item) => self.state = self.done(item, *size, folder)?,
                }
            }
            State::Copied(metadata) => {
                let bytes = usize::try_from(metadata.content_length()).unwrap_or(usize::MAX);
                self.state = State::Told(metadata.clone());
                return Ok(Some(bytes));
            }
            State::Told(_) => return Ok(None),
        }
        // Under way: nothing is copied as far as OpenDAL can count it.
        Ok(Some(0))
    }
}

fn never_done() -> Error {
    let hours = COPY_MAX.as_secs() / 3600;
    let text =
        format!("cannot wait for the copy any longer: it is not complete after {hours} hours");
    Error::new(ErrorKind::Unexpected, text)
}

impl oio::Copy for DriveCopier {
    async fn next(&mut self) -> opendal::Result<Option<usize>> {
        self.step().await.map_err(to_opendal)
    }

    async fn close(&mut self) -> opendal::Result<Metadata> {
        loop {
            if let State::Told(metadata) = &self.state {
                return Ok(metadata.clone());
            }
            self.next().await?;
        }
    }

    /// A cloud that has begun a copy ends it; there is no request to stop it.
    async fn abort(&mut self) -> opendal::Result<()> {
        Ok(())
    }
}
