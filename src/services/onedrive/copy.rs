//! Copies within the cloud (onedrive-graph#copy).
//!
//! The cloud works on a copy while it is asked how it is doing. Personal drives do not know how to
//! replace a file by a copy. There the copy is made beside, under a name that nobody has, and then
//! renamed onto the file: what was there stays until the new file takes its place. If the process
//! ends between the two, the copy stays under that name (`drivedal-….tmp`).

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    AccountKind,
    address::{Address, Side},
    client::CopyProgress,
    conflict,
    drive::{GraphDrive, behavior},
    item,
    model::{ConflictBehavior, ItemPatch},
    rename,
};
use crate::drive::{
    Context, CopyJob, CopyStatus, Error, ErrorKind, IfExists, Item, ItemKind, ItemRef, Result,
    Secret, Target,
};

/// Between the first two looks at a copy; doubled each time (onedrive-graph#copy-poll-backoff).
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest time between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What must be known to go on, kept in [`CopyJob::state`].
#[derive(Clone, Deserialize, Serialize)]
struct State {
    from: At,
    folder: At,
    name: String,
    if_exists: Taken,
    /// The name that a copy to replace something is made under first.
    temporary: String,
    /// It is being made under that name.
    beside: bool,
    asked: u32,
}

/// A place, to be written down.
#[derive(Clone, Deserialize, Serialize)]
struct At {
    item: String,
    path: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
enum Taken {
    Replace,
    Fail,
    Rename,
}

pub(super) async fn begin(
    drive: &GraphDrive,
    cx: &Context,
    from: &ItemRef,
    to: &Target,
    if_exists: IfExists,
) -> Result<CopyStatus> {
    let personal = drive.kind.is_some_and(AccountKind::is_personal);
    let state = State {
        from: At::of(from),
        folder: At::of(&to.folder),
        name: to.name.clone(),
        if_exists: match if_exists {
            IfExists::Replace => Taken::Replace,
            IfExists::Fail => Taken::Fail,
            IfExists::Rename => Taken::Rename,
        },
        temporary: format!("drivedal-{:016x}.tmp", RandomState::new().hash_one(&to.name)),
        // Known to be there, and not to be replaced directly.
        beside: personal && to.occupant.is_some() && if_exists == IfExists::Replace,
        asked: 0,
    };
    state.start(drive, cx).await
}

pub(super) async fn status(drive: &GraphDrive, cx: &Context, job: &CopyJob) -> Result<CopyStatus> {
    let mut state: State = serde_json::from_str(&job.state).map_err(|_| {
        Error::new(ErrorKind::InvalidInput, "the copy is not one that this service has begun")
    })?;
    match drive.client.monitor(cx, &job.url).await? {
        CopyProgress::Running => {
            state.asked += 1;
            Ok(state.running(job.url.clone()))
        }
        CopyProgress::Completed(id) if state.beside => state.put_in_place(drive, cx, id).await,
        CopyProgress::Completed(_) => Ok(CopyStatus::Done(None)),
        CopyProgress::Failed(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        // Asked for twice: the first answer was lost, but the copy is there.
        CopyProgress::Failed(_) if state.beside => state.put_in_place(drive, cx, None).await,
        CopyProgress::Failed(error) if state.if_exists == Taken::Replace => {
            state.make_beside(drive, cx, error).await
        }
        CopyProgress::Failed(error) => Err(error),
    }
}

impl State {
    /// Asks for the copy.
    async fn start(&self, drive: &GraphDrive, cx: &Context) -> Result<CopyStatus> {
        let from = drive.at(cx, &self.from.place(), Side::Contents).await?;
        let folder = rename::reference(drive, cx, &self.folder.place(), &from.drive).await?;
        let name = if self.beside { &self.temporary } else { &self.name };
        let patch = ItemPatch {
            name: Some(name.clone()),
            parent_reference: Some(folder),
            file_system_info: None,
        };
        // Fail is what all kinds of drives do without being told; personal ones know nothing else.
        let behavior = match (self.beside, self.if_exists) {
            (false, Taken::Replace) => Some(ConflictBehavior::Replace),
            (false, Taken::Rename) => Some(ConflictBehavior::Rename),
            (true, _) | (_, Taken::Fail) => Some(ConflictBehavior::Fail),
        };
        let personal = drive.kind.is_some_and(AccountKind::is_personal);
        let behavior = behavior.filter(|_| !personal);
        match drive.client.copy(cx, &from, &patch, behavior).await {
            Ok(monitor) => Ok(self.running(monitor)),
            // Some drives tell a taken name at once.
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists
                    && self.if_exists == Taken::Replace
                    && !self.beside =>
            {
                Box::pin(self.make_beside(drive, cx, error)).await
            }
            Err(error) => {
                let folder = drive.at(cx, &self.folder.place(), Side::Contents).await?;
                Err(conflict::in_the_way(drive, cx, folder, error).await)
            }
        }
    }

    /// The name is taken: by a file, which the copy is to replace, or by something else.
    async fn make_beside(
        &self,
        drive: &GraphDrive,
        cx: &Context,
        error: Error,
    ) -> Result<CopyStatus> {
        let at = drive.at(cx, &self.folder.place(), Side::Contents).await?.below(&self.name);
        match conflict::kind(drive, cx, &at).await {
            Ok(kind @ (ItemKind::Folder | ItemKind::Opaque)) => {
                Err(conflict::taken_by(kind, error))
            }
            Ok(ItemKind::File) | Err(_) => {
                let beside = Self { beside: true, asked: 0, ..self.clone() };
                beside.start(drive, cx).await
            }
        }
    }

    fn running(&self, monitor: Secret) -> CopyStatus {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.asked.min(10));
        let state = serde_json::to_string(self).expect("text and numbers are always JSON");
        CopyStatus::Running {
            job: CopyJob { url: monitor, state },
            poll_after: doubled.min(LONGEST_PAUSE),
        }
    }

    /// Renames the copy that was made beside onto the name that it is to have.
    async fn put_in_place(
        &self,
        drive: &GraphDrive,
        cx: &Context,
        id: Option<String>,
    ) -> Result<CopyStatus> {
        let folder = drive.at(cx, &self.folder.place(), Side::Contents).await?;
        let at = match id {
            Some(id) => Address::id(folder.drive, &id),
            None => folder.below(&self.temporary),
        };
        let patch = ItemPatch { name: Some(self.name.clone()), ..ItemPatch::default() };
        let placed = drive.client.update(cx, &at, &patch, behavior(IfExists::Replace)).await;
        if placed.as_ref().is_err_and(|error| !error.is_temporary()) {
            // Nobody will ask for it again. What becomes of it is not what the caller has to know.
            let _ = drive.client.delete(cx, &at).await;
        }
        let wire = placed?;
        let item: Item = item::item(wire, drive.drive_of(cx, &at).await?)?;
        Ok(CopyStatus::Done(Some(Box::new(item))))
    }
}

impl At {
    fn of(place: &ItemRef) -> Self {
        let (item, path) = match place {
            ItemRef::Item { id, .. } => (id, ""),
            ItemRef::Path { base, path } => (base, &**path),
        };
        Self { item: item.to_string(), path: path.to_owned() }
    }

    fn place(&self) -> ItemRef {
        ItemRef::Path { base: self.item.as_str().into(), path: self.path.as_str().into() }
    }
}
