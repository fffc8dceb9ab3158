//! Moves: the source is deleted only if its copy is certain. Other clients change files meanwhile.

use std::{
    borrow::Cow,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use drivedal_transfer::{
    CompareBy, CompareOptions, Endpoint, EndpointFeatures, Plan, StoredTimes, SyncReport,
};
use jiff::Timestamp;
use opendal::options::WriteOptions;

use super::{Folder, memory, run};

/// Another client, which changes a file while a run is active.
struct OtherClient {
    /// The time of the change.
    at: Moment,
    change: Box<dyn Fn() + Send + Sync>,
    calls: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Both sides have listed the file `a`.
    Listed,
    /// The file `a` was read, and is about to be written.
    Read,
}

impl OtherClient {
    fn new(at: Moment, change: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { at, change: Box::new(change), calls: AtomicUsize::new(0) })
    }
}

impl std::fmt::Debug for OtherClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.at.fmt(f)
    }
}

impl EndpointFeatures for OtherClient {
    fn times(&self) -> StoredTimes {
        StoredTimes::Set { precision: Duration::from_nanos(100) }
    }

    fn has_folders(&self) -> bool {
        true
    }

    /// Changes the file when it is called for the second entry: those of both sides.
    fn collision_key<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.at == Moment::Listed && self.calls.fetch_add(1, Relaxed) == 1 {
            (self.change)();
        }
        name.into()
    }

    fn write_options(&self, _: Option<u64>, _: Option<Timestamp>) -> WriteOptions {
        if self.at == Moment::Read {
            (self.change)();
        }
        WriteOptions::default()
    }
}

/// Returns two folders with an equal file `a`.
fn equal_folders() -> (Folder, Folder) {
    let (source, target) = (Folder::with(&[("a", "1")]), Folder::with(&[("a", "1")]));
    let time = fs::metadata(source.path("a")).unwrap().modified().unwrap();
    fs::File::options().write(true).open(target.path("a")).unwrap().set_modified(time).unwrap();
    (source, target)
}

/// Runs a plan that has one failure, and returns its message.
async fn failure(plan: Plan) -> String {
    let report = plan.run().await.expect("the run begins");
    assert_eq!((report.failures.len(), report.sources_deleted), (1, 0), "{:?}", report.failures);
    report.failures[0].to_string()
}

#[tokio::test]
async fn a_source_that_changed_after_the_listing_stays() {
    let (source, target) = equal_folders();
    let path = source.path("a");
    let other = OtherClient::new(Moment::Listed, move || fs::write(&path, "2").unwrap());
    let plan = Plan::move_files(source.endpoint(), target.endpoint().with_features(other));
    let message = failure(plan).await;
    assert!(message.contains("it changed after it was compared or copied"), "{message}");
    assert_eq!((source.tree(), target.tree()), (vec!["a=2".into()], vec!["a=1".into()]));
}

#[tokio::test]
async fn a_file_that_changed_after_the_listing_is_not_deleted_by_a_sync() {
    let source = Folder::with(&[("b", "1")]);
    let target = Folder::with(&[("a", "1"), ("b", "1")]);
    let path = target.path("a");
    let other = OtherClient::new(Moment::Listed, move || fs::write(&path, "new").unwrap());
    let plan = Plan::sync(source.endpoint(), target.endpoint().with_features(other));
    let report = plan.run().await.expect("the run begins");
    let message = report.failures[0].to_string();
    assert!(message.contains("it changed after it was listed (by its size)"), "{message}");
    assert_eq!((report.deleted, target.tree()), (0, vec!["a=new".into(), "b=1".into()]));
}

#[tokio::test]
async fn a_source_that_changed_after_it_was_read_stays() {
    let source = Folder::with(&[("a", "1")]);
    let (path, operator) = (source.path("a"), memory());
    let other = OtherClient::new(Moment::Read, move || fs::write(&path, "2").unwrap());
    let target = Endpoint::new(operator.clone(), "").with_features(other);
    let message = failure(Plan::move_files(source.endpoint(), target)).await;
    assert!(message.contains("it changed after it was compared or copied"), "{message}");
    assert_eq!(source.tree(), ["a=2"]);
    assert_eq!(operator.read("a").await.unwrap().to_vec(), b"1");
}

#[tokio::test]
async fn a_source_whose_copy_was_deleted_or_changed_stays() {
    let changes: [fn(PathBuf); 2] =
        [|path| fs::remove_file(path).unwrap(), |path| fs::write(path, "9").unwrap()];
    for change in changes {
        let (source, target) = equal_folders();
        let path = target.path("a");
        let other = OtherClient::new(Moment::Listed, move || change(path.clone()));
        let plan = Plan::move_files(source.endpoint(), target.endpoint().with_features(other));
        let message = failure(plan).await;
        assert!(message.contains("its copy at the target"), "{message}");
        assert_eq!(source.tree(), ["a=1"]);
    }
}

#[tokio::test]
async fn equal_sizes_do_not_prove_that_a_service_has_the_file() {
    let by_size = || {
        let mut options = CompareOptions::default();
        options.by = CompareBy::Size;
        options
    };
    for (options, expected) in [(CompareOptions::default(), "1"), (by_size(), "2")] {
        let source = Folder::with(&[("a", "1")]);
        let target = memory();
        target.write("a", "2").await.unwrap();
        let plan = Plan::move_files(source.endpoint(), Endpoint::new(target.clone(), ""));
        let report = run(plan.compare(options)).await;
        assert_eq!(report.sources_deleted, 1);
        assert_eq!(target.read("a").await.unwrap().to_vec(), expected.as_bytes());
    }
}

/// Moves a folder to another one, and follows links.
#[cfg(unix)]
async fn follow_links(source: &Folder, target: &Folder) -> SyncReport {
    let plan = Plan::move_files(source.endpoint_at("src"), target.endpoint_at("out"));
    let plan = plan.links(drivedal_transfer::LinkHandling::Follow).delete_empty_sources(true);
    plan.run().await.expect("the run begins")
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_into_the_target_is_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = Folder::with(&[("src/b", "2"), ("out/a", "1"), ("out/d/c", "3")]);
    symlink("../out/a", folder.path("src/a")).unwrap();
    symlink("../out/d", folder.path("src/d")).unwrap();
    symlink("..", folder.path("src/above")).unwrap();
    let report = follow_links(&folder, &folder).await;
    let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(failures.iter().all(|text| text.contains("into the target")), "{failures:?}");
    let link = |path: &str| fs::symlink_metadata(folder.path(path)).unwrap().is_symlink();
    assert!(link("src/a") && link("src/d") && link("src/above"));
    fs::remove_dir_all(folder.path("src")).unwrap();
    assert_eq!(folder.tree(), ["out/a=1", "out/b=2", "out/d/c=3"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_followed_link_is_replaced_by_a_copy_and_its_target_stays() {
    use std::os::unix::fs::symlink;
    let files = [("src/d/real", "1"), ("else/file", "2"), ("else/e/f/g", "3"), ("else/x/y", "4")];
    let folder = Folder::with(&files);
    symlink("../../else/file", folder.path("src/d/link")).unwrap();
    symlink("../../else/e", folder.path("src/d/folder")).unwrap();
    symlink("../else/x", folder.path("src/kept")).unwrap();
    fs::create_dir_all(folder.path("out/kept/y")).unwrap();
    let report = follow_links(&folder, &folder).await;
    let failures: Vec<_> = report.failures.iter().map(ToString::to_string).collect();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains("the target has a folder of this name"), "{failures:?}");
    let is_link = |path: &str| fs::symlink_metadata(folder.path(path)).unwrap().is_symlink();
    assert!(!is_link("out/d/link") && !is_link("out/d/folder") && is_link("src/kept"));
    fs::remove_file(folder.path("src/kept")).unwrap();
    let moved = ["out/d/folder/f/g=3", "out/d/link=2", "out/d/real=1", "out/kept/y/", "src/"];
    let kept = ["else/e/f/g=3", "else/file=2", "else/x/y=4"];
    assert_eq!(folder.tree(), [&kept[..], &moved[..]].concat());
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_both_sides_share_stays() {
    for content in ["1", "22"] {
        let folder = Folder::with(&[("src/a", "1"), ("out/", "")]);
        fs::hard_link(folder.path("src/a"), folder.path("out/a")).unwrap();
        let mut options = CompareOptions::default();
        // The second time both are sent although they are equal.
        options.by = if content == "1" { CompareBy::SizeAndTime } else { CompareBy::Nothing };
        let plan = Plan::move_files(folder.endpoint_at("src"), folder.endpoint_at("out"));
        let message = failure(plan.compare(options)).await;
        assert!(message.contains("are the same file"), "{message}");
        assert_eq!(folder.tree(), ["out/a=1", "src/a=1"]);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_is_moved_to_another_file_system() {
    use std::os::unix::fs::MetadataExt;
    let source = Folder::with(&[("d/a", "1"), ("b", "2")]);
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let device = |path: PathBuf| fs::metadata(path).unwrap().dev();
    let target = Folder(memory);
    assert_ne!(device(source.path("")), device(target.path("")), "both are on one file system");
    let report = run(Plan::move_files(source.endpoint(), target.endpoint_at("new/folder"))).await;
    assert_eq!((report.created, report.sources_deleted, report.bytes), (2, 2, 2));
    assert_eq!(source.tree(), ["d/"]);
    assert_eq!(target.tree(), ["new/folder/b=2", "new/folder/d/a=1"]);
}
