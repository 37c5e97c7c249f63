//! Unix sockets, whose files only this user may use.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::{UnixSocket, UnixStream};

use crate::{Carrier, Dialer, Error, Incoming, Listener};

/// How long whoever holds a socket may take before we believe that somebody does.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
const MAX_WAITING_CONNECTIONS: u32 = 1024;
const MODE: u32 = 0o600;

/// Connects to the socket at `path`, within `limit`.
///
/// # Errors
///
/// [`Error::Connect`]: of kind [`io::ErrorKind::NotFound`] when there is no such file, of kind
/// [`io::ErrorKind::ConnectionRefused`] when nobody listens (any more), of kind [`io::ErrorKind::TimedOut`] when
/// `limit` was over.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt.
pub async fn connect(path: impl AsRef<Path>, limit: Duration) -> Result<Carrier<UnixStream>, Error> {
    let path = path.as_ref();
    let refused = |source| Error::Connect { endpoint: address(path), source };
    match tokio::time::timeout(limit, UnixStream::connect(path)).await {
        Ok(result) => Ok(Carrier::new(result.map_err(refused)?)),
        Err(_) => Err(refused(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}")))),
    }
}

fn address(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// Dials one socket with [`connect`].
#[derive(Clone, Debug)]
pub struct UnixDialer {
    /// The socket's file.
    pub path: PathBuf,
    /// How long it may take to answer.
    pub connect_timeout: Duration,
}

impl Dialer for UnixDialer {
    type Stream = UnixStream;

    async fn dial(&self) -> Result<Carrier<UnixStream>, Error> {
        connect(&self.path, self.connect_timeout).await
    }
}

/// Listens on a Unix socket of mode 0600. Dropping it removes the file.
#[derive(Debug)]
pub struct UnixListener {
    listener: tokio::net::UnixListener,
    file: SocketFile,
}

impl UnixListener {
    /// Makes the socket and starts to listen. A stale socket, on which nobody listens any more, is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`]: of kind [`io::ErrorKind::AddrInUse`] when somebody listens there, of kind
    /// [`io::ErrorKind::AlreadyExists`] when something is there that is not a socket.
    ///
    /// # Cancel safety
    ///
    /// Cancelling leaves nothing behind; a stale socket may be gone.
    pub async fn bind(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |source| Error::Listen { address: address(path), source };
        remove_stale(path).await.map_err(failed)?;
        let socket = UnixSocket::new_stream().map_err(failed)?;
        socket.bind(path).map_err(failed)?;
        let file = SocketFile::own(path).map_err(failed)?;
        // Until we listen nobody can connect, so the file never lets anyone in while it has its first mode.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(failed)?;
        let listener = socket.listen(MAX_WAITING_CONNECTIONS).map_err(failed)?;
        Ok(Self { listener, file })
    }

    /// The socket's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Listener for UnixListener {
    type Incoming = UnixIncoming;

    async fn accept(&mut self) -> Result<UnixIncoming, Error> {
        Ok(UnixIncoming(self.listener.accept().await?.0))
    }
}

/// A connection to a Unix socket; it has no handshake to wait for.
#[derive(Debug)]
pub struct UnixIncoming(UnixStream);

impl Incoming for UnixIncoming {
    type Stream = UnixStream;

    async fn handshake(self) -> Result<Carrier<UnixStream>, Error> {
        Ok(Carrier::new(self.0))
    }
}

/// Makes room for a socket, if all that is in the way is a socket on which nobody listens.
async fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is not a socket"));
    }
    match tokio::time::timeout(PROBE_LIMIT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
    }
}

/// The file of a socket that we made. Dropping it removes the file, unless another has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn own(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { path: std::path::absolute(path)?, device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |found: fs::Metadata| (found.dev(), found.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            drop(fs::remove_file(&self.path));
        }
    }
}
