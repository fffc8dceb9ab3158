//! rclone against a server whose items are in PostgreSQL and whose bytes are in an S3 store.
//!
//! `DRIVEDAL_TEST_POSTGRES` is the URL of a database in which the test may create a schema,
//! `DRIVEDAL_TEST_S3` the endpoint of a store without access control, such as `moto_server`.

use std::{env, sync::Arc};

use drivedal_server::{AccountKind, Server};
use opendal::{Operator, services::S3};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, any::install_default_drivers};
use tokio::runtime::Handle;
use url::Url;

use crate::rclone::{
    client::{Rclone, rclone},
    transfers,
    witness::{TrialResult, check},
};

/// The reason why the test cannot run; `None` if it can.
pub fn missing() -> Option<String> {
    let variables = ["DRIVEDAL_TEST_POSTGRES", "DRIVEDAL_TEST_S3"];
    let unset = variables.into_iter().find(|variable| env::var_os(variable).is_none());
    rclone().err().or(unset.map(|variable| format!("{variable} is not set")))
}

/// A schema and a bucket of one test.
struct Storage {
    name: String,
    database: Url,
    endpoint: Url,
}

impl Storage {
    async fn create() -> TrialResult<Self> {
        let name = format!("drivedal-witness-{}", std::process::id());
        let mut database = Url::parse(&env::var("DRIVEDAL_TEST_POSTGRES")?)?;
        execute(database.as_str(), format!("CREATE SCHEMA \"{name}\"")).await?;
        database.query_pairs_mut().append_pair("options", &format!("-c search_path={name}"));
        let endpoint = Url::parse(&env::var("DRIVEDAL_TEST_S3")?)?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        client.put(endpoint.join(&name)?).send().await?.error_for_status()?;
        Ok(Self { name, database, endpoint })
    }

    async fn serve(&self) -> TrialResult<Arc<Server>> {
        let store = S3::default()
            .bucket(&self.name)
            .root("/blobs")
            .endpoint(self.endpoint.as_str())
            .region("us-east-1")
            .access_key_id("test")
            .secret_access_key("test")
            .disable_config_load();
        let builder = Server::builder().database(self.database.as_str());
        Ok(Arc::new(builder.blobs(Operator::new(store)?).start().await?))
    }

    async fn remove(self) -> TrialResult {
        let mut server = self.database;
        server.set_query(None);
        execute(server.as_str(), format!("DROP SCHEMA \"{}\" CASCADE", self.name)).await
    }
}

async fn execute(url: &str, statement: String) -> TrialResult {
    install_default_drivers();
    let mut sql = AnyConnection::connect(url).await?;
    sqlx::query(AssertSqlSafe(statement)).execute(&mut sql).await?;
    Ok(sql.close().await?)
}

/// Copies a tree there and back, then finds it on a second server with the same storage.
pub fn kept(runtime: &Handle) -> TrialResult {
    opendal::install_default();
    let storage = runtime.block_on(Storage::create())?;
    let server = runtime.block_on(storage.serve())?;
    let one = Rclone::new(Arc::clone(&server), "stored", AccountKind::Personal)?;
    transfers::there_and_back(&one)?;
    let refused = runtime.block_on(storage.serve()).map(drop);
    check("a second server is refused", refused.is_err(), true)?;
    let listed = one.rclone("lsf -R --format ps --hash QuickXorHash od:tree")?;
    drop(one);
    let server = Arc::into_inner(server).ok_or("the server is in use")?;
    runtime.block_on(server.stop());

    let server = runtime.block_on(storage.serve())?;
    let two = Rclone::new(Arc::clone(&server), "stored", AccountKind::Personal)?;
    check("the listing", two.rclone("lsf -R --format ps --hash QuickXorHash od:tree")?, listed)?;
    check("the text", two.rclone("cat od:tree/dir/inner/deep.txt")?, "deep".into())?;
    two.rclone("copy od:tree LOCAL/back")?;
    two.rclone("check --download LOCAL/back od:tree")?;
    drop(two);
    let server = Arc::into_inner(server).ok_or("the server is in use")?;
    runtime.block_on(server.stop());
    runtime.block_on(storage.remove())
}
