//! Builds the page out of `web/` into `OUT_DIR`, so that `page.rs` can embed it.
//!
//! Needs Node.js 18 or newer, npm and, once, the npm registry. Without them the cloud is built all the same, with a
//! warning, and says in place of the page how to get it. `TOWLINE_WEB_REQUIRED=1` makes that an error instead;
//! `TOWLINE_WEB_DIST=FOLDER` takes a page that was built elsewhere (`npm run build` in `web/`).

#![forbid(unsafe_code)]

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// What the page is built from, in `web/`.
const SOURCES: [&str; 6] = ["src", "index.html", "build.mjs", "package.json", "package-lock.json", "tsconfig.json"];
const LOCK: &str = "package-lock.json";
/// The lock that the installed packages are of.
const INSTALLED: &str = "installed-lock.json";
/// A registry that does not answer is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TOWLINE_WEB_DIST");
    println!("cargo::rerun-if-env-changed=TOWLINE_WEB_REQUIRED");
    for source in SOURCES {
        println!("cargo::rerun-if-changed=web/{source}");
    }
    if env::var_os("CARGO_FEATURE_WEB").is_none() {
        return ExitCode::SUCCESS;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let built = match env::var_os("TOWLINE_WEB_DIST") {
        Some(ready) => taken(PathBuf::from(ready)),
        None => build(&out),
    };
    let is_required = env::var("TOWLINE_WEB_REQUIRED").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    let page = match built {
        Ok(page) => page,
        Err(reason) if is_required => {
            println!("cargo::error=the page was not built: {reason}");
            return ExitCode::FAILURE;
        }
        Err(reason) => {
            println!("cargo::warning=the page was not built: {reason}. Everything but the page works");
            match empty(&out.join("no-page")) {
                Ok(nothing) => nothing,
                Err(error) => {
                    println!("cargo::error={error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    };
    println!("cargo::rustc-env=TOWLINE_WEB={}", page.display());
    ExitCode::SUCCESS
}

fn taken(ready: PathBuf) -> Result<PathBuf, String> {
    println!("cargo::rerun-if-changed={}", ready.display());
    if ready.join("index.html").is_file() {
        return Ok(ready);
    }
    Err(format!("TOWLINE_WEB_DIST={} holds no index.html", ready.display()))
}

fn build(out: &Path) -> Result<PathBuf, String> {
    let place = out.join("web");
    let copied = copy_sources(&place).map_err(|error| format!("cannot copy its sources: {error}"));
    copied?;
    let is_installed =
        matches!((fs::read(place.join(LOCK)), fs::read(place.join(INSTALLED))), (Ok(a), Ok(b)) if a == b);
    if !is_installed {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        // The lock has the hash of every package; no script of any of them is run.
        run(
            &place,
            npm,
            &["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"],
        )?;
        fs::copy(place.join(LOCK), place.join(INSTALLED)).map_err(|error| error.to_string())?;
    }
    run(&place, "node", &["build.mjs", "dist"])?;
    Ok(place.join("dist"))
}

/// Packages that are installed already stay where they are.
fn copy_sources(place: &Path) -> io::Result<()> {
    let from = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("web");
    fs::create_dir_all(place)?;
    empty(&place.join("src"))?;
    for source in SOURCES {
        copy(&from.join(source), &place.join(source))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn empty(folder: &Path) -> io::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.into())
}

/// Runs a program to its end, within [`PATIENCE`]; what it complains about goes into the error.
fn run(place: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let what = format!("{program} {}", arguments.first().unwrap_or(&""));
    let log = place.join("complaints.log");
    let complaints = fs::File::create(&log).map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(complaints)
        .spawn()
        .map_err(|error| format!("{program} cannot be started ({error}); install Node.js 18 or newer, with npm"))?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                // It is gone either way.
                let _ = child.kill().and_then(|()| child.wait().map(drop));
                return Err(format!("`{what}` took more than {} minutes", PATIENCE.as_secs() / 60));
            }
            None => sleep(LOOK_AGAIN),
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    Err(format!("`{what}` failed ({status}): {}", said.join("; ")))
}
