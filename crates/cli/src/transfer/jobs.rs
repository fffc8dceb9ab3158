//! A pool of concurrent tasks that may add tasks.

use tokio::task::JoinSet;

use crate::{
    failure::{Exit, Failure, Result},
    interrupt::Interrupt,
};

/// Runs the tasks of a stack, at most `limit` concurrently. `start` starts a task, which returns
/// further tasks, the next one last. After the command is stopped no task starts, and running tasks
/// are awaited.
///
/// # Errors
/// The first error of a task. An error stops the command.
pub(crate) async fn run_pool<W, F>(
    limit: usize,
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
        while running.len() < limit && !interrupt.is_set() {
            let Some(piece) = stack.pop() else { break };
            running.spawn(start(piece));
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
        run_pool(4, &Interrupt::default(), vec![5], start).await.expect("no failure");
        assert_eq!(done.load(SeqCst), (0..=5).map(|depth| 3_usize.pow(depth)).sum::<usize>());
        assert!((1..=4).contains(&most.load(SeqCst)), "{most:?}");
    }

    #[tokio::test]
    async fn a_task_that_panics_is_a_failure() {
        let interrupt = Interrupt::default();
        let ended = run_pool(1, &interrupt, vec![0_u8], |piece| async move {
            assert_ne!(piece, 0, "on purpose");
            Ok(Vec::new())
        });
        assert_eq!(ended.await.expect_err("it died").exit, Exit::Failed);
    }
}
