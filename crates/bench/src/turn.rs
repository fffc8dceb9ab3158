//! One round of one contender: prepares files, measures works, and verifies their results.

use std::{pin::pin, time::Instant};

use futures::{StreamExt, TryStreamExt, stream};

use crate::{BenchOptions, Contender, Content, ProcessProbe, Result, Sample, Target, Work};

/// Number of folders of small files.
const FOLDERS: usize = 5;

/// Maximum number of files that are copied and renamed.
const MOVED: usize = 20;

/// Number of listings of single folders, and of the tree.
const LISTINGS: usize = 10;
const TREE_LISTINGS: usize = 3;

/// Distance between the offsets of two ranges in bytes. It is a prime, so that the offsets are
/// scattered.
const RANGE_STEP: u64 = 7_368_787;

/// A small file and its current path.
pub(crate) struct SmallFile {
    pub(crate) path: String,
    pub(crate) content: Content,
}

/// One round of a contender, in a separate folder.
pub(crate) struct Turn<'a> {
    contender: &'a Contender,
    pub(crate) options: &'a BenchOptions,
    /// Path of the folder, with a slash at the end.
    pub(crate) folder: String,
    pub(crate) files: Vec<SmallFile>,
    pub(crate) large: Content,
    has_small: bool,
    has_large: bool,
    /// Whether written files are read back.
    reads_back: bool,
}

/// The operations of a work.
#[derive(Default)]
pub(crate) struct Tally {
    operations: u64,
    bytes: u64,
    latencies: Vec<f64>,
    /// Listed folders, and the paths of their files.
    pub(crate) listings: Vec<(String, Vec<String>)>,
}

impl Tally {
    /// Returns the tally of one call for several operations, which were not measured one by one.
    fn of_one_call(operations: usize, bytes: u64) -> Self {
        Self { operations: operations as u64, bytes, ..Self::default() }
    }
}

impl<'a> Turn<'a> {
    /// Creates the round of a contender. Nothing is written yet. `round` selects the content of files:
    /// they differ between rounds.
    pub(crate) fn new(
        contender: &'a Contender,
        options: &'a BenchOptions,
        folder: String,
        round: usize,
    ) -> Self {
        let seed = (round as u64).wrapping_mul(100_003);
        let file = |number: usize| SmallFile {
            path: format!("{folder}small/{}/{number}.bin", number % FOLDERS),
            content: Content::new(seed.wrapping_add(number as u64), options.file_size),
        };
        Self {
            files: (0..options.files).map(file).collect(),
            large: Content::new(seed.wrapping_add(77_777), options.large_size),
            contender,
            options,
            folder,
            has_small: false,
            has_large: false,
            reads_back: round == 0,
        }
    }

    /// Returns the backend.
    pub(crate) fn target(&self) -> &dyn Target {
        &*self.contender.target
    }

    /// Writes a file, reads it and compares its bytes. It is not measured.
    ///
    /// # Errors
    /// Those of the backend, and a message if the bytes differ.
    pub(crate) async fn probe(&self) -> Result {
        let (path, content) = (format!("{}probe.bin", self.folder), Content::new(3, 1_000));
        self.target().write(&path, content.to_bytes()).await?;
        self.read_back(&path, content).await
    }

    /// Prepares the files that a work needs, measures the work, and verifies its result.
    pub(crate) async fn measure(&mut self, work: Work) -> Sample {
        if let Some(reason) = self.target().missing_capability(work) {
            return Sample::not_applicable(reason);
        }
        if let Err(error) = self.prepare(work).await {
            return Sample::failed(format!("cannot prepare the files: {error}"));
        }
        match self.measure_prepared(work).await {
            Ok(sample) => sample,
            Err(error) => Sample::failed(error.to_string()),
        }
    }

    /// Deletes the folder of the round.
    pub(crate) async fn end(self) {
        // `Bench::clean_up` deletes the folder above, and reports a failure.
        let _ = self.target().delete_folder(&self.folder).await;
    }

    /// Creates the files and folders that a work needs, unless an earlier work did. It is not
    /// measured.
    ///
    /// # Errors
    /// Those of the backend.
    async fn prepare(&mut self, work: Work) -> Result {
        if work.needs_small() && !self.has_small {
            self.perform(Work::PutSmall).await?;
            self.has_small = true;
        }
        if work.needs_large() && !self.has_large {
            self.perform(Work::PutLarge).await?;
            self.has_large = true;
        }
        match work {
            Work::Copy => self.target().create_folder(&format!("{}copies/", self.folder)).await,
            Work::Rename => self.target().create_folder(&format!("{}renamed/", self.folder)).await,
            _ => Ok(()),
        }
    }

    /// Measures a work whose files exist.
    ///
    /// # Errors
    /// Those of the backend and of the meter, and a message if the result is wrong.
    async fn measure_prepared(&mut self, work: Work) -> Result<Sample> {
        let before = self.contender.meter.totals().await?;
        let probe = ProcessProbe::start(&self.contender.processes);
        let began = Instant::now();
        let tally = self.perform(work).await;
        let seconds = began.elapsed().as_secs_f64();
        let usage = probe.usage();
        let requests = self.contender.meter.totals().await?.since(before);
        let tally = tally?;
        self.record(work);
        self.verify(work, &tally, self.reads_back).await?;
        Ok(Sample {
            latencies: tally.latencies,
            requests: requests.requests,
            bytes_up: requests.bytes_up,
            bytes_down: requests.bytes_down,
            resource_units: requests.resource_units,
            memory: usage.memory,
            cpu: usage.cpu,
            ..Sample::done(seconds, tally.operations, tally.bytes)
        })
    }

    /// Records the effect of a work on the files.
    fn record(&mut self, work: Work) {
        match work {
            Work::PutSmall => self.has_small = true,
            Work::PutLarge => self.has_large = true,
            Work::Rename => {
                for number in 0..self.moved() {
                    self.files[number].path = self.renamed_path(number);
                }
            }
            Work::Delete => self.has_small = false,
            _ => {}
        }
    }

    /// Returns the number of files that are copied and renamed.
    pub(crate) fn moved(&self) -> usize {
        self.files.len().min(MOVED)
    }

    /// Returns the path of the copy of a file.
    pub(crate) fn copy_path(&self, number: usize) -> String {
        format!("{}copies/{number}.bin", self.folder)
    }

    /// Returns the path of a file after [`Work::Rename`].
    fn renamed_path(&self, number: usize) -> String {
        format!("{}renamed/{number}.bin", self.folder)
    }

    /// Returns the path of the large file.
    pub(crate) fn large_path(&self) -> String {
        format!("{}large.bin", self.folder)
    }

    /// Returns the path and the content of a file that [`Work::Mixed`] writes.
    pub(crate) fn mixed_file(&self, number: usize) -> SmallFile {
        // Another content than that of the file with this number.
        let content = self.files[self.files.len() - 1 - number].content;
        SmallFile { path: format!("{}mixed/{number}.bin", self.folder), content }
    }

    /// Performs a work.
    ///
    /// # Errors
    /// Those of the backend, and a message if it returns other bytes or sizes than those written.
    async fn perform(&self, work: Work) -> Result<Tally> {
        let (target, at_once) = (self.target(), self.options.concurrency);
        let files = || self.files.iter();
        match work {
            Work::PutSmall => {
                each(at_once, files(), async |file: &SmallFile| {
                    target.write(&file.path, file.content.to_bytes()).await?;
                    Ok(file.content.len())
                })
                .await
            }
            Work::List => self.list(LISTINGS, false).await,
            Work::ListRecursive => self.list(TREE_LISTINGS, true).await,
            Work::Stat => each(at_once, files(), async |file| self.stat(file).await).await,
            Work::GetSmall => each(at_once, files(), async |file| self.read(file).await).await,
            Work::Copy => {
                each(at_once, 0..self.moved(), async |number: usize| {
                    let from = &self.files[number].path;
                    target.copy(from, &self.copy_path(number)).await.map(|()| 0)
                })
                .await
            }
            Work::Rename => {
                each(at_once, 0..self.moved(), async |number: usize| {
                    let from = &self.files[number].path;
                    target.rename(from, &self.renamed_path(number)).await.map(|()| 0)
                })
                .await
            }
            Work::Mixed => {
                each(at_once, 0..self.files.len(), async |number: usize| {
                    self.mixed_operation(number).await
                })
                .await
            }
            Work::PutLarge => {
                target.write_chunks(&self.large_path(), self.large).await?;
                Ok(Tally::of_one_call(1, self.large.len()))
            }
            Work::GetLarge => {
                self.compare_large().await?;
                Ok(Tally::of_one_call(1, self.large.len()))
            }
            Work::ReadRanges => self.read_ranges().await,
            Work::Delete => {
                target.delete(files().map(|file| file.path.clone()).collect()).await?;
                Ok(Tally::of_one_call(self.files.len(), 0))
            }
        }
    }

    /// Lists folders of small files in turn, or their tree.
    ///
    /// # Errors
    /// Those of the backend.
    async fn list(&self, times: usize, recursive: bool) -> Result<Tally> {
        let mut tally = Tally::default();
        for number in 0..times {
            let folder = match recursive {
                true => format!("{}small/", self.folder),
                false => {
                    format!("{}small/{}/", self.folder, number % FOLDERS.min(self.files.len()))
                }
            };
            let began = Instant::now();
            let listed = self.target().list(&folder, recursive).await?;
            tally.latencies.push(began.elapsed().as_secs_f64());
            tally.operations += 1;
            tally.listings.push((folder, listed));
        }
        Ok(tally)
    }

    /// Requests the metadata of a file. Returns 0, the number of transferred bytes.
    ///
    /// # Errors
    /// Those of the backend, and a message if the size differs.
    async fn stat(&self, file: &SmallFile) -> Result<u64> {
        let (size, expected) = (self.target().stat(&file.path).await?, file.content.len());
        match size == expected {
            true => Ok(0),
            false => Err(format!("{}: size {size}, expected {expected}", file.path).into()),
        }
    }

    /// Reads a file. Returns its number of bytes.
    ///
    /// # Errors
    /// Those of the backend, and a message if the bytes differ.
    async fn read(&self, file: &SmallFile) -> Result<u64> {
        self.read_back(&file.path, file.content).await?;
        Ok(file.content.len())
    }

    /// Performs the operation with this number of [`Work::Mixed`]. Returns the number of transferred
    /// bytes.
    ///
    /// # Errors
    /// Those of the backend, and a message if a result is wrong.
    async fn mixed_operation(&self, number: usize) -> Result<u64> {
        match number % 10 {
            0..4 => self.read(&self.files[number]).await,
            4..7 => self.stat(&self.files[number]).await,
            7..9 => {
                let file = self.mixed_file(number);
                self.target().write(&file.path, file.content.to_bytes()).await?;
                Ok(file.content.len())
            }
            _ => {
                let folder = format!("{}small/{}/", self.folder, number % FOLDERS);
                self.target().list(&folder, false).await.map(|_| 0)
            }
        }
    }

    /// Reads ranges at scattered offsets of the large file.
    ///
    /// # Errors
    /// Those of the backend, and a message if the bytes of a range differ.
    async fn read_ranges(&self) -> Result<Tally> {
        let reader = self.target().open(&self.large_path()).await?;
        let len = self.options.range_size.min(self.large.len());
        let offsets = (0..self.options.ranges as u64)
            .map(|number| number * RANGE_STEP % (self.large.len() - len + 1));
        each(self.options.concurrency, offsets, async |offset: u64| {
            let bytes = reader.read(offset..offset + len).await?;
            match bytes.len() as u64 == len && self.large.matches(offset, &bytes) {
                true => Ok(len),
                false => Err(format!("a range at {offset}: other bytes than written").into()),
            }
        })
        .await
    }
}

/// Performs an operation for each item, several at a time, and measures each. The operation returns
/// its number of transferred bytes.
///
/// # Errors
/// The first error of an operation. The others are dropped.
pub(crate) async fn each<T>(
    concurrency: usize,
    items: impl IntoIterator<Item = T>,
    operation: impl AsyncFn(T) -> Result<u64>,
) -> Result<Tally> {
    let operation = &operation;
    let measured = stream::iter(items)
        .map(|item| async move {
            let began = Instant::now();
            let bytes = operation(item).await?;
            Result::Ok((began.elapsed().as_secs_f64(), bytes))
        })
        .buffer_unordered(concurrency);
    let mut measured = pin!(measured);
    let mut tally = Tally::default();
    while let Some((seconds, bytes)) = measured.try_next().await? {
        tally.latencies.push(seconds);
        tally.operations += 1;
        tally.bytes += bytes;
    }
    Ok(tally)
}
