//! Files with many keys, one a line: known_hosts, authorized_keys, and public keys of SSH version 1.

use std::path::Path;

use serde::Serialize;
use towline_cloud_api::{InspectedKey, Problem};
use towline_ssh_bridge::keys::{
    AuthorizedKey, AuthorizedKeys, Certificate, Error, Format, KeyFile, KnownHost, KnownHosts, Limits, PublicKey,
};

use super::{InspectedCertificate, about};
use crate::output::{Output, or_dash};

/// A line that says something.
#[derive(Serialize)]
pub(super) struct Entry {
    line: usize,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content {
    Key {
        /// In known_hosts: `@cert-authority` or `@revoked`.
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<&'static str>,
        /// In known_hosts.
        #[serde(skip_serializing_if = "Option::is_none")]
        hosts: Option<String>,
        /// In authorized_keys.
        #[serde(skip_serializing_if = "Option::is_none")]
        options: Option<Vec<String>>,
        #[serde(flatten)]
        key: InspectedKey,
        #[serde(skip_serializing_if = "Option::is_none")]
        certificate: Option<Box<InspectedCertificate>>,
    },
    Error {
        error: String,
    },
}

/// The lines of a list of keys; `None` if the file is no list, but at most one key.
pub(super) fn entries(bytes: &[u8], limits: &Limits) -> Option<Vec<Entry>> {
    let file = KeyFile::decode(bytes, limits);
    if file.as_ref().is_ok_and(|file| file.format() == Format::Ssh1Public) {
        return Some(version1(bytes, limits)).filter(|entries| entries.len() > 1);
    }
    // Before any copy is made: a private key is none to copy.
    if file.as_ref().is_ok_and(|file| !matches!(file.format(), Format::OneLine | Format::Certificate)) {
        return None;
    }
    let (known, authorized) = (KnownHosts::decode(bytes, limits).ok()?, AuthorizedKeys::decode(bytes, limits).ok()?);
    if file.is_ok() && authorized.entries().nth(1).is_none() {
        return None;
    }
    // The first line that can be read in one way only decides which of the two it is: a host may be called like an option.
    let mut either = false;
    let mut lines = known.entries().zip(authorized.entries());
    let decided = lines.find_map(|((_, known), (_, authorized))| match (known.is_ok(), authorized.is_ok()) {
        (true, true) => {
            either = true;
            None
        }
        (false, false) => None,
        (is_known_hosts, _) => Some(is_known_hosts),
    });
    match decided {
        Some(true) => Some(known.entries().map(|(line, entry)| Entry { line, content: entry.into() }).collect()),
        None if !either => None,
        _ => Some(authorized.entries().map(|(line, entry)| Entry { line, content: entry.into() }).collect()),
    }
}

/// The lines of a file that begins with a public key of SSH version 1.
fn version1(bytes: &[u8], limits: &Limits) -> Vec<Entry> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"));
    lines.map(|(number, line)| Entry { line: number, content: KeyFile::decode(line, limits).into() }).collect()
}

/// Prints the fingerprints.
///
/// # Errors
///
/// What is wrong with the first line that is not understood, once all are printed.
pub(super) fn print_fingerprints(path: &Path, entries: &[Entry], output: Output) -> Result<(), Problem> {
    let fingerprints = entries.iter().filter_map(|Entry { content, .. }| match content {
        Content::Key { key, .. } => key.fingerprint.clone(),
        Content::Error { .. } => None,
    });
    output.value(&fingerprints.collect::<Vec<_>>(), Clone::clone)?;
    all_understood(path, entries)
}

/// Prints all lines.
///
/// # Errors
///
/// What is wrong with the first line that is not understood, once all are printed.
pub(super) fn print(path: &Path, entries: &[Entry], output: Output) -> Result<(), Problem> {
    let header = ["LINE", "FOR", "ALGORITHM", "BITS", "FINGERPRINT", "COMMENT"];
    output.list(entries, header, |Entry { line, content }| match content {
        Content::Key { marker, hosts, options, key, .. } => {
            let parts = marker.iter().map(|marker| (*marker).to_owned()).chain(hosts.clone());
            let parts: Vec<String> = parts.chain(options.iter().flatten().cloned()).collect();
            [
                line.to_string(),
                if parts.is_empty() { "-".into() } else { parts.join(" ") },
                or_dash(&key.algorithm),
                or_dash(&key.bits.map(|bits| bits.to_string())),
                or_dash(&key.fingerprint),
                key.comment.clone().unwrap_or_default(),
            ]
        }
        Content::Error { error } => {
            [line.to_string(), "-".into(), "not read".into(), "-".into(), "-".into(), error.clone()]
        }
    })?;
    all_understood(path, entries)
}

fn all_understood(path: &Path, entries: &[Entry]) -> Result<(), Problem> {
    let mut faults = entries.iter().filter_map(|Entry { line, content }| match content {
        Content::Error { error } => Some((line, error)),
        Content::Key { .. } => None,
    });
    let Some((line, error)) = faults.next() else { return Ok(()) };
    let more = match faults.count() {
        0 => String::new(),
        more => format!(" (and {more} more lines that are not read)"),
    };
    Err(about(path, &format!("line {line}: {error}{more}")))
}

impl From<Result<KnownHost, Error>> for Content {
    fn from(entry: Result<KnownHost, Error>) -> Self {
        match entry {
            Ok(entry) => {
                let marker = match (entry.is_authority(), entry.is_revoked()) {
                    (true, _) => Some("@cert-authority"),
                    (_, true) => Some("@revoked"),
                    _ => None,
                };
                let hosts = Some(entry.hosts().to_owned());
                Self::Key { marker, hosts, options: None, key: inspected(entry.public_key(), None), certificate: None }
            }
            Err(error) => Self::Error { error: error.to_string() },
        }
    }
}

impl From<Result<AuthorizedKey, Error>> for Content {
    fn from(entry: Result<AuthorizedKey, Error>) -> Self {
        match entry {
            Ok(entry) => {
                let options = entry.options().map(|(name, value)| match value {
                    Some(value) => format!("{name}=\"{}\"", value.replace('"', "\\\"")),
                    None => name.to_owned(),
                });
                Self::Key {
                    marker: None,
                    hosts: None,
                    options: Some(options.collect()),
                    key: inspected(entry.public_key(), entry.certificate()),
                    certificate: entry.certificate().map(|certificate| Box::new(InspectedCertificate::of(certificate))),
                }
            }
            Err(error) => Self::Error { error: error.to_string() },
        }
    }
}

impl From<Result<KeyFile, Error>> for Content {
    fn from(file: Result<KeyFile, Error>) -> Self {
        match file {
            Ok(file) => Self::Key {
                marker: None,
                hosts: None,
                options: None,
                key: towline_cloud::inspected(&file, None),
                certificate: None,
            },
            Err(error) => Self::Error { error: error.to_string() },
        }
    }
}

fn inspected(key: &PublicKey, certificate: Option<&Certificate>) -> InspectedKey {
    let format = if certificate.is_some() { Format::Certificate } else { Format::OneLine };
    InspectedKey {
        format: format.name().to_owned(),
        algorithm: Some(key.algorithm().to_string()),
        bits: key.bits(),
        fingerprint: Some(key.fingerprint().to_string()),
        comment: Some(key.comment().to_owned()),
        encrypted: false,
        private: false,
    }
}
