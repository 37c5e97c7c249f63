//! zlib streams behind two private types: zlib-rs with feature `std`, miniz_oxide without.

use alloc::{boxed::Box, vec::Vec};

/// How hard to compress, 1 to 9. Two: with zlib-rs one makes a fifth more bytes than zlib's one does.
const LEVEL: u8 = 2;

/// What one call of [`Inflate::pull`] did.
pub(crate) struct Pulled {
    /// Bytes of the input that were used.
    pub(crate) consumed: usize,
    /// Bytes of the output that were filled.
    pub(crate) produced: usize,
    /// Nothing follows any more: the stream is damaged, or it has ended, which in RFB it never does.
    pub(crate) broken: bool,
}

#[cfg(feature = "std")]
mod backend {
    use zlib_rs::{DeflateFlush, InflateFlush, Status};

    use super::{Box, LEVEL, Pulled};

    pub(super) struct Inflate(Box<zlib_rs::Inflate>);

    impl Inflate {
        pub(super) fn new() -> Self {
            Self(Box::new(zlib_rs::Inflate::new(true, 15)))
        }

        pub(super) fn pull(&mut self, input: &[u8], output: &mut [u8]) -> Pulled {
            let (consumed, produced) = (self.0.total_in(), self.0.total_out());
            // What was produced before the damage counts.
            let status = self.0.decompress(input, output, InflateFlush::NoFlush);
            Pulled {
                consumed: moved(consumed, self.0.total_in()),
                produced: moved(produced, self.0.total_out()),
                broken: !matches!(status, Ok(Status::Ok | Status::BufError)),
            }
        }
    }

    pub(super) struct Deflate(Box<zlib_rs::Deflate>);

    impl Deflate {
        pub(super) fn new() -> Self {
            Self(Box::new(zlib_rs::Deflate::new(LEVEL.into(), true, 15)))
        }

        /// Returns how many bytes were used, and how many were made.
        pub(super) fn push(&mut self, input: &[u8], output: &mut [u8], flush: bool) -> (usize, usize) {
            let (consumed, produced) = (self.0.total_in(), self.0.total_out());
            let flush = if flush { DeflateFlush::SyncFlush } else { DeflateFlush::NoFlush };
            let _never_fails = self.0.compress(input, output, flush);
            (moved(consumed, self.0.total_in()), moved(produced, self.0.total_out()))
        }
    }

    fn moved(before: u64, after: u64) -> usize {
        usize::try_from(after - before).unwrap_or(usize::MAX)
    }
}

#[cfg(not(feature = "std"))]
mod backend {
    use miniz_oxide::{
        DataFormat, MZError, MZFlush, MZStatus,
        deflate::{
            core::{CompressorOxide, create_comp_flags_from_zip_params},
            stream::deflate,
        },
        inflate::stream::{InflateState, inflate},
    };

    use super::{Box, LEVEL, Pulled};

    pub(super) struct Inflate(Box<InflateState>);

    impl Inflate {
        pub(super) fn new() -> Self {
            Self(InflateState::new_boxed(DataFormat::Zlib))
        }

        pub(super) fn pull(&mut self, input: &[u8], output: &mut [u8]) -> Pulled {
            let result = inflate(&mut self.0, input, output, MZFlush::None);
            Pulled {
                consumed: result.bytes_consumed,
                produced: result.bytes_written,
                broken: !matches!(result.status, Ok(MZStatus::Ok) | Err(MZError::Buf)),
            }
        }
    }

    pub(super) struct Deflate(Box<CompressorOxide>);

    impl Deflate {
        pub(super) fn new() -> Self {
            let flags = create_comp_flags_from_zip_params(LEVEL.into(), 15, 0);
            Self(Box::new(CompressorOxide::new(flags)))
        }

        /// Returns how many bytes were used, and how many were made.
        pub(super) fn push(&mut self, input: &[u8], output: &mut [u8], flush: bool) -> (usize, usize) {
            let flush = if flush { MZFlush::Sync } else { MZFlush::None };
            let result = deflate(&mut self.0, input, output, flush);
            (result.bytes_consumed, result.bytes_written)
        }
    }
}

/// A stream that is unfolded as far as there is room.
pub(crate) struct Inflate(backend::Inflate);

impl Inflate {
    pub(crate) fn new() -> Self {
        Self(backend::Inflate::new())
    }

    /// Unfolds from `input` into `output` until one of them is used up.
    pub(crate) fn pull(&mut self, input: &[u8], output: &mut [u8]) -> Pulled {
        self.0.pull(input, output)
    }
}

impl core::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Inflate(..)")
    }
}

/// A stream that is folded piece by piece.
pub(crate) struct Deflate(backend::Deflate);

impl Deflate {
    pub(crate) fn new() -> Self {
        Self(backend::Deflate::new())
    }

    /// Appends `input`, compressed; with `flush` nothing of it is held back.
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>, flush: bool) {
        let mut buffer = [0; 16 * 1024];
        loop {
            let (consumed, produced) = self.0.push(input, &mut buffer, flush);
            out.extend_from_slice(buffer.get(..produced).unwrap_or_default());
            input = input.get(consumed..).unwrap_or_default();
            // A full buffer may hide more; anything else means that all was taken, and given.
            if produced < buffer.len() && input.is_empty() {
                return;
            }
        }
    }
}

impl core::fmt::Debug for Deflate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Deflate(..)")
    }
}
