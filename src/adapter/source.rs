//! Where the bytes of a file in fragments come from.

use std::{collections::VecDeque, fs::File, sync::Arc, time::SystemTime};

use opendal::Buffer;

use super::{
    spool,
    upload::{Stop, Upload, next},
};
use crate::drive::{Body, Error, ErrorKind, Result};

/// Bytes that leave in fragments.
pub(super) enum Source {
    /// As a caller gives them: what has arrived is not held any longer.
    Held(Held),
    /// All of them, to be read as often as it takes. A file of the user's may change meanwhile.
    Body { body: Body, stamp: Option<Stamp> },
}

/// By what a change of a file is noticed.
pub(super) struct Stamp {
    file: Arc<File>,
    len: u64,
    modified: SystemTime,
}

impl Stamp {
    /// A file as it is now.
    pub(super) fn of(file: &Arc<File>) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { file: Arc::clone(file), len: metadata.len(), modified: metadata.modified()? })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn modified(&self) -> SystemTime {
        self.modified
    }

    fn check(&self) -> Result<()> {
        match Self::of(&self.file) {
            Ok(now) if (now.len, now.modified) == (self.len, self.modified) => Ok(()),
            _ => {
                Err(Error::new(ErrorKind::Invalid, "the file was changed while it was being sent"))
            }
        }
    }
}

impl Source {
    /// Bytes that were collected.
    pub(super) fn of(body: Body) -> Self {
        Self::Body { body, stamp: None }
    }

    /// Waits until the fragment from `at` on can be cut: so many bytes or, if it is the last of
    /// `total`, until the caller has said that there are no more.
    pub(super) async fn fill(
        &mut self,
        upload: &Upload,
        at: u64,
        size: u64,
        total: u64,
    ) -> Result<(), Stop> {
        let (Self::Held(held), Some(link)) = (self, &upload.link) else { return Ok(()) };
        let until = at.saturating_add(size);
        while !held.ended && (held.end() < until || until >= total) {
            match next(link).await? {
                Some(bytes) => held.push(bytes),
                None => held.ended = true,
            }
        }
        match held.ended {
            true => Ok(upload.check_announced(held.end())?),
            false => Ok(()),
        }
    }

    /// At most `size` bytes from `at` on.
    pub(super) async fn bytes(&self, at: u64, size: u64) -> Result<Buffer> {
        match self {
            Self::Held(held) => held.slice(at, size),
            Self::Body { body, stamp } => {
                let len = size.min(body.len().saturating_sub(at));
                let bytes = spool::slice(body, at, len).await?;
                if let (Some(stamp), true) = (stamp, at + len == body.len()) {
                    stamp.check()?;
                }
                Ok(bytes)
            }
        }
    }

    /// The cloud has all bytes before `at`.
    pub(super) fn arrived(&mut self, at: u64) {
        if let Self::Held(held) = self {
            held.forget_before(at);
        }
    }

    /// Whether all bytes can be read at any time.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Body { .. })
    }

    /// Whether bytes from there on can still be given.
    pub(super) fn reaches(&self, at: u64) -> bool {
        match self {
            Self::Held(held) => at >= held.from,
            Self::Body { .. } => true,
        }
    }
}

/// Bytes on their way, until the cloud has them.
#[derive(Default)]
pub(super) struct Held {
    pieces: VecDeque<Buffer>,
    /// Where the first piece is in the file.
    from: u64,
    len: u64,
    /// The caller has said that there are no more.
    ended: bool,
}

impl Held {
    fn end(&self) -> u64 {
        self.from + self.len
    }

    fn push(&mut self, bytes: Buffer) {
        self.len += bytes.len() as u64;
        self.pieces.push_back(bytes);
    }

    fn slice(&self, at: u64, size: u64) -> Result<Buffer> {
        let Some(mut skip) = at.checked_sub(self.from) else {
            return Err(Error::new(ErrorKind::Unexpected, "bytes that are not held any longer"));
        };
        let (mut room, mut taken) = (size, Vec::new());
        for piece in &self.pieces {
            let len = piece.len() as u64;
            if skip >= len {
                skip -= len;
                continue;
            }
            let end = len.min(skip.saturating_add(room));
            let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            taken.extend(piece.slice(index(skip)..index(end)));
            room -= end - skip;
            skip = 0;
            if room == 0 {
                break;
            }
        }
        Ok(Buffer::from(taken))
    }

    fn forget_before(&mut self, at: u64) {
        while let Some(piece) = self.pieces.pop_front() {
            let (len, gone) = (piece.len() as u64, at.saturating_sub(self.from));
            if gone < len {
                let gone_here = usize::try_from(gone).unwrap_or(usize::MAX);
                self.pieces.push_front(piece.slice(gone_here..));
                self.from += gone;
                self.len -= gone;
                return;
            }
            self.from += len;
            self.len -= len;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_held_is_what_was_given(
            pieces in prop::collection::vec(0usize..50, 1..20),
            cuts in prop::collection::vec((0u64..40, 0u64..30), 1..20),
        ) {
            let total: usize = pieces.iter().sum();
            let all: Vec<u8> = (0..total).map(|n| n as u8).collect();
            let (mut held, mut at) = (Held::default(), 0);
            for len in pieces {
                held.push(Buffer::from(all[at..at + len].to_vec()));
                at += len;
            }
            let mut from = 0;
            for (forward, size) in cuts {
                from = (from + forward).min(total as u64);
                held.forget_before(from);
                let slice = held.slice(from, size).unwrap().to_vec();
                let end = (from + size).min(total as u64);
                prop_assert_eq!(&slice[..], &all[from as usize..end as usize]);
                prop_assert_eq!(held.end(), total as u64);
                prop_assert!(from == 0 || held.slice(from - 1, 1).is_err());
            }
        }
    }
}
