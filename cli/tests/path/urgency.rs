//! What comes first where bytes have to wait: what a command says arrives at the device.

use std::{
    fs::{self, File},
    process::Command,
};

use crate::{
    ssh::DEVICE,
    sshd::Sshd,
    targets::echo,
    world::{Process, World, assert_success, eventually},
};

/// An agent whose log says how urgent each connection is.
struct Agent<'a> {
    world: &'a World,
    _process: Process,
}

impl<'a> Agent<'a> {
    fn start(world: &'a World) -> Self {
        let mut command = world.towline(&["agent", "--cloud", &world.url, "--data-dir"]);
        command.arg(world.path("agent")).env("RUST_LOG", "info").env("NO_COLOR", "1");
        command.env("TOWLINE_ENROL_TOKEN", world.token(DEVICE)).stderr(File::create(world.path("agent.log")).unwrap());
        let process = Process::spawn(&mut command);
        world.wait_online(DEVICE, true);
        Self { world, _process: process }
    }

    /// How urgent the connections were until now.
    fn heard(&self) -> Vec<u8> {
        let log = fs::read_to_string(self.world.path("agent.log")).unwrap();
        let said = log.lines().filter_map(|line| line.split_once("urgency=")).map(|(_, number)| number);
        said.map(|number| number.split_whitespace().next().unwrap().parse().unwrap()).collect()
    }

    fn hears(&self, urgency: u8, number: usize) {
        eventually("the agent has connected", || self.heard().len() == number);
        assert_eq!(self.heard().last(), Some(&urgency));
    }
}

#[test]
fn what_is_said_of_a_connections_bytes_arrives_at_the_device() {
    let world = World::new();
    let agent = Agent::start(&world);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    // A connection that is over before the device has heard of it is none.
    let script = "exec 3<>/dev/tcp/$TARGET/$PORT; echo hello >&3; head -n1 <&3";
    let lines: [(&[&str], u8); 4] = [
        (&["server", "--device", DEVICE, "--listen", "-"], 4),
        (&["server", "--device", DEVICE, "--listen", "-", "--urgency", "bulk"], 7),
        (&["server", "--device", DEVICE, "--listen", "-", "--urgency", "interactive"], 0),
        (&["run", "--device", DEVICE, "--urgency", "bulk", "--", "bash", "-c", script], 7),
    ];
    for (number, (line, urgency)) in lines.iter().enumerate() {
        assert_success(&world.run(line, b"hello"));
        agent.hears(*urgency, number + 1);
    }
}

#[test]
fn a_shell_over_ssh_is_interactive_and_a_command_is_not() {
    let world = World::new();
    let agent = Agent::start(&world);
    let sshd = Sshd::start(&world.path("sshd"));
    world.endpoint(DEVICE, "native-ssh", "127.0.0.1", sshd.port);
    let options: Vec<String> = sshd.client_options().iter().flat_map(|option| ["-o".into(), option.clone()]).collect();
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let mut line = vec!["connect", "ssh", "--device", DEVICE, "--user", user.trim()];
    line.extend(options.iter().map(String::as_str));

    assert_success(&world.run(&line, b"exit 0\n"));
    agent.hears(0, 1);
    assert_success(&world.run(&[&line[..], &["--", "true"]].concat(), b""));
    agent.hears(4, 2);
}
