//! Canaries: every secret there is goes through every flow with everything logged, and is then looked for everywhere.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;
use towline_agent::Identity;
use towline_cloud_api::EnrolmentToken;

use crate::site::{ADMIN_PASSWORD, Process, Site, echo, eventually, raw, request};

const PASSPHRASE: &str = "canary passphrase of the backup";

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            found.push((entry.path().display().to_string(), fs::read(entry.path()).unwrap()));
        }
    }
    found
}

fn contains(bytes: &[u8], canary: &str) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary.as_bytes())
}

#[test]
fn no_secret_is_in_any_log_answer_metric_database_or_backup() {
    let trace = ["--log-level", "trace", "--log-format", "json", "--metrics-listen", "127.0.0.1:0"];
    let site = Site::with(&trace);
    let mut canaries: Vec<(&str, String)> = vec![("admin's password", ADMIN_PASSWORD.into())];
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    let mut canary = |what: &'static str, secret: &str| canaries.push((what, secret.to_owned()));
    canary("bearer token", &site.token);

    // People: right and wrong passwords, wherever one can be written.
    canary("wrong password", "canary-wrong-password");
    canary("other password", "canary-other-password");
    let mut said = |what: &str, answer: &crate::site::Answer| {
        seen.push((format!("the answer to {what}"), format!("{}\n{}", answer.head, answer.text).into_bytes()));
    };
    let wrong = json!({ "user": "admin", "password": "canary-wrong-password" });
    said("a wrong login", &site.api("POST", "/login", Some(&wrong)));
    let guest = json!({ "name": "guest", "password": "canary-other-password" });
    said("a new user", &site.api("POST", "/users", Some(&guest)));
    said("a user that is there", &site.api("POST", "/users", Some(&guest)));
    let misplaced = json!({ "name": { "password": "canary-other-password" }, "password": 5 });
    said("a body that is wrong", &site.api("POST", "/users", Some(&misplaced)));
    // Passwords that change, and answers that are kept to be given again.
    let repeated = json!({ "name": "second", "password": "canary-repeated-password" });
    canary("password of a repeated request", "canary-repeated-password");
    let key = [("Idempotency-Key", "once")];
    let made = request(site.address, &site.token, "POST", "/api/v1/users", &key, Some(&repeated)).unwrap();
    let second = made.ok("id").to_owned();
    said("a new user, asked for once", &made);
    said("and again", &request(site.address, &site.token, "POST", "/api/v1/users", &key, Some(&repeated)).unwrap());
    let ticket = json!({ "name": "kept-ticket" });
    let key = [("Idempotency-Key", "a-ticket")];
    let ticket = request(site.address, &site.token, "POST", "/api/v1/enrolment-tokens", &key, Some(&ticket)).unwrap();
    canary("enrolment token that is kept", ticket.ok("token").strip_prefix("tl1_").unwrap());
    let reset = json!({ "password": "canary-reset-password" });
    canary("reset password", "canary-reset-password");
    said("a password that is reset", &site.api("PUT", &format!("/users/{second}/password"), Some(&reset)));
    let login = json!({ "user": "second", "password": "canary-reset-password" });
    let token = site.api("POST", "/login", Some(&login)).ok("token").to_owned();
    canary("another bearer token", &token);
    let own = |method: &str, path: &str, body: Option<&serde_json::Value>| {
        request(site.address, &token, method, &format!("/api/v1/current-user/{path}"), &[], body).unwrap()
    };
    let change = json!({ "current_password": "canary-reset-password", "new_password": "canary-changed-password" });
    canary("changed password", "canary-changed-password");
    said("a password that is changed", &own("PUT", "password", Some(&change)));

    // The second factor: its secret is shown in one answer only.
    let totp = own("POST", "totp", None).ok("secret").to_owned();
    canary("secret of the second factor", &totp);
    said("a code that is wrong", &own("POST", "totp/confirm", Some(&json!({ "code": "000000" }))));

    canary("a token that is none", "tlt1_canary-forged-token-of-nobody-at-all");
    let forged = "tlt1_canary-forged-token-of-nobody-at-all";
    said("a forged token", &request(site.address, forged, "GET", "/api/v1/devices", &[], None).unwrap());
    canary("basic authorization", "Y2FuYXJ5OmNhbmFyeQ");
    let basic = [("Authorization", "Basic Y2FuYXJ5OmNhbmFyeQ==")];
    said("another scheme", &request(site.address, "", "GET", "/api/v1/devices", &basic, None).unwrap());

    // Devices: the token is shown in one answer only.
    let (token, device) = site.ticket("pump-7");
    canary("enrolment token", token.strip_prefix("tl1_").unwrap());
    let mut agent = site.agent_command("pump-7", Some(&token));
    let mut agent = Process::spawn(agent.args(["--log-level", "trace"]));
    site.wait_online(&device, true);
    let secret: EnrolmentToken = token.parse().unwrap();
    let hex: String = secret.secret.iter().map(|byte| format!("{byte:02x}")).collect();
    canary("enrolment secret", &hex);
    let mut again = site.agent_command("again", Some(&token));
    assert_eq!(Process::spawn(again.args(["--log-level", "trace"])).wait(), Some(14));
    site.endpoint(&device, "echo", echo());

    // A session whose bytes are a secret too.
    canary("payload", "canary-payload-of-a-session");
    let mut operator = site.towline(&["server", "--device", "pump-7", "--listen", "-"]);
    operator.env("RUST_LOG", "trace").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(site.log("operator"));
    let mut child = operator.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"canary-payload-of-a-session").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"canary-payload-of-a-session");
    let mut login = site.towline(&["login", &site.url(), "--user", "admin"]);
    let login =
        login.env("RUST_LOG", "trace").env("TOWLINE_PASSWORD", ADMIN_PASSWORD).stderr(site.log("login")).output();
    assert!(login.unwrap().status.success());

    // A proof, used and refused: nonce and signature are of use to somebody for 30 seconds.
    agent.kill();
    site.wait_online(&device, false);
    let identity = Identity::load(&site.path("agent-pump-7")).unwrap();
    let nonce = request(site.address, "", "GET", "/api/v1/agent/challenge", &[], None).unwrap().ok("nonce").to_owned();
    let proof = identity.key.sign(format!("towline device v1\n{}\n{device}\n{nonce}", site.address).as_bytes());
    let head = format!(
        "GET /api/v1/agent/tunnel HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Authorization: Towline-Device v1 {device} {nonce} {proof}\r\n\r\n",
        site.address
    );
    said("a proof without an upgrade", &raw(site.address, head.as_bytes()).unwrap());
    said("a proof that is used", &raw(site.address, head.as_bytes()).unwrap());
    canary("nonce", &nonce);
    canary("proof", &proof);

    for path in ["/devices", "/operations", "/sessions", "/audit", "/current-user", "/health", "/ready"] {
        said(path, &site.api("GET", path, None));
    }
    let metrics = site.started["metrics"].as_str().unwrap();
    let address = metrics.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap().parse().unwrap();
    let metrics = request(address, "", "GET", "/metrics", &[], None).unwrap();
    assert!(metrics.text.contains("towline_login_failures_total "), "{metrics:?}");
    said("the metrics", &metrics);

    // Backups, encrypted and not.
    fs::write(site.path("passphrase"), PASSPHRASE).unwrap();
    canary("passphrase", PASSPHRASE);
    let data_dir = site.path("cloud").display().to_string();
    for (file, how) in
        [("sealed.backup", vec!["--passphrase-file", "passphrase"]), ("open.backup", vec!["--unencrypted"])]
    {
        let mut command = site.towline(&["backup", "--data-dir", &data_dir, file]);
        let output = command.args(how).env("RUST_LOG", "trace").current_dir(site.folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        seen.push((format!("the output of backup {file}"), [output.stdout, output.stderr].concat()));
        seen.push((file.into(), fs::read(site.path(file)).unwrap()));
    }
    for name in ["cloud", "agent-pump-7", "agent-again", "operator", "login"] {
        seen.push((format!("the log of {name}"), fs::read(site.path(&format!("{name}.log"))).unwrap()));
    }
    seen.extend(files(&site.path("cloud")));

    // Keys lie in files of the cloud and of the device and nowhere else; the encrypted backup has not even those.
    let mut keys: Vec<(&str, Vec<u8>)> =
        vec![("device's key", fs::read(site.path("agent-pump-7/device.key")).unwrap())];
    keys.push(("server's key", fs::read(site.path("cloud/server.key")).unwrap()));
    let identity = fs::read_to_string(site.path("cloud/identity.pem")).unwrap();
    keys.push(("identity key", identity.lines().nth(1).unwrap().as_bytes().to_vec()));
    let mut found = Vec::new();
    for (place, bytes) in &seen {
        assert!(!bytes.is_empty() || place.contains("lock") || place.contains("db-"), "{place} is empty");
        for (what, canary) in &canaries {
            if contains(bytes, canary) {
                found.push(format!("{what} in {place}"));
            }
        }
        for (what, key) in &keys {
            let at_home = place.ends_with("server.key") || place.ends_with("identity.pem") || place == "open.backup";
            if !at_home && bytes.windows(key.len()).any(|window| window == key) {
                found.push(format!("{what} in {place}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert!(seen.iter().any(|(place, bytes)| place == "the log of cloud" && contains(bytes, "\"level\":\"DEBUG\"")));
}

#[test]
fn no_secret_is_in_a_process_list_or_an_environment_that_others_can_read() {
    let site = Site::new();
    let (token, device) = site.ticket("pump-7");
    let _agent = Process::spawn(&mut site.agent_command("pump-7", Some(&token)));
    site.wait_online(&device, true);
    let output = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let list = String::from_utf8_lossy(&output.stdout);
    assert!(list.contains("agent-pump-7"), "the agent is on the list");
    for secret in [&*site.token, ADMIN_PASSWORD, &token] {
        assert!(!list.contains(secret), "{list}");
    }
    eventually("the log is there", || site.path("agent-pump-7.log").exists());
}
