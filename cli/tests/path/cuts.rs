//! `scp` through the whole path while a connection is cut again and again: one SSH session, and the same file.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    ssh::{DEVICE, through_proxy_command},
    sshd::Sshd,
    targets::noise,
    world::{Process, World, assert_success, eventually},
};

/// The mean time between two cuts.
const BETWEEN_CUTS: Duration = Duration::from_millis(300);
/// The size of the file, in MiB: 64, or as much as `TOWLINE_CUT_MIB` says.
const DEFAULT_MIB: usize = 64;

/// Passes connections on to the cloud and cuts them all, at random times, while it is told to.
struct Cutter {
    port: u16,
    is_cutting: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    fn before(cloud: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cloud = cloud.strip_prefix("https://").unwrap().to_owned();
        let open = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
        let is_cutting = Arc::new(AtomicBool::new(false));
        let cuts = Arc::new(AtomicUsize::new(0));
        let held = open.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&cloud) else { continue };
                for stream in [&near, &far] {
                    stream.set_nodelay(true).unwrap();
                    held.lock().unwrap().push(stream.try_clone().unwrap());
                }
                let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || pass_on(from, to));
                thread::spawn(move || pass_on(far, near));
            }
        });
        let (cutting, count) = (is_cutting.clone(), cuts.clone());
        thread::spawn(move || {
            let mut state = 0x2545_f491_4f6c_dd1du64;
            loop {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                thread::sleep(BETWEEN_CUTS * 2 * u32::try_from(state % 1000).unwrap() / 1000);
                if cutting.load(Ordering::Relaxed) {
                    let streams = std::mem::take(&mut *open.lock().unwrap());
                    count.fetch_add(usize::from(!streams.is_empty()), Ordering::Relaxed);
                    streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
                }
            }
        });
        Self { port, is_cutting, cuts }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
        && to.write_all(&buffer[..length]).is_ok()
    {}
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}

/// A device whose agent goes through `cutter`, and an SSH server.
fn device_behind(world: &World, cutter: &Cutter) -> (Process, Sshd) {
    let sshd = Sshd::start(&world.path("sshd"));
    let mut agent = world.towline(&["agent", "--cloud", &cutter.url(), "--data-dir"]);
    agent.arg(world.path("agent")).env("RUST_LOG", "error").env("TOWLINE_ENROL_TOKEN", world.token(DEVICE));
    let agent = Process::spawn(&mut agent);
    world.wait_online(DEVICE, true);
    world.endpoint(DEVICE, "native-ssh", "127.0.0.1", sshd.port);
    (agent, sshd)
}

/// Copies a big file there and back while `cutter` cuts; `operator` sets what leads the CLI.
fn copy_there_and_back(world: &World, sshd: &Sshd, cutter: &Cutter, operator: impl Fn(&mut std::process::Command)) {
    let mib = std::env::var("TOWLINE_CUT_MIB").map_or(DEFAULT_MIB, |mib| mib.parse().unwrap());
    let source = world.path("source");
    let piece = noise(1 << 20);
    let mut file = fs::File::create(&source).unwrap();
    for number in 0..mib {
        file.write_all(&number.to_be_bytes()).unwrap();
        file.write_all(&piece[8..]).unwrap();
    }
    drop(file);
    let (there, back) = (world.path("there"), world.path("back"));
    let began = Instant::now();
    for (from, to) in [
        (source.display().to_string(), format!("{DEVICE}:{}", there.display())),
        (format!("{DEVICE}:{}", there.display()), back.display().to_string()),
    ] {
        let mut scp = through_proxy_command(world, sshd, "scp");
        operator(&mut scp);
        let arrives_at = if to.starts_with(DEVICE) { &there } else { &back };
        let mut scp = Process::spawn(scp.args([&from, &to]));
        // What comes before the session is not what is tested here.
        eventually("the file begins to arrive", || fs::metadata(arrives_at).is_ok_and(|file| file.len() > 1 << 20));
        cutter.is_cutting.store(true, Ordering::Relaxed);
        assert!(scp.0.wait().unwrap().success(), "scp failed");
        cutter.is_cutting.store(false, Ordering::Relaxed);
        assert!(is_same(&source, arrives_at), "another file arrived");
    }
    let cuts = cutter.cuts.load(Ordering::Relaxed);
    assert!(cuts > 0, "nothing was cut");
    println!("{mib} MiB there and back with {cuts} cuts in {:?}", began.elapsed());
    let sessions = world.json(&["sessions", "list"]);
    assert_eq!(sessions.as_array().unwrap().len(), 2, "one session each way: {sessions}");
}

fn is_same(one: &Path, other: &Path) -> bool {
    assert_eq!(fs::metadata(one).unwrap().len(), fs::metadata(other).unwrap().len());
    let (mut one, mut other) = (fs::File::open(one).unwrap(), fs::File::open(other).unwrap());
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    while let Ok(()) = one.read_exact(&mut a) {
        other.read_exact(&mut b).unwrap();
        if a != b {
            return false;
        }
    }
    true
}

#[test]
fn a_file_arrives_whole_over_one_ssh_session_while_the_agents_connection_is_cut() {
    let world = World::new();
    let cutter = Cutter::before(&world.url);
    let (_agent, sshd) = device_behind(&world, &cutter);

    copy_there_and_back(&world, &sshd, &cutter, |_| {});

    let resumed = world.audited("device.resume", "ok");
    assert!(resumed["detail"].as_str().unwrap().contains("from 127.0.0.1:"), "{resumed}");
}

#[test]
fn a_file_arrives_whole_over_one_ssh_session_while_the_operators_connection_is_cut() {
    let world = World::new();
    let cutter = Cutter::before(&world.url);
    let sshd = Sshd::start(&world.path("sshd"));
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "native-ssh", "127.0.0.1", sshd.port);
    let session = fs::read(world.path("config/towline/session.json")).unwrap();
    let session: serde_json::Value = serde_json::from_slice(&session).unwrap();

    copy_there_and_back(&world, &sshd, &cutter, |scp| {
        scp.env("TOWLINE_HOST", cutter.url())
            .env("TOWLINE_PIN", &world.pin)
            .env("TOWLINE_TOKEN", session["token"].as_str().unwrap());
    });

    let resumed = world.audited("tunnel.resume", "ok");
    assert!(resumed["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{resumed}");
}

#[test]
fn an_agent_that_is_killed_and_started_again_raises_no_alarm_and_what_was_open_ends() {
    let world = World::new();
    let port = crate::targets::echo();
    let mut agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", port);
    let (_server, address) = world.server(DEVICE);
    let mut open = TcpStream::connect(address).unwrap();
    open.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    open.read_exact(&mut answer).unwrap();

    agent.kill();
    eventually("the device is reconnecting", || {
        let devices = world.json(&["devices", "list"]);
        devices[0]["reconnecting"] == true && devices[0]["online"] == false
    });
    let _agent = world.agent(DEVICE, None);
    world.wait_online(DEVICE, true);

    open.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(!matches!(open.read(&mut answer), Ok(1..)), "the connection lives");
    let audit = world.json(&["audit", "list"]);
    let replaced = audit.as_array().unwrap().iter().any(|record| record["action"] == "device.replaced");
    assert!(!replaced, "an alarm for nothing");
}

#[test]
fn disabling_a_device_ends_what_waits_for_it_at_once() {
    let world = World::new();
    let mut agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", crate::targets::echo());
    let (_server, address) = world.server(DEVICE);
    let mut open = TcpStream::connect(address).unwrap();
    open.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    open.read_exact(&mut answer).unwrap();
    agent.kill();
    eventually("the device is reconnecting", || world.json(&["devices", "list"])[0]["reconnecting"] == true);

    let began = Instant::now();
    assert_success(&world.towline(&["devices", "disable", DEVICE]).output().unwrap());
    open.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(!matches!(open.read(&mut answer), Ok(1..)), "the connection lives");
    println!("what waited was cut within {:?} of the command's start", began.elapsed());
    let sessions = world.json(&["sessions", "list"]);
    assert_eq!(sessions[0]["end"], "revoked", "{sessions}");
}
