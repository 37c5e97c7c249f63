//! `kill -9` of the cloud at random moments under load: nothing that was acknowledged is lost, nothing stays open on
//! paper, the audit is whole, and the devices come back by themselves.

use std::{
    collections::HashMap,
    net::TcpStream,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use towline_cloud::{AuditVerdict, Cloud};

use crate::site::{Process, Site, echo, echoes, eventually, request};

/// How often the cloud is killed; `TOWLINE_CHAOS_KILLS` says otherwise.
const KILLS: u64 = 20;
const WRITERS: usize = 3;
const AGENTS: usize = 8;
/// A device that lost its cloud is back within this, with the margin that tests get.
const BACK_WITHIN: Duration = Duration::from_secs(150);

fn random() -> u64 {
    // The hasher of the standard library is keyed anew each time.
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}

#[test]
fn a_cloud_that_is_killed_again_and_again_under_load_loses_nothing() {
    let kills = std::env::var("TOWLINE_CHAOS_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut site = Site::new();
    let (address, token) = (site.address, site.token.clone());
    let devices: Vec<(String, Process)> = (0..AGENTS).map(|number| site.device(&format!("pump-{number}"))).collect();
    let device = devices[0].0.clone();
    site.endpoint(&device, "echo", echo());
    let (_server, tunnel) = site.server(&device);

    let stop = AtomicBool::new(false);
    let acknowledged = Mutex::new(Vec::<String>::new());
    let echoed = AtomicU64::new(0);
    let mut slowest_start = Duration::ZERO;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (stop, acknowledged, token, device) = (&stop, &acknowledged, &token, &device);
            scope.spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = format!("endpoint-{writer}-{number}");
                    let wish = json!({ "name": name, "protocol": "PASSTHROUGH", "host": "127.0.0.1", "port": 22 });
                    let path = format!("/api/v1/devices/{device}/endpoints");
                    match request(address, token, "POST", &path, &[], Some(&wish)) {
                        Ok(answer) if answer.status == 201 => {
                            acknowledged.lock().unwrap().push(answer.ok("id").to_owned());
                        }
                        _ => std::thread::sleep(Duration::from_millis(20)),
                    }
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let Ok(mut stream) = TcpStream::connect(&tunnel) else { continue };
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                while echoes(&mut stream).is_ok() && !random().is_multiple_of(50) {
                    echoed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });

        for kill in 0..kills {
            if kill % 4 == 0 {
                // With sessions alive, too: it takes a while until everybody has found the cloud again.
                let before = echoed.load(Ordering::Relaxed);
                eventually("sessions live", || echoed.load(Ordering::Relaxed) > before);
            }
            std::thread::sleep(Duration::from_millis(random() % 500));
            site.cloud.kill();
            let began = Instant::now();
            site.start();
            slowest_start = slowest_start.max(began.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
    });

    let there: Vec<_> = site.list(&format!("/devices/{device}/endpoints"));
    let there: HashMap<_, _> = there.iter().map(|endpoint| (endpoint["id"].as_str().unwrap(), endpoint)).collect();
    let acknowledged = acknowledged.into_inner().unwrap();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains_key(id.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged writes are lost: {lost:?}", lost.len(), acknowledged.len());
    assert!(!acknowledged.is_empty() && echoed.load(Ordering::Relaxed) > 0, "there was no load");

    // Back for good; then the sessions of before have all ended.
    let back = Instant::now();
    for (device, _) in &devices {
        site.wait_online(device, true);
    }
    assert!(back.elapsed() < BACK_WITHIN, "the devices took {:?}", back.elapsed());
    eventually("no session is open", || site.list("/sessions").iter().all(|session| !session["ended_at"].is_null()));
    let sessions = site.list("/sessions");
    assert!(sessions.iter().all(|session| session["end"].is_string()), "a session has ended without a reason");
    let records = assert_audit_is_whole(&site);
    eprintln!(
        "{kills} kills: {} acknowledged writes and {} sessions, none lost; {} echoes; {records} audit records; slowest \
         start {slowest_start:?}; all {AGENTS} devices back {:?} after the last start",
        acknowledged.len(),
        sessions.len(),
        echoed.load(Ordering::Relaxed),
        back.elapsed(),
    );
}

#[test]
fn devices_that_lose_their_cloud_at_once_do_not_come_back_at_once() {
    let mut site = Site::new();
    let devices: Vec<(String, Process)> = (0..AGENTS).map(|number| site.device(&format!("pump-{number}"))).collect();
    site.cloud.kill();
    std::thread::sleep(Duration::from_secs(3));
    site.start();

    let began = Instant::now();
    let mut came: Vec<Option<Duration>> = vec![None; devices.len()];
    eventually("all devices are back", || {
        for ((device, _), came) in devices.iter().zip(&mut came) {
            if came.is_none() && site.is_online(device) == Some(true) {
                *came = Some(began.elapsed());
            }
        }
        came.iter().all(Option::is_some)
    });
    let came: Vec<_> = came.into_iter().flatten().collect();
    let (first, last) = (came.iter().min().unwrap(), came.iter().max().unwrap());
    eprintln!("devices came back between {first:?} and {last:?} after the start");
    assert!(*last < BACK_WITHIN, "{came:?}");
    // Drawn evenly from seconds, it does not happen that all of them fall together.
    assert!(*last - *first > Duration::from_millis(200), "a stampede: {came:?}");
}

fn assert_audit_is_whole(site: &Site) -> u64 {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match runtime.block_on(Cloud::verify_audit(&site.path("cloud"))).unwrap() {
        AuditVerdict::Whole { records } => records,
        broken => panic!("{broken:?}"),
    }
}
