//! Logins that end, and servers that go on with the next one.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use crate::{
    failures::assert_fails,
    targets::echo,
    world::{ADMIN_PASSWORD, World, assert_success, eventually},
};

const DEVICE: &str = "pump-7";
const LIVENESS: Duration = Duration::from_secs(60);

fn echoes(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(LIVENESS)).unwrap();
    let mut answer = Vec::new();
    let mut exchange = || -> std::io::Result<()> {
        stream.write_all(b"hello")?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut answer).map(drop)
    };
    exchange().is_ok() && answer == b"hello"
}

#[test]
fn a_server_goes_on_with_the_login_that_followed_its_own() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let first = world.json(&["tokens", "list"])[0]["id"].as_str().unwrap().to_owned();
    let (mut server, address) = world.server(DEVICE);
    assert!(echoes(&address));

    let login = ["login", &world.url, "--pin", &world.pin, "--user", "admin"];
    assert_success(&world.towline(&login).env("TOWLINE_PASSWORD", ADMIN_PASSWORD).output().unwrap());
    world.succeed(&["tokens", "revoke", &first]);

    eventually("the server works with the new login", || echoes(&address));
    assert!(server.0.try_wait().unwrap().is_none(), "it is still the same process");
}

#[test]
fn a_token_is_listed_and_revoked() {
    let world = World::new();
    world.person("mona");
    let hers = world.json(&["tokens", "list", "--user", "mona"]);
    assert_eq!((hers.as_array().unwrap().len(), &hers[0]["current"]), (1, &false.into()));
    let mine = world.json(&["tokens", "list"]);
    assert_eq!((mine.as_array().unwrap().len(), &mine[0]["current"]), (1, &true.into()));

    world.succeed(&["tokens", "revoke", hers[0]["id"].as_str().unwrap()]);

    let output = world.towline_as("mona", &["tokens", "list"]).output().unwrap();
    assert_fails(&output, "unauthenticated", "operator", 3);
    let output = world.towline(&["tokens", "revoke", hers[0]["id"].as_str().unwrap()]).output().unwrap();
    assert_fails(&output, "not-found", "cloud", 4);
}

#[test]
fn a_variable_that_is_empty_counts_as_one_that_is_not_set() {
    let world = World::new();
    let mut command = world.towline(&["devices", "list"]);
    for variable in ["HOST", "PIN", "USER", "PASSWORD", "TOKEN", "SESSION_FILE", "SSH_USER", "COMPLETE"] {
        command.env(format!("TOWLINE_{variable}"), "");
    }
    assert_success(&command.output().unwrap());
}
