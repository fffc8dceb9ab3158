//! Whom the promises are asked of, and in what each is known to differ.

mod amazon_drive;
mod cached;
mod fs;
mod memory;
mod onedrive;
pub mod pretended;
pub mod served;
mod skydrive;
mod uri;

use std::{
    any::Any,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use opendal::Operator;

use self::{
    pretended::{Addressing, Pretence, Pretended},
    served::Station,
};
use crate::harness::Outcome;

/// A service, and a way to an empty place in it for each case.
pub trait Backend: Send + Sync {
    /// What its trials are called.
    fn name(&self) -> &str;
    /// In what it is known to differ from a drive. Every entry is checked: a case that passes
    /// although it is listed fails.
    fn known(&self) -> &[Known];
    /// An empty place that no other case uses.
    fn lend(&self, case: &'static str) -> BoxFuture<'_, Outcome<Test>>;
}

/// A known difference, and the cases that show it.
pub struct Known {
    pub because: &'static str,
    /// It depends on who comes first, and may not be seen.
    pub sometimes: bool,
    /// `file::case`.
    pub cases: &'static [&'static str],
}

impl Known {
    /// Seen whenever the case is tried.
    const fn always(because: &'static str, cases: &'static [&'static str]) -> Self {
        Self { because, sometimes: false, cases }
    }

    /// Of clouds that do not tell with their answer what they have taken.
    const SIZE_UNTOLD: Self = Self {
        because: "an upload is not answered with a size, and the look afterwards may see what \
                  another has written since",
        sometimes: true,
        cases: &["concurrency::every_one_of_many_writers_to_a_path_is_told_that_it_wrote"],
    };

    pub fn is_about(&self, group: &str, case: &str) -> bool {
        self.cases.iter().any(|known| known.split_once("::") == Some((group, case)))
    }
}

/// Opens the operator with these options beside its own.
type Open = dyn Fn(&[(&str, &str)]) -> opendal::Result<Operator> + Send + Sync;

/// What a case works with.
pub struct Test {
    /// The sentence that is tried out.
    pub case: &'static str,
    /// When its place was lent.
    pub begun: Instant,
    /// An operator on an empty place that no other case uses.
    pub op: Operator,
    /// What the backend promises beyond OpenDAL's capabilities.
    pub promises: Promises,
    open: Box<Open>,
    /// What goes wrong in a pretended cloud.
    pub pretence: Option<Pretence>,
    /// The drive server that the place is on.
    pub station: Option<Arc<Station>>,
    /// The folder to remove in the end, and who can.
    remove: Option<(Operator, String)>,
    /// Lives as long as the case.
    _kept: Option<Box<dyn Any + Send + Sync>>,
}

impl Test {
    /// Another client of the same place, with these options more.
    pub fn client(&self, options: &[(&str, &str)]) -> Outcome<Operator> {
        Ok((self.open)(options)?)
    }

    /// Removes what the case left.
    pub async fn tidy(self) -> Outcome {
        if let Some((op, folder)) = &self.remove {
            op.delete_with(folder).recursive(true).await?;
        }
        Ok(())
    }
}

/// What a backend promises beyond OpenDAL's capabilities.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// A writer understands `drivedal::announce()`.
    pub announcements: bool,
    /// Options of a client whose answers age fast, and how old they may be where another client
    /// made the change.
    pub young: &'static [(&'static str, &'static str)],
    /// See `young`.
    pub age: Duration,
    /// A modification time that is announced is kept.
    pub keeps_times: bool,
    /// Names it must refuse, with an error that says why.
    pub refuses: &'static [&'static str],
}

impl Promises {
    /// Of services that are asked anew every time.
    const NONE: Self = Self {
        announcements: false,
        young: &[],
        age: Duration::ZERO,
        keeps_times: false,
        refuses: &[],
    };

    /// Of drives behind the adapter's index.
    const INDEXED: Self = Self {
        announcements: true,
        young: &[("index_ttl", "300ms")],
        age: Duration::from_millis(300),
        ..Self::NONE
    };
}

/// The index's age among options.
fn index_age(options: &[(&str, &str)]) -> Option<Duration> {
    let (_, text) = options.iter().find(|(key, _)| *key == "index_ttl")?;
    jiff::SignedDuration::from_str(text).ok()?.try_into().ok()
}

/// Every backend; only the one that `DRIVEDAL_TEST_URI` names, if it is set.
pub fn all() -> Vec<Arc<dyn Backend>> {
    if let Ok(uri) = std::env::var("DRIVEDAL_TEST_URI")
        && !uri.is_empty()
    {
        return vec![Arc::new(uri::Uri::new(uri))];
    }
    let mut all: Vec<Arc<dyn Backend>> = vec![
        Arc::new(memory::Memory),
        Arc::new(fs::Fs),
        Arc::new(Pretended(Addressing::Ids)),
        Arc::new(Pretended(Addressing::Paths)),
        Arc::new(skydrive::skydrive()),
        Arc::new(onedrive::personal()),
        Arc::new(onedrive::business()),
        Arc::new(amazon_drive::amazon_drive()),
    ];
    all.extend(cached::all());
    all
}
