//! `drivedal serve`

mod check;

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use drivedal_server::{
    AccountKind, Budget, Builder, Durability, Fault, FaultError, Server, ServerError,
};
use serde::Serialize;

use crate::{
    app::App,
    behavior_arguments::BehaviorArguments,
    config,
    control_arguments::ControlArguments,
    failure::{Exit, Failure, Result},
    sign_in_arguments::SignInArguments,
    storage::StorageOptions,
    units,
};

/// Run the drive server, which speaks the protocols of the clouds
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The first line of output is `listening on http://ADDRESS:PORT`, with --json {\"listening\":
\"http://ADDRESS:PORT\"}. The server then accepts requests. Ctrl-C and SIGTERM stop it with exit code 0.

With --ephemeral or --data DIR clients sign in with the access token `drivedal-dev`, or with the
refresh token `drivedal-dev-refresh` and any client id. The token `drivedal-dev-NAME` is a separate
drive NAME, created on first use. These tokens are public: any user of this computer can use them. On
the default data folder a random token replaces `drivedal-dev`. It is in the file `token` of that
folder, which only you can read; /_control/ and the sign-in pages require it too.

Below http://ADDRESS:PORT are Live Connect at /v5.0/, Microsoft Graph at /v1.0, Amazon Cloud Drive at
/drive/v1/, and the control API (counters, request log, faults, reset) at /_control/.

Examples:
  drivedal serve --http 127.0.0.1:8080
  drivedal serve --http 127.0.0.1:0 --ephemeral --seed testdata --latency 20ms
  drivedal serve --ephemeral --faults bad-line.json --fault-seed 42
  PGPASSWORD=… drivedal serve --database postgres://drivedal@db.example/drives \\
    --blobs s3://drives?region=eu-central-1
  drivedal serve --http 127.0.0.1:8080 --ephemeral --stand-in ca.pem
    then run: HTTPS_PROXY=http://127.0.0.1:8080 SSL_CERT_FILE=ca.pem CLIENT ...")]
pub(crate) struct Serve {
    /// Listen on this loopback address; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    http: SocketAddr,

    /// Listen on an address that other computers can reach
    ///
    /// Anyone with a token can read and write everything: drivedal-dev is public, and nothing is
    /// encrypted. Use it in containers and in private networks.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "http")]
    insecure_listen: Option<SocketAddr>,

    /// Accept requests to this host name or address; repeatable
    ///
    /// The server always accepts loopback names and addresses, the address of --insecure-listen, and
    /// with --stand-in the hosts of the clouds.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// Accept requests from web pages of this origin (CORS); repeatable
    ///
    /// An origin is for example http://localhost:3000. Requests from pages of other origins are
    /// rejected.
    #[arg(long, visible_alias = "cors", value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// Fetch subscribed calendars from other machines too
    ///
    /// By default the server fetches them from this machine only.
    #[arg(long)]
    fetch_from_any_host: bool,

    #[command(flatten)]
    control: ControlArguments,

    /// Keep all data in memory and discard it at the end
    #[arg(long)]
    ephemeral: bool,

    #[command(flatten)]
    storage: StorageOptions,

    /// Acknowledge writes once they are on disk (full) or in the OS cache (relaxed)
    ///
    /// A crash of the computer can lose the last writes of a relaxed server. Use it for tests.
    #[arg(long, value_name = "full|relaxed", default_value = "full")]
    durability: Durability,

    /// Keep deleted items this long: 720h; 0s removes them at once
    ///
    /// The default is 30 days for personal drives and 93 days for others.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    bin_age: Option<Duration>,

    /// Keep at most this many bytes of deleted items per drive: 10GB
    ///
    /// The oldest deleted items are removed first.
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    bin_size: Option<u64>,

    /// Allow applications to remove nodes of Amazon Cloud Drive for good
    ///
    /// The cloud allowed it to its own applications only, so it is refused by default.
    #[arg(long)]
    allow_purge: bool,

    /// Keep at most this many versions of a file; 1 keeps no earlier ones
    ///
    /// The default is 25 for personal drives and 500 for others. Versions count in the quota. Only
    /// Microsoft Graph has requests for versions, and only its uploads keep them.
    #[arg(long, value_name = "N")]
    max_versions: Option<NonZeroU32>,

    /// List the damaged files of the data folder instead of serving
    ///
    /// It reads all data. The exit code is 1 if a file is damaged.
    #[arg(long, conflicts_with_all = ["ephemeral", "repair"])]
    check: bool,

    /// Repair the data folder instead of serving
    ///
    /// Damaged files are removed from the drives, and their bytes are moved to the folder
    /// `quarantine` of the data folder. All readable rows of a damaged database are copied to a new
    /// one; the old one is kept as `tree.db.damaged-TIME`. Nothing is deleted.
    #[arg(long, conflicts_with = "ephemeral")]
    repair: bool,

    /// Copy the files of this folder, or the objects of this JSON file, at the start
    ///
    /// Files are copied to the default drive. Names that the drive does not allow, and links out of
    /// the folder, are skipped and reported. The option may be repeated for JSON files. A JSON file
    /// has objects of Live Connect, such as contacts and calendars: a list of
    /// `{"account": "", "type": "contact", "first_name": "Henrik"}`.
    #[arg(long, value_name = "DIR|FILE.json")]
    seed: Vec<PathBuf>,

    /// Limit each drive to this size: 10GB (decimal) or 1.5GiB (binary)
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    quota: Option<u64>,

    /// Show this kind of account in Microsoft Graph
    ///
    /// The kinds are personal, personal-legacy, business and library. The token
    /// drivedal-dev-NAME.KIND selects the kind of its own account.
    #[arg(long, value_name = "KIND", default_value = "personal")]
    kind: AccountKind,

    #[command(flatten)]
    sign_in: SignInArguments,

    #[command(flatten)]
    behavior: BehaviorArguments,

    /// Act as the hosts of the clouds, for clients with fixed hosts
    ///
    /// The server is also an HTTPS proxy for those hosts, on the same port. It writes the certificate
    /// authority that clients must trust to this file.
    #[arg(long, value_name = "CA.PEM")]
    stand_in: Option<PathBuf>,

    /// Inject the faults of this file, in the JSON of `POST /_control/faults`
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// Seed the random choices of fault rules
    ///
    /// The same seed repeats the choices of an earlier run. By default the seed is random and is
    /// printed.
    #[arg(long, value_name = "N")]
    fault_seed: Option<u64>,

    /// Delay every request by this time: 20ms
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    latency: Option<Duration>,

    /// Limit each account to this many units per time: 1250/1m
    ///
    /// 1250/1m is the limit of OneDrive for a small tenant. Units are Microsoft Graph's resource
    /// units; requests of the other protocols cost one unit each.
    #[arg(long, value_name = "UNITS/TIME", value_parser = budget)]
    budget: Option<Budget>,
}

/// Parses `1250/1m`: resource units, and the time window.
///
/// # Errors
/// A message for the user if the text has another form.
fn budget(text: &str) -> std::result::Result<Budget, String> {
    let wrong = || format!("`{text}` is not a budget: use 1250/1m");
    let (units, time) = text.split_once('/').ok_or_else(wrong)?;
    Ok(Budget::new(units.trim().parse().map_err(|_| wrong())?, units::duration(time.trim())?))
}

#[derive(Serialize)]
struct ListeningRecord<'a> {
    listening: &'a str,
}

impl Serve {
    /// Runs the server until a signal, or checks or repairs its data folder.
    ///
    /// # Errors
    /// `Usage` for options that cannot be used; `Failed` if the server does not start, another
    /// process uses the data folder, or its data cannot be opened; `ClosedPipe` or `Failed` if
    /// results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        if self.check || self.repair {
            return self.check_or_repair(app).await;
        }
        let starting = async {
            let rules = self.rules()?;
            let server = self.builder(app)?.start().await.map_err(start_failure)?;
            let refused = |error: FaultError| Failure::usage(error.to_string());
            server.control().add_faults(rules.clone()).map_err(refused)?;
            if let (Some(file), Some(authority)) = (&self.stand_in, server.authority()) {
                let failed = |error: std::io::Error| {
                    Failure::local("write", file, &error).with_exit(Exit::Usage)
                };
                std::fs::write(file, authority).map_err(failed)?;
            }
            Ok((server, rules.len()))
        };
        let (server, rules) = app.interrupt.cancellable(starting).await?;
        if rules > 0 || self.fault_seed.is_some() {
            let seed = server.control().fault_seed();
            app.output.notice(format_args!("{rules} fault rules, fault seed {seed}"));
        }
        if let Some(seeded) = server.seeded() {
            let skipped = match seeded.skipped.len() {
                0 => String::new(),
                skipped => format!(", {skipped} skipped (see the warnings above)"),
            };
            let (files, folders) = (seeded.files, seeded.folders);
            let objects = match seeded.objects {
                0 => String::new(),
                objects => format!(", {objects} objects of Live Connect"),
            };
            app.output
                .notice(format_args!("seed: {files} files, {folders} folders{objects}{skipped}"));
        }
        let announced = self.announce(app, &server);
        if announced.is_ok() {
            app.interrupt.wait().await;
        }
        server.stop().await;
        announced.map(|()| Exit::Done)
    }

    /// Reads the fault rules of `--faults`; none without the option.
    ///
    /// # Errors
    /// `Usage` if the file cannot be read or a rule is malformed.
    fn rules(&self) -> Result<Vec<Fault>> {
        let Some(file) = &self.faults else { return Ok(Vec::new()) };
        let failed = |reason: String| Failure::usage(reason).doing("read").about(file.display());
        let text = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        Fault::from_json(&text).map_err(|error| failed(error.to_string()))
    }

    /// Returns the builder of the server, with all options of the command.
    ///
    /// # Errors
    /// `Usage` if the user has no home folder for the data and gave none, and for an option of the
    /// storage that cannot be used.
    fn builder(&self, app: &App) -> Result<Builder> {
        let builder = self.behavior.configure(self.sign_in.configure(Server::builder())?);
        let mut builder = self.control.configure(builder)?;
        if !self.ephemeral {
            let folder = data_folder(app).ok_or_else(|| {
                Failure::usage("no home folder for the data").hint("use --data DIR or --ephemeral")
            })?;
            builder = builder.data(folder);
            if self.is_private(app) {
                builder = builder.private();
            }
            builder = self.storage.configure(builder)?;
        }
        builder = match self.insecure_listen {
            Some(address) => builder.insecure_listen(address),
            None => builder.listen(self.http),
        };
        builder = builder.durability(self.durability).allow_purge(self.allow_purge);
        if let Some(age) = self.bin_age {
            builder = builder.bin_age(age);
        }
        if let Some(versions) = self.max_versions {
            builder = builder.max_versions(versions);
        }
        if let Some(bytes) = self.bin_size {
            builder = builder.bin_size(bytes);
        }
        builder = self.allow_host.iter().fold(builder, Builder::allow_host);
        builder = self.allow_origin.iter().fold(builder, Builder::allow_origin);
        if self.fetch_from_any_host {
            builder = builder.fetch_from_any_host();
        }
        if let Some(seed) = self.fault_seed {
            builder = builder.fault_seed(seed);
        }
        builder = seeded(builder, &self.seed)?;
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

    /// Prints the server's address and how clients reach it.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn announce(&self, app: &App, server: &Server) -> Result {
        let url = server.url().as_str().trim_end_matches('/');
        match app.output.is_json() {
            true => app.output.json(&ListeningRecord { listening: url })?,
            false => app.output.line(format_args!("listening on {url}"))?,
        }
        app.output.flush()?;
        if let Some(file) = &self.stand_in {
            app.output.notice(format_args!(
                "for clients with fixed hosts: HTTPS_PROXY={url} SSL_CERT_FILE={}",
                file.display()
            ));
        }
        if let Some(folder) = data_folder(app).filter(|_| self.is_private(app)) {
            let file = folder.join("token");
            app.output.notice(format_args!("the access token is in {}", file.display()));
        }
        if self.insecure_listen.is_some() {
            app.output.notice("other computers can reach this server, and anyone with a token can read and write everything");
        }
        let is_random = !self.is_private(app) && !self.control.has_token();
        if let Some(token) = server.control_token().filter(|_| is_random) {
            let token = token.expose();
            app.output.notice(format_args!("/_control requires the token {token}"));
        }
        Ok(())
    }

    /// Returns whether the server accepts only its own token, which is so on the default data
    /// folder.
    fn is_private(&self, app: &App) -> bool {
        !self.ephemeral && app.data.is_none()
    }
}

/// Returns the folder of `--data`, or the default one; `None` if the user has no home folder.
fn data_folder(app: &App) -> Option<PathBuf> {
    app.data.clone().or_else(|| config::dirs().map(|dirs| dirs.data_dir().to_owned()))
}

/// Sets the folder and the JSON files of `--seed`: a path to a file is a JSON file.
///
/// # Errors
/// [`Exit::Usage`] for a second folder.
fn seeded(mut builder: Builder, paths: &[PathBuf]) -> Result<Builder> {
    let (files, folders): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.is_file());
    if let [_, second, ..] = &*folders {
        return Err(Failure::usage("only one folder can be copied to the default drive")
            .doing("seed")
            .about(second.display()));
    }
    if let Some(folder) = folders.first() {
        builder = builder.seed(folder);
    }
    Ok(files.into_iter().fold(builder, Builder::seed_live_objects))
}

/// Converts an error of starting the server: `Usage` if an option cannot be used, otherwise
/// `Failed`.
fn start_failure(error: ServerError) -> Failure {
    let exit = match error {
        ServerError::NotLoopback(_)
        | ServerError::Budget(_)
        | ServerError::Directory(_)
        | ServerError::Host(_)
        | ServerError::Origin(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
