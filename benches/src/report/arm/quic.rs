//! quinn: a bidirectional QUIC stream per channel, with the crate's defaults but for its limit on streams. Its own
//! priorities put interactive streams first.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use quinn::{
    ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig, TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use towline_transport::tls::{self, Trust};

use super::{Arm, CHUNK_BYTES, Channel, Purpose, Reader, Writer};
use crate::identity;

pub(crate) struct Quic;

impl Channel for (SendStream, RecvStream) {
    type Reader = RecvStream;
    type Writer = SendStream;

    fn split(self) -> (RecvStream, SendStream) {
        (self.1, self.0)
    }
}

impl Reader for RecvStream {
    async fn receive(&mut self) -> Result<Option<Bytes>> {
        Ok(self.read_chunk(CHUNK_BYTES, true).await?.map(|chunk| chunk.bytes))
    }
}

impl Writer for SendStream {
    async fn send(&mut self, data: Bytes) -> Result<()> {
        Ok(self.write_chunk(data).await?)
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(Self::finish(self)?)
    }

    fn is_for(&mut self, purpose: Purpose) {
        // Fails only on a stream that is gone.
        let _ = self.set_priority(match purpose {
            Purpose::Bulk => 0,
            Purpose::Interactive => 1,
        });
    }
}

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(100_000_u32.into());
    Arc::new(transport)
}

impl Arm for Quic {
    type Listener = Endpoint;
    type Session = Connection;
    type Channel = (SendStream, RecvStream);

    async fn listen() -> Result<(Endpoint, SocketAddr)> {
        let (certificate, key) = identity::certificate()?;
        let crypto = tls::server_config(vec![certificate], key, &[])?;
        let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(crypto)?));
        config.transport_config(transport());
        let endpoint = Endpoint::server(config, "127.0.0.1:0".parse()?)?;
        let address = endpoint.local_addr()?;
        Ok((endpoint, address))
    }

    async fn accept(listener: &mut Endpoint) -> Result<Connection> {
        Ok(listener.accept().await.context("the endpoint is closed")?.await?)
    }

    async fn next(session: &mut Connection) -> Option<(SendStream, RecvStream)> {
        session.accept_bi().await.ok()
    }

    async fn dial(to: SocketAddr) -> Result<Connection> {
        let (certificate, _) = identity::certificate()?;
        let crypto = tls::client_config(&Trust::Roots(vec![certificate]), &[])?;
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto)?));
        config.transport_config(transport());
        let endpoint = Endpoint::client("127.0.0.1:0".parse()?)?;
        Ok(endpoint.connect_with(config, to, identity::NAME)?.await?)
    }

    async fn open(session: &Connection, purpose: Purpose) -> Result<(SendStream, RecvStream)> {
        let (mut sender, receiver) = session.open_bi().await?;
        sender.is_for(purpose);
        Ok((sender, receiver))
    }
}
