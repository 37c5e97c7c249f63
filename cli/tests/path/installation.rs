//! `towline endpoints install-key`, with a real OpenSSH server that takes passwords.

use std::fs;

use crate::{
    failures::assert_fails,
    server::{PASSWORD, Server, USER},
    targets::ssh_with_passwords,
    world::{World, assert_success},
};

const DEVICE: &str = "pump-7";

#[test]
fn a_key_pair_is_made_and_installed_from_the_command_line() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    let server = Server::openssh(&["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes"]);
    let (file, fingerprint) = (server.path(".ssh/authorized_keys"), server.host_key().fingerprint().to_string());
    let port = ssh_with_passwords(server).to_string();
    let line = ["endpoints", "create-ssh", "--device", DEVICE, "--name", "ssh", "--port", &port, "--user", USER];
    let endpoint = world.json(&[&line[..], &["--generate-key"]].concat());
    fs::write(world.path("password"), format!("{PASSWORD}\n")).unwrap();
    fs::write(world.path("guess"), "a guess\n").unwrap();

    let install = |more: &[&str]| {
        let line = ["endpoints", "install-key", "ssh", "--device", DEVICE];
        world.towline(&[&line[..], more].concat()).current_dir(world.folder.path()).output().unwrap()
    };
    assert_fails(&install(&["--password-file", "password"]), "host-key-unknown", "target", 38);
    assert_fails(&install(&[]), "bad-request", "operator", 2);
    let trusting = ["--trust-host-key", &fingerprint, "--password-file"];
    assert_fails(&install(&[&trusting[..], &["guess"]].concat()), "target-sign-in", "target", 36);
    let output = install(&[&trusting[..], &["password"]].concat());
    assert_success(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("the key is installed"), "{output:?}");
    let line = endpoint["public_key"].as_str().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{line}\n"));
    // The host key is kept now, and the key is there.
    let again = install(&["--password-file", "password"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("was there already"), "{again:?}");
}
