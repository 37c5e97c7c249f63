//! Keys in DER: PKCS#1, SEC 1, OpenSSL's DSA, the plain part of PKCS#8, and public keys.
//!
//! Spec: RFC 8017 appendix A.1, RFC 5915, RFC 5958, RFC 5280 §4.1, RFC 8410.

use zeroize::Zeroizing;

use crate::keys::{
    Curve, Error, Format, Limits, PrivateKey, PublicKey,
    der::{self, Reader},
    error::corrupt,
    file::Content,
    number, pkcs8,
    private::{Dsa, Ecdsa, Ed448, Ed25519, PrivateParts, Rsa, RsaNumbers},
    public::PublicParts,
};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const ED448: &[u8] = &[0x2b, 0x65, 0x71];

impl Curve {
    fn identifier(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    /// The prime of its field, for parameters that are spelled out.
    fn prime(self) -> Vec<u8> {
        match self {
            Self::P256 => [&[0xff; 4][..], &[0, 0, 0, 1], &[0; 12], &[0xff; 12]].concat(),
            Self::P384 => [&[0xff; 31][..], &[0xfe, 0xff, 0xff, 0xff, 0xff], &[0; 8], &[0xff; 4]].concat(),
            Self::P521 => [&[0x01][..], &[0xff; 65]].concat(),
        }
    }
}

/// A file in DER, by its shape.
pub(crate) fn decode(der: &[u8], limits: &Limits) -> Result<(Format, Content), Error> {
    let mut reader = Reader::new("DER", der).sequence()?;
    let format = match reader.tag() {
        Some(der::SEQUENCE) => {
            reader.value(der::SEQUENCE)?;
            match reader.tag() {
                Some(der::BIT_STRING) => Format::Spki,
                Some(der::OCTET_STRING) => {
                    return pkcs8::decode_encrypted(der, limits).map(|content| (Format::Pkcs8, content));
                }
                _ => return Err(Error::NotAKey("its DER is that of something else")),
            }
        }
        Some(der::INTEGER) => {
            let first = reader.number()?;
            match (first, reader.tag()) {
                (_, Some(der::SEQUENCE)) => Format::Pkcs8,
                ([1], Some(der::OCTET_STRING)) => Format::Sec1,
                ([] | [0], Some(der::INTEGER)) => {
                    let mut numbers = 0;
                    while reader.tag() == Some(der::INTEGER) {
                        reader.number()?;
                        numbers += 1;
                    }
                    if numbers == 5 { Format::PemDsa } else { Format::Pkcs1 }
                }
                (_, Some(der::INTEGER)) => Format::Pkcs1Public,
                _ => return Err(Error::NotAKey("its DER is that of something else")),
            }
        }
        _ => return Err(Error::NotAKey("its DER is that of something else")),
    };
    decode_as(format, der, limits).map(|content| (format, content))
}

/// DER that is said to be of this format.
pub(crate) fn decode_as(format: Format, der: &[u8], limits: &Limits) -> Result<Content, Error> {
    let private = |parts| PrivateKey::new(parts, "", limits).map(|key| Content::Private(Box::new(key)));
    let public = |parts| PublicKey::from_parts(&parts, limits).map(Content::Public);
    match format {
        Format::Pkcs1 => private(pkcs1(der, limits)?),
        Format::Sec1 => private(sec1(der, None)?),
        Format::PemDsa => private(dsa(der, limits)?),
        Format::Pkcs8 => private(private_key_info(der, limits)?),
        Format::Spki => spki(der, limits).map(Content::Public),
        Format::Pkcs1Public => public(pkcs1_public(der)?),
        _ => Err(corrupt("DER", "it has no such format")),
    }
}

fn pkcs1(der: &[u8], limits: &Limits) -> Result<PrivateParts, Error> {
    let mut outer = Reader::new("PKCS#1", der);
    let mut reader = outer.sequence()?;
    outer.finish()?;
    if reader.small()? != 0 {
        return Err(Error::unsupported("RSA key", "more than two primes"));
    }
    let (n, e, d) = (reader.number()?, reader.number()?, reader.number()?);
    let (p, q, _dp, _dq) = (reader.number()?, reader.number()?, reader.number()?, reader.number()?);
    let iqmp = reader.number()?;
    reader.finish()?;
    Rsa::new(RsaNumbers { n, e, d, p, q, iqmp: Some(iqmp) }, limits).map(PrivateParts::Rsa)
}

fn dsa(der: &[u8], limits: &Limits) -> Result<PrivateParts, Error> {
    let mut outer = Reader::new("DSA key", der);
    let mut reader = outer.sequence()?;
    outer.finish()?;
    if reader.small()? != 0 {
        return Err(Error::unsupported("DSA key", "its version"));
    }
    let (p, q, g) = (reader.number()?, reader.number()?, reader.number()?);
    let (y, x) = (reader.number()?, reader.number()?);
    reader.finish()?;
    Dsa::new(p, q, g, Some(y), x, limits).map(PrivateParts::Dsa)
}

fn sec1(der: &[u8], outside: Option<Curve>) -> Result<PrivateParts, Error> {
    let mut outer = Reader::new("SEC 1", der);
    let mut reader = outer.sequence()?;
    outer.finish()?;
    if reader.small()? != 1 {
        return Err(Error::unsupported("SEC 1", "its version"));
    }
    let number = reader.value(der::OCTET_STRING)?;
    let inside = match reader.optional(der::explicit(0))? {
        Some(parameters) => Some(curve(&mut Reader::new("SEC 1", parameters))?),
        None => None,
    };
    let point = match reader.optional(der::explicit(1))? {
        Some(point) => Some(Reader::new("SEC 1", point).bits()?),
        None => None,
    };
    reader.finish()?;
    match (inside, outside) {
        (Some(inside), Some(outside)) if inside != outside => Err(corrupt("SEC 1", "two curves that differ")),
        (None, None) => Err(corrupt("SEC 1", "it does not say which curve")),
        (Some(curve), _) | (None, Some(curve)) => Ecdsa::new(curve, number, point).map(PrivateParts::Ecdsa),
    }
}

/// A curve by its name, or by parameters that are spelled out and those of a curve we know.
fn curve(reader: &mut Reader<'_>) -> Result<Curve, Error> {
    if let Some(identifier) = reader.optional(der::OBJECT_IDENTIFIER)? {
        let found = Curve::ALL.into_iter().find(|curve| curve.identifier() == identifier);
        return found.ok_or_else(|| Error::unsupported("elliptic curve", der::dotted(identifier)));
    }
    let mut parameters = reader.sequence()?;
    parameters.number()?;
    let (_, mut field) = parameters.algorithm()?;
    let prime = field.number()?;
    let mut coefficients = parameters.sequence()?;
    let [a, b] = [coefficients.value(der::OCTET_STRING)?, coefficients.value(der::OCTET_STRING)?];
    let base = parameters.value(der::OCTET_STRING)?;
    // The prime picks the curve. Its base point may then be no other, or the private number would mean another key; and it
    // is on the curve with one pair of coefficients only, of which a is always -3.
    let found = Curve::ALL.into_iter().find(|curve| curve.prime() == prime);
    let curve = found.ok_or_else(|| Error::unsupported("elliptic curve", "parameters of an unknown one"))?;
    let (_, generator) = curve.pair(&[1])?;
    if curve.point(base)? != generator || number::plus_three(a) != prime || b.is_empty() {
        return Err(Error::unsupported("elliptic curve", "parameters of an unknown one"));
    }
    Ok(curve)
}

/// PrivateKeyInfo, also with the public key of version 2.
fn private_key_info(der: &[u8], limits: &Limits) -> Result<PrivateParts, Error> {
    const WHAT: &str = "PKCS#8";
    let mut outer = Reader::new(WHAT, der);
    let mut reader = outer.sequence()?;
    outer.finish()?;
    if reader.small()? > 1 {
        return Err(Error::unsupported("PKCS#8", "its version"));
    }
    let (algorithm, mut parameters) = reader.algorithm()?;
    let inner = reader.value(der::OCTET_STRING)?;
    let _attributes = reader.optional(der::explicit(0))?;
    let public = reader.optional(der::implicit(1))?.map(|bits| der::whole_bytes(WHAT, bits)).transpose()?;
    reader.finish()?;
    match algorithm {
        RSA => pkcs1(inner, limits),
        DSA => {
            let mut domain = parameters.sequence()?;
            let (p, q, g) = (domain.number()?, domain.number()?, domain.number()?);
            let mut inner = Reader::new(WHAT, inner);
            let x = inner.number()?;
            inner.finish()?;
            Dsa::new(p, q, g, None, x, limits).map(PrivateParts::Dsa)
        }
        EC => {
            let curve = curve(&mut parameters)?;
            match (sec1(inner, Some(curve))?, public) {
                (PrivateParts::Ecdsa(key), Some(public)) if curve.point(public)? != key.point => {
                    Err(corrupt(WHAT, "the public half does not fit the private one"))
                }
                (parts, _) => Ok(parts),
            }
        }
        ED25519 => {
            let mut inner = Reader::new(WHAT, inner);
            let seed = inner.value(der::OCTET_STRING)?;
            inner.finish()?;
            Ed25519::new(seed, public).map(PrivateParts::Ed25519)
        }
        ED448 => {
            let mut inner = Reader::new(WHAT, inner);
            let seed = inner.value(der::OCTET_STRING)?;
            inner.finish()?;
            let missing = || Error::unsupported("Ed448 key", "the file has no public half, and none is computed here");
            Ed448::new(seed, public.ok_or_else(missing)?).map(PrivateParts::Ed448)
        }
        other => Err(Error::unsupported("algorithm", der::dotted(other))),
    }
}

fn spki(der: &[u8], limits: &Limits) -> Result<PublicKey, Error> {
    const WHAT: &str = "public key in DER";
    let mut outer = Reader::new(WHAT, der);
    let mut reader = outer.sequence()?;
    outer.finish()?;
    let (algorithm, mut parameters) = reader.algorithm()?;
    let bits = reader.bits()?;
    reader.finish()?;
    let wrong = |_| corrupt(WHAT, "a key of the wrong length");
    let make = |parts| PublicKey::from_parts(&parts, limits);
    match algorithm {
        RSA => make(pkcs1_public(bits)?),
        DSA => {
            let mut domain = parameters.sequence()?;
            let (p, q, g) = (domain.number()?, domain.number()?, domain.number()?);
            make(PublicParts::Dsa { p, q, g, y: Reader::new(WHAT, bits).number()? })
        }
        EC => {
            let curve = curve(&mut parameters)?;
            make(PublicParts::Ecdsa { curve, point: &curve.point(bits)? })
        }
        ED25519 => make(PublicParts::Ed25519(bits.try_into().map_err(wrong)?)),
        ED448 => make(PublicParts::Ed448(bits.try_into().map_err(wrong)?)),
        other => Err(Error::unsupported("algorithm", der::dotted(other))),
    }
}

fn pkcs1_public(der: &[u8]) -> Result<PublicParts<'_>, Error> {
    let mut outer = Reader::new("PKCS#1 public key", der);
    let mut reader = outer.sequence()?;
    outer.finish()?;
    let (n, e) = (reader.number()?, reader.number()?);
    reader.finish()?;
    Ok(PublicParts::Rsa { n, e })
}

fn encode_rsa(key: &Rsa) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Rsa { n, e, d, p, q, iqmp } = key;
    let [dp, dq] = [number::exponent(d, p)?, number::exponent(d, q)?];
    let numbers: [&[u8]; 9] = [&[], n, e, d, p, q, &dp, &dq, iqmp];
    Ok(encode_numbers(&numbers))
}

fn encode_numbers(numbers: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let encoded: Vec<_> = numbers.iter().map(|number| der::encode_number(number)).collect();
    let parts: Vec<&[u8]> = encoded.iter().map(|number| number.as_slice()).collect();
    der::encode(der::SEQUENCE, &parts)
}

fn encode_sec1(key: &Ecdsa, with_curve: bool) -> Zeroizing<Vec<u8>> {
    let version = der::encode_number(&[1]);
    let number = der::encode(der::OCTET_STRING, &[&key.d]);
    let curve = der::encode(der::OBJECT_IDENTIFIER, &[key.curve.identifier()]);
    let curve = der::encode(der::explicit(0), &[&curve]);
    let point = der::encode(der::BIT_STRING, &[&[0], &key.point]);
    let point = der::encode(der::explicit(1), &[&point]);
    let curve: &[u8] = if with_curve { &curve } else { &[] };
    der::encode(der::SEQUENCE, &[&version, &number, curve, &point])
}

/// The DER and the label of the container that OpenSSL had for such keys before PKCS#8.
pub(crate) fn encode_traditional(key: &PrivateKey) -> Result<(&'static str, Zeroizing<Vec<u8>>), Error> {
    Ok(match &key.parts {
        PrivateParts::Rsa(key) => ("RSA PRIVATE KEY", encode_rsa(key)?),
        PrivateParts::Dsa(Dsa { p, q, g, y, x }) => ("DSA PRIVATE KEY", encode_numbers(&[&[], p, q, g, y, x])),
        PrivateParts::Ecdsa(key) => ("EC PRIVATE KEY", encode_sec1(key, true)),
        PrivateParts::Ed25519(_) | PrivateParts::Ed448(_) | PrivateParts::Sk(_) => {
            return Err(Error::unsupported("PEM", format!("it has no container for {} keys", key.algorithm())));
        }
    })
}

/// PrivateKeyInfo.
pub(crate) fn encode_private_key_info(key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, Error> {
    let identifier = |bytes: &[u8]| der::encode(der::OBJECT_IDENTIFIER, &[bytes]);
    let mut public: Zeroizing<Vec<u8>> = Zeroizing::default();
    let (algorithm, inner) = match &key.parts {
        PrivateParts::Rsa(key) => (der::encode(der::SEQUENCE, &[&identifier(RSA), &[der::NULL, 0]]), encode_rsa(key)?),
        PrivateParts::Dsa(Dsa { p, q, g, x, .. }) => {
            let domain = encode_numbers(&[p, q, g]);
            (der::encode(der::SEQUENCE, &[&identifier(DSA), &domain]), der::encode_number(x))
        }
        PrivateParts::Ecdsa(key) => (
            der::encode(der::SEQUENCE, &[&identifier(EC), &identifier(key.curve.identifier())]),
            encode_sec1(key, false),
        ),
        PrivateParts::Ed25519(key) => {
            (der::encode(der::SEQUENCE, &[&identifier(ED25519)]), der::encode(der::OCTET_STRING, &[&*key.seed.0]))
        }
        PrivateParts::Ed448(key) => {
            // Without the public half it could not be read again here.
            public = der::encode(der::implicit(1), &[&[0], &key.public]);
            (der::encode(der::SEQUENCE, &[&identifier(ED448)]), der::encode(der::OCTET_STRING, &[&*key.seed.0]))
        }
        PrivateParts::Sk(_) => {
            return Err(Error::unsupported("PKCS#8", format!("it has no place for {} keys", key.algorithm())));
        }
    };
    let version = der::encode_number(if public.is_empty() { &[] } else { &[1] });
    let inner = der::encode(der::OCTET_STRING, &[&inner]);
    Ok(der::encode(der::SEQUENCE, &[&version, &algorithm, &inner, &public]))
}

/// SubjectPublicKeyInfo.
pub(crate) fn encode_spki(key: &PublicKey) -> Result<Zeroizing<Vec<u8>>, Error> {
    let identifier = |bytes: &[u8]| der::encode(der::OBJECT_IDENTIFIER, &[bytes]);
    let (algorithm, bits) = match key.parts()? {
        PublicParts::Rsa { n, e } => {
            (der::encode(der::SEQUENCE, &[&identifier(RSA), &[der::NULL, 0]]), encode_numbers(&[n, e]))
        }
        PublicParts::Dsa { p, q, g, y } => {
            (der::encode(der::SEQUENCE, &[&identifier(DSA), &encode_numbers(&[p, q, g])]), der::encode_number(y))
        }
        PublicParts::Ecdsa { curve, point } => (
            der::encode(der::SEQUENCE, &[&identifier(EC), &identifier(curve.identifier())]),
            Zeroizing::new(point.to_vec()),
        ),
        PublicParts::Ed25519(key) => {
            (der::encode(der::SEQUENCE, &[&identifier(ED25519)]), Zeroizing::new(key.to_vec()))
        }
        PublicParts::Ed448(key) => (der::encode(der::SEQUENCE, &[&identifier(ED448)]), Zeroizing::new(key.to_vec())),
        PublicParts::SkEcdsa { .. } | PublicParts::SkEd25519 { .. } | PublicParts::Other(_) => {
            return Err(Error::unsupported("SPKI", format!("it has no place for {} keys", key.algorithm())));
        }
    };
    let bits = der::encode(der::BIT_STRING, &[&[0], &bits]);
    Ok(der::encode(der::SEQUENCE, &[&algorithm, &bits]))
}
