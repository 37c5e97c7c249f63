//! The cloud's part: what comes from clients goes through one session to the agent.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use tokio::net::TcpListener;

use crate::{
    arm::{Arm, Purpose},
    process::say,
};

/// Where clients connect to, by what they want: a relay knows that before the first byte.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) bulk: SocketAddr,
    pub(crate) interactive: SocketAddr,
    /// For bulk that nobody reads; not there where both legs are of the arm.
    pub(crate) stalled: Option<SocketAddr>,
}

/// What the kernel may hold of a stalled connection, in bytes. Left to itself it holds more than a megabyte of each on loopback,
/// and a few hundred bring all of the machine's TCP to its limit (`tcp_mem`): that would be measured instead.
const STALLED_BYTES: usize = 64 * 1024;

/// client ─TCP─ relay ─arm─ agent.
pub(crate) async fn run<A: Arm>(agent: SocketAddr) -> Result<()> {
    let session = Arc::new(A::dial(agent).await?);
    let bind = || TcpListener::bind("127.0.0.1:0");
    let (bulk, interactive, stalled) = tokio::try_join!(bind(), bind(), bind())?;
    say(&Hello {
        bulk: bulk.local_addr()?,
        interactive: interactive.local_addr()?,
        stalled: Some(stalled.local_addr()?),
    })?;
    tokio::try_join!(
        serve::<A>(bulk, session.clone(), Purpose::Bulk, None),
        serve::<A>(interactive, session.clone(), Purpose::Interactive, None),
        serve::<A>(stalled, session, Purpose::Bulk, Some(STALLED_BYTES)),
    )?;
    Ok(())
}

async fn serve<A: Arm>(
    listener: TcpListener,
    session: Arc<A::Session>,
    purpose: Purpose,
    send_buffer_bytes: Option<usize>,
) -> Result<()> {
    loop {
        let (near, _) = listener.accept().await?;
        if let Some(bytes) = send_buffer_bytes {
            SockRef::from(&near).set_send_buffer_size(bytes)?;
        }
        near.set_nodelay(true)?;
        let session = session.clone();
        tokio::spawn(async move { A::join(near, A::open(&session, purpose).await?).await });
    }
}

/// client ─arm─ relay ─arm─ agent.
pub(crate) async fn run_legs<A: Arm>(agent: SocketAddr) -> Result<()> {
    let session = Arc::new(A::dial(agent).await?);
    let ((bulk, bulk_address), (interactive, interactive_address)) = (A::listen().await?, A::listen().await?);
    say(&Hello { bulk: bulk_address, interactive: interactive_address, stalled: None })?;
    tokio::try_join!(
        serve_legs::<A>(bulk, session.clone(), Purpose::Bulk),
        serve_legs::<A>(interactive, session, Purpose::Interactive),
    )?;
    Ok(())
}

async fn serve_legs<A: Arm>(mut listener: A::Listener, far: Arc<A::Session>, purpose: Purpose) -> Result<()> {
    loop {
        let mut session = A::accept(&mut listener).await?;
        let far = far.clone();
        tokio::spawn(async move {
            while let Some(near) = A::next(&mut session).await {
                let far = far.clone();
                tokio::spawn(async move { A::join_legs(near, A::open(&far, purpose).await?).await });
            }
        });
    }
}
