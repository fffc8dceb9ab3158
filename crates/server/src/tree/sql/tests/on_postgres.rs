//! Runs tests of the tree on a PostgreSQL server.
//!
//! `DRIVEDAL_TEST_POSTGRES` is the URL of a database in which the tests may create schemas. The tests
//! are ignored by default: `cargo test --lib -- --ignored postgres`.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{AssertSqlSafe, Connection};

use super::super::{TreeOptions, dialect};
use crate::Durability;

const VARIABLE: &str = "DRIVEDAL_TEST_POSTGRES";

thread_local! {
    /// The schemas of the test that runs in this thread; `None` for a test on SQLite.
    static SCHEMAS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Declares that tests of this module also run on PostgreSQL.
macro_rules! also_on_postgres {
    ($($test:ident),+ $(,)?) => {
        mod postgresql {
            $(
                #[test]
                #[ignore = "needs DRIVEDAL_TEST_POSTGRES"]
                fn $test() {
                    $crate::tree::sql::tests::on_postgres::run(super::$test);
                }
            )+
        }
    };
}
pub(in super::super) use also_on_postgres;

/// Runs a test whose trees are on the server, then drops their schemas.
pub(in super::super) fn run(test: fn()) {
    SCHEMAS.set(Some(Vec::new()));
    test();
    let schemas = SCHEMAS.take().unwrap_or_default();
    assert!(!schemas.is_empty(), "the test used no tree on the server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(drop_schemas(schemas));
}

/// The options of a tree in a new schema, with its blobs in memory; `None` in a test on SQLite.
pub(in super::super) async fn options() -> Option<TreeOptions> {
    if SCHEMAS.with_borrow(Option::is_none) {
        return None;
    }
    let url = schema().await;
    let options = TreeOptions::ephemeral().durability(Durability::Relaxed);
    Some(options.database(Some(url.as_str().into())))
}

/// Creates a schema, and returns the URL of a database in it.
pub(super) async fn schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let schema = format!("drivedal_test_{}_{number}", std::process::id());
    execute(&format!("CREATE SCHEMA {schema}")).await;
    let mut url = url::Url::parse(&server()).expect("a URL");
    url.query_pairs_mut().append_pair("options", &format!("-c search_path={schema}"));
    SCHEMAS.with_borrow_mut(|schemas| schemas.get_or_insert_default().push(schema));
    url.into()
}

/// Drops the schemas that [`schema`] created in this thread.
pub(super) async fn clean_up() {
    drop_schemas(SCHEMAS.take().unwrap_or_default()).await;
}

async fn drop_schemas(schemas: Vec<String>) {
    for schema in schemas {
        execute(&format!("SET client_min_messages = warning; DROP SCHEMA {schema} CASCADE")).await;
    }
}

/// The URL of the server's database.
pub(super) fn server() -> String {
    std::env::var(VARIABLE)
        .unwrap_or_else(|_| panic!("{VARIABLE} is not set: no server to test on"))
}

/// Executes statements on a connection that no tree uses.
pub(super) async fn execute(statements: &str) {
    let url = server();
    let connecting = dialect::connect(&url, Some(Durability::Relaxed));
    let mut sql = connecting.await.expect("connects");
    let statements = AssertSqlSafe(statements.to_owned());
    sqlx::raw_sql(statements).execute(&mut sql).await.expect("executes");
    sql.close().await.expect("closes");
}
