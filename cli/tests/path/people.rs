//! People and what they may do, with a second person's login.

use serde_json::Value;

use crate::{
    failures::assert_fails,
    targets::echo,
    world::{World, assert_success, eventually, password_of},
};

const DEVICE: &str = "pump-7";

/// The names in a list.
fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// What a list looks like for somebody.
fn json_as(world: &World, person: &str, arguments: &[&str]) -> Value {
    let output = world.towline_as(person, arguments).args(["--output", "json"]).output().unwrap();
    assert_success(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Somebody's try to reach the echo of the device.
fn try_to_connect(world: &World, person: &str) -> std::process::Output {
    let script = "exec 3<>/dev/tcp/$TARGET/$PORT; echo hello >&3; head -n1 <&3";
    world.towline_as(person, &["run", "--device", DEVICE, "--", "bash", "-c", script]).output().unwrap()
}

#[test]
fn rights_appear_with_groups_and_grants_and_disappear_with_them() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.token("valve");
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    world.person("mona");
    assert_fails(&world.towline_as("mona", &["devices", "list"]).output().unwrap(), "forbidden", "cloud", 8);

    world.succeed(&["groups", "create", "field crew"]);
    world.succeed(&["groups", "add-member", "field crew", "mona"]);
    world.succeed(&["device-groups", "create", "pumps"]);
    world.succeed(&["device-groups", "add-device", "pumps", DEVICE]);
    let grant = |permission: &str, verb: &str| {
        let line = ["grants", verb, "--to", "field crew", "--on", "pumps", "--permission", permission];
        world.succeed(&line);
    };
    grant("device-control-read", "add");
    grant("remote-access-read", "add");
    assert_eq!(names(&json_as(&world, "mona", &["devices", "list"])), [DEVICE], "only what was granted");
    let output = world.towline_as("mona", &["devices", "show", "valve"]).output().unwrap();
    assert_fails(&output, "unknown-device", "cloud", 3);
    assert!(!try_to_connect(&world, "mona").status.success(), "reading is not connecting");

    grant("remote-access-connect", "add");
    let output = try_to_connect(&world, "mona");
    assert_success(&output);
    assert_eq!(output.stdout, b"hello\n");
    let output = world.towline_as("mona", &["devices", "rename", DEVICE, "mine"]).output().unwrap();
    assert_fails(&output, "forbidden", "cloud", 8);
    let groups = world.json(&["groups", "list"]);
    let crew = groups.as_array().unwrap().iter().find(|group| group["name"] == "field crew").unwrap();
    assert_eq!(names(&crew["members"]), ["mona"]);
    assert_eq!(world.json(&["grants", "list", "--to", "field crew"]).as_array().unwrap().len(), 3);

    grant("remote-access-connect", "remove");
    assert!(!try_to_connect(&world, "mona").status.success(), "the right is gone");
    let left = world.json(&["grants", "list", "--to", "field crew", "--on", "pumps"]);
    assert_eq!(left.as_array().unwrap().len(), 2);
    world.succeed(&["device-groups", "remove-device", "pumps", DEVICE]);
    assert_eq!(names(&json_as(&world, "mona", &["devices", "list"])), [""; 0]);
    world.succeed(&["groups", "remove-member", "field crew", "mona"]);
    assert_fails(&world.towline_as("mona", &["devices", "list"]).output().unwrap(), "forbidden", "cloud", 8);

    world.succeed(&["groups", "remove", "field crew"]);
    world.succeed(&["device-groups", "remove", "pumps"]);
    assert!(names(&world.json(&["device-groups", "list"])).contains(&"all"));
    let output = world.towline(&["device-groups", "remove", "all"]).output().unwrap();
    assert!(!output.status.success(), "every device is in it");
}

#[test]
fn a_user_is_made_shown_disabled_enabled_and_removed() {
    let world = World::new();
    world.person("mona");
    let shown = world.json(&["users", "show", "mona"]);
    assert_eq!((&shown["name"], &shown["disabled"], &shown["totp"]), (&"mona".into(), &false.into(), &false.into()));
    let by_id = world.json(&["users", "show", shown["id"].as_str().unwrap()]);
    assert_eq!(by_id["name"], "mona");
    assert_eq!(names(&world.json(&["users", "list"])), ["admin", "mona"]);
    let output = world.towline(&["users", "create", "mona"]).env("TOWLINE_NEW_PASSWORD", "12345678").output().unwrap();
    assert_fails(&output, "conflict", "cloud", 9);
    let output = world.towline(&["users", "create", "otto"]).env("TOWLINE_NEW_PASSWORD", "short").output().unwrap();
    assert_fails(&output, "bad-request", "operator", 2);
    let output = world.towline(&["users", "create", "otto"]).output().unwrap();
    assert_fails(&output, "bad-request", "operator", 2);

    world.succeed(&["users", "disable", "mona"]);
    let output = world.towline_as("mona", &["tokens", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    world.succeed(&["users", "enable", "mona"]);
    world.log_in("mona", &password_of("mona"));
    world.succeed(&["users", "remove", "mona"]);
    let output = world.towline_as("mona", &["tokens", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let output = world.towline(&["users", "show", "mona"]).output().unwrap();
    assert_fails(&output, "not-found", "cloud", 4);
}

#[test]
fn a_password_is_changed_by_oneself_and_reset_by_an_administrator() {
    let world = World::new();
    world.person("mona");
    let mut change = world.towline_as("mona", &["passwd"]);
    let output = change.env("TOWLINE_PASSWORD", "wrong").env("TOWLINE_NEW_PASSWORD", "another one").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let mut change = world.towline_as("mona", &["passwd", "--password-stdin"]);
    change.env("TOWLINE_PASSWORD", password_of("mona")).stdin(std::process::Stdio::piped());
    let mut child = change.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"another one\n").unwrap();
    assert!(child.wait().unwrap().success());

    world.log_in("mona", "another one");
    let mut reset = world.towline(&["users", "reset-password", "mona"]);
    assert_success(&reset.env("TOWLINE_NEW_PASSWORD", "the third one").output().unwrap());
    let output = world.towline_as("mona", &["tokens", "list"]).output().unwrap();
    assert_fails(&output, "unauthenticated", "operator", 3);
    world.log_in("mona", "the third one");
}

#[test]
fn a_second_factor_counts_once_it_is_confirmed() {
    let world = World::new();
    world.person("mona");
    let setup = json_as(&world, "mona", &["totp", "setup"]);
    assert!(setup["uri"].as_str().unwrap().contains(setup["secret"].as_str().unwrap()));
    world.log_in("mona", &password_of("mona"));

    let secret = base32(setup["secret"].as_str().unwrap());
    let used = totp::now(&secret);
    assert_success(&world.towline_as("mona", &["totp", "confirm", &used]).output().unwrap());
    assert_eq!(world.json(&["users", "show", "mona"])["totp"], true);
    let login = |code: Option<&str>| {
        let mut command = world.towline_as("mona", &["login", &world.url, "--pin", &world.pin, "--user", "mona"]);
        command.env("TOWLINE_PASSWORD", password_of("mona"));
        command.args(code.into_iter().flat_map(|code| ["--totp-code", code])).output().unwrap()
    };
    assert_fails(&login(None), "totp-required", "operator", 3);
    assert!(!login(Some("000000")).status.success());
    assert!(!login(Some(&used)).status.success(), "a code is good once");
    // A code of the next half minute is good already, and has not been used.
    let next = totp::at(&secret, 1);
    assert_success(&login(Some(&next)));

    world.succeed(&["users", "remove-totp", "mona"]);
    eventually("she logs in without a code", || login(None).status.success());
}

fn base32(text: &str) -> Vec<u8> {
    let mut bits = (0u32, 0);
    let mut bytes = Vec::new();
    for char in text.bytes().filter(|byte| *byte != b'=') {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == char).unwrap();
        bits = (bits.0 << 5 | u32::try_from(value).unwrap(), bits.1 + 5);
        if bits.1 >= 8 {
            bits.1 -= 8;
            bytes.push(u8::try_from(bits.0 >> bits.1 & 0xff).unwrap());
        }
    }
    bytes
}

/// RFC 6238 as authenticators do it: six digits, half a minute, HMAC-SHA-1 (by the system's openssl).
mod totp {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
        time::{SystemTime, UNIX_EPOCH},
    };

    pub(super) fn now(secret: &[u8]) -> String {
        at(secret, 0)
    }

    pub(super) fn at(secret: &[u8], steps_ahead: u64) -> String {
        let step = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30 + steps_ahead;
        let key: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha1", "-mac", "HMAC", "-macopt", &format!("hexkey:{key}"), "-binary"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(&step.to_be_bytes()).unwrap();
        let digest = openssl.wait_with_output().unwrap().stdout;
        let offset = usize::from(digest[19] & 0xf);
        let word = u32::from_be_bytes(digest[offset..offset + 4].try_into().unwrap());
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }
}

#[test]
fn settings_are_shown_and_changed_by_who_may() {
    let world = World::new();
    let before = world.json(&["settings", "show"]);
    let set = |flags: &[&str]| world.json(&[&["settings", "set"], flags].concat());
    let other = !before["save_host_keys"].as_bool().unwrap();
    assert_eq!(set(&["--save-host-keys", &other.to_string()])["save_host_keys"], other);
    let now = set(&["--allow-telnet", "false", "--idle-limit-seconds", "900"]);
    assert_eq!((&now["allow_telnet"], &now["idle_limit_seconds"]), (&Value::from(false), &Value::from(900)));
    assert_eq!((&now["save_host_keys"], &now["total_limit_seconds"]), (&other.into(), &before["total_limit_seconds"]));
    assert_eq!(world.json(&["settings", "show"]), now);
    world.audited("settings.update", "ok");

    let too_short = world.towline(&["settings", "set", "--total-limit-seconds", "1"]).output().unwrap();
    assert_fails(&too_short, "bad-request", "operator", 2);
    let nothing = world.towline(&["settings", "set"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(2), "{nothing:?}");
    world.person("mona");
    let output = world.towline_as("mona", &["settings", "set", "--allow-telnet", "true"]).output().unwrap();
    assert_fails(&output, "forbidden", "cloud", 8);
    assert_eq!(world.json(&["settings", "show"]), now);
}
