//! OpenSSH's own container, `-----BEGIN OPENSSH PRIVATE KEY-----`.
//!
//! Spec: OpenSSH's PROTOCOL.key.

use rand_core::CryptoRng;
use ssh_cipher::Cipher;
use zeroize::Zeroizing;

use crate::keys::{
    Algorithm, Certificate, Curve, Error, Limits, PrivateKey, PublicKey,
    error::corrupt,
    file::{self, Content, Locked},
    private::{Dsa, Ecdsa, Ed448, Ed25519, PrivateParts, Rsa, RsaNumbers, SecurityKey},
    public::{PublicParts, algorithm_name},
    text,
    wire::{Reader, Writer},
    write::Encryption,
};

const WHAT: &str = "openssh-key-v1";
pub(crate) const LABEL: &str = "OPENSSH PRIVATE KEY";
pub(crate) const MAGIC: &[u8] = b"openssh-key-v1\0";
const TAG_BYTES: usize = 16;
const SALT_BYTES: usize = 16;

/// A key that needs its passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    cipher: Cipher,
    salt: Vec<u8>,
    rounds: u32,
    public: Vec<u8>,
    encrypted: Vec<u8>,
    tag: Vec<u8>,
}

pub(crate) fn decode(input: &[u8], limits: &Limits) -> Result<Content, Error> {
    let mut reader = Reader::new(WHAT, input);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(corrupt(WHAT, "it does not begin with its name"));
    }
    let (cipher, kdf, options) = (reader.string()?, reader.string()?, reader.string()?);
    let cipher = cipher_named(cipher)?;
    if reader.u32()? != 1 {
        return Err(Error::unsupported(WHAT, "several keys in one file"));
    }
    let (public, section) = (reader.string()?, reader.string()?);
    let tag = if cipher.has_tag() { reader.take(TAG_BYTES)? } else { &[] };
    reader.finish()?;
    if section.is_empty() || section.len() % cipher.block_size() != 0 {
        return Err(corrupt(WHAT, "the private part is no whole number of blocks"));
    }
    match (kdf, cipher) {
        (b"none", Cipher::None) if options.is_empty() => {
            private_section(public, section, limits).map(|key| Content::Private(Box::new(key)))
        }
        (b"bcrypt", cipher) if cipher.is_some() => {
            let mut options = Reader::new(WHAT, options);
            let (salt, rounds) = (options.string()?, options.u32()?);
            options.finish()?;
            limits.bcrypt(rounds)?;
            if salt.is_empty() || rounds == 0 {
                return Err(corrupt(WHAT, "a derivation without salt or rounds"));
            }
            // A certificate's key shows the certificate in its place.
            let shown = PublicKey::from_blob(public, limits).ok();
            let shown = shown.or_else(|| Certificate::from_blob(public, limits).ok().map(|it| it.public_key().clone()));
            let lock = Lock {
                cipher,
                salt: salt.to_vec(),
                rounds,
                public: public.to_vec(),
                encrypted: section.to_vec(),
                tag: tag.to_vec(),
            };
            Ok(Locked::content(shown, file::Lock::OpensshKeyV1(lock)))
        }
        (b"none" | b"bcrypt", _) => Err(corrupt(WHAT, "cipher and derivation do not go together")),
        (other, _) => Err(Error::unsupported("key derivation", other)),
    }
}

impl Lock {
    pub(crate) fn open(&self, passphrase: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
        let mut section = Zeroizing::new(self.encrypted.clone());
        let (key, iv) = derive(self.cipher, passphrase, &self.salt, self.rounds)?;
        let tag = self.tag.as_slice().try_into().ok();
        self.cipher.decrypt(&key, &iv, &mut section, tag).map_err(|_| Error::WrongPassphrase)?;
        private_section(&self.public, &section, limits).map_err(|error| match error {
            Error::Corrupt { reason: CHECK_DIFFERS, .. } => Error::WrongPassphrase,
            other => other,
        })
    }
}

const CHECK_DIFFERS: &str = "the check numbers differ";

type KeyAndIv = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>);

fn derive(cipher: Cipher, passphrase: &[u8], salt: &[u8], rounds: u32) -> Result<KeyAndIv, Error> {
    // ChaCha20-Poly1305 has a second key, for a length that is not there, and counts from zero instead of an IV.
    let (key_bytes, iv_bytes, unused_bytes) = match cipher {
        Cipher::ChaCha20Poly1305 => (32, 0, 32),
        other => other.key_and_iv_size().map_or((0, 0, 0), |(key, iv)| (key, iv, 0)),
    };
    let mut derived = Zeroizing::new(vec![0; key_bytes + iv_bytes + unused_bytes]);
    // It fails if there is no passphrase, and only then.
    bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, rounds, &mut derived).map_err(|_| Error::NeedsPassphrase)?;
    let (key, rest) = derived.split_at_checked(key_bytes).unwrap_or_default();
    let iv = if unused_bytes > 0 { &[0; 8] } else { rest };
    Ok((Zeroizing::new(key.to_vec()), Zeroizing::new(iv.to_vec())))
}

fn cipher_named(name: &[u8]) -> Result<Cipher, Error> {
    const KNOWN: [Cipher; 11] = [
        Cipher::None,
        Cipher::Aes128Cbc,
        Cipher::Aes192Cbc,
        Cipher::Aes256Cbc,
        Cipher::Aes128Ctr,
        Cipher::Aes192Ctr,
        Cipher::Aes256Ctr,
        Cipher::Aes128Gcm,
        Cipher::Aes256Gcm,
        Cipher::ChaCha20Poly1305,
        Cipher::TdesCbc,
    ];
    let found = KNOWN.into_iter().find(|cipher| cipher.as_str().as_bytes() == name);
    found.ok_or_else(|| Error::unsupported("cipher", name))
}

/// The key in a section that is not, or no longer, encrypted; `public` is what the file shows outside it.
fn private_section(public: &[u8], section: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
    let mut reader = Reader::new(WHAT, section);
    if reader.u32()? != reader.u32()? {
        return Err(corrupt(WHAT, CHECK_DIFFERS));
    }
    let name = reader.text()?;
    let (parts, certificate) = match Algorithm::of_certificate(name) {
        None => (private_fields(&algorithm_name(name)?, None, &mut reader, limits)?, None),
        Some(algorithm) => {
            let certificate = Certificate::from_blob(reader.string()?, limits)?;
            (private_fields(&algorithm, Some(&certificate), &mut reader, limits)?, Some(certificate))
        }
    };
    let comment = String::from_utf8_lossy(reader.string()?);
    // PuTTY may add a whole block of padding where none is needed; OpenSSH reads it too.
    let padding = reader.rest();
    if !padding.iter().zip(1u8..).all(|(byte, expected)| *byte == expected) || padding.len() > 255 {
        return Err(corrupt(WHAT, "wrong padding"));
    }
    let mut key = PrivateKey::new(parts, &comment, limits)?;
    let shown_inside = certificate.as_ref().map_or(key.public_key().blob(), Certificate::blob);
    if shown_inside != public {
        return Err(corrupt(WHAT, "the public half outside differs from the one inside"));
    }
    if let Some(certificate) = certificate {
        key = key.with_certificate(certificate)?;
    }
    Ok(key)
}

/// What a private key consists of; with a certificate, the public fields stand there only.
pub(crate) fn private_fields(
    algorithm: &Algorithm,
    certificate: Option<&Certificate>,
    reader: &mut Reader<'_>,
    limits: &Limits,
) -> Result<PrivateParts, Error> {
    let certified = certificate.map(|certificate| certificate.public_key().parts()).transpose()?;
    Ok(match (algorithm, certified) {
        (Algorithm::Rsa, certified) => {
            let (n, e) = match certified {
                Some(PublicParts::Rsa { n, e }) => (n, e),
                _ => (reader.mpint()?, reader.mpint()?),
            };
            let (d, iqmp, p, q) = (reader.mpint()?, reader.mpint()?, reader.mpint()?, reader.mpint()?);
            PrivateParts::Rsa(Rsa::new(RsaNumbers { n, e, d, p, q, iqmp: Some(iqmp) }, limits)?)
        }
        (Algorithm::Dsa, certified) => {
            let (p, q, g, y) = match certified {
                Some(PublicParts::Dsa { p, q, g, y }) => (p, q, g, y),
                _ => (reader.mpint()?, reader.mpint()?, reader.mpint()?, reader.mpint()?),
            };
            PrivateParts::Dsa(Dsa::new(p, q, g, Some(y), reader.mpint()?, limits)?)
        }
        (Algorithm::Ecdsa(curve), certified) => {
            let point = match certified {
                Some(PublicParts::Ecdsa { point, .. }) => point,
                _ if Curve::named(reader.string()?)? != *curve => return Err(corrupt(WHAT, "two curves that differ")),
                _ => reader.string()?,
            };
            PrivateParts::Ecdsa(Ecdsa::new(*curve, reader.mpint()?, Some(point))?)
        }
        (Algorithm::Ed25519, _) => {
            let (public, seed) = seed_and_public(reader, 32)?;
            PrivateParts::Ed25519(Ed25519::new(seed, Some(public))?)
        }
        (Algorithm::Ed448, _) => {
            let (public, seed) = seed_and_public(reader, 57)?;
            PrivateParts::Ed448(Ed448::new(seed, public)?)
        }
        (Algorithm::SkEcdsaP256 | Algorithm::SkEd25519, certified) => {
            let key = match certified {
                Some(PublicParts::SkEcdsa { point, .. }) => point.to_vec(),
                Some(PublicParts::SkEd25519 { key, .. }) => key.to_vec(),
                _ => {
                    if *algorithm == Algorithm::SkEcdsaP256 && Curve::named(reader.string()?)? != Curve::P256 {
                        return Err(corrupt(WHAT, "two curves that differ"));
                    }
                    reader.string()?.to_vec()
                }
            };
            PrivateParts::Sk(SecurityKey {
                algorithm: algorithm.clone(),
                key,
                application: reader.string()?.to_vec(),
                flags: reader.u8()?,
                handle: reader.string()?.into(),
                reserved: reader.string()?.to_vec(),
            })
        }
        (Algorithm::Other(name), _) => return Err(Error::unsupported("private key's algorithm", name)),
    })
}

/// The public half, and the private one with the public one behind it.
fn seed_and_public<'a>(reader: &mut Reader<'a>, length: usize) -> Result<(&'a [u8], &'a [u8]), Error> {
    let (public, both) = (reader.string()?, reader.string()?);
    match both.split_at_checked(length) {
        Some((seed, again)) if again == public => Ok((public, seed)),
        _ => Err(corrupt(WHAT, "the public half does not fit the private one")),
    }
}

/// The private fields of `key`, as [`private_fields`] reads them.
fn write_fields(key: &PrivateKey, out: &mut Writer) {
    let certified = key.certificate().is_some();
    match &key.parts {
        PrivateParts::Rsa(Rsa { n, e, d, p, q, iqmp }) => {
            if !certified {
                out.mpint(n).mpint(e);
            }
            out.mpint(d).mpint(iqmp).mpint(p).mpint(q);
        }
        PrivateParts::Dsa(Dsa { p, q, g, y, x }) => {
            if !certified {
                out.mpint(p).mpint(q).mpint(g).mpint(y);
            }
            out.mpint(x);
        }
        PrivateParts::Ecdsa(Ecdsa { curve, point, d }) => {
            if !certified {
                out.string(curve.name().as_bytes()).string(point);
            }
            out.mpint(d);
        }
        PrivateParts::Ed25519(Ed25519 { public, seed }) => {
            out.string(public).u32(64).raw(&*seed.0).raw(public);
        }
        PrivateParts::Ed448(Ed448 { public, seed }) => {
            out.string(public).u32(114).raw(&*seed.0).raw(public);
        }
        PrivateParts::Sk(SecurityKey { algorithm, key, application, flags, handle, reserved }) => {
            if !certified {
                if *algorithm == Algorithm::SkEcdsaP256 {
                    out.string(Curve::P256.name().as_bytes());
                }
                out.string(key);
            }
            out.string(application).u8(*flags).string(handle).string(reserved);
        }
    }
}

/// The file, armour and all.
pub(crate) fn encode(
    key: &PrivateKey,
    encryption: Option<&Encryption<'_>>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<String>, Error> {
    let cipher = if encryption.is_some() { Cipher::Aes256Ctr } else { Cipher::None };
    let (name, public) = match key.certificate() {
        None => (key.algorithm().name().to_owned(), key.public_key().blob()),
        Some(certificate) => (key.algorithm().certificate_name(), certificate.blob()),
    };

    let mut section = Writer::with_capacity(SECTION_BYTES + 2 * public.len() + key.comment().len());
    let check = rng.next_u32();
    section.u32(check).u32(check).string(name.as_bytes());
    if let Some(certificate) = key.certificate() {
        section.string(certificate.blob());
    }
    write_fields(key, &mut section);
    section.string(key.comment().as_bytes());
    for byte in 1..=255 {
        if section.len().is_multiple_of(cipher.block_size()) {
            break;
        }
        section.u8(byte);
    }
    let mut section = section.finish();

    let mut kdf = Writer::with_capacity(64);
    if let Some(Encryption { passphrase, bcrypt_rounds, .. }) = encryption {
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        let (key, iv) = derive(cipher, passphrase, &salt, *bcrypt_rounds)?;
        cipher.encrypt(&key, &iv, &mut section).map_err(|_| corrupt(WHAT, "it cannot be encrypted"))?;
        kdf.string(b"bcrypt");
        kdf.u32(size_of_options()).string(&salt).u32(*bcrypt_rounds);
    } else {
        kdf.string(b"none").string(b"");
    }

    let mut out = Writer::with_capacity(section.len() + public.len() + 256);
    out.raw(MAGIC).string(cipher.as_str().as_bytes()).raw(kdf.bytes()).u32(1).string(public).string(&section);
    Ok(text::armoured(LABEL, "", out.bytes(), 70))
}

/// Twice the biggest private numbers that [`Limits`] allows by default.
const SECTION_BYTES: usize = 24 * 1024;

fn size_of_options() -> u32 {
    u32::try_from(4 + SALT_BYTES + 4).unwrap_or_default()
}

/// The body of an armoured file.
pub(crate) fn decode_body(body: &[u8], limits: &Limits) -> Result<Content, Error> {
    decode(&text::base64(WHAT, body)?, limits)
}
