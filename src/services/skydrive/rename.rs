//! Renaming and moving, made of requests that each do less.
//!
//! `MOVE` takes no name and `PUT` no folder, and neither ever replaces
//! (live-connect#move-copy-no-overwrite). With *S* the item, *O* the file that has the new name and
//! is to be replaced, the requests are, in this order:
//!
//! | S changes | free name | replacing O |
//! |---|---|---|
//! | its name | PUT S | PUT O aside, PUT S, DELETE O |
//! | its folder | MOVE S | PUT O aside, MOVE S, DELETE O |
//! | both | MOVE S, PUT S | MOVE S, PUT O aside, PUT S, DELETE O |
//!
//! *Aside* is a temporary name, `drivedal-….` and the file's extension, in the same folder. Where
//! both change, S is in the new folder under its old name for a moment; if that is taken there, it
//! goes by a temporary name: PUT S, MOVE S, (PUT O aside,) PUT S.
//!
//! **None of this is atomic** but the ones of one request. For the time of one request, between
//! O's leaving and S's coming, nobody has the new name. Nothing is deleted before S is in its place:
//! a request that fails has the ones before it taken back, in reverse; one whose answer was lost is
//! followed by a look at the item, and counts as done if it was. If taking back fails too, the
//! error says what may be called how. All of it runs in a task of its own, so that a caller who
//! gives up does not leave it half done; a process that dies in the middle leaves O under its
//! temporary name.

use super::{
    drive::{LiveDrive, id_of},
    item::{is_folder_id, item, known_id},
    model::Object,
    names,
    options::Properties,
};
use crate::drive::{
    Conditions, Context, Drive, Error, ErrorKind, IfExists, Item, ItemId, ItemRef, ItemUpdate,
    Result, Retry,
};

/// What is to become of an item.
#[derive(Clone)]
pub(super) struct Move {
    pub(super) id: ItemId,
    pub(super) from: ItemId,
    pub(super) to: ItemId,
    pub(super) old_name: String,
    pub(super) new_name: String,
    /// The file to be replaced.
    pub(super) occupant: Option<ItemId>,
}

/// One request of a sequence; it can be taken back.
#[derive(Clone)]
pub(super) enum Step {
    Name { id: ItemId, old: String, new: String },
    Folder { id: ItemId, old: ItemId, new: ItemId },
}

/// A step that failed.
struct NotTaken {
    error: Error,
    /// It has had no effect; otherwise nobody knows.
    surely: bool,
}

/// A sequence that ended early, and was taken back.
struct Failed {
    at: usize,
    error: Error,
}

/// Changes an item's name or folder.
///
/// # Errors
/// `Conflict` for the root and for a folder into itself, `Exists`, `Unsupported` for a time.
pub(super) async fn change(
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
            return Err(Error::new(ErrorKind::AlreadyExists, "the name is taken")
                .with_existing(occupant.clone()));
        }
        (_, IfExists::Rename) => {
            return Err(Error::unsupported("moving to a name that the cloud chooses"));
        }
        _ => {}
    }
    let wanted = Move {
        id: id.clone(),
        from: parent,
        to: folder,
        old_name: known.name.clone(),
        new_name: change.name.clone().unwrap_or_else(|| known.name.clone()),
        occupant,
    };
    perform(drive, cx, known, wanted).await
}

async fn perform(drive: &LiveDrive, cx: &Context, known: Item, wanted: Move) -> Result<Item> {
    if wanted.from == wanted.to && wanted.old_name == wanted.new_name {
        return Ok(known);
    }
    let (drive, lent) = (drive.clone(), cx.clone());
    cx.spawn_and_wait(async move {
        let mut outcome = run(&drive, &lent, wanted.steps(false), wanted.occupant.as_ref()).await;
        let in_the_way =
            matches!(&outcome, Err(Failed { at: 0, error }) if error.kind() == ErrorKind::AlreadyExists);
        if in_the_way && wanted.from != wanted.to && wanted.old_name != wanted.new_name {
            outcome = run(&drive, &lent, wanted.steps(true), wanted.occupant.as_ref()).await;
        }
        let object = outcome.map_err(|failed| failed.error)?;
        Ok(Item { parents: vec![wanted.to], ..item(object) })
    })
    .await
}

impl Move {
    fn steps(&self, detour: bool) -> Vec<Step> {
        let name = |old: &str, new: &str| Step::Name {
            id: self.id.clone(),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        let folder =
            Step::Folder { id: self.id.clone(), old: self.from.clone(), new: self.to.clone() };
        let aside = self.occupant.iter().map(|occupant| aside(occupant, &self.new_name));
        let (old, new) = (&*self.old_name, &*self.new_name);
        match (self.from != self.to, old != new) {
            (false, _) => aside.chain([name(old, new)]).collect(),
            (true, false) => aside.chain([folder]).collect(),
            (true, true) if detour => {
                let between = names::temporary(old);
                let bring = [name(old, &between), folder];
                bring.into_iter().chain(aside).chain([name(&between, new)]).collect()
            }
            (true, true) => [folder].into_iter().chain(aside).chain([name(old, new)]).collect(),
        }
    }
}

/// Makes room: gives the file that is to be replaced a name that nobody has.
pub(super) fn aside(occupant: &ItemId, name: &str) -> Step {
    Step::Name { id: occupant.clone(), old: name.to_owned(), new: names::temporary(name) }
}

/// Takes the steps and removes the file that was put aside by one of them. All or nothing.
pub(super) async fn replace(
    drive: &LiveDrive,
    cx: &Context,
    steps: Vec<Step>,
    occupant: Option<&ItemId>,
) -> Result<Object> {
    run(drive, cx, steps, occupant).await.map_err(|failed| failed.error)
}

async fn run(
    drive: &LiveDrive,
    cx: &Context,
    steps: Vec<Step>,
    occupant: Option<&ItemId>,
) -> Result<Object, Failed> {
    if occupant.is_some_and(is_folder_id) {
        let error = Error::new(ErrorKind::IsAFolder, "a folder has the name: it is not replaced");
        return Err(Failed { at: 0, error });
    }
    let mut done: Vec<Step> = Vec::with_capacity(steps.len());
    let (mut aside, mut last) = (occupant, None);
    for (at, step) in steps.into_iter().enumerate() {
        match step.take_surely(drive, cx).await {
            Ok(object) => {
                if Some(step.id()) != occupant {
                    last = Some(object);
                }
                done.push(step);
            }
            // Somebody else has removed it: the name is free.
            Err(NotTaken { error, .. })
                if error.kind() == ErrorKind::NotFound && Some(step.id()) == occupant =>
            {
                aside = None;
            }
            Err(NotTaken { error, surely }) => {
                if !surely && !done.is_empty() {
                    done.push(step);
                }
                return Err(Failed { at, error: taken_back(drive, cx, done, error).await });
            }
        }
    }
    if let Some(occupant) = aside
        && let Err(error) = remove(drive, cx, occupant, &mut done).await
    {
        let at = done.len();
        return Err(Failed { at, error: taken_back(drive, cx, done, error).await });
    }
    last.ok_or_else(|| Failed {
        at: 0,
        error: Error::new(ErrorKind::Unexpected, "a move that moves nothing"),
    })
}

/// Removes what was replaced. `done` is emptied when what was done must stand.
async fn remove(
    drive: &LiveDrive,
    cx: &Context,
    occupant: &ItemId,
    done: &mut Vec<Step>,
) -> Result<()> {
    let error = match drive.client.delete(cx, occupant.as_str()).await {
        Err(error) if error.kind() != ErrorKind::NotFound => error,
        _ => return Ok(()),
    };
    if !is_unsure(&error) {
        return Err(error);
    }
    match drive.client.object(cx, occupant.as_str()).await {
        Ok(_) => Err(error),
        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(()),
        Err(_) => {
            done.clear();
            let text = format!(
                "the item is moved, but the file that it replaced may still be there: {occupant}, \
                 under a name that begins with drivedal-"
            );
            Err(error.with_note(&text).with_kind(ErrorKind::Unexpected).with_retry(Retry::No))
        }
    }
}

/// Whether a request that failed may have done its work all the same.
pub(super) fn is_unsure(error: &Error) -> bool {
    !matches!(error.status(), Some(400..=407 | 409..=499))
}

/// Takes steps back, the last first. The error that is to be told: the one that was the cause, or
/// where that fails too, one that says what is where.
async fn taken_back(drive: &LiveDrive, cx: &Context, done: Vec<Step>, cause: Error) -> Error {
    let mut left = Vec::new();
    for step in done.into_iter().rev() {
        if let Err(error) = step.clone().back().take(drive, cx).await {
            left.push(format!("{} ({error})", step.result()));
        }
    }
    if left.is_empty() {
        return cause;
    }
    cause
        .with_note(&format!("this may stay as it is: {}", left.join(", ")))
        .with_kind(ErrorKind::Unexpected)
        // A repetition would find neither where they were.
        .with_retry(Retry::No)
}

impl Step {
    fn id(&self) -> &ItemId {
        match self {
            Self::Name { id, .. } | Self::Folder { id, .. } => id,
        }
    }

    async fn take(&self, drive: &LiveDrive, cx: &Context) -> Result<Object> {
        match self {
            Self::Name { id, new, .. } => {
                let properties = Properties { name: Some(new), ..Properties::default() };
                drive.client.update(cx, id.as_str(), &properties).await
            }
            Self::Folder { id, new, .. } => {
                let folder = drive.real_id(cx, new).await?;
                drive.client.move_into(cx, id.as_str(), &folder).await
            }
        }
    }

    fn back(self) -> Self {
        match self {
            Self::Name { id, old, new } => Self::Name { id, old: new, new: old },
            Self::Folder { id, old, new } => Self::Folder { id, old: new, new: old },
        }
    }

    /// Takes the step; where the answer was lost, looks what has become of it.
    async fn take_surely(&self, drive: &LiveDrive, cx: &Context) -> Result<Object, NotTaken> {
        let error = match self.take(drive, cx).await {
            Ok(object) => return Ok(object),
            Err(error) if is_unsure(&error) => error,
            Err(error) => return Err(NotTaken { error, surely: true }),
        };
        match drive.client.object(cx, self.id().as_str()).await {
            Ok(object) if self.has_led_to(&object) => Ok(object),
            Ok(_) => Err(NotTaken { error, surely: true }),
            Err(_) => Err(NotTaken { error, surely: false }),
        }
    }

    fn has_led_to(&self, object: &Object) -> bool {
        match self {
            Self::Name { new, .. } => object.name == *new,
            Self::Folder { new, .. } => {
                object.parent_id.as_ref().is_some_and(|id| known_id(id) == *new)
            }
        }
    }

    /// What it led to, for a person.
    fn result(&self) -> String {
        match self {
            Self::Name { id, old, new } => format!("{id} is called {new:?}, not {old:?}"),
            Self::Folder { id, old, new } => format!("{id} is in {new}, not in {old}"),
        }
    }
}
