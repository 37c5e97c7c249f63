//! Security types and their results.

use alloc::string::String;

use bytes::BufMut;

/// How a client proves who it is: an open number space.
///
/// Spec: RFC 6143 §7.1.2, and the registry of the RFB community's specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecurityType(pub u8);

macro_rules! security_types {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal, $text:literal;)*) => {
        impl SecurityType {
            $($(#[doc = $doc])* pub const $name: Self = Self($value);)*

            /// What it is called, if it has a name.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    128..=255 => Some("RealVNC"),
                    31..=36 => Some("Apple"),
                    _ => None,
                }
            }
        }
    };
}

security_types! {
    /// Not a type: a reason follows.
    INVALID = 0, "Invalid";
    /// Nothing is proved.
    NONE = 1, "None";
    /// A password of up to eight characters, by challenge and response.
    VNC_AUTHENTICATION = 2, "VNC Authentication";
    /// RealVNC's RSA-AES.
    RA2 = 5, "RA2";
    /// RealVNC's RSA-AES without encryption of the session.
    RA2NE = 6, "RA2ne";
    /// RealVNC's RSA-AES in two steps.
    RA2_TWO_STEP = 13, "RA2 two-step";
    /// TightVNC's.
    TIGHT = 16, "Tight";
    /// UltraVNC's.
    ULTRA = 17, "Ultra";
    /// TLS.
    TLS = 18, "TLS";
    /// VeNCrypt.
    VENCRYPT = 19, "VeNCrypt";
    /// SASL.
    SASL = 20, "SASL";
    /// xvp.
    XVP = 22, "xvp";
    /// Apple Remote Desktop's Diffie-Hellman.
    DIFFIE_HELLMAN = 30, "Apple Diffie-Hellman";
    /// UltraVNC's Microsoft logon.
    MS_LOGON_II = 113, "MS-Logon II";
    /// RealVNC's RSA-AES with 256 bits.
    RA2_256 = 129, "RA2-256";
    /// RealVNC's RSA-AES with 256 bits, without encryption of the session.
    RA2NE_256 = 130, "RA2ne-256";
}

impl SecurityType {
    /// Whether this crate can do it, on either side.
    pub fn is_implemented(self) -> bool {
        matches!(self, Self::NONE | Self::VNC_AUTHENTICATION)
    }
}

impl core::fmt::Display for SecurityType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => self.0.fmt(f),
        }
    }
}

/// The SecurityResult that says yes.
pub(crate) const RESULT_OK: u32 = 0;
/// The SecurityResult that says no.
pub(crate) const RESULT_FAILED: u32 = 1;
/// The SecurityResult that says no to too many attempts; 3.3 and 3.7 have it.
pub(crate) const RESULT_TOO_MANY: u32 = 2;

/// Appends a text after its length.
pub(crate) fn put_text(out: &mut impl BufMut, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.put_u32(length);
    out.put_slice(text.as_bytes());
}

/// A text for people: bytes that are not UTF-8 are replaced, not refused.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
