//! Keeps the served certificate good while the cloud runs.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::identity::Certificates;

/// The cloud's own leaf is looked at this often; it is renewed a month before its end.
const LOOK_AT_OWN: Duration = Duration::from_secs(24 * 60 * 60);
/// Files that somebody else renews are looked at this often.
const LOOK_AT_FILES: Duration = Duration::from_secs(15);

/// Renews the certificate when it is time, when its files have changed, and when `asked` to.
pub(crate) async fn keep(certificates: Arc<Certificates>, asked: Arc<Notify>, stop: CancellationToken) {
    let mut look_at_own = Instant::now() + LOOK_AT_OWN;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = asked.notified() => {}
            () = sleep_until(look_at_own) => {}
            () = tokio::time::sleep(LOOK_AT_FILES) => if !certificates.is_outdated() {
                continue;
            },
        }
        look_at_own = Instant::now() + LOOK_AT_OWN;
        let renewing = certificates.clone();
        match tokio::task::spawn_blocking(move || renewing.renew()).await {
            Ok(Ok(true)) => tracing::info!("another certificate is served from now on"),
            Ok(Ok(false)) => tracing::debug!("the certificate is still good"),
            Ok(Err(error)) => tracing::error!(%error, "the certificate cannot be renewed; the old one is still served"),
            Err(error) => tracing::error!(%error, "the certificate cannot be renewed; the old one is still served"),
        }
    }
}
