//! Random faults: files of mixed sizes are uploaded and downloaded through the retry layer, on
//! every drive, while the server fails in every way that a client can survive. The files must be
//! intact.
//!
//! Environment variables: `DRIVEDAL_FAULTS`: number of faults for each drive (default 40).
//! `DRIVEDAL_FAULT_MIB`: size of all uploads (40). `DRIVEDAL_SEED`: selects the requests that fail.
//! `DRIVEDAL_REMOTE`: only drives whose names start with this.

use std::{
    env,
    io::{Seek, Write},
    time::{Duration, Instant},
};

use drivedal::{
    adapter::{DriveHandle, FileUpload, SavedUpload},
    layers::{Policy, RetryLayer, retry::Backoff},
    remote::RemoteSource,
};
use drivedal_server::{AccountKind, Fault, Latency, Server, When};
use futures::{StreamExt, TryStreamExt, stream};
use opendal::{HttpTransporter, OperationContext, Operator};

const MIB: u64 = 1 << 20;

/// Number of bytes that are generated and compared at a time.
const PIECE: usize = 256 << 10;

/// Number of concurrent files.
const AT_ONCE: usize = 4;

fn number(name: &str, or: u64) -> u64 {
    env::var(name).map_or(or, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// A drive to test.
struct Remote {
    name: &'static str,
    scheme: &'static str,
    path: &'static str,
    kind: AccountKind,
    /// Operation names of requests that upload bytes of files.
    sends: &'static [&'static str],
}

const REMOTES: [Remote; 4] = [
    Remote {
        name: "skydrive",
        scheme: "skydrive",
        path: "v5.0/",
        kind: AccountKind::Personal,
        sends: &["live.files.put", "live.content.put", "live.bits.fragment"],
    },
    Remote {
        name: "onedrive (personal)",
        scheme: "onedrive",
        path: "v1.0",
        kind: AccountKind::Personal,
        sends: &["graph.content.put", "graph.session.fragment"],
    },
    Remote {
        name: "onedrive (business)",
        scheme: "onedrive",
        path: "v1.0",
        kind: AccountKind::Business,
        sends: &["graph.content.put", "graph.session.fragment"],
    },
    Remote {
        name: "amazon-drive",
        scheme: "amazon-drive",
        path: "drive/v1/",
        kind: AccountKind::Personal,
        sends: &["amazon.content.upload", "amazon.content.overwrite"],
    },
];

/// An open drive.
struct Opened {
    operator: Operator,
    handle: DriveHandle,
}

impl Remote {
    fn open(&self, server: &Server) -> Opened {
        let mut source = RemoteSource::from_scheme(self.scheme)
            .option("endpoint", format!("{}{}", server.url(), self.path))
            .option("access_token", "drivedal-dev");
        if self.scheme == "onedrive" {
            source = source.option("account_kind", self.kind.to_string());
        }
        let remote = source.open().expect("a remote");
        // A separate transport, because connections belong to the runtime of their test.
        let transport = HttpTransporter::new(drivedal::transport::Transport::default());
        let context = OperationContext::new().with_http_transport(transport);
        Opened {
            operator: remote.operator.with_context(context).layer(RetryLayer::new(policy())),
            handle: remote.handle.expect("a drive of ours"),
        }
    }
}

/// Policy for a server that is near and fails often: short delays, many attempts.
fn policy() -> Policy {
    let backoff = Backoff { initial: Duration::from_millis(20), max: Duration::from_millis(200) };
    let default_pause = Some(Duration::from_millis(20));
    Policy { max_attempts: 12, backoff, default_pause, budget: None, ..Policy::default() }
}

/// Operations that occur in uploads of large files only.
const FRAGMENTS: &str = "*.fragment";

/// Returns all faults that a client of a drive can survive, `count` in total. (A new download URL
/// that has already expired is a permanent error.)
fn faults(count: u64, remote: &Remote) -> Vec<Fault> {
    let any = || Fault::on("*").share(0.05);
    let kinds = [
        any().status(503),
        any().reset(When::During),
        any().status(429).header("retry-after", "0.05"),
        any().reset(When::Before),
        any().status(500),
        any().reset(When::After),
        any().truncate(100),
        any().status(502).body("<h1>Bad Gateway</h1>"),
        any().latency(Latency::exponential(Duration::from_millis(20))),
        any().status(503).header("retry-after", "0.02").after_the_effect(),
    ];
    // Amazon has no upload sessions.
    let has_sessions = remote.scheme != "amazon-drive";
    // Each of these discards all sent bytes of a file.
    let lost = if has_sessions { count.div_ceil(50) } else { 0 };
    let (count, kinds_count) = (count - lost, kinds.len() as u64);
    let share = |nth: u64| count / kinds_count + u64::from(nth < count % kinds_count);
    let mut rules: Vec<_> =
        kinds.into_iter().zip(0..).map(|(kind, nth)| kind.times(share(nth))).collect();
    if has_sessions {
        rules.push(Fault::on(FRAGMENTS).skip(1).every(4).times(lost).lose_session());
    }
    rules
}

/// Returns sizes with this sum: many small files, some of a few MiB, two large ones.
fn sizes(total: u64) -> Vec<u64> {
    let mut sizes = vec![total / 2, total / 8];
    let mut left = total - sizes[0] - sizes[1];
    let mut nth: u64 = 0;
    while left > 0 {
        nth += 1;
        let size = match nth % 12 {
            0 => (total / 40).max(MIB),
            1..=3 => 300_000 + nth * 7919 % 500_000,
            _ => nth * 7919 % 60_000,
        };
        sizes.push(size.min(left));
        left -= size.min(left);
    }
    sizes
}

/// Returns the bytes of a file in pieces.
fn pieces(file: u64, size: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..size.div_ceil(PIECE as u64)).map(move |nth| {
        let mut state = (file << 32 | nth).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let length = (size - nth * PIECE as u64).min(PIECE as u64) as usize;
        let mut piece = Vec::with_capacity(length + 8);
        while piece.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            piece.extend(state.to_le_bytes());
        }
        piece.truncate(length);
        piece
    })
}

impl Opened {
    /// Streams small files. Large ones are sent from a local file, as in the command line, so that
    /// a lost session restarts the upload.
    async fn put(&self, path: &str, file: u64, size: u64) -> opendal::Result<()> {
        if size < 4 * MIB {
            let announced = drivedal::announce().size(size);
            let mut writer = self.operator.writer_with(path).user_metadata(announced).await?;
            for piece in pieces(file, size) {
                writer.write(piece).await?;
            }
            return writer.close().await.map(drop);
        }
        let mut local = tempfile::tempfile().expect("a file");
        pieces(file, size).for_each(|piece| local.write_all(&piece).expect("room"));
        let mut saved: Option<SavedUpload> = None;
        let mut tries = 0;
        loop {
            local.rewind().expect("a file");
            let reopened = local.try_clone().expect("a file");
            let (options, resume) = (FileUpload::default(), saved.clone());
            let mut keep = |upload: &SavedUpload| saved = Some(upload.clone());
            let (handle, operator) = (&self.handle, &self.operator);
            let sent = handle.upload_file(operator, path, reopened, &options, resume, &mut keep);
            tries += 1;
            match sent.await {
                Err(error) if error.is_temporary() && tries < 100 => {}
                sent => return sent.map(drop),
            }
        }
    }
}

/// Returns whether a file has its original bytes.
async fn same(operator: &Operator, path: &str, file: u64, size: u64) -> opendal::Result<bool> {
    let mut bytes = operator.reader(path).await?.into_stream(..).await?;
    let (mut wanted, mut piece) = (pieces(file, size), Vec::new());
    while let Some(buffer) = bytes.try_next().await? {
        let mut rest = buffer.to_vec();
        while !rest.is_empty() {
            if piece.is_empty() {
                match wanted.next() {
                    Some(next) => piece = next,
                    None => return Ok(false),
                }
            }
            let length = piece.len().min(rest.len());
            if piece[..length] != rest[..length] {
                return Ok(false);
            }
            piece.drain(..length);
            rest.drain(..length);
        }
    }
    Ok(piece.is_empty() && wanted.next().is_none())
}

/// Returns the number of bytes of files that the server has received and sent since the last call.
fn moved(server: &Server, remote: &Remote) -> (u64, u64) {
    let control = server.control();
    let log = control.requests();
    assert!(log.len() < drivedal_server::MAX_LOGGED, "the log has forgotten something");
    control.reset_counters();
    let gets = |operation: &str| operation == "ticket.get" || operation == "amazon.content.get";
    let sent = log.iter().filter(|one| remote.sends.contains(&one.operation.as_str()));
    let got = log.iter().filter(|one| gets(&one.operation));
    (sent.map(|one| one.bytes_in).sum(), got.map(|one| one.bytes_out).sum())
}

async fn survives(remote: &Remote, seed: u64, wanted: u64, total: u64) {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::builder()
        .data(data.path())
        .durability(drivedal_server::Durability::Relaxed)
        .kind(remote.kind)
        .fault_seed(seed)
        .start();
    let server = server.await.expect("a server");
    let control = server.control();
    control.add_faults(faults(wanted, remote)).expect("good rules");
    let struck = || control.faults().iter().map(|fault| fault.struck).sum::<u64>();
    let all_struck = || {
        // These occur in uploads only, and a small run has few.
        control.faults().iter().all(|one| {
            let rule = serde_json::json!(one.rule);
            rule["operation"] == FRAGMENTS || rule["count"] == one.struck
        })
    };
    let drive = remote.open(&server);
    let files: Vec<(u64, u64, String)> = sizes(total)
        .into_iter()
        .zip(0..)
        .map(|(size, file)| (file, size, format!("folder {}/{file}", file % 5)))
        .collect();
    let told = |path: &str| format!("{} (DRIVEDAL_SEED={seed}): {path}", remote.name);

    let began = Instant::now();
    stream::iter(&files)
        .for_each_concurrent(AT_ONCE, async |(file, size, path)| {
            if let Err(error) = drive.put(path, *file, *size).await {
                panic!("{}: {error:?}", told(path));
            }
        })
        .await;
    let up = moved(&server, remote).0;
    let put_struck = struck();
    // Download small files until all faults have occurred.
    let mut asked = 0;
    for round in 0..100 {
        let small = |size: u64| round == 0 || size < MIB;
        let files: Vec<_> = files.iter().filter(|(_, size, _)| small(*size)).collect();
        asked += files.iter().map(|(_, size, _)| size).sum::<u64>();
        stream::iter(files)
            .for_each_concurrent(AT_ONCE, async |(file, size, path)| {
                match same(&drive.operator, path, *file, *size).await {
                    Ok(same) => assert!(same, "{} differs", told(path)),
                    Err(error) => panic!("{}: {error:?}", told(path)),
                }
            })
            .await;
        if all_struck() {
            break;
        }
    }
    let down = moved(&server, remote).1;
    let twice = |moved: u64, wanted: u64| 100.0 * (moved as f64 / wanted as f64 - 1.0);
    println!(
        "| {} | {} | {:.0} MiB | {} ({put_struck} while sending) | {:.1} % | {:.1} % | {:.0} s |",
        remote.name,
        files.len(),
        total as f64 / MIB as f64,
        struck(),
        twice(up, total),
        twice(down, asked),
        began.elapsed().as_secs_f64(),
    );
    // Every file once, and nothing else.
    let listed = drive.operator.list_with("/").recursive(true).await.expect("a listing");
    let listed = listed.iter().filter(|entry| entry.metadata().is_file()).count();
    assert_eq!(listed, files.len(), "{}", remote.name);
    assert!(all_struck(), "{}: {:?}", remote.name, control.faults());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_intact_after_any_failure() {
    drivedal::register();
    let faults = number("DRIVEDAL_FAULTS", 40);
    let total = number("DRIVEDAL_FAULT_MIB", 40) * MIB;
    let seed = number("DRIVEDAL_SEED", jiff::Timestamp::now().as_millisecond() as u64);
    println!("DRIVEDAL_SEED={seed}");
    println!("| remote | files | size | faults | sent twice | received twice | time |");
    let only = env::var("DRIVEDAL_REMOTE").unwrap_or_default();
    let remotes: Vec<_> = REMOTES.iter().filter(|remote| remote.name.starts_with(&only)).collect();
    assert!(!remotes.is_empty(), "DRIVEDAL_REMOTE={only}: no remote is called so");
    for remote in remotes {
        survives(remote, seed, faults, total).await;
    }
}
