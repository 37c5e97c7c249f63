//! dropbear's keys: the algorithm's name and its numbers, without armour or encryption. A public key's blob begins alike.
//!
//! Spec: dropbear's signkey.c.

use crate::keys::{
    Algorithm, Certificate, Curve, Error, Format, Limits, PrivateKey, PublicKey,
    error::corrupt,
    file::Content,
    private::{Dsa, Ecdsa, Ed25519, PrivateParts, Rsa, RsaNumbers},
    public::algorithm_name,
    wire::Reader,
};

const WHAT: &str = "dropbear key";

pub(crate) fn decode(input: &[u8], limits: &Limits) -> Result<(Format, Content), Error> {
    let mut reader = Reader::new(WHAT, input);
    let name = reader.text()?;
    if Algorithm::of_certificate(name).is_some() {
        let certificate = Certificate::from_blob(input, limits)?;
        return Ok((Format::Certificate, Content::Certificate(Box::new(certificate))));
    }
    let algorithm = algorithm_name(name)?;
    if let Ok(public) = PublicKey::from_blob(input, limits) {
        return Ok((Format::OneLine, Content::Public(public)));
    }
    let parts = match &algorithm {
        Algorithm::Rsa => {
            let (e, n, d) = (reader.mpint()?, reader.mpint()?, reader.mpint()?);
            let (p, q) = (reader.mpint()?, reader.mpint()?);
            PrivateParts::Rsa(Rsa::new(RsaNumbers { n, e, d, p, q, iqmp: None }, limits)?)
        }
        Algorithm::Dsa => {
            let (p, q, g, y) = (reader.mpint()?, reader.mpint()?, reader.mpint()?, reader.mpint()?);
            PrivateParts::Dsa(Dsa::new(p, q, g, Some(y), reader.mpint()?, limits)?)
        }
        Algorithm::Ecdsa(curve) => {
            if Curve::named(reader.string()?)? != *curve {
                return Err(corrupt(WHAT, "two curves that differ"));
            }
            let point = reader.string()?;
            PrivateParts::Ecdsa(Ecdsa::new(*curve, reader.mpint()?, Some(point))?)
        }
        Algorithm::Ed25519 => {
            let (seed, public) = reader.string()?.split_at_checked(32).ok_or(corrupt(WHAT, "it is too short"))?;
            PrivateParts::Ed25519(Ed25519::new(seed, Some(public))?)
        }
        other => return Err(Error::unsupported("dropbear key", other.name())),
    };
    reader.finish()?;
    Ok((Format::Dropbear, Content::Private(Box::new(PrivateKey::new(parts, "", limits)?))))
}
