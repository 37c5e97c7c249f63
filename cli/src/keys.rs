//! `towline keys`: what a file with a key is, the same key in another container, new keys. Nothing goes over the network.

mod list;

use std::{
    fs::OpenOptions,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use getrandom::{SysRng, rand_core::UnwrapErr};
use serde::Serialize;
use towline_cloud::inspected;
use towline_cloud_api::{ErrorCode, InspectedKey, Problem};
use towline_ssh_bridge::keys::{
    Certificate, Curve, Encryption, Error, Format, KeyFile, Limits, NewKey, PrivateKey, PublicKey,
};
use zeroize::Zeroizing;

use crate::{
    args::{Container, Convert, Generate, KeyFile as Source, Keys, Kind, Written},
    output::{Output, yes_or_no},
};

const MAX_PASSPHRASE_BYTES: u64 = 4096;
const STANDARD_STREAM: &str = "-";

#[derive(Serialize)]
struct Inspected {
    #[serde(flatten)]
    key: InspectedKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<InspectedCertificate>,
}

#[derive(Serialize)]
struct InspectedCertificate {
    key_id: String,
    serial: u64,
    principals: Vec<String>,
    authority: String,
    signature: &'static str,
}

#[derive(Serialize)]
struct WrittenKey {
    file: PathBuf,
    format: &'static str,
    encrypted: bool,
    fingerprint: String,
}

impl InspectedCertificate {
    fn of(certificate: &Certificate) -> Self {
        Self {
            key_id: certificate.key_id().to_owned(),
            serial: certificate.serial(),
            principals: certificate.principals().to_vec(),
            authority: certificate.authority().fingerprint().to_string(),
            signature: match certificate.verify() {
                Ok(()) => "verified",
                Err(Error::Unsupported { .. }) => "not verified: unsupported",
                Err(_) => "wrong",
            },
        }
    }
}

pub(crate) async fn run(command: Keys, output: Output) -> Result<(), Problem> {
    // Passphrases are made costly to try, and RSA keys take seconds to make.
    let work = tokio::task::spawn_blocking(move || match command {
        Keys::Inspect(source) => inspect(&source, output),
        Keys::Fingerprint(source) => fingerprint(&source, output),
        Keys::Convert(command) => convert(&command, output),
        Keys::Generate(command) => generate(&command, output),
    });
    work.await.map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?
}

fn inspect(source: &Source, output: Output) -> Result<(), Problem> {
    let limits = Limits::default();
    let bytes = read_at_most(&source.file, limits.max_list_bytes)?;
    if let Some(entries) = list::entries(&bytes, &limits) {
        return list::print(&source.file, &entries, output);
    }
    let file = KeyFile::decode(&bytes, &limits).map_err(|error| about(&source.file, &error.to_string()))?;
    let opened = match &source.passphrase_file {
        Some(passphrase) if file.is_private() => Some(open(&file, source, Some(passphrase))?),
        _ => None,
    };
    let inspected = Inspected {
        key: inspected(&file, opened.as_ref()),
        certificate: file.certificate().map(InspectedCertificate::of),
    };
    output.value(&inspected, |Inspected { key: it, certificate }| {
        let hidden = || "hidden by the passphrase".to_owned();
        let mut lines = vec![
            format!("Format:      {}", it.format),
            format!("Algorithm:   {}", it.algorithm.clone().unwrap_or_else(hidden)),
            format!("Fingerprint: {}", it.fingerprint.clone().unwrap_or_else(hidden)),
            format!("Comment:     {}", it.comment.clone().unwrap_or_else(hidden)),
            format!("Private:     {}", yes_or_no(it.private)),
            format!("Encrypted:   {}", yes_or_no(it.encrypted)),
        ];
        if let Some(bits) = it.bits {
            lines.insert(2, format!("Bits:        {bits}"));
        }
        if let Some(certificate) = certificate {
            lines.push(format!("Key id:      {} (serial {})", certificate.key_id, certificate.serial));
            lines.push(format!("Principals:  {}", certificate.principals.join(", ")));
            lines.push(format!("Authority:   {} (signature {})", certificate.authority, certificate.signature));
        }
        lines
    })
}

fn fingerprint(source: &Source, output: Output) -> Result<(), Problem> {
    let limits = Limits::default();
    let bytes = read_at_most(&source.file, limits.max_list_bytes)?;
    if let Some(entries) = list::entries(&bytes, &limits) {
        return list::print_fingerprints(&source.file, &entries, output);
    }
    let file = KeyFile::decode(&bytes, &limits).map_err(|error| about(&source.file, &error.to_string()))?;
    let fingerprint = match file.fingerprint() {
        Some(fingerprint) => fingerprint,
        None => open(&file, source, source.passphrase_file.as_ref())?.fingerprint(),
    };
    output.value(&fingerprint.to_string(), |fingerprint| vec![fingerprint.clone()])
}

fn convert(command: &Convert, output: Output) -> Result<(), Problem> {
    let Convert { from, to, written, comment } = command;
    let file = read(&from.file)?;
    if to.is_public() {
        if written.new_passphrase_file.is_some() {
            return Err(refused("a public key is not encrypted"));
        }
        let mut key = match file.public_key() {
            Some(key) => key.clone(),
            None => open(&file, from, from.passphrase_file.as_ref())?.public_key().clone(),
        };
        if let Some(comment) = comment {
            key = key.with_comment(comment);
        }
        let text = key.encode(to.format()).map_err(|error| refused(&error.to_string()))?;
        return put(&written.out, &text, false).and_then(|()| say(&key, *to, written, output));
    }
    let mut key = open(&file, from, from.passphrase_file.as_ref())?;
    if let Some(comment) = comment {
        key = key.with_comment(comment);
    }
    write(&key, *to, written)?;
    say(key.public_key(), *to, written, output)
}

fn generate(command: &Generate, output: Output) -> Result<(), Problem> {
    let Generate { kind, bits, to, written, comment } = command;
    if to.is_public() {
        return Err(refused("a new key needs a container for private keys"));
    }
    let kind = match kind {
        Kind::Ed25519 => NewKey::Ed25519,
        Kind::EcdsaP256 => NewKey::Ecdsa(Curve::P256),
        Kind::EcdsaP384 => NewKey::Ecdsa(Curve::P384),
        Kind::EcdsaP521 => NewKey::Ecdsa(Curve::P521),
        Kind::Rsa => NewKey::Rsa { bits: *bits },
    };
    let key =
        PrivateKey::generate(kind, comment, &mut UnwrapErr(SysRng)).map_err(|error| refused(&error.to_string()))?;
    write(&key, *to, written)?;
    if written.out.as_os_str() != STANDARD_STREAM {
        let mut public = written.out.clone().into_os_string();
        public.push(".pub");
        put(Path::new(&public), &format!("{}\n", key.public_key()), false)?;
    }
    say(key.public_key(), *to, written, output)
}

fn write(key: &PrivateKey, to: Container, written: &Written) -> Result<(), Problem> {
    let passphrase = written.new_passphrase_file.as_deref().map(passphrase).transpose()?;
    let wrong = |error: Error| refused(&error.to_string());
    let encryption =
        passphrase.as_ref().map(|passphrase| Encryption::new(passphrase.as_bytes())).transpose().map_err(wrong)?;
    let text = key.encode(to.format(), encryption.as_ref(), &mut UnwrapErr(SysRng)).map_err(wrong)?;
    put(&written.out, &text, true)
}

/// What was written, unless it went to standard output itself.
fn say(key: &PublicKey, to: Container, written: &Written, output: Output) -> Result<(), Problem> {
    if written.out.as_os_str() == STANDARD_STREAM {
        return Ok(());
    }
    let it = WrittenKey {
        file: written.out.clone(),
        format: to.format().name(),
        encrypted: written.new_passphrase_file.is_some(),
        fingerprint: key.fingerprint().to_string(),
    };
    output.value(&it, |it| {
        let how = match (to.is_public(), it.encrypted) {
            (true, _) => "public",
            (false, true) => "private, encrypted",
            (false, false) => "private, NOT encrypted",
        };
        vec![format!("Wrote {}: {} {}, {how}", it.file.display(), it.format, it.fingerprint)]
    })
}

impl Container {
    fn is_public(self) -> bool {
        matches!(self, Self::OneLine | Self::Rfc4716 | Self::Spki)
    }

    fn format(self) -> Format {
        match self {
            Self::Openssh => Format::OpensshKeyV1,
            Self::Pem => Format::Pkcs1,
            Self::Pkcs8 => Format::Pkcs8,
            Self::Ppk => Format::Ppk3,
            Self::OneLine => Format::OneLine,
            Self::Rfc4716 => Format::Rfc4716,
            Self::Spki => Format::Spki,
        }
    }
}

fn read(path: &Path) -> Result<KeyFile, Problem> {
    let limits = Limits::default();
    let bytes = read_at_most(path, limits.max_file_bytes)?;
    KeyFile::decode(&bytes, &limits).map_err(|error| about(path, &error.to_string()))
}

fn read_at_most(path: &Path, bytes: u32) -> Result<Zeroizing<Vec<u8>>, Problem> {
    // One byte more shows that it is too long, whatever it is.
    let most = u64::from(bytes) + 1;
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path.as_os_str() == STANDARD_STREAM {
        io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| about(path, &error.to_string()))?;
    Ok(bytes)
}

fn open(file: &KeyFile, source: &Source, passphrase_file: Option<&PathBuf>) -> Result<PrivateKey, Problem> {
    let passphrase = passphrase_file.map(|file| passphrase(file)).transpose()?;
    file.private_key(passphrase.as_ref().map(|text| text.as_bytes())).map_err(|error| match error {
        Error::NeedsPassphrase => about(&source.file, &format!("{error}: give it with --passphrase-file")),
        error => about(&source.file, &error.to_string()),
    })
}

fn passphrase(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_PASSPHRASE_BYTES).read_to_string(&mut text))
        .map_err(|error| about(path, &error.to_string()))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Writes a new file, which nobody else may read if it is `secret`.
fn put(path: &Path, text: &str, secret: bool) -> Result<(), Problem> {
    if path.as_os_str() == STANDARD_STREAM {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        return written.map_err(|error| refused(&format!("standard output: {error}")));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = secret;
    let written =
        options.open(path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| about(path, &error.to_string()))
}

fn about(path: &Path, what: &str) -> Problem {
    refused(&format!("{}: {what}", path.display()))
}

fn refused(what: &str) -> Problem {
    Problem::new(ErrorCode::BadRequest, what)
}
