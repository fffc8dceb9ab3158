//! Random trees and random faults: a run makes the target equal to its model, or reports that it
//! did not. In no case does it lose a file.

mod faults;

use std::{collections::BTreeMap, num::NonZeroUsize};

use drivedal_transfer::{
    CompareBy, CompareOptions, DeleteRefusal, DeleteTime, Endpoint, Plan, RunLimits, SyncOutcome,
    SyncReport,
};
use opendal::{Operator, options::ListOptions, services};
use proptest::prelude::*;

use self::faults::{FaultLayer, FaultScript, Overwrite};

/// Number of random cases. `PROPTEST_CASES` overrides it.
const CASES: u32 = 10_000;

/// Files by their paths. The remainder by [`VERSION`] is the size of a file, and the number its
/// content.
type Tree = BTreeMap<String, usize>;

/// Numbers with a difference of this stand for files of equal size and different content.
const VERSION: usize = 8;

/// The content of a file that another client writes. No other file has its size.
const FOREIGN: [u8; 7] = [255; 7];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Copy,
    Sync,
    Move,
}

#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    source: Tree,
    target: Tree,
    /// Seed and percentage of failing calls, of each side.
    source_faults: (u64, u64),
    target_faults: (u64, u64),
    delete_time: DeleteTime,
    max_delete: Option<u64>,
    ignore_errors: bool,
    by_checksum: bool,
    dry_run: bool,
    transfers: usize,
    /// Another client writes the file at this position of the source before its copy is complete.
    overwritten: Option<usize>,
}

impl Case {
    /// Returns the path of the source's file that another client writes.
    fn overwritten_path(&self) -> Option<&str> {
        self.source.keys().nth(self.overwritten?).map(String::as_str)
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let contents = prop_oneof![0_usize..6, VERSION..VERSION + 6];
    prop::collection::btree_map("[abc](/[ab]){0,2}", contents, 0..7)
}

fn fault_rates() -> impl Strategy<Value = (u64, u64)> {
    (any::<u64>(), prop_oneof![3 => Just(0), 2 => Just(4), 1 => Just(25)])
}

fn cases() -> impl Strategy<Value = Case> {
    let kinds = prop_oneof![1 => Just(Kind::Copy), 3 => Just(Kind::Sync), 1 => Just(Kind::Move)];
    let times =
        prop_oneof![Just(DeleteTime::Before), Just(DeleteTime::During), Just(DeleteTime::After)];
    let options = (
        times,
        prop::option::weighted(0.2, 0_u64..4),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.1),
        1_usize..4,
        prop::option::weighted(0.3, 0_usize..4),
    );
    (kinds, trees(), trees(), fault_rates(), fault_rates(), options).prop_map(
        |(kind, mut source, mut target, source_faults, target_faults, options)| {
            let (
                delete_time,
                max_delete,
                ignore_errors,
                by_checksum,
                dry_run,
                transfers,
                overwritten,
            ) = options;
            if kind != Kind::Move {
                // A service without times and hashes shows the size only. A copy that misses the
                // difference loses nothing.
                for size in source.values_mut().chain(target.values_mut()) {
                    *size %= VERSION;
                }
            }
            Case {
                kind,
                source,
                target,
                source_faults,
                target_faults,
                delete_time,
                max_delete,
                ignore_errors,
                by_checksum,
                dry_run,
                transfers,
                overwritten,
            }
        },
    )
}

fn content(number: usize) -> Vec<u8> {
    vec![number as u8; number % VERSION]
}

async fn write_tree(operator: &Operator, tree: &Tree) {
    for (path, size) in tree {
        operator.write(&format!("root/{path}"), content(*size)).await.expect("written");
    }
}

/// Reads all files below `root/`.
async fn read_tree(operator: &Operator) -> BTreeMap<String, Vec<u8>> {
    let options = ListOptions { recursive: true, ..ListOptions::default() };
    let mut tree = BTreeMap::new();
    for entry in operator.list_options("root/", options).await.expect("listed") {
        if let (Some(path), true) = (entry.path().strip_prefix("root/"), entry.metadata().is_file())
        {
            let bytes = operator.read(entry.path()).await.expect("read").to_vec();
            tree.insert(path.to_owned(), bytes);
        }
    }
    tree
}

fn plan(case: &Case, source: Endpoint, target: Endpoint) -> Plan {
    let plan = match case.kind {
        Kind::Copy => Plan::copy(source, target),
        Kind::Sync => Plan::sync(source, target),
        Kind::Move => Plan::move_files(source, target),
    };
    let mut compare = CompareOptions::default();
    compare.by = if case.by_checksum { CompareBy::Checksum } else { CompareBy::SizeAndTime };
    let mut limits = RunLimits::default();
    limits.transfers = NonZeroUsize::new(case.transfers).expect("not 0");
    limits.checkers = limits.transfers;
    let plan = plan
        .compare(compare)
        .limits(limits)
        .delete_time(case.delete_time)
        .ignore_errors(case.ignore_errors)
        .dry_run(case.dry_run);
    match case.max_delete {
        Some(files) => plan.max_delete(files),
        None => plan,
    }
}

/// The state after a run.
struct Ran {
    report: Option<SyncReport>,
    source: BTreeMap<String, Vec<u8>>,
    target: BTreeMap<String, Vec<u8>>,
    failed_source_lists: u64,
    faults: u64,
    /// Another client has written a file of the source.
    is_overwritten: bool,
}

async fn run(case: &Case) -> Ran {
    let memory = || Operator::new(services::Memory::default()).expect("an operator");
    let (source, target) = (memory(), memory());
    write_tree(&source, &case.source).await;
    write_tree(&target, &case.target).await;
    let scripts = [case.source_faults, case.target_faults]
        .map(|(seed, percent)| FaultScript::new(seed, percent));
    if let Some(path) = case.overwritten_path() {
        let (path, content) = (format!("root/{path}"), FOREIGN.to_vec());
        scripts[1].set_overwrite(Overwrite { path, operator: source.clone(), content });
    }
    let faulty = |operator: &Operator, script: &FaultScript| {
        Endpoint::new(operator.clone().layer(FaultLayer(script.clone())), "root")
    };
    let plan = plan(case, faulty(&source, &scripts[0]), faulty(&target, &scripts[1]));
    let report = plan.run().await.ok();
    Ran {
        report,
        source: read_tree(&source).await,
        target: read_tree(&target).await,
        failed_source_lists: scripts[0].failed_lists(),
        faults: scripts[0].failed() + scripts[1].failed(),
        is_overwritten: scripts[1].has_overwritten(),
    }
}

fn check(case: &Case, ran: &Ran) -> Result<(), TestCaseError> {
    let bytes = |tree: &Tree| -> BTreeMap<String, Vec<u8>> {
        tree.iter().map(|(path, size)| (path.clone(), content(*size))).collect()
    };
    let (source, target) = (bytes(&case.source), bytes(&case.target));
    // Whatever happens, each file is one of the two versions, and complete.
    for (path, found) in &ran.target {
        let is_known = [&source, &target].iter().any(|tree| tree.get(path) == Some(found));
        prop_assert!(is_known, "{path} has unknown content {found:?}");
    }
    // A file is deleted at the target only by a sync, and only if the source lacks it.
    let deleted: Vec<_> = target.keys().filter(|path| !ran.target.contains_key(*path)).collect();
    prop_assert!(deleted.iter().all(|path| !source.contains_key(*path)), "{deleted:?}");
    prop_assert!(deleted.is_empty() || case.kind == Kind::Sync);
    // A file of the source is lost only if the target has it.
    for (path, content) in &source {
        let is_moved = case.kind == Kind::Move && ran.target.get(path) == Some(content);
        prop_assert!(ran.source.contains_key(path) || is_moved, "{path} is lost");
    }
    if let (true, Some(path)) = (ran.is_overwritten, case.overwritten_path()) {
        let found = ran.source.get(path).map(Vec::as_slice);
        prop_assert_eq!(found, Some(&FOREIGN[..]), "the file of another client is lost");
    }
    // With `Before`, the second pass may fail after the first one was complete.
    if ran.failed_source_lists > 0 && case.delete_time != DeleteTime::Before {
        prop_assert!(deleted.is_empty(), "deleted {deleted:?} after a failed listing");
    }
    if case.max_delete.is_some_and(|max| deleted.len() as u64 > max) {
        prop_assert!(false, "deleted {deleted:?}");
    }
    if case.dry_run {
        prop_assert_eq!(&ran.target, &target);
        prop_assert_eq!(&ran.source, &source);
    }
    let Some(report) = &ran.report else {
        prop_assert!(ran.faults > 0 || source.is_empty(), "the run did not begin");
        prop_assert_eq!(&ran.target, &target);
        return Ok(());
    };
    if report.delete_refusal.is_some() {
        prop_assert!(deleted.is_empty(), "deleted {deleted:?} in spite of the refusal");
    }
    match report.outcome() {
        SyncOutcome::Equal | SyncOutcome::Changed if !case.dry_run => {
            let mut expected = source.clone();
            if case.kind != Kind::Sync {
                expected.extend(
                    target
                        .iter()
                        .filter(|(path, _)| !source.contains_key(*path))
                        .map(|(path, content)| (path.clone(), content.clone())),
                );
            }
            prop_assert_eq!(&ran.target, &expected);
            prop_assert_eq!(ran.source.is_empty(), case.kind == Kind::Move || source.is_empty());
            prop_assert!(!ran.is_overwritten || case.kind != Kind::Move, "the file was not moved");
            let changes = report.created + report.replaced + report.deleted;
            if report.outcome() == SyncOutcome::Equal {
                prop_assert_eq!((changes, &ran.target), (0, &target));
            }
            prop_assert_eq!(report.deleted, deleted.len() as u64);
        }
        SyncOutcome::MaxDelete => {
            let is_max_delete =
                matches!(report.delete_refusal, Some(DeleteRefusal::MaxDelete { .. }));
            prop_assert!(is_max_delete && case.max_delete.is_some());
        }
        SyncOutcome::Failed => {
            prop_assert!(ran.faults > 0 || ran.is_overwritten, "{:?}", report.failures);
        }
        _ => prop_assert!(case.dry_run),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES")
            .map_or(CASES, |cases| cases.parse().expect("a number")),
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_run_reaches_its_model_or_reports_that_it_did_not(case in cases()) {
        thread_local! {
            static RUNTIME: tokio::runtime::Runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        }
        let ran = RUNTIME.with(|runtime| runtime.block_on(run(&case)));
        check(&case, &ran)?;
    }
}
