//! What a shell completes: it asks this program, which knows the names of devices and endpoints from the cloud.
//!
//! Nothing here may print, wait long or fail: whoever presses the tab key wants names or nothing.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::{self, Write as _},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap_complete::{
    CompleteEnv,
    engine::CompletionCandidate,
    env::{Bash, EnvCompleter, Fish, Zsh},
};
use serde::{Deserialize, Serialize};
use towline_agent::WayOutArgs;
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem};

use crate::{
    access::{Access, Origin, Place, TOKEN_VARIABLE, variable},
    args::{Format, Global, Program, Shell},
    progress, reference,
};

/// Tells this program that a shell asks.
const VARIABLE: &str = "TOWLINE_COMPLETE";
const LIMIT: Duration = Duration::from_secs(2);
/// How long names are believed without asking the cloud again.
const FRESH: Duration = Duration::from_secs(30);
const VERSION: u32 = 1;

/// Answers and ends the process, if it is a shell that asks.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(Program::definition).var(VARIABLE).complete();
}

/// Prints what a shell has to run to complete with this program.
pub(crate) fn print(shell: Shell) -> Result<(), Problem> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut script = Vec::new();
    let failed = |error: io::Error| Problem::new(ErrorCode::BadRequest, format!("standard output: {error}"));
    completer.write_registration(VARIABLE, "towline", "towline", &this_program(), &mut script).map_err(failed)?;
    io::stdout().lock().write_all(&script).map_err(failed)
}

/// What a shell calls: the program as it was called itself, so that a later version in the same place is found.
fn this_program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "towline".into());
    if !called.contains('/') {
        return called;
    }
    std::path::absolute(&called).map_or(called, |path| path.display().to_string())
}

/// The devices whose name begins with what is there already.
pub(crate) fn devices(current: &OsStr) -> Vec<CompletionCandidate> {
    candidates(current, &List::Devices)
}

/// The endpoints, of the device that the command line names, whose name begins with what is there already.
pub(crate) fn endpoints(current: &OsStr) -> Vec<CompletionCandidate> {
    match flag("--device") {
        Some(device) => candidates(current, &List::Endpoints { device }),
        None => Vec::new(),
    }
}

/// Forgets the names that were asked for.
pub(crate) fn forget() {
    if let Some(path) = cache_path() {
        drop(std::fs::remove_file(path));
    }
}

/// What is asked for.
enum List {
    Devices,
    Endpoints { device: String },
}

impl List {
    fn key(&self) -> &str {
        match self {
            Self::Devices => "",
            Self::Endpoints { device } => device,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Name {
    id: String,
    name: String,
}

impl Name {
    /// What may stand in any shell's command line as it is: the name, or the id with the name beside it.
    fn candidate(self) -> CompletionCandidate {
        let harmless = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
        if !self.name.is_empty() && self.name.chars().all(harmless) {
            CompletionCandidate::new(self.name)
        } else {
            let name = towline_agent::single_line(&self.name);
            CompletionCandidate::new(self.id).help(Some(name.into()))
        }
    }
}

fn candidates(current: &OsStr, list: &List) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let candidates = names(list).unwrap_or_default().into_iter().map(Name::candidate);
    candidates.filter(|candidate| candidate.get_value().to_string_lossy().starts_with(current)).collect()
}

fn names(list: &List) -> Option<Vec<Name>> {
    progress::silence();
    let parsed = |flag_name, variable_name| flag(flag_name).or_else(|| variable(variable_name));
    let global = Global {
        output: Format::Table,
        cloud: parsed("--cloud", "TOWLINE_HOST").map(|text| text.parse()).transpose().ok()?,
        pin: parsed("--pin", "TOWLINE_PIN").map(|text| text.parse()).transpose().ok()?,
        way_out: WayOutArgs {
            proxy: parsed("--proxy", "TOWLINE_PROXY").map(|text| text.parse()).transpose().ok()?,
            roots: parsed("--roots", "TOWLINE_ROOTS").map(Into::into),
            client_cert: parsed("--client-cert", "TOWLINE_CLIENT_CERT").map(Into::into),
            client_key: parsed("--client-key", "TOWLINE_CLIENT_KEY").map(Into::into),
        },
    };
    let Place { cloud, pin, way_out, session } = Place::resolve(&global).ok()?;
    if let Some(token) = variable(TOKEN_VARIABLE) {
        return ask(&Access { cloud, pin, way_out, token, origin: Origin::Variable }, list);
    }
    let session = session?;
    let owner = format!("{} at {cloud}", session.user);
    let origin = Origin::Session { expires_at: session.expires_at };
    let access = Access { cloud, pin, way_out, token: session.token, origin };
    if access.is_over() {
        return None;
    }
    let mut cache = Cache::load(&owner);
    if let Some(names) = cache.fresh(list) {
        return Some(names);
    }
    let names = ask(&access, list)?;
    cache.keep(list, names.clone());
    Some(names)
}

/// The value of a flag in the command line that is being completed.
fn flag(name: &str) -> Option<String> {
    value_of(name, std::env::args_os().skip_while(|word| word != "--"))
}

fn value_of(name: &str, words: impl Iterator<Item = OsString>) -> Option<String> {
    let mut words = words.filter_map(|word| word.into_string().ok());
    while let Some(word) = words.next() {
        if word == name {
            // bash gives the sign between a flag and its value as a word of its own.
            return words.next().filter(|next| next != "=").or_else(|| words.next()).filter(|value| !value.is_empty());
        }
        if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value.to_owned()).filter(|value| !value.is_empty());
        }
    }
    None
}

fn ask(access: &Access, list: &List) -> Option<Vec<Name>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let asked = async {
        let api = access.api()?;
        Ok::<_, Problem>(match list {
            List::Devices => {
                let devices: Vec<Device> = api.list(&["devices"], &[], usize::MAX).await?;
                devices.into_iter().map(|device| Name { id: device.id, name: device.name }).collect()
            }
            List::Endpoints { device } => {
                let device = reference::device(&api, device).await?;
                let path = ["devices", &device.id, "endpoints"];
                let endpoints: Vec<Endpoint> = api.list(&path, &[], usize::MAX).await?;
                endpoints.into_iter().map(|endpoint| Name { id: endpoint.id, name: endpoint.name }).collect()
            }
        })
    };
    let names = runtime.block_on(async { tokio::time::timeout(LIMIT, asked).await });
    // A name lookup that is still under way must not hold the shell.
    runtime.shutdown_background();
    names.ok()?.ok()
}

/// The names that were asked for lately, in a file of this user's. There is no secret in it.
#[derive(Serialize, Deserialize)]
struct Cache {
    version: u32,
    owner: String,
    lists: BTreeMap<String, Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    until: SystemTime,
    names: Vec<Name>,
}

impl Cache {
    fn load(owner: &str) -> Self {
        let empty = || Self { version: VERSION, owner: owner.to_owned(), lists: BTreeMap::new() };
        let text = cache_path().and_then(|path| std::fs::read(path).ok());
        let cache: Option<Self> = text.and_then(|text| serde_json::from_slice(&text).ok());
        cache.filter(|cache| cache.version == VERSION && cache.owner == owner).unwrap_or_else(empty)
    }

    fn fresh(&self, list: &List) -> Option<Vec<Name>> {
        let now = SystemTime::now();
        // A time too far ahead comes from a clock that was wrong.
        let fresh = |kept: &&Kept| kept.until > now && kept.until <= now + FRESH;
        self.lists.get(list.key()).filter(fresh).map(|kept| kept.names.clone())
    }

    fn keep(&mut self, list: &List, names: Vec<Name>) {
        let now = SystemTime::now();
        self.lists.retain(|_, kept| kept.until > now);
        self.lists.insert(list.key().to_owned(), Kept { until: now + FRESH, names });
        let Some(path) = cache_path() else { return };
        if let (Some(folder), Ok(text)) = (path.parent(), serde_json::to_vec(self))
            && std::fs::create_dir_all(folder).is_ok()
        {
            drop(towline_agent::write_atomically(&path, &text));
        }
    }
}

fn cache_path() -> Option<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set.or_else(|| std::env::home_dir().map(|home| home.join(".cache")))?;
    Some(cache.join("towline").join("names.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flags_value_is_found_however_it_is_written() {
        let value = |line: &str| value_of("--device", line.split(' ').map(OsString::from));

        assert_eq!(value("towline run --device pump-7 --endpoint "), Some("pump-7".into()));
        assert_eq!(value("towline run --device=pump-7"), Some("pump-7".into()));
        assert_eq!(value("towline run --device = pump-7"), Some("pump-7".into()));
        assert_eq!(value("towline run --devices pump-7"), None);
        assert_eq!(value("towline run --device"), None);
        assert_eq!(value("towline run --device="), None);
    }

    #[test]
    fn a_name_that_a_shell_would_run_is_not_completed() {
        let candidate = |name: &str| {
            let candidate = Name { id: "4711".into(), name: name.into() }.candidate();
            candidate.get_value().to_str().unwrap().to_owned()
        };
        assert_eq!(candidate("pump-7.local_a"), "pump-7.local_a");
        for name in ["", "a b", "$(reboot)", "a;b", "`x`", "pümp", "a\nb"] {
            assert_eq!(candidate(name), "4711");
        }
    }
}
