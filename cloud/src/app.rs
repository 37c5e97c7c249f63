//! Everything that the parts of a running cloud share.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use towline_cloud_api::{CloudTrust, EnrolmentTicket, EnrolmentToken, ErrorCode};
use towline_tunnel_proto::MemoryBudget;

use crate::{
    agents::Agents,
    api::{Answering, Failure},
    auth::{Challenges, Passwords, Penalties},
    changes::Changes,
    connect::Pass,
    drain::Drain,
    metrics::Metrics,
    moment::{now_millis, rfc3339},
    random,
    seal::Sealer,
    sessions::{LiveSessions, Operators},
    single_use::SingleUse,
    store::{Actor, Store, Tenant},
    terminal::Terminals,
};

/// How long an enrolment token is good for unless somebody says otherwise.
const TICKET_SECONDS: u64 = 60 * 60;
const MAX_TICKET_SECONDS: u64 = 30 * 24 * 60 * 60;

/// A running cloud's state.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) agents: Agents,
    pub(crate) changes: Changes,
    pub(crate) sessions: LiveSessions,
    pub(crate) operators: Operators,
    pub(crate) passwords: Passwords,
    pub(crate) sealer: Sealer,
    pub(crate) answering: Answering,
    pub(crate) penalties: Penalties,
    pub(crate) challenges: Challenges,
    pub(crate) tickets: SingleUse<Pass>,
    pub(crate) login_links: SingleUse<()>,
    pub(crate) terminals: Terminals,
    pub(crate) trust: CloudTrust,
    /// Where devices may have their tunnel over QUIC.
    pub(crate) quic_port: Option<u16>,
    /// What all tunnels share.
    pub(crate) budget: MemoryBudget,
    /// How long a session waits for a connection, if it waits at all.
    pub(crate) resume_age: Duration,
    pub(crate) metrics: Metrics,
    pub(crate) drain: Drain,
    /// Every task that has to be over before the store closes.
    pub(crate) tasks: TaskTracker,
    /// Rings when the cloud is to stop.
    pub(crate) stop: CancellationToken,
}

impl App {
    /// Makes an enrolment token for the device of that name. Whoever calls has checked the right to.
    pub(crate) async fn issue_enrolment_token(
        self: &Arc<Self>,
        tenant: &Tenant,
        actor: &Actor,
        name: &str,
        valid_for_seconds: Option<u64>,
    ) -> Result<EnrolmentTicket, Failure> {
        crate::api::check_name("device", name)?;
        let seconds = valid_for_seconds.unwrap_or(TICKET_SECONDS);
        if seconds == 0 || seconds > MAX_TICKET_SECONDS {
            let detail = format!("valid_for_seconds is to be 1 to {MAX_TICKET_SECONDS}");
            return Err(Failure::new(ErrorCode::BadRequest, detail));
        }
        let token = EnrolmentToken { secret: random::bytes()?, trust: self.trust };
        let millis = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        let expires_at = now_millis().saturating_add(millis);
        let hash = random::sha256_hex(&token.secret);
        let device = self.store.issue_enrolment_token(tenant, actor, name, &hash, expires_at).await?;
        self.device_changed(tenant, &device.id);
        let presence = self.agents.presence(&device.id);
        Ok(EnrolmentTicket {
            token: token.to_string(),
            device: device.to_api(presence),
            expires_at: rfc3339(expires_at),
        })
    }
}
