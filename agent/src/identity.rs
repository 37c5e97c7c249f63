//! Who this device is: `identity.toml` and `device.key` in the data folder.

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use towline_transport::tls::Trust;
use zeroize::Zeroizing;

use crate::{CloudUrl, Error};

const IDENTITY_FILE: &str = "identity.toml";
const KEY_FILE: &str = "device.key";
const VERSION: u32 = 1;
const MAX_FILE_BYTES: u64 = 16 * 1024;
const WEB_PKI: &str = "web-pki";

/// The device's Ed25519 key. It never leaves the data folder.
pub struct DeviceKey {
    pair: Ed25519KeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl DeviceKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] if the system has no random numbers.
    pub fn generate() -> Result<Self, Error> {
        let pair = Ed25519KeyPair::generate().map_err(|_| Error::Key)?;
        let pkcs8 = Zeroizing::new(pair.to_pkcs8().map_err(|_| Error::Key)?.as_ref().to_vec());
        Ok(Self { pair, pkcs8 })
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?;
        Some(Self { pair, pkcs8 })
    }

    /// The public half, 32 bytes, base64url.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    /// A signature, base64url.
    pub fn sign(&self, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(message).as_ref())
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// What enrolment settled: which device this is, at which cloud, and how to recognise that cloud.
#[derive(Debug)]
pub struct Identity {
    /// The device's id in the cloud.
    pub device_id: String,
    /// Its name in the cloud.
    pub name: String,
    /// The cloud.
    pub cloud: CloudUrl,
    /// How to recognise the cloud.
    pub trust: Trust,
    /// Proves that it is this device.
    pub key: DeviceKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    device_id: String,
    name: String,
    cloud: String,
    trust: String,
}

impl Identity {
    /// Whether the data folder holds an identity.
    pub fn exists(data_dir: &Path) -> bool {
        data_dir.join(IDENTITY_FILE).exists()
    }

    /// Reads the identity of a data folder.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] if a file cannot be read, [`Error::Identity`] if it is not understood.
    pub fn load(data_dir: &Path) -> Result<Self, Error> {
        let path = data_dir.join(IDENTITY_FILE);
        let damaged = |reason: String| Error::Identity { path: path.clone(), reason };
        let bytes = read(&path)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| damaged(error.to_string()))?;
        let file: File = toml::from_str(text).map_err(|error| damaged(crate::text::toml_reason(text, &error)))?;
        if file.version != VERSION {
            return Err(damaged(format!("version {} is not {VERSION}", file.version)));
        }
        let is_id = !file.device_id.is_empty() && file.device_id.bytes().all(|byte| byte.is_ascii_digit());
        if !is_id {
            return Err(damaged("the device's id is not a number".into()));
        }
        let cloud = file.cloud.parse().map_err(|error: crate::CloudUrlError| damaged(error.to_string()))?;
        let trust = parse_trust(&file.trust).ok_or_else(|| damaged("the trust is not understood".into()))?;
        let key_path = data_dir.join(KEY_FILE);
        let key = DeviceKey::from_pkcs8(read(&key_path)?).ok_or_else(|| Error::Identity {
            path: key_path.clone(),
            reason: "it is not an Ed25519 key in PKCS#8".into(),
        })?;
        Ok(Self { device_id: file.device_id, name: file.name, cloud, trust, key })
    }

    /// Writes the identity into the data folder, each file in one step, readable by this user only. The key goes
    /// first: without `identity.toml` it means nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub fn save(&self, data_dir: &Path) -> Result<(), Error> {
        let file = File {
            version: VERSION,
            device_id: self.device_id.clone(),
            name: self.name.clone(),
            cloud: self.cloud.to_string(),
            trust: write_trust(&self.trust),
        };
        let path = data_dir.join(IDENTITY_FILE);
        let text = toml::to_string(&file)
            .map_err(|error| Error::Identity { path: path.clone(), reason: error.to_string() })?;
        write_atomically(&data_dir.join(KEY_FILE), &self.key.pkcs8)?;
        write_atomically(&path, text.as_bytes())
    }
}

fn parse_trust(text: &str) -> Option<Trust> {
    if text == WEB_PKI { Some(Trust::WebPki) } else { text.parse().ok().map(Trust::Pin) }
}

fn write_trust(trust: &Trust) -> String {
    match trust {
        Trust::Pin(pin) => pin.to_string(),
        _ => WEB_PKI.to_owned(),
    }
}

/// Makes the data folder, for this user only, and shows that it can be written before a token is spent.
///
/// # Errors
///
/// [`Error::Storage`].
pub(crate) fn prepare(data_dir: &Path) -> Result<(), Error> {
    let storage = |source| Error::Storage { path: data_dir.to_owned(), source };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data_dir).map_err(storage)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(data_dir).map_err(storage)?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(data_dir, std::fs::Permissions::from_mode(0o700)).map_err(storage)?;
        }
    }
    let probe = data_dir.join(".writable");
    write_atomically(&probe, b"")?;
    std::fs::remove_file(&probe).map_err(|source| Error::Storage { path: probe, source })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let storage = |source| Error::Storage { path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    let file = std::fs::File::open(path).map_err(storage)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(storage)?;
    Ok(bytes)
}

/// Replaces a file in one step: readers see the old content or the new, whole, also after a power cut. The file is
/// readable and writable by this user only.
///
/// # Errors
///
/// [`Error::Storage`].
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), Error> {
    let result = || -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = temporary_name(path);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        let written = file.write_all(content).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, path)) {
            drop(std::fs::remove_file(&temporary));
            return Err(error);
        }
        // The new name is only safe from a power cut once the folder is on the disk as well.
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    result().map_err(|source| Error::Storage { path: path.to_owned(), source })
}

fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{:016x}", crate::backoff::random()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            device_id: "4711".into(),
            name: "pump \"7\" äß".into(),
            cloud: "https://127.0.0.1:8443".parse().unwrap(),
            trust: Trust::WebPki,
            key: DeviceKey::generate().unwrap(),
        }
    }

    #[test]
    fn an_identity_survives_being_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let pin = format!("sha256:{}", URL_SAFE_NO_PAD.encode([7; 32]));
        for trust in [Some(Trust::WebPki), parse_trust(&pin)] {
            let written = Identity { trust: trust.unwrap(), ..identity() };
            written.save(folder.path()).unwrap();

            let read = Identity::load(folder.path()).unwrap();

            assert_eq!(read.device_id, written.device_id);
            assert_eq!(read.name, written.name);
            assert_eq!(read.cloud, written.cloud);
            assert_eq!(write_trust(&read.trust), write_trust(&written.trust));
            assert_eq!(read.key.public(), written.key.public());
            assert_eq!(read.key.sign(b"nonce"), written.key.sign(b"nonce"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn folder_and_files_belong_to_this_user_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("a/b");
        prepare(&data_dir).unwrap();
        identity().save(&data_dir).unwrap();

        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data_dir), 0o700);
        assert_eq!(mode(&data_dir.join(KEY_FILE)), 0o600);
        assert_eq!(mode(&data_dir.join(IDENTITY_FILE)), 0o600);
        assert_eq!(std::fs::read_dir(&data_dir).unwrap().count(), 2, "temporary files are gone");

        std::fs::set_permissions(&data_dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        prepare(&data_dir).unwrap();
        assert_eq!(mode(&data_dir), 0o700);
    }

    #[test]
    fn a_damaged_identity_says_which_file_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Identity::load(folder.path()), Err(Error::Storage { .. })));
        identity().save(folder.path()).unwrap();
        std::fs::write(folder.path().join(KEY_FILE), b"not a key").unwrap();
        let error = Identity::load(folder.path()).unwrap_err();
        assert!(error.to_string().contains(KEY_FILE), "{error}");

        let path = folder.path().join(IDENTITY_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        for damaged in [text.replace("version = 1", "version = 2"), text.replace("4711", "../x"), "{".into()] {
            std::fs::write(&path, damaged).unwrap();
            let error = Identity::load(folder.path()).unwrap_err();
            assert!(matches!(&error, Error::Identity { .. }), "{error}");
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = DeviceKey::generate().unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(&key.public()));
        assert!(shown.len() < 100, "{shown}");
    }
}
