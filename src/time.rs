//! The packet clock: a point in time as a capture recorded it.
//!
//! Nothing in the data plane asks the machine what time it is. Every timeout, window and rate is measured
//! with the times that packets carry, so replaying a file today or next year gives the same answer.
//!
//! Invariants: arithmetic saturates (a hostile capture may carry any 64-bit time stamp); no function here
//! reads a clock.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use arrayvec::ArrayString;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds since 1970-01-01 00:00:00 UTC, as the capture says. Range: the years 1677 to 2262, saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest time that can be said; also "no packet seen yet".
    pub const MIN: Self = Self(i64::MIN);
    /// The latest time that can be said.
    pub const MAX: Self = Self(i64::MAX);

    /// A time from nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A time from seconds since the Unix epoch and nanoseconds on top of it (any number of them).
    #[must_use]
    pub const fn from_parts(seconds: i64, nanos: u64) -> Self {
        let nanos = if nanos > i64::MAX as u64 { i64::MAX } else { nanos as i64 };
        Self(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos))
    }

    /// Nanoseconds since the Unix epoch; negative before it.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(if nanos < 0 { 0 } else { nanos.unsigned_abs() })
    }

    /// This time moved forward, saturating at [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffff+0000`: the one shape that Arkime, Wazuh and Filebeat all read in EVE
    /// lines.
    #[must_use]
    pub fn text(self) -> ArrayString<31> {
        ArrayString::from_byte_string(&self.ascii()).unwrap_or_default()
    }

    /// The bytes of [`Self::text`]. Digit by digit: every line has several times, and the formatting
    /// machinery took five times as long. Most of them lie in the second of the one before, so that is kept.
    #[must_use]
    pub fn ascii(self) -> [u8; 31] {
        if !(0..NANOS_PER_SECOND).contains(&self.0.wrapping_sub(SECOND.get().0)) {
            self.keep_second();
        }
        let (start, mut text) = SECOND.get();
        let since = self.0.wrapping_sub(start);
        let micros = u32::try_from(since / 1000).unwrap_or(0);
        let pairs = [micros / 10_000, micros / 100 % 100, micros % 100];
        for (place, pair) in text[20..26].as_chunks_mut().0.iter_mut().zip(pairs) {
            *place = PAIRS[pair as usize];
        }
        text
    }

    // Of its own, so that the compiler does not take the text apart to merge it with the kept one.
    #[cold]
    #[inline(never)]
    fn keep_second(self) {
        let seconds = self.as_seconds();
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        let mut text = *b"0000-00-00T00:00:00.000000+0000";
        put::<0, 4>(&mut text, year);
        put::<5, 2>(&mut text, month);
        put::<8, 2>(&mut text, day);
        put::<11, 2>(&mut text, of_day / 3600);
        put::<14, 2>(&mut text, of_day / 60 % 60);
        put::<17, 2>(&mut text, of_day % 60);
        SECOND.set((self.0.wrapping_sub(self.0.rem_euclid(NANOS_PER_SECOND)), text));
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffffZ`: the same in RFC 3339's shape, with as many digits as RFC 5424 takes.
    #[must_use]
    pub fn rfc3339(self) -> ArrayString<27> {
        let mut text = ArrayString::new();
        text.push_str(&self.text()[..26]);
        text.push('Z');
        text
    }
}

thread_local! {
    /// When the second began that was written last, and a time in it as text.
    static SECOND: Cell<(i64, [u8; 31])> = const { Cell::new((0, *b"1970-01-01T00:00:00.000000+0000")) };
}

/// Writes [`Timestamp::text`].
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// Writes a number, not negative, over the zeros at a place, right-aligned; digits beyond `WIDTH` are left
/// out.
fn put<const AT: usize, const WIDTH: usize>(text: &mut [u8; 31], number: i64) {
    let mut number = u32::try_from(number).unwrap_or(0);
    for digit in text[AT..AT + WIDTH].iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

/// Two digits of every number below a hundred.
static PAIRS: [[u8; 2]; 100] = {
    let (mut pairs, mut number) = ([[0; 2]; 100], 0_u8);
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// Year, month and day of a count of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Works in eras of 400 years that begin on 1 March, so that the leap day is the last day of a year.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_eve_shape() {
        assert_eq!(Timestamp::from_nanos(0).to_string(), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(
            Timestamp::from_parts(1_700_000_000, 3_000_999).to_string(),
            "2023-11-14T22:13:20.003000+0000"
        );
        assert_eq!(Timestamp::from_parts(951_782_400, 0).to_string(), "2000-02-29T00:00:00.000000+0000");
        assert_eq!(Timestamp::from_nanos(-1).to_string(), "1969-12-31T23:59:59.999999+0000");
        assert_eq!(Timestamp::from_parts(-1, 123_456_789).to_string(), "1969-12-31T23:59:59.123456+0000");
        assert_eq!(&*Timestamp::from_parts(0, 1_000).rfc3339(), "1970-01-01T00:00:00.000001Z");
    }

    #[test]
    fn any_time_prints_26_to_31_bytes_and_never_panics() {
        for nanos in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
            let text = Timestamp::from_nanos(nanos).to_string();
            assert_eq!(text.len(), 31, "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.after(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_parts(i64::MAX, u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::from_nanos(5).since(Timestamp::from_nanos(2)), Duration::from_nanos(3));
    }
}
