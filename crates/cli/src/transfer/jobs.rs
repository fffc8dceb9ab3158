//! A pool of concurrent tasks that may add tasks.

use tokio::task::JoinSet;

use crate::{
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
};

/// Number of concurrent tasks, and of tasks that start together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSize {
    limit: usize,
    /// Number of tasks that must end before others start.
    step: usize,
}

impl PoolSize {
    /// Returns a pool of `limit` tasks. Each task starts as soon as another ends.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, step: 1 }
    }

    /// Returns a pool of `limit` tasks for a cloud that takes several requests in a batch of
    /// `batch`: tasks start together, so that their requests share batches.
    pub(crate) fn for_batches(limit: usize, batch: usize) -> Self {
        Self { limit, step: batch.min(limit / 2).max(1) }
    }
}

/// Runs the tasks of a stack in a pool. `start` starts a task, which returns further tasks, the
/// next one last. After the command is stopped no task starts, and running tasks are awaited.
///
/// # Errors
/// The first error of a task. An error stops the command.
pub(crate) async fn run_pool<W, F>(
    size: PoolSize,
    interrupt: &Interrupt,
    mut stack: Vec<W>,
    start: impl Fn(W) -> F,
) -> Result
where
    W: Send + 'static,
    F: Future<Output = Result<Vec<W>>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut ended = Ok(());
    loop {
        if running.len() + size.step <= size.limit {
            while running.len() < size.limit && !interrupt.is_set() {
                let Some(piece) = stack.pop() else { break };
                running.spawn(start(piece));
            }
        }
        match running.join_next().await {
            None => return ended,
            Some(piece) => match join(piece) {
                Ok(found) => stack.extend(found),
                Err(failure) => {
                    interrupt.stop(failure.exit);
                    ended = ended.and(Err(failure));
                }
            },
        }
    }
}

/// Returns the result of a finished task.
///
/// # Errors
/// The task's error, or `Failed` if it panicked.
pub(crate) fn join<T>(ended: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    ended.unwrap_or_else(|died| Err(Failure::new(Exit::Failed, format!("a task panicked: {died}"))))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn all_work_is_done_and_never_more_than_the_limit_at_once() {
        for size in [PoolSize::new(4), PoolSize::for_batches(4, 20), PoolSize::for_batches(4, 2)] {
            all_work_is_done(size).await;
        }
    }

    async fn all_work_is_done(size: PoolSize) {
        let (now, most, done) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let start = |depth: u32| {
            let (now, most, done) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&done));
            async move {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, SeqCst);
                done.fetch_add(1, SeqCst);
                Ok(vec![depth.saturating_sub(1); if depth == 0 { 0 } else { 3 }])
            }
        };
        run_pool(size, &Interrupt::default(), vec![5], start).await.expect("no failure");
        assert_eq!(done.load(SeqCst), (0..=5).map(|depth| 3_usize.pow(depth)).sum::<usize>());
        assert!((1..=4).contains(&most.load(SeqCst)), "{most:?}");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_a_failure() {
        let interrupt = Interrupt::default();
        let ended = run_pool(PoolSize::new(1), &interrupt, vec![0_u8], |piece| async move {
            assert_ne!(piece, 0, "on purpose");
            Ok(Vec::new())
        });
        assert_eq!(ended.await.expect_err("it died").exit, Exit::Failed);
    }
}
