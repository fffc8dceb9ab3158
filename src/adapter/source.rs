//! Where the bytes of a file in fragments come from.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use opendal::Buffer;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinHandle, spawn_blocking},
};

use super::{
    spool,
    upload::{Stop, Upload, next},
};
use crate::drive::{Body, Error, ErrorKind, Result, SourceGuard};

/// Bytes that leave in fragments.
pub(super) enum Source {
    /// As a caller gives them: what has arrived is not held any longer.
    Held(Held),
    /// All of them, to be read as often as it takes. A file of the user's may change meanwhile.
    Body { body: Body, stamp: Option<Stamp>, ahead: Option<Ahead> },
}

/// The next fragment of a file, or its beginning, read while the one before it is on its way.
pub(super) struct Ahead {
    at: u64,
    len: u64,
    /// With the right to hold it, which is given back with the bytes.
    reading: JoinHandle<io::Result<(Buffer, OwnedSemaphorePermit)>>,
}

impl Ahead {
    /// Its bytes from `at` on, at most `most`; none if it begins behind that or ends before.
    async fn bytes(self, at: u64, most: u64) -> io::Result<Buffer> {
        let Some(skip) = at.checked_sub(self.at).filter(|skip| *skip < self.len) else {
            return Ok(Buffer::new());
        };
        let (bytes, _) = self.reading.await.unwrap_or_else(|died| Err(io::Error::other(died)))?;
        let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.slice(index(skip)..index(skip.saturating_add(most))))
    }
}

/// Steps in which a disk notes the time of a change: the kernel's timer tick, 10 ms at its slowest
/// (`CONFIG_HZ=100`), with as much again to spare. Two changes within one step look like one.
const MTIME_STEP: Duration = Duration::from_millis(20);

/// By what a change of a file of the user's is noticed, and what it is called.
pub(super) struct Stamp {
    file: Arc<File>,
    path: Option<PathBuf>,
    len: u64,
    modified: SystemTime,
}

impl Stamp {
    /// A file as it is now.
    ///
    /// # Errors
    /// `Unexpected`, with its path.
    pub(super) fn of(file: &Arc<File>, path: Option<&Path>) -> Result<Self> {
        let found = file.metadata().and_then(|found| Ok((found.len(), found.modified()?)));
        let (len, modified) = found.map_err(|error| unreadable(path, &error))?;
        Ok(Self { file: Arc::clone(file), path: path.map(Path::to_owned), len, modified })
    }

    /// Like [`Stamp::of`], but waits until the modification time of a file that was written within
    /// the last [`MTIME_STEP`] is old enough for the next change to have a different one.
    ///
    /// It waits once: a file that is written all the time would never be old enough, and its next
    /// changes are noticed.
    ///
    /// # Errors
    /// `Unexpected`, with the file's path.
    pub(super) async fn settled(file: &Arc<File>, path: Option<&Path>) -> Result<Self> {
        let stamp = Self::of(file, path)?;
        // A time in the future is another clock's, or was set by a program.
        let age = stamp.modified.elapsed().unwrap_or(MTIME_STEP);
        match MTIME_STEP.checked_sub(age).filter(|rest| !rest.is_zero()) {
            Some(rest) => {
                tokio::time::sleep(rest).await;
                Self::of(file, path)
            }
            None => Ok(stamp),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn modified(&self) -> SystemTime {
        self.modified
    }

    /// Whether it is still the file that it was.
    ///
    /// # Errors
    /// `Conflict` if not.
    pub(super) fn check(&self) -> Result<()> {
        match Self::of(&self.file, self.path.as_deref())? {
            now if (now.len, now.modified) == (self.len, self.modified) => Ok(()),
            _ => Err(self.changed()),
        }
    }

    /// Breaks off a request that sends the file if the file is changed meanwhile. `read_all` is set
    /// when all bytes have been read, and were those of one version.
    pub(super) fn guard(self: &Arc<Self>, read_all: &Arc<AtomicBool>) -> SourceGuard {
        let (stamp, read_all) = (Arc::clone(self), Arc::clone(read_all));
        SourceGuard::new(move |last| {
            let is_same = stamp.check().is_ok();
            if last && is_same {
                read_all.store(true, Ordering::Relaxed);
            }
            is_same
        })
    }

    fn changed(&self) -> Error {
        Error::new(
            ErrorKind::Conflict,
            format!(
                "cannot send {}: it was changed while it was being sent",
                called(self.path.as_deref())
            ),
        )
    }

    /// It could not be read.
    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            // It ends before its end of before.
            io::ErrorKind::UnexpectedEof => self.changed(),
            _ => unreadable(self.path.as_deref(), &error),
        }
    }
}

fn unreadable(path: Option<&Path>, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, format!("reading {}: {error}", called(path)))
}

fn called(path: Option<&Path>) -> String {
    path.map_or("the file to be sent".to_owned(), |path| path.display().to_string())
}

impl Source {
    /// Bytes that were collected.
    pub(super) fn of(body: Body) -> Self {
        Self::Body { body, stamp: None, ahead: None }
    }

    /// A file of the user's, as it was when its stamp was taken.
    pub(super) fn of_file(file: Arc<File>, stamp: Stamp) -> Self {
        let body = Body::File { file, len: stamp.len() };
        Self::Body { body, stamp: Some(stamp), ahead: None }
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
            Self::Body { body, stamp, .. } => {
                let len = size.min(body.len().saturating_sub(at));
                let read = spool::read(body, at, len).await;
                read.map_err(|error| failed(stamp.as_ref(), error))
            }
        }
    }

    /// The same for a fragment: what was read ahead of it is taken, and with the last one a file is
    /// known to be what it was.
    pub(super) async fn fragment(&mut self, at: u64, size: u64) -> Result<Buffer> {
        let ahead = match self {
            Self::Held(_) => None,
            Self::Body { ahead, .. } => ahead.take(),
        };
        let mut bytes = match (ahead, &self) {
            (Some(ahead), Self::Body { stamp, .. }) => {
                ahead.bytes(at, size).await.map_err(|error| failed(stamp.as_ref(), error))?
            }
            _ => Buffer::new(),
        };
        let have = bytes.len() as u64;
        if have < size {
            let more = self.bytes(at + have, size - have).await?;
            bytes = Iterator::chain(bytes, more).collect();
        }
        match self {
            Self::Body { body, stamp: Some(stamp), .. }
                if at + bytes.len() as u64 == body.len() =>
            {
                stamp.check()?;
            }
            _ => {}
        }
        Ok(bytes)
    }

    /// Begins to read at most `size` bytes from `at` on, if they are in a file and nobody else holds
    /// any that he has read ahead.
    pub(super) fn read_ahead(&mut self, at: u64, size: u64, turn: &Arc<Semaphore>) {
        let Self::Body { body: body @ Body::File { .. }, ahead, .. } = self else { return };
        let len = size.min(body.len().saturating_sub(at));
        if len == 0 {
            return;
        }
        let Ok(turn) = Arc::clone(turn).try_acquire_owned() else { return };
        let body = body.clone();
        let reading = spawn_blocking(move || Ok((spool::read_now(&body, at, len)?, turn)));
        *ahead = Some(Ahead { at, len, reading });
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

fn failed(stamp: Option<&Stamp>, error: io::Error) -> Error {
    match stamp {
        Some(stamp) => stamp.failed(error),
        None => spool::failed(error),
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

    /// A file of the user's with these bytes.
    fn file(bytes: &[u8]) -> (tempfile::NamedTempFile, Source) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let opened = Arc::new(file.reopen().unwrap());
        let stamp = Stamp::of(&opened, Some(file.path())).unwrap();
        (file, Source::of_file(opened, stamp))
    }

    #[tokio::test]
    async fn a_file_that_is_written_all_the_time_is_not_waited_for_without_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = Arc::new(file.reopen().unwrap());
        let ended = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (file, ended) = (Arc::clone(&opened), Arc::clone(&ended));
            move || {
                while !ended.load(Ordering::Relaxed) {
                    file.set_modified(SystemTime::now()).unwrap();
                }
            }
        });
        let stamp = Stamp::settled(&opened, Some(file.path()));
        let stamp = tokio::time::timeout(Duration::from_secs(30), stamp).await;
        ended.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert_eq!(stamp.expect("it ends").unwrap().len(), 0);
    }

    async fn read_ahead(source: &Source) {
        let Source::Body { ahead: Some(ahead), .. } = source else { panic!("nothing is read") };
        while !ahead.reading.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_was_read_ahead_is_taken_and_what_is_missing_of_it_is_read() {
        let turn = Arc::new(Semaphore::new(1));
        for (at, size, expected) in
            [(4, 4, "4567"), (4, 2, "45"), (6, 4, "6789"), (4, 6, "456789"), (0, 6, "012345")]
        {
            let (_file, mut source) = file(b"0123456789");
            source.read_ahead(4, 4, &turn);
            read_ahead(&source).await;
            assert_eq!(source.fragment(at, size).await.unwrap().to_vec(), expected.as_bytes());
            assert_eq!(turn.available_permits(), 1, "{at}+{size}");
        }
        let (file, mut source) = file(b"0123456789");
        source.read_ahead(4, 4, &turn);
        read_ahead(&source).await;
        // What is in memory is not read again.
        std::fs::write(file.path(), "").unwrap();
        assert_eq!(source.fragment(4, 4).await.unwrap().to_vec(), b"4567");
        let error = source.fragment(8, 2).await.unwrap_err();
        let path = file.path().display().to_string();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains(&path), "{error}");
    }

    #[tokio::test]
    async fn of_several_files_one_is_read_ahead_and_nothing_behind_the_end() {
        let turn = Arc::new(Semaphore::new(1));
        let ((_one, mut first), (_other, mut second)) = (file(b"0123"), file(b"0123"));
        first.read_ahead(4, 4, &turn);
        assert_eq!(turn.available_permits(), 1);
        first.read_ahead(0, 8, &turn);
        second.read_ahead(0, 4, &turn);
        assert!(matches!(&second, Source::Body { ahead: None, .. }));
        assert_eq!(second.fragment(0, 4).await.unwrap().to_vec(), b"0123");
        assert_eq!(first.fragment(0, 4).await.unwrap().to_vec(), b"0123");
        second.read_ahead(0, 4, &turn);
        assert!(matches!(&second, Source::Body { ahead: Some(_), .. }));
    }

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
