//! Many concurrent clients, each with a persistent connection: every request succeeds.
//!
//! `DRIVEDAL_CLIENTS`, `DRIVEDAL_CLIENTS_SECONDS` and `DRIVEDAL_CLIENTS_PAUSE_MS` (between the
//! requests of a client) turn it into a measurement: `cargo test --test process many_clients`.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Requests of each client, if no duration is set.
const REQUESTS: usize = 10;

/// Maximum number of attempts per request, on new connections and after a 503, one second apart.
const ATTEMPTS: usize = 60;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// A server process, so that its memory can be measured.
struct Served {
    process: Child,
    address: SocketAddr,
}

impl Served {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_drivedal"))
            .args(["serve", "--http", "127.0.0.1:0", "--ephemeral"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://").expect("an address");
        Self { address: address.parse().expect("an address"), process }
    }

    /// Returns the resident memory, in MiB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure");
        let kib: f64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("a number");
        kib / 1024.0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Default)]
struct Totals {
    reconnects: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
}

/// One client and its connection.
struct Client {
    number: usize,
    address: SocketAddr,
    stream: Option<TcpStream>,
    totals: Arc<Totals>,
    latencies: Vec<Duration>,
}

impl Client {
    /// Sends a request until it succeeds.
    async fn request(&mut self, turn: usize) {
        let (file, address) = (self.number % 100, self.address);
        let request = |line: String, body: &str| {
            format!(
                "{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer drivedal-dev\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let request = match turn % 10 {
            0 => request(format!("PUT /v1.0/me/drive/root:/f{file}:/content"), &"x".repeat(4096)),
            1 => request("GET /v1.0/me/drive/root/children?$top=20".to_owned(), ""),
            _ => request(format!("GET /v1.0/me/drive/root:/f{file}"), ""),
        };
        let since = Instant::now();
        for _ in 0..ATTEMPTS {
            match self.exchange(request.as_bytes()).await {
                Ok(200 | 201) => return self.latencies.push(since.elapsed()),
                Ok(503) => {
                    self.totals.refused.fetch_add(1, Ordering::Relaxed);
                    self.stream = None;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Ok(status) => panic!("client {}: status {status}", self.number),
                // The server closed the connection in favour of waiting clients.
                Err(_) => {
                    self.totals.reconnects.fetch_add(1, Ordering::Relaxed);
                    self.stream = None;
                }
            }
        }
        panic!("client {} was not served", self.number);
    }

    /// Sends a request and returns the status of the response.
    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<u16> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(TcpStream::connect(self.address).await?),
        };
        stream.write_all(request).await?;
        let mut response = Vec::with_capacity(8192);
        loop {
            if stream.read_buf(&mut response).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some(end) = response.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&response[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
            if response.len() >= end + 4 + length {
                return Ok(head[9..12].parse().expect("a status"));
            }
        }
    }
}

pub async fn every_one_of_many_clients_is_served() {
    let clients = variable("DRIVEDAL_CLIENTS", 300) as usize;
    let seconds = variable("DRIVEDAL_CLIENTS_SECONDS", 0);
    let pause = Duration::from_millis(variable("DRIVEDAL_CLIENTS_PAUSE_MS", 0));
    let server = Served::start();
    let totals = Arc::new(Totals::default());
    let client = |number| Client {
        number,
        address: server.address,
        stream: None,
        totals: Arc::clone(&totals),
        latencies: Vec::new(),
    };
    for number in 0..100 {
        client(number).request(0).await;
    }
    let before = server.memory();
    let tasks: Vec<_> = (0..clients)
        .map(|number| {
            let mut client = client(number);
            tokio::spawn(async move {
                // Spreads the starts of the clients over one pause.
                tokio::time::sleep(pause * number as u32 / clients as u32).await;
                let mut turn = 0;
                let goes_on = |turn: usize, client: &Client| match seconds {
                    0 => turn < REQUESTS,
                    _ => turn == 0 || !client.totals.stop.load(Ordering::Relaxed),
                };
                while goes_on(turn, &client) {
                    client.request(number + turn).await;
                    turn += 1;
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
                client.latencies
            })
        })
        .collect();
    let mut memory = vec![before];
    if seconds > 0 {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(seconds) / 10).await;
            memory.push(server.memory());
        }
    }
    totals.stop.store(true, Ordering::Relaxed);
    let (mut latencies, mut served) = (Vec::new(), 0);
    for task in tasks {
        let of_client = task.await.expect("a client that was served");
        served += usize::from(!of_client.is_empty());
        latencies.extend(of_client);
    }
    memory.push(server.memory());
    latencies.sort();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(
        "{served} of {clients} clients served, {} requests: p50 {:?}, p99 {:?}, longest {:?}; {} \
         reconnects, {} refused with 503; memory in MiB: {memory:.0?}",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        totals.reconnects.load(Ordering::Relaxed),
        totals.refused.load(Ordering::Relaxed),
    );
    assert_eq!(served, clients);
}
