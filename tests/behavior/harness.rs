//! What a case is, and how it is run.

use std::{
    cell::{Cell, RefCell},
    fmt,
    panic::{self, AssertUnwindSafe, Location},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::LocalBoxFuture};
use libtest_mimic::{Completion, Failed, Trial};
use opendal::{Error, ErrorKind};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    backends::{Backend, Test},
    secrets,
};

/// A case that is not done by then hangs.
const LIMIT: Duration = Duration::from_secs(240);

/// A promise: a sentence, what it needs of a backend, and how it is tried out.
#[derive(Clone, Copy)]
pub struct Case {
    /// The sentence.
    pub name: &'static str,
    /// Without these the case is ignored, and says so.
    pub needs: &'static [Need],
    /// Tries it out in an empty place of its own.
    pub run: for<'a> fn(&'a Test) -> LocalBoxFuture<'a, Outcome>,
}

/// The cases of a file: `a_sentence: what, it, needs;` for each.
macro_rules! cases {
    ($($name:ident $(: $($need:ident),+)?;)+) => {
        /// The cases of this file.
        pub fn cases() -> Vec<$crate::harness::Case> {
            vec![$($crate::harness::Case {
                name: stringify!($name),
                needs: &[$($($crate::harness::needs::$need),+)?],
                run: |test| Box::pin($name(test)),
            }),+]
        }
    };
}
pub(crate) use cases;

/// Something that not every backend has.
#[derive(Clone, Copy)]
pub struct Need {
    pub name: &'static str,
    pub met: fn(&Test) -> bool,
}

/// How a case ended.
pub type Outcome<T = ()> = Result<T, Stop>;

/// Why a case ended early.
#[derive(Debug)]
pub enum Stop {
    /// A promise was broken.
    Failed(String),
    /// It turned out not to apply.
    Ignored(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) | Self::Ignored(text) => f.write_str(text),
        }
    }
}

impl From<Error> for Stop {
    #[track_caller]
    fn from(error: Error) -> Self {
        secrets::keep_error(&error);
        Self::Failed(format!("{}: {error}", Location::caller()))
    }
}

/// Ends a case that turned out not to apply.
pub fn ignored<T>(why: impl Into<String>) -> Outcome<T> {
    Err(Stop::Ignored(why.into()))
}

/// Ends a case whose promise was broken.
#[track_caller]
pub fn failed<T>(why: impl fmt::Display) -> Outcome<T> {
    Err(Stop::Failed(format!("{}: {why}", Location::caller())))
}

/// The error of what must fail, with one of these kinds; any kind if there are none.
#[track_caller]
pub fn refused<T: fmt::Debug>(result: opendal::Result<T>, kinds: &[ErrorKind]) -> Outcome<Error> {
    match result {
        Ok(answer) => failed(format!("should have failed with {kinds:?}, got {answer:?}")),
        Err(error) => {
            secrets::keep_error(&error);
            if kinds.is_empty() || kinds.contains(&error.kind()) {
                Ok(error)
            } else {
                failed(format!("should have failed with {kinds:?}: {error}"))
            }
        }
    }
}

/// Either answer will do; an error is kept all the same, to be searched for secrets.
pub fn whatever<T>(result: opendal::Result<T>) -> Option<T> {
    result.inspect_err(secrets::keep_error).ok()
}

/// A trial of a case against a backend.
pub fn trial(
    runtime: &Handle,
    backend: &Arc<dyn Backend>,
    group: &'static str,
    case: Case,
) -> Trial {
    let (runtime, backend) = (runtime.clone(), Arc::clone(backend));
    Trial::ignorable_test(format!("{}::{group}::{}", backend.name(), case.name), move || {
        IN_A_CASE.set(true);
        let outcome = runtime.block_on(run(&*backend, group, case));
        IN_A_CASE.set(false);
        outcome
    })
}

async fn run(backend: &dyn Backend, group: &str, case: Case) -> Result<Completion, Failed> {
    let test =
        backend.lend(case.name).await.map_err(|stop| format!("no place for the case: {stop}"))?;
    let outcome = match case.needs.iter().find(|need| !(need.met)(&test)) {
        Some(need) => ignored(format!("not offered: {}", need.name)),
        None => {
            caught(timeout(LIMIT, (case.run)(&test)).map(|ended| {
                ended.unwrap_or_else(|_| {
                    Err(Stop::Failed(format!("not done after {} s", LIMIT.as_secs())))
                })
            }))
            .await
        }
    };
    let tidied = test.tidy().await;
    let known = backend.known().iter().find(|known| known.is_about(group, case.name));
    match (outcome, known) {
        (Err(Stop::Ignored(why)), _) => Ok(Completion::ignored_with(why)),
        (Err(Stop::Failed(why)), Some(known)) => {
            secrets::keep(&why);
            Ok(Completion::ignored_with(format!("known to differ: {}", known.because)))
        }
        (Err(Stop::Failed(why)), None) => {
            secrets::keep(&why);
            Err(why.into())
        }
        (Ok(()), Some(known)) if !known.sometimes => {
            Err(format!("passes, but is in the table of known differences: {}", known.because)
                .into())
        }
        (Ok(()), _) => match tidied {
            Ok(()) => Ok(Completion::Completed),
            Err(stop) => Err(format!("cleaning up afterwards: {stop}").into()),
        },
    }
}

/// A failed assertion as a failure that tells its place.
pub async fn caught(case: impl Future<Output = Outcome>) -> Outcome {
    match AssertUnwindSafe(case).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => Err(Stop::Failed(PANICKED.take().unwrap_or_else(|| "panicked".into()))),
    }
}

thread_local! {
    static IN_A_CASE: Cell<bool> = const { Cell::new(false) };
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A failed assertion is reported once, with its place, by the case that it ends.
pub fn report_panics_as_failures() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let what = panic.payload_as_str().unwrap_or("panicked");
        let text = match panic.location() {
            Some(at) => format!("{at}: {what}"),
            None => what.to_owned(),
        };
        secrets::keep(&text);
        if IN_A_CASE.get() {
            PANICKED.set(Some(text));
        } else {
            usual(panic);
        }
    }));
}

/// What a case can need: OpenDAL's capabilities, and what a backend's surroundings offer.
#[allow(non_upper_case_globals)]
pub mod needs {
    use super::Need;

    macro_rules! capabilities {
        ($($flag:ident)+) => {
            $(pub const $flag: Need = Need {
                name: stringify!($flag),
                met: |test| test.op.info().capability().$flag,
            };)+

            /// Every capability beyond the five operations that all cases are made of.
            pub const CAPABILITIES: &[Need] = &[$($flag),+];
        };
    }

    capabilities! {
        stat_with_if_match stat_with_if_none_match stat_with_if_version_match
        stat_with_if_version_not_match stat_with_if_modified_since stat_with_if_unmodified_since
        stat_with_override_cache_control stat_with_override_content_disposition
        stat_with_override_content_type stat_with_version
        read_with_if_match read_with_if_none_match read_with_if_version_match
        read_with_if_version_not_match read_with_if_modified_since read_with_if_unmodified_since
        read_with_override_cache_control read_with_override_content_disposition
        read_with_override_content_type read_with_version read_with_suffix
        write_can_multi write_can_empty write_can_append write_can_copy_from
        write_with_content_type write_with_content_disposition write_with_content_encoding
        write_with_cache_control write_with_if_match write_with_if_none_match
        write_with_if_version_match write_with_if_version_not_match write_with_if_not_exists
        write_with_user_metadata
        create_dir
        delete_with_version delete_with_recursive delete_with_if_match delete_with_if_none_match
        delete_with_if_version_match delete_with_if_version_not_match
        copy copy_with_if_not_exists copy_with_if_match copy_with_if_none_match
        copy_with_if_version_match copy_with_if_version_not_match copy_with_source_version
        copy_can_multi
        compose restore restore_with_version restore_with_if_not_exists
        rename rename_with_if_not_exists
        list_with_limit list_with_start_after list_with_recursive list_with_versions
        list_with_deleted
        presign presign_read presign_stat presign_write presign_delete
        shared
    }

    /// The caller may announce a file's size and modification time.
    pub const announcements: Need =
        Need { name: "announced sizes", met: |test| test.promises.announcements };
    /// And keeps the time.
    pub const announced_times: Need =
        Need { name: "announced times", met: |test| test.promises.keeps_times };
    /// Its cloud is the drive server.
    pub const drive_server: Need =
        Need { name: "a drive server", met: |test| test.station.is_some() };
    /// Its cloud is only pretended.
    pub const planned_troubles: Need =
        Need { name: "planned troubles", met: |test| test.pretence.is_some() };
}
