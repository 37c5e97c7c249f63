//! The machine: bytes to events, commands to bytes, with the options negotiated and their questions answered.
//!
//! ```text
//!          handle_input ──► Parser ──► Negotiator, options ──► newlines ──► poll_event
//!   peer                                  │ answers                                     application
//!          poll_transmit ◄── one queue ◄──┴── escaping, newlines ◄── send, command, enable …
//! ```
//!
//! One queue, so that data and what is said about data (BINARY, TIMING-MARK, EOR) stay in order; its pieces are whole
//! sequences, so that dropping data cuts none. What is asked again and again (STATUS, variables, the window's
//! size) is answered from one slot each, when everything negotiated before it has left.

#[cfg(feature = "mccp")]
mod compression;
mod config;
mod output;
mod receive;
mod transmit;

use alloc::{collections::VecDeque, string::String, vec::Vec};

use bytes::Bytes;

pub use self::config::Config;
use self::receive::Receiver;
use crate::{
    Change, Command, Error, Limits, Negotiator, OptionCode, Parser, QState, Side, Subnegotiation, Token, Verb,
    limits::wide,
    option::{
        linemode::{Mode, Table},
        naws::WindowSize,
        new_environ::Variable,
        terminal_type::{Mtts, TerminalType},
    },
};

/// A slice shorter than this part of its chunk is a copy, so that whoever keeps it does not keep the chunk.
const COPIED_BELOW: usize = 32;
/// One that is shorter than so many bytes is copied together with what comes after it, which is probably short as well.
const COPIED_TOGETHER_BELOW: usize = 128;
/// How much is copied together: what such a slice keeps.
const COPY_BYTES: usize = 1024;

/// Whether a slice is so small a part of its chunk that it must not keep it.
fn is_small(slice_bytes: usize, chunk_bytes: usize) -> bool {
    chunk_bytes > COPY_BYTES && slice_bytes.saturating_mul(COPIED_BELOW) < chunk_bytes
}

/// What happened, in the order of the peer's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Bytes for the application, newlines as [`Config::incoming`] has them. Never empty.
    Data(Bytes),
    /// A command that stands alone: IP, AO, AYT, BRK, EOR, GA, NOP …, or one that nobody knows. The application acts on it.
    Command(Command),
    /// The end of a Synch: what the peer wanted thrown away has been.
    DataMark,
    /// What became of an option.
    Changed {
        /// It is on, off, or was said no to.
        change: Change,
        /// Who performs it.
        side: Side,
        /// Which.
        option: OptionCode,
    },
    /// The peer asked for a timing mark; it has been answered as [`Config::policy`] says, where it stands.
    TimingMarkAsked,
    /// The peer has come to a timing mark of this side.
    TimingMarkReached {
        /// Whether it had worked through everything before it (WILL), or only says that it got there (WONT).
        done: bool,
    },
    /// The payload of an option that is on. What a [`Config`] can answer has been answered.
    Subnegotiation(Subnegotiation),
    /// The peer's compressed stream (MCCP) has ended. It began after the subnegotiation of its option.
    CompressionEnded,
    /// A subnegotiation that cannot be used; the connection goes on.
    Faulty {
        /// Whose, unless it ended before that was said.
        option: Option<OptionCode>,
        /// What is wrong with it.
        error: Error,
    },
}

/// What the parser reads next.
enum Chunk {
    Bytes(Bytes),
    #[cfg(feature = "mccp")]
    CompressionEnded,
}

/// One Telnet connection. See the [crate's documentation](crate) for the loop around it.
#[derive(Debug)]
pub struct Connection {
    parser: Parser,
    /// What the parser reads.
    chunk: Bytes,
    /// From where on it does.
    at: usize,
    /// The chunk that `chunk` is a copied part of, and where it goes on after that.
    beyond: (Bytes, usize),
    /// What comes after it, as it came.
    waiting: VecDeque<Bytes>,
    /// INVARIANT: the sum of the lengths in `waiting`.
    waiting_bytes: usize,
    /// What is waiting is compressed.
    #[cfg(feature = "mccp")]
    inflate: Option<compression::Inflate>,
    receiver: Receiver,
    failed: Option<Error>,
}

impl Connection {
    /// A connection at its very beginning: `poll_transmit` has what [`Config`] offers and asks for.
    pub fn new(config: Config, limits: Limits) -> Self {
        let mut connection = Self {
            parser: Parser::new(&limits),
            chunk: Bytes::new(),
            at: 0,
            beyond: (Bytes::new(), 0),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            #[cfg(feature = "mccp")]
            inflate: None,
            receiver: Receiver::new(config, limits),
            failed: None,
        };
        connection.receiver.speak_first();
        connection
    }

    /// Takes bytes from the peer, in whatever pieces.
    pub fn handle_input(&mut self, input: Bytes) {
        if input.is_empty() || self.failed.is_some() {
            return;
        }
        let (got, max) = (self.unread_bytes() + self.waiting_bytes, self.receiver.limits.max_waiting_input_bytes);
        if got > max {
            self.fail(Error::LimitExceeded { what: "max_waiting_input_bytes", got: wide(got), max: wide(max) });
            return;
        }
        self.waiting_bytes += input.len();
        self.waiting.push_back(input);
    }

    /// What is left of the chunk and the one beyond it.
    fn unread_bytes(&self) -> usize {
        let (beyond, at) = &self.beyond;
        self.chunk.len().saturating_sub(self.at) + beyond.len().saturating_sub(*at)
    }

    fn fail(&mut self, error: Error) -> Error {
        drop(self.take_unread());
        *self.failed.insert(error)
    }

    /// The transport has urgent data (TCP's): a Synch is under way. Data is thrown away up to the data mark; commands count.
    /// To be called before the bytes up to the mark are handed in.
    ///
    /// Spec: RFC 854, "The TELNET Synch signal".
    pub fn handle_urgent(&mut self) {
        self.receiver.in_synch = true;
    }

    /// What happened next. `None`: nothing, or so many answers wait that [`Connection::poll_transmit`] has to be drained first.
    ///
    /// # Errors
    ///
    /// [`Error::LimitExceeded`] for good if input was handed in against [`Connection::wants_input`]. Nothing that a peer
    /// sends is an error: what is wrong with it is [`Event::Faulty`].
    #[inline]
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        #[cfg(feature = "mccp")]
        self.follow_compression();
        match self.next_change() {
            Some(change) => Ok(Some(change)),
            None => self.next_event(),
        }
    }

    /// What became of an option, if that comes next: options come in crowds, and have a short way.
    #[inline(always)]
    fn next_change(&mut self) -> Option<Event> {
        if self.receiver.has_data() {
            return None;
        }
        while !self.receiver.is_stopped() {
            let (verb, option, rest) = self.parser.negotiation(self.chunk.get(self.at..)?)?;
            if option == OptionCode::TIMING_MARK {
                return None;
            }
            self.at = self.chunk.len() - rest.len();
            if let Some((change, side)) = self.receiver.negotiation(verb, option) {
                return Some(Event::Changed { change, side, option });
            }
        }
        None
    }

    fn next_event(&mut self) -> Result<Option<Event>, Error> {
        if let Some(data) = self.receiver.next_data() {
            return Ok(Some(Event::Data(data)));
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        loop {
            if self.receiver.is_stopped() {
                return Ok(None);
            }
            if self.at >= self.chunk.len() {
                (self.chunk, self.at) = core::mem::take(&mut self.beyond);
            }
            if self.at >= self.chunk.len() {
                match self.next_chunk()? {
                    Some(Chunk::Bytes(chunk)) => (self.chunk, self.at) = (chunk, 0),
                    #[cfg(feature = "mccp")]
                    Some(Chunk::CompressionEnded) => return Ok(Some(Event::CompressionEnded)),
                    None => return Ok(None),
                }
            }
            let unread = self.chunk.get(self.at..).unwrap_or_default();
            // What is here in one piece need not become a token.
            if let Some(length) = self.parser.data(unread) {
                if length < COPIED_TOGETHER_BELOW && is_small(length, self.chunk.len()) {
                    self.copy_near();
                }
                let data = self.at..self.chunk.len().min(self.at + length);
                self.at = data.end;
                if self.chunk.len() <= COPY_BYTES && self.receiver.passes(&self.chunk, data.clone()) {
                    return Ok(Some(Event::Data(self.chunk.slice(data))));
                }
                match self.receiver.data(&self.chunk, data) {
                    Some(data) => return Ok(Some(Event::Data(data))),
                    None => continue,
                }
            }
            if let Some((option, payload, rest)) = self.parser.subnegotiation(unread) {
                self.at = self.chunk.len() - rest.len();
                return Ok(Some(self.receiver.subnegotiation(option, payload)));
            }
            let mut rest = unread;
            let token = self.parser.decode(&mut rest);
            self.at = self.chunk.len() - rest.len();
            match token {
                Some(Token::Data(data)) => {
                    // Data is the end of what a token used: a doubled byte stands before it.
                    let length = data.len();
                    if let Some(data) = self.receiver.data(&self.chunk, self.at - length..self.at) {
                        return Ok(Some(Event::Data(data)));
                    }
                }
                Some(Token::Command(command)) => return Ok(Some(self.receiver.command(command))),
                Some(Token::Negotiation { verb, option: OptionCode::TIMING_MARK }) => {
                    if let Some(event) = self.receiver.timing_mark(verb) {
                        return Ok(Some(event));
                    }
                }
                Some(Token::Negotiation { verb, option }) => {
                    if let Some((change, side)) = self.receiver.negotiation(verb, option) {
                        return Ok(Some(Event::Changed { change, side, option }));
                    }
                }
                Some(Token::Subnegotiation { option, payload }) => {
                    return Ok(Some(self.receiver.subnegotiation(option, payload)));
                }
                Some(Token::Spoilt { option, error }) => return Ok(Some(Event::Faulty { option, error })),
                None => {}
            }
        }
    }

    /// Reads on in a copy of what is near, so that whoever keeps a small slice does not keep the whole chunk.
    fn copy_near(&mut self) {
        let end = self.chunk.len().min(self.at + COPY_BYTES);
        let near = Bytes::copy_from_slice(self.chunk.get(self.at..end).unwrap_or_default());
        self.beyond = (core::mem::replace(&mut self.chunk, near), end);
        self.at = 0;
    }

    /// What has not been read of the chunk and of the one beyond it.
    fn take_chunks(&mut self) -> [Bytes; 2] {
        let chunks =
            [(core::mem::take(&mut self.chunk), core::mem::take(&mut self.at)), core::mem::take(&mut self.beyond)];
        chunks.map(|(chunk, at)| chunk.slice(at.min(chunk.len())..))
    }

    /// From here on the peer's bytes are compressed, if it has said so.
    #[cfg(feature = "mccp")]
    #[inline]
    fn follow_compression(&mut self) {
        if core::mem::take(&mut self.receiver.compression.follows) && self.inflate.is_none() {
            for rest in self.take_chunks().into_iter().rev().filter(|rest| !rest.is_empty()) {
                self.waiting_bytes += rest.len();
                self.waiting.push_front(rest);
            }
            self.inflate = Some(compression::Inflate::new());
        }
    }

    /// What the parser reads next.
    fn next_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        #[cfg(feature = "mccp")]
        if self.inflate.is_some() {
            return self.next_inflated();
        }
        let Some(chunk) = self.waiting.pop_front() else { return Ok(None) };
        self.waiting_bytes -= chunk.len();
        Ok(Some(Chunk::Bytes(chunk)))
    }

    #[cfg(feature = "mccp")]
    fn next_inflated(&mut self) -> Result<Option<Chunk>, Error> {
        let Some(inflate) = &mut self.inflate else { return Ok(None) };
        loop {
            let mut input = self.waiting.pop_front().unwrap_or_default();
            self.waiting_bytes -= input.len();
            let is_last = self.waiting.is_empty();
            let result = inflate.pull(&mut input, &self.receiver.limits);
            if !input.is_empty() {
                self.waiting_bytes += input.len();
                self.waiting.push_front(input);
            }
            match result {
                Ok(compression::Inflated::Piece(piece)) => return Ok(Some(Chunk::Bytes(piece))),
                Ok(compression::Inflated::Wanting) if is_last => return Ok(None),
                Ok(compression::Inflated::Wanting) => {}
                Ok(compression::Inflated::Ended) => {
                    self.inflate = None;
                    return Ok(Some(Chunk::CompressionEnded));
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// The input that no event has come from yet, for whoever takes over. After the peer's
    /// [`StartTls::Follows`](crate::option::start_tls::StartTls::Follows) this machine reads no further: what is here, and
    /// what comes, is TLS, and within it both sides start anew with a connection of its own.
    pub fn take_unread(&mut self) -> Bytes {
        self.waiting_bytes = 0;
        let [chunk, beyond] = self.take_chunks();
        match beyond.is_empty() && self.waiting.is_empty() {
            true => chunk,
            false => chunk.into_iter().chain(beyond).chain(self.waiting.drain(..).flatten()).collect(),
        }
    }

    /// The next bytes for the peer; `None` when there is nothing to say now. A piece ends where a sequence does.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.receiver.poll_transmit()
    }

    /// Whether the last byte of the next [`Connection::poll_transmit`] is a data mark, to be sent as urgent data where
    /// the transport has such a thing.
    pub fn next_is_urgent(&self) -> bool {
        self.receiver.next_is_urgent()
    }

    /// Whether it is time to read from the peer: what has come is used up, and the answers to it do not pile up.
    pub fn wants_input(&self) -> bool {
        self.failed.is_none() && self.unread_bytes() == 0 && self.waiting.is_empty() && !self.receiver.is_stopped()
    }

    /// Takes as much of the front of `data` as there is room for, and returns how many bytes that was. The rest can go
    /// once [`Connection::poll_transmit`] was drained. Newlines as [`Config::outgoing`] has them, unless BINARY is on.
    pub fn send(&mut self, data: &mut Bytes) -> usize {
        self.receiver.send(data)
    }

    /// How many bytes [`Connection::send`] would take now.
    pub fn room(&self) -> usize {
        self.receiver.room()
    }

    /// Sends a command that stands alone: IP, AO, AYT, BRK, NOP …
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for what is part of the framing; for a data mark, which is [`Connection::synch`]; for EOR while
    /// the option is off.
    pub fn command(&mut self, command: Command) -> Result<(), Error> {
        if !command.is_signal() || command == Command::DM {
            return Err(Error::Misuse("a command that does not stand alone"));
        }
        if command == Command::EOR && !self.is_on(Side::Local, OptionCode::END_OF_RECORD) {
            return Err(Error::Misuse("the end of a record while the option is off"));
        }
        self.receiver.output.command(command);
        Ok(())
    }

    /// Asks the peer to throw away the data it has not looked at: a data mark, urgent if the transport can.
    pub fn synch(&mut self) {
        self.receiver.output.synch();
    }

    /// Interrupts the peer's process, past whatever input it has not read: IP and a Synch.
    pub fn interrupt(&mut self) {
        self.receiver.output.command(Command::IP);
        self.receiver.output.synch();
    }

    /// Throws away the data that has not left yet and tells the peer to do the same: the answer to AO. What was
    /// negotiated stays.
    pub fn abort_output(&mut self) {
        self.receiver.output.drop_data();
        self.receiver.output.synch();
    }

    /// Asks the peer to say when it has come to this place: [`Event::TimingMarkReached`].
    pub fn timing_mark(&mut self) {
        self.receiver.timing_marks = self.receiver.timing_marks.saturating_add(1);
        self.receiver.output.negotiation(Verb::Do, OptionCode::TIMING_MARK);
    }

    /// Asks for an option to be on, now or as soon as the peer has answered what was said before. Nothing comes of it for
    /// MCCP without feature `mccp`, and for [`OptionCode::TIMING_MARK`], which is [`Connection::timing_mark`].
    pub fn enable(&mut self, side: Side, option: OptionCode) {
        if option != OptionCode::TIMING_MARK && receive::can_be_kept(option) {
            let said = self.receiver.negotiator.enable(side, option);
            self.receiver.say(option, said);
        }
    }

    /// Turns an option off, now or as soon as the peer has answered what was said before.
    pub fn disable(&mut self, side: Side, option: OptionCode) {
        if option != OptionCode::TIMING_MARK {
            let said = self.receiver.negotiator.disable(side, option);
            self.receiver.say(option, said);
        }
    }

    /// Sends the payload of an option.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] while the option is off on both sides: a peer that knows nothing of it would take it for
    /// typed text, as some do.
    pub fn subnegotiate(&mut self, subnegotiation: &Subnegotiation) -> Result<(), Error> {
        let option = subnegotiation.option();
        if !Side::ALL.into_iter().any(|side| self.is_on(side, option)) {
            return Err(Error::Misuse("a subnegotiation of an option that is off"));
        }
        if let Subnegotiation::TerminalType(TerminalType::Send) = subnegotiation {
            self.receiver.collector = Default::default();
        }
        self.receiver.output.subnegotiation(subnegotiation);
        Ok(())
    }

    /// The window has this size now, at any time. The peer is told if it wants to know, as soon as it wants to, and only
    /// the last size. The first size, if it was not known from the start, is offered to a peer that has asked before.
    pub fn resize(&mut self, size: WindowSize) {
        self.receiver.resize(size);
    }

    /// How one side of an option stands.
    pub fn state(&self, side: Side, option: OptionCode) -> QState {
        self.receiver.negotiator.state(side, option)
    }

    /// Whether one side of an option is on.
    pub fn is_on(&self, side: Side, option: OptionCode) -> bool {
        self.receiver.negotiator.is_on(side, option)
    }

    /// All options.
    pub fn negotiator(&self) -> &Negotiator {
        &self.receiver.negotiator
    }

    /// Whether the user's keys are to be shown on this side, because the peer does not echo them.
    pub fn wants_local_echo(&self) -> bool {
        !self.is_on(Side::Remote, OptionCode::ECHO)
    }

    /// Whether each key is to be sent at once, not a line at a time.
    pub fn is_character_mode(&self) -> bool {
        match self.linemode() {
            Some(mode) => !mode.contains(Mode::EDIT),
            None => self.is_on(Side::Remote, OptionCode::SGA),
        }
    }

    /// The mode of LINEMODE, once it was agreed on.
    pub fn linemode(&self) -> Option<Mode> {
        let side = Side::ALL.into_iter().find(|side| self.is_on(*side, OptionCode::LINEMODE));
        side.and(self.receiver.linemode)
    }

    /// The keys of LINEMODE, as they were agreed on.
    pub fn special_characters(&self) -> &Table {
        &self.receiver.keys
    }

    /// The size of the peer's window, if it said so.
    pub fn peer_window(&self) -> Option<WindowSize> {
        self.receiver.peer_window
    }

    /// The terminal types that the peer has told so far, the most specific one first.
    pub fn peer_terminal_types(&self) -> &[String] {
        self.receiver.collector.names()
    }

    /// What the peer's terminal can do, if it is a MUD client that says so.
    pub fn peer_capabilities(&self) -> Option<Mtts> {
        self.receiver.collector.capabilities()
    }

    /// The character set that was agreed on.
    pub fn charset(&self) -> Option<&str> {
        self.receiver.charset.as_deref()
    }

    /// The variables that the peer may be told from now on.
    pub fn set_environment(&mut self, environment: Vec<Variable>) {
        self.receiver.config.environment = environment;
    }
}
