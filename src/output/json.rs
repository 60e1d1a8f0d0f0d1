//! JSON into memory, byte for byte what `serde_json` writes, for the shapes that lines have.
//!
//! A line of 2 KB is some four hundred pieces, half of them keys and marks of one or two bytes. `serde_json`
//! hands each to an `io::Write` by a call of its own and looks at every byte of every key; here keys are
//! constants that the compiler copies in place, texts are looked at eight bytes at a time
//! ([`super::eight`]), and numbers, which have few decimals, are written as whole millionths. Measured for
//! an EVE alert (best of 60 runs, no LTO, 16 codegen units): `serde_json` 5.9 µs, `sonic-rs` 0.5 in its place
//! 4.5 µs, this 2.9 µs. Pieces put into a block of bytes with one question for room each, instead of a `Vec`,
//! were not faster with one codegen unit, as releases are built.
//!
//! Two things serde has no word for are said by names: a field without a name is a part of the object that
//! it stands in, and its own fields take its place; a newtype named [`Plain`] is text that was looked at.
//!
//! Invariants: text is escaped whoever it comes from; only keys of structs, [`Written`] and [`Plain`] are
//! taken as they are, and who makes these answers for them. A shape that no line has is an error, never wrong
//! JSON.

use std::fmt::{self, Display, Write as _};
use std::mem;

use serde::ser::{
    Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, Serializer,
};

use super::eight::{is_json, is_plain};

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

/// Text that JSON takes as it is: characters of ASCII that can be seen, without a quotation mark or a
/// backslash. Only for what was looked at or put together of digits and words of ours. To other serialisers
/// it is no text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain<'a>(pub(super) &'a [u8]);

const PLAIN: &str = "Plain";

impl Serialize for Plain<'_> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        debug_assert!(str::from_utf8(self.0).is_ok_and(is_plain), "{:?}", self.0);
        serializer.serialize_newtype_struct(PLAIN, &Written(self.0))
    }
}

/// A word of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(pub(super) &'static str);

impl Serialize for Word {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain(self.0.as_bytes()).serialize(serializer)
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A value in memory of its own.
#[cfg(test)]
pub(super) fn written(value: &impl Serialize) -> Result<Vec<u8>, fmt::Error> {
    let mut json = Vec::new();
    value.serialize(Json(&mut json)).map(|()| json)
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
        if let Ok(digit @ 0..10) = u8::try_from(value) {
            self.0.push(b'0' + digit);
            return Ok(());
        }
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
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Nothing {
        if name != PLAIN {
            return value.serialize(self);
        }
        self.0.push(b'"');
        value.serialize(Json(self.0))?;
        self.0.push(b'"');
        Ok(())
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

    /// Appends the fields of another object, which has some: one brace makes way, or becomes a comma.
    fn take_fields<T: Serialize + ?Sized>(&mut self, value: &T) -> Nothing {
        let is_first = mem::take(&mut self.is_empty);
        if is_first {
            self.line.pop();
        }
        let start = self.line.len();
        value.serialize(Json(self.line))?;
        let [open @ b'{', _, .., b'}'] = &mut self.line[start..] else { return Err(fmt::Error) };
        *open = if is_first { b'{' } else { b',' };
        self.line.pop();
        Ok(())
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
        if key.is_empty() {
            return self.take_fields(value);
        }
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
    if is_json(text) {
        line.extend_from_slice(text.as_bytes());
    } else {
        escape_each(line, text.as_bytes());
    }
}

#[cold]
fn escape_each(line: &mut Vec<u8>, bytes: &[u8]) {
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

/// A number as JSON has it: the shortest decimal that is nearest to it.
///
/// By hand where up to six decimals say it, which is nearly always. Below 2^32 two such decimals are never
/// the same number, so none with fewer digits can stand for it.
fn number(line: &mut Vec<u8>, value: f64) -> Nothing {
    const MILLION: u64 = 1_000_000;
    const SMALLEST: f64 = 0.001;
    let positive = value.abs();
    #[expect(clippy::cast_possible_truncation, reason = "what does not fit is left to serde_json")]
    let millionths = (positive * MILLION as f64 + 0.5) as u64;
    let is_exact = millionths as f64 / MILLION as f64 == positive;
    if !is_exact || !(SMALLEST..4e9).contains(&positive) {
        return serde_json::to_writer(line, &value).map_err(|_| fmt::Error);
    }
    if value < 0.0 {
        line.push(b'-');
    }
    line.extend_from_slice(itoa::Buffer::new().format(millionths / MILLION).as_bytes());
    let (mut rest, mut decimals, mut length) = (millionths % MILLION, *b".000000", 2);
    for (place, digit) in decimals.iter_mut().enumerate().skip(1) {
        if rest == 0 {
            break;
        }
        *digit = DIGITS[(rest * 10 / MILLION) as usize];
        rest = rest * 10 % MILLION;
        length = place + 1;
    }
    line.extend_from_slice(&decimals[..length]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;

    fn text(value: &impl Serialize) -> String {
        String::from_utf8(written(value).unwrap()).unwrap()
    }

    #[test]
    fn a_part_without_a_name_takes_its_place() {
        #[derive(Serialize)]
        struct Part {
            one: u8,
            two: &'static str,
        }
        #[derive(Serialize)]
        struct Whole {
            #[serde(rename = "")]
            first: Part,
            three: [u8; 2],
            #[serde(rename = "")]
            last: Part,
        }
        let part = |one| Part { one, two: "}" };
        let whole = Whole { first: part(1), three: [3, 4], last: part(5) };
        assert_eq!(text(&whole), r#"{"one":1,"two":"}","three":[3,4],"one":5,"two":"}"}"#);
        assert_eq!(text(&Plain(b"a b")), r#""a b""#);
    }

    #[test]
    fn a_part_that_is_no_object_is_an_error() {
        #[derive(Serialize)]
        struct Whole {
            #[serde(rename = "")]
            part: Written<'static>,
        }
        for part in [&b"[1]"[..], b"{}", b"1"] {
            assert!(written(&Whole { part: Written(part) }).is_err());
        }
    }

    proptest! {
        #[test]
        fn words_are_written_as_serde_json_writes_them(
            word in any::<String>(), at in 0_usize..40, odd in 0_u8..128,
        ) {
            prop_assert_eq!(text(&word), serde_json::to_string(&word).unwrap());
            let mut plain = "x".repeat(40);
            plain.insert(at, char::from(odd));
            prop_assert_eq!(text(&plain), serde_json::to_string(&plain).unwrap());
        }

        #[test]
        fn numbers_are_written_as_serde_json_writes_them(
            any in any::<f64>(), count in -5_000_000_000_i64..5_000_000_000, few in -2_000_i64..2_000,
        ) {
            let (count, few) = (count as f64, few as f64);
            let scaled = [1.0, 1e3, 1e6, 1e7].map(|by| [count / by, few / by, count * by, any.fract() / by]);
            let others = [any, 0.0, -0.0, 0.001, 4e9, count + few / 1e6];
            for number in scaled.as_flattened().iter().chain(&others) {
                prop_assert_eq!(text(number), serde_json::to_string(number).unwrap());
            }
        }
    }
}
