//! What whoever runs a cloud does with it: configuration, logs, metrics, certificates, backups.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::site::{Process, Site, assert_success, connect, echo, echoes, eventually, program, request};

fn fails_with(output: &Output, exit_code: i32, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit_code), "{said}");
    assert!(says.iter().all(|part| said.contains(part)), "{said} does not say {says:?}");
}

#[test]
fn a_configuration_file_says_what_flags_and_environment_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cloud.toml");
    let data = folder.path().join("data");
    fs::write(&file, format!("version = 1\ndata-dir = \"{}\"\nlisten = \"127.0.0.1:1\"\n", data.display())).unwrap();
    let started = |command: &mut Command| -> Value {
        let mut child =
            command.args(["--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let first = serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter().next();
        drop(child.kill());
        drop(child.wait());
        first.unwrap().unwrap()
    };
    let mut command = program(folder.path());
    command.args(["cloud", "--config"]).arg(&file).env("TOWLINE_LISTEN", "127.0.0.1:0");
    let from_environment = started(&mut command);
    assert!(!from_environment["address"].as_str().unwrap().ends_with(":1"), "the file won over the environment");
    assert!(data.join("towline.db").exists(), "the file says where the data is");

    let mut command = program(folder.path());
    command
        .args(["cloud", "--listen", "127.0.0.2:0"])
        .env("TOWLINE_CONFIG", &file)
        .env("TOWLINE_LISTEN", "127.0.0.1:0");
    let from_flag = started(&mut command);
    assert!(from_flag["address"].as_str().unwrap().starts_with("127.0.0.2:"), "the environment won over the flag");

    for (command, text, says) in [
        ("cloud", "version = 1\n\nlisten-on = \"s3cret\"\n", ["line 3", "\"listen-on\""]),
        ("cloud", "version = 1\ndrain-seconds = [1]\n", ["line 2", "\"drain-seconds\""]),
        ("agent", "version = 1\nlisten = \"127.0.0.1:1\"\n", ["line 2", "\"listen\""]),
        ("agent", "data-dir = \"x\"\n", ["version = 1", ""]),
    ] {
        fs::write(&file, text).unwrap();
        let output = program(folder.path()).args([command, "--config"]).arg(&file).output().unwrap();
        fails_with(&output, 2, &says);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("s3cret"));
    }
    let output = program(folder.path()).args(["cloud", "--config", "/nowhere/x.toml"]).output().unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("/nowhere/x.toml"));
}

#[test]
fn logs_are_lines_of_json_if_asked_for() {
    let site = Site::with(&["--log-format", "json", "--log-level", "debug"]);
    let (_device, _agent) = site.device("pump-7");
    let log = site.read_log("cloud");
    assert!(!log.is_empty());
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(record["timestamp"].is_string() && record["level"].is_string(), "{line}");
    }
}

#[test]
fn metrics_count_what_happens_on_a_port_of_their_own() {
    let site = Site::with(&["--metrics-listen", "127.0.0.1:0"]);
    let url = site.started["metrics"].as_str().unwrap();
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap().parse().unwrap();
    let metrics = || request(address, "", "GET", "/metrics", &[], None).unwrap().text;
    let has = |line: &str| metrics().lines().any(|other| other == line);
    assert!(has("towline_agents_online 0") && has("towline_sessions_live 0"), "{}", metrics());

    let (device, mut agent) = site.device("pump-7");
    site.endpoint(&device, "echo", echo());
    let (_server, tunnel) = site.server(&device);
    let mut session = connect(&tunnel);
    echoes(&mut session).unwrap();
    for line in [
        "towline_agents_online 1",
        "towline_operator_tunnels 1",
        "towline_sessions_live 1",
        "towline_operations_total{outcome=\"ok\"} 1",
        "towline_relayed_bytes_total{direction=\"to-target\"} 5",
        "towline_relayed_bytes_total{direction=\"from-target\"} 5",
    ] {
        eventually(line, || has(line));
    }
    agent.kill();
    site.wait_online(&device, false);
    assert!(echoes(&mut connect(&tunnel)).is_err());
    // What was open waits for the agent, and ends when another comes in its place.
    for line in
        ["towline_agents_online 0", "towline_sessions_live 1", "towline_operations_total{outcome=\"device-offline\"} 1"]
    {
        eventually(line, || has(line));
    }
    let _agent = Process::spawn(&mut site.agent_command("pump-7", None));
    for line in ["towline_agents_online 1", "towline_sessions_live 0"] {
        eventually(line, || has(line));
    }
    let text = metrics();
    for name in [
        "towline_build_info{version=",
        "towline_http_requests_total{status=\"2xx\"} ",
        "towline_store_write_seconds_bucket{le=\"+Inf\"} ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    ] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    let elsewhere = request(site.address, &site.token, "GET", "/metrics", &[], None).unwrap();
    // What is no route there is the page.
    assert!(!elsewhere.text.contains("towline_agents_online"), "they are on the port for everybody");
}

#[test]
fn a_certificate_is_renewed_while_the_cloud_runs_and_the_pin_holds() {
    let site = Site::new();
    let (device, mut agent) = site.device("pump-7");
    let leaf = || -> Value { serde_json::from_slice(&fs::read(site.path("cloud/leaf.json")).unwrap()).unwrap() };
    let before = leaf();
    let mut expiring = before.clone();
    expiring["not_after_millis"] = 1.into();
    fs::write(site.path("cloud/leaf.json"), expiring.to_string()).unwrap();

    site.cloud.signal("HUP");
    eventually("it is renewed", || leaf()["certificate"] != before["certificate"]);
    eventually("the log says so", || site.read_log("cloud").contains("another certificate is served"));
    assert_eq!(site.is_online(&device), Some(true), "connections that are there stay");
    agent.kill();
    site.wait_online(&device, false);
    let _agent = Process::spawn(&mut site.agent_command("pump-7", None));
    site.wait_online(&device, true);
}

#[test]
fn certificate_files_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let write = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        made.cert.pem()
    };
    let first = write();
    let (c, k) = (certificate.display().to_string(), key.display().to_string());
    let site = Site::with(&["--tls-cert", &c, "--tls-key", &k]);
    // Whoever trusts a certificate by itself is served over TLS as long as it is the one that is served.
    let is_served = |pem: &str| {
        let file = folder.path().join("trusted.pem");
        fs::write(&file, pem).unwrap();
        let url = format!("https://localhost:{}/api/v1/health", site.address.port());
        let output =
            Command::new("curl").args(["--silent", "--max-time", "10", "--cacert"]).arg(&file).arg(url).output();
        output.unwrap().stdout.starts_with(b"{")
    };
    assert!(is_served(&first));

    // Half of a renewal: the old pair is still served.
    fs::write(&certificate, "not a certificate").unwrap();
    site.cloud.signal("HUP");
    eventually("the log says so", || site.read_log("cloud").contains("the old one is still served"));
    assert!(is_served(&first));

    let second = write();
    eventually("the new one is served by itself", || is_served(&second));
    assert!(!is_served(&first));
}

#[test]
fn a_backup_of_a_running_cloud_becomes_a_cloud_again() {
    let site = Site::new();
    let (device, agent) = site.device("pump-7");
    site.endpoint(&device, "echo", echo());
    fs::write(site.path("passphrase"), "correct horse battery staple\n").unwrap();
    fs::write(site.path("wrong"), "another long passphrase\n").unwrap();
    let path = |name: &str| site.path(name).display().to_string();
    let run = |line: &[&str]| site.towline(line).output().unwrap();
    let (data, passphrase) = (path("cloud"), path("passphrase"));

    fails_with(&run(&["backup", "--data-dir", &data, &path("b")]), 2, &["--unencrypted", "--passphrase-file"]);
    let output = run(&["backup", "--data-dir", &data, "--passphrase-file", &passphrase, &path("b")]);
    assert_success(&output);
    assert_eq!(fs::metadata(site.path("b")).unwrap().permissions().mode() & 0o777, 0o600);
    fails_with(&run(&["backup", "--data-dir", &data, "--unencrypted", &path("b")]), 2, &["exists"]);
    assert!(!site.path("cloud/backup.tmp").exists());
    site.endpoint(&device, "after-the-backup", 22);

    // What is wrong with it is said before anything is written.
    let new = path("new/cloud");
    let restore = |file: &str, passphrase: Option<&str>| {
        let mut line = vec!["restore", "--data-dir", &new];
        line.extend(passphrase.iter().flat_map(|file| ["--passphrase-file", file]));
        line.push(file);
        run(&line)
    };
    fails_with(&restore(&path("b"), None), 2, &["passphrase"]);
    fails_with(&restore(&path("b"), Some(&path("wrong"))), 2, &["passphrase does not fit"]);
    let good = fs::read(site.path("b")).unwrap();
    for (position, damage) in [(3, 1), (40, 1), (good.len() / 2, 0x80), (good.len() - 1, 1)] {
        let mut damaged = good.clone();
        damaged[position] ^= damage;
        fs::write(site.path("damaged"), damaged).unwrap();
        fails_with(&restore(&path("damaged"), Some(&passphrase)), 2, &["backup"]);
    }
    fs::write(site.path("cut"), &good[..good.len() - 100]).unwrap();
    fails_with(&restore(&path("cut"), Some(&passphrase)), 2, &["damaged"]);
    let left = fs::read_dir(site.path("new/cloud")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something was left behind");

    assert_success(&restore(&path("b"), Some(&passphrase)));
    fails_with(&restore(&path("b"), Some(&passphrase)), 2, &["not empty"]);
    let here = path("cloud");
    fails_with(
        &run(&["restore", "--data-dir", &here, "--passphrase-file", &passphrase, &path("b")]),
        2,
        &["not empty"],
    );

    // The restored cloud in the place of the old one: same pin, same logins, the device comes back.
    let mut site = site;
    site.cloud.kill();
    fs::rename(site.path("cloud"), site.path("old")).unwrap();
    fs::rename(site.path("new/cloud"), site.path("cloud")).unwrap();
    let pin = site.pin.clone();
    site.start();
    assert_eq!(site.started["pin"].as_str().map(str::to_owned), pin);
    site.wait_online(&device, true);
    let endpoints = site.list(&format!("/devices/{device}/endpoints"));
    assert_eq!(endpoints.iter().map(|endpoint| &endpoint["name"]).collect::<Vec<_>>(), ["echo"]);
    let (_server, tunnel) = site.server(&device);
    echoes(&mut connect(&tunnel)).unwrap();
    drop(agent);
}
