use std::time::{Duration, Instant};

use grantlog_tests::{process::Installation, remote::Remote};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::sleep;

use crate::{
    ledger::{Ledger, read_log},
    load::{Clients, Load},
};

const ROUNDS: usize = 15;
const STARTS: usize = 12;
/// Another seed finds other moments.
const SEED: u64 = 20_261_123;

/// SIGKILL again and again at another moment of a mixed load, on one data directory.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_acknowledged_survives_sigkill() {
    let begin = Instant::now();
    let mut rng = StdRng::seed_from_u64(SEED);
    let installation = Installation::new();
    let mut server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let clients = Clients::register(&remote).await;
    let mut everything = Ledger::default();
    for round in 0..ROUNDS {
        let load = Load::start(&remote, &clients, SEED + round as u64, round);
        load.until(rng.random_range(20..150)).await;
        sleep(Duration::from_micros(rng.random_range(0..5_000))).await;
        server.kill();
        let mut ledger = load.ledger().await;
        assert!(ledger.acknowledged > 0);
        read_log(&installation, ledger.position).await;
        installation.expect_sound();

        server = installation.start().await;
        ledger.check(&remote).await;
        ledger.ask_again(&remote, &clients.application).await;
        ledger.refresh_all(&remote, &clients.application).await;
        everything.add(ledger);
    }
    everything.check(&remote).await;
    server.stop().await;
    let found = installation.expect_sound();
    println!("{ROUNDS} kills, {} acknowledged writes, {:.1?}: {}", everything.acknowledged, begin.elapsed(), found.trim());
}

/// SIGKILL while the server starts, on a directory that it knows and before that on one that it makes.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_killed_can_be_done_again() {
    let mut rng = StdRng::seed_from_u64(SEED);
    for _ in 0..STARTS {
        let fresh = Installation::new();
        let server = fresh.spawn();
        sleep(Duration::from_millis(rng.random_range(0..250))).await;
        server.kill();
        fresh.start().await.stop().await;
        fresh.expect_sound();
    }

    let installation = Installation::new();
    let server = installation.start().await;
    let remote = Remote::of(&installation).await;
    let clients = Clients::register(&remote).await;
    let load = Load::start(&remote, &clients, SEED, 0);
    load.until(300).await;
    server.kill();
    let ledger = load.ledger().await;
    for _ in 0..STARTS {
        let server = installation.spawn();
        sleep(Duration::from_millis(rng.random_range(0..250))).await;
        server.kill();
    }
    read_log(&installation, ledger.position).await;
    installation.expect_sound();
    let server = installation.start().await;
    ledger.check(&remote).await;
    server.stop().await;
}
