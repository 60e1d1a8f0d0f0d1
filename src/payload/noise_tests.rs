//! Noise is nothing: how often payloads that no protocol wrote are given a name.
//!
//! Uniform bytes and structured noise (text, base64, JSON, protobuf and the like), of 1 to 512 bytes, one
//! side alone, over both carriers; whatever is named, however weakly, counts. The bar is one in 100,000 (for
//! zeros with a few bytes set, see [`measure`], one in 1,000). Every run measures 20,000 payloads of each
//! kind; for the record, 20 million in half a minute:
//!
//! ```text
//! NOISE=1850000 cargo test --release --lib noise_is_nothing -- --nocapture
//! ```

use super::{App, AppProto, Carrier, Strength, recognise};

/// A small generator with a fixed seed (`SplitMix64`), so that the measured rate is the same on every run.
struct Noise(u64);

/// What a payload is made of.
const KINDS: [&str; 12] = [
    "uniform",
    "short uniform",
    "one byte",
    "digits",
    "printable",
    "sentences",
    "text lines",
    "base64",
    "hex",
    "few set in zeros",
    "protobuf",
    "json",
];

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: u64) -> usize {
        usize::try_from(self.next() % limit).unwrap()
    }

    fn uniform(&mut self, len: usize, out: &mut Vec<u8>) {
        while out.len() < len {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(len);
    }

    fn letters(&mut self, len: usize, alphabet: &[u8], out: &mut Vec<u8>) {
        self.uniform(len, out);
        for byte in out.iter_mut() {
            *byte = alphabet[usize::from(*byte) % alphabet.len()];
        }
    }

    fn words(&mut self, len: usize, end: &[u8], out: &mut Vec<u8>) {
        const WORDS: [&str; 24] = [
            "the", "port", "is", "open", "and", "nobody", "knows", "why", "user", "pass", "list", "get",
            "of", "a", "to", "help", "Please", "We", "error", "status", "info", "version", "set", "1",
        ];
        while out.len() < len {
            out.extend_from_slice(WORDS[self.below(24)].as_bytes());
            out.push(b' ');
            if self.below(6) == 0 {
                out.extend_from_slice(end);
            }
        }
        out.extend_from_slice(end);
        out.truncate(512);
    }

    /// Fields of the wire format: numbers, and strings behind their length.
    fn protobuf(&mut self, len: usize, out: &mut Vec<u8>) {
        while out.len() < len {
            let field = u8::try_from(1 + self.below(15)).unwrap() << 3;
            if self.below(2) == 0 {
                out.extend_from_slice(&[field, u8::try_from(self.below(128)).unwrap()]);
            } else {
                let size = self.below(24);
                out.extend_from_slice(&[field | 2, u8::try_from(size).unwrap()]);
                (0..size).for_each(|_| out.push(b'a' + u8::try_from(self.below(26)).unwrap()));
            }
        }
    }

    fn json(&mut self, len: usize, out: &mut Vec<u8>) {
        const KEYS: [&str; 8] = ["id", "name", "type", "method", "params", "status", "time", "data"];
        out.push(b'{');
        while out.len() < len {
            out.extend_from_slice(format!("\"{}\":{},", KEYS[self.below(8)], self.below(1000)).as_bytes());
        }
        out.extend_from_slice(b"\"end\":\"\"}");
        out.truncate(512);
    }

    /// A payload of this kind.
    fn payload(&mut self, kind: usize, out: &mut Vec<u8>) {
        out.clear();
        let len = [1 + self.below(16), 1 + self.below(64), 1 + self.below(512)][self.below(3)];
        match KINDS[kind] {
            "uniform" => self.uniform(len, out),
            "short uniform" => {
                let len = 1 + self.below(24);
                self.uniform(len, out);
            }
            "one byte" => out.resize(len, self.next().to_le_bytes()[0]),
            "digits" => self.letters(len, b"0123456789", out),
            "printable" => self.letters(len, &(0x20..0x7f).collect::<Vec<u8>>(), out),
            "sentences" => self.words(len, b". ", out),
            "text lines" => self.words(len, b"\r\n", out),
            "base64" => {
                let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
                self.letters(len.next_multiple_of(4), all, out);
            }
            "hex" => self.letters(len, b"0123456789abcdef", out),
            "few set in zeros" => {
                out.resize(len, 0);
                for _ in 0..self.below(6) {
                    let place = self.below(u64::try_from(len.min(24)).unwrap());
                    out[place] = self.next().to_le_bytes()[0];
                }
            }
            "protobuf" => self.protobuf(len, out),
            _ => self.json(len, out),
        }
    }
}

/// How many were asked about, how many of them named, and how many more than weakly.
#[derive(Clone, Copy, Default)]
struct Rate {
    asked: u64,
    named: u64,
    sure: u64,
}

/// Measures `count` payloads of each kind: the rate of all but the zeros, and the zeros'. Headers of binary
/// protocols *are* mostly zeros with a few bytes set, so these have a bar of their own.
fn measure(count: u64, show: usize) -> [Rate; 2] {
    let mut noise = Noise(1207);
    let mut rates = [Rate::default(); 2];
    let mut payload = Vec::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let mut found: std::collections::BTreeMap<(App, &str), u64> = std::collections::BTreeMap::new();
        let rate = &mut rates[usize::from(*name == "few set in zeros")];
        let mut shown = 0;
        for _ in 0..count {
            noise.payload(kind, &mut payload);
            for carrier in [Carrier::Stream, Carrier::Datagram] {
                let proto: AppProto = recognise(carrier, &payload, b"");
                if proto.app != App::Unknown {
                    *found.entry((proto.app, proto.strength.name())).or_default() += 1;
                    rate.sure += u64::from(proto.strength > Strength::Weak);
                    if shown < show {
                        println!("  {proto:?} {:02x?}", &payload[..payload.len().min(24)]);
                        shown += 1;
                    }
                }
            }
        }
        let sum: u64 = found.values().sum();
        println!("{name}: {sum} named of {count} payloads, each over TCP and over UDP: {found:?}");
        (rate.asked, rate.named) = (rate.asked + count, rate.named + sum);
    }
    for (what, Rate { asked, named, sure }) in ["noise", "zeros"].iter().zip(rates) {
        println!("{what}: {named} of {asked} payloads named, {sure} of them more than weakly");
    }
    rates
}

#[test]
fn noise_is_nothing() {
    let count = std::env::var("NOISE").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let [noise, zeros] = measure(count, 4);
    // Four: what a small sample may show of a rate that is below the bar.
    assert!(noise.named <= 4.max(noise.asked / 100_000), "{} of {} named", noise.named, noise.asked);
    assert!(noise.sure <= 2.max(noise.asked / 200_000), "{} of {} named surely", noise.sure, noise.asked);
    assert!(zeros.named * 1000 < zeros.asked, "{} of {} named", zeros.named, zeros.asked);
}
