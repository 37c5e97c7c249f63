//! The demo device of `towline up --demo`: servers of our own, on loopback, to try everything with.

mod panel;
mod screen;
mod shell;
mod ssh;
mod telnet;
mod vnc;

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use towline_cloud_api::{CreateEndpoint, Device, Endpoint, ErrorCode, Problem, Protocol, SignIn, UpdateEndpoint};

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
    offers: Vec<CreateEndpoint>,
    _servers: JoinSet<()>,
    /// Keeps its port from being anybody's, and refuses connections.
    _broken: TcpSocket,
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

        let (ssh, ssh_port) = listener()?;
        let (config, host_key) = ssh::config().map_err(io::Error::other)?;
        servers.spawn(serve(ssh, move |stream| ssh::serve(stream, Arc::clone(&config))));

        let (telnet, telnet_port) = listener()?;
        servers.spawn(serve(telnet, telnet::serve));

        let on = |protocol, name: &str, port| CreateEndpoint {
            name: name.into(),
            protocol,
            host: Ipv4Addr::LOCALHOST.to_string(),
            port,
            ..CreateEndpoint::default()
        };
        let shell = CreateEndpoint {
            sign_in: Some(SignIn::Password),
            user: Some(ssh::USER.into()),
            password: Some(ssh::PASSWORD.to_owned().into()),
            host_keys: Some(host_key),
            ..on(Protocol::Ssh, "Shell", ssh_port)
        };
        let offers = vec![
            on(Protocol::Vnc, "HMI screen", vnc_port),
            shell,
            on(Protocol::Telnet, "Old console", telnet_port),
            on(Protocol::Vnc, "Broken", broken_port),
        ];
        Ok(Self { offers, _servers: servers, _broken: broken })
    }

    /// Gives the device its endpoints, or those that it has from the last time what is new: ports and keys. Returns all it
    /// has.
    pub(crate) async fn offer(&self, api: &Api, device: &Device) -> Result<Vec<Endpoint>, Problem> {
        let path = ["devices", &device.id, "endpoints"];
        let mut endpoints: Vec<Endpoint> = api.list(&path, &[], usize::MAX).await?;
        for offer in &self.offers {
            let known = |endpoint: &&mut Endpoint| endpoint.name == offer.name && endpoint.protocol == offer.protocol;
            match endpoints.iter_mut().find(known) {
                Some(endpoint) => {
                    let change = UpdateEndpoint {
                        host: Some(offer.host.clone()),
                        port: Some(offer.port),
                        host_keys: offer.host_keys.clone(),
                        ..UpdateEndpoint::default()
                    };
                    *endpoint = api.patch(&["devices", &device.id, "endpoints", &endpoint.id], &change).await?;
                }
                None => endpoints.push(api.post(&path, offer).await?),
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
