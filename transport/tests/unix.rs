//! Unix sockets: who may use the file, and what becomes of it.
#![cfg(unix)]

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_transport::{Endpoint, Error, Incoming, Listener, Options, dial, unix::UnixListener};

const LIMIT: Duration = Duration::from_secs(10);

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("towline-unix-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn kind(bound: Result<UnixListener, Error>) -> ErrorKind {
    bound.unwrap_err().kind()
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[tokio::test]
async fn an_endpoint_names_a_socket_that_can_be_dialled() {
    let folder = Folder::new("dial");
    let mut listener = UnixListener::bind(folder.path()).await.unwrap();
    let endpoint: Endpoint = format!("unix:{}", folder.path().display()).parse().unwrap();

    let mut near = dial(&endpoint, &Options::default()).await.unwrap();
    let mut far = listener.accept().await.unwrap().handshake().await.unwrap();
    near.write_all(b"heave").await.unwrap();
    near.shutdown().await.unwrap();

    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "heave");
    assert_eq!(near.info().endpoint.as_ref(), Some(&endpoint));
}

#[tokio::test]
async fn the_file_is_this_users_alone_and_goes_with_the_listener() {
    let folder = Folder::new("mode");
    let listener = UnixListener::bind(folder.path()).await.unwrap();
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(listener.path(), folder.path());

    drop(listener);

    assert!(!folder.path().exists());
}

#[tokio::test]
async fn a_socket_on_which_somebody_listens_is_left_alone() {
    let folder = Folder::new("in-use");
    let _first = UnixListener::bind(folder.path()).await.unwrap();

    assert_eq!(kind(UnixListener::bind(folder.path()).await), ErrorKind::AddrInUse);

    assert!(is_socket(&folder.path()));
    towline_transport::unix::connect(folder.path(), LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let folder = Folder::new("stale");
    // The standard library leaves the file behind, like a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(folder.path()).unwrap());
    assert!(is_socket(&folder.path()));

    let _listener = UnixListener::bind(folder.path()).await.unwrap();

    towline_transport::unix::connect(folder.path(), LIMIT).await.unwrap();
}

#[tokio::test]
async fn whatever_is_not_a_socket_is_left_alone() {
    let folder = Folder::new("file");
    fs::write(folder.path(), "precious").unwrap();
    assert_eq!(kind(UnixListener::bind(folder.path()).await), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(folder.path()).unwrap(), b"precious");

    // A link to a stale socket is not a socket either.
    let (stale, link) = (folder.0.join("stale"), folder.0.join("link"));
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    std::os::unix::fs::symlink(&stale, &link).unwrap();
    assert_eq!(kind(UnixListener::bind(&link).await), ErrorKind::AlreadyExists);
    assert!(is_socket(&stale));
}

#[tokio::test]
async fn a_socket_that_took_the_place_of_ours_is_not_removed() {
    let folder = Folder::new("replaced");
    let listener = UnixListener::bind(folder.path()).await.unwrap();
    fs::rename(folder.path(), folder.0.join("moved")).unwrap();
    let _other = UnixListener::bind(folder.path()).await.unwrap();

    drop(listener);

    assert!(is_socket(&folder.path()));
}

#[tokio::test]
async fn nobody_there_and_nothing_there_are_told_apart() {
    let folder = Folder::new("nobody");
    let missing = towline_transport::unix::connect(folder.path(), LIMIT).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("unix:"), "{missing}");

    drop(std::os::unix::net::UnixListener::bind(folder.path()).unwrap());
    let refused = towline_transport::unix::connect(folder.path(), LIMIT).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
