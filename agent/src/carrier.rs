//! Which carrier the tunnel takes: QUIC where the cloud offers it and it gets through, else WebSocket over TLS. What
//! worked is remembered in `carrier.toml` in the data folder.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{text::toml_reason, write_atomically};

const FILE: &str = "carrier.toml";
const VERSION: u32 = 1;
const MAX_FILE_BYTES: u64 = 4096;
/// How long QUIC is left alone after it has failed; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(60 * 60);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the tunnel may run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum CarrierChoice {
    /// QUIC where the cloud offers it, unless it failed lately; else WebSocket over TLS.
    #[default]
    Auto,
    /// QUIC only.
    Quic,
    /// WebSocket over TLS only.
    Websocket,
}

/// What is remembered of QUIC from here to the cloud.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    file: File,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    worked: Worked,
    /// Failures of QUIC in a row, while WebSocket worked.
    quic_failures: u32,
    /// When the last of them was, in seconds since 1970.
    quic_failed_at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Worked {
    Nothing,
    Quic,
    Websocket,
}

impl Memory {
    /// What is remembered in a data folder; nothing if the file is not there or not understood.
    pub(crate) fn load(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let nothing = File { version: VERSION, worked: Worked::Nothing, quic_failures: 0, quic_failed_at: 0 };
        let file = read(&path).unwrap_or_else(|reason| {
            if let Some(reason) = reason {
                tracing::warn!("{} is not understood and begun anew: {reason}", path.display());
            }
            nothing
        });
        Self { path, file }
    }

    /// Whether QUIC is worth a try.
    pub(crate) fn is_quic_due(&self, now: SystemTime) -> bool {
        // A clock that was set back must not keep QUIC away for ever.
        self.file.quic_failures == 0
            || now < at(self.file.quic_failed_at)
            || now >= at(self.file.quic_failed_at) + self.pause()
    }

    /// How long QUIC is left alone after its last failure.
    pub(crate) fn pause(&self) -> Duration {
        let doublings = self.file.quic_failures.saturating_sub(1);
        FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE)
    }

    pub(crate) fn quic_worked(&mut self) {
        self.keep(File { worked: Worked::Quic, quic_failures: 0, quic_failed_at: 0, ..self.file });
    }

    /// It failed, and WebSocket worked at the same time: so it was not the network as a whole.
    pub(crate) fn quic_failed(&mut self, now: SystemTime) {
        let quic_failures = self.file.quic_failures.saturating_add(1);
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.keep(File { worked: Worked::Websocket, quic_failures, quic_failed_at: since, ..self.file });
    }

    fn keep(&mut self, file: File) {
        if self.file == file {
            return;
        }
        self.file = file;
        // A device that cannot write this only finds out anew each time.
        let written = toml::to_string(&self.file).map(|text| write_atomically(&self.path, text.as_bytes()));
        if let Ok(Err(error)) = written {
            tracing::warn!("what worked is not remembered: {error}");
        }
    }
}

fn at(seconds: u64) -> SystemTime {
    // A time beyond what there is counts as long ago.
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The error is `None` when there is no file.
fn read(path: &Path) -> Result<File, Option<String>> {
    let text = match std::fs::metadata(path) {
        Ok(found) if found.len() > MAX_FILE_BYTES => return Err(Some("it is too long".into())),
        _ => std::fs::read_to_string(path),
    };
    let text = match text {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(None),
        text => text.map_err(|error| Some(error.to_string()))?,
    };
    let file: File = toml::from_str(&text).map_err(|error| Some(toml_reason(&text, &error)))?;
    if file.version != VERSION {
        return Err(Some(format!("version {} is not {VERSION}", file.version)));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quic_is_tried_until_it_fails_then_after_an_hour_and_each_time_later_up_to_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory::load(folder.path());
        let mut now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert!(memory.is_quic_due(now));
        for hours in [1, 2, 4, 8, 16, 24, 24] {
            memory.quic_failed(now);
            let pause = Duration::from_secs(hours * 60 * 60);
            assert!(!memory.is_quic_due(now + pause - Duration::from_secs(1)));
            assert!(memory.is_quic_due(now - Duration::from_secs(60)), "the clock was set back");
            now += pause;
            assert!(memory.is_quic_due(now), "after {hours} h");
        }
        memory.quic_worked();
        assert!(memory.is_quic_due(now));
    }

    #[test]
    fn what_worked_is_remembered_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        Memory::load(folder.path()).quic_failed(now);
        let mut memory = Memory::load(folder.path());
        assert!(!memory.is_quic_due(now));
        assert_eq!(memory.file.worked, Worked::Websocket);
        memory.quic_worked();
        assert_eq!(Memory::load(folder.path()).file.worked, Worked::Quic);
    }

    #[test]
    fn a_file_that_is_not_understood_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        Memory::load(folder.path()).quic_failed(now);
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        for damaged in [text.replace("version = 1", "version = 2"), "{".into(), "x".repeat(10_000)] {
            std::fs::write(&path, damaged).unwrap();
            assert!(Memory::load(folder.path()).is_quic_due(now));
        }
    }
}
