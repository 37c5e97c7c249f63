//! Ciphers of the containers, and how they make keys of passphrases.

use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use des::Des;
use md5::{Digest as _, Md5};
use ssh_cipher::Cipher;
use zeroize::Zeroizing;

/// A block cipher in CBC mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cbc {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    Des,
}

impl Cbc {
    pub(crate) fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Des => 8,
        }
    }

    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::TripleDes | Self::Des => 8,
        }
    }

    /// Decrypts in place; `None` if key, IV or data are of the wrong length.
    pub(crate) fn decrypt(self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
        match self.ssh() {
            Some(cipher) => cipher.decrypt(key, iv, data, None).ok(),
            None => {
                let mut cipher = cbc::Decryptor::<Des>::new_from_slices(key, iv).ok()?;
                let (blocks, rest) = data.as_chunks_mut::<8>();
                blocks.iter_mut().for_each(|block| cipher.decrypt_block(block.into()));
                rest.is_empty().then_some(())
            }
        }
    }

    /// Encrypts in place; `None` if key, IV or data are of the wrong length.
    pub(crate) fn encrypt(self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
        match self.ssh() {
            Some(cipher) => cipher.encrypt(key, iv, data).ok().map(|_| ()),
            None => {
                let mut cipher = cbc::Encryptor::<Des>::new_from_slices(key, iv).ok()?;
                let (blocks, rest) = data.as_chunks_mut::<8>();
                blocks.iter_mut().for_each(|block| cipher.encrypt_block(block.into()));
                rest.is_empty().then_some(())
            }
        }
    }

    fn ssh(self) -> Option<Cipher> {
        Some(match self {
            Self::Aes128 => Cipher::Aes128Cbc,
            Self::Aes192 => Cipher::Aes192Cbc,
            Self::Aes256 => Cipher::Aes256Cbc,
            Self::TripleDes => Cipher::TdesCbc,
            Self::Des => return None,
        })
    }

    /// Decrypts and takes the padding off; `None` if the key is wrong.
    pub(crate) fn decrypt_padded(self, key: &[u8], iv: &[u8], data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut data = Zeroizing::new(data.to_vec());
        self.decrypt(key, iv, &mut data)?;
        let padding = usize::from(*data.last()?);
        let length = data.len().checked_sub(padding)?;
        let fits = (1..=self.block_bytes()).contains(&padding)
            && data.get(length..)?.iter().all(|byte| usize::from(*byte) == padding);
        data.truncate(length);
        fits.then_some(data)
    }

    /// Puts padding on and encrypts; `None` if key or IV are of the wrong length.
    pub(crate) fn encrypt_padded(self, key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let padding = self.block_bytes() - data.len() % self.block_bytes();
        let mut padded = Zeroizing::new(Vec::with_capacity(data.len() + padding));
        padded.extend_from_slice(data);
        padded.resize(data.len() + padding, u8::try_from(padding).ok()?);
        self.encrypt(key, iv, &mut padded)?;
        Some(padded.to_vec())
    }
}

/// OpenSSL's derivation with MD5 and one iteration.
pub(crate) fn bytes_to_key(passphrase: &[u8], salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut last: Zeroizing<Vec<u8>> = Zeroizing::default();
    while key.len() < length {
        let mut hash = Md5::new();
        hash.update(&*last);
        hash.update(passphrase);
        hash.update(salt);
        last = Zeroizing::new(hash.finalize().to_vec());
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}
