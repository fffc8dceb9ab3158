//! The requests sent to the servers, and the acknowledged ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The content of a file, as the number it is generated from. `None`: the file does not exist.
pub type State = Option<u64>;

/// An upload session that was acknowledged.
#[derive(Clone, Debug)]
pub struct Upload {
    /// A Graph upload URL's path and query, or a BITS path.
    pub path: String,
    /// BITS' session id. Empty for Graph.
    pub session: String,
    /// The number that the content is generated from.
    pub bytes: u64,
    /// Number of acknowledged bytes.
    pub received: u64,
    /// Whether the request that completes the upload was sent.
    pub ending: bool,
}

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<String, State>,
    asked: BTreeMap<String, State>,
    uploads: BTreeMap<String, Upload>,
    touched: BTreeSet<String>,
    acknowledged: BTreeMap<u64, u64>,
}

/// All files and sessions whose state is known.
#[derive(Debug)]
pub struct Ledger {
    inner: Mutex<Inner>,
    next: AtomicU64,
}

impl Ledger {
    pub fn new(seed: u64) -> Self {
        Self { inner: Mutex::default(), next: AtomicU64::new(seed & 0xffff_ffff) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic while it is written")
    }

    /// Returns a number for content that no file had before.
    pub fn fresh(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Records a request that changes a file to `state`.
    pub fn ask(&self, name: &str, state: State) {
        let mut inner = self.inner();
        inner.asked.insert(name.to_owned(), state);
        inner.touched.insert(name.to_owned());
    }

    /// Records the acknowledgement of the last request for a file by the `kill`-th server.
    pub fn acknowledge(&self, kill: u64, name: &str) {
        let mut inner = self.inner();
        if let Some(state) = inner.asked.remove(name) {
            inner.kept.insert(name.to_owned(), state);
        }
        inner.uploads.remove(name);
        *inner.acknowledged.entry(kill).or_default() += 1;
    }

    /// Records the observed state of a file.
    pub fn settle(&self, name: &str, state: State) {
        let mut inner = self.inner();
        inner.asked.remove(name);
        inner.kept.insert(name.to_owned(), state);
    }

    /// Records that an upload session was opened, or its progress.
    pub fn upload(&self, kill: u64, name: &str, upload: Upload) {
        let mut inner = self.inner();
        inner.uploads.insert(name.to_owned(), upload);
        *inner.acknowledged.entry(kill).or_default() += 1;
    }

    /// Records that the next request completes the session of that name.
    pub fn ending(&self, name: &str) {
        if let Some(upload) = self.inner().uploads.get_mut(name) {
            upload.ending = true;
        }
    }

    /// Removes and returns the incomplete sessions.
    pub fn take_uploads(&self) -> BTreeMap<String, Upload> {
        std::mem::take(&mut self.inner().uploads)
    }

    /// Returns the possible states of each file: the acknowledged one, or that of the last request.
    pub fn possible(&self) -> BTreeMap<String, Vec<State>> {
        let inner = self.inner();
        let names = inner.kept.keys().chain(inner.asked.keys());
        names
            .map(|name| {
                let mut states = vec![inner.kept.get(name).copied().flatten()];
                states.extend(inner.asked.get(name).copied());
                (name.clone(), states)
            })
            .collect()
    }

    /// Removes and returns the names of the files that were written since the last call.
    pub fn take_touched(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.inner().touched)
    }

    /// Returns the number of requests that the `kill`-th server acknowledged.
    pub fn acknowledged(&self, kill: u64) -> u64 {
        self.inner().acknowledged.get(&kill).copied().unwrap_or(0)
    }

    /// Returns the number of requests that all servers acknowledged.
    pub fn all_acknowledged(&self) -> u64 {
        self.inner().acknowledged.values().sum()
    }

    /// Waits for the first acknowledgement of the `kill`-th server.
    pub async fn something_acknowledged(&self, kill: u64) {
        let something = async {
            while self.acknowledged(kill) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), something).await;
        assert!(in_time.is_ok(), "nothing was acknowledged");
    }
}

/// Returns the length of a file: it fits a database row, one blob, or several blobs.
pub fn length(number: u64) -> usize {
    let least = match number % 4 {
        0 => 0,
        1 => 17_000,
        2 => 60_000,
        _ => 200_000,
    };
    least + (number % 900) as usize
}

/// Generates the content of a file.
pub fn bytes(number: u64) -> Vec<u8> {
    drawn(number, length(number))
}

/// Returns the length of a large upload: three fragments, the last one shorter.
pub fn large_length(number: u64) -> usize {
    2 * FRAGMENT + 1 + (number % 900) as usize
}

/// Generates the content of a large upload.
pub fn large(number: u64) -> Vec<u8> {
    drawn(number, large_length(number))
}

/// Size of Graph's fragment unit, in bytes.
pub const FRAGMENT: usize = 320 * 1024;

fn drawn(number: u64, length: usize) -> Vec<u8> {
    let mut dice = Dice::new(number);
    std::iter::repeat_with(|| dice.next().to_le_bytes()).flatten().take(length).collect()
}

/// Numbers that look random (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mix = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mix = (mix ^ mix >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mix ^ mix >> 31
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
