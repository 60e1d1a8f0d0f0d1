//! Capture files as one stream of frames, in the order of their first packets.
//!
//! A conversation may span rotated files, so files are sorted by the time of their first packet (files
//! without one come last, ties stay in the order given) and read one after the other. A damaged file is
//! reported and left; the next one is read all the same.
//!
//! Invariants: a burst holds frames of one input; frames are numbered before the filter sees them, so with
//! one input the number is the one Wireshark shows; a fill returns after [`BLOCKS_PER_FILL`] blocks even when
//! no frame passed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::burst::Burst;
use super::filter::Filter;
use super::reader::{Reader, Step};
use super::specs::{self, Input};
use super::stream::{self, Stream};
use super::{Damage, Error, Filled, Loss, Progress, Source};
use crate::time::Timestamp;

/// Blocks read in one fill before it returns without a frame, so that a stop and a progress bar are served.
const BLOCKS_PER_FILL: usize = 64;
/// How long a fill waits for the first byte of standard input.
const STDIN_WAIT: Duration = Duration::from_millis(200);

/// A set of capture files.
pub struct Files {
    names: Vec<String>,
    /// Inputs still to be read, the next one last.
    waiting: Vec<Waiting>,
    current: Option<Current>,
    filter: Option<Filter>,
    damage: Vec<Damage>,
    /// Frames read so far, whether or not they passed the filter.
    number: u64,
    /// Bytes on disk of the inputs that are done.
    done: u64,
    total: u64,
    read: Arc<AtomicU64>,
}

/// An input whose turn has not come.
struct Waiting {
    input: Input,
    size: u64,
    index: u16,
    /// Pipes cannot be opened twice: what was read to learn their first time is kept.
    held: Option<Held>,
}

struct Held {
    reader: Reader,
    burst: Burst,
    step: Step,
}

/// The input that is being read.
struct Current {
    reader: Reader,
    /// The first block, when it has been read already.
    first: Option<(Burst, Step)>,
    index: u16,
    size: u64,
    frames: u64,
    /// Where its damage begins in the list.
    damage_from: usize,
}

impl Files {
    /// Finds and sorts the inputs; `specs` are files, directories, globs, or `-` for standard input.
    ///
    /// `filter` is a BPF expression: frames that do not match are read and numbered but not handed on.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when a specification names nothing that can be read, [`Error::Filter`] when the
    /// expression is wrong. What is wrong inside a file is [`Source::damage`].
    pub fn open(specs: &[String], filter: Option<&str>) -> Result<Self, Error> {
        let filter = filter.map(str::trim).filter(|text| !text.is_empty()).map(Filter::new).transpose()?;
        let inputs = specs::expand(specs)?;
        let read = Arc::new(AtomicU64::new(0));
        let sizes: Option<Vec<u64>> = inputs.iter().map(Input::size).collect();
        let total = sizes.map_or(0, |sizes| sizes.iter().sum());
        let mut waiting = sorted(inputs, &read);
        let mut names = Vec::with_capacity(waiting.len());
        for (index, next) in (0..=u16::MAX).zip(&mut waiting) {
            next.index = index;
            names.push(next.input.name.clone());
        }
        waiting.reverse();
        Ok(Self {
            names,
            waiting,
            current: None,
            filter,
            damage: Vec::new(),
            number: 0,
            done: 0,
            total,
            read,
        })
    }

    /// Opens the next input. Nothing when there is none; [`Step::Quiet`] when standard input has nothing to
    /// say yet.
    fn next(&mut self) -> Option<Step> {
        let next = self.waiting.pop()?;
        if next.held.is_none() && next.input.path.is_none() && !stream::stdin_ready(STDIN_WAIT) {
            self.waiting.push(next);
            return Some(Step::Quiet);
        }
        let damage_from = self.damage.len();
        let (index, size) = (next.index, next.size);
        let opened = match next.held {
            Some(held) => Ok((held.reader, Some((held.burst, held.step)))),
            None => open(next.input.path.as_deref(), &self.read).map(|reader| (reader, None)),
        };
        match opened {
            Ok((reader, first)) => {
                self.current = Some(Current { reader, first, index, size, frames: 0, damage_from });
            }
            Err(error) => {
                let what = format!("cannot be opened: {error}");
                self.damage.push(Damage { input: next.input.name, offset: 0, what, unreadable: true });
                self.finished(size);
            }
        }
        Some(Step::More)
    }

    /// Reads one block of the current input.
    fn block(&mut self, burst: &mut Burst) -> Step {
        let Some(current) = &mut self.current else { return Step::End };
        let step = match current.first.take() {
            Some((first, step)) => {
                burst.bytes = first.bytes;
                burst.places = first.places;
                step
            }
            None => current.reader.fill(burst),
        };
        let (index, before) = (current.index, self.number);
        self.hand_on(index, burst);
        self.report(index, self.number - before);
        if step == Step::End
            && let Some(Current { reader, size, frames, damage_from, .. }) = self.current.take()
        {
            // What reads ahead ends first: it counts.
            drop(reader);
            if frames == 0 {
                self.damage.iter_mut().skip(damage_from).for_each(|damage| damage.unreadable = true);
            }
            self.finished(size);
        }
        step
    }

    /// Numbers the frames, leaves out those that do not pass, and moves the clock.
    fn hand_on(&mut self, index: u16, burst: &mut Burst) {
        let mut number = self.number;
        let mut places = std::mem::take(&mut burst.places);
        for place in &mut places {
            number += 1;
            place.number = number;
            place.input = index;
        }
        if let Some(filter) = &mut self.filter {
            let bytes = &burst.bytes;
            places.retain(|place| {
                let at = place.at as usize;
                filter.passes(place.link, bytes.get(at..at + place.len as usize).unwrap_or(&[]))
            });
        }
        self.number = number;
        burst.advance(places.iter().fold(Timestamp::MIN, |latest, place| latest.max(place.time)));
        burst.places = places;
    }

    /// Moves what was found in the last block to the list of damage.
    fn report(&mut self, index: u16, frames: u64) {
        let Some(current) = &mut self.current else { return };
        current.frames += frames;
        let name = self.names.get(usize::from(index)).map_or("", String::as_str);
        let refusals =
            self.filter.iter_mut().flat_map(|filter| filter.refusals.drain(..)).map(|what| (0, what));
        let findings = current.reader.findings.drain(..).map(|finding| (finding.offset, finding.what));
        for (offset, what) in findings.chain(refusals) {
            self.damage.push(Damage { input: name.into(), offset, what, unreadable: false });
        }
    }

    /// Counts an input as read to its end, however far it could be read.
    fn finished(&mut self, size: u64) {
        self.done += size;
        if self.total > 0 {
            self.read.store(self.done, Ordering::Relaxed);
        }
    }
}

impl Source for Files {
    fn fill(&mut self, burst: &mut Burst) -> Result<Filled, Error> {
        burst.places.clear();
        for _ in 0..BLOCKS_PER_FILL {
            let step = if self.current.is_some() {
                self.block(burst)
            } else {
                match self.next() {
                    Some(step) => step,
                    None => return Ok(Filled::End),
                }
            };
            burst.waited = step == Step::Quiet;
            if !burst.is_empty() {
                return Ok(Filled::Frames);
            }
            if burst.waited {
                break;
            }
        }
        Ok(Filled::Idle)
    }

    fn inputs(&self) -> &[String] {
        &self.names
    }

    fn damage(&self) -> &[Damage] {
        &self.damage
    }

    fn loss(&self) -> Loss {
        Loss::default()
    }

    fn progress(&self) -> Progress {
        let read = self.read.load(Ordering::Relaxed);
        Progress { read: if self.total > 0 { read.min(self.total) } else { read }, total: self.total }
    }
}

fn open(path: Option<&Path>, read: &Arc<AtomicU64>) -> io::Result<Reader> {
    let stream = match path {
        Some(path) => Stream::open(path, Arc::clone(read))?,
        None => Stream::stdin(Arc::clone(read))?,
    };
    Ok(Reader::new(stream))
}

/// Sorts the inputs by the time of their first packet. A single input is not looked at: a pipe would be
/// waited for.
fn sorted(inputs: Vec<Input>, read: &Arc<AtomicU64>) -> Vec<Waiting> {
    let several = inputs.len() > 1;
    let waiting = inputs.into_iter().map(|input| {
        let size = input.size();
        let mut next = Waiting { input, size: size.unwrap_or(0), index: 0, held: None };
        if !several {
            return (Timestamp::MAX, next);
        }
        // Regular files are closed again: a directory may hold more of them than a process may have open.
        let counter = if size.is_some() { Arc::default() } else { Arc::clone(read) };
        let looked = look(&next.input, &counter);
        let first = looked.as_ref().and_then(|held| held.burst.places.first()).map(|place| place.time);
        next.held = looked.filter(|_| size.is_none());
        (first.unwrap_or(Timestamp::MAX), next)
    });
    let mut waiting: Vec<_> = waiting.collect();
    waiting.sort_by_key(|(first, _)| *first);
    waiting.into_iter().map(|(_, next)| next).collect()
}

/// Reads the first block of an input.
fn look(input: &Input, read: &Arc<AtomicU64>) -> Option<Held> {
    let mut reader = open(input.path.as_deref(), read).ok()?;
    let mut burst = Burst::new();
    let mut step = reader.fill(&mut burst);
    while step == Step::Quiet && burst.is_empty() {
        step = reader.fill(&mut burst);
    }
    Some(Held { reader, burst, step })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{MAGICS, Order, Seen, read, read_bytes};
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::io::Write;

    const ORDER: Order = Order(false);

    /// A classic file with records at these seconds; each holds its index and then some bytes that do not
    /// compress.
    fn pcap(seconds: &[u32]) -> Vec<u8> {
        let mut file = ORDER.pcap(MAGICS[0], 1);
        let mut random = 1u32;
        for (second, index) in seconds.iter().zip((0u8..=255).cycle()) {
            let data = std::iter::once(index).chain((0..40).map(|_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random.to_be_bytes()[0]
            }));
            file.extend(ORDER.record(*second, 0, &data.collect::<Vec<u8>>()));
        }
        file
    }

    fn pcapng() -> Vec<u8> {
        let big = Order(true);
        [
            ORDER.section(),
            ORDER.interface(1, 0, &ORDER.option(9, &[9])),
            ORDER.enhanced(0, 1, b"one"),
            big.section(),
            big.interface(113, 0, &[]),
            big.enhanced(0, 2, b"two"),
            big.block(3, &[&big.u32(5)[..], b"three"].concat()),
        ]
        .concat()
    }

    fn open(specs: &[&str], filter: Option<&str>) -> Result<Files, Error> {
        Files::open(&specs.iter().map(ToString::to_string).collect::<Vec<_>>(), filter)
    }

    type Pack = fn(&[u8]) -> Vec<u8>;

    const PACKS: [(&str, Pack); 5] = [
        ("gzip", |bytes| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }),
        ("zstd", |bytes| {
            let mut out = zstd::Encoder::new(Vec::new(), 1).unwrap();
            out.include_checksum(true).unwrap();
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }),
        ("xz", |bytes| {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }),
        ("bzip2", |bytes| {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }),
        ("lz4", |bytes| {
            let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
            let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }),
    ];

    #[test]
    fn compressed_files_in_several_parts_read_like_plain_ones() {
        let plain = pcap(&[5; 200]);
        let expected = read_bytes(&plain);
        assert_eq!((expected.0.len(), expected.1.len()), (200, 0));
        for (name, pack) in PACKS {
            let empty = pack(&[]);
            let parts =
                [pack(&plain[..10]), empty.clone(), pack(&plain[10..777]), empty, pack(&plain[777..])];
            assert_eq!(read_bytes(&parts.concat()), expected, "{name}");
            assert!(read_bytes(&pack(&pack(&plain))).1[0].unreadable, "{name}: only one layer is unpacked");
        }
        let skippable = [0x52, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        assert_eq!(read_bytes(&[&skippable[..], &PACKS[1].1(&plain)].concat()), expected);
    }

    #[test]
    fn of_damaged_compressed_files_everything_before_is_delivered() {
        let plain = pcap(&[5; 1500]);
        let expected = read_bytes(&plain).0;
        for (name, pack) in PACKS {
            // Two parts, the second one damaged: at least the first one must come whole.
            let (first, second) = (pack(&plain[..50_024]), pack(&plain[50_024..]));
            for cut in [1, 6, second.len() / 2, second.len() - 1] {
                let (seen, damage) = read_bytes(&[&first[..], &second[..cut]].concat());
                assert!(
                    seen.len() >= 50_000 / 57 && expected.starts_with(&seen),
                    "{name} {cut}: {}",
                    seen.len()
                );
                assert_eq!(damage.len(), 1, "{name} {cut}: {damage:?}");
            }
            let mut corrupt = [&first[..], &second].concat();
            let middle = first.len() + second.len() / 2;
            corrupt[middle..middle + 8].fill(0xff);
            let (seen, damage) = read_bytes(&corrupt);
            assert!(seen.len() >= 50_000 / 57, "{name}: {}", seen.len());
            assert_eq!(damage.len(), 1, "{name}: {damage:?}");
        }
    }

    #[test]
    fn every_truncation_gives_all_whole_records_and_one_damage() {
        for whole in [pcap(&[1, 2, 3]), pcapng()] {
            let (all, _) = read_bytes(&whole);
            // A prefix is sound where its last record ends; the frames then grow by one.
            for cut in 0..whole.len() {
                let (seen, damage) = read_bytes(&whole[..cut]);
                assert!(all.starts_with(&seen) && damage.len() <= 1, "{cut}");
                let longer = read_bytes(&whole[..cut + 1]).0;
                let grew = longer.len() > seen.len();
                assert!(!grew || !damage.is_empty(), "{cut}: a record was missing and nothing was said");
                assert!(damage.iter().all(|damage| damage.unreadable == seen.is_empty()), "{cut}");
            }
        }
    }

    #[test]
    fn empty_garbage_and_header_only_files() {
        for bytes in [&b""[..], b"x", b"this is a text", &[0; 5000], b"snoop\0\0\0"] {
            let (seen, damage) = read_bytes(bytes);
            assert_eq!((seen.len(), damage.len(), damage[0].unreadable), (0, 1, true));
        }
        assert_eq!(read_bytes(&pcap(&[])), (vec![], vec![]));
        assert_eq!(read_bytes(&ORDER.section()), (vec![], vec![]));
    }

    #[test]
    fn records_longer_than_a_block_and_blocks_that_end_anywhere() {
        let mut file = ORDER.pcap_version(MAGICS[0], (2, 4), 1_000_000, 1);
        let sizes = [1, 300_000, 60_000, 0, 262_143, 262_144, 999_999, 17, 200_000];
        for size in sizes {
            file.extend(ORDER.record(1, 0, &vec![7; size]));
        }
        let (seen, damage) = read_bytes(&file);
        assert_eq!(seen.iter().map(|frame| frame.5.len()).collect::<Vec<_>>(), sizes);
        assert!(damage.is_empty() && seen.iter().all(|frame| frame.5.iter().all(|byte| *byte == 7)));
    }

    #[test]
    fn files_are_one_stream_in_the_order_of_their_first_packets() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        fs::create_dir_all(at("sub/deeper")).unwrap();
        for (name, bytes) in [
            ("c.pcap", pcap(&[10, 50])),
            ("a.txt", PACKS[0].1(&pcap(&[30]))),
            ("b.pcap", pcap(&[30, 31])),
            ("sub/deeper/first", pcap(&[1])),
            ("sub/empty.pcap", pcap(&[])),
            ("sub/README", b"not a capture".to_vec()),
        ] {
            fs::write(at(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), at("sub/loop")).unwrap();
        let folder_name = folder.path().to_str().unwrap();
        let mut files = open(&[folder_name, &at("b.pcap"), &at("*.pcap")], None).unwrap();
        let names = ["sub/deeper/first", "c.pcap", "a.txt", "b.pcap", "sub/empty.pcap"].map(at);
        assert_eq!(files.inputs(), names);
        let seen = read(&mut files);
        let brief: Vec<_> = seen.iter().map(|frame| (frame.0, frame.1 / 1_000_000_000, frame.3)).collect();
        assert_eq!(brief, [(1, 1, 0), (2, 10, 1), (3, 50, 1), (4, 30, 2), (5, 30, 3), (6, 31, 3)]);
        assert_eq!(files.damage(), []);
        let progress = files.progress();
        assert_eq!(progress.read, progress.total);
        assert_eq!(progress.total, names.iter().map(|name| fs::metadata(name).unwrap().len()).sum::<u64>());
    }

    #[test]
    fn a_damaged_file_never_hides_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let whole = pcap(&[1, 2, 3]);
        fs::write(at("1"), &whole[..whole.len() - 1]).unwrap();
        fs::write(at("2"), b"garbage").unwrap();
        fs::write(at("3"), pcap(&[9])).unwrap();
        fs::write(at("4"), pcap(&[10])).unwrap();
        let mut files = open(&[&at("2"), &at("1"), &at("3"), &at("4")], None).unwrap();
        fs::remove_file(at("3")).unwrap();
        assert_eq!(read(&mut files).len(), 3);
        let damage: Vec<_> =
            files.damage().iter().map(|d| (d.input.clone(), d.offset, d.unreadable)).collect();
        assert_eq!(damage, [(at("1"), 138, false), (at("3"), 0, true), (at("2"), 0, true)]);
    }

    #[test]
    fn what_cannot_be_opened_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        fs::write(format!("{folder}/README"), b"text").unwrap();
        for spec in [folder, &format!("{folder}/gone"), &format!("{folder}/*.pcap"), &format!("{folder}/[")] {
            let Err(Error::Unreadable { input, why }) = open(&[spec], None) else { panic!("{spec}") };
            assert!(input == spec && why.len() > 20, "{why}");
        }
        assert!(matches!(open(&[&format!("{folder}/README")], Some("prot")), Err(Error::Filter { .. })));
    }

    #[test]
    fn a_filter_leaves_frames_out_but_counts_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut file = ORDER.pcap(MAGICS[0], 1);
        for kind in [[8, 0], [8, 6], [8, 0], [0x86, 0xdd]] {
            file.extend(ORDER.record(1, 0, &[&[0; 12][..], &kind, &[0; 46]].concat()));
        }
        fs::write(&path, &file).unwrap();
        let mut files = open(&[path.to_str().unwrap()], Some(" ip ")).unwrap();
        assert_eq!(read(&mut files).iter().map(|frame| frame.0).collect::<Vec<_>>(), [1, 3]);
        file[20..22].copy_from_slice(&9999u16.to_le_bytes()); // Not known to libpcap.
        fs::write(&path, &file).unwrap();
        let mut files = open(&[path.to_str().unwrap()], Some("ip")).unwrap();
        assert!(read(&mut files).is_empty());
        assert!(matches!(files.damage(), [Damage { unreadable: false, .. }]));
    }

    fn no_frame_lies(seen: &[Seen]) -> Result<(), TestCaseError> {
        for (frame, number) in seen.iter().zip(1..) {
            prop_assert_eq!(frame.0, number);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn any_bytes_behind_any_magic(
            kind in 0usize..12,
            bytes in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let starts: [&[u8]; 7] = [b"", &ORDER.section(), &[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd],
                b"\xfd7zXZ\0", b"BZh9", &[4, 0x22, 0x4d, 0x18]];
            let start = match kind {
                0..=6 => starts[kind].to_vec(),
                _ => Order(kind % 2 == 0).pcap(MAGICS[kind % 3], 1),
            };
            let (seen, damage) = read_bytes(&[start, bytes].concat());
            no_frame_lies(&seen)?;
            prop_assert!(damage.len() <= 17);
        }

        #[test]
        fn any_change_of_a_sound_file(
            ng: bool,
            changes in prop::collection::vec((any::<u16>(), any::<u8>()), 1..6),
        ) {
            let mut file = if ng { pcapng() } else { pcap(&[1, 2, 3, 4]) };
            for (at, byte) in changes {
                let at = usize::from(at) % file.len();
                file[at] = byte;
            }
            let (seen, damage) = read_bytes(&file);
            no_frame_lies(&seen)?;
            prop_assert!(damage.len() <= 17);
        }
    }
}
