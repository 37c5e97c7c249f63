//! ProtocolVersion: the first twelve bytes of each side.

use bytes::BufMut;

use crate::{Error, reader::Reader};

/// A version as it is announced, `RFB 003.008`. What a peer announces may be anything; [`ProtocolVersion::spoken`] is
/// what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion {
    /// Before the dot, 0 to 999.
    pub major: u16,
    /// After the dot, 0 to 999.
    pub minor: u16,
}

/// Length of a ProtocolVersion, in bytes.
const BYTES: usize = 12;

impl ProtocolVersion {
    /// RFB 3.3: the server picks the security type.
    pub const V3_3: Self = Self { major: 3, minor: 3 };
    /// RFB 3.7: the client picks.
    pub const V3_7: Self = Self { major: 3, minor: 7 };
    /// RFB 3.8: and there is always a result, with a reason if it is no.
    pub const V3_8: Self = Self { major: 3, minor: 8 };

    /// Takes a ProtocolVersion off the front of `input`; `Ok(None)` until all twelve bytes are there.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] as soon as the bytes cannot become one: the peer speaks something else.
    ///
    /// Spec: RFC 6143 §7.1.1.
    pub fn decode(input: &mut &[u8]) -> Result<Option<Self>, Error> {
        let wanted = b"RFB ddd.ddd\n";
        let fits = input.iter().zip(wanted).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            exact => byte == exact,
        });
        if !fits {
            return Err(Error::Malformed { what: "protocol version", reason: "the peer does not speak RFB" });
        }
        let mut reader = Reader::new(input);
        let Some([_, _, _, _, a, b, c, _, x, y, z, _]) = reader.array::<BYTES>() else { return Ok(None) };
        let number = |digits: [u8; 3]| {
            digits.iter().fold(0, |number: u16, digit| number * 10 + u16::from(digit.saturating_sub(b'0')))
        };
        *input = reader.rest();
        Ok(Some(Self { major: number([a, b, c]), minor: number([x, y, z]) }))
    }

    /// Appends the twelve bytes.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(b"RFB ");
        for (number, end) in [(self.major, b'.'), (self.minor, b'\n')] {
            for place in [100, 10, 1] {
                let digit = u8::try_from(number / place % 10).unwrap_or_default();
                out.put_u8(b'0' + digit);
            }
            out.put_u8(end);
        }
    }

    /// The version to speak with a peer that announces this one: 3.3, 3.7 or 3.8.
    ///
    /// Above 3.8 it is 3.8: Apple announces 003.889, RealVNC 004.001 and 005.000, Intel AMT 004.000, and all of them mean
    /// 3.8. What is not 3.7 or 3.8 below that is 3.3, such as UltraVNC's 3.4 and 3.6.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for 000.000, which is an UltraVNC repeater that waits for an id.
    pub fn spoken(self) -> Result<Self, Error> {
        match (self.major, self.minor) {
            (0, 0) => Err(Error::Unsupported { what: "UltraVNC repeater, protocol version", value: 0 }),
            (4.., _) | (3, 8..) => Ok(Self::V3_8),
            (3, 7) => Ok(Self::V3_7),
            _ => Ok(Self::V3_3),
        }
    }
}

impl core::fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:03}.{:03}", self.major, self.minor)
    }
}
