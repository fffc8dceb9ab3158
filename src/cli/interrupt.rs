//! Ctrl-C and SIGTERM: the first one stops cleanly, the second one at once.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use crate::cli::{
    failure::{Exit, Failure, Result},
    output::Output,
};

/// Whether, and by what, the user stopped the command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    exit: Arc<AtomicU8>,
}

impl Interrupt {
    /// Listens for the signals from now on.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub(crate) fn listen(output: Arc<Output>) -> std::io::Result<Self> {
        let interrupt = Self::default();
        let mut signals = Signals::new()?;
        let stop = interrupt.clone();
        tokio::spawn(async move {
            let first = signals.next().await;
            stop.exit.store(first as u8, Ordering::Relaxed);
            stop.token.cancel();
            let second = signals.next().await;
            let _ = output.flush();
            process::exit(second as i32);
        });
        Ok(interrupt)
    }

    /// Whether a signal has come.
    pub(crate) fn is_set(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns when a signal comes.
    pub(crate) async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// The failure that a signal makes of what was under way.
    pub(crate) fn failure(&self) -> Failure {
        let exit = match self.exit.load(Ordering::Relaxed) {
            code if code == Exit::Terminated as u8 => Exit::Terminated,
            _ => Exit::Interrupted,
        };
        Failure::new(exit, "interrupted")
    }

    /// Waits for `work`, and drops it when a signal comes.
    ///
    /// # Errors
    /// The work's own, or the signal's.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
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
