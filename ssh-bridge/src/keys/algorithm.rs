//! What kind of key it is.

use std::fmt;

use crate::keys::Curve;

/// The algorithm of a key, by its name in SSH: an open space of names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// `ssh-rsa`: RSA, whatever hash it signs with.
    Rsa,
    /// `ssh-dss`: DSA. OpenSSH 10 has forgotten it.
    Dsa,
    /// `ecdsa-sha2-nistp256` and its kin.
    Ecdsa(Curve),
    /// `ssh-ed25519`.
    Ed25519,
    /// `ssh-ed448`: carried from container to container; nothing is computed.
    Ed448,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`: the private half is in a security key.
    SkEcdsaP256,
    /// `sk-ssh-ed25519@openssh.com`: the private half is in a security key.
    SkEd25519,
    /// Any other: kept as it is.
    Other(String),
}

impl Algorithm {
    /// The name in SSH.
    pub fn name(&self) -> &str {
        match self {
            Self::Rsa => "ssh-rsa",
            Self::Dsa => "ssh-dss",
            Self::Ecdsa(Curve::P256) => "ecdsa-sha2-nistp256",
            Self::Ecdsa(Curve::P384) => "ecdsa-sha2-nistp384",
            Self::Ecdsa(Curve::P521) => "ecdsa-sha2-nistp521",
            Self::Ed25519 => "ssh-ed25519",
            Self::Ed448 => "ssh-ed448",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::Other(name) => name,
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        match name {
            "ssh-rsa" => Self::Rsa,
            "ssh-dss" => Self::Dsa,
            "ecdsa-sha2-nistp256" => Self::Ecdsa(Curve::P256),
            "ecdsa-sha2-nistp384" => Self::Ecdsa(Curve::P384),
            "ecdsa-sha2-nistp521" => Self::Ecdsa(Curve::P521),
            "ssh-ed25519" => Self::Ed25519,
            "ssh-ed448" => Self::Ed448,
            "sk-ecdsa-sha2-nistp256@openssh.com" => Self::SkEcdsaP256,
            "sk-ssh-ed25519@openssh.com" => Self::SkEd25519,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name of certificates over keys of this algorithm.
    ///
    /// Spec: OpenSSH's PROTOCOL.certkeys.
    pub(crate) fn certificate_name(&self) -> String {
        match self.name().split_once('@') {
            Some((name, domain)) => format!("{name}-cert-v01@{domain}"),
            None => format!("{}-cert-v01@openssh.com", self.name()),
        }
    }

    /// The algorithm under a certificate of this name; `None` if it names no certificate.
    pub(crate) fn of_certificate(name: &str) -> Option<Self> {
        let (plain, domain) = name.split_once('@')?;
        let plain = plain.strip_suffix("-cert-v01")?;
        Some(match plain.starts_with("sk-") {
            true => Self::named(&format!("{plain}@{domain}")),
            false => Self::named(plain),
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl From<&str> for Algorithm {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}
