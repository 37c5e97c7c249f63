//! The demo device of `towline up --demo`: servers of our own, on loopback, to try everything with.

mod panel;
mod screen;
mod vnc;

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use towline_cloud_api::{CreateEndpoint, Device, Endpoint, ErrorCode, Problem, Protocol, UpdateEndpoint};

use self::screen::Screen;
use crate::api::Api;

/// What the device is called.
pub(crate) const DEVICE: &str = "demo-device";

/// Connections to one server at once. What comes beyond that is closed.
const MAX_CONNECTIONS: usize = 8;
/// How often the clock of the screen moves.
const FRAME: Duration = Duration::from_millis(50);
/// After a failure to accept, which is not the peer's (no more files, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The device's servers. They end when this is dropped.
pub(crate) struct Demo {
    offers: Vec<Offer>,
    _servers: JoinSet<()>,
    /// Keeps its port from being anybody's, and refuses connections.
    _broken: TcpSocket,
}

/// An endpoint that the device has.
struct Offer {
    name: &'static str,
    protocol: Protocol,
    port: u16,
}

impl Demo {
    pub(crate) fn start() -> Result<Self, Problem> {
        Self::listen().map_err(|error| Problem::new(ErrorCode::ListenFailed, format!("the demo device: {error}")))
    }

    fn listen() -> io::Result<Self> {
        let mut servers = JoinSet::new();

        let screen = Arc::new(Screen::new().map_err(io::Error::other)?);
        let (vnc, vnc_port) = listener()?;
        servers.spawn(move_clock(Arc::clone(&screen)));
        servers.spawn(serve(vnc, move |stream| vnc::serve(stream, Arc::clone(&screen))));

        let broken = TcpSocket::new_v4()?;
        broken.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let broken_port = broken.local_addr()?.port();

        let offers = vec![
            Offer { name: "HMI screen", protocol: Protocol::Vnc, port: vnc_port },
            Offer { name: "Broken", protocol: Protocol::Vnc, port: broken_port },
        ];
        Ok(Self { offers, _servers: servers, _broken: broken })
    }

    /// Gives the device its endpoints, or those that it has from the last time their ports; returns all it has.
    pub(crate) async fn offer(&self, api: &Api, device: &Device) -> Result<Vec<Endpoint>, Problem> {
        let path = ["devices", &device.id, "endpoints"];
        let mut endpoints: Vec<Endpoint> = api.list(&path, &[], usize::MAX).await?;
        for Offer { name, protocol, port } in &self.offers {
            let host = Ipv4Addr::LOCALHOST.to_string();
            match endpoints.iter_mut().find(|endpoint| endpoint.name == *name) {
                Some(endpoint) => {
                    let change = UpdateEndpoint { host: Some(host), port: Some(*port), ..UpdateEndpoint::default() };
                    *endpoint = api.patch(&["devices", &device.id, "endpoints", &endpoint.id], &change).await?;
                }
                None => {
                    let wish = CreateEndpoint {
                        name: (*name).into(),
                        protocol: *protocol,
                        host,
                        port: *port,
                        ..CreateEndpoint::default()
                    };
                    endpoints.push(api.post(&path, &wish).await?);
                }
            }
        }
        Ok(endpoints)
    }
}

fn listener() -> io::Result<(TcpListener, u16)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(16)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// Serves each connection in a task of its own. Never ends.
async fn serve<F>(listener: TcpListener, one: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while connections.try_join_next().is_some() {}
                if connections.len() < MAX_CONNECTIONS {
                    connections.spawn(one(stream));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the demo device cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Moves the clock while somebody sees it. Never ends.
async fn move_clock(screen: Arc<Screen>) {
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        frames.tick().await;
        if screen.has_viewers()
            && let Err(error) = screen.change(|panel| panel.tick(OffsetDateTime::now_utc()))
        {
            tracing::error!(%error, "the demo device's screen cannot be painted");
        }
    }
}
