//! What a shell completes, asked as a shell asks.

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    targets::nobody,
    world::{World, assert_success},
};

/// Far more than a completion takes, and far less than a connection that nobody answers.
const PATIENCE: Duration = Duration::from_secs(8);

/// What bash offers after these words, of which the last is being typed.
fn complete(world: &World, words: &[&str]) -> Vec<String> {
    complete_with(world, &[], words)
}

fn complete_with(world: &World, variables: &[(&str, &str)], words: &[&str]) -> Vec<String> {
    let mut towline = world.towline(&["completions", "bash"]);
    let script = towline.output().unwrap();
    assert_success(&script);
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    let script = format!(
        "{}\nCOMP_WORDS=(towline {}); COMP_CWORD={}; COMP_TYPE=9\n\
         _clap_complete_towline towline '{}' ''\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        String::from_utf8(script.stdout).unwrap(),
        quoted.join(" "),
        last + 1,
        words[last],
    );
    let mut bash = Command::new("bash");
    for (name, value) in towline.get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    bash.envs(variables.iter().copied());
    let began = Instant::now();
    let output = bash.args(["--norc", "-c", &script]).output().unwrap();
    assert!(began.elapsed() < PATIENCE, "it took {:?}", began.elapsed());
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()).map(Into::into).collect()
}

#[test]
fn devices_and_endpoints_complete_by_their_names() {
    let world = World::new();
    for name in ["pump-7", "pump-8", "valve"] {
        world.token(name);
    }
    world.endpoint("pump-7", "native-ssh", "127.0.0.1", 22);
    world.endpoint("pump-7", "web", "127.0.0.1", 80);
    world.endpoint("valve", "vnc", "127.0.0.1", 5900);

    assert_eq!(complete(&world, &["connect", "ssh", "--device", "pu"]), ["pump-7", "pump-8"]);
    assert_eq!(complete(&world, &["doctor", "--device", ""]), ["pump-7", "pump-8", "valve"]);
    assert_eq!(complete(&world, &["devices", "show", "v"]), ["valve"]);
    let line = ["server", "--device", "pump-7", "--endpoint", ""];
    assert_eq!(complete(&world, &line), ["native-ssh", "web"]);
    let line = ["run", "--device", "valve", "--endpoint", "v"];
    assert_eq!(complete(&world, &line), ["vnc"]);
    assert!(complete(&world, &["connect", "ssh", "--device", "x"]).is_empty());
    assert!(complete(&world, &["devi"]).contains(&"devices".to_owned()));

    // Names stay for a moment, also when the cloud does not.
    world.token("pump-9");
    assert_eq!(complete(&world, &["devices", "show", "pump"]), ["pump-7", "pump-8"]);
}

#[test]
fn who_is_logged_out_or_out_of_reach_gets_no_names_and_no_noise() {
    let world = World::new();
    world.token("pump-7");
    let line = ["server", "--device", ""];
    assert_eq!(complete(&world, &line), ["pump-7"]);

    world.succeed(&["logout"]);
    assert!(complete(&world, &line).is_empty());
    assert!(!world.path("cache/towline/names.json").exists());

    // A cloud that takes the connection and stays silent, and one that is not there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [silent.local_addr().unwrap().port(), nobody()] {
        let nowhere = format!("https://127.0.0.1:{port}");
        let variables = [("TOWLINE_HOST", nowhere.as_str()), ("TOWLINE_TOKEN", "tlt1_x")];
        assert!(complete_with(&world, &variables, &line).is_empty());
    }
}

#[test]
fn each_shell_has_its_script() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = world.towline(&["completions", shell]).output().unwrap();
        assert_success(&output);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("towline") && script.contains("TOWLINE_COMPLETE"), "{script}");
    }
}
