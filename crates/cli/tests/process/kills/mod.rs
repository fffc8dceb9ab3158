//! `drivedal serve` is killed (-9) repeatedly while clients write. After each restart all
//! acknowledged files exist with their content. Other files are complete or absent, and no blob is
//! left over.
//!
//! `DRIVEDAL_KILLS` is the number of kills (default 4). `DRIVEDAL_SEED` seeds the times of the
//! kills and the content of the files.

mod check;
mod ledger;
mod writers;

use std::{
    env,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use drivedal_test_support::serving;

use crate::kills::{
    check::Found,
    ledger::{Dice, Ledger},
    serving::Serving,
    writers::Cloud,
};

/// Lifetime of a server before it is killed, in milliseconds.
const LIVES: std::ops::Range<u64> = 30..700;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Starts a server on a data folder.
fn serve(data: &Path) -> Serving {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drivedal"));
    let command = command.args(["serve", "--http", "127.0.0.1:0"]).env_clear();
    Serving::start(command.env("HOME", data).env("DRIVEDAL_DATA", data))
}

pub async fn a_killed_server_keeps_what_it_acknowledged_and_leaves_no_orphans() {
    let kills = number("DRIVEDAL_KILLS").unwrap_or(4);
    let seed =
        number("DRIVEDAL_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond() as u64);
    // A failed test shows the seed.
    println!("DRIVEDAL_SEED={seed}");
    let data = tempfile::tempdir().expect("a folder");
    let ledger = Arc::new(Ledger::new(seed));
    let mut dice = Dice::new(seed);
    let (mut found, mut slowest) = (Found::default(), Duration::ZERO);
    for kill in 1..=kills {
        let began = Instant::now();
        let mut server = serve(data.path());
        slowest = slowest.max(began.elapsed());
        let cloud = Cloud::new(&server.url, Arc::clone(&ledger));
        let writing = cloud.write(kill);
        let life = Duration::from_millis(LIVES.start + dice.below(LIVES.end - LIVES.start));
        let killing = async {
            tokio::time::sleep(life).await;
            ledger.something_acknowledged(kill).await;
            server.kill();
        };
        let (written, ()) = tokio::join!(writing, killing);
        if let Err(refused) = written {
            panic!("kill {kill}: a server that ran refused: {refused}");
        }
        let mut server = serve(data.path());
        let cloud = Cloud::new(&server.url, Arc::clone(&ledger));
        let checked = cloud.check(kill == kills).await;
        found.add(checked.unwrap_or_else(|wrong| panic!("after kill {kill}: {wrong}")));
        server.stop();
    }
    println!("{kills} kills: {found}; slowest start {slowest:.0?}; lost 0");
    assert!(found.acknowledged > 0 && found.sessions > 0, "{found}");
}
