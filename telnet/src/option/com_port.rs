//! COM-PORT-CONTROL: a serial port behind the connection. RFC 2217.
//!
//! The client sets, the access server answers with the value that holds; a value of 0 asks without setting.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Error, error::malformed};

/// What the access server adds to a command's number.
const FROM_SERVER: u8 = 100;

/// Whose words they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The client: it wants something.
    Client,
    /// The access server, which has the port: this is how it is.
    Server,
}

/// A payload of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComPort {
    /// Whose words they are.
    pub sender: Sender,
    /// The words.
    pub command: ComPortCommand,
}

/// What is set, asked or told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComPortCommand {
    /// The name of the device or program; empty asks for the other's.
    Signature(Bytes),
    /// Bits per second; 0 asks.
    BaudRate(u32),
    /// Bits per character, 5 to 8; 0 asks.
    DataSize(u8),
    /// The parity.
    Parity(Parity),
    /// The stop bits.
    StopSize(StopSize),
    /// Flow control, BREAK, DTR and RTS.
    Control(Control),
    /// The line's state.
    LineState(LineState),
    /// The modem's state.
    ModemState(ModemState),
    /// "Stop sending."
    FlowSuspend,
    /// "Go on sending."
    FlowResume,
    /// Which bits of the line's state are to be told.
    LineStateMask(LineState),
    /// Which bits of the modem's state are to be told.
    ModemStateMask(ModemState),
    /// Throw away what is buffered.
    Purge(Purge),
}

macro_rules! numbers {
    ($(#[doc = $type_doc:literal])* $type:ident { $($(#[doc = $doc:literal])* $name:ident = $value:literal;)* }) => {
        $(#[doc = $type_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $type(pub u8);

        impl $type {
            $($(#[doc = $doc])* pub const $name: Self = Self($value);)*
        }
    };
}

numbers! {
    /// A parity. Unknown values survive.
    Parity {
        /// Asks.
        ASK = 0;
        /// None.
        NONE = 1;
        /// Odd.
        ODD = 2;
        /// Even.
        EVEN = 3;
        /// Always 1.
        MARK = 4;
        /// Always 0.
        SPACE = 5;
    }
}

numbers! {
    /// Stop bits. Unknown values survive.
    StopSize {
        /// Asks.
        ASK = 0;
        /// One.
        ONE = 1;
        /// Two.
        TWO = 2;
        /// One and a half.
        ONE_AND_A_HALF = 3;
    }
}

numbers! {
    /// What SET-CONTROL sets. Unknown values survive.
    Control {
        /// Asks for the flow control out (and both ways).
        ASK_FLOW = 0;
        /// No flow control.
        FLOW_NONE = 1;
        /// XON and XOFF.
        FLOW_XON_XOFF = 2;
        /// By the lines RTS and CTS.
        FLOW_HARDWARE = 3;
        /// Asks for BREAK.
        ASK_BREAK = 4;
        /// BREAK begins.
        BREAK_ON = 5;
        /// BREAK ends.
        BREAK_OFF = 6;
        /// Asks for DTR.
        ASK_DTR = 7;
        /// DTR on.
        DTR_ON = 8;
        /// DTR off.
        DTR_OFF = 9;
        /// Asks for RTS.
        ASK_RTS = 10;
        /// RTS on.
        RTS_ON = 11;
        /// RTS off.
        RTS_OFF = 12;
        /// Asks for the flow control in.
        ASK_FLOW_IN = 13;
        /// None, in.
        FLOW_IN_NONE = 14;
        /// XON and XOFF, in.
        FLOW_IN_XON_XOFF = 15;
        /// By the lines, in.
        FLOW_IN_HARDWARE = 16;
        /// By DCD, out.
        FLOW_DCD = 17;
        /// By DTR, in.
        FLOW_IN_DTR = 18;
        /// By DSR, out.
        FLOW_DSR = 19;
    }
}

numbers! {
    /// Bits of the line's state.
    LineState {
        /// Data is there.
        DATA_READY = 1;
        /// A character was overrun.
        OVERRUN = 2;
        /// A parity was wrong.
        PARITY_ERROR = 4;
        /// A stop bit was missing.
        FRAMING_ERROR = 8;
        /// BREAK was seen.
        BREAK = 16;
        /// The holding register is empty.
        HOLDING_EMPTY = 32;
        /// The shift register is empty.
        SHIFT_EMPTY = 64;
        /// It took too long.
        TIMEOUT = 128;
    }
}

numbers! {
    /// Bits of the modem's state.
    ModemState {
        /// CTS changed.
        CTS_CHANGED = 1;
        /// DSR changed.
        DSR_CHANGED = 2;
        /// The ring indicator went off.
        RING_ENDED = 4;
        /// Carrier detect changed.
        CARRIER_CHANGED = 8;
        /// CTS is on.
        CTS = 16;
        /// DSR is on.
        DSR = 32;
        /// It rings.
        RING = 64;
        /// There is a carrier.
        CARRIER = 128;
    }
}

numbers! {
    /// Whose buffers. Unknown values survive.
    Purge {
        /// What was received from the port.
        RECEIVED = 1;
        /// What is to be sent to the port.
        TO_SEND = 2;
        /// Both.
        BOTH = 3;
    }
}

impl ComPort {
    /// What a client says.
    pub fn from_client(command: ComPortCommand) -> Self {
        Self { sender: Sender::Client, command }
    }

    /// What the access server says.
    pub fn from_server(command: ComPortCommand) -> Self {
        Self { sender: Sender::Server, command }
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if a value has not its size, [`Error::Unsupported`] for an unknown command.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        let Some((&code, value)) = payload.split_first() else { return malformed("COM-PORT", "it is empty") };
        let (sender, number) = match code.checked_sub(FROM_SERVER) {
            Some(number) => (Sender::Server, number),
            None => (Sender::Client, code),
        };
        let one = || match *value {
            [byte] => Ok(byte),
            _ => malformed("COM-PORT", "the value is not one byte"),
        };
        let command = match number {
            0 => ComPortCommand::Signature(Bytes::copy_from_slice(value)),
            1 => match value.first_chunk::<4>() {
                Some(rate) if value.len() == 4 => ComPortCommand::BaudRate(u32::from_be_bytes(*rate)),
                _ => return malformed("COM-PORT", "the baud rate is not four bytes"),
            },
            2 => ComPortCommand::DataSize(one()?),
            3 => ComPortCommand::Parity(Parity(one()?)),
            4 => ComPortCommand::StopSize(StopSize(one()?)),
            5 => ComPortCommand::Control(Control(one()?)),
            6 => ComPortCommand::LineState(LineState(one()?)),
            7 => ComPortCommand::ModemState(ModemState(one()?)),
            8 | 9 if !value.is_empty() => return malformed("COM-PORT", "flow control has no value"),
            8 => ComPortCommand::FlowSuspend,
            9 => ComPortCommand::FlowResume,
            10 => ComPortCommand::LineStateMask(LineState(one()?)),
            11 => ComPortCommand::ModemStateMask(ModemState(one()?)),
            12 => ComPortCommand::Purge(Purge(one()?)),
            _ => return Err(Error::Unsupported { what: "COM-PORT command", value: code.into() }),
        };
        Ok(Self { sender, command })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut BytesMut) {
        let base = match self.sender {
            Sender::Client => 0,
            Sender::Server => FROM_SERVER,
        };
        let (number, value) = match &self.command {
            ComPortCommand::Signature(text) => {
                out.put_u8(base);
                out.put_slice(text);
                return;
            }
            ComPortCommand::BaudRate(rate) => {
                out.put_u8(base + 1);
                out.put_u32(*rate);
                return;
            }
            ComPortCommand::FlowSuspend => return out.put_u8(base + 8),
            ComPortCommand::FlowResume => return out.put_u8(base + 9),
            ComPortCommand::DataSize(bits) => (2, *bits),
            ComPortCommand::Parity(parity) => (3, parity.0),
            ComPortCommand::StopSize(size) => (4, size.0),
            ComPortCommand::Control(control) => (5, control.0),
            ComPortCommand::LineState(state) => (6, state.0),
            ComPortCommand::ModemState(state) => (7, state.0),
            ComPortCommand::LineStateMask(state) => (10, state.0),
            ComPortCommand::ModemStateMask(state) => (11, state.0),
            ComPortCommand::Purge(purge) => (12, purge.0),
        };
        out.put_slice(&[base + number, value]);
    }
}
