//! Bytes through `towline server`: many at once, each end by itself, and nothing else among them.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::Stdio,
    sync::mpsc,
    time::Duration,
};

use crate::{
    targets::{answer_to, answers_after_the_end, echo, noise, speaks_first},
    world::{World, assert_success},
};

const DEVICE: &str = "pump-7";
const CONNECTIONS: usize = 50;
const LIVENESS: Duration = Duration::from_secs(60);
const STDIO: [&str; 5] = ["server", "--device", DEVICE, "--listen", "-"];

#[test]
fn fifty_connections_go_through_one_server_at_once() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let (_server, address) = world.server(DEVICE);

    // All are open before the first one speaks.
    let streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(&address).unwrap()).collect();
    std::thread::scope(|scope| {
        for (number, mut stream) in streams.into_iter().enumerate() {
            scope.spawn(move || {
                stream.set_read_timeout(Some(LIVENESS)).unwrap();
                let data = noise(100_000 + number);
                let mut writer = stream.try_clone().unwrap();
                let sent = data.clone();
                let writing = std::thread::spawn(move || {
                    writer.write_all(&sent).unwrap();
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                let mut echoed = Vec::new();
                stream.read_to_end(&mut echoed).unwrap();
                writing.join().unwrap();
                assert!(echoed == data, "connection {number}");
            });
        }
    });

    let operations = world.json(&["operations", "list", "--device", DEVICE]);
    assert_eq!(operations.as_array().unwrap().len(), CONNECTIONS, "one operation for each connection");
}

#[test]
fn an_answer_after_the_end_arrives_through_a_listener() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "counter", "127.0.0.1", answers_after_the_end());
    let (_server, address) = world.server(DEVICE);

    for data in [noise(0), noise(1), noise(3_000_000)] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(LIVENESS)).unwrap();
        stream.write_all(&data).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, answer_to(&data));
    }
}

#[test]
fn an_answer_after_the_end_arrives_through_standard_output_and_nothing_else_does() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "counter", "127.0.0.1", answers_after_the_end());

    for data in [noise(0), noise(1), noise(3_000_000)] {
        let output = world.run(&STDIO, &data);
        assert_success(&output);
        assert_eq!(String::from_utf8_lossy(&output.stdout), answer_to(&data));
    }
}

#[test]
fn a_target_that_has_said_all_still_hears_the_rest() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    let (heard, hears) = mpsc::channel();
    world.endpoint(DEVICE, "speaker", "127.0.0.1", speaks_first(heard));
    let mut child = world.towline(&STDIO).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();

    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "that is all", "standard output ends although the program goes on");

    let data = noise(200_000);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&data).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(hears.recv_timeout(LIVENESS).unwrap() == data);
}
