//! The vault: the secrets that endpoints are signed in to with. They go in, are kept sealed, and come out only where the
//! cloud itself speaks with a target.

use towline_cloud_api::Secret;
use zeroize::Zeroizing;

use crate::{
    app::App,
    seal::Unsealable,
    store::{self, Tenant},
};

/// Which secret of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Password,
}

impl Field {
    /// The word in the store and in the audit.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
        }
    }
}

/// A secret as the store keeps it.
pub(crate) struct Sealed {
    pub(crate) field: Field,
    pub(crate) text: String,
}

/// Why a secret does not come out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Unsealable(#[from] Unsealable),
}

impl App {
    /// Seals a secret for its place, which is the only one that it can be opened at.
    pub(crate) fn seal(
        &self,
        tenant: &Tenant,
        endpoint_id: &str,
        field: Field,
        secret: &Secret,
    ) -> Result<Sealed, Unsealable> {
        let text = self.sealer.seal(&place(tenant, endpoint_id, field), secret.expose().as_bytes())?;
        Ok(Sealed { field, text })
    }

    /// A secret of an endpoint, if one is kept.
    pub(crate) async fn secret(
        &self,
        tenant: &Tenant,
        endpoint_id: &str,
        field: Field,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let sealed = self.store.credential(tenant, endpoint_id, field.as_str()).await?;
        Ok(sealed.map(|sealed| self.sealer.open(&place(tenant, endpoint_id, field), &sealed)).transpose()?)
    }
}

fn place(tenant: &Tenant, endpoint_id: &str, field: Field) -> String {
    format!("towline vault v1/{}/{endpoint_id}/{}", tenant.as_str(), field.as_str())
}
