//! Runs the scenarios.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

const LOCK: &str = "package-lock.json";
/// The lock that the installed packages are of.
const INSTALLED: &str = "installed-lock.json";
const ASK: &str = "ask: ";

/// Runs a scenario of a script to its end, which must be a good one. `site` is what it has to know; `answer` does what it
/// asks for outside of the browser.
pub(crate) fn run(script: &str, scenario: &str, mut site: Value, mut answer: impl FnMut(&str) -> String) {
    let place = prepared();
    site["out"] = json!(place.join("failures"));
    let mut node = Command::new("node")
        .args(["run.mjs", script, scenario])
        .current_dir(place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("node: {error}; `.ci/install` installs it"));
    let mut stdin = node.stdin.take().unwrap();
    writeln!(stdin, "{site}").unwrap();
    let mut said = String::new();
    for line in BufReader::new(node.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.strip_prefix(ASK) {
            Some(what) => writeln!(stdin, "{}", answer(what)).unwrap(),
            None => said = said + &line + "\n",
        }
    }
    let status = node.wait().unwrap();
    assert!(status.success(), "{status}\n{said}");
}

/// A scenario that asks for nothing.
pub(crate) fn run_alone(script: &str, scenario: &str, site: Value) {
    run(script, scenario, site, |what| panic!("nobody knows how to {what}"));
}

/// A folder with the scripts and the packages they need.
fn prepared() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
        fs::create_dir_all(&place).unwrap();
        // Test programs may run side by side.
        let guard = fs::File::create(place.join("guard")).unwrap();
        guard.lock().unwrap();
        for entry in fs::read_dir(sources).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "mjs" || extension == "json") {
                fs::copy(&path, place.join(path.file_name().unwrap())).unwrap();
            }
        }
        let is_installed = fs::read(place.join(INSTALLED)).is_ok_and(|it| it == fs::read(place.join(LOCK)).unwrap());
        if !is_installed {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]);
            let output = npm.current_dir(&place).output();
            let output = output.unwrap_or_else(|error| panic!("npm: {error}; `.ci/install` installs it"));
            assert!(output.status.success(), "{output:?}");
            fs::copy(place.join(LOCK), place.join(INSTALLED)).unwrap();
        }
        place
    })
}
