//! Comparison of the server's state after a restart with the acknowledged requests.

use std::{collections::BTreeMap, fmt, time::Duration};

use drivedal_server::Audit;
use serde_json::Value;

use crate::kills::{
    ledger::{State, Upload, bytes, large, large_length, length},
    writers::{Cloud, Stop},
};

/// BITS' error code for an unknown session.
const NO_SESSION: &str = "0x8020001F";

type Result<T = ()> = std::result::Result<T, String>;

/// Results over all kills.
#[derive(Debug, Default)]
pub struct Found {
    /// Requests that were acknowledged.
    pub acknowledged: u64,
    /// Files that exist at the end.
    pub files: u64,
    /// Files whose write was not acknowledged, and that are complete.
    pub whole: u64,
    /// Files whose write was not acknowledged, and that are unchanged.
    pub absent: u64,
    /// Upload sessions that were resumed.
    pub sessions: u64,
}

impl Found {
    pub fn add(&mut self, more: Self) {
        // These two are totals.
        self.acknowledged = more.acknowledged;
        self.files = more.files;
        self.whole += more.whole;
        self.absent += more.absent;
        self.sessions += more.sessions;
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, files, whole, absent, sessions } = self;
        write!(
            f,
            "{acknowledged} requests acknowledged, {files} files; of what was under way {whole} \
             happened, {absent} did not, {sessions} uploads went on"
        )
    }
}

/// A file of a listing.
struct Listed {
    id: String,
    size: u64,
}

impl Cloud {
    /// Compares the state with the acknowledged requests: names and sizes of all files, and the
    /// content of files that the last server wrote (with `all`: of all files).
    pub async fn check(&self, all: bool) -> Result<Found> {
        let mut found = Found::default();
        for (name, upload) in self.ledger.take_uploads() {
            found.sessions += u64::from(self.finish(&name, upload).await?);
        }
        let listed = self.listed().await?;
        let possible = self.ledger.possible();
        if let Some(name) = listed.keys().find(|name| !possible.contains_key(*name)) {
            return Err(format!("{name} is there, and nobody asked for it"));
        }
        let touched = self.ledger.take_touched();
        for (name, states) in &possible {
            let there = listed.get(name);
            let fitting: Vec<State> = states
                .iter()
                .copied()
                .filter(|state| there.map(|file| file.size) == state.map(|n| self.length(n, name)))
                .collect();
            if fitting.is_empty() {
                let there = there.map(|file| file.size);
                return Err(format!("{name} is of {there:?} bytes, and may be {states:?}"));
            }
            let mut state = fitting[0];
            if let Some(file) = there.filter(|_| all || touched.contains(name)) {
                let got = self.got(&file.id).await?;
                let same = |state: &State| state.is_some_and(|n| self.bytes(n, name) == got);
                state = *fitting.iter().find(|state| same(state)).ok_or_else(|| {
                    format!("{name} has the right length, and other bytes than {fitting:?}")
                })?;
            }
            if states.len() > 1 {
                let happened = state == states[1];
                found.whole += u64::from(happened);
                found.absent += u64::from(!happened);
            }
            self.ledger.settle(name, state);
        }
        found.acknowledged = self.ledger.all_acknowledged();
        found.files = listed.len() as u64;
        self.no_orphans().await?;
        Ok(found)
    }

    /// Returns whether a file was uploaded in a session. Such files are larger, and their names
    /// show it.
    fn is_large(&self, name: &str) -> bool {
        let writer = name.split('-').nth(1).and_then(|text| text.parse::<u64>().ok());
        writer.is_some_and(|writer| matches!(writer % 5, 1 | 3))
    }

    fn bytes(&self, number: u64, name: &str) -> Vec<u8> {
        if self.is_large(name) { large(number) } else { bytes(number) }
    }

    fn length(&self, number: u64, name: &str) -> u64 {
        (if self.is_large(name) { large_length(number) } else { length(number) }) as u64
    }

    /// Resumes an upload. Returns `false` if it was already complete without an acknowledgement.
    async fn finish(&self, name: &str, mut upload: Upload) -> Result<bool> {
        let Some(next) = self.received(&upload).await? else {
            return match upload.ending {
                true => Ok(false),
                false => Err(format!("the upload session of {name} is lost: {upload:?}")),
            };
        };
        if next < upload.received {
            return Err(format!("{name}: {} bytes acknowledged, {next} there", upload.received));
        }
        let ending = upload.ending;
        upload.received = next;
        self.ledger.upload(0, name, upload.clone());
        match self.resume(0, name, upload).await {
            Ok(()) => Ok(true),
            // The session was closed, and the response was lost.
            Err(Stop::Refused(why)) if ending && why.contains(NO_SESSION) => Ok(false),
            Err(stop) => Err(told(stop)),
        }
    }

    /// Returns the number of bytes that a session has received. `None` if the session does not
    /// exist.
    async fn received(&self, upload: &Upload) -> Result<Option<u64>> {
        if upload.session.is_empty() {
            let answer = self.send(self.ask("GET", &upload.path)).await.map_err(told)?;
            if answer.status == 404 {
                return Ok(None);
            }
            let progress = answer.expect_status("status", &[200]).map_err(told)?.json();
            let expected = progress["nextExpectedRanges"][0].as_str();
            let whole = large_length(upload.bytes) as u64;
            let next = expected.map_or(Some(whole), |range| range.split_once('-')?.0.parse().ok());
            return next.map(Some).ok_or_else(|| format!("{progress}"));
        }
        if upload.received == large_length(upload.bytes) as u64 {
            // BITS has no status request. Closing the session shows its state.
            return Ok(Some(upload.received));
        }
        let answer = self.fragment(upload).await.map_err(told)?;
        match answer.status {
            200 | 416 => {
                let next = answer.header("bits-received-content-range").parse();
                next.map(Some).map_err(|error| format!("where to go on: {error}"))
            }
            500 if answer.header("bits-error") == NO_SESSION => Ok(None),
            _ => Err(told(answer.expect_status("fragment", &[]).err().unwrap_or(Stop::Gone))),
        }
    }

    async fn listed(&self) -> Result<BTreeMap<String, Listed>> {
        let list = self.send(self.ask("GET", "/v5.0/me/skydrive/files")).await.map_err(told)?;
        let list = list.expect_status("listing", &[200]).map_err(told)?.json();
        let file = |object: &Value| {
            let id = object["id"].as_str()?.to_owned();
            let size = object["size"].as_u64()?;
            Some((object["name"].as_str()?.to_owned(), Listed { id, size }))
        };
        let objects = list["data"].as_array().ok_or("no list")?;
        objects.iter().map(|object| file(object).ok_or_else(|| format!("{object}"))).collect()
    }

    async fn got(&self, id: &str) -> Result<Vec<u8>> {
        let got = self.send(self.ask("GET", &format!("/v5.0/{id}/content"))).await.map_err(told)?;
        Ok(got.expect_status("content", &[200]).map_err(told)?.body)
    }

    /// Waits until every blob is referenced.
    async fn no_orphans(&self) -> Result {
        let mut last = Audit::default();
        let gone = async {
            loop {
                let audit = self.send(self.ask("GET", "/_control/audit")).await.map_err(told)?;
                last = serde_json::from_slice(&audit.body).map_err(|error| error.to_string())?;
                if last.missing > 0 {
                    return Err(format!("bytes are missing: {last:?}"));
                }
                if last.orphans == 0 {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), gone).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("orphans stay: {last:?}")),
        }
    }
}

fn told(stop: Stop) -> String {
    match stop {
        Stop::Gone => "the server does not answer".into(),
        Stop::Refused(why) => why,
    }
}
