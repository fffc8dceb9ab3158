//! `drivedal-transfer` over HTTP: random trees, while requests fail without a retry. The target
//! equals the source, or the report says that it does not. In no case is a file lost.

use std::collections::BTreeMap;

use drivedal_server::{Fault, Server, When};
use drivedal_transfer::{DeleteTime, Endpoint, Plan, SyncOutcome, SyncReport};
use opendal::{Operator, options::ListOptions, services};

use super::layers::operator;

/// The number of random cases.
const CASES: u64 = 50;

/// Contents of files by their paths.
type Tree = BTreeMap<String, Vec<u8>>;

/// A linear congruential generator.
struct Dice(u64);

impl Dice {
    /// Returns a number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    /// Returns up to eight files. The size of a file determines its content.
    fn tree(&mut self) -> Tree {
        let folders = ["", "d/", "d/e/", "f/"];
        let file = |dice: &mut Self| {
            let folder = folders[dice.below(4) as usize];
            let size = dice.below(5);
            (format!("{folder}{}", dice.below(4)), vec![size as u8; size as usize])
        };
        (0..self.below(9)).map(|_| file(self)).collect()
    }
}

async fn write_tree(operator: &Operator, root: &str, tree: &Tree) {
    // The root exists also if the tree is empty.
    operator.write(&format!("{root}/keep"), "").await.expect("written");
    for (path, bytes) in tree {
        operator.write(&format!("{root}/{path}"), bytes.clone()).await.expect("written");
    }
}

async fn read_tree(operator: &Operator, root: &str) -> Tree {
    let options = ListOptions { recursive: true, ..ListOptions::default() };
    let mut tree = Tree::new();
    for entry in operator.list_options(&format!("{root}/"), options).await.expect("listed") {
        if entry.metadata().is_file() {
            let bytes = operator.read(entry.path()).await.expect("read").to_vec();
            tree.insert(entry.path()[root.len() + 1..].to_owned(), bytes);
        }
    }
    tree.remove("keep").expect("the file of the root");
    tree
}

/// A twentieth of the requests fails, some of them after they took effect.
fn faults() -> [Fault; 4] {
    [
        Fault::on("*").share(0.02).status(503),
        Fault::on("*").share(0.02).status(503).after_the_effect(),
        Fault::on("*").share(0.01).reset(When::Before),
        Fault::on("*").share(0.01).truncate(10),
    ]
}

/// The sides of one case: the drive is the source or the target.
struct Sides {
    source: Operator,
    target: Operator,
    root: String,
}

impl Sides {
    async fn sync(&self, delete_time: DeleteTime) -> Option<SyncReport> {
        let at = |operator: &Operator| Endpoint::new(operator.clone(), &self.root);
        let plan = Plan::sync(at(&self.source), at(&self.target)).delete_time(delete_time);
        plan.run().await.ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_while_requests_fail_reaches_its_goal_or_reports_that_it_did_not() {
    let server = Server::builder().ephemeral().start().await.expect("a server");
    let drive = operator(&server, "onedrive");
    let mut dice = Dice(20);
    let mut outcomes = [0; 2];
    for case in 0..CASES {
        let memory = Operator::new(services::Memory::default()).expect("an operator");
        let (source, target) = match case % 2 {
            0 => (drive.clone(), memory),
            _ => (memory, drive.clone()),
        };
        let sides = Sides { source, target, root: format!("case {case}") };
        let (before_source, before_target) = (dice.tree(), dice.tree());
        write_tree(&sides.source, &sides.root, &before_source).await;
        write_tree(&sides.target, &sides.root, &before_target).await;
        let times = [DeleteTime::Before, DeleteTime::During, DeleteTime::After];
        let delete_time = times[dice.below(3) as usize];
        server.control().add_faults_with_seed(faults(), case).expect("good rules");
        let report = sides.sync(delete_time).await;
        server.control().clear_faults();

        let after = read_tree(&sides.target, &sides.root).await;
        assert_eq!(read_tree(&sides.source, &sides.root).await, before_source, "case {case}");
        for (path, bytes) in &before_target {
            let is_kept = after.contains_key(path) || !before_source.contains_key(path);
            assert!(is_kept, "case {case}: {path} with {bytes:?} is lost");
        }
        for (path, bytes) in &after {
            let is_version = |tree: &Tree| tree.get(path) == Some(bytes);
            let is_known = is_version(&before_source) || is_version(&before_target);
            assert!(is_known, "case {case}: {path} has unknown content {bytes:?}");
        }
        let Some(report) = report else {
            assert_eq!(after, before_target, "case {case}");
            outcomes[1] += 1;
            continue;
        };
        match report.outcome() {
            SyncOutcome::Equal | SyncOutcome::Changed => {
                assert_eq!(after, before_source, "case {case}: {report:?}");
                outcomes[0] += 1;
            }
            SyncOutcome::Failed => outcomes[1] += 1,
            other => panic!("case {case}: {other:?}"),
        }
    }
    println!("{} of {CASES} runs were complete, {} reported a failure", outcomes[0], outcomes[1]);
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}
