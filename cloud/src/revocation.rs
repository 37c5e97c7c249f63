//! Taking away: what is to end at once when a right, an endpoint, a user, a device or a token goes.
//!
//! Each of these is called after the change was committed. A session that is just beginning has its place among the
//! live ones before the store is asked whether it may start, so that it meets one or the other.

use towline_cloud_api::Protocol;
use towline_tunnel_proto::Code;

use crate::{
    app::App,
    store::{Footing, Tenant},
};

impl App {
    /// Ends the sessions that `concerns` picks and that may no longer be. If the store cannot say, they end.
    pub(crate) async fn reconsider(&self, tenant: &Tenant, reason: &str, concerns: impl Fn(&Footing) -> bool) {
        for (session_id, footing) in self.sessions.live() {
            if footing.tenant != *tenant || !concerns(&footing) {
                continue;
            }
            let holds = self.store.holds(&footing).await.unwrap_or_else(|error| {
                tracing::error!(%error, session = session_id, "a session's rights could not be looked at");
                false
            });
            if !holds {
                self.sessions.revoke_one(&session_id, reason);
            }
        }
    }

    /// Ends what a user has open, but for what came through the token `kept`.
    pub(crate) fn revoke_user(&self, user_id: &str, kept: Option<&str>, reason: &str) {
        let concerns = |footing: &Footing| footing.user_id == user_id && Some(footing.token_hash.as_str()) != kept;
        self.sessions.revoke(reason, concerns);
        self.operators.revoke_user(user_id, kept, reason);
    }

    /// Ends what was opened with a token.
    pub(crate) fn revoke_token(&self, token_hash: &str, reason: &str) {
        self.sessions.revoke(reason, |footing| footing.token_hash == token_hash);
        self.operators.revoke_token(token_hash, reason);
    }

    /// Ends a device's connection and sessions.
    pub(crate) fn revoke_device(&self, device_id: &str, code: Code, reason: &str) {
        self.sessions.revoke(reason, |footing| footing.device_id == device_id);
        self.agents.close(device_id, code, reason);
    }

    /// Ends the sessions of a protocol.
    pub(crate) async fn revoke_protocol(&self, tenant: &Tenant, protocol: Protocol, reason: &str) {
        for (session_id, footing) in self.sessions.live() {
            if footing.tenant != *tenant {
                continue;
            }
            let endpoint = self.store.endpoint(tenant, &footing.device_id, &footing.endpoint_id).await;
            // If the store cannot say, they end.
            if endpoint.map_or(true, |found| found.is_none_or(|stored| stored.endpoint.protocol == protocol)) {
                self.sessions.revoke_one(&session_id, reason);
            }
        }
    }

    /// Ends an endpoint's sessions.
    pub(crate) fn revoke_endpoint(&self, endpoint_id: &str, reason: &str) {
        self.sessions.revoke(reason, |footing| footing.endpoint_id == endpoint_id);
    }
}
