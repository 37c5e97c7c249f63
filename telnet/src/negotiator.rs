//! Which options are on: the Q method of RFC 1143, for both sides of all 256 options, without a byte of I/O.
//!
//! For [`Side::Remote`], as the RFC draws it; for [`Side::Local`], read DO for WILL, DONT for WONT and the other way round.
//!
//! ```text
//!                      WILL, allowed: DO                        enable: DO
//!             ┌──────────────────────────────── No ───────────────────────────────┐
//!             │          WILL, not allowed: DONT ▲ ▲                              │
//!             ▼       WONT: DONT                 │ │ WONT                         ▼
//!            Yes ────────────────────────────────┘ └──────────────────────── WantYes ◄─► WantYesOpposite
//!             │ ▲                                │ WONT            WILL │  enable/disable      │
//!             │ └─────────────────────────────── │ ─────────────────────┘                      │ WILL: DONT
//!             │ disable: DONT                    │                                             │
//!             └────────────────────────────► WantNo ◄──────────────────────────────────────────┘
//!                                              ▲ │ enable/disable
//!                                              │ ▼
//!                                       WantNoOpposite ── WONT: DO ──► WantYes
//! ```
//!
//! A peer that takes each answer for a new question would be answered for ever: after
//! [`Limits::max_answers_in_a_row`] answers it is not, until [`Negotiator::data_passed`].

use crate::{Limits, OptionCode, OptionSet, Verb};

/// Who would perform an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This side: WILL and WONT are ours, DO and DONT the peer's.
    Local,
    /// The peer: WILL and WONT are its, DO and DONT ours.
    Remote,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Local, Self::Remote];

    /// What this side says to have the option on.
    pub fn asks(self) -> Verb {
        match self {
            Self::Local => Verb::Will,
            Self::Remote => Verb::Do,
        }
    }

    /// What this side says to have the option off.
    pub fn declines(self) -> Verb {
        match self {
            Self::Local => Verb::Wont,
            Self::Remote => Verb::Dont,
        }
    }
}

/// How one side of one option stands: the six states of RFC 1143.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QState {
    /// Off.
    #[default]
    No,
    /// On.
    Yes,
    /// We said no; the peer has not confirmed it.
    WantNo,
    /// The same, and we want it on again as soon as it has.
    WantNoOpposite,
    /// We asked; the peer has not answered.
    WantYes,
    /// The same, and we want it off again as soon as it has.
    WantYesOpposite,
}

impl QState {
    /// All six.
    pub const ALL: [Self; 6] =
        [Self::No, Self::Yes, Self::WantNo, Self::WantNoOpposite, Self::WantYes, Self::WantYesOpposite];
}

/// What became of a side of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is on now.
    Enabled,
    /// It is off now.
    Disabled,
    /// The peer said no to what we asked.
    Refused,
    /// The peer asked, and policy said no.
    Declined,
}

/// What follows from a call: what to say, and what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// To be sent, about the same option.
    pub reply: Option<Verb>,
    /// To be known.
    pub change: Option<Change>,
}

/// What this side agrees to when the peer asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What the peer may have us do.
    pub local: OptionSet,
    /// What the peer may do.
    pub remote: OptionSet,
}

impl Policy {
    fn allows(&self, side: Side, option: OptionCode) -> bool {
        match side {
            Side::Local => self.local.contains(option),
            Side::Remote => self.remote.contains(option),
        }
    }
}

/// Both sides of every option.
#[derive(Clone, Debug)]
pub struct Negotiator {
    policy: Policy,
    local: [QState; 256],
    remote: [QState; 256],
    max_answers: u32,
    /// INVARIANT: <= max_answers.
    answers: u32,
}

impl Negotiator {
    /// Everything off.
    pub fn new(policy: Policy, limits: &Limits) -> Self {
        Self {
            policy,
            local: [QState::No; 256],
            remote: [QState::No; 256],
            max_answers: limits.max_answers_in_a_row,
            answers: 0,
        }
    }

    /// What the peer said. An answer is to be sent before anything else; there is never more than one.
    #[inline]
    pub fn receive(&mut self, verb: Verb, option: OptionCode) -> Outcome {
        let side = verb.performer();
        match verb.is_positive() {
            true => self.asked(side, option),
            false => self.declined(side, option),
        }
    }

    #[inline]
    fn asked(&mut self, side: Side, option: OptionCode) -> Outcome {
        use QState::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
        let (next, reply, change) = match self.state(side, option) {
            No if self.answers >= self.max_answers => (No, None, None),
            No => {
                self.answers += 1;
                match self.policy.allows(side, option) {
                    true => (Yes, Some(side.asks()), Some(Change::Enabled)),
                    false => (No, Some(side.declines()), Some(Change::Declined)),
                }
            }
            Yes => (Yes, None, None),
            // An error of the peer: a no was answered with a yes.
            WantNo => (No, None, Some(Change::Disabled)),
            WantNoOpposite | WantYes => (Yes, None, Some(Change::Enabled)),
            WantYesOpposite => (WantNo, Some(side.declines()), None),
        };
        self.set(side, option, next);
        Outcome { reply, change }
    }

    #[inline]
    fn declined(&mut self, side: Side, option: OptionCode) -> Outcome {
        use QState::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
        let (next, reply, change) = match self.state(side, option) {
            No => (No, None, None),
            Yes => (No, Some(side.declines()), Some(Change::Disabled)),
            WantNo => (No, None, Some(Change::Disabled)),
            WantNoOpposite => (WantYes, Some(side.asks()), Some(Change::Disabled)),
            WantYes | WantYesOpposite => (No, None, Some(Change::Refused)),
        };
        self.set(side, option, next);
        Outcome { reply, change }
    }

    /// Asks for an option, now or as soon as the peer has answered what was said before. `None`: there is nothing to say now.
    pub fn enable(&mut self, side: Side, option: OptionCode) -> Option<Verb> {
        use QState::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
        let (next, say) = match self.state(side, option) {
            No => (WantYes, Some(side.asks())),
            Yes => (Yes, None),
            WantNo | WantNoOpposite => (WantNoOpposite, None),
            WantYes | WantYesOpposite => (WantYes, None),
        };
        self.set(side, option, next);
        say
    }

    /// Turns an option off, now or as soon as the peer has answered what was said before. `None`: there is nothing to
    /// say now. What was on counts as off from here on; [`Change::Disabled`] comes with the peer's answer.
    pub fn disable(&mut self, side: Side, option: OptionCode) -> Option<Verb> {
        use QState::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
        let (next, say) = match self.state(side, option) {
            No => (No, None),
            Yes => (WantNo, Some(side.declines())),
            WantNo | WantNoOpposite => (WantNo, None),
            WantYes | WantYesOpposite => (WantYesOpposite, None),
        };
        self.set(side, option, next);
        say
    }

    /// Agrees to an option from here on, when the peer asks.
    pub fn allow(&mut self, side: Side, option: OptionCode) {
        match side {
            Side::Local => self.policy.local.insert(option),
            Side::Remote => self.policy.remote.insert(option),
        }
    }

    /// Data came: whatever the two sides were negotiating, they do something else as well.
    pub fn data_passed(&mut self) {
        self.answers = 0;
    }

    /// How one side of an option stands.
    #[inline]
    pub fn state(&self, side: Side, option: OptionCode) -> QState {
        let states = match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        };
        states.get(usize::from(option.0)).copied().unwrap_or_default()
    }

    /// Whether one side of an option is on.
    pub fn is_on(&self, side: Side, option: OptionCode) -> bool {
        self.state(side, option) == QState::Yes
    }

    /// Everything that is on.
    pub fn all_on(&self) -> impl Iterator<Item = (Side, OptionCode)> + '_ {
        Side::ALL.into_iter().flat_map(move |side| {
            (0..=u8::MAX)
                .map(OptionCode)
                .filter(move |option| self.is_on(side, *option))
                .map(move |option| (side, option))
        })
    }

    #[inline]
    fn set(&mut self, side: Side, option: OptionCode, next: QState) {
        let states = match side {
            Side::Local => &mut self.local,
            Side::Remote => &mut self.remote,
        };
        if let Some(state) = states.get_mut(usize::from(option.0)) {
            *state = next;
        }
    }
}
