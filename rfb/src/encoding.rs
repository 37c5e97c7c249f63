//! Encodings of rectangles, and pseudo-encodings that say something else.

/// An encoding or pseudo-encoding: an open number space.
///
/// Spec: RFC 6143 §7.7 and §7.8, and the registry of the RFB community's specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoding(pub i32);

macro_rules! encodings {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal, $text:literal;)*) => {
        impl Encoding {
            $($(#[doc = $doc])* pub const $name: Self = Self($value);)*

            /// What it is called, if it has a name.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

encodings! {
    /// Pixels, row by row.
    RAW = 0, "Raw";
    /// A rectangle that the client has already, elsewhere.
    COPY_RECT = 1, "CopyRect";
    /// Rise-and-run-length.
    RRE = 2, "RRE";
    /// RRE with small rectangles.
    CORRE = 4, "CoRRE";
    /// Tiles of 16 by 16 pixels.
    HEXTILE = 5, "Hextile";
    /// Raw, compressed.
    ZLIB = 6, "zlib";
    /// TightVNC's.
    TIGHT = 7, "Tight";
    /// Hextile, compressed.
    ZLIBHEX = 8, "zlibhex";
    /// Tiled run-length.
    TRLE = 15, "TRLE";
    /// Tiles of 64 by 64 pixels, run-length encoded and compressed.
    ZRLE = 16, "ZRLE";
    /// ZRLE with wavelets.
    ZYWRLE = 17, "ZYWRLE";
    /// JPEG.
    JPEG = 21, "JPEG";
    /// H.264.
    OPEN_H264 = 50, "Open H.264";
    /// The framebuffer has another size.
    DESKTOP_SIZE = -223, "DesktopSize";
    /// The last rectangle of an update whose number was not known.
    LAST_RECT = -224, "LastRect";
    /// The shape of the cursor.
    CURSOR = -239, "Cursor";
    /// Key events with a key code.
    QEMU_EXTENDED_KEY_EVENT = -258, "QEMU Extended Key Event";
    /// The name of the desktop.
    DESKTOP_NAME = -307, "DesktopName";
    /// The framebuffer has another size, and screens.
    EXTENDED_DESKTOP_SIZE = -308, "ExtendedDesktopSize";
    /// Power control.
    XVP = -309, "xvp";
    /// Points in the stream that the other side reports back.
    FENCE = -312, "Fence";
    /// Updates without requests.
    CONTINUOUS_UPDATES = -313, "ContinuousUpdates";
    /// The shape of the cursor, with transparency.
    CURSOR_WITH_ALPHA = -314, "CursorWithAlpha";
    /// Nine buttons of a pointer. A message's length then depends on what both sides support.
    EXTENDED_MOUSE_BUTTONS = -316, "ExtendedMouseButtons";
    /// A clipboard with formats.
    EXTENDED_CLIPBOARD = -1_063_131_698, "ExtendedClipboard";
}

impl Encoding {
    /// What [`Decoder`](crate::Decoder) understands, best first: an argument for SetEncodings.
    pub const DECODED: &'static [Self] = &[
        Self::ZRLE,
        Self::HEXTILE,
        Self::COPY_RECT,
        Self::RAW,
        Self::CURSOR,
        Self::DESKTOP_SIZE,
        Self::EXTENDED_DESKTOP_SIZE,
        Self::LAST_RECT,
        Self::DESKTOP_NAME,
    ];
}

impl core::fmt::Display for Encoding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}
