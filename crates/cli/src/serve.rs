//! `drivedal serve`

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use drivedal_server::{
    AccountKind, Budget, Builder, DamagedFile, Durability, Fault, FaultError, Recovery, Server,
    ServerError,
};
use serde::Serialize;

use crate::{
    app::App,
    config,
    failure::{Exit, Failure, Result},
    units,
};

/// Run the drive server: the protocols of the clouds, from local storage
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The first line of output is `listening on http://ADDRESS:PORT`, written when the server answers;
with --json {\"listening\": \"http://ADDRESS:PORT\"}. Ctrl-C and SIGTERM stop it cleanly, with exit
code 0.

With --ephemeral or --data DIR clients sign in with the access token `drivedal-dev`, or the refresh
token `drivedal-dev-refresh` and any client id. The token `drivedal-dev-NAME` is an empty drive NAME of
its own, created on first use. These tokens are public: any user of the machine can use them.
On the default data folder a random token takes the place of `drivedal-dev`. It is in the folder's file
`token`, which only you can read; /_control/ and the sign-in pages want it too.
Below http://ADDRESS:PORT are Live Connect at /v5.0/, Microsoft Graph at /v1.0 and Amazon Cloud Drive
at /drive/v1/, and control (counters, request log, faults, reset) at /_control/.

Examples:
  drivedal serve --http 127.0.0.1:8080
  drivedal serve --http 127.0.0.1:0 --ephemeral --seed testdata --latency 20ms
  drivedal serve --ephemeral --faults bad-line.json --fault-seed 42
  drivedal serve --http 127.0.0.1:8080 --ephemeral --stand-in ca.pem
    and then: HTTPS_PROXY=http://127.0.0.1:8080 SSL_CERT_FILE=ca.pem CLIENT …")]
pub(crate) struct Serve {
    /// Where to listen, on this machine only; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    http: SocketAddr,

    /// Listen where other machines can reach it. Whoever has a token may read and write everything:
    /// drivedal-dev is public, and nothing is encrypted. For containers, and networks of one's own
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "http")]
    insecure_listen: Option<SocketAddr>,

    /// Accept requests to this host name or address too; repeatable. Without it the server accepts
    /// loopback names and addresses, the address of --insecure-listen, and with --stand-in the clouds'
    /// hosts
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// Let web pages of this origin, such as http://localhost:3000, use the protocols (CORS);
    /// repeatable. Requests that pages of other origins send are refused
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// Keep everything in memory; nothing is left at the end
    #[arg(long)]
    ephemeral: bool,

    /// When a write counts as done: `full`, once the disk has it, or `relaxed`, once the operating
    /// system has it. A crash of the machine can lose the last writes of a relaxed server; for tests
    #[arg(long, value_name = "full|relaxed", default_value = "full")]
    durability: Durability,

    /// Keep deleted items for so long: 720h; 0s removes them for good at once. By default 30 days
    /// in personal drives and 93 in others
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    bin_age: Option<Duration>,

    /// Keep so many bytes of deleted items in each drive, then remove the oldest: 10GB
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    bin_size: Option<u64>,

    /// Read everything in the data folder and list the files that are damaged, instead of serving.
    /// The exit code is 1 if there are any
    #[arg(long, conflicts_with_all = ["ephemeral", "repair"])]
    check: bool,

    /// Take the files out of the drives that are damaged, and move their bytes to the folder
    /// `quarantine` of the data folder, instead of serving. Everything that can be read of a damaged
    /// database goes to a new one; the old one stays as `tree.db.damaged-TIME`. Nothing is deleted
    #[arg(long, conflicts_with = "ephemeral")]
    repair: bool,

    /// The default drive begins with the files of this folder. Entries that the drive cannot have,
    /// and links out of the folder, are skipped and reported
    #[arg(long, value_name = "DIR")]
    seed: Option<PathBuf>,

    /// What every drive may hold: 10GB (decimal), 1.5GiB (binary)
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    quota: Option<u64>,

    /// What kind of account Microsoft Graph shows: personal, personal-legacy, business or library.
    /// The account of the token drivedal-dev-NAME.KIND is of that kind, whatever this says
    #[arg(long, value_name = "KIND", default_value = "personal")]
    kind: AccountKind,

    /// Stand in for the clouds' own hosts, for clients whose hosts are fixed: speak TLS in their names
    /// on the same port, and be a proxy to nowhere else. The authority that such a client must be
    /// told is written to this file
    #[arg(long, value_name = "CA.PEM")]
    stand_in: Option<PathBuf>,

    /// Fail as the rules in this file say: JSON, as `POST /_control/faults` takes it
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// What the dice of fault rules are thrown from, to see again what another run saw; drawn, and
    /// printed, if not given
    #[arg(long, value_name = "N")]
    fault_seed: Option<u64>,

    /// How long every request waits, as if the server were far away: 20ms
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    latency: Option<Duration>,

    /// What every account may ask for, in units and a time: 1250/1m is what OneDrive allows a small
    /// tenant, in its resource units; requests of the other protocols are one unit each
    #[arg(long, value_name = "UNITS/TIME", value_parser = budget)]
    budget: Option<Budget>,
}

/// `1250/1m`.
fn budget(text: &str) -> std::result::Result<Budget, String> {
    let wrong = || format!("`{text}` is not a budget: write 1250/1m");
    let (units, time) = text.split_once('/').ok_or_else(wrong)?;
    Ok(Budget::new(units.trim().parse().map_err(|_| wrong())?, units::duration(time.trim())?))
}

/// A damaged file, for a person or a program.
#[derive(Serialize)]
struct Damaged<'a> {
    account: &'a str,
    path: &'a str,
    in_recycle_bin: bool,
    reason: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    saved: &'a [PathBuf],
}

impl<'a> Damaged<'a> {
    fn new(file: &'a DamagedFile) -> Self {
        Self {
            account: &file.account,
            path: &file.path,
            in_recycle_bin: file.trashed,
            reason: &file.reason,
            saved: &file.saved,
        }
    }
}

impl fmt::Display for Damaged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged: /{} of {}", self.path.escape_debug(), drive_of(self.account))?;
        if self.in_recycle_bin {
            write!(f, " (in the recycle bin)")?;
        }
        write!(f, ": {}", self.reason)?;
        for file in self.saved {
            write!(f, "; its bytes are in {}", file.display())?;
        }
        Ok(())
    }
}

/// An item that the repair of a damaged database moved or lost, for a person or a program.
#[derive(Serialize)]
struct Salvaged<'a> {
    account: &'a str,
    path: &'a str,
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl fmt::Display for Salvaged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, path, result, reason } = *self;
        write!(f, "{result}: /{} of {}", path.escape_debug(), drive_of(account))?;
        reason.map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// The drive of an account, as messages show it.
fn drive_of(account: &str) -> &str {
    if account.is_empty() { "the default drive" } else { account }
}

#[derive(Serialize)]
struct Listening<'a> {
    listening: &'a str,
}

impl Serve {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if self.check || self.repair {
            return self.look(app).await;
        }
        let starting = async {
            let rules = self.rules()?;
            let server = self.builder(app)?.start().await.map_err(unable)?;
            let refused = |error: FaultError| Failure::usage(error.to_string());
            server.control().add_faults(rules.clone()).map_err(refused)?;
            if let (Some(file), Some(authority)) = (&self.stand_in, server.authority()) {
                let wrong = |error| Failure::usage(format!("{}: {error}", file.display()));
                std::fs::write(file, authority).map_err(wrong)?;
            }
            Ok((server, rules.len()))
        };
        let (server, rules) = app.interrupt.cancellable(starting).await?;
        if rules > 0 || self.fault_seed.is_some() {
            let seed = server.control().fault_seed();
            app.output.say(format_args!("drivedal: {rules} fault rules, fault seed {seed}"));
        }
        if let Some(seeded) = server.seeded() {
            let skipped = match seeded.skipped.len() {
                0 => String::new(),
                skipped => format!(", {skipped} skipped (see the warnings above)"),
            };
            let (files, folders) = (seeded.files, seeded.folders);
            app.output
                .say(format_args!("drivedal: seed: {files} files, {folders} folders{skipped}"));
        }
        let told = self.announce(app, &server);
        // Asked to serve, it has done so when it is asked to stop.
        if told.is_ok() {
            app.interrupt.wait().await;
        }
        server.stop().await;
        told.map(|()| Exit::Done)
    }

    /// Checks or repairs the data folder.
    async fn look(self, app: &App) -> Result<Exit> {
        let builder = self.builder(app)?;
        let repairs = self.repair;
        let looking = async {
            let looked = if repairs { builder.repair().await } else { builder.check().await };
            looked.map_err(unable)
        };
        let report = app.interrupt.cancellable(looking).await?;
        if let Some(recovery) = &report.recovery {
            show_recovery(app, recovery)?;
        }
        for file in &report.damaged {
            let damaged = Damaged::new(file);
            match app.output.is_json() {
                true => app.output.json(&damaged)?,
                false => app.output.line(format_args!("{damaged}"))?,
            }
        }
        if let Some(why) = report.foreign {
            app.output.say(format_args!(
                "drivedal: the blobs may belong to another database: {why}; {}",
                if repairs {
                    "those that no file names are in quarantine"
                } else {
                    "--repair sorts them out"
                }
            ));
        }
        app.output.say(format_args!(
            "drivedal: {} contents, {} bytes, {} damaged files, {} blobs that no file names",
            report.contents,
            report.bytes,
            report.damaged.len(),
            report.orphans
        ));
        app.output.flush()?;
        Ok(if repairs || report.is_good() { Exit::Done } else { Exit::Failed })
    }

    /// The fault rules that it begins with.
    fn rules(&self) -> Result<Vec<Fault>> {
        let Some(file) = &self.faults else { return Ok(Vec::new()) };
        let wrong = |why: String| Failure::usage(format!("{}: {why}", file.display()));
        let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        Fault::from_json(&text).map_err(wrong)
    }

    fn builder(&self, app: &App) -> Result<Builder> {
        let mut builder = Server::builder();
        if !self.ephemeral {
            let folder = data_folder(app).ok_or_else(|| {
                Failure::usage("no home folder, so no place for data: --data DIR or --ephemeral")
            })?;
            builder = builder.data(folder);
            if self.is_private(app) {
                builder = builder.private();
            }
        }
        builder = match self.insecure_listen {
            Some(address) => builder.insecure_listen(address),
            None => builder.listen(self.http),
        };
        builder = builder.durability(self.durability);
        if let Some(age) = self.bin_age {
            builder = builder.bin_age(age);
        }
        if let Some(bytes) = self.bin_size {
            builder = builder.bin_size(bytes);
        }
        builder = self.allow_host.iter().fold(builder, Builder::allow_host);
        builder = self.allow_origin.iter().fold(builder, Builder::allow_origin);
        if let Some(seed) = self.fault_seed {
            builder = builder.fault_seed(seed);
        }
        if let Some(folder) = &self.seed {
            builder = builder.seed(folder);
        }
        if let Some(bytes) = self.quota {
            builder = builder.quota(bytes);
        }
        if self.stand_in.is_some() {
            builder = builder.stand_in();
        }
        if let Some(budget) = self.budget {
            builder = builder.budget(budget);
        }
        Ok(builder.kind(self.kind).latency(self.latency.unwrap_or_default()))
    }

    /// Prints where the server listens, and how clients reach it.
    fn announce(&self, app: &App, server: &Server) -> Result {
        let url = server.url().as_str().trim_end_matches('/');
        match app.output.is_json() {
            true => app.output.json(&Listening { listening: url })?,
            false => app.output.line(format_args!("listening on {url}"))?,
        }
        app.output.flush()?;
        if let Some(file) = &self.stand_in {
            app.output.say(format_args!(
                "drivedal: clients whose hosts are fixed: HTTPS_PROXY={url} SSL_CERT_FILE={}",
                file.display()
            ));
        }
        if let Some(folder) = data_folder(app).filter(|_| self.is_private(app)) {
            let file = folder.join("token");
            app.output.say(format_args!("drivedal: the access token is in {}", file.display()));
        }
        if self.insecure_listen.is_some() {
            app.output.say("drivedal: other machines can reach this server: whoever has a token can read and write everything");
        }
        if let Some(token) = server.control_token().filter(|_| !self.is_private(app)) {
            let token = token.expose();
            app.output.say(format_args!("drivedal: /_control wants the token {token}"));
        }
        Ok(())
    }

    /// Whether the server accepts only its own token: on the default data folder.
    fn is_private(&self, app: &App) -> bool {
        !self.ephemeral && app.data.is_none()
    }
}

/// Prints what was saved of a damaged database, and what was not.
fn show_recovery(app: &App, recovery: &Recovery) -> Result {
    let moved = recovery.moved.iter().map(|item| Salvaged {
        account: &item.account,
        path: &item.path,
        result: "moved",
        reason: None,
    });
    let lost = recovery.lost.iter().map(|item| Salvaged {
        account: &item.account,
        path: &item.path,
        result: "lost",
        reason: Some(item.reason),
    });
    for item in moved.chain(lost) {
        match app.output.is_json() {
            true => app.output.json(&item)?,
            false => app.output.line(format_args!("{item}"))?,
        }
    }
    for file in &recovery.saved {
        app.output.say(format_args!("drivedal: bytes that no file names: {}", file.display()));
    }
    app.output.say(format_args!(
        "drivedal: the database was damaged: {} items are in a new one, {} in another place than \
         before or with another name, {} lost; {} rows could not be read. The damaged database is {}",
        recovery.items,
        recovery.moved.len(),
        recovery.lost.len(),
        recovery.unreadable,
        recovery.damaged.display()
    ));
    Ok(())
}

fn data_folder(app: &App) -> Option<PathBuf> {
    app.data.clone().or_else(|| config::dirs().map(|dirs| dirs.data_dir().to_owned()))
}

fn unable(error: ServerError) -> Failure {
    let exit = match error {
        ServerError::NotLoopback(_)
        | ServerError::Budget(_)
        | ServerError::Host(_)
        | ServerError::Origin(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
