//! Who may import whom, and what may not exist: ARCHITECTURE.md as a test over `cargo metadata`.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::Value;

/// Each package and the packages of this workspace that it may depend on, tests included.
const MAY_IMPORT: [(&str, &[&str]); 11] = [
    ("towline-rfb", &[]),
    ("towline-telnet", &[]),
    ("towline-ssh-bridge", &[]),
    ("towline-tunnel-proto", &[]),
    ("towline-transport", &[]),
    ("towline-cloud-api", &[]),
    ("towline-agent", &["towline-rfb", "towline-tunnel-proto", "towline-transport", "towline-cloud-api"]),
    (
        "towline-cloud",
        &[
            "towline-rfb",
            "towline-ssh-bridge",
            "towline-telnet",
            "towline-tunnel-proto",
            "towline-transport",
            "towline-cloud-api",
        ],
    ),
    (
        "towline-cli",
        &[
            "towline-rfb",
            "towline-ssh-bridge",
            "towline-telnet",
            "towline-tunnel-proto",
            "towline-transport",
            "towline-cloud-api",
            "towline-agent",
            "towline-cloud",
        ],
    ),
    (
        "towline-fuzz",
        &[
            "towline-rfb",
            "towline-telnet",
            "towline-ssh-bridge",
            "towline-tunnel-proto",
            "towline-transport",
            "towline-cloud-api",
            "towline-agent",
            "towline-cloud",
        ],
    ),
    (
        "towline-benches",
        &[
            "towline-rfb",
            "towline-telnet",
            "towline-ssh-bridge",
            "towline-tunnel-proto",
            "towline-transport",
            "towline-cloud-api",
            "towline-agent",
            "towline-cloud",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The packages of the workspace as `cargo metadata` tells them, by name.
fn packages() -> BTreeMap<String, Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().into(), package.clone())).collect()
}

#[test]
fn no_crate_imports_what_it_may_not() {
    for (name, package) in packages() {
        let allowed = MAY_IMPORT.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} has no place in the map: add it here first"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            assert!(!other.starts_with("towline") || allowed.contains(&other), "{name} may not import {other}");
            assert!(
                dependency["source"].is_null() || dependency["source"].as_str().unwrap().starts_with("registry+"),
                "{name}: {other} does not come from the registry",
            );
        }
    }
}

#[test]
fn rfb_needs_no_socket_clock_log_or_runtime() {
    let packages = packages();
    let required: Vec<&str> = packages["towline-rfb"]["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .collect();
    assert_eq!(required, ["bytes", "des", "miniz_oxide", "thiserror", "zeroize", "zlib-rs"]);
}

#[test]
fn the_tunnel_needs_no_socket_clock_log_or_runtime() {
    let packages = packages();
    let required: Vec<&str> = packages["towline-tunnel-proto"]["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && !dependency["optional"].as_bool().unwrap())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .collect();
    assert_eq!(required, ["bytes", "hmac", "sha2", "thiserror", "zeroize"]);
}

#[test]
fn telnet_needs_no_socket_clock_log_or_runtime() {
    let packages = packages();
    let required: Vec<&str> = packages["towline-telnet"]["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && !dependency["optional"].as_bool().unwrap())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .collect();
    assert_eq!(required, ["bytes", "memchr", "thiserror"]);
}

/// All Rust files of the workspace, with their text.
fn sources() -> Vec<(std::path::PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if name.ends_with(".rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 50);
    found
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for (path, _) in sources() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let nothing = ["mod", "util", "utils", "common", "helper", "helpers", "misc", "types", "prelude"];
        assert!(!nothing.contains(&name.as_str()), "{}", path.display());
    }
}

#[test]
fn every_crate_forbids_unsafe_code() {
    for (path, text) in sources() {
        let is_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
        assert!(!is_root || text.contains("#![forbid(unsafe_code)]"), "{}", path.display());
    }
}

#[test]
fn the_protocol_crates_have_no_panicking_shortcuts() {
    for (path, text) in sources() {
        let path = path.strip_prefix(root()).unwrap().to_path_buf();
        if !(path.starts_with("rfb/src")
            || path.starts_with("tunnel-proto/src")
            || path.starts_with("ssh-bridge/src")
            || path.starts_with("telnet/src")
            || path.starts_with("ssh-bridge/src")
            || path.starts_with("transport/src"))
        {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for shortcut in [".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!("] {
                assert!(!line.contains(shortcut), "{}: {line}", path.display());
            }
        }
    }
}
