//! Renames and moves, as sequences of simpler requests.
//!
//! `PUT` changes a name, `MOVE` changes a folder, and neither replaces an object
//! (live-connect#move-copy-no-overwrite). With *S* for the item and *O* for the file with the new
//! name, which is replaced, the drive sends these requests:
//!
//! | S changes | the name is free | O is replaced |
//! |---|---|---|
//! | its name | PUT S | PUT O aside, PUT S, DELETE O |
//! | its folder | MOVE S | PUT O aside, MOVE S, DELETE O |
//! | both | MOVE S, PUT S | MOVE S, PUT O aside, PUT S, DELETE O |
//!
//! *Aside* is a temporary name in the same folder: `drivedal-…` with the file's extension. If both
//! change, S is in the new folder under its old name for a moment. If that name is in use there, S
//! receives a temporary name first: PUT S, MOVE S, (PUT O aside,) PUT S.
//!
//! **A sequence of several requests is not atomic.** Between two of them no item has the new name.
//! O is deleted only after S has the name. If a request fails, the preceding ones are reverted, the
//! last one first. If a response is lost, the drive requests the item to learn whether the request
//! succeeded. If a reversal fails, the error contains the names that remain. The sequence runs in
//! its own task, so that a dropped future does not interrupt it. If the process dies, O may remain
//! under its temporary name.

use super::{
    item::{from_object_in, id_of, is_folder_id, normalize_id},
    model::Object,
    names,
    options::ObjectProperties,
    state::LiveDrive,
};
use crate::drive::{
    Conditions, Context, Drive, Error, ErrorKind, IfExists, Item, ItemId, ItemRef, ItemUpdate,
    Result, Retry,
};

/// A change of an item's name or folder, or of both.
#[derive(Clone)]
struct MoveRequest {
    /// The item.
    id: ItemId,
    old_folder: ItemId,
    new_folder: ItemId,
    old_name: String,
    new_name: String,
    /// The file that is replaced.
    occupant: Option<ItemId>,
}

/// One request of a sequence, which can be reverted.
#[derive(Clone)]
pub(super) enum MoveStep {
    /// Changes an item's name.
    Name { id: ItemId, old: String, new: String },
    /// Changes an item's folder.
    Folder { id: ItemId, old: ItemId, new: ItemId },
}

/// A step that failed.
struct StepError {
    error: Error,
    /// Whether the step certainly had no effect.
    had_no_effect: bool,
}

/// A sequence that failed and was reverted.
struct SequenceError {
    /// Index of the step that failed.
    step: usize,
    error: Error,
}

/// Changes the name of an item, its folder, or both. `known` is the item, if the caller has it.
///
/// # Errors
/// * `NotFound` if the item or the new folder does not exist.
/// * `Conflict` for the root and for a move of a folder into itself.
/// * `AlreadyExists` if the name is in use, and must not be replaced or the caller does not know
///   the occupant; `IsAFolder` if the occupant is a folder.
/// * `Unsupported` for a modification time, a name that the cloud chooses, and a reference by path.
/// * `Unexpected` if the sequence failed and could not be reverted.
/// * [Request errors](crate::drive::Error#request-errors), among them `InvalidInput` for a folder
///   that the cloud does not move below itself.
pub(super) async fn update(
    drive: &LiveDrive,
    cx: &Context,
    at: &ItemRef,
    known: Option<&Item>,
    change: &ItemUpdate,
) -> Result<Item> {
    if change.modified.is_some() {
        return Err(Error::unsupported("setting a modification time"));
    }
    let id = id_of(at)?;
    let known = match known {
        Some(item) if !item.parents.is_empty() => item.clone(),
        _ => drive.item(cx, at, &Conditions::default()).await?,
    };
    let Some(parent) = known.parents.first().cloned() else {
        return Err(Error::new(ErrorKind::Conflict, "the root cannot be moved or renamed"));
    };
    let folder = match &change.folder {
        Some(folder) => id_of(folder)?.clone(),
        None => parent.clone(),
    };
    if folder == *id {
        return Err(Error::new(ErrorKind::Conflict, "a folder cannot be moved into itself"));
    }
    let occupant = change.occupant.clone().filter(|occupant| occupant != id);
    match (&occupant, change.if_exists) {
        (Some(occupant), IfExists::Fail) => {
            return Err(Error::new(ErrorKind::AlreadyExists, "the name is in use")
                .with_existing(occupant.clone()));
        }
        (_, IfExists::Rename) => {
            return Err(Error::unsupported("a new name for an item whose name is in use"));
        }
        _ => {}
    }
    let request = MoveRequest {
        id: id.clone(),
        old_folder: parent,
        new_folder: folder,
        old_name: known.name.clone(),
        new_name: change.name.clone().unwrap_or_else(|| known.name.clone()),
        occupant,
    };
    move_item(drive, cx, known, request).await
}

/// Runs the sequence of the request in its own task, and returns the moved item. `known` is the
/// item before.
///
/// # Errors
/// Those of [`update`].
async fn move_item(
    drive: &LiveDrive,
    cx: &Context,
    known: Item,
    request: MoveRequest,
) -> Result<Item> {
    if !request.changes_folder() && !request.changes_name() {
        return Ok(known);
    }
    let (drive, context) = (drive.clone(), cx.clone());
    cx.spawn_and_wait(async move {
        let occupant = request.occupant.as_ref();
        let mut outcome = run(&drive, &context, request.steps(false), occupant).await;
        let is_old_name_in_use = matches!(
            &outcome,
            Err(SequenceError { step: 0, error }) if error.kind() == ErrorKind::AlreadyExists
        );
        if is_old_name_in_use && request.changes_folder() && request.changes_name() {
            outcome = run(&drive, &context, request.steps(true), occupant).await;
        }
        let object = outcome.map_err(|failed| failed.error)?;
        Ok(from_object_in(request.new_folder, object))
    })
    .await
}

impl MoveRequest {
    /// Returns whether the item moves to another folder.
    fn changes_folder(&self) -> bool {
        self.old_folder != self.new_folder
    }

    /// Returns whether the item gets another name.
    fn changes_name(&self) -> bool {
        self.old_name != self.new_name
    }

    /// Returns the steps. With `by_temporary_name` the item does not enter the new folder under its
    /// old name.
    fn steps(&self, by_temporary_name: bool) -> Vec<MoveStep> {
        let name = |old: &str, new: &str| MoveStep::Name {
            id: self.id.clone(),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        let folder = MoveStep::Folder {
            id: self.id.clone(),
            old: self.old_folder.clone(),
            new: self.new_folder.clone(),
        };
        let aside = self.occupant.iter().map(|occupant| MoveStep::aside(occupant, &self.new_name));
        let (old, new) = (&*self.old_name, &*self.new_name);
        match (self.changes_folder(), self.changes_name()) {
            (false, _) => aside.chain([name(old, new)]).collect(),
            (true, false) => aside.chain([folder]).collect(),
            (true, true) if by_temporary_name => {
                let temporary = names::temporary(old);
                let first = [name(old, &temporary), folder];
                first.into_iter().chain(aside).chain([name(&temporary, new)]).collect()
            }
            (true, true) => [folder].into_iter().chain(aside).chain([name(old, new)]).collect(),
        }
    }
}

/// Runs the steps and then deletes `occupant`, which one of them has moved aside. Returns the
/// object of the last step for another item. If it fails, the steps are reverted.
///
/// # Errors
/// `IsAFolder` if the occupant is a folder; `AlreadyExists` if another item has a new name;
/// `NotFound` if the item or a folder does not exist; `Unexpected` if the steps could not be
/// reverted, or without a step for another item; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn replace(
    drive: &LiveDrive,
    cx: &Context,
    steps: Vec<MoveStep>,
    occupant: Option<&ItemId>,
) -> Result<Object> {
    run(drive, cx, steps, occupant).await.map_err(|failed| failed.error)
}

/// Runs the steps and then deletes `occupant`, like [`replace`].
///
/// # Errors
/// The error of the sequence, after the steps were reverted, with the step that failed.
async fn run(
    drive: &LiveDrive,
    cx: &Context,
    steps: Vec<MoveStep>,
    occupant: Option<&ItemId>,
) -> Result<Object, SequenceError> {
    if occupant.is_some_and(is_folder_id) {
        let error = Error::new(ErrorKind::IsAFolder, "a folder has the name");
        return Err(SequenceError { step: 0, error });
    }
    let mut done: Vec<MoveStep> = Vec::with_capacity(steps.len());
    let (mut aside, mut last) = (occupant, None);
    for (number, step) in steps.into_iter().enumerate() {
        match step.send_and_verify(drive, cx).await {
            Ok(object) => {
                if Some(step.id()) != occupant {
                    last = Some(object);
                }
                done.push(step);
            }
            // Another client has deleted the occupant: the name is free.
            Err(StepError { error, .. })
                if error.kind() == ErrorKind::NotFound && Some(step.id()) == occupant =>
            {
                aside = None;
            }
            Err(StepError { error, had_no_effect }) => {
                if !had_no_effect && !done.is_empty() {
                    done.push(step);
                }
                let error = revert(drive, cx, done, error).await;
                return Err(SequenceError { step: number, error });
            }
        }
    }
    if let Some(occupant) = aside
        && let Err(error) = delete_occupant(drive, cx, occupant, &mut done).await
    {
        let step = done.len();
        return Err(SequenceError { step, error: revert(drive, cx, done, error).await });
    }
    last.ok_or_else(|| SequenceError {
        step: 0,
        error: Error::new(ErrorKind::Unexpected, "the sequence has no step for the item"),
    })
}

/// Deletes the replaced file. If it is unknown whether the request succeeded, `done` is emptied:
/// the steps must not be reverted.
///
/// # Errors
/// `Unexpected` if it is unknown whether the file still exists; [request
/// errors](crate::drive::Error#request-errors). A missing file is no error.
async fn delete_occupant(
    drive: &LiveDrive,
    cx: &Context,
    occupant: &ItemId,
    done: &mut Vec<MoveStep>,
) -> Result<()> {
    let error = match drive.client.delete(cx, occupant.as_str()).await {
        Err(error) if error.kind() != ErrorKind::NotFound => error,
        _ => return Ok(()),
    };
    if !may_have_succeeded(&error) {
        return Err(error);
    }
    match drive.client.object(cx, occupant.as_str()).await {
        Ok(_) => Err(error),
        Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(()),
        Err(_) => {
            done.clear();
            let text = format!(
                "the item has moved, but the replaced file {occupant} may still exist, under a \
                 name that begins with drivedal-"
            );
            Err(error.with_note(&text).with_kind(ErrorKind::Unexpected).with_retry(Retry::No))
        }
    }
}

/// Returns whether the cloud may have executed a request although it failed for the client: `false`
/// for a status from 400 to 499 except 408, `true` for any other status and without one.
pub(super) fn may_have_succeeded(error: &Error) -> bool {
    !matches!(error.status(), Some(400..=407 | 409..=499))
}

/// Reverts steps, the last one first, and returns the error of the sequence: `cause`, or an
/// `Unexpected` error with the remaining changes if a reversal fails.
async fn revert(drive: &LiveDrive, cx: &Context, done: Vec<MoveStep>, cause: Error) -> Error {
    let mut remaining = Vec::new();
    for step in done.into_iter().rev() {
        if let Err(error) = step.clone().reversed().send(drive, cx).await {
            remaining.push(format!("{} ({error})", step.result()));
        }
    }
    if remaining.is_empty() {
        return cause;
    }
    cause
        .with_note(&format!("some changes could not be reverted: {}", remaining.join(", ")))
        .with_kind(ErrorKind::Unexpected)
        // A retry would begin with other names.
        .with_retry(Retry::No)
}

impl MoveStep {
    /// Returns the step that gives the file `occupant`, which is named `name`, a temporary name.
    pub(super) fn aside(occupant: &ItemId, name: &str) -> Self {
        Self::Name { id: occupant.clone(), old: name.to_owned(), new: names::temporary(name) }
    }

    /// Returns the id of the item that the step changes.
    fn id(&self) -> &ItemId {
        match self {
            Self::Name { id, .. } | Self::Folder { id, .. } => id,
        }
    }

    /// Sends the request of the step, and returns the changed object.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use, `NotFound` if the item or the new folder does not
    /// exist; [request errors](crate::drive::Error#request-errors).
    async fn send(&self, drive: &LiveDrive, cx: &Context) -> Result<Object> {
        match self {
            Self::Name { id, new, .. } => {
                drive.client.update(cx, id.as_str(), &ObjectProperties::with_name(new)).await
            }
            Self::Folder { id, new, .. } => {
                let folder = drive.real_id(cx, new).await?;
                drive.client.move_into(cx, id.as_str(), &folder).await
            }
        }
    }

    /// Returns the step that reverts this one.
    fn reversed(self) -> Self {
        match self {
            Self::Name { id, old, new } => Self::Name { id, old: new, new: old },
            Self::Folder { id, old, new } => Self::Folder { id, old: new, new: old },
        }
    }

    /// Sends the request. If it is unknown whether it succeeded, requests the item to learn it.
    ///
    /// # Errors
    /// The error of [`send`](Self::send), and whether the step certainly had no effect: the cloud
    /// rejected it, or the item still has its old name and folder.
    async fn send_and_verify(&self, drive: &LiveDrive, cx: &Context) -> Result<Object, StepError> {
        let error = match self.send(drive, cx).await {
            Ok(object) => return Ok(object),
            Err(error) if may_have_succeeded(&error) => error,
            Err(error) => return Err(StepError { error, had_no_effect: true }),
        };
        match drive.client.object(cx, self.id().as_str()).await {
            Ok(object) if self.is_done(&object) => Ok(object),
            Ok(_) => Err(StepError { error, had_no_effect: true }),
            Err(_) => Err(StepError { error, had_no_effect: false }),
        }
    }

    /// Returns whether the object has the new name (exactly, with its letter case) or folder.
    /// `false` for a folder if the response does not contain the parent.
    fn is_done(&self, object: &Object) -> bool {
        match self {
            Self::Name { new, .. } => object.name == *new,
            Self::Folder { new, .. } => {
                object.parent_id.as_ref().is_some_and(|id| normalize_id(id) == *new)
            }
        }
    }

    /// Describes the result of the step, for an error.
    fn result(&self) -> String {
        match self {
            Self::Name { id, old, new } => format!("{id} is named {new:?} instead of {old:?}"),
            Self::Folder { id, old, new } => format!("{id} is in {new} instead of {old}"),
        }
    }
}
