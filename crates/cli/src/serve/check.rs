//! `drivedal serve --check` and `--repair`: the damage of the data folder.

use std::{fmt, path::PathBuf};

use drivedal_server::{DamagedFile, Recovery};
use serde::Serialize;

use super::{Serve, start_failure};
use crate::{
    app::App,
    failure::{Exit, Result},
};

/// A damaged file, as text or JSON.
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
    /// Creates the record of a damaged file.
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
    /// Writes one line: path, account, reason, and the files that its bytes were saved to.
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

/// An item that the repair of a damaged database moved or lost, as text or JSON.
#[derive(Serialize)]
struct SalvageRecord<'a> {
    account: &'a str,
    path: &'a str,
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl fmt::Display for SalvageRecord<'_> {
    /// Writes one line: the result, the path, the drive, and the reason if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, path, result, reason } = *self;
        write!(f, "{result}: /{} of {}", path.escape_debug(), drive_of(account))?;
        reason.map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// Returns the name of an account's drive for messages.
fn drive_of(account: &str) -> &str {
    if account.is_empty() { "the default drive" } else { account }
}

impl Serve {
    /// Checks or repairs the data folder, and prints the result. Returns `Failed` if a check found
    /// damaged files.
    ///
    /// # Errors
    /// `Usage` for options that cannot be used; `Failed` if another process uses the data folder,
    /// or its data cannot be opened; `Interrupted` or `Terminated` after a signal; `ClosedPipe` or
    /// `Failed` if results cannot be written.
    pub(super) async fn check_or_repair(self, app: &App) -> Result<Exit> {
        let builder = self.builder(app)?;
        let repairs = self.repair;
        let work = async {
            let report = if repairs { builder.repair().await } else { builder.check().await };
            report.map_err(start_failure)
        };
        let report = app.interrupt.cancellable(work).await?;
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
            app.output.notice(format_args!(
                "the blobs may belong to another database: {why}; {}",
                if repairs {
                    "unreferenced blobs are in quarantine"
                } else {
                    "--repair moves unreferenced blobs to quarantine"
                }
            ));
        }
        app.output.notice(format_args!(
            "{} contents, {} bytes, {} damaged files, {} unreferenced blobs",
            report.contents,
            report.bytes,
            report.damaged.len(),
            report.orphans
        ));
        app.output.flush()?;
        Ok(if repairs || report.is_good() { Exit::Done } else { Exit::Failed })
    }
}

/// Prints the result of the repair of a damaged database.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn show_recovery(app: &App, recovery: &Recovery) -> Result {
    let moved = recovery.moved.iter().map(|item| SalvageRecord {
        account: &item.account,
        path: &item.path,
        result: "moved",
        reason: None,
    });
    let lost = recovery.lost.iter().map(|item| SalvageRecord {
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
        app.output.notice(format_args!("unreferenced bytes: {}", file.display()));
    }
    app.output.notice(format_args!("the database was damaged: {} items were copied to a new one, {} of them to another path, {} \
         were lost; {} rows were unreadable. The damaged database is {}",
        recovery.items,
        recovery.moved.len(),
        recovery.lost.len(),
        recovery.unreadable,
        recovery.damaged.display()
    ));
    Ok(())
}
