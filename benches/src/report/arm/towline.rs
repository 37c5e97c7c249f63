//! Ours: a session over plain TCP, or over WebSocket and TLS, dialled as the product dials. As in the product it can be
//! resumed; the acknowledgements that come with that are what bulk is held back by.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use bytes::Bytes;
use tokio::net::TcpStream;
use towline_transport::{
    Carrier, Dialer as _, Incoming as _, Listener as _, Transport,
    tcp::{TcpDialer, TcpListener},
    tls::{self, Trust},
    websocket::{self, ClientRequest},
};
use towline_tunnel_proto::{
    CarrierKind, Code, Config, Fields, Limits, Open, Resumption, Secret, SessionId, Urgency,
    driver::{self, Mux, ReceiveHalf, SendHalf},
};

use super::{Arm, Channel, Purpose, Reader, Writer};
use crate::identity;

const HANDSHAKE: Duration = Duration::from_secs(10);
const SUBPROTOCOL: &str = "towline.tunnel.v1";

/// Over TCP, resumable or not.
pub(crate) struct Tunnel<const RESUMABLE: bool>;
pub(crate) struct TunnelWebSocketTls;

impl Channel for driver::Channel {
    type Reader = ReceiveHalf;
    type Writer = SendHalf;

    fn split(self) -> (ReceiveHalf, SendHalf) {
        Self::split(self)
    }
}

impl Reader for ReceiveHalf {
    async fn receive(&mut self) -> Result<Option<Bytes>> {
        Ok(self.recv().await?)
    }
}

impl Writer for SendHalf {
    async fn send(&mut self, data: Bytes) -> Result<()> {
        Ok(Self::send(self, data).await?)
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(Self::finish(self)?)
    }
}

fn dialer(carrier: CarrierKind, is_resumable: bool) -> Config {
    let mut config = Config::dialer(carrier);
    config.resumption = is_resumable.then(Resumption::dialer);
    config
}

fn acceptor(carrier: CarrierKind, is_resumable: bool) -> Config {
    let mut config = Config::acceptor(carrier);
    // Nobody comes back here, so that all sessions may have the same name.
    config.resumption = is_resumable.then(|| Resumption::acceptor(SessionId([0; 16]), Secret::new(identity::SEED)));
    config
}

/// The defaults, but for how much a peer may open and hold: the cells ask for more than the product allows.
fn drive(carrier: impl Transport, config: Config) -> Mux {
    let mut limits = Limits::default();
    limits.max_opens_per_second = u32::MAX;
    limits.max_small_frames_per_second = u32::MAX;
    limits.max_channels = 100_000;
    limits.max_buffered_bytes = u64::MAX / 2;
    let (mux, driver) = Mux::new(carrier, config, limits);
    tokio::spawn(driver);
    mux
}

async fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0".parse()?).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn accept(listener: &mut TcpListener) -> Result<Carrier<TcpStream>> {
    Ok(listener.accept().await?.handshake().await?)
}

async fn dial(to: SocketAddr) -> Result<Carrier<TcpStream>> {
    let dialer = TcpDialer { host: to.ip().to_string(), port: to.port(), connect_timeout: HANDSHAKE };
    Ok(dialer.dial().await?)
}

async fn next(session: &Mux) -> Option<driver::Channel> {
    Some(session.accept().await?.accept(Fields::new()))
}

fn open(session: &Mux, purpose: Purpose) -> Result<driver::Channel> {
    let mut open = Open::to("tcp://target");
    open.urgency = match purpose {
        Purpose::Bulk => Urgency::BULK,
        Purpose::Interactive => Urgency::INTERACTIVE,
    };
    Ok(session.open(open)?)
}

async fn join(near: TcpStream, far: driver::Channel) -> Result<()> {
    let (reader, writer) = near.into_split();
    Ok(towline_agent::pump::carry(far, reader, writer, Code::TARGET_LOST).await.end?)
}

async fn join_legs(near: driver::Channel, far: driver::Channel) -> Result<()> {
    match driver::relay(near, far).await {
        driver::RelayEnd::Finished => Ok(()),
        end => bail!("{end:?}"),
    }
}

impl<const RESUMABLE: bool> Arm for Tunnel<RESUMABLE> {
    type Listener = TcpListener;
    type Session = Mux;
    type Channel = driver::Channel;

    async fn listen() -> Result<(TcpListener, SocketAddr)> {
        listen().await
    }

    async fn accept(listener: &mut TcpListener) -> Result<Mux> {
        Ok(drive(accept(listener).await?, acceptor(CarrierKind::Magic, RESUMABLE)))
    }

    async fn next(session: &mut Mux) -> Option<driver::Channel> {
        next(session).await
    }

    async fn dial(to: SocketAddr) -> Result<Mux> {
        let mux = drive(dial(to).await?, dialer(CarrierKind::Magic, RESUMABLE));
        mux.connected().await?;
        Ok(mux)
    }

    async fn open(session: &Mux, purpose: Purpose) -> Result<driver::Channel> {
        open(session, purpose)
    }

    async fn join(near: TcpStream, far: driver::Channel) -> Result<()> {
        join(near, far).await
    }

    async fn join_legs(near: driver::Channel, far: driver::Channel) -> Result<()> {
        join_legs(near, far).await
    }
}

impl Arm for TunnelWebSocketTls {
    type Listener = (TcpListener, Arc<rustls::ServerConfig>);
    type Session = Mux;
    type Channel = driver::Channel;

    async fn listen() -> Result<(Self::Listener, SocketAddr)> {
        let (listener, address) = listen().await?;
        let (certificate, key) = identity::certificate()?;
        Ok(((listener, tls::server_config(vec![certificate], key, &[])?), address))
    }

    async fn accept((listener, config): &mut Self::Listener) -> Result<Mux> {
        let carrier = tls::accept(accept(listener).await?, config.clone(), HANDSHAKE).await?;
        let carrier = websocket::accept(carrier, Some(SUBPROTOCOL), HANDSHAKE).await?;
        Ok(drive(carrier, acceptor(CarrierKind::Negotiated, true)))
    }

    async fn next(session: &mut Mux) -> Option<driver::Channel> {
        next(session).await
    }

    async fn dial(to: SocketAddr) -> Result<Mux> {
        let (certificate, _) = identity::certificate()?;
        let config = tls::client_config(&Trust::Roots(vec![certificate]), &[])?;
        let carrier = tls::connect(dial(to).await?, identity::NAME, config, HANDSHAKE).await?;
        let request = ClientRequest {
            authority: identity::NAME.into(),
            path: "/".into(),
            headers: Vec::new(),
            subprotocol: Some(SUBPROTOCOL.into()),
        };
        let (carrier, _) = websocket::connect(carrier, &request, HANDSHAKE).await?;
        let mux = drive(carrier, dialer(CarrierKind::Negotiated, true));
        mux.connected().await?;
        Ok(mux)
    }

    async fn open(session: &Mux, purpose: Purpose) -> Result<driver::Channel> {
        open(session, purpose)
    }

    async fn join(near: TcpStream, far: driver::Channel) -> Result<()> {
        join(near, far).await
    }

    async fn join_legs(near: driver::Channel, far: driver::Channel) -> Result<()> {
        join_legs(near, far).await
    }
}
