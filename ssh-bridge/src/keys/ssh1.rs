//! The private keys of SSH version 1. The protocol is gone; the numbers are those of any RSA key.
//!
//! Spec: none; OpenSSH before 7.6 and PuTTY agree.

use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use des::Des;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use crate::keys::{
    Error, Limits, PrivateKey, PublicKey,
    error::corrupt,
    file::{self, Content, Locked},
    private::{PrivateParts, Rsa, RsaNumbers},
    public::PublicParts,
    wire::Reader,
};

const WHAT: &str = "SSH version 1 key";
pub(crate) const MAGIC: &[u8] = b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0";
const NONE: u8 = 0;
const TRIPLE_DES: u8 = 3;

/// A key that needs its passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    n: Vec<u8>,
    e: Vec<u8>,
    comment: String,
    encrypted: Vec<u8>,
}

pub(crate) fn decode(input: &[u8], limits: &Limits) -> Result<Content, Error> {
    let mut reader = Reader::new(WHAT, input);
    reader.take(MAGIC.len())?;
    let (cipher, _reserved, _bits) = (reader.u8()?, reader.u32()?, reader.u32()?);
    let (n, e) = (reader.number_u16_bits()?, reader.number_u16_bits()?);
    let comment = String::from_utf8_lossy(reader.string()?).into_owned();
    let public = PublicKey::from_parts(&PublicParts::Rsa { n, e }, limits)?.with_comment(&comment);
    let encrypted = reader.rest().to_vec();
    match cipher {
        NONE => private_section(n, e, &comment, &encrypted, limits).map(|key| Content::Private(Box::new(key))),
        TRIPLE_DES if !encrypted.is_empty() && encrypted.len().is_multiple_of(8) => {
            let lock = Lock { n: n.to_vec(), e: e.to_vec(), comment, encrypted };
            Ok(Locked::content(Some(public), file::Lock::Ssh1(lock)))
        }
        TRIPLE_DES => Err(corrupt(WHAT, "the private part is no whole number of blocks")),
        other => Err(Error::unsupported("cipher of SSH version 1", other.to_string())),
    }
}

impl Lock {
    pub(crate) fn open(&self, passphrase: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
        let key = Zeroizing::new(Md5::digest(passphrase).to_vec());
        let mut section = Zeroizing::new(self.encrypted.clone());
        decrypt(&key, &mut section).ok_or(corrupt(WHAT, "it cannot be decrypted"))?;
        private_section(&self.n, &self.e, &self.comment, &section, limits).map_err(|error| match error {
            Error::Corrupt { .. } => Error::WrongPassphrase,
            other => other,
        })
    }
}

/// Three passes of DES in CBC mode, each with its own chain, with two keys. IVs are zero.
fn decrypt(key: &[u8], data: &mut [u8]) -> Option<()> {
    let (first, second) = key.split_at_checked(8)?;
    let (blocks, rest) = data.as_chunks_mut::<8>();
    let mut third_pass = cbc::Decryptor::<Des>::new_from_slices(first, &[0; 8]).ok()?;
    let mut second_pass = cbc::Encryptor::<Des>::new_from_slices(second, &[0; 8]).ok()?;
    let mut first_pass = cbc::Decryptor::<Des>::new_from_slices(first, &[0; 8]).ok()?;
    blocks.iter_mut().for_each(|block| third_pass.decrypt_block(block.into()));
    blocks.iter_mut().for_each(|block| second_pass.encrypt_block(block.into()));
    blocks.iter_mut().for_each(|block| first_pass.decrypt_block(block.into()));
    rest.is_empty().then_some(())
}

fn private_section(n: &[u8], e: &[u8], comment: &str, section: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
    let mut reader = Reader::new(WHAT, section);
    let ([a, b], [c, d]) = (reader.array::<2>()?, reader.array::<2>()?);
    if (a, b) != (c, d) {
        return Err(corrupt(WHAT, "the check numbers differ"));
    }
    let mut number = || reader.number_u16_bits();
    let (d, iqmp, q, p) = (number()?, number()?, number()?, number()?);
    if !reader.rest().iter().all(|byte| *byte == 0) || reader.rest().len() > 8 {
        return Err(corrupt(WHAT, "wrong padding"));
    }
    let rsa = Rsa::new(RsaNumbers { n, e, d, p, q, iqmp: Some(iqmp) }, limits)?;
    PrivateKey::new(PrivateParts::Rsa(rsa), comment, limits)
}
