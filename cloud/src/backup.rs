//! A backup: the database, the identity and the keys in one file.
//!
//! ```text
//! magic, version u8, encryption u8, salt 16 bytes, nonce prefix 7 bytes     the header
//! (length u32, piece)*                                                      pieces of the content; the last is empty
//! SHA-256 of all that                                                       so that damage shows before anything is done
//! ```
//!
//! The content is a list of files: length u16 and name, length u64 and bytes. Encryption 1 is AES-256-GCM under a key
//! that Argon2id (64 MiB, 3 passes) makes of the passphrase and the salt: each piece on its own, with the nonce (prefix,
//! number u32, 1 for the last) and the header as additional data, so that pieces can neither be swapped nor left out.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest::{Context, SHA256},
};
use zeroize::Zeroizing;

use crate::{
    AuditVerdict, Cloud, Error,
    data_dir::private,
    identity::ServerKey,
    random,
    store::{FILE_NAME, Store},
};

const MAGIC: &[u8; 15] = b"TOWLINE-BACKUP\n";
const VERSION: u8 = 1;
const UNENCRYPTED: u8 = 0;
const AES_256_GCM_ARGON2ID: u8 = 1;
const SALT_BYTES: usize = 16;
const PREFIX_BYTES: usize = 7;
const HEADER_BYTES: usize = MAGIC.len() + 2 + SALT_BYTES + PREFIX_BYTES;
const DIGEST_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const PIECE_BYTES: usize = 1024 * 1024;
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const MAX_NAME_BYTES: usize = 64;
const MAX_FILES: usize = 64;
/// A copy of the database on its way into the backup.
const COPY: &str = "backup.tmp";

/// How a backup is protected.
pub enum Protection {
    /// With a key made of a passphrase.
    Passphrase(Zeroizing<String>),
    /// Not at all: whoever has the file has the cloud's keys.
    None,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder is not one of a cloud, or cannot be read.
    #[error(transparent)]
    Cloud(#[from] Error),
    /// The file is not a backup, or of a newer kind.
    #[error("this is not a backup that this version understands: {0}")]
    NotABackup(&'static str),
    /// The file is not as it was written.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
    /// The backup is encrypted, and this is not its passphrase.
    #[error("the passphrase does not fit the backup")]
    WrongPassphrase,
    /// The backup is encrypted and no passphrase was given.
    #[error("the backup is encrypted: give its passphrase")]
    PassphraseMissing,
    /// The folder to restore to holds something.
    #[error("{} is not empty: a backup is restored to an empty folder", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The audit in the backup is broken.
    #[error("the audit in the backup is broken at record {sequence}: {reason}")]
    Audit {
        /// The first record that is not as it was written.
        sequence: u64,
        /// What is wrong there.
        reason: String,
    },
    /// No key could be made.
    #[error("no key could be made: {0}")]
    Key(String),
}

type Result<T, E = BackupError> = std::result::Result<T, E>;

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path: path.clone(), source }
}

impl Cloud {
    /// Writes a backup of a data folder to `file`, whether a cloud runs on it or not. A file of that name must not be
    /// there; the new one can be read by its owner only.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; no file is left then.
    pub async fn back_up(data_dir: &Path, file: &Path, protection: &Protection) -> Result<()> {
        let seal = ServerKey::read(data_dir)?.derive(crate::SEAL);
        let store = Store::open_to_read(data_dir, seal).await.map_err(Error::from)?;
        let copy = data_dir.join(COPY);
        // One that a crash left behind.
        let _ = fs::remove_file(&copy);
        let copied = match private().create_new(true).write(true).open(&copy) {
            Ok(_) => store.copy_to(&copy).await.map_err(|error| Error::from(error).into()),
            Err(error) => Err(at(&copy)(error)),
        };
        store.close().await;
        let written = copied.and_then(|()| write(data_dir, &copy, file, protection));
        let _ = fs::remove_file(&copy);
        written
    }

    /// Makes a data folder of a backup. `data_dir` is empty or not there. The whole file is verified first, the audit
    /// afterwards; if it is broken the folder is emptied again. Returns how many audit records there are.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; the folder is left empty then.
    pub async fn restore(file: &Path, data_dir: &Path, passphrase: Option<&Zeroizing<String>>) -> Result<u64> {
        let is_empty = match fs::read_dir(data_dir) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(at(data_dir)(error)),
        };
        if !is_empty {
            return Err(BackupError::NotEmpty { path: data_dir.into() });
        }
        let mut reader = Opened::new(file, passphrase)?;
        crate::data_dir::make_private_dir(data_dir).map_err(at(data_dir))?;
        let restored = match reader.extract(data_dir) {
            Ok(()) => Self::verify_audit(data_dir).await.map_err(BackupError::from),
            Err(error) => Err(error),
        };
        let outcome = match restored {
            Ok(AuditVerdict::Whole { records }) => return Ok(records),
            Ok(AuditVerdict::Broken { sequence, reason, .. }) => {
                Err(BackupError::Audit { sequence, reason: reason.to_string() })
            }
            Err(error) => Err(error),
        };
        for entry in fs::read_dir(data_dir).map_err(at(data_dir))?.flatten() {
            let _ = fs::remove_file(entry.path());
        }
        outcome
    }
}

/// The files of a data folder that belong into a backup, by name.
fn files(data_dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(data_dir).map_err(at(data_dir))? {
        let entry = entry.map_err(at(data_dir))?;
        let is_file = entry.file_type().map_err(at(&entry.path()))?.is_file();
        if let Some(name) = entry.file_name().to_str().filter(|_| is_file) {
            // The database is there as its copy; the rest of these is not state.
            let passing = name == "lock" || name.ends_with(".tmp") || name.starts_with(FILE_NAME);
            if !passing {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn write(data_dir: &Path, database: &Path, file: &Path, protection: &Protection) -> Result<()> {
    let sink = private().create_new(true).write(true).open(file).map_err(at(file))?;
    let written = (|| {
        let mut writer = Sealer::new(BufWriter::new(sink), protection)?;
        writer.file(FILE_NAME, database)?;
        for name in files(data_dir)? {
            writer.file(&name, &data_dir.join(&name))?;
        }
        let sink = writer.finish().map_err(at(file))?.into_inner().map_err(|error| at(file)(error.into_error()))?;
        sink.sync_all().map_err(at(file))
    })();
    if written.is_err() {
        let _ = fs::remove_file(file);
    }
    written
}

/// Encrypts, or does not, piece by piece.
struct Cipher {
    key: Option<LessSafeKey>,
    header: [u8; HEADER_BYTES],
    number: u32,
}

impl Cipher {
    fn new(header: [u8; HEADER_BYTES], passphrase: Option<&Zeroizing<String>>) -> Result<Self> {
        let key =
            passphrase.map(|passphrase| key(passphrase, field(&header, MAGIC.len() + 2, SALT_BYTES))).transpose()?;
        Ok(Self { key, header, number: 0 })
    }

    fn nonce(&mut self, is_last: bool) -> Result<Nonce> {
        let mut nonce = [0; 12];
        let prefix = field(&self.header, MAGIC.len() + 2 + SALT_BYTES, PREFIX_BYTES);
        let number = self.number.to_be_bytes();
        let bytes = prefix.iter().chain(&number).copied().chain([u8::from(is_last)]);
        nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        self.number = self.number.checked_add(1).ok_or(BackupError::Damaged("it is too long"))?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    fn seal(&mut self, mut piece: Vec<u8>, is_last: bool) -> Result<Vec<u8>> {
        let nonce = self.nonce(is_last)?;
        if let Some(key) = &self.key {
            let sealed = key.seal_in_place_append_tag(nonce, Aad::from(self.header), &mut piece);
            sealed.map_err(|_| BackupError::Key("the encryption failed".into()))?;
        }
        Ok(piece)
    }

    fn open(&mut self, mut piece: Vec<u8>, is_last: bool) -> Result<Vec<u8>> {
        let nonce = self.nonce(is_last)?;
        if let Some(key) = &self.key {
            let opened = key.open_in_place(nonce, Aad::from(self.header), &mut piece);
            let length = opened.map_err(|_| BackupError::WrongPassphrase)?.len();
            piece.truncate(length);
        }
        Ok(piece)
    }
}

fn field(header: &[u8], from: usize, length: usize) -> &[u8] {
    // INVARIANT: all fields lie within the header.
    header.get(from..from + length).unwrap_or_default()
}

fn key(passphrase: &Zeroizing<String>, salt: &[u8]) -> Result<LessSafeKey> {
    let failed = |error: argon2::Error| BackupError::Key(error.to_string());
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice()).map_err(failed)?;
    let key = UnboundKey::new(&AES_256_GCM, key.as_slice());
    Ok(LessSafeKey::new(key.map_err(|_| BackupError::Key("it has the wrong length".into()))?))
}

struct Sealer<W> {
    sink: W,
    digest: Context,
    cipher: Cipher,
    pending: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    fn new(sink: W, protection: &Protection) -> Result<Self> {
        let (encryption, passphrase) = match protection {
            Protection::Passphrase(passphrase) => (AES_256_GCM_ARGON2ID, Some(passphrase)),
            Protection::None => (UNENCRYPTED, None),
        };
        let chance =
            random::bytes::<{ SALT_BYTES + PREFIX_BYTES }>().map_err(|error| BackupError::Key(error.to_string()))?;
        let mut header = [0; HEADER_BYTES];
        let bytes = MAGIC.iter().copied().chain([VERSION, encryption]).chain(chance);
        header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let cipher = Cipher::new(header, passphrase)?;
        let mut sealer = Self { sink, digest: Context::new(&SHA256), cipher, pending: Zeroizing::default() };
        sealer.put(&header).map_err(at(Path::new("the backup")))?;
        Ok(sealer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.sink.write_all(bytes)
    }

    fn piece(&mut self, is_last: bool) -> Result<()> {
        let length = self.pending.len().min(PIECE_BYTES);
        let piece = self.cipher.seal(self.pending.drain(..length).collect(), is_last)?;
        let length = u32::try_from(piece.len()).map_err(|_| BackupError::Damaged("a piece is too long"))?;
        let put = self.put(&length.to_be_bytes()).and_then(|()| self.put(&piece));
        put.map_err(at(Path::new("the backup")))
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        let mut file = File::open(path).map_err(at(path))?;
        let length = file.metadata().map_err(at(path))?.len();
        let name_length = u16::try_from(name.len()).map_err(|_| BackupError::Damaged("a name is too long"))?;
        self.pending.extend_from_slice(&name_length.to_be_bytes());
        self.pending.extend_from_slice(name.as_bytes());
        self.pending.extend_from_slice(&length.to_be_bytes());
        let mut copied = 0_u64;
        let mut chunk = Zeroizing::new(vec![0; 64 * 1024]);
        loop {
            match file.read(&mut chunk).map_err(at(path))? {
                0 => break,
                count => {
                    copied += u64::try_from(count).unwrap_or(0);
                    self.pending.extend_from_slice(chunk.get(..count).unwrap_or_default());
                }
            }
            while self.pending.len() >= PIECE_BYTES {
                self.piece(false)?;
            }
        }
        if copied != length {
            return Err(at(path)(io::Error::other("it changed while it was read")));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<W, io::Error> {
        let ended = (|| {
            while !self.pending.is_empty() {
                self.piece(false)?;
            }
            self.piece(true)
        })();
        ended.map_err(io::Error::other)?;
        let digest = self.digest.finish();
        self.sink.write_all(digest.as_ref())?;
        Ok(self.sink)
    }
}

/// A backup whose checksum fits.
struct Opened {
    source: BufReader<File>,
    path: PathBuf,
    cipher: Cipher,
    pending: Zeroizing<Vec<u8>>,
    ended: bool,
}

impl Opened {
    fn new(path: &Path, passphrase: Option<&Zeroizing<String>>) -> Result<Self> {
        let mut source = BufReader::new(File::open(path).map_err(at(path))?);
        let header = verify(&mut source).map_err(|error| match error {
            BackupError::File { source, .. } => at(path)(source),
            error => error,
        })?;
        let passphrase = match (header.get(MAGIC.len() + 1), passphrase) {
            (Some(&UNENCRYPTED), _) => None,
            (Some(&AES_256_GCM_ARGON2ID), Some(passphrase)) => Some(passphrase),
            (Some(&AES_256_GCM_ARGON2ID), None) => return Err(BackupError::PassphraseMissing),
            _ => return Err(BackupError::NotABackup("it is encrypted in a way that is not known")),
        };
        let cipher = Cipher::new(header, passphrase)?;
        Ok(Self { source, path: path.into(), cipher, pending: Zeroizing::default(), ended: false })
    }

    /// Reads on until `length` bytes of content are there.
    fn want(&mut self, length: usize) -> Result<()> {
        while self.pending.len() < length {
            if self.ended {
                return Err(BackupError::Damaged("it ends too early"));
            }
            let mut head = [0; 4];
            self.source.read_exact(&mut head).map_err(at(&self.path))?;
            let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
            if length > PIECE_BYTES + TAG_BYTES {
                return Err(BackupError::Damaged("a piece is too long"));
            }
            let mut piece = vec![0; length];
            self.source.read_exact(&mut piece).map_err(at(&self.path))?;
            let empty = if self.cipher.key.is_some() { TAG_BYTES } else { 0 };
            self.ended = length == empty;
            let piece = Zeroizing::new(self.cipher.open(piece, self.ended)?);
            self.pending.extend_from_slice(&piece);
        }
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<Zeroizing<Vec<u8>>> {
        self.want(length)?;
        Ok(Zeroizing::new(self.pending.drain(..length).collect()))
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N]> {
        <[u8; N]>::try_from(self.take(N)?.as_slice()).map_err(|_| BackupError::Damaged("it ends too early"))
    }

    /// Whether all files have been read.
    fn is_over(&mut self) -> Result<bool> {
        while self.pending.is_empty() && !self.ended {
            self.want(1).or_else(|error| if self.ended { Ok(()) } else { Err(error) })?;
        }
        Ok(self.pending.is_empty())
    }

    fn extract(&mut self, data_dir: &Path) -> Result<()> {
        for _ in 0..MAX_FILES {
            if self.is_over()? {
                return Ok(());
            }
            let length = usize::from(u16::from_be_bytes(self.number()?));
            if length == 0 || length > MAX_NAME_BYTES {
                return Err(BackupError::Damaged("a name has a length that no name has"));
            }
            let name = self.take(length)?;
            let name = std::str::from_utf8(&name).ok().filter(|name| is_plain(name));
            let path = data_dir.join(name.ok_or(BackupError::Damaged("a name is not one of a file"))?);
            let mut left = u64::from_be_bytes(self.number()?);
            let mut file = private().create_new(true).write(true).open(&path).map_err(at(&path))?;
            while left > 0 {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
                let bytes = self.take(count)?;
                file.write_all(&bytes).map_err(at(&path))?;
                left -= u64::try_from(count).unwrap_or(left);
            }
            file.sync_all().map_err(at(&path))?;
        }
        Err(BackupError::Damaged("it holds too many files"))
    }
}

/// A file's name and nothing that leads elsewhere.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        && !name.starts_with('.')
}

/// Checks magic, version and checksum; leaves the file behind its header.
fn verify(source: &mut (impl Read + Seek)) -> Result<[u8; HEADER_BYTES]> {
    let file = |error| BackupError::File { path: PathBuf::new(), source: error };
    let length = source.seek(SeekFrom::End(0)).map_err(file)?;
    source.rewind().map_err(file)?;
    let mut header = [0; HEADER_BYTES];
    source.read_exact(&mut header).map_err(|_| BackupError::NotABackup("it is too short"))?;
    if !header.starts_with(MAGIC) {
        return Err(BackupError::NotABackup("it begins with something else"));
    }
    if header.get(MAGIC.len()) != Some(&VERSION) {
        return Err(BackupError::NotABackup("it is of another version"));
    }
    let overhead = u64::try_from(HEADER_BYTES + DIGEST_BYTES).unwrap_or(u64::MAX);
    let mut left = length.checked_sub(overhead).ok_or(BackupError::Damaged("it ends too early"))?;
    let mut digest = Context::new(&SHA256);
    digest.update(&header);
    let mut chunk = vec![0; 64 * 1024];
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        let bytes = chunk.get_mut(..count).unwrap_or_default();
        source.read_exact(bytes).map_err(file)?;
        digest.update(bytes);
        left -= u64::try_from(count).unwrap_or(left);
    }
    let mut expected = [0; DIGEST_BYTES];
    source.read_exact(&mut expected).map_err(file)?;
    if digest.finish().as_ref() != expected {
        return Err(BackupError::Damaged("its checksum does not fit"));
    }
    source.seek(SeekFrom::Start(u64::try_from(HEADER_BYTES).unwrap_or(0))).map_err(file)?;
    Ok(header)
}
