//! The folder that holds all of the cloud's state. It is the owner's alone, and one cloud's at a time.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::Error;

const LOCK: &str = "lock";

/// The data folder, locked.
pub(crate) struct DataDir {
    path: PathBuf,
    // The lock lasts as long as the file is open.
    _lock: File,
}

impl DataDir {
    /// Makes the folder if there is none, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::DataDir { path: path.into(), source };
        make_private_dir(path).map_err(failed)?;
        let lock = private().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an empty file that only the owner may read, unless it exists: what is made beside it inherits that.
    pub(crate) fn touch(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        match private().create_new(true).write(true).open(&path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(Error::DataDir { path, source }),
        }
    }

    /// A file's bytes; `None` if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        read(&self.path.join(name))
    }

    /// Writes a file so that it is there whole or not at all, readable by the owner only.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.tmp"));
        let write = || {
            // One that a crash left behind may have been made with other rights.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = private().create_new(true).write(true).open(&temporary)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            #[cfg(unix)]
            File::open(&self.path)?.sync_all()?;
            Ok(())
        };
        write().map_err(|source| Error::DataDir { path: path.clone(), source })
    }
}

/// A file's bytes; `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::DataDir { path: path.into(), source }),
    }
}

pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// For a file that only the owner may read.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
