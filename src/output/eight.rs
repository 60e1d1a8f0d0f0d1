//! Is there any byte in a text that needs care? Eight bytes are looked at in one go.
//!
//! Nearly all texts of a line are short and need none, and looking byte by byte took a tenth of the line's
//! time. The arithmetic is "hasless" and "haszero" of Sean Anderson's Bit Twiddling Hacks
//! (graphics.stanford.edu/~seander/bithacks.html): a byte that is looked for has its top bit set in the
//! result. A bit may be set for the neighbour of such a byte, so only "none at all" is said.

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = 0x8080_8080_8080_8080;

/// True when JSON takes the text as it is: no control (C0), no quotation mark, no backslash.
#[inline]
pub(super) fn is_json(text: &str) -> bool {
    none(text, |eight| controls(eight) | equal(eight, b'"') | equal(eight, b'\\'))
}

/// True when all of it is ASCII that can be seen: from the space to the tilde.
#[inline]
pub(super) fn is_seen(text: &str) -> bool {
    none(text, |eight| controls(eight) | eight | eight.wrapping_add(ONES))
}

/// True when it is both: ASCII that can be seen, and that JSON takes as it is.
#[inline]
pub(super) fn is_plain(text: &str) -> bool {
    let seen = |eight: u64| controls(eight) | eight | eight.wrapping_add(ONES);
    none(text, |eight| seen(eight) | equal(eight, b'"') | equal(eight, b'\\'))
}

/// Shows all of a text. The last eight bytes may be seen twice, and of fewer than eight the first and the
/// last four; texts of the same length that look the same are the same.
#[inline]
pub(super) fn each(text: &str, mut see: impl FnMut(u64)) {
    let bytes = text.as_bytes();
    if let Some(last) = bytes.last_chunk() {
        bytes.as_chunks().0.iter().for_each(|eight| see(u64::from_le_bytes(*eight)));
        see(u64::from_le_bytes(*last));
    } else if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk(), bytes.last_chunk()) {
        see(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
    } else {
        see(bytes.iter().fold(u64::from(b' ') * ONES, |eight, byte| eight << 8 | u64::from(*byte)));
    }
}

/// True when no byte is marked.
#[inline]
fn none(text: &str, marks: impl Fn(u64) -> u64) -> bool {
    let mut found = 0;
    each(text, |eight| found |= marks(eight));
    found & TOPS == 0
}

const fn controls(eight: u64) -> u64 {
    eight.wrapping_sub(ONES * 0x20) & !eight
}

const fn equal(eight: u64, byte: u8) -> u64 {
    let zero = eight ^ (ONES * byte as u64);
    zero.wrapping_sub(ONES) & !zero
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_say_what_looking_at_each_byte_says(
            before in "[ -~]{0,20}", odd in any::<char>(), low in 0_u8..128, after in "[ -~]{0,20}",
        ) {
            for odd in [odd, char::from(low)] {
                let text = format!("{before}{odd}{after}");
                let is_json = text.bytes().all(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\'));
                prop_assert_eq!(super::is_json(&text), is_json);
                let is_seen = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
                prop_assert_eq!(super::is_seen(&text), is_seen);
                prop_assert_eq!(is_plain(&text), is_json && is_seen);
            }
        }
    }
}
