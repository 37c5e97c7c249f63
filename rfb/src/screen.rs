//! The screens of a desktop.

use bytes::BufMut;

use crate::{Rectangle, reader::Reader};

/// A screen of the desktop: part of the framebuffer.
///
/// Spec: the RFB community's specification, ExtendedDesktopSize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Screen {
    /// Its number, by which it is known again.
    pub id: u32,
    /// Where it is.
    pub rectangle: Rectangle,
    /// Nothing defined yet.
    pub flags: u32,
}

impl Screen {
    /// Length on the wire, in bytes.
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { id: reader.u32()?, rectangle: Rectangle::read(reader)?, flags: reader.u32()? })
    }

    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        out.put_u32(self.id);
        self.rectangle.encode(out);
        out.put_u32(self.flags);
    }
}
