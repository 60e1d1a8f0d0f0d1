//! The bytes of one input: a file or standard input, decompressed when its first bytes say that it is
//! compressed.
//!
//! The name of a file is never looked at. gzip (several members), zstd (several frames), xz (several
//! streams), bzip2 (several streams) and lz4 frames (several) are read; what a decoder produced before it met
//! corrupt data is delivered.
//!
//! Decompression has a thread of its own, see [`super::unpack`]; plain bytes are read by whoever asks (a
//! mapped file was slower than large reads).
//!
//! Invariants: memory is bounded whatever the file asks for (xz at most [`XZ_MEMORY_MAX`], zstd windows at
//! most 128 MiB, the decoder's default); after an error nothing is read any more.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::poll;
use super::unpack::{Decoder, Unpacker};

/// Compressed bytes read at once.
const PACKED_BLOCK: usize = 64 * 1024;
/// Most memory an xz decoder may take, in bytes; `xz -9` needs 65 MiB.
const XZ_MEMORY_MAX: u64 = 256 * 1024 * 1024;
/// Bytes needed to recognise a compression.
const MAGIC_LEN: usize = 6;
/// How long a thread that waits for a pipe does not look whether anybody still wants its bytes.
const GONE_WAIT: Duration = Duration::from_millis(50);

/// Bytes as they lie on disk; the first few have been looked at already.
type Raw = Chain<Cursor<Vec<u8>>, Counted>;

/// A file that counts what is read from it.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
    /// Set when nobody wants the bytes of a pipe any more, so that no thread waits for them.
    gone: Option<Arc<AtomicBool>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(gone) = &self.gone {
            // A wait that cannot be done is no reason not to read: the read will say what is wrong.
            while !poll::readable(&[self.file.as_fd()], GONE_WAIT).unwrap_or(true) {
                if gone.load(Ordering::Relaxed) {
                    return Err(io::Error::other("nobody reads any more"));
                }
            }
        }
        let length = self.file.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// The decompressed bytes of one input.
pub(super) struct Stream {
    kind: Kind,
    /// How the input is compressed, for messages; empty when it is not.
    packing: &'static str,
    /// Standard input and pipes may stay quiet for long: their readers wait with a limit.
    quiet: bool,
    /// Tells the thread that decompresses a pipe that nobody reads any more.
    gone: Arc<AtomicBool>,
}

enum Kind {
    Plain(Raw),
    Packed(Unpacker),
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

impl Stream {
    /// Opens a file and looks at its first bytes.
    ///
    /// # Errors
    /// What the system says; a decoder that cannot be made.
    pub(super) fn open(path: &Path, read: Arc<AtomicU64>) -> io::Result<Self> {
        Self::of(File::open(path)?, read)
    }

    /// Takes standard input, without the buffer of the standard library, so that it can be waited for.
    pub(super) fn stdin(read: Arc<AtomicU64>) -> io::Result<Self> {
        Self::of(File::from(io::stdin().as_fd().try_clone_to_owned()?), read)
    }

    /// Takes an open file or pipe and looks at its first bytes.
    ///
    /// # Errors
    /// What the system says; a decoder that cannot be made.
    pub(super) fn of(file: File, read: Arc<AtomicU64>) -> io::Result<Self> {
        let quiet = !file.metadata()?.is_file();
        let mut file = Counted { file, read, gone: None };
        let mut head = Vec::with_capacity(MAGIC_LEN);
        (&mut file).take(MAGIC_LEN as u64).read_to_end(&mut head)?;
        let (packing, decoder) = decoder_for(&head);
        let gone = Arc::new(AtomicBool::new(false));
        file.gone = (quiet && decoder.is_some()).then(|| Arc::clone(&gone));
        let raw = Cursor::new(head).chain(file);
        let kind = match decoder {
            None => Kind::Plain(raw),
            Some(decoder) => {
                Kind::Packed(Unpacker::new(decoder(BufReader::with_capacity(PACKED_BLOCK, raw))?, quiet))
            }
        };
        Ok(Self { kind, packing, quiet, gone })
    }

    /// Waits until there is something to read; false when nothing came. Files are always ready.
    pub(super) fn ready(&mut self, timeout: Duration) -> bool {
        match &mut self.kind {
            _ if !self.quiet => true,
            // A wait that cannot be done is no reason not to read: the read will say what is wrong.
            Kind::Plain(raw) => poll::readable(&[raw.get_ref().1.file.as_fd()], timeout).unwrap_or(true),
            Kind::Packed(unpacker) => unpacker.ready(timeout),
        }
    }

    /// Reads some bytes into a buffer that is not empty; 0 at the end.
    ///
    /// # Errors
    /// A sentence for the user: what the system or the decoder said.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        loop {
            let result = match &mut self.kind {
                Kind::Plain(raw) => raw.read(buffer),
                Kind::Packed(unpacker) => unpacker.read(buffer),
            };
            match result {
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.describe(&error)),
            }
        }
    }

    fn describe(&self, error: &io::Error) -> String {
        match (&self.kind, error.kind()) {
            // The second: no thread can be started.
            (Kind::Plain(_), _) | (_, io::ErrorKind::WouldBlock) => format!("reading fails: {error}"),
            (_, io::ErrorKind::UnexpectedEof) => format!("the {} data is cut off", self.packing),
            _ => format!("the {} data is corrupt: {error}", self.packing),
        }
    }
}

/// True when standard input has bytes or has ended, so that opening it will not block for long.
pub(super) fn stdin_ready(timeout: Duration) -> bool {
    poll::readable(&[io::stdin().as_fd()], timeout).unwrap_or(true)
}

type Packed = BufReader<Raw>;
type Opener = fn(Packed) -> io::Result<Decoder>;

/// Name and decoder of the compression that the first bytes announce.
///
/// Magic numbers: RFC 1952 section 2.3.1 (gzip), RFC 8878 sections 3.1.1 and 3.1.2 (zstd and skippable
/// frames), the .xz file format section 2.1.1.1, bzip2's "BZh" and block size, the LZ4 frame format's
/// 0x184D2204.
fn decoder_for(head: &[u8]) -> (&'static str, Option<Opener>) {
    match *head {
        [0x1f, 0x8b, ..] => ("gzip", Some(|raw| Ok(Box::new(flate2::bufread::MultiGzDecoder::new(raw))))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            ("zstd", Some(|raw| Ok(Box::new(zstd::stream::read::Decoder::with_buffer(raw)?))))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => ("xz", Some(xz)),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            ("bzip2", Some(|raw| Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(raw)))))
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => {
            ("lz4", Some(|raw| Ok(Box::new(Lz4(lz4_flex::frame::FrameDecoder::new(raw))))))
        }
        _ => ("", None),
    }
}

fn xz(raw: Packed) -> io::Result<Decoder> {
    let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, liblzma::stream::CONCATENATED)?;
    Ok(Box::new(liblzma::bufread::XzDecoder::new_stream(raw, stream)))
}

/// lz4 frames one after the other: the decoder stops behind each of them.
struct Lz4(lz4_flex::frame::FrameDecoder<Packed>);

impl Read for Lz4 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.0.read(buffer)?;
            // Every round without bytes consumes a frame header or ends here, so this ends with the input.
            if length > 0 || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(length);
            }
        }
    }
}
