//! What must hold for any bytes in a capture file. Here, beside the code it tests, so that fuzzers and the
//! tests on stable run the very same sentences.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::burst::{Burst, LinkType};
use super::reader::{Reader, Step};
use super::stream::Stream;
use super::walk::RECORD_MAX;
use super::{Frame, PcapngWriter};
use crate::time::Timestamp;

/// Bytes of a file that are looked at: what a pipe takes without a reader.
const BYTES_MAX: usize = 60_000;
/// Blocks that are read: decompressors can make terabytes from a few bytes.
const FILLS_MAX: usize = 64;
/// Findings kept about one input: the walker's notes, and the one that ended it.
const FINDINGS_MAX: usize = 18;

type Seen = (i64, u32, u32, Vec<u8>);

/// Reads `data` as a capture file, and what came of it once more after writing it.
///
/// # Panics
/// When a record lies outside its block, memory or findings are not bounded, or a file that we wrote is not
/// read back as it was written.
pub fn fuzz(data: &[u8]) {
    let Some((frames, _)) = read(data) else { return };
    let frames: Vec<_> = frames.into_iter().filter(|(time, ..)| *time >= 0).collect();
    let Ok(file) = write(&frames) else { return };
    if file.len() <= BYTES_MAX {
        let again = read(&file);
        assert_eq!(again, Some((frames, Vec::new())), "what we wrote is read as it was written");
    }
}

/// Frames and findings; nothing when this machine gives no pipe.
fn read(data: &[u8]) -> Option<(Vec<Seen>, Vec<String>)> {
    let (reader, mut writer) = std::io::pipe().ok()?;
    writer.write_all(data.get(..BYTES_MAX).unwrap_or(data)).ok()?;
    drop(writer);
    // A decoder that cannot be made is an input that cannot be opened.
    let stream = Stream::of(OwnedFd::from(reader).into(), Arc::default()).ok()?;
    let mut reader = Reader::new(stream);
    let (mut burst, mut frames, mut findings) = (Burst::new(), Vec::new(), Vec::new());
    for _ in 0..FILLS_MAX {
        burst.clear();
        let step = reader.fill(&mut burst);
        assert!(burst.bytes.len() <= 2 * RECORD_MAX as usize, "memory is bounded");
        for place in &burst.places {
            let end = place.at as usize + place.len as usize;
            assert!(end <= burst.bytes.len(), "a record lies in its block");
        }
        frames.extend(burst.frames().map(seen));
        findings.extend(reader.findings.drain(..).map(|finding| finding.what));
        assert!(findings.len() <= FINDINGS_MAX, "findings are bounded: {findings:?}");
        if step == Step::End {
            break;
        }
    }
    Some((frames, findings))
}

fn seen(frame: Frame<'_>) -> Seen {
    (frame.time.as_nanos(), frame.link.0, frame.wire_len, frame.bytes.to_vec())
}

/// The frames as a file of ours. Empty without frames: a header alone says nothing.
fn write(frames: &[Seen]) -> std::io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut writer = PcapngWriter::new(&mut file)?;
    for (number, (time, link, wire_len, bytes)) in (1..).zip(frames) {
        let time = Timestamp::from_nanos(*time);
        let link = LinkType(*link);
        writer.write(&Frame { number, time, link, input: 0, wire_len: *wire_len, bytes })?;
    }
    writer.finish()?;
    Ok(file)
}
