//! Explores one space of `raft_core` with Stateright, and prints its counts as JSON.
//!
//!     raft_core N/T/R/H/CR WORKERS [depth-first]
//!
//! N servers; budgets of T election timeouts, R client requests, H heartbeats and CR restarts. Depth first, no level of
//! states is kept, so spaces are counted for which there is not enough memory breadth first.

mod raft_core;

use raft_core::{Budget, RaftCore};
use stateright::{Checker, Model};
use std::process::exit;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (space, workers, depth_first) = match &arguments[..] {
        [space, workers] => (space, workers, false),
        [space, workers, order] if order == "depth-first" => (space, workers, true),
        _ => usage(),
    };
    let numbers: Vec<u8> = space.split('/').map(|text| text.parse().unwrap_or_else(|_| usage())).collect();
    let [servers, timeouts, requests, heartbeats, restarts] = numbers[..] else { usage() };
    let workers: usize = workers.parse().unwrap_or_else(|_| usage());
    let budget = Budget { timeouts, requests, heartbeats, restarts };
    match servers {
        1 => explore(RaftCore::<1> { budget }, workers, depth_first),
        2 => explore(RaftCore::<2> { budget }, workers, depth_first),
        3 => explore(RaftCore::<3> { budget }, workers, depth_first),
        4 => explore(RaftCore::<4> { budget }, workers, depth_first),
        5 => explore(RaftCore::<5> { budget }, workers, depth_first),
        _ => usage(),
    }
}

/// Explores the whole space, breadth first if not told otherwise. Every generated state counts as a transition, but the
/// initial one. The seconds are measured here, around the search: Stateright's own report looks at the clock once a
/// second.
fn explore<const N: usize>(model: RaftCore<N>, workers: usize, depth_first: bool) {
    let begin = Instant::now();
    let builder = model.checker().threads(workers);
    if depth_first {
        tell(builder.spawn_dfs().join(), begin, false);
    } else {
        tell(builder.spawn_bfs().join(), begin, workers == 1);
    }
}

/// Prints what was counted. With several workers the levels overlap, and the depth is no longer that of the shortest
/// runs.
fn tell<const N: usize>(checker: impl Checker<RaftCore<N>>, begin: Instant, shortest: bool) {
    let seconds = begin.elapsed().as_secs_f64();
    checker.assert_properties();
    let depth = if shortest { checker.max_depth().to_string() } else { "null".to_string() };
    println!(
        "{{\"states\": {}, \"transitions\": {}, \"depth\": {depth}, \"seconds\": {seconds:.3}}}",
        checker.unique_state_count(),
        checker.state_count() - 1,
    );
}

fn usage() -> ! {
    eprintln!("usage: raft_core N/T/R/H/CR WORKERS [depth-first], as in raft_core 3/2/1/0/0 2, with 1 to 5 servers");
    exit(2)
}
