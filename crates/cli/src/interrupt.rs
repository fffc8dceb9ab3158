//! Ctrl-C and SIGTERM: the first one stops cleanly, the second one at once.

use std::{
    process,
    sync::{Arc, OnceLock},
};

use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure, Result};

/// Whether, and by what, the command was stopped: by the user, or because it cannot go on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    exit: Arc<OnceLock<Exit>>,
}

impl Interrupt {
    /// Listens for the signals from now on.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new()?;
        let stop = interrupt.clone();
        tokio::spawn(async move {
            stop.stop(signals.next().await);
            process::exit(signals.next().await as i32);
        });
        Ok(interrupt)
    }

    /// Has everything that is under way end cleanly; the first reason counts.
    pub(crate) fn stop(&self, exit: Exit) {
        self.exit.get_or_init(|| exit);
        self.token.cancel();
    }

    /// Whether it was stopped.
    pub(crate) fn is_set(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns when it is stopped.
    pub(crate) async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// The failure that this makes of what was under way.
    pub(crate) fn failure(&self) -> Failure {
        Failure::new(self.exit.get().copied().unwrap_or(Exit::Interrupted), "interrupted")
    }

    /// Waits for `work`, and drops it when it is stopped.
    ///
    /// # Errors
    /// The work's own, or [`failure`](Self::failure).
    pub(crate) async fn cancellable<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.wait() => Err(self.failure()),
            done = work => done,
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Exit {
        // Without the signal there is nothing to stop for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Exit::Interrupted
    }
}
