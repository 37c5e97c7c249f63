//! The channels that the cloud opens, each to one target.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use towline_tunnel_proto::{
    Code, FieldKey, Fields,
    driver::{Incoming, Mux},
};

use crate::{
    pump::{self, Break},
    single_line, target,
};

/// Takes channels until the session ends. Those that run are dropped with the returned future.
///
/// # Cancel safety
///
/// Cancelling breaks off every channel.
pub(crate) async fn serve(mux: &Mux, data_dir: PathBuf, max_channels: usize) {
    let slots = Arc::new(Semaphore::new(max_channels));
    let data_dir: Arc<PathBuf> = data_dir.into();
    let mut channels = tokio::task::JoinSet::new();
    while let Some(incoming) = mux.accept().await {
        while channels.try_join_next().is_some() {}
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => {
                channels.spawn(connect(incoming, Arc::clone(&data_dir), slot));
            }
            Err(_) => {
                tracing::warn!(max_channels, "refused a connection: too many are open");
                incoming.refuse(Code::QUOTA, &format!("the device's agent has {max_channels} connections open"));
            }
        }
    }
}

async fn connect(incoming: Incoming, data_dir: Arc<PathBuf>, _slot: OwnedSemaphorePermit) {
    let open = incoming.open();
    let (target, urgency) = (open.target.clone(), open.urgency);
    let shown = single_line(&target);
    let operation = single_line(open.fields.text(FieldKey::SESSION_ID).unwrap_or("unknown"));
    let user = single_line(open.fields.text(FieldKey::USER).unwrap_or("unknown"));
    let (mut stream, address) = match target::connect(&target, &data_dir).await {
        Ok(connected) => connected,
        Err(refusal) => {
            tracing::warn!(operation, user, target = shown, code = ?refusal.code, %refusal, "target not connected");
            incoming.refuse(refusal.code, &refusal.reason);
            return;
        }
    };
    tracing::info!(operation, user, target = shown, %address, urgency = urgency.0, "connected");
    let channel = incoming.accept(Fields::new().with(FieldKey::PEER_ADDRESS, address.to_string()));
    let (reader, writer) = stream.split();
    let carried = pump::carry(channel, reader, writer, Code::TARGET_LOST).await;
    let (sent_bytes, received_bytes) = (carried.sent_bytes, carried.received_bytes);
    match carried.end {
        Ok(()) => tracing::info!(operation, sent_bytes, received_bytes, "finished"),
        Err(Break::Local(error)) => {
            tracing::info!(operation, sent_bytes, received_bytes, %error, "the target broke the connection");
        }
        Err(Break::Channel(ended)) => {
            // The target learns that it was broken off, not finished.
            drop(stream.set_zero_linger());
            let reason = single_line(&ended.to_string());
            tracing::info!(operation, sent_bytes, received_bytes, reason, "broken off by the cloud's side");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};
    use towline_tunnel_proto::{CarrierKind, Config, Limits, Open};

    use super::*;

    #[tokio::test]
    async fn one_connection_more_than_allowed_is_refused_and_a_freed_place_is_taken() {
        let data_dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (a, b) = tokio::io::duplex(64 * 1024);
        let (cloud, driver) = Mux::new(a, Config::acceptor(CarrierKind::Magic), Limits::default());
        tokio::spawn(driver);
        let (agent, driver) = Mux::new(b, Config::dialer(CarrierKind::Magic), Limits::default());
        tokio::spawn(driver);
        let folder = data_dir.path().to_owned();
        tokio::spawn(async move { serve(&agent, folder, 1).await });
        let open = || cloud.open(Open::to(format!("tcp://{address}"))).unwrap();

        let mut first = open();
        let fields = first.accepted().await.unwrap();
        assert_eq!(fields.text(FieldKey::PEER_ADDRESS), Some(&*address.to_string()));
        let (mut target, _) = listener.accept().await.unwrap();

        let refused = open().accepted().await.unwrap_err();
        assert_eq!(refused.code, Code::QUOTA);
        assert!(refused.reason.contains("1 connections"), "{refused}");

        // The operator breaks off: the target sees a broken connection, and the place is free.
        first.reset(Code::CANCEL, "");
        assert!(target.read_u8().await.is_err());
        while open().accepted().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
