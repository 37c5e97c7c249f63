//! A file with a key: what it is, by looking at it.

use memchr::memmem;

use crate::keys::{
    Algorithm, Certificate, Error, Fingerprint, Format, Limits, PrivateKey, PublicKey, der_keys, dropbear, one_line,
    openssh_key_v1, pem, pkcs8, putty, rfc4716, ssh_com, ssh1, text,
};

/// What a file with a key says of itself: which container, which key, and whether a passphrase is needed.
///
/// ```
/// use towline_ssh_bridge::keys::{Format, KeyFile, Limits};
///
/// let line = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM me@here";
/// let file = KeyFile::decode(line, &Limits::default())?;
/// assert_eq!((file.format(), file.is_private(), file.is_encrypted()), (Format::OneLine, false, false));
/// assert_eq!(file.public_key().unwrap().comment(), "me@here");
/// # Ok::<(), towline_ssh_bridge::keys::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyFile {
    format: Format,
    content: Content,
    limits: Limits,
}

/// What a container holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Public(PublicKey),
    Certificate(Box<Certificate>),
    Private(Box<PrivateKey>),
    Locked(Box<Locked>),
}

/// A private key that is encrypted, and what the file shows of it.
#[derive(Clone, Debug)]
pub(crate) struct Locked {
    public: Option<PublicKey>,
    lock: Lock,
}

/// What a passphrase is needed for.
#[derive(Clone, Debug)]
pub(crate) enum Lock {
    OpensshKeyV1(openssh_key_v1::Lock),
    Pem(pem::Lock),
    Pkcs8(pkcs8::Lock),
    Putty(putty::Lock),
    SshCom(ssh_com::Lock),
    Ssh1(ssh1::Lock),
}

impl Locked {
    pub(crate) fn content(public: Option<PublicKey>, lock: Lock) -> Content {
        Content::Locked(Box::new(Self { public, lock }))
    }
}

impl KeyFile {
    /// Finds out what `input` is. Nothing costly is done: the key of an encrypted file is left in it.
    ///
    /// Text may have a byte order mark, any line ends, indentation, lines that were joined by blanks, and `\n` written out.
    ///
    /// # Errors
    ///
    /// [`Error::NotAKey`] if nothing looks like a key; [`Error::Corrupt`] if it does, but is damaged;
    /// [`Error::Unsupported`] for what is not read; [`Error::TooCostly`] if the file, its numbers or the derivation of its
    /// key are beyond `limits`.
    pub fn decode(input: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.file(input.len())?;
        let (format, content) = match binary(input, limits) {
            Some(found) => found?,
            None => {
                let rewritten = text::rewritten(input);
                textual(text::bare(rewritten.as_ref().map_or(input, |text| text.as_slice())), limits)?
            }
        };
        Ok(Self { format, content, limits: limits.clone() })
    }

    /// Which container it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether there is a private key in it.
    pub fn is_private(&self) -> bool {
        matches!(self.content, Content::Private(_) | Content::Locked(_))
    }

    /// Whether a passphrase is needed to get at the private key.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.content, Content::Locked(_))
    }

    /// The public key, or the public half of the private one; `None` if it is encrypted too. The comment comes with it,
    /// unless that is encrypted.
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.content {
            Content::Public(key) => Some(key),
            Content::Certificate(certificate) => Some(certificate.public_key()),
            Content::Private(key) => Some(key.public_key()),
            Content::Locked(locked) => locked.public.as_ref(),
        }
    }

    /// The algorithm of the key, if the file shows it.
    pub fn algorithm(&self) -> Option<&Algorithm> {
        self.public_key().map(PublicKey::algorithm)
    }

    /// The fingerprint of the key, if the file shows it.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.public_key().map(PublicKey::fingerprint)
    }

    /// The certificate, if it is one or has one beside the key.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.content {
            Content::Certificate(certificate) => Some(certificate),
            Content::Private(key) => key.certificate(),
            Content::Public(_) | Content::Locked(_) => None,
        }
    }

    /// The private key, opened with `passphrase` if it is encrypted; a passphrase that is not needed is not looked at.
    ///
    /// Deriving a key from a passphrase takes up to seconds, as [`Limits`] allows: not for an async thread.
    ///
    /// # Errors
    ///
    /// [`Error::IsPublic`] if there is none; [`Error::NeedsPassphrase`]; [`Error::WrongPassphrase`]; [`Error::Corrupt`] and
    /// [`Error::Unsupported`] for what only shows when it is open.
    pub fn private_key(&self, passphrase: Option<&[u8]>) -> Result<PrivateKey, Error> {
        match &self.content {
            Content::Public(_) | Content::Certificate(_) => Err(Error::IsPublic),
            Content::Private(key) => Ok((**key).clone()),
            Content::Locked(locked) => {
                let passphrase =
                    passphrase.filter(|passphrase| !passphrase.is_empty()).ok_or(Error::NeedsPassphrase)?;
                let key = match &locked.lock {
                    Lock::OpensshKeyV1(lock) => lock.open(passphrase, &self.limits),
                    Lock::Pem(lock) => lock.open(passphrase, &self.limits),
                    Lock::Pkcs8(lock) => lock.open(passphrase, &self.limits),
                    Lock::Putty(lock) => lock.open(passphrase, &self.limits),
                    Lock::SshCom(lock) => lock.open(passphrase, &self.limits),
                    Lock::Ssh1(lock) => lock.open(passphrase, &self.limits),
                }?;
                match &locked.public {
                    Some(public) if public != key.public_key() => {
                        Err(Error::Corrupt { what: "private key", reason: "it does not fit the public half beside it" })
                    }
                    _ => Ok(key),
                }
            }
        }
    }
}

impl KeyFile {
    /// As [`KeyFile::private_key`], without a copy of what is not encrypted.
    pub(crate) fn into_private_key(self, passphrase: Option<&[u8]>) -> Result<PrivateKey, Error> {
        match self.content {
            Content::Private(key) => Ok(*key),
            content => Self { content, ..self }.private_key(passphrase),
        }
    }

    /// As [`KeyFile::public_key`], without a copy where there is nothing else in the file.
    pub(crate) fn into_public_key(self) -> Option<PublicKey> {
        match self.content {
            Content::Public(key) => Some(key),
            content => Self { content, ..self }.public_key().cloned(),
        }
    }
}

type Found = Result<(Format, Content), Error>;

fn as_format(format: Format, content: Result<Content, Error>) -> Found {
    content.map(|content| (format, content))
}

/// What begins like one of the containers that are no text.
fn binary(input: &[u8], limits: &Limits) -> Option<Found> {
    if input.starts_with(openssh_key_v1::MAGIC) {
        return Some(as_format(Format::OpensshKeyV1, openssh_key_v1::decode(input, limits)));
    }
    if input.starts_with(ssh1::MAGIC) {
        return Some(as_format(Format::Ssh1, ssh1::decode(input, limits)));
    }
    match input {
        // A sequence whose length no text has, or one that begins with a number or an algorithm: no text does either.
        [0x30, 0x81..=0x84, ..] | [0x30, _, 0x02, ..] | [0x30, _, 0x30, _, 0x06, ..] => {
            return Some(der_keys::decode(input, limits));
        }
        _ => {}
    }
    // A string's length of four bytes: no text begins with zeros.
    if let [0, 0, 0, ..] = input {
        return Some(dropbear::decode(input, limits));
    }
    None
}

fn textual(text: &[u8], limits: &Limits) -> Found {
    // First, because a comment may say anything.
    if let Some(line) = one_line::leading(text) {
        return one_line::decode_line(line, limits);
    }
    // What begins first is what it is: the others may be in its comment.
    let place = |begin: &[u8]| memmem::find(text, begin).unwrap_or(text.len());
    let first = place(b"-----BEGIN ").min(place(b"---- BEGIN ")).min(place(putty::MAGIC));
    let armoured = text.get(first..).unwrap_or_default();
    if armoured.starts_with(b"-----")
        && let Some(armour) = text::armour(armoured, "-----")
    {
        return pem::decode(armour?, limits);
    }
    if armoured.starts_with(b"---- ")
        && let Some(armour) = text::armour(armoured, "---- ")
    {
        let armour = armour?;
        return match armour.label {
            rfc4716::LABEL => as_format(Format::Rfc4716, rfc4716::decode(armour.body, limits)),
            ssh_com::LABEL => as_format(Format::SshCom, ssh_com::decode(armour.body, limits)),
            other => Err(Error::unsupported("label", other)),
        };
    }
    if armoured.starts_with(putty::MAGIC) {
        return putty::decode(armoured, limits);
    }
    if text.starts_with(b"{") && memmem::find(text, b"\"kty\"").is_some() {
        return Err(Error::unsupported("container", "JSON Web Key"));
    }
    one_line::decode(text, limits)
}
