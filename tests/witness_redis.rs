//! An unmodified redis-server as the second tier that several caches share.
//!
//! The program is `DRIVEDAL_REDIS_SERVER`, otherwise `redis-server` in the PATH. If it is missing,
//! the test prints that it is ignored, or fails if `DRIVEDAL_REQUIRE_CLIENTS` is set.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use drivedal::{
    layers::cache::{CacheLayer, Consistency},
    remote,
};
use drivedal_server::Server;
use drivedal_test_support::witness;
use libtest_mimic::Arguments;
use opendal::{Operator, services};
use tempfile::TempDir;
use witness::{TrialResult, trial};

const BLOCK: u64 = 4096;
const LENGTH: usize = 100_000;

fn main() {
    let arguments = Arguments::from_args();
    let name = "what_one_machine_has_read_another_has_from_redis";
    let run = || {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(shared())
    };
    let started = Command::new(program()).arg("--version").stdout(Stdio::null()).status();
    let missing = started.err().map(|why| format!("redis-server: {why}"));
    let trial = trial(name.to_owned(), missing.as_deref(), run);
    libtest_mimic::run(&arguments, vec![trial]).exit();
}

fn program() -> OsString {
    env::var_os("DRIVEDAL_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// A redis-server on a separate port. Dropping it ends the process.
struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Redis {
    fn start() -> TrialResult<Self> {
        let folder = tempfile::tempdir()?;
        for _ in 0..10 {
            // Redis does not support port 0.
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut process = Command::new(program())
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
                .arg(folder.path())
                .stdout(Stdio::piped())
                .spawn()?;
            let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
            if lines.any(|line| line.is_ok_and(|line| line.contains("Ready to accept"))) {
                return Ok(Self { process, port, _folder: folder });
            }
            // Another process took the port in the meantime.
            process.wait()?;
        }
        Err("redis-server does not start".into())
    }
}

/// Returns the drive with the cache of one machine.
async fn machine(drive: &Operator, redis: &Redis) -> opendal::Result<(Operator, CacheLayer)> {
    let tier = services::Redis::default().endpoint(&format!("redis://127.0.0.1:{}", redis.port));
    let cache = CacheLayer::builder().consistency(Consistency::MaxAge(Duration::from_secs(3600)));
    let cache = cache.block_size(BLOCK).second_tier(Operator::new(tier)?).build().await?;
    Ok((drive.clone().layer(cache.clone()), cache))
}

async fn shared() -> TrialResult {
    let redis = Redis::start()?;
    let server = Server::builder().ephemeral().start().await?;
    let uri = format!("onedrive://?access_token=drivedal-dev&endpoint={}v1.0", server.url());
    let drive = remote::open(&uri)?.operator;
    let written: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    drive.write("a", written.clone()).await?;
    let blocks = (LENGTH as u64).div_ceil(BLOCK);
    let read = async |operator: &Operator| -> TrialResult {
        let same = operator.read("a").await?.to_vec() == written;
        if same { Ok(()) } else { Err("other bytes".into()) }
    };
    let (one, cache) = machine(&drive, &redis).await?;
    read(&one).await?;
    assert_eq!(cache.stats().blocks_fetched, blocks);
    // A block is written after it was returned; until then, other machines fetch it from the drive.
    let cache = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let (two, cache) = machine(&drive, &redis).await?;
            read(&two).await?;
            if cache.stats().blocks_fetched == 0 {
                return TrialResult::Ok(cache);
            }
        }
    });
    assert_eq!(cache.await??.stats().blocks_from_tier, blocks);
    // Without redis, the drive is read directly.
    let (three, cache) = machine(&drive, &redis).await?;
    drop(redis);
    read(&three).await?;
    assert_eq!(cache.stats().blocks_fetched, blocks);
    server.stop().await;
    Ok(())
}
