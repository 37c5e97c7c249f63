//! Byte pipes to a peer, whatever carries them: TCP, TLS, WebSocket, QUIC, Unix sockets, standard input and
//! output, memory.
//!
//! Any tokio stream is a [`Transport`]. A [`Carrier`] is one with what is known of its peer. A [`Dialer`] makes
//! carriers, a [`Listener`] takes them in, and layers wrap: [`tls`] goes over any transport, [`websocket`] over any
//! transport, TLS included. An [`Endpoint`] is a URL, and [`dial`] does all of it at once. [`splice()`] joins two pipes.
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use towline_transport::{Dialer, Incoming, Listener, memory, splice, tcp::TcpListener, dial, Options};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A server that sends everything back. The listener never waits for a peer: each handshake has its own task.
//! let mut listener = TcpListener::bind("127.0.0.1:0".parse()?).await?;
//! let address = listener.local_addr()?;
//! tokio::spawn(async move {
//!     while let Ok(incoming) = listener.accept().await {
//!         tokio::spawn(async move {
//!             let (mut input, mut output) = tokio::io::split(incoming.handshake().await?);
//!             tokio::io::copy(&mut input, &mut output).await?;
//!             output.shutdown().await?;
//!             Ok::<(), towline_transport::Error>(())
//!         });
//!     }
//! });
//!
//! // A relay: whatever arrives in memory goes to that server and back.
//! let (dialer, mut relay) = memory::listen(4096);
//! let relayed = tokio::spawn(async move {
//!     let mut from = relay.accept().await?.handshake().await?;
//!     let mut to = dial(&format!("tcp://{address}").parse()?, &Options::default()).await?;
//!     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(splice(&mut from, &mut to).await?)
//! });
//!
//! // A client. Shutting down ends our direction; the answer still arrives.
//! let mut carrier = dialer.dial().await?;
//! carrier.write_all(b"heave away").await?;
//! carrier.shutdown().await?;
//! let mut answer = String::new();
//! carrier.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "heave away");
//! assert_eq!(relayed.await?.map_err(|error| error.to_string())?.b_to_a_bytes, 10);
//! # Ok(())
//! # }
//! ```
//!
//! # What each transport can do
//!
//! | transport | half-close | what a writer may be ahead of a reader that stopped |
//! |---|---|---|
//! | TCP | yes | the kernel's socket buffers |
//! | TLS | yes | 64 KiB and one record, and the transport below |
//! | WebSocket | no: shutting down ends both directions | one message of 64 KiB, and the transport below |
//! | QUIC | yes | 2 MiB: a window of 1 MiB at each end |
//! | Unix socket | yes | the kernel's socket buffers |
//! | memory | yes | the buffer it was made with |
//! | standard input and output | input only | the kernel's pipe buffers |
//!
//! # Features
//!
//! `tls` and `websocket`, both on by default; `quic`, which needs `tls`; `proxy`: HTTP CONNECT and SOCKS5, for [`dial`];
//! `testing`: see below.
//!
//! # Testing against bad connections
//!
//! With the feature `testing`, the module `testing` has wrappers that make any transport a bad one: `Flaky` breaks
//! after some bytes, `Chopped` reads and writes in small pieces, `Slow` takes its time. What they do follows from a
//! seed, so that a test that failed fails again. Does our code survive a connection that breaks after 10 bytes?
//!
//! ```
//! # #[cfg(feature = "testing")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use towline_transport::{Carrier, memory, testing::{Chopped, Flaky}};
//!
//! let (near, mut far) = memory::pair(64);
//! let seed = 7;
//! let mut near = Carrier::new(near).map(|stream| Chopped::new(Flaky::after(stream, 10), 3, seed));
//!
//! let error = near.write_all(b"heave away, my boys").await.unwrap_err();
//!
//! assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
//! let mut arrived = String::new();
//! far.read_to_string(&mut arrived).await?;
//! assert_eq!(arrived, "heave away");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! ```
#![forbid(unsafe_code)]

mod carrier;
mod dial;
mod endpoint;
mod error;
mod happy_eyeballs;
pub mod memory;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "quic")]
pub mod quic;
mod splice;
pub mod stdio;
pub mod tcp;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(unix)]
pub mod unix;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use carrier::{BoxTransport, Carrier, CarrierInfo, Dialer, Incoming, Listener, Transport};
pub use dial::{Options, Timeouts, dial};
pub use endpoint::{Endpoint, MAX_HOST_BYTES, MAX_PATH_BYTES, MAX_SOCKET_PATH_BYTES, Scheme};
pub use error::{Error, Phase};
pub use splice::{MAX_SPLICE_BUFFER_BYTES, Side, Splice, SpliceError, Totals, splice};
