//! PKCS#8 with a passphrase.
//!
//! Spec: RFC 5958 §3, RFC 8018 (PBES1, PBES2), RFC 7914 §7 (scrypt), RFC 7292 appendices B and C (PKCS#12's derivation).

use hmac::{EagerHash, Hmac};
use md5::{Digest as _, Md5};
use rand_core::CryptoRng;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::keys::{
    Error, Format, Limits, PrivateKey,
    cipher::Cbc,
    der::{self, Reader},
    der_keys,
    error::corrupt,
    file::{self, Content, Locked},
    text,
    write::Encryption,
};

const WHAT: &str = "encrypted PKCS#8";
const SALT_BYTES: usize = 16;
/// A longer salt is nobody's.
const MAX_SALT_BYTES: usize = 1024;

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
const SCRYPT: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
const PBE_MD5_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x03];
const PBE_SHA1_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0a];
const PBE_MD5_RC2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x06];
const PBE_SHA1_RC2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0b];
/// PKCS#12's: its last byte is 3 for triple DES with three keys, 4 with two, others for RC2 and RC4.
const PBE_PKCS12: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01];
/// HMAC by hash: its last byte says which.
const HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02];
const CIPHERS: [(Cbc, &[u8]); 5] = [
    (Cbc::Aes128, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02]),
    (Cbc::Aes192, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x16]),
    (Cbc::Aes256, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a]),
    (Cbc::TripleDes, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07]),
    (Cbc::Des, &[0x2b, 0x0e, 0x03, 0x02, 0x07]),
];

/// A key that needs its passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    scheme: Scheme,
    cipher: Cbc,
    encrypted: Vec<u8>,
}

/// How key and IV come from the passphrase.
#[derive(Clone, Debug)]
enum Scheme {
    Pbkdf2 { hash: Hash, salt: Vec<u8>, iterations: u32, iv: Vec<u8> },
    Scrypt { salt: Vec<u8>, log_n: u8, r: u32, p: u32, iv: Vec<u8> },
    Pbkdf1 { hash: Hash, salt: Vec<u8>, iterations: u32 },
    Pkcs12 { two_keys: bool, salt: Vec<u8>, iterations: u32 },
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

pub(crate) fn decode_encrypted(der: &[u8], limits: &Limits) -> Result<Content, Error> {
    let mut outer = Reader::new(WHAT, der);
    let mut reader = outer.sequence()?;
    outer.finish()?;
    let (identifier, mut parameters) = reader.algorithm()?;
    let encrypted = reader.value(der::OCTET_STRING)?;
    reader.finish()?;
    let weak = || Error::unsupported("encryption", "RC2 or RC4: re-encrypt the key");
    let (scheme, cipher) = match identifier {
        PBES2 => pbes2(&mut parameters.sequence()?, limits)?,
        PBE_MD5_DES | PBE_SHA1_DES => {
            let hash = if identifier == PBE_MD5_DES { Hash::Md5 } else { Hash::Sha1 };
            let (salt, iterations) = salt_and_iterations(&mut parameters.sequence()?, limits)?;
            (Scheme::Pbkdf1 { hash, salt, iterations }, Cbc::Des)
        }
        [prefix @ .., which @ (3 | 4)] if prefix == PBE_PKCS12 => {
            let (salt, iterations) = salt_and_iterations(&mut parameters.sequence()?, limits)?;
            (Scheme::Pkcs12 { two_keys: *which == 4, salt, iterations }, Cbc::TripleDes)
        }
        PBE_MD5_RC2 | PBE_SHA1_RC2 => return Err(weak()),
        [prefix @ .., _] if prefix == PBE_PKCS12 => return Err(weak()),
        other => return Err(Error::unsupported("encryption", der::dotted(other))),
    };
    if encrypted.is_empty() || encrypted.len() % cipher.block_bytes() != 0 {
        return Err(corrupt(WHAT, "the encrypted part is no whole number of blocks"));
    }
    let lock = Lock { scheme, cipher, encrypted: encrypted.to_vec() };
    Ok(Locked::content(None, file::Lock::Pkcs8(lock)))
}

fn pbes2(reader: &mut Reader<'_>, limits: &Limits) -> Result<(Scheme, Cbc), Error> {
    let (derivation, mut parameters) = reader.algorithm()?;
    let (cipher, mut cipher_parameters) = reader.algorithm()?;
    reader.finish()?;
    let found = CIPHERS.into_iter().find(|(_, identifier)| *identifier == cipher);
    let (cipher, _) = found.ok_or_else(|| Error::unsupported("cipher", der::dotted(cipher)))?;
    let iv = cipher_parameters.value(der::OCTET_STRING)?.to_vec();
    if iv.len() != cipher.block_bytes() {
        return Err(corrupt(WHAT, "an IV of the wrong length"));
    }
    let mut parameters = parameters.sequence()?;
    let scheme = match derivation {
        PBKDF2 => {
            let (salt, iterations) = salt_and_iterations(&mut parameters, limits)?;
            key_length(&mut parameters, cipher)?;
            let hash = if parameters.is_empty() { Hash::Sha1 } else { hash_named(parameters.algorithm()?.0)? };
            parameters.finish()?;
            Scheme::Pbkdf2 { hash, salt, iterations, iv }
        }
        SCRYPT => {
            let salt = salt(&mut parameters)?;
            let (n, r, p) = (parameters.small()?, parameters.small()?, parameters.small()?);
            key_length(&mut parameters, cipher)?;
            parameters.finish()?;
            limits.scrypt(n.saturating_mul(r).div_ceil(8), p)?;
            limits.scrypt(p.saturating_mul(r).div_ceil(8), 1)?;
            if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
                return Err(corrupt(WHAT, "scrypt's parameters"));
            }
            let narrow = |number: u64| u32::try_from(number).map_err(|_| corrupt(WHAT, "scrypt's parameters"));
            let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
            Scheme::Scrypt { salt, log_n, r: narrow(r)?, p: narrow(p)?, iv }
        }
        other => return Err(Error::unsupported("key derivation", der::dotted(other))),
    };
    Ok((scheme, cipher))
}

fn salt(reader: &mut Reader<'_>) -> Result<Vec<u8>, Error> {
    let salt = reader.value(der::OCTET_STRING)?;
    if salt.len() > MAX_SALT_BYTES { Err(corrupt(WHAT, "a salt that is too long")) } else { Ok(salt.to_vec()) }
}

fn salt_and_iterations(reader: &mut Reader<'_>, limits: &Limits) -> Result<(Vec<u8>, u32), Error> {
    let (salt, iterations) = (salt(reader)?, reader.small()?);
    limits.pbkdf2(iterations)?;
    match u32::try_from(iterations) {
        Ok(iterations @ 1..) => Ok((salt, iterations)),
        _ => Err(corrupt(WHAT, "the number of iterations")),
    }
}

fn key_length(reader: &mut Reader<'_>, cipher: Cbc) -> Result<(), Error> {
    let wrong = corrupt(WHAT, "a key length that is not the cipher's");
    match reader.tag() {
        Some(der::INTEGER) if usize::try_from(reader.small()?) != Ok(cipher.key_bytes()) => Err(wrong),
        _ => Ok(()),
    }
}

fn hash_named(identifier: &[u8]) -> Result<Hash, Error> {
    match identifier {
        [prefix @ .., which] if prefix == HMAC => Ok(match which {
            6 => Hash::Md5,
            7 => Hash::Sha1,
            8 => Hash::Sha224,
            9 => Hash::Sha256,
            10 => Hash::Sha384,
            11 => Hash::Sha512,
            _ => return Err(Error::unsupported("key derivation's hash", der::dotted(identifier))),
        }),
        other => Err(Error::unsupported("key derivation's hash", der::dotted(other))),
    }
}

impl Lock {
    pub(crate) fn open(&self, passphrase: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
        let (key, iv) = self.scheme.derive(passphrase, self.cipher)?;
        let der = self.cipher.decrypt_padded(&key, &iv, &self.encrypted).ok_or(Error::WrongPassphrase)?;
        match der_keys::decode_as(Format::Pkcs8, &der, limits) {
            Ok(Content::Private(key)) => Ok(*key),
            Err(error @ (Error::TooCostly { .. } | Error::Unsupported { .. })) => Err(error),
            _ => Err(Error::WrongPassphrase),
        }
    }
}

type KeyAndIv = (Zeroizing<Vec<u8>>, Vec<u8>);

impl Scheme {
    fn derive(&self, passphrase: &[u8], cipher: Cbc) -> Result<KeyAndIv, Error> {
        let mut key = Zeroizing::new(vec![0; cipher.key_bytes()]);
        match self {
            Self::Pbkdf2 { hash, salt, iterations, iv } => {
                match hash {
                    Hash::Md5 => pbkdf2::<Md5>(passphrase, salt, *iterations, &mut key),
                    Hash::Sha1 => pbkdf2::<Sha1>(passphrase, salt, *iterations, &mut key),
                    Hash::Sha224 => pbkdf2::<Sha224>(passphrase, salt, *iterations, &mut key),
                    Hash::Sha256 => pbkdf2::<Sha256>(passphrase, salt, *iterations, &mut key),
                    Hash::Sha384 => pbkdf2::<Sha384>(passphrase, salt, *iterations, &mut key),
                    Hash::Sha512 => pbkdf2::<Sha512>(passphrase, salt, *iterations, &mut key),
                }
                Ok((key, iv.clone()))
            }
            Self::Scrypt { salt, log_n, r, p, iv } => {
                let parameters =
                    scrypt::Params::new(*log_n, *r, *p).map_err(|_| corrupt(WHAT, "scrypt's parameters"))?;
                scrypt::scrypt(passphrase, salt, &parameters, &mut key)
                    .map_err(|_| corrupt(WHAT, "scrypt's parameters"))?;
                Ok((key, iv.clone()))
            }
            Self::Pbkdf1 { hash, salt, iterations } => {
                let derived = match hash {
                    Hash::Md5 => pbkdf1::<Md5>(passphrase, salt, *iterations),
                    _ => pbkdf1::<Sha1>(passphrase, salt, *iterations),
                };
                let (key, rest) = derived.split_at_checked(8).unwrap_or_default();
                Ok((Zeroizing::new(key.to_vec()), rest.get(..8).unwrap_or_default().to_vec()))
            }
            Self::Pkcs12 { two_keys, salt, iterations } => {
                let mut key = pkcs12(1, passphrase, salt, *iterations, if *two_keys { 16 } else { 24 });
                if *two_keys {
                    key.extend_from_within(..8);
                }
                Ok((key, pkcs12(2, passphrase, salt, *iterations, 8).to_vec()))
            }
        }
    }
}

fn pbkdf2<D: EagerHash>(passphrase: &[u8], salt: &[u8], iterations: u32, key: &mut [u8])
where
    Hmac<D>: hmac::Mac,
{
    pbkdf2::pbkdf2_hmac::<D>(passphrase, salt, iterations, key);
}

fn pbkdf1<D: md5::Digest>(passphrase: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
    let mut hash = D::new();
    hash.update(passphrase);
    hash.update(salt);
    let mut derived = Zeroizing::new(hash.finalize().to_vec());
    for _ in 1..iterations {
        derived = Zeroizing::new(D::digest(&*derived).to_vec());
    }
    derived
}

/// PKCS#12's derivation with SHA-1; `purpose` is 1 for a key and 2 for an IV.
fn pkcs12(purpose: u8, passphrase: &[u8], salt: &[u8], iterations: u32, length: usize) -> Zeroizing<Vec<u8>> {
    const BLOCK_BYTES: usize = 64;
    // Its passphrases are UTF-16 with a zero at the end.
    let text = Zeroizing::new(String::from_utf8_lossy(passphrase).into_owned());
    let units: Zeroizing<Vec<u8>> = Zeroizing::new(text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect());
    let filled = |bytes: &[u8]| -> Zeroizing<Vec<u8>> {
        let length = bytes.len().div_ceil(BLOCK_BYTES) * BLOCK_BYTES;
        Zeroizing::new(bytes.iter().copied().cycle().take(length).collect())
    };
    let mut input = Zeroizing::new([&filled(salt)[..], &filled(&units)[..]].concat());
    let mut derived = Zeroizing::new(Vec::with_capacity(length + 20));
    loop {
        let mut hash = Sha1::new();
        hash.update([purpose; BLOCK_BYTES]);
        hash.update(&*input);
        let mut block = Zeroizing::new(hash.finalize().to_vec());
        for _ in 1..iterations {
            block = Zeroizing::new(Sha1::digest(&*block).to_vec());
        }
        derived.extend_from_slice(&block);
        if derived.len() >= length {
            derived.truncate(length);
            return derived;
        }
        // Each block of the input grows by the output, filled up to a block, plus one.
        let addend: Zeroizing<Vec<u8>> = Zeroizing::new(block.iter().copied().cycle().take(BLOCK_BYTES).collect());
        for chunk in input.chunks_mut(BLOCK_BYTES) {
            let mut carry = 1u16;
            for (byte, add) in chunk.iter_mut().zip(addend.iter()).rev() {
                let [high, low] = (u16::from(*byte) + u16::from(*add) + carry).to_be_bytes();
                (carry, *byte) = (high.into(), low);
            }
        }
    }
}

/// The file, armour and all: AES-256 in CBC mode, with a key from PBKDF2 with HMAC-SHA-256.
pub(crate) fn encode(
    key: &PrivateKey,
    encryption: Option<&Encryption<'_>>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<String>, Error> {
    let plain = der_keys::encode_private_key_info(key)?;
    let Some(Encryption { passphrase, pbkdf2_iterations, .. }) = encryption else {
        return Ok(text::armoured("PRIVATE KEY", "", &plain, 64));
    };
    let (mut salt, mut iv) = ([0; SALT_BYTES], [0; 16]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut iv);
    let mut key = Zeroizing::new(vec![0; Cbc::Aes256.key_bytes()]);
    pbkdf2::<Sha256>(passphrase, &salt, *pbkdf2_iterations, &mut key);
    let encrypted = Cbc::Aes256.encrypt_padded(&key, &iv, &plain).ok_or(corrupt(WHAT, "it cannot be encrypted"))?;

    let identifier = |bytes: &[u8]| der::encode(der::OBJECT_IDENTIFIER, &[bytes]);
    let sequence = |parts: &[&[u8]]| der::encode(der::SEQUENCE, parts);
    let octets = |bytes: &[u8]| der::encode(der::OCTET_STRING, &[bytes]);
    let hash = sequence(&[&identifier(&[HMAC, &[9]].concat()), &[der::NULL, 0]]);
    let iterations = der::encode_number(&pbkdf2_iterations.to_be_bytes());
    let derivation = sequence(&[&identifier(PBKDF2), &sequence(&[&octets(&salt), &iterations, &hash])]);
    let [_, _, (_, aes256), ..] = CIPHERS;
    let cipher = sequence(&[&identifier(aes256), &octets(&iv)]);
    let scheme = sequence(&[&identifier(PBES2), &sequence(&[&derivation, &cipher])]);
    let file = sequence(&[&scheme, &octets(&encrypted)]);
    Ok(text::armoured("ENCRYPTED PRIVATE KEY", "", &file, 64))
}
