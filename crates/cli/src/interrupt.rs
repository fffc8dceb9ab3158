//! Ctrl-C and SIGTERM. The first signal stops the command cleanly, the second one exits at once.

use std::{
    process,
    sync::{Arc, OnceLock},
};

use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure, Result};

/// Cancellation of the running command, by a signal or because it cannot continue. Clones share the
/// state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    exit: Arc<OnceLock<Exit>>,
}

impl Interrupt {
    /// Starts to listen for signals. The second signal ends the process at once.
    ///
    /// # Errors
    /// The operating system's error if the system does not allow a signal handler.
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

    /// Cancels the running work. The first exit code is kept.
    pub(crate) fn stop(&self, exit: Exit) {
        self.exit.get_or_init(|| exit);
        self.token.cancel();
    }

    /// Returns whether the command was stopped.
    pub(crate) fn is_set(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the command is stopped.
    pub(crate) async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Returns the failure of work that was cancelled: the exit code that stopped the command, or
    /// `Interrupted`.
    pub(crate) fn failure(&self) -> Failure {
        Failure::new(self.exit.get().copied().unwrap_or(Exit::Interrupted), "interrupted")
    }

    /// Runs `work` until it ends or the command is stopped. In the second case `work` is dropped.
    ///
    /// # Errors
    /// That of `work`, or [`failure`](Self::failure).
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
    /// Installs the handlers of SIGINT and SIGTERM.
    ///
    /// # Errors
    /// The operating system's error if the system does not allow them.
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal. Returns the exit code that it stands for.
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
    /// Does nothing: the handler of Ctrl-C is installed by [`next`](Self::next).
    ///
    /// # Errors
    /// Never.
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for Ctrl-C. Waits forever if the system has no handler for it.
    async fn next(&mut self) -> Exit {
        // The system offers no Ctrl-C handler, so only the end of the command ends it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Exit::Interrupted
    }
}
