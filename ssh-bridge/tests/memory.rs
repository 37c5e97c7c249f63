//! What a session costs this process while nobody looks (SEC-20). Alone in its process, so that nothing else is measured.

#[path = "bridge/operator.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod operator;
#[path = "bridge/server.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod server;

use std::fs;

use crate::{
    operator::{Operator, command},
    server::Server,
};

const SESSIONS: u64 = 16;
/// A session's window and a constant, with room for an allocator that keeps what it had.
const MAX_KIB_EACH: u64 = 2 * 1024;

/// Resident memory of this process in KiB.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn sessions_that_nobody_looks_at_stay_small_while_yes_runs() {
    let server = Server::openssh(&[]);
    let progress = |n| server.path(&format!("progress{n}"));
    // Each writes down how far it is, in steps of 64 KiB, until it has to wait.
    let script =
        |n| format!("i=0; while yes | head -c 65536; do i=$((i + 1)); echo $i > {}; done", progress(n).display());
    let mut operators = Vec::new();
    // The first one pays for what all share.
    let mut before = 0;
    for n in 0..=SESSIONS {
        let mut operator = Operator::connect(server.dial(), command(server.config(), &script(n), false));
        operator.ready().await;
        operators.push(operator);
        let steps = || fs::read_to_string(progress(n)).ok()?.trim().parse::<u64>().ok();
        server.eventually("the flood is under way", || steps().is_some_and(|steps| steps >= 1)).await;
        if n == 0 {
            before = resident_kib();
        }
    }

    let each = resident_kib().saturating_sub(before) / SESSIONS;

    println!("{each} KiB a session");
    assert!(each < MAX_KIB_EACH, "{each} KiB");
    for n in 0..=SESSIONS {
        let steps: u64 = fs::read_to_string(progress(n)).unwrap().trim().parse().unwrap();
        assert!(steps < 64, "the program has written {steps} times 64 KiB to nobody");
    }
}
