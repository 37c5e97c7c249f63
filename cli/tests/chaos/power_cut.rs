//! A site whose power comes back: hundreds of agents behind one address, all at once. The cloud drops many of them, as it keeps
//! few connections of one source that have not asked anything; they try again, each when chance says so.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use towline_agent::{Agent, Enrolment, WayOut};

use crate::site::{Site, eventually};

const AGENTS: usize = 300;
/// So many enrol at a time.
const AT_A_TIME: usize = 16;
/// From the site to the cloud.
const ONE_WAY: Duration = Duration::from_millis(40);

/// Passes bytes on as late as a long way would.
async fn late(mut from: impl tokio::io::AsyncRead + Unpin, mut to: impl tokio::io::AsyncWrite + Unpin) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + ONE_WAY, buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((at, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(at.into()).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        drop(to.shutdown().await);
    };
    tokio::join!(reading, writing);
}

/// The far end of a long way to `to`.
async fn long_way(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(ONE_WAY).await;
                let Ok(far) = TcpStream::connect(to).await else { return };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tokio::join!(late(near_in, far_out), late(far_in, near_out));
            });
        }
    });
    address
}

#[test]
fn hundreds_of_agents_that_come_at_once_from_one_address_are_soon_online() {
    let site = Site::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cloud = runtime.block_on(long_way(site.address));
    let mut agents = Vec::new();
    for group in (0..AGENTS).collect::<Vec<_>>().chunks(AT_A_TIME) {
        let enrolling: Vec<_> = group
            .iter()
            .map(|number| {
                let name = format!("pump-{number}");
                let enrolment = Enrolment {
                    cloud: format!("https://{cloud}").parse().unwrap(),
                    token: site.ticket(&name).0.parse().unwrap(),
                    name: None,
                    data_dir: site.path(&name),
                    way_out: WayOut::default(),
                };
                runtime.spawn(async move { Agent::enrol(&enrolment).await.unwrap() })
            })
            .collect();
        agents.extend(enrolling.into_iter().map(|agent| runtime.block_on(agent).unwrap()));
    }

    for agent in agents {
        runtime.spawn(async move { agent.run(std::future::pending()).await });
    }
    let took = eventually("all are online", || site.list("/devices").iter().all(|device| device["online"] == true));
    eprintln!("{AGENTS} agents that came at once were online after {took:?}");
}
