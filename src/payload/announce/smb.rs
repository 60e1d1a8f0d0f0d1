//! The endpoint mapper's named pipe: what of an SMB conversation is about `\epmapper` ([MS-CIFS] section
//! 2.2.4, [MS-SMB2] section 2.2), so that its bytes can be read as the DCE/RPC they are. Encrypted messages
//! say nothing.
//!
//! The pipe is followed from its opening by its handle: the same bytes in a *file* that somebody reads from a
//! share are the words of whoever wrote the file, and must announce nothing. A pipe has no time of creation
//! (SMB 2) or says that it is one (SMB 1), so a file of that name does not pass for it. A message counts as
//! far as its first segment carries it.

use std::collections::VecDeque;

use crate::payload::bytes::{at, be32, le16, le32};

/// Questions that may be open on a pipe at once.
const ASKED_MAX: usize = 8;
/// Messages read of one segment.
const MESSAGES_MAX: usize = 16;
/// Data that a reply has on a pipe: the largest fragment that RPC over pipes agrees on ([MS-RPCE] section
/// 3.3.1.5.2: 4280 bytes and less).
const DATA_MAX: usize = 4280;

/// The name, as it is spelt in a request.
const NAME: &[u8] = b"epmapper";

/// A message about some pipe. Identifiers tie replies to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::payload) enum Message<'a> {
    /// The endpoint mapper's pipe is asked for.
    Open { id: u64 },
    /// A pipe is open.
    Opened { id: u64, handle: [u8; 16] },
    /// A reply is asked for.
    Asks { id: u64, handle: [u8; 16] },
    /// Data.
    Says { id: u64, data: &'a [u8], whole: bool },
}

/// What is known of the endpoint mapper's pipe in one conversation.
#[derive(Debug, Default)]
pub(in crate::payload) struct Pipe {
    opening: Option<u64>,
    handle: Option<[u8; 16]>,
    asked: VecDeque<u64>,
}

impl Pipe {
    /// Takes one message; gives the data that the mapper said, and whether it is whole.
    pub(in crate::payload) fn hear<'a>(&mut self, message: Message<'a>) -> Option<(&'a [u8], bool)> {
        match message {
            Message::Open { id } => self.opening = Some(id),
            Message::Opened { id, handle } if self.opening == Some(id) => {
                self.opening = None;
                self.handle = Some(handle);
            }
            Message::Asks { id, handle } if self.handle == Some(handle) => {
                self.asked.push_back(id);
                if self.asked.len() > ASKED_MAX {
                    self.asked.pop_front();
                }
            }
            Message::Says { id, data, whole } => {
                let question = self.asked.iter().position(|asked| *asked == id)?;
                self.asked.remove(question);
                return Some((data, whole));
            }
            Message::Opened { .. } | Message::Asks { .. } => {}
        }
        None
    }
}

/// The messages in a segment that may be about a pipe: those at its beginning and behind each other
/// ([MS-SMB2] section 2.1 for the four bytes of length, 2.2.1 for chains).
pub(in crate::payload) fn messages(segment: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let (mut left, mut chain) = (segment, &[][..]);
    let next = move || {
        if chain.is_empty() {
            let len = be32(left, 0).filter(|mark| mark >> 24 == 0)?;
            let rest = left.get(4..).filter(|rest| !rest.is_empty())?;
            (chain, left) = rest.split_at(rest.len().min(usize::try_from(len).ok()?));
        }
        let message = chain;
        let behind = le32(message, 20).filter(|_| message.starts_with(b"\xfeSMB")).unwrap_or(0);
        chain = usize::try_from(behind)
            .ok()
            .filter(|b| *b >= 64)
            .and_then(|b| message.get(b..))
            .unwrap_or_default();
        Some(message)
    };
    std::iter::from_fn(next).take(MESSAGES_MAX).filter_map(read)
}

fn read(message: &[u8]) -> Option<Message<'_>> {
    match message.get(..4)? {
        b"\xfeSMB" => smb2(message),
        b"\xffSMB" => smb1(message),
        _ => None,
    }
}

/// [MS-SMB2] sections 2.2.13 and 14 (CREATE), 19 and 20 (READ), 31 and 32 (IOCTL).
fn smb2(message: &[u8]) -> Option<Message<'_>> {
    const PIPE_TRANSCEIVE: u32 = 0x0011_c017;
    const SUCCESS: u32 = 0;
    const BUFFER_OVERFLOW: u32 = 0x8000_0005;
    let id = u64::from(le32(message, 24)?) | u64::from(le32(message, 28)?) << 32;
    let is_reply = le32(message, 16)? & 1 != 0;
    let status = le32(message, 8)?;
    if is_reply && status != SUCCESS && status != BUFFER_OVERFLOW {
        return None;
    }
    match (le16(message, 12)?, is_reply) {
        (5, false) => {
            let name = message.get(usize::from(le16(message, 108)?)..)?;
            let name = name.get(..usize::from(le16(message, 110)?))?;
            is_name(name).then_some(Message::Open { id })
        }
        (5, true) if at(message, 72, &[0; 8]) => Some(Message::Opened { id, handle: handle(message, 128)? }),
        (8, false) if at(message, 72, &[0; 8]) => Some(Message::Asks { id, handle: handle(message, 80)? }),
        (8, true) => says(message, id, usize::from(*message.get(66)?), le32(message, 68)?),
        (11, false) if le32(message, 68)? == PIPE_TRANSCEIVE => {
            Some(Message::Asks { id, handle: handle(message, 72)? })
        }
        (11, true) if le32(message, 68)? == PIPE_TRANSCEIVE => {
            says(message, id, usize::try_from(le32(message, 96)?).ok()?, le32(message, 100)?)
        }
        _ => None,
    }
}

/// [MS-CIFS] sections 2.2.4.33 (TRANSACTION), 42 (READ_ANDX), 64 (NT_CREATE_ANDX); 2.2.5.6 for
/// TRANS_TRANSACT_NMPIPE.
fn smb1(message: &[u8]) -> Option<Message<'_>> {
    const TRANSACT_NMPIPE: u16 = 0x26;
    let id = u64::from(le16(message, 30)?);
    let is_reply = message.get(9)? & 0x80 != 0;
    let words = *message.get(32)?;
    let file = |place| {
        let mut handle = [0; 16];
        handle[..2].copy_from_slice(message.get(place..place + 2)?);
        Some(handle)
    };
    let data = |len: usize, offset: usize| {
        says(message, id, usize::from(le16(message, offset)?), u32::from(le16(message, len)?))
    };
    match (*message.get(4)?, is_reply, words) {
        (0xa2, false, 24) => {
            let len = usize::from(le16(message, 38)?);
            let unicode = usize::from(le16(message, 10)? >> 15); // then the name is aligned to two bytes
            let name = message.get(83 + unicode..83 + unicode + len)?;
            is_name(name).then_some(Message::Open { id })
        }
        (0xa2, true, 34..) if matches!(le16(message, 96)?, 1 | 2) => {
            Some(Message::Opened { id, handle: file(38)? })
        }
        (0x25, false, 16) if le16(message, 61)? == TRANSACT_NMPIPE => {
            Some(Message::Asks { id, handle: file(63)? })
        }
        (0x25, true, 10..) => data(45, 47),
        (0x2e, false, 10..) if le32(message, 39)? == 0 => Some(Message::Asks { id, handle: file(37)? }),
        (0x2e, true, 12) => data(43, 45),
        _ => None,
    }
}

/// `epmapper` in either coding and any case, with or without `\` and what else stands before it.
fn is_name(name: &[u8]) -> bool {
    let plain: Vec<u8> = name.iter().copied().filter(|b| *b != 0).take(64).collect();
    let name = plain.strip_prefix(b"\\").unwrap_or(&plain);
    let name = name.get(..5).filter(|pipe| pipe.eq_ignore_ascii_case(b"PIPE\\")).map_or(name, |_| &name[5..]);
    name.eq_ignore_ascii_case(NAME)
}

fn handle(message: &[u8], place: usize) -> Option<[u8; 16]> {
    message.get(place..place + 16)?.try_into().ok()
}

/// Data of a reply, as much of it as is here.
fn says(message: &[u8], id: u64, offset: usize, len: u32) -> Option<Message<'_>> {
    let len = usize::try_from(len).ok().filter(|len| (1..=DATA_MAX).contains(len))?;
    let data = message.get(offset..).filter(|data| offset >= 32 && !data.is_empty())?;
    Some(Message::Says { id, data: data.get(..len).unwrap_or(data), whole: data.len() >= len })
}

#[cfg(test)]
pub(in crate::payload) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
    }

    /// An SMB 2 header: command, reply or not, message identifier.
    fn header2(command: u8, reply: u8, id: u8) -> Vec<u8> {
        let mut header = b"\xfeSMB\x40\0\x01\0\0\0\0\0".to_vec();
        header.extend([command, 0, 1, 0, reply, 0, 0, 0, 0, 0, 0, 0, id]);
        header.resize(64, 0);
        header
    }

    /// CREATE of this name.
    pub(in crate::payload) fn create2(id: u8, name: &str) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut message = header2(5, 0, id);
        message.extend([57, 0]);
        message.resize(108, 0);
        message.extend([120, 0, u8::try_from(name.len()).unwrap(), 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        message.extend(name);
        framed(&message)
    }

    /// Its reply, with this first byte of the time of creation.
    pub(in crate::payload) fn created2(id: u8, time: u8, handle: u8) -> Vec<u8> {
        let mut message = header2(5, 1, id);
        message.extend([89, 0, 0, 0, 1, 0, 0, 0, time]);
        message.resize(128, 0);
        message.extend([handle; 16]);
        message.extend([0; 8]);
        framed(&message)
    }

    /// READ, its reply; IOCTL (transceive), its reply.
    pub(in crate::payload) fn read2(id: u8, handle: u8) -> Vec<u8> {
        let mut message = header2(8, 0, id);
        message.extend([49, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        message.extend([handle; 16]);
        message.resize(113, 0);
        framed(&message)
    }

    pub(in crate::payload) fn said2(id: u8, data: &[u8]) -> Vec<u8> {
        let mut message = header2(8, 1, id);
        message.extend([17, 0, 80, 0]);
        message.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        message.extend([0; 8]);
        message.extend(data);
        framed(&message)
    }

    fn transceive2(reply: u8, id: u8, handle: u8, data: &[u8]) -> Vec<u8> {
        let mut message = header2(11, reply, id);
        message.extend([49 + 8 * (1 - reply), 0, 0, 0, 0x17, 0xc0, 0x11, 0]);
        message.extend([handle; 16]);
        message.extend([0; 8]);
        message.extend([112, 0, 0, 0]);
        message.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        message.resize(112, 0);
        message.extend(data);
        framed(&message)
    }

    /// An SMB 1 message: command, reply or not, multiplex identifier, words, bytes.
    fn smb1(command: u8, reply: bool, id: u8, words: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut message = vec![0xff, b'S', b'M', b'B', command, 0, 0, 0, 0, if reply { 0x88 } else { 8 }];
        message.extend([1, 0x80]);
        message.resize(30, 0);
        message.extend([id, 0, u8::try_from(words.len() / 2).unwrap()]);
        message.extend(words);
        message.extend(u16::try_from(bytes.len()).unwrap().to_le_bytes());
        message.extend(bytes);
        framed(&message)
    }

    /// All that the mapper says in these segments.
    fn heard(segments: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut pipe = Pipe::default();
        let each = segments.iter().flat_map(|segment| messages(segment));
        each.filter_map(|message| pipe.hear(message)).map(|(data, _)| data.to_vec()).collect()
    }

    #[test]
    fn a_pipe_is_followed_by_its_handle() {
        let open = [create2(1, "epmapper"), created2(1, 0, 7)];
        let read = [read2(2, 7), said2(2, b"data")];
        assert_eq!(heard(&[&open[..], &read].concat()), [b"data"]);
        let trans = [transceive2(0, 3, 7, b"?"), transceive2(1, 3, 7, b"data")];
        assert_eq!(heard(&[&open[..], &trans].concat()), [b"data"]);
        assert!(heard(&[&open[..], &[read2(2, 8), said2(2, b"data")]].concat()).is_empty(), "another handle");
        assert!(heard(&[&open[..], &[read2(2, 7), said2(3, b"data")]].concat()).is_empty(), "another reply");
        assert!(heard(&[&[create2(1, "report.doc"), created2(1, 0, 7)][..], &read].concat()).is_empty());
        assert!(
            heard(&[&[create2(1, "epmapper"), created2(1, 9, 7)][..], &read].concat()).is_empty(),
            "a file"
        );
        assert!(heard(&read).is_empty());
    }

    #[test]
    fn the_older_dialect_too() {
        let name: Vec<u8> = "\\epmapper".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut words = vec![0; 48];
        words[5] = u8::try_from(name.len()).unwrap();
        let open = smb1(0xa2, false, 1, &words, &[&[0][..], &name].concat());
        let mut words = vec![0; 68];
        (words[5], words[63]) = (0x40, 2); // its handle, and that it is a pipe of messages
        let opened = smb1(0xa2, true, 1, &words, &[]);
        let mut words = vec![0; 32];
        (words[28], words[30]) = (0x26, 0x40);
        let ask = smb1(0x25, false, 2, &words, &[]);
        let mut words = vec![0; 20];
        (words[12], words[14]) = (4, 56);
        let say = smb1(0x25, true, 2, &words, b"\0data");
        assert_eq!(heard(&[open.clone(), opened.clone(), ask, say]), [b"data"]);
        let mut words = vec![0; 20];
        words[4] = 0x40;
        let ask = smb1(0x2e, false, 3, &words, &[]);
        let mut words = vec![0; 24];
        (words[10], words[12]) = (4, 60);
        let say = smb1(0x2e, true, 3, &words, b"\0data");
        assert_eq!(heard(&[open, opened, ask, say]), [b"data"]);
    }

    #[test]
    fn chains_and_cuts() {
        let mut both = read2(2, 7);
        both[4 + 20] = 120; // the next one in the chain
        both.resize(4 + 120, 0);
        let second = &read2(3, 7)[4..];
        both.extend(second);
        both[3] = u8::try_from(both.len() - 4).unwrap();
        assert_eq!(messages(&both).count(), 2);
        let whole = said2(2, b"data");
        for len in 0..whole.len() {
            let cut = messages(&whole[..len]).next();
            assert!(matches!(cut, None | Some(Message::Says { whole: false, .. })), "{len}: {cut:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..400), two in any::<bool>()) {
            let magic: &[u8] = if two { b"\0\0\x01\x40\xfeSMB" } else { b"\0\0\x01\x40\xffSMB" };
            prop_assert!(messages(&[magic, &bytes].concat()).count() <= MESSAGES_MAX);
            prop_assert!(messages(&bytes).count() <= MESSAGES_MAX);
        }
    }
}
