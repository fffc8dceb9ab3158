//! Verification of the results of a work, outside of the measurement.

use std::collections::BTreeSet;

use crate::{
    Content, Result, Work,
    turn::{Tally, Turn, each},
};

impl Turn<'_> {
    /// Verifies the result of a work. Downloads are compared when they are measured. With `reads_back`,
    /// all files that the work wrote are read and compared.
    ///
    /// # Errors
    /// Those of the backend, and a message that names the first wrong result.
    pub(crate) async fn verify(&self, work: Work, tally: &Tally, reads_back: bool) -> Result {
        for (folder, listed) in &tally.listings {
            self.compare_listing(folder, listed)?;
        }
        match work {
            Work::Delete | Work::Rename => {
                let folder = format!("{}small/", self.folder);
                let listed = self.target().list(&folder, true).await?;
                match work {
                    Work::Delete if listed.is_empty() => Ok(()),
                    Work::Delete => Err(format!("{} files still exist", listed.len()).into()),
                    _ => self.compare_listing(&folder, &listed),
                }?;
            }
            _ => {}
        }
        match work {
            Work::PutSmall | Work::Rename if reads_back => {
                let files = self.files.iter().map(|file| (file.path.clone(), file.content));
                self.read_all_back(files).await
            }
            Work::Copy if reads_back => {
                let copies = (0..self.moved())
                    .map(|number| (self.copy_path(number), self.files[number].content));
                self.read_all_back(copies).await
            }
            Work::Mixed if reads_back => {
                let written =
                    (0..self.files.len()).filter(|number| (7..9).contains(&(number % 10)));
                let written = written.map(|number| self.mixed_file(number));
                self.read_all_back(written.map(|file| (file.path, file.content))).await
            }
            Work::PutLarge if reads_back => self.compare_large().await,
            _ => Ok(()),
        }
    }

    /// Compares the listed paths of a folder with those of the files in it.
    ///
    /// # Errors
    /// A message with one missing or unexpected path.
    fn compare_listing(&self, folder: &str, listed: &[String]) -> Result {
        let expected: BTreeSet<&str> =
            self.files.iter().filter_map(|file| file.path.strip_prefix(folder)).collect();
        let found: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        if let Some(missing) = expected.difference(&found).next() {
            return Err(format!("the listing of {folder} lacks {missing}").into());
        }
        if let Some(other) = found.difference(&expected).next() {
            return Err(format!("the listing of {folder} has {other}").into());
        }
        match listed.len() == expected.len() {
            true => Ok(()),
            false => Err(format!("the listing of {folder} has a file twice").into()),
        }
    }

    /// Reads files and compares them.
    ///
    /// # Errors
    /// Those of the backend, and a message that names the first file with other bytes.
    async fn read_all_back(&self, files: impl IntoIterator<Item = (String, Content)>) -> Result {
        let read = async |(path, content): (String, Content)| {
            self.read_back(&path, content).await.map(|()| 0)
        };
        each(self.options.concurrency, files, read).await.map(drop)
    }

    /// Reads a small file and compares it.
    ///
    /// # Errors
    /// Those of the backend, and a message if the bytes differ.
    pub(crate) async fn read_back(&self, path: &str, content: Content) -> Result {
        let bytes = self.target().read(path).await?;
        match bytes.len() as u64 == content.len() && content.matches(0, &bytes) {
            true => Ok(()),
            false => Err(format!("{path}: other bytes than written").into()),
        }
    }

    /// Reads the large file and compares it.
    ///
    /// # Errors
    /// Those of the backend, and a message if the bytes or their number differ.
    pub(crate) async fn compare_large(&self) -> Result {
        let (path, content) = (self.large_path(), self.large);
        let (mut received, mut is_equal) = (0, true);
        let mut compare = |bytes: &[u8]| {
            is_equal &= content.matches(received, bytes);
            received += bytes.len() as u64;
        };
        self.target().read_chunks(&path, &mut compare).await?;
        match is_equal && received == content.len() {
            true => Ok(()),
            false => Err(format!("{path}: other bytes than written").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use opendal::{Operator, services::Memory};

    use super::*;
    use crate::{BenchOptions, Contender, OperatorTarget, Outcome};

    /// Damages the files in the folder of a round between two works. Returns why the second one
    /// failed; `None` if it did not.
    async fn failure(
        first: Work,
        damage: impl AsyncFn(&Operator, &str) -> opendal::Result<()>,
        second: Work,
    ) -> Option<String> {
        let operator = Operator::new(Memory::default()).expect("memory opens");
        let contender = Contender::new("memory", OperatorTarget::new(operator.clone()));
        let options = BenchOptions::default().files(12).large_size(1 << 20);
        let mut turn = Turn::new(&contender, &options, "b/round-1/".into(), 0);
        assert!(turn.measure(first).await.is_done());
        damage(&operator, &turn.folder).await.expect("the files are damaged");
        match turn.measure(second).await.outcome {
            Outcome::Failed(reason) => Some(reason),
            _ => None,
        }
    }

    #[tokio::test]
    async fn files_with_other_bytes_are_found() {
        let small = async |operator: &Operator, folder: &str| {
            operator.write(&format!("{folder}small/1/1.bin"), vec![0; 4_096]).await.map(drop)
        };
        let found = failure(Work::PutSmall, small, Work::GetSmall).await;
        assert!(found.is_some_and(|reason| reason.contains("small/1/1.bin: other bytes")));
        assert_eq!(failure(Work::PutSmall, small, Work::Stat).await, None, "the size is equal");
        let large = async |operator: &Operator, folder: &str| {
            operator.write(&format!("{folder}large.bin"), vec![0; 1 << 20]).await.map(drop)
        };
        for work in [Work::GetLarge, Work::ReadRanges] {
            let found = failure(Work::PutLarge, large, work).await;
            assert!(found.is_some_and(|reason| reason.contains("other bytes")), "{work}");
        }
    }

    #[tokio::test]
    async fn files_with_another_size_are_found() {
        let shorter = async |operator: &Operator, folder: &str| {
            operator.write(&format!("{folder}small/0/0.bin"), vec![0; 7]).await.map(drop)
        };
        let found = failure(Work::PutSmall, shorter, Work::Stat).await;
        assert!(found.is_some_and(|reason| reason.contains("size 7, expected 4096")));
    }

    #[tokio::test]
    async fn missing_and_unexpected_entries_of_listings_are_found() {
        let removed = async |operator: &Operator, folder: &str| {
            operator.delete(&format!("{folder}small/2/2.bin")).await
        };
        for (work, path) in [(Work::List, "2.bin"), (Work::ListRecursive, "2/2.bin")] {
            let found = failure(Work::PutSmall, removed, work).await;
            assert!(found.is_some_and(|reason| reason.ends_with(&format!("lacks {path}"))));
        }
        let added = async |operator: &Operator, folder: &str| {
            operator.write(&format!("{folder}small/3/more"), "").await.map(drop)
        };
        for work in [Work::ListRecursive, Work::Delete] {
            let found = failure(Work::PutSmall, added, work).await;
            let found = found.unwrap_or_default();
            assert!(found.ends_with("has 3/more") || found == "1 files still exist", "{found}");
        }
    }

    #[tokio::test]
    async fn correct_results_pass() {
        let nothing = async |_: &Operator, _: &str| Ok(());
        for work in Work::ALL {
            assert_eq!(failure(Work::PutSmall, nothing, work).await, None, "{work}");
        }
    }
}
