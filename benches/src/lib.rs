//! The paths that the benches measure: all parts in one process, bytes over loopback.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let runtime = tokio::runtime::Runtime::new()?;
//! runtime.block_on(async {
//!     let path = towline_benches::Path::open(towline_benches::Kind::TunnelTcp).await?;
//!     assert_eq!(path.download(100_000).await?, 100_000);
//!     assert_eq!(path.echo(64).await?, 64);
//!     Ok(())
//! })
//! # }
//! ```

#![forbid(unsafe_code)]

use std::io;

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use towline_transport::{
    Carrier, Dialer, Incoming, Listener, Transport,
    tcp::{TcpDialer, TcpListener as Tcp},
    tls::{self, Trust},
    websocket::{self, ClientRequest},
};
use towline_tunnel_proto::{
    CarrierKind, Code, Config, Fields, Limits, Open,
    driver::{Channel, Mux, relay},
};

/// The copier's buffers, in bytes.
const COPY_BYTES: usize = 64 * 1024;
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(10);

/// How bytes get from the target to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// operator ─TCP─ copier ─TCP─ copier ─TCP─ target: the same hops with nothing but copying.
    TcpCopy,
    /// operator ─tunnel/TCP─ relay ─tunnel/TCP─ agent ─TCP─ target.
    TunnelTcp,
    /// operator ─tunnel/WebSocket/TLS─ relay ─tunnel/WebSocket/TLS─ agent ─TCP─ target.
    TunnelWebSocketTls,
}

/// A path that is up.
#[derive(Debug)]
pub struct Path(Way);

#[derive(Debug)]
enum Way {
    Copy(std::net::SocketAddr),
    Tunnel(Mux),
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Path {
    /// Starts everything on loopback.
    ///
    /// # Errors
    ///
    /// If the machine has no loopback to listen on.
    pub async fn open(kind: Kind) -> Result<Self, Failure> {
        let target = target().await?;
        Ok(Self(match kind {
            Kind::TcpCopy => Way::Copy(copier(copier(target).await?).await?),
            Kind::TunnelTcp | Kind::TunnelWebSocketTls => {
                let (operator, cloud_operator) = session(kind).await?;
                let (device, cloud_device) = session(kind).await?;
                tokio::spawn(agent(device, target));
                tokio::spawn(async move {
                    while let Some(incoming) = cloud_operator.accept().await {
                        let Ok(onward) = cloud_device.open(Open::to("tcp://target")) else { return };
                        tokio::spawn(relay(incoming.accept(Fields::new()), onward));
                    }
                });
                Way::Tunnel(operator)
            }
        }))
    }

    /// Asks the target for `bytes` and counts what comes.
    ///
    /// # Errors
    ///
    /// If the path breaks.
    pub async fn download(&self, bytes: u64) -> Result<u64, Failure> {
        let question = request(b'd', bytes);
        match &self.0 {
            Way::Copy(address) => {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(&question).await?;
                stream.shutdown().await?;
                let mut buffer = vec![0; COPY_BYTES];
                let mut count = 0;
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Ok(count),
                        length => count += length as u64,
                    }
                }
            }
            Way::Tunnel(mux) => {
                let mut channel = mux.open(Open::to("target"))?;
                channel.send(Bytes::copy_from_slice(&question)).await?;
                channel.finish().await?;
                let mut count = 0;
                while let Some(data) = channel.recv().await? {
                    count += data.len() as u64;
                }
                Ok(count)
            }
        }
    }

    /// Sends `bytes` and waits until the target has sent them back, over a connection of its own.
    ///
    /// # Errors
    ///
    /// If the path breaks.
    pub async fn echo(&self, bytes: u64) -> Result<u64, Failure> {
        let mut question = request(b'e', bytes).to_vec();
        question.resize(question.len() + usize::try_from(bytes)?, 7);
        let exchange = |mut stream: Box<dyn Transport>| async move {
            stream.write_all(&question).await?;
            stream.shutdown().await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<u64, io::Error>(answer.len() as u64)
        };
        Ok(match &self.0 {
            Way::Copy(address) => exchange(Box::new(TcpStream::connect(address).await?)).await?,
            Way::Tunnel(mux) => exchange(Box::new(mux.open(Open::to("target"))?)).await?,
        })
    }
}

/// `d` or `e` and a number: what the target understands.
fn request(verb: u8, bytes: u64) -> [u8; 9] {
    let mut request = [verb; 9];
    request[1..].copy_from_slice(&bytes.to_be_bytes());
    request
}

/// Listens; sends as many bytes as it is asked for, or sends back what it is sent.
async fn target() -> Result<std::net::SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let verb = stream.read_u8().await?;
                let mut left = stream.read_u64().await?;
                if verb == b'e' {
                    let (mut input, mut output) = stream.split();
                    tokio::io::copy(&mut input, &mut output).await?;
                } else {
                    let block = vec![7; COPY_BYTES];
                    while left > 0 {
                        let part = block.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(&block);
                        stream.write_all(part).await?;
                        left -= part.len() as u64;
                    }
                }
                stream.shutdown().await
            });
        }
    });
    Ok(address)
}

/// Listens; copies both ways to `onward` for each connection.
async fn copier(onward: std::net::SocketAddr) -> Result<std::net::SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(onward).await?;
                near.set_nodelay(true)?;
                far.set_nodelay(true)?;
                tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, COPY_BYTES, COPY_BYTES).await
            });
        }
    });
    Ok(address)
}

/// The device's side: every channel becomes a connection to `target`.
async fn agent(mux: Mux, target: std::net::SocketAddr) {
    while let Some(incoming) = mux.accept().await {
        tokio::spawn(async move {
            let stream = TcpStream::connect(target).await?;
            stream.set_nodelay(true)?;
            let channel: Channel = incoming.accept(Fields::new());
            let (reader, writer) = stream.into_split();
            towline_agent::pump::carry(channel, reader, writer, Code::TARGET_LOST).await;
            Ok::<(), io::Error>(())
        });
    }
}

/// Two ends of a session over loopback: the dialer's and the acceptor's.
async fn session(kind: Kind) -> Result<(Mux, Mux), Failure> {
    let mut listener = Tcp::bind("127.0.0.1:0".parse()?).await?;
    let address = listener.local_addr()?;
    let dialer = TcpDialer { host: address.ip().to_string(), port: address.port(), connect_timeout: HANDSHAKE };
    let (near, far) = tokio::try_join!(dialer.dial(), async { listener.accept().await?.handshake().await })?;
    if kind == Kind::TunnelTcp {
        return Ok((drive(near, Config::dialer(CarrierKind::Magic)), drive(far, Config::acceptor(CarrierKind::Magic))));
    }
    let (near, far) = wrap(near, far).await?;
    Ok((drive(near, Config::dialer(CarrierKind::Negotiated)), drive(far, Config::acceptor(CarrierKind::Negotiated))))
}

async fn wrap<S: Transport>(
    near: Carrier<S>,
    far: Carrier<S>,
) -> Result<(Carrier<impl Transport>, Carrier<impl Transport>), Failure> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into()])?.self_signed(&key)?;
    let server = tls::server_config(
        vec![certificate.der().clone()],
        rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        &[],
    )?;
    let client = tls::client_config(&Trust::Roots(vec![certificate.der().clone()]), &[])?;
    let (near, far) =
        tokio::try_join!(tls::connect(near, "localhost", client, HANDSHAKE), tls::accept(far, server, HANDSHAKE))?;
    let request = ClientRequest {
        authority: "localhost".into(),
        path: "/".into(),
        headers: Vec::new(),
        subprotocol: Some("towline.tunnel.v1".into()),
    };
    let (near, far) = tokio::try_join!(
        async { websocket::connect(near, &request, HANDSHAKE).await.map(|(carrier, _)| carrier) },
        websocket::accept(far, Some("towline.tunnel.v1"), HANDSHAKE),
    )?;
    Ok((near, far))
}

fn drive<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(io: S, config: Config) -> Mux {
    let mut limits = Limits::default();
    // One operator opens as fast as it can.
    limits.max_opens_per_second = u32::MAX;
    let (mux, driver) = Mux::new(io, config, limits);
    tokio::spawn(driver);
    mux
}
