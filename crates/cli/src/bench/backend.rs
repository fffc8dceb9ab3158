//! The backends that an argument can name, and their counters of requests.

use std::{collections::BTreeMap, path::Path};

use async_trait::async_trait;
use drivedal_bench::{Contender, Meter, OperatorTarget, Totals};

use super::{onedrive, rclone::RcloneTarget};
use crate::{
    app::{App, Workload},
    failure::{Failure, Result},
    location::{Addressing, Location},
    requests::RequestStats,
};

/// The prefix of a remote that is opened with OpenDAL's own service.
const OPENDAL: &str = "opendal+";

/// The prefix of a remote of rclone.
const RCLONE: &str = "rclone:";

/// A backend and its name in the report.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Backend {
    name: String,
    place: BackendPlace,
}

/// The place that a backend stores its files in.
#[derive(Debug, PartialEq, Eq)]
enum BackendPlace {
    /// A remote or a URI.
    Remote(Location),
    /// A OneDrive remote, through OpenDAL's own service.
    OpenDal(Location),
    /// A remote and path of rclone.
    Rclone(String),
}

impl Backend {
    /// Parses the arguments. `is_configured` returns whether the user configured a remote of a name: a
    /// remote `rclone` hides rclone's backends.
    ///
    /// # Errors
    /// `Usage` if an argument names no backend, or the same one as an earlier argument.
    pub(super) fn parse_all(
        arguments: &[String],
        is_configured: impl Fn(&str) -> bool,
    ) -> Result<Vec<Self>> {
        let mut backends: Vec<Self> = Vec::new();
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for argument in arguments {
            let place = BackendPlace::parse(argument, &is_configured)?;
            if backends.iter().any(|other| other.place == place) {
                return Err(Failure::usage("it is named twice").about(place.name()));
            }
            // URIs of one scheme have the same name, because the rest may contain a token.
            let count = names.entry(place.name()).or_default();
            *count += 1;
            let name = match *count {
                1 => place.name(),
                count => format!("{} ({count})", place.name()),
            };
            backends.push(Self { name, place });
        }
        Ok(backends)
    }

    /// Opens the backend. `rclone` is the program for rclone's remotes.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if no service
    /// has the scheme; the failure of the embedded server, or of rclone, if it does not start.
    pub(super) async fn open(&self, app: &App, rclone: &Path) -> Result<Contender> {
        let contender = match &self.place {
            BackendPlace::Remote(at) => {
                let at = app.resolve(at, Addressing::Path, Workload::Interactive).await?;
                let remote = &at.remote;
                let target = OperatorTarget::new(remote.operator.clone());
                let target = target.in_folder(at.path.as_str());
                let target = match remote.supports_announce() {
                    true => target.with_announcer(announce),
                    false => target,
                };
                let contender = Contender::new(&self.name, target);
                match remote.scheme() {
                    "fs" | "memory" => contender,
                    scheme => contender.with_meter(RequestMeter::new(app, scheme == "onedrive")),
                }
            }
            BackendPlace::OpenDal(at) => {
                let (operator, folder) = onedrive::open(app, at).await?;
                let target = OperatorTarget::new(operator).in_folder(&folder);
                let note = "OpenDAL's own service, with the same layers as the other backends.";
                let meter = RequestMeter::new(app, false);
                Contender::new(&self.name, target).with_meter(meter).with_note(note)
            }
            BackendPlace::Rclone(remote) => {
                let target = RcloneTarget::start(rclone, remote).await;
                let target = target.map_err(|failure| failure.doing("open").about(&self.name))?;
                let process = target.process();
                Contender::new(&self.name, target).with_processes(vec![process]).with_note(
                    "Through `rclone rcd`, which runs during the benchmark. Uploads are copies of \
                     temporary files, which are written first. rclone does not count its requests. \
                     Memory and CPU time are those of rclone.",
                )
            }
        };
        let is_embedded = match &self.place {
            BackendPlace::Remote(at) | BackendPlace::OpenDal(at) => {
                app.remote(at, Workload::Interactive).await?.server.is_some()
            }
            BackendPlace::Rclone(_) => false,
        };
        Ok(match is_embedded && app.runs_embedded_server() {
            true => contender.with_note(
                "The drive server runs in the same process: memory and CPU time include it.",
            ),
            false => contender,
        })
    }
}

impl BackendPlace {
    /// Parses an argument.
    ///
    /// # Errors
    /// `Usage` if it names no backend.
    fn parse(argument: &str, is_configured: impl Fn(&str) -> bool) -> Result<Self> {
        if let Some(remote) = argument.strip_prefix(OPENDAL) {
            return Location::parse(remote).map(Self::OpenDal).map_err(Failure::usage);
        }
        match argument.strip_prefix(RCLONE) {
            Some("") => Err(Failure::usage("rclone: needs a remote, such as rclone:work:tmp")),
            Some(remote) if !is_configured("rclone") => Ok(Self::Rclone(remote.to_owned())),
            _ => Location::parse(argument).map(Self::Remote).map_err(Failure::usage),
        }
    }

    /// Returns the name for messages and the report. It contains no secret: of a URI and of options of
    /// rclone only the start.
    fn name(&self) -> String {
        match self {
            Self::Remote(at) => at.to_string(),
            Self::OpenDal(at) => format!("{OPENDAL}{at}"),
            Self::Rclone(remote) => match remote.split_once(',') {
                Some((start, _)) => format!("{RCLONE}{start},…"),
                None => format!("{RCLONE}{remote}"),
            },
        }
    }
}

/// Returns the announcement of a file's size in bytes to the writers of our services.
fn announce(size: u64) -> Vec<(String, String)> {
    drivedal::announce().size(size).into_iter().collect()
}

/// Counts the requests of a remote. Remotes work in turn, so the totals of all remotes suffice.
struct RequestMeter {
    requests: RequestStats,
    /// Whether the costs are those of a cloud that defines them.
    has_units: bool,
}

impl RequestMeter {
    /// Creates a meter. `has_units` means that the service's cloud defines the cost of requests.
    fn new(app: &App, has_units: bool) -> Self {
        Self { requests: app.requests.clone(), has_units }
    }
}

#[async_trait]
impl Meter for RequestMeter {
    /// Returns the totals of the requests that have ended.
    ///
    /// # Errors
    /// Never.
    async fn totals(&self) -> drivedal_bench::Result<Totals> {
        let ended = self.requests.totals();
        let totals = Totals::default()
            .with_requests(ended.requests + ended.redirects)
            .with_bytes(ended.bytes_up, ended.bytes_down);
        Ok(match self.has_units {
            true => totals.with_resource_units(ended.cost),
            false => totals,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Result<Vec<String>> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let backends = Backend::parse_all(&arguments, |_| false)?;
        Ok(backends.into_iter().map(|backend| backend.name).collect())
    }

    #[test]
    fn names_are_unique_and_have_no_secrets() {
        let found = names(&[
            "work:a",
            "onedrive://?access_token=SECRET",
            "onedrive://?access_token=OTHER",
            "opendal+work:",
            "rclone:work:a",
            "rclone::onedrive,token=SECRET:x",
        ]);
        let expected = [
            "work:a",
            "onedrive:",
            "onedrive: (2)",
            "opendal+work:",
            "rclone:work:a",
            "rclone::onedrive,…",
        ];
        assert_eq!(found.expect("backends"), expected);
    }

    #[test]
    fn local_paths_and_repeated_backends_are_refused() {
        for arguments in [&["/tmp/x"][..], &["rclone:"], &["opendal+"], &["work:", "work:"]] {
            assert!(names(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn a_configured_remote_of_that_name_hides_rclone() {
        let place = BackendPlace::parse("rclone:a", |name| name == "rclone");
        assert!(matches!(place, Ok(BackendPlace::Remote(_))));
    }
}
