//! `towline backup` and `towline restore`.

use std::{io::Read as _, path::Path};

use serde::Serialize;
use towline_cloud::{BackupError, Cloud, Protection};
use towline_cloud_api::{ErrorCode, Problem};
use zeroize::Zeroizing;

use crate::{
    args::{Backup, Restore},
    output::Output,
};

const MIN_PASSPHRASE_CHARS: usize = 12;
const MAX_PASSPHRASE_BYTES: u64 = 4096;

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    bytes: u64,
    encrypted: bool,
}

#[derive(Serialize)]
struct Restored<'a> {
    data_dir: &'a Path,
    audit_records: u64,
}

pub(crate) async fn back_up(command: &Backup, output: Output) -> Result<(), Problem> {
    let protection = match &command.secrecy.passphrase_file {
        Some(file) => Protection::Passphrase(passphrase(file)?),
        None => Protection::None,
    };
    Cloud::back_up(&command.data_dir, &command.file, &protection).await.map_err(|error| problem(&error))?;
    let bytes = command.file.metadata().map_or(0, |file| file.len());
    let written = Written { file: &command.file, bytes, encrypted: matches!(protection, Protection::Passphrase(_)) };
    output.value(&written, |written| {
        let how = if written.encrypted { "encrypted" } else { "NOT encrypted" };
        vec![format!("Wrote {}: {} bytes, {how}", written.file.display(), written.bytes)]
    })
}

pub(crate) async fn restore(command: &Restore, output: Output) -> Result<(), Problem> {
    let passphrase = command.passphrase_file.as_deref().map(passphrase).transpose()?;
    let restored = Cloud::restore(&command.file, &command.data_dir, passphrase.as_ref()).await;
    let audit_records = restored.map_err(|error| problem(&error))?;
    output.value(&Restored { data_dir: &command.data_dir, audit_records }, |restored| {
        let (folder, records) = (restored.data_dir.display(), restored.audit_records);
        vec![format!("Restored {folder}; the audit is whole: {records} records")]
    })
}

fn passphrase(file: &Path) -> Result<Zeroizing<String>, Problem> {
    let unusable = |cause: &str| Problem::new(ErrorCode::BadRequest, format!("{}: {cause}", file.display()));
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(file)
        .and_then(|file| file.take(MAX_PASSPHRASE_BYTES).read_to_string(&mut text))
        .map_err(|error| unusable(&error.to_string()))?;
    let passphrase = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if passphrase.chars().count() < MIN_PASSPHRASE_CHARS {
        return Err(unusable(&format!("a passphrase has at least {MIN_PASSPHRASE_CHARS} characters")));
    }
    Ok(passphrase)
}

fn problem(error: &BackupError) -> Problem {
    let code = match error {
        BackupError::Cloud(towline_cloud::Error::Internal { .. }) | BackupError::Key(_) => ErrorCode::Internal,
        _ => ErrorCode::BadRequest,
    };
    Problem::new(code, error.to_string())
}
