//! Why a channel or a session ended: an open number space.

/// A code in RESET, STOP and CLOSE. Unknown values survive.
///
/// Spec: PROTOCOL.md §9.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u32);

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal;)*) => {
        impl Code {
            $($(#[doc = $doc])* pub const $name: Self = Self($value);)*

            /// Every code that this version of the protocol names.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in PROTOCOL.md §9, if it has one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// An orderly end.
    NO_ERROR = 0;
    /// The other side broke the protocol.
    PROTOCOL = 1;
    /// A failure that has nothing to do with the other side.
    INTERNAL = 2;
    /// More data than the credit allowed.
    FLOW_CONTROL = 3;
    /// A length, count or rate above a limit.
    LIMIT = 4;
    /// No version in common.
    VERSION = 5;
    /// Not processed at all: safe to try again.
    REFUSED = 6;
    /// No longer wanted.
    CANCEL = 7;
    /// Too many opens in too short a time.
    TOO_FAST = 8;
    /// Nothing was sent for longer than the channel's idle time.
    IDLE_TIMEOUT = 9;
    /// The channel's deadline passed.
    DEADLINE = 10;
    /// The memory set aside is used up.
    BUDGET = 11;
    /// This side is going down.
    SHUTDOWN = 12;
    /// The same device connected again.
    REPLACED = 13;
    /// A right was taken away.
    REVOKED = 14;
    /// The caller is not, or no longer, who it has to be.
    AUTH = 15;
    /// The session cannot be resumed.
    RESUME_REFUSED = 16;
    /// The session was not resumed in time.
    RESUME_EXPIRED = 17;
    /// Nothing was heard for too long.
    SILENT = 18;
    /// The target's text is not understood, or names nothing.
    NO_SERVICE = 0x20;
    /// The target refused the connection.
    CONNECT_REFUSED = 0x21;
    /// The target did not answer in time.
    CONNECT_TIMEOUT = 0x22;
    /// There is no route to the target.
    HOST_UNREACHABLE = 0x23;
    /// The target's name does not resolve.
    NAME_UNRESOLVED = 0x24;
    /// The device's own policy forbids the target.
    POLICY_DENIED = 0x25;
    /// The target broke the connection.
    TARGET_LOST = 0x26;
    /// No such device, or not visible to the caller.
    UNKNOWN_DEVICE = 0x30;
    /// No such endpoint.
    UNKNOWN_ENDPOINT = 0x31;
    /// The device is not connected.
    DEVICE_OFFLINE = 0x32;
    /// The device did not answer in time.
    DEVICE_TIMEOUT = 0x33;
    /// A permission is missing.
    FORBIDDEN = 0x34;
    /// A quota is used up.
    QUOTA = 0x35;
    /// The cloud failed.
    CLOUD_FAILED = 0x36;
    /// The device is disabled.
    DEVICE_DISABLED = 0x37;
    /// The cloud cannot write its records.
    STORAGE_FAILED = 0x38;
    /// The protocol is not allowed.
    PROTOCOL_FORBIDDEN = 0x39;
}

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl core::fmt::Debug for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
