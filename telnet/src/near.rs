//! Finds a byte that is probably near: among options, and in a few keys, a call of `memchr` costs more than the bytes do.

use memchr::memchr;

/// How far to look before `memchr` does, eight bytes at a time.
const NEAR_WORDS: usize = 2;

/// Where the first `byte` is.
#[inline]
pub(crate) fn find(byte: u8, input: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, tail) = input.as_chunks::<8>();
    for (at, word) in (0..).step_by(8).zip(words.iter().take(NEAR_WORDS)) {
        // The byte that is looked for becomes zero; the lowest bit that is set is exact.
        let zeroes = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let found = zeroes.wrapping_sub(ONES) & !zeroes & (ONES << 7);
        if found != 0 {
            return usize::try_from(found.trailing_zeros() / 8).ok().map(|byte| at + byte);
        }
    }
    if words.len() <= NEAR_WORDS {
        let start = input.len() - tail.len();
        return tail.iter().position(|other| *other == byte).map(|at| start + at);
    }
    let near = NEAR_WORDS * 8;
    memchr(byte, input.get(near..)?).map(|at| at + near)
}
