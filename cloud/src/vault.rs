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
    PrivateKey,
    /// Of the private key.
    Passphrase,
}

impl Field {
    const ALL: [Self; 3] = [Self::Password, Self::PrivateKey, Self::Passphrase];

    /// The word in the store and in the audit.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PrivateKey => "private key",
            Self::Passphrase => "passphrase",
        }
    }
}

/// A secret as the store keeps it.
pub(crate) struct Sealed {
    pub(crate) field: Field,
    pub(crate) text: String,
}

/// The secrets of an endpoint, open.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(Field, Zeroizing<Vec<u8>>)>);

impl Secrets {
    /// Puts a secret in the place of the one that was there.
    pub(crate) fn put(&mut self, field: Field, secret: Zeroizing<Vec<u8>>) {
        self.0.retain(|(known, _)| *known != field);
        self.0.push((field, secret));
    }

    /// Takes a secret out, if there is one.
    pub(crate) fn take(&mut self, field: Field) -> Option<Zeroizing<Vec<u8>>> {
        let index = self.0.iter().position(|(known, _)| *known == field)?;
        Some(self.0.swap_remove(index).1)
    }
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

    /// The secrets that are kept for an endpoint.
    pub(crate) async fn secrets(&self, tenant: &Tenant, endpoint_id: &str) -> Result<Secrets, Error> {
        let mut secrets = Secrets::default();
        for (word, sealed) in self.store.credentials(tenant, endpoint_id).await? {
            let field = Field::ALL.into_iter().find(|field| field.as_str() == word).ok_or(Unsealable)?;
            secrets.put(field, self.sealer.open(&place(tenant, endpoint_id, field), &sealed)?);
        }
        Ok(secrets)
    }
}

fn place(tenant: &Tenant, endpoint_id: &str, field: Field) -> String {
    format!("towline vault v1/{}/{endpoint_id}/{}", tenant.as_str(), field.as_str())
}
