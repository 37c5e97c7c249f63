//! `-----BEGIN …-----`: the armour of OpenSSL's containers, and the encryption that is written in its headers.
//!
//! Spec: RFC 1421 §4.6, RFC 7468.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::keys::{
    Error, Format, Limits, PrivateKey,
    cipher::{Cbc, bytes_to_key},
    der_keys,
    error::corrupt,
    file::{self, Content, Locked},
    openssh_key_v1, pkcs8,
    text::{self, Armour},
    write::Encryption,
};

const WHAT: &str = "PEM";
const SALT_BYTES: usize = 8;
const CIPHERS: [(&str, Cbc); 5] = [
    ("AES-128-CBC", Cbc::Aes128),
    ("AES-192-CBC", Cbc::Aes192),
    ("AES-256-CBC", Cbc::Aes256),
    ("DES-EDE3-CBC", Cbc::TripleDes),
    ("DES-CBC", Cbc::Des),
];

/// A key that needs its passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    format: Format,
    cipher: Cbc,
    iv: Vec<u8>,
    encrypted: Vec<u8>,
}

/// The first block of a file that has a key in it: parameters of a curve and certificates of X.509 may come before.
pub(crate) fn decode(first: Armour<'_>, limits: &Limits) -> Result<(Format, Content), Error> {
    let refused = Error::unsupported("PEM label", first.label);
    let mut next = Some(Ok(first));
    while let Some(armour) = next {
        let armour = armour?;
        if let Some(content) = block(&armour, limits) {
            return content;
        }
        next = text::armour(armour.rest, "-----");
    }
    Err(refused)
}

fn block(armour: &Armour<'_>, limits: &Limits) -> Option<Result<(Format, Content), Error>> {
    let format = match armour.label {
        b"OPENSSH PRIVATE KEY" => {
            let content = openssh_key_v1::decode_body(armour.body, limits);
            return Some(content.map(|content| (Format::OpensshKeyV1, content)));
        }
        b"RSA PRIVATE KEY" => Format::Pkcs1,
        b"EC PRIVATE KEY" => Format::Sec1,
        b"DSA PRIVATE KEY" => Format::PemDsa,
        b"PRIVATE KEY" | b"ENCRYPTED PRIVATE KEY" => Format::Pkcs8,
        b"PUBLIC KEY" => Format::Spki,
        b"RSA PUBLIC KEY" => Format::Pkcs1Public,
        _ => return None,
    };
    Some(body(format, armour, limits).map(|content| (format, content)))
}

fn body(format: Format, armour: &Armour<'_>, limits: &Limits) -> Result<Content, Error> {
    match encryption(armour.body)? {
        (Some((cipher, iv)), body) if matches!(format, Format::Pkcs1 | Format::Sec1 | Format::PemDsa) => {
            let encrypted = text::base64(WHAT, body)?.to_vec();
            if encrypted.is_empty() || encrypted.len() % cipher.block_bytes() != 0 {
                return Err(corrupt(WHAT, "the encrypted part is no whole number of blocks"));
            }
            let lock = Lock { format, cipher, iv, encrypted };
            Ok(Locked::content(None, file::Lock::Pem(lock)))
        }
        (Some(_), _) => Err(Error::unsupported("PEM encryption of", armour.label)),
        (None, body) if armour.label == b"ENCRYPTED PRIVATE KEY" => {
            pkcs8::decode_encrypted(&text::base64(WHAT, body)?, limits)
        }
        (None, body) => der_keys::decode_as(format, &text::base64(WHAT, body)?, limits),
    }
}

type CipherAndIv = (Cbc, Vec<u8>);

/// The cipher and IV that the headers name, if they do, and what follows the headers. Their lines may have been joined.
fn encryption(body: &[u8]) -> Result<(Option<CipherAndIv>, &[u8]), Error> {
    let wrong = || corrupt(WHAT, "headers that are not those of an encrypted key");
    let Some(rest) = body.trim_ascii().strip_prefix(b"Proc-Type:") else { return Ok((None, body)) };
    let rest = rest.trim_ascii().strip_prefix(b"4,ENCRYPTED").ok_or_else(wrong)?;
    let rest = rest.trim_ascii().strip_prefix(b"DEK-Info:").ok_or_else(wrong)?.trim_ascii();
    let comma = rest.iter().position(|byte| *byte == b',').ok_or_else(wrong)?;
    let (name, rest) = rest.split_at_checked(comma).ok_or_else(wrong)?;
    let cipher = CIPHERS.iter().find(|(known, _)| known.as_bytes() == name.trim_ascii());
    let (_, cipher) = cipher.ok_or_else(|| Error::unsupported("PEM cipher", name))?;
    let rest = rest.get(1..).unwrap_or_default().trim_ascii_start();
    let (iv, rest) = rest.split_at_checked(2 * cipher.block_bytes()).ok_or_else(wrong)?;
    Ok((Some((*cipher, text::hex(iv).ok_or_else(wrong)?)), rest))
}

impl Lock {
    pub(crate) fn open(&self, passphrase: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
        let salt = self.iv.get(..SALT_BYTES).unwrap_or_default();
        let key = bytes_to_key(passphrase, salt, self.cipher.key_bytes());
        let der = self.cipher.decrypt_padded(&key, &self.iv, &self.encrypted).ok_or(Error::WrongPassphrase)?;
        // Nothing but its shape says that the passphrase was right: padding alone fits by chance once in 256 times.
        match der_keys::decode_as(self.format, &der, limits) {
            Ok(Content::Private(key)) => Ok(*key),
            Err(error @ (Error::TooCostly { .. } | Error::Unsupported { .. })) => Err(error),
            _ => Err(Error::WrongPassphrase),
        }
    }
}

/// The file, armour and all. Its encryption is weak whatever the cipher: the passphrase is hashed with MD5, once.
pub(crate) fn encode(
    key: &PrivateKey,
    encryption: Option<&Encryption<'_>>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<String>, Error> {
    let (label, der) = der_keys::encode_traditional(key)?;
    let Some(Encryption { passphrase, .. }) = encryption else { return Ok(text::armoured(label, "", &der, 64)) };
    let cipher = Cbc::Aes256;
    let mut iv = [0; 16];
    rng.fill_bytes(&mut iv);
    let key = bytes_to_key(passphrase, iv.get(..SALT_BYTES).unwrap_or_default(), cipher.key_bytes());
    let encrypted = cipher.encrypt_padded(&key, &iv, &der).ok_or(corrupt(WHAT, "it cannot be encrypted"))?;
    let headers = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{}\n\n", text::to_hex(&iv, true));
    Ok(text::armoured(label, &headers, &encrypted, 64))
}
