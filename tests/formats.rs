//! The same packets in every wrapping give the same lines: formats, compressions, rotated files, folders,
//! globs, pipes. Wrappings are made on the fly from a scenario's frames; the compressors are the crates that
//! the reader uses.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::scenarios;
use crate::support::pcap::{self, Format};
use crate::support::talk::Recorded;
use crate::support::{binary, tree};

const ARGS: [&str; 4] = ["--flows", "--ports", "-o", "eve:-"];

fn frames() -> Vec<Recorded> {
    let scenario =
        scenarios::all().into_iter().find(|scenario| scenario.name == "matrix-1207").expect("there");
    scenario.files.into_iter().next().expect("one file").frames
}

/// The lines of a replay without the name of the file, which is the one thing that may differ.
fn lines(folder: &Path, inputs: &[&str]) -> Vec<serde_json::Value> {
    let mut args: Vec<&str> = inputs.iter().flat_map(|input| ["-r", input]).collect();
    args.extend(ARGS);
    let run = binary::run_in(folder, &args);
    run.expect_code(0);
    run.events().into_iter().map(without_file).collect()
}

fn without_file(mut event: serde_json::Value) -> serde_json::Value {
    if let Some(object) = event.as_object_mut() {
        object.remove("pcap_filename");
    }
    event
}

#[test]
fn every_compression_and_format_gives_the_same_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let frames = frames();
    let plain = pcap::write(Format::Pcap, &frames);
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("writes");
    put("plain", &plain);
    put("ng", &pcap::write(Format::Pcapng, &frames));
    put("gz", &pcap::gzip(&plain));
    put("zst", &zstd::encode_all(&plain[..], 3).expect("compresses"));
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(&plain).expect("compresses");
    put("xz", &xz.finish().expect("compresses"));
    let mut bz2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
    bz2.write_all(&plain).expect("compresses");
    put("bz2", &bz2.finish().expect("compresses"));
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&plain).expect("compresses");
    put("lz4", &lz4.finish().expect("compresses"));
    let expected = lines(folder.path(), &["plain"]);
    assert!(expected.len() > 20, "{} lines", expected.len());
    for name in ["ng", "gz", "zst", "xz", "bz2", "lz4"] {
        assert_eq!(lines(folder.path(), &[name]), expected, "as {name}: told by content, never by name");
    }
}

#[test]
fn rotated_files_are_one_stream_however_they_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let frames = frames();
    let expected = {
        fs::write(folder.path().join("whole"), pcap::write(Format::Pcap, &frames)).expect("writes");
        lines(folder.path(), &["whole"])
    };
    fs::create_dir(folder.path().join("ring")).expect("makes");
    // The names sort the other way round than the packets, and the parts have different formats.
    for (name, part, format) in [
        ("ring/c.pcap", 0..50, Format::Pcap),
        ("ring/b.pcap", 50..90, Format::Pcapng),
        ("ring/a.pcap", 90..frames.len(), Format::PcapGz),
    ] {
        fs::write(folder.path().join(name), pcap::write(format, &frames[part])).expect("writes");
    }
    for inputs in [&["ring/a.pcap", "ring/b.pcap", "ring/c.pcap"][..], &["ring"], &["ring/*.pcap"]] {
        assert_eq!(lines(folder.path(), inputs), expected, "{inputs:?}");
    }
}

#[test]
fn standard_input_is_read_like_a_file() {
    let frames = frames();
    for format in [Format::Pcap, Format::Pcapng, Format::PcapGz] {
        let args: Vec<_> = ["-r", "-"].into_iter().chain(ARGS).collect();
        let run = binary::run_with_stdin(&args, &pcap::write(format, &frames));
        run.expect_code(0);
        let piped: Vec<_> = run.events().into_iter().map(without_file).collect();
        let folder = tree::root().join("captures/matrix-1207");
        assert_eq!(piped, lines(&folder, &["traffic.pcap"]), "{format:?}");
    }
}
