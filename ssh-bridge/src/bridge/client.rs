//! What russh asks of a client: the host key's verdict, and where to put news. No terminal byte goes through here.

use std::sync::{Arc, Mutex, PoisonError};

use russh::{
    AlgorithmKind as Kind, Channel, Disconnect, Names,
    client::{self, ChannelOpenHandle, DisconnectReason, Msg, Session},
    keys::PublicKeyOrCertificate,
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Event,
    algorithms::legacy_would_help,
    error::{AlgorithmKind, Error, KeyOwner},
    flow::Flow,
    question::{HostKeyQuestion, Verdict},
    text,
};
use crate::{
    Config,
    keys::{Algorithm, Limits, PublicKey},
};

/// What became known of the server on the way.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) host_key: Option<(PublicKey, Verdict)>,
    pub(super) key_exchange: String,
    pub(super) cipher: String,
    /// Since when nobody is asked any more; `None` while somebody is.
    pub(super) last_asked: LastAsked,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LastAsked {
    #[default]
    Never,
    Now,
    Until(Instant),
}

pub(super) struct Client {
    flow: Arc<Flow>,
    facts: Arc<Mutex<Facts>>,
    known: Vec<PublicKey>,
    legacy: bool,
    banners_left: u32,
    max_text_bytes: usize,
}

impl Client {
    pub(super) fn new(config: &Config, flow: Arc<Flow>, facts: Arc<Mutex<Facts>>) -> Self {
        Self {
            flow,
            facts,
            known: config.host_keys.clone(),
            legacy: config.legacy_algorithms,
            banners_left: config.limits.max_banners,
            max_text_bytes: config.limits.max_text_bytes,
        }
    }

    fn note(&self, note: impl FnOnce(&mut Facts)) {
        note(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn is_accepted(&self, offered: &PublicKey, verdict: Verdict) -> bool {
        let (answer, answered) = oneshot::channel();
        self.note(|facts| facts.last_asked = LastAsked::Now);
        self.flow.push_event(Event::HostKey(HostKeyQuestion {
            verdict,
            offered: offered.clone(),
            known: self.known.clone(),
            answer,
        }));
        // russh's own task waits here, which nobody aborts: it must not wait for a caller who has left.
        let accepted = tokio::select! {
            answer = answered => answer.is_ok(),
            () = self.flow.closed() => false,
        };
        self.note(|facts| facts.last_asked = LastAsked::Until(Instant::now()));
        accepted
    }
}

/// The error type that russh passes through its own code.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Error);

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Self(translated(error))
    }
}

/// Channels are refused by dropping their handle: nothing here was forwarded, so a server has none to open.
impl client::Handler for Client {
    type Error = Failure;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        let blob = shown.public_key().to_bytes().map_err(|error| Failure(malformed(error)))?;
        let offered = PublicKey::from_blob(&blob, &Limits::default()).map_err(|error| Failure(malformed(error)))?;
        if !self.legacy {
            refuse_if_weak(&offered, KeyOwner::Host).map_err(Failure)?;
        }
        let verdict = Verdict::of(&offered, &self.known);
        if verdict != Verdict::Known && !self.is_accepted(&offered, verdict).await {
            return Err(Failure(Error::HostKey {
                verdict,
                offered: offered.fingerprint(),
                known: self.known.iter().map(PublicKey::fingerprint).collect(),
            }));
        }
        self.note(|facts| facts.host_key = Some((offered, verdict)));
        Ok(true)
    }

    async fn kex_done(&mut self, _: Option<&[u8]>, names: &Names, _: &mut Session) -> Result<(), Failure> {
        self.note(|facts| {
            names.kex.as_ref().clone_into(&mut facts.key_exchange);
            names.cipher.as_ref().clone_into(&mut facts.cipher);
        });
        Ok(())
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Failure> {
        if let Some(left) = self.banners_left.checked_sub(1) {
            self.banners_left = left;
            self.flow.push_event(Event::Banner(text::printable(banner, self.max_text_bytes)));
        }
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Failure>) -> Result<(), Failure> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let reason = text::printable(&info.message, self.max_text_bytes);
                self.flow.fault(Error::Disconnected { code: disconnect_code(&info.reason_code), reason });
                Ok(())
            }
            DisconnectReason::Error(Failure(error)) => {
                self.flow.fault(error.clone());
                Err(Failure(error))
            }
        }
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

/// RSA below this proves nothing any more.
const MIN_RSA_BITS: u64 = 2048;

pub(super) fn refuse_if_weak(key: &PublicKey, whose: KeyOwner) -> Result<(), Error> {
    match key.bits() {
        Some(bits) if *key.algorithm() == Algorithm::Rsa && bits < MIN_RSA_BITS => Err(Error::WeakKey { whose, bits }),
        _ => Ok(()),
    }
}

pub(super) fn malformed(reason: impl ToString) -> Error {
    Error::Malformed { reason: text::printable(&reason.to_string(), 256) }
}

/// russh's errors in our words.
pub(super) fn translated(error: russh::Error) -> Error {
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => {
            let kind = match kind {
                Kind::Kex => AlgorithmKind::KeyExchange,
                Kind::Key => AlgorithmKind::HostKey,
                Kind::Cipher => AlgorithmKind::Cipher,
                Kind::Compression => AlgorithmKind::Compression,
                Kind::Mac => AlgorithmKind::Mac,
            };
            let legacy_would_help = legacy_would_help(kind, &theirs);
            let offered = theirs.iter().take(64).map(|name| text::escaped(name.as_bytes())).collect();
            Error::NoCommonAlgorithm { kind, offered, legacy_would_help }
        }
        russh::Error::NoAuthMethod => Error::AuthenticationRefused { methods: Vec::new(), partial: false },
        russh::Error::IO(error) => Error::ConnectionLost { reason: error.to_string() },
        russh::Error::Disconnect
        | russh::Error::HUP
        | russh::Error::SendError
        | russh::Error::RecvError
        | russh::Error::Join(_) => Error::ConnectionLost { reason: "it ended without a word".into() },
        other => malformed(other),
    }
}

fn disconnect_code(reason: &Disconnect) -> u32 {
    match reason {
        Disconnect::HostNotAllowedToConnect => 1,
        Disconnect::ProtocolError => 2,
        Disconnect::KeyExchangeFailed => 3,
        Disconnect::Reserved => 4,
        Disconnect::MACError => 5,
        Disconnect::CompressionError => 6,
        Disconnect::ServiceNotAvailable => 7,
        Disconnect::ProtocolVersionNotSupported => 8,
        Disconnect::HostKeyNotVerifiable => 9,
        Disconnect::ConnectionLost => 10,
        Disconnect::ByApplication => 11,
        Disconnect::TooManyConnections => 12,
        Disconnect::AuthCancelledByUser => 13,
        Disconnect::NoMoreAuthMethodsAvailable => 14,
        Disconnect::IllegalUserName => 15,
    }
}
