//! All payloads as one type.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr;

use super::{
    OptionCode, authentication::Authentication, charset::Charset, com_port::ComPort, encryption::Encryption,
    flow_control::FlowControl, gmcp::Gmcp, linemode::Linemode, msdp::Msdp, mssp::Mssp, naws::WindowSize,
    new_environ::Environment, start_tls::StartTls, status::Status, terminal_speed::TerminalSpeed,
    terminal_type::TerminalType, x_display::XDisplay,
};
use crate::{Command, Error, IAC, Limits, escape, parser::SB};

/// What a subnegotiation says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
// A tag of one byte would have what is beside it copied at odd addresses, which costs more than all else about an event.
#[repr(u64)]
pub enum Subnegotiation {
    /// STATUS.
    Status(Status),
    /// TERMINAL-TYPE.
    TerminalType(TerminalType),
    /// NAWS.
    WindowSize(WindowSize),
    /// TERMINAL-SPEED.
    TerminalSpeed(TerminalSpeed),
    /// TOGGLE-FLOW-CONTROL.
    FlowControl(FlowControl),
    /// LINEMODE.
    Linemode(Linemode),
    /// X-DISPLAY-LOCATION.
    XDisplay(XDisplay),
    /// ENVIRON.
    OldEnvironment(Environment),
    /// AUTHENTICATION.
    Authentication(Authentication),
    /// ENCRYPTION.
    Encryption(Encryption),
    /// NEW-ENVIRON.
    Environment(Environment),
    /// CHARSET.
    Charset(Charset),
    /// COM-PORT-CONTROL.
    ComPort(ComPort),
    /// START-TLS.
    StartTls(StartTls),
    /// MSDP.
    Msdp(Msdp),
    /// MSSP.
    Mssp(Mssp),
    /// GMCP.
    Gmcp(Gmcp),
    /// Of an option that this crate has no values for.
    Other {
        /// The option.
        option: OptionCode,
        /// The payload.
        payload: Bytes,
    },
}

impl Subnegotiation {
    /// Reads the payload of an option.
    ///
    /// # Errors
    ///
    /// Those of the option's own `decode`.
    #[inline]
    pub fn decode(option: OptionCode, payload: &[u8], limits: &Limits) -> Result<Self, Error> {
        Ok(match option {
            OptionCode::STATUS => Self::Status(Status::decode(payload, limits)?),
            OptionCode::TERMINAL_TYPE => Self::TerminalType(TerminalType::decode(payload)?),
            OptionCode::NAWS => Self::WindowSize(WindowSize::decode(payload)?),
            OptionCode::TERMINAL_SPEED => Self::TerminalSpeed(TerminalSpeed::decode(payload)?),
            OptionCode::TOGGLE_FLOW_CONTROL => Self::FlowControl(FlowControl::decode(payload)?),
            OptionCode::LINEMODE => Self::Linemode(Linemode::decode(payload, limits)?),
            OptionCode::X_DISPLAY_LOCATION => Self::XDisplay(XDisplay::decode(payload)?),
            OptionCode::OLD_ENVIRON => Self::OldEnvironment(Environment::decode_old(payload, limits)?),
            OptionCode::AUTHENTICATION => Self::Authentication(Authentication::decode(payload, limits)?),
            OptionCode::ENCRYPTION => Self::Encryption(Encryption::decode(payload)?),
            OptionCode::NEW_ENVIRON => Self::Environment(Environment::decode(payload, limits)?),
            OptionCode::CHARSET => Self::Charset(Charset::decode(payload, limits)?),
            OptionCode::COM_PORT => Self::ComPort(ComPort::decode(payload)?),
            OptionCode::START_TLS => Self::StartTls(StartTls::decode(payload)?),
            OptionCode::MSDP => Self::Msdp(Msdp::decode(payload, limits)?),
            OptionCode::MSSP => Self::Mssp(Mssp::decode(payload, limits)?),
            OptionCode::GMCP => Self::Gmcp(Gmcp::decode(payload)?),
            option => Self::Other { option, payload: Bytes::copy_from_slice(payload) },
        })
    }

    /// Whose it is.
    pub fn option(&self) -> OptionCode {
        match self {
            Self::Status(_) => OptionCode::STATUS,
            Self::TerminalType(_) => OptionCode::TERMINAL_TYPE,
            Self::WindowSize(_) => OptionCode::NAWS,
            Self::TerminalSpeed(_) => OptionCode::TERMINAL_SPEED,
            Self::FlowControl(_) => OptionCode::TOGGLE_FLOW_CONTROL,
            Self::Linemode(_) => OptionCode::LINEMODE,
            Self::XDisplay(_) => OptionCode::X_DISPLAY_LOCATION,
            Self::OldEnvironment(_) => OptionCode::OLD_ENVIRON,
            Self::Authentication(_) => OptionCode::AUTHENTICATION,
            Self::Encryption(_) => OptionCode::ENCRYPTION,
            Self::Environment(_) => OptionCode::NEW_ENVIRON,
            Self::Charset(_) => OptionCode::CHARSET,
            Self::ComPort(_) => OptionCode::COM_PORT,
            Self::StartTls(_) => OptionCode::START_TLS,
            Self::Msdp(_) => OptionCode::MSDP,
            Self::Mssp(_) => OptionCode::MSSP,
            Self::Gmcp(_) => OptionCode::GMCP,
            Self::Other { option, .. } => *option,
        }
    }

    /// Appends the payload alone.
    pub fn encode_payload(&self, out: &mut BytesMut) {
        match self {
            Self::Status(value) => value.encode(out),
            Self::TerminalType(value) => value.encode(out),
            Self::WindowSize(value) => value.encode(out),
            Self::TerminalSpeed(value) => value.encode(out),
            Self::FlowControl(value) => value.encode(out),
            Self::Linemode(value) => value.encode(out),
            Self::XDisplay(value) => value.encode(out),
            Self::OldEnvironment(value) | Self::Environment(value) => value.encode(out),
            Self::Authentication(value) => value.encode(out),
            Self::Encryption(value) => value.encode(out),
            Self::Charset(value) => value.encode(out),
            Self::ComPort(value) => value.encode(out),
            Self::StartTls(value) => value.encode(out),
            Self::Msdp(value) => value.encode(out),
            Self::Mssp(value) => value.encode(out),
            Self::Gmcp(value) => value.encode(out),
            Self::Other { payload, .. } => out.put_slice(payload),
        }
    }

    /// Appends the whole subnegotiation, from IAC SB to IAC SE.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&[IAC, SB]);
        escape(&[self.option().0], out);
        let start = out.len();
        self.encode_payload(out);
        // Few payloads have a 0xFF: those are taken back and doubled.
        if out.get(start..).is_some_and(|payload| memchr(IAC, payload).is_some()) {
            let payload = out.split_off(start);
            escape(&payload, out);
        }
        out.put_slice(&[IAC, Command::SE.0]);
    }
}
