//! `scp` through the whole path while a connection is cut again and again: one SSH session, and the same file.

use std::{
    collections::HashSet,
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
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

/// Whether to cut now, and how often that was done.
#[derive(Clone, Default)]
struct Cutting {
    is_on: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
}

/// Passes connections on to the cloud and cuts them all, at random times, while it is told to.
struct Cutter {
    address: SocketAddr,
    cutting: Cutting,
}

impl Cutter {
    fn before(cloud: &str) -> Self {
        Self::at("127.0.0.1", cloud)
    }

    fn at(host: &str, cloud: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let cloud = cloud.strip_prefix("https://").unwrap().to_owned();
        let open = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
        let cutting = Cutting::default();
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
        let Cutting { is_on, cuts } = cutting.clone();
        thread::spawn(move || {
            let mut state = 0x2545_f491_4f6c_dd1du64;
            loop {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                thread::sleep(BETWEEN_CUTS * 2 * u32::try_from(state % 1000).unwrap() / 1000);
                if is_on.load(Ordering::Relaxed) {
                    let streams = std::mem::take(&mut *open.lock().unwrap());
                    cuts.fetch_add(usize::from(!streams.is_empty()), Ordering::Relaxed);
                    streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
                }
            }
        });
        Self { address, cutting }
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

/// Passes datagrams on to the cloud, from the same port of another address of this machine. When it is told to cut it
/// forgets whoever it passed on for, for good; then it changes the port that the cloud sees, again and again.
fn datagrams(cloud: SocketAddr, host: &str) -> Cutting {
    let outside = UdpSocket::bind((host, cloud.port())).unwrap();
    let cutting = Cutting::default();
    let Cutting { is_on, cuts } = cutting.clone();
    thread::spawn(move || {
        let mut forgotten = HashSet::new();
        let mut inside: Option<(SocketAddr, UdpSocket)> = None;
        let mut was_cut = false;
        let mut changed = Instant::now();
        let mut buffer = [0; 2048];
        loop {
            let (length, client) = outside.recv_from(&mut buffer).unwrap();
            let is_cutting = is_on.load(Ordering::Relaxed);
            if is_cutting && !was_cut {
                forgotten.extend(inside.take().map(|(client, _)| client));
                cuts.fetch_add(1, Ordering::Relaxed);
            }
            was_cut = is_cutting;
            if forgotten.contains(&client) {
                continue;
            }
            let is_old = is_cutting && changed.elapsed() > BETWEEN_CUTS;
            if is_old || inside.as_ref().is_none_or(|(of, _)| *of != client) {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.connect(cloud).unwrap();
                let (answers, outside) = (socket.try_clone().unwrap(), outside.try_clone().unwrap());
                thread::spawn(move || answer(&answers, &outside, client));
                (inside, changed) = (Some((client, socket)), Instant::now());
                cuts.fetch_add(usize::from(is_old), Ordering::Relaxed);
            }
            if let Some((_, socket)) = &inside {
                drop(socket.send(&buffer[..length]));
            }
        }
    });
    cutting
}

/// Passes on what the cloud sends to a port, until that is silent.
fn answer(from: &UdpSocket, to: &UdpSocket, client: SocketAddr) {
    from.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut buffer = [0; 2048];
    while let Ok(length) = from.recv(&mut buffer) {
        drop(to.send_to(&buffer[..length], client));
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
fn device_behind(world: &World, cutter: &Cutter, carrier: &str) -> (Process, Sshd) {
    let sshd = Sshd::start(&world.path("sshd"));
    let mut agent = world.towline(&["agent", "--cloud", &cutter.url(), "--carrier", carrier, "--data-dir"]);
    agent.arg(world.path("agent")).env("RUST_LOG", "error").env("TOWLINE_ENROL_TOKEN", world.token(DEVICE));
    let agent = Process::spawn(&mut agent);
    world.wait_online(DEVICE, true);
    world.endpoint(DEVICE, "native-ssh", "127.0.0.1", sshd.port);
    (agent, sshd)
}

/// Copies a big file there and back while a connection is cut; `operator` sets what leads the CLI.
fn copy_there_and_back(world: &World, sshd: &Sshd, cutting: &Cutting, operator: impl Fn(&mut std::process::Command)) {
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
        cutting.is_on.store(true, Ordering::Relaxed);
        assert!(scp.0.wait().unwrap().success(), "scp failed");
        cutting.is_on.store(false, Ordering::Relaxed);
        assert!(is_same(&source, arrives_at), "another file arrived");
    }
    let cuts = cutting.cuts.load(Ordering::Relaxed);
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
    let (_agent, sshd) = device_behind(&world, &cutter, "auto");

    copy_there_and_back(&world, &sshd, &cutter.cutting, |_| {});

    let resumed = world.audited("device.resume", "ok");
    assert!(resumed["detail"].as_str().unwrap().contains("from 127.0.0.1:"), "{resumed}");
}

#[test]
fn a_file_arrives_whole_over_one_ssh_session_while_the_agents_datagrams_are_cut() {
    let world = World::with(&["--quic-listen", "127.0.0.1:0"]);
    // The agent takes the port that the cloud names, at the address that it has of it.
    let cutting = datagrams(world.quic.as_ref().unwrap().parse().unwrap(), "127.0.0.2");
    let way = Cutter::at("127.0.0.2", &world.url);
    let (_agent, sshd) = device_behind(&world, &way, "quic");

    copy_there_and_back(&world, &sshd, &cutting, |_| {});

    world.audited("device.resume", "ok");
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

    copy_there_and_back(&world, &sshd, &cutter.cutting, |scp| {
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

/// A target that has one connection, which nobody ends on its side.
struct Target(TcpListener);

impl Target {
    fn new(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        world.endpoint(DEVICE, "target", "127.0.0.1", listener.local_addr().unwrap().port());
        Self(listener)
    }

    /// Connects it through an operator's command, which is killed then. The target's end of that connection.
    fn lose_its_operator(&self, world: &World) -> TcpStream {
        let (mut server, address) = world.server(DEVICE);
        let mut near = TcpStream::connect(address).unwrap();
        near.write_all(b"hello").unwrap();
        let (mut far, _) = self.0.accept().unwrap();
        let mut hello = [0; 5];
        far.read_exact(&mut hello).unwrap();
        server.kill();
        far.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        far
    }
}

/// How long a connection lasts from now on.
fn time_to_its_end(mut connection: TcpStream) -> Duration {
    let began = Instant::now();
    let last = connection.read(&mut [0]);
    assert!(!matches!(last, Ok(1..)) && began.elapsed() < Duration::from_secs(55), "it lives: {last:?}");
    began.elapsed()
}

#[test]
fn what_a_killed_operator_had_open_waits_as_long_as_the_cloud_is_told_to() {
    let world = World::with(&["--resume-seconds", "3"]);
    let _agent = world.device(DEVICE);
    let lasted = time_to_its_end(Target::new(&world).lose_its_operator(&world));
    assert!(lasted > Duration::from_secs(2), "{lasted:?}");
    println!("of 3 s it waited {lasted:?}");
    eventually("the end is on record", || world.json(&["sessions", "list"])[0]["end"] == "operator-lost");
}

#[test]
fn nothing_waits_where_the_cloud_is_told_not_to() {
    let world = World::with(&["--resume-seconds", "0"]);
    let _agent = world.device(DEVICE);
    let lasted = time_to_its_end(Target::new(&world).lose_its_operator(&world));
    println!("it ended {lasted:?} after its operator was killed");
    eventually("the end is on record", || world.json(&["sessions", "list"])[0]["end"] == "operator-lost");
}

#[test]
fn what_waits_for_an_operator_who_was_killed_is_ended_at_once_by_one_who_is_not() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    let far = Target::new(&world).lose_its_operator(&world);
    thread::sleep(Duration::from_secs(1));
    let session = world.json(&["sessions", "list", "--live"])[0]["id"].as_str().unwrap().to_owned();

    let began = Instant::now();
    world.succeed(&["sessions", "kill", &session]);
    time_to_its_end(far);
    println!("it ended within {:?} of the command's start", began.elapsed());
    assert_eq!(world.json(&["sessions", "show", &session])["end"], "revoked");
}
