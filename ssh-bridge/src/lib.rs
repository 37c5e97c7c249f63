//! SSH for a cloud: a terminal on any stream, and keys in every container that people have.
//!
//! [`Bridge`] is the client's side of SSH over a stream that somebody else has dialled. It brings bytes out and in, and
//! asks for what only a person knows. russh speaks the protocol; none of its types shows.
//!
//! * [`keys`] reads, writes and makes keys, and knows hosts; it works alone, without the feature `russh`.
//! * Input goes its own way: Ctrl+C leaves while output waits.
//! * A caller who does not take output stops the program on the target; what waits here is bounded by [`Limits`].
//! * Host keys are the caller's to store. The bridge compares, asks, and says when the key has proved worth storing.
//!
//! # The loop
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bytes::Bytes;
//! use towline_ssh_bridge::{Bridge, Config, Credential, Event, Verdict};
//!
//! let stream = tokio::net::TcpStream::connect(("192.0.2.1", 22)).await?;
//! let mut config = Config::new("root");
//! config.credentials = vec![Credential::Password("secret".into())];
//! let (bridge, mut events) = Bridge::connect(stream, config);
//!
//! while let Some(event) = events.next().await? {
//!     match event {
//!         Event::HostKey(question) if question.verdict == Verdict::Unknown => {
//!             println!("first connection; the key is {}", question.offered.fingerprint());
//!             question.accept();
//!         }
//!         Event::Ready(ready) => {
//!             // Now `ready.host_key` is worth storing, for `Config::host_keys` of the next time.
//!             println!("{}", ready.server_version);
//!             bridge.send(&mut Bytes::from_static(b"uptime; exit\n")).await?;
//!         }
//!         Event::Output(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
//!         // Other questions are answered no by being dropped.
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

#[cfg(feature = "russh")]
mod bridge;
pub mod keys;
#[cfg(feature = "russh")]
mod secret;

#[cfg(feature = "russh")]
pub use bridge::{
    AlgorithmKind, Bridge, Config, Credential, Ended, Error, Event, Events, Exit, HostKeyQuestion, KeepAlive, KeyOwner,
    Limits, PassphraseQuestion, PasswordQuestion, Program, Prompt, PromptsQuestion, Ready, Signal, Terminal, Verdict,
    WindowSize,
};
#[cfg(feature = "russh")]
pub use secret::Secret;
