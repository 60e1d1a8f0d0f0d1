//! JSON into memory, byte for byte what `serde_json` writes, for the shapes that lines have.
//!
//! A line of 2 KB is some four hundred pieces, half of them keys and marks of one or two bytes. `serde_json`
//! hands each to an `io::Write` by a call of its own and looks at every byte of every key; here keys are
//! constants that the compiler copies in place, and texts are looked at eight bytes at a time. Numbers have
//! three decimals at most, so they are written as whole thousandths.
//!
//! Invariants: text is escaped whoever it comes from; only keys of structs and [`Written`] are taken as they
//! are, both of which are ours. A shape that no line has is an error, never wrong JSON.

use std::fmt::{self, Display, Write as _};

use serde::ser::{
    Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer,
};

/// Writes one value at the end of a line.
pub(super) struct Json<'a>(pub(super) &'a mut Vec<u8>);

/// JSON that was written before. To this serialiser, and to no other, bytes are JSON.
pub(super) struct Written<'a>(pub(super) &'a [u8]);

impl Serialize for Written<'_> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

type Nothing = Result<(), fmt::Error>;
type No = Impossible<(), fmt::Error>;

impl<'a> Serializer for Json<'a> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Several<'a>;
    type SerializeTuple = Several<'a>;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = Several<'a>;
    type SerializeStruct = Several<'a>;
    type SerializeStructVariant = No;

    #[inline]
    fn serialize_bool(self, value: bool) -> Nothing {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Nothing {
        self.0.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Nothing {
        self.0.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Nothing {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Nothing {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Nothing {
        self.serialize_u64(value.into())
    }

    fn serialize_i8(self, value: i8) -> Nothing {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Nothing {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Nothing {
        self.serialize_i64(value.into())
    }

    fn serialize_f32(self, _: f32) -> Nothing {
        Err(fmt::Error)
    }

    fn serialize_f64(self, value: f64) -> Nothing {
        number(self.0, value)
    }

    fn serialize_char(self, value: char) -> Nothing {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Nothing {
        self.0.push(b'"');
        escape(self.0, text);
        self.0.push(b'"');
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, written: &[u8]) -> Nothing {
        self.0.extend_from_slice(written);
        Ok(())
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Nothing {
        self.0.push(b'"');
        write!(Escaped(self.0), "{value}")?;
        self.0.push(b'"');
        Ok(())
    }

    fn serialize_none(self) -> Nothing {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Nothing {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Nothing {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Nothing {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Nothing {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Nothing {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Nothing {
        Err(fmt::Error)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Several<'a>, fmt::Error> {
        Ok(Several::begin(self.0, b'['))
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Several<'a>, fmt::Error> {
        Ok(Several::begin(self.0, b'['))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<No, fmt::Error> {
        Err(fmt::Error)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No, fmt::Error> {
        Err(fmt::Error)
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Several<'a>, fmt::Error> {
        Ok(Several::begin(self.0, b'{'))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Several<'a>, fmt::Error> {
        Ok(Several::begin(self.0, b'{'))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No, fmt::Error> {
        Err(fmt::Error)
    }
}

/// A list or an object that has begun.
pub(super) struct Several<'a> {
    line: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Several<'a> {
    #[inline(always)]
    fn begin(line: &'a mut Vec<u8>, bracket: u8) -> Self {
        line.push(bracket);
        Self { line, is_empty: true }
    }

    #[inline(always)]
    fn gap(&mut self) {
        if !self.is_empty {
            self.line.push(b',');
        }
        self.is_empty = false;
    }
}

impl SerializeSeq for Several<'_> {
    type Ok = ();
    type Error = fmt::Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Nothing {
        self.gap();
        value.serialize(Json(self.line))
    }

    #[inline]
    fn end(self) -> Nothing {
        self.line.push(b']');
        Ok(())
    }
}

impl SerializeTuple for Several<'_> {
    type Ok = ();
    type Error = fmt::Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Nothing {
        SerializeSeq::serialize_element(self, value)
    }

    #[inline]
    fn end(self) -> Nothing {
        SerializeSeq::end(self)
    }
}

impl SerializeMap for Several<'_> {
    type Ok = ();
    type Error = fmt::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Nothing {
        self.gap();
        key.serialize(Json(self.line))
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Nothing {
        self.line.push(b':');
        value.serialize(Json(self.line))
    }

    #[inline]
    fn end(self) -> Nothing {
        self.line.push(b'}');
        Ok(())
    }
}

impl SerializeStruct for Several<'_> {
    type Ok = ();
    type Error = fmt::Error;

    // In place, so that the key's length is known and copying it needs no call.
    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Nothing {
        self.line.extend_from_slice(if self.is_empty { b"\"" } else { b",\"" });
        self.is_empty = false;
        self.line.extend_from_slice(key.as_bytes());
        self.line.extend_from_slice(b"\":");
        value.serialize(Json(self.line))
    }

    #[inline]
    fn end(self) -> Nothing {
        self.line.push(b'}');
        Ok(())
    }
}

/// Text that arrives in pieces.
struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Appends text as it stands within quotation marks.
#[inline]
fn escape(line: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        line.extend_from_slice(bytes);
    } else {
        escape_each(line, bytes);
    }
}

#[cold]
fn escape_each(line: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0..0x20 => {
                let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
                line.extend_from_slice(b"\\u00");
                line.extend_from_slice(&digits);
                continue;
            }
            _ => {
                line.push(byte);
                continue;
            }
        };
        line.extend_from_slice(&[b'\\', short]);
    }
}

/// True when nothing needs to be escaped. Eight bytes at a time; the last eight may be looked at twice.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().all(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\'));
    };
    let chunks = bytes.as_chunks::<8>().0.iter();
    chunks.chain([last]).all(|chunk| marked(u64::from_le_bytes(*chunk)) == 0)
}

/// Not zero when one of eight bytes is a control, a quotation mark or a backslash: "haszero" and "hasless" of
/// Sean Anderson's Bit Twiddling Hacks (graphics.stanford.edu/~seander/bithacks.html). Exact as a whole, not
/// for each byte.
const fn marked(eight: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let quotation = eight ^ (ONES * b'"' as u64);
    let backslash = eight ^ (ONES * b'\\' as u64);
    let below = eight.wrapping_sub(ONES * 0x20) & !eight;
    let equal = (quotation.wrapping_sub(ONES) & !quotation) | (backslash.wrapping_sub(ONES) & !backslash);
    (below | equal) & TOPS
}

/// Numbers of at most three decimals, which nearly all are, by hand: such a number is nearest to one count of
/// thousandths, and no shorter decimal is nearest to it, because two decimals of up to 15 digits are never
/// the same number.
fn number(line: &mut Vec<u8>, value: f64) -> Nothing {
    let thousandths = (value * 1000.0).round();
    let is_whole = thousandths / 1000.0 == value && thousandths.abs() < 1e12;
    if !is_whole || (value == 0.0 && value.is_sign_negative()) {
        return serde_json::to_writer(line, &value).map_err(|_| fmt::Error);
    }
    if value < 0.0 {
        line.push(b'-');
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 1e12")]
    let count = thousandths.abs() as u64;
    Json(line).serialize_u64(count / 1000)?;
    let [hundreds, tens, ones] = [count / 100 % 10, count / 10 % 10, count % 10].map(|n| b'0' + n as u8);
    let decimals = [b'.', hundreds, tens, ones];
    let places = if ones != b'0' { 4 } else if tens != b'0' { 3 } else { 2 };
    line.extend_from_slice(&decimals[..places]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: &impl Serialize) -> String {
        let mut line = Vec::new();
        value.serialize(Json(&mut line)).unwrap();
        String::from_utf8(line).unwrap()
    }

    proptest! {
        #[test]
        fn text_is_written_as_serde_json_writes_it(text in any::<String>(), at in 0_usize..40, odd in 0_u8..128) {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            let mut plain = "x".repeat(40);
            plain.insert(at, char::from(odd));
            prop_assert_eq!(written(&plain), serde_json::to_string(&plain).unwrap());
        }

        #[test]
        fn numbers_are_written_as_serde_json_writes_them(any in any::<f64>(), count in -2_000_000_i64..2_000_000) {
            let short = count as f64 / 1000.0;
            for number in [any, short, short * 1e9, any.fract()] {
                prop_assert_eq!(written(&number), serde_json::to_string(&number).unwrap());
            }
        }
    }
}
