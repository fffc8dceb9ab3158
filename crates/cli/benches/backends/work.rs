//! The work, done by one remote in a process of its own.

use std::{
    fs::{self, File},
    io::Read,
    time::Instant,
};

use futures::{StreamExt, TryStreamExt, stream};
use opendal::{Operator, options::ListOptions};
use serde::{Deserialize, Serialize};

use crate::{
    Result, Task,
    contender::{CONTENDERS, Contender},
    process::{forget_peak, peak},
};

/// Requests under way at a time, of small files and of ranges.
const AT_ONCE: usize = 8;

/// How many files get another name.
const RENAMED: usize = 20;

/// Bytes of a range.
const RANGE: u64 = 64 << 10;

/// Bytes that are written at a time.
const PIECE: usize = 1 << 20;

pub const WORK: [&str; 8] = [
    "put small files",
    "list recursively",
    "get small files",
    "rename",
    "put large file",
    "get large file",
    "read ranges",
    "delete small files",
];

/// What one work cost one remote once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    pub work: String,
    /// Why it was not done.
    pub refused: Option<String>,
    pub seconds: f64,
    pub requests: Option<u64>,
    /// Bytes.
    pub client_peak: Option<u64>,
    /// Bytes.
    pub server_peak: Option<u64>,
}

/// Does all of the work, and prints what it cost.
pub fn run(task: &Task) -> Result {
    let runtime = tokio::runtime::Runtime::new()?;
    let contender = CONTENDERS.iter().find(|one| one.name == task.contender);
    let contender = contender.ok_or_else(|| format!("no {}", task.contender))?;
    let measured = runtime.block_on(all(task, contender))?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

async fn all(task: &Task, contender: &Contender) -> Result<Vec<Measured>> {
    let operator = contender.open(task)?;
    let counter = Counter::new(task)?;
    let mut measured: Vec<Measured> = Vec::new();
    for work in WORK {
        let renamed = measured.iter().any(|one| one.work == "rename" && one.refused.is_none());
        counter.reset().await?;
        forget_peak(std::process::id());
        task.server.iter().for_each(|(_, server)| forget_peak(*server));
        let began = Instant::now();
        let outcome = does(work, task, contender, &operator, renamed).await;
        let seconds = began.elapsed().as_secs_f64();
        measured.push(Measured {
            work: work.to_owned(),
            refused: outcome.err().map(|error| error.to_string()),
            seconds,
            requests: counter.count().await?,
            client_peak: peak(std::process::id()),
            server_peak: task.server.as_ref().and_then(|(_, server)| peak(*server)),
        });
        if task.check && work == "get large file" {
            check(task, &operator).await?;
        }
    }
    Ok(measured)
}

/// `renamed`: whether the first files have their new names by now.
async fn does(
    work: &str,
    task: &Task,
    contender: &Contender,
    operator: &Operator,
    renamed: bool,
) -> Result {
    let small = || stream::iter(&task.files);
    match work {
        "put small files" => {
            small()
                .map(async |path| -> Result {
                    let bytes = fs::read(task.source.join(path))?;
                    operator.write(&format!("t/{path}"), bytes).await?;
                    Ok(())
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        "list recursively" => {
            let options = ListOptions { recursive: true, ..ListOptions::default() };
            let listed = operator.list_options("t/", options).await?;
            let files = listed.iter().filter(|entry| entry.metadata().is_file()).count();
            same("files listed", files as u64, task.files.len() as u64)
        }
        "get small files" => {
            small()
                .map(async |path| -> Result {
                    let bytes = operator.read(&format!("t/{path}")).await?;
                    same(path, bytes.len() as u64, fs::metadata(task.source.join(path))?.len())
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        "rename" => {
            stream::iter(task.files.iter().take(RENAMED))
                .map(async |path| -> Result {
                    let (old, new) = (format!("t/{path}"), format!("t/{path}.new"));
                    Ok(operator.rename(&old, &new).await?)
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        "put large file" => put_large(task, contender, operator).await,
        "get large file" => {
            let mut bytes = operator.reader("large").await?.into_stream(..).await?;
            let mut got = 0;
            while let Some(piece) = bytes.try_next().await? {
                got += piece.len() as u64;
            }
            same("bytes", got, fs::metadata(&task.large)?.len())
        }
        "read ranges" => {
            let size = fs::metadata(&task.large)?.len();
            let reader = operator.reader("large").await?;
            stream::iter(0..task.ranges)
                .map(async |nth| -> Result {
                    // All over the file, in no order.
                    let from = nth * 7_368_787 % size.saturating_sub(RANGE).max(1);
                    let bytes = reader.read(from..(from + RANGE).min(size)).await?;
                    same("bytes of a range", bytes.len() as u64, RANGE.min(size))
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await
        }
        _ => {
            let paths = task.files.iter().enumerate().map(|(nth, path)| match nth {
                nth if renamed && nth < RENAMED => format!("t/{path}.new"),
                _ => format!("t/{path}"),
            });
            Ok(operator.delete_iter(paths).await?)
        }
    }
}

async fn put_large(task: &Task, contender: &Contender, operator: &Operator) -> Result {
    if !operator.info().capability().write_can_multi {
        // It takes a file whole or not at all.
        operator.write("large", fs::read(&task.large)?).await?;
        return Ok(());
    }
    let mut file = File::open(&task.large)?;
    let size = file.metadata()?.len();
    let mut writer = match contender.is_ours() {
        true => {
            let announced = drivedal::announce().size(size);
            operator.writer_with("large").user_metadata(announced).await?
        }
        false => operator.writer("large").await?,
    };
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        writer.write(piece).await?;
    }
    writer.close().await?;
    Ok(())
}

/// Whether everything is there as it was put; not measured.
async fn check(task: &Task, operator: &Operator) -> Result {
    if !operator.exists("large").await? {
        return Ok(());
    }
    let mut file = File::open(&task.large)?;
    let mut bytes = operator.reader("large").await?.into_stream(..).await?;
    while let Some(piece) = bytes.try_next().await? {
        let mut wanted = vec![0; piece.len()];
        file.read_exact(&mut wanted)?;
        if wanted != piece.to_vec() {
            return Err("the large file is not as it was put".into());
        }
    }
    for path in task.files.iter().skip(RENAMED) {
        if operator.read(&format!("t/{path}")).await?.to_vec() != fs::read(task.source.join(path))?
        {
            return Err(format!("{path} is not as it was put").into());
        }
    }
    Ok(())
}

fn same(what: &str, found: u64, wanted: u64) -> Result {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {found} instead of {wanted}").into())
    }
}

/// The server's counters.
struct Counter {
    http: reqwest::Client,
    server: Option<String>,
}

impl Counter {
    fn new(task: &Task) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, server: task.server.as_ref().map(|(url, _)| url.clone()) })
    }

    async fn reset(&self) -> Result {
        if let Some(server) = &self.server {
            let url = format!("{server}_control/counters/reset");
            self.http.post(url).send().await?.error_for_status()?;
        }
        Ok(())
    }

    async fn count(&self) -> Result<Option<u64>> {
        let Some(server) = &self.server else { return Ok(None) };
        let answer = self.http.get(format!("{server}_control/counters")).send().await?;
        let counters: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        Ok(counters["total"].as_u64())
    }
}
