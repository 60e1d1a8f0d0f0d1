//! Start-line protocols: HTTP and the families that borrowed its first line (RTSP, SIP, SSDP), and MGCP.
//!
//! They share method words (OPTIONS, DESCRIBE, NOTIFY, SUBSCRIBE …), so the word is never what decides: the
//! version at the end of the line is, and only when the line is longer than what was kept does the target's
//! scheme stand in for it.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, contains, contains_nocase, decimal, line, rfind_byte, word};
use super::recognise::Carrier;
use super::sign::{Sign, answers, asks};

/// HTTP/1.x: RFC 9112 sections 3 (request line) and 4 (status line). HTTP/0.9 knew `GET target` alone.
pub(super) fn http(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if let Some(rest) = bytes.strip_prefix(b"HTTP/1.") {
        return if status_follows(rest) { answers(Strong) } else { answers(Good) };
    }
    let start = Start::of(bytes)?;
    if start.version.starts_with(b"HTTP/1.") || start.version.starts_with(b"HTTP/0.") {
        return asks(Strong);
    }
    let target = start.target;
    let plausible =
        target.starts_with(b"/") || target.starts_with(b"http://") || target.starts_with(b"https://");
    match start.method {
        _ if !plausible || !start.version.is_empty() && start.ended => None,
        b"GET" => asks(Good),
        b"POST" | b"HEAD" | b"PUT" | b"DELETE" | b"OPTIONS" | b"PATCH" | b"PROPFIND" if !start.ended => {
            asks(Good)
        }
        _ => None,
    }
}

/// HTTP/2 with prior knowledge: RFC 9113 section 3.4 (client preface); the server's preface is a SETTINGS
/// frame (section 6.5: type 4, stream 0, a multiple of six bytes).
pub(super) fn http2(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        return asks(Strong);
    }
    let settings = at(bytes, 3, &[4, 0, 0, 0, 0, 0]) && at(bytes, 0, &[0, 0]) && bytes[2].is_multiple_of(6);
    let known = |id: &[u8]| id[0] == 0 && matches!(id[1], 1..=9);
    let body = bytes.get(9..).unwrap_or_default();
    let count = usize::from(*bytes.get(2)?) / 6;
    if !settings || count > 16 || body.len() < count * 6 || !body.chunks_exact(6).take(count).all(known) {
        return None;
    }
    // What may follow: on the connection's own stream no data and no headers (sections 6.1 and 6.2).
    let next = &body[count * 6..];
    let stream = next.get(5..9).is_some_and(|stream| stream != [0; 4]);
    let sound = next.get(3).is_none_or(|kind| matches!(kind, 4 | 6..=8) || *kind <= 9 && stream);
    sound.then(|| answers(Strong)).flatten()
}

/// SSDP: HTTP lines in datagrams (`UPnP` Device Architecture 2.0, section 1).
pub(super) fn ssdp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"M-SEARCH * HTTP/1.") {
        return asks(Strong);
    }
    if bytes.starts_with(b"NOTIFY * HTTP/1.") {
        return answers(Strong);
    }
    let found = |name: &[u8]| contains_nocase(bytes, name);
    let device = found(b"\nST:") || found(b"\nUSN:") || found(b"\nLOCATION:") || found(b"\nCACHE-CONTROL:");
    (bytes.starts_with(b"HTTP/1.1 200") && device).then(|| answers(Strong)).flatten()
}

/// WS-Discovery: SOAP over UDP (OASIS WS-Discovery 1.1, section 2.4; the 2005 namespace before it).
pub(super) fn ws_discovery(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let xml = bytes.starts_with(b"<?xml") || bytes.starts_with(b"<s") || bytes.starts_with(b"<S");
    let about = contains(bytes, b"/ws/2005/04/discovery") || contains(bytes, b"/ws-dd/ns/discovery/2009");
    if !xml || !about {
        return None;
    }
    if contains(bytes, b"Matches") || contains(bytes, b"/Hello") { answers(Strong) } else { asks(Strong) }
}

/// SIP: RFC 3261 sections 7.1 and 7.2; keep-alive line ends may come first (RFC 5626 section 3.5.1).
pub(super) fn sip(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let bytes = after_blank_lines(bytes);
    if bytes.starts_with(b"SIP/2.0 ") {
        return answers(Strong);
    }
    let start = Start::of(bytes)?;
    if start.version.starts_with(b"SIP/2.0") {
        return asks(Strong);
    }
    let schemes: [&[u8]; 3] = [b"sip:", b"sips:", b"tel:"];
    let scheme = schemes.iter().any(|s| start.target.starts_with(s));
    (scheme && !start.ended).then(|| asks(Good)).flatten()
}

/// RTSP: RFC 2326 sections 6.1 and 7.1, RFC 7826 section 7.1.
pub(super) fn rtsp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"RTSP/1.0 ") || bytes.starts_with(b"RTSP/2.0 ") {
        return answers(Strong);
    }
    let start = Start::of(bytes)?;
    if start.version.starts_with(b"RTSP/") {
        return asks(Strong);
    }
    (start.target.starts_with(b"rtsp://") && !start.ended).then(|| asks(Good)).flatten()
}

/// MGCP: RFC 3435 section 3.2 (command line) and 3.3 (response line).
pub(super) fn mgcp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (line, ended) = line(bytes);
    let (verb, rest) = word(line);
    let (transaction, rest) = word(rest);
    let number = decimal(transaction).is_some();
    if verb.len() == 4 && verb.iter().all(u8::is_ascii_uppercase) && number {
        let (_, version) = word(rest);
        return version.starts_with(b"MGCP ").then(|| asks(Strong)).flatten();
    }
    let code = verb.len() == 3 && decimal(verb).is_some_and(|c| c < 600);
    (code && number && ended).then(|| answers(Weak)).flatten()
}

/// MEGACO/H.248 text: H.248.1 annex B (`MEGACO/1` or the short `!/1`).
pub(super) fn megaco(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let rest = bytes.strip_prefix(b"MEGACO/").or_else(|| bytes.strip_prefix(b"!/"))?;
    let version = rest.first()?.is_ascii_digit();
    let sender = matches!(rest.get(1..3), Some([b' ', b'[' | b'<'])) || contains(rest, b"ransaction");
    if !(version && sender) {
        return None;
    }
    let reply = contains(rest, b"Reply=")
        || contains(rest, b" P = ")
        || contains(rest, b"P=") && !contains(rest, b"T=");
    if reply { answers(Strong) } else { asks(Strong) }
}

/// The first line of a request: three words.
pub(super) struct Start<'a> {
    method: &'a [u8],
    target: &'a [u8],
    /// What follows the target; empty when the line was cut before it.
    pub(super) version: &'a [u8],
    /// True when the whole line is here.
    pub(super) ended: bool,
}

impl<'a> Start<'a> {
    /// A line that opens with a method word: 2 to 24 capitals, hyphens or underscores (tokens in fact, RFC
    /// 9110 section 9.1, but every registered method is spelt like this).
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let spelt = |b: &u8| b.is_ascii_uppercase() || matches!(b, b'-' | b'_');
        let method_len = bytes.iter().take(25).position(|b| !spelt(b))?;
        let method = &bytes[..method_len];
        if bytes[method_len] != b' ' || method_len < 2 {
            return None;
        }
        let (line, ended) = line(&bytes[method_len + 1..]);
        let cut = rfind_byte(line, b' ');
        let (target, version) =
            cut.map_or((line, &line[line.len()..]), |cut| (&line[..cut], &line[cut + 1..]));
        Some(Self { method, target, version, ended })
    }
}

/// What follows `HTTP/1.`: a digit, a space and three digits.
fn status_follows(rest: &[u8]) -> bool {
    let code = rest.iter().position(|b| *b == b' ').and_then(|space| rest.get(space + 1..space + 4));
    code.and_then(decimal).is_some_and(|code| (100..1000).contains(&code))
}

/// The bytes after any empty lines.
fn after_blank_lines(bytes: &[u8]) -> &[u8] {
    let text = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
    &bytes[text..]
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Http,
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
    ),
    stream(App::Http, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.0 405 No\r\n\r\n"),
    stream(App::Http, b"PROPFIND /dav/ HTTP/1.1\r\nDepth: 1\r\n\r\n", b"HTTP/1.1 207 Multi-Status\r\n\r\n"),
    stream(
        App::Http,
        b"SUBSCRIBE /evt HTTP/1.1\r\nHOST: a:1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nSID: uuid:1\r\n\r\n",
    ),
    stream(
        App::Http,
        b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 Connection established\r\n\r\n",
    ),
    stream(App::Http, b"GET /\r\n", b""),
    stream(
        App::Http2,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x80",
    ),
    datagram(
        App::Ssdp,
        b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nST: ssdp:al\
          l\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\n\r\n",
    ),
    datagram(App::Ssdp, b"", b"NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\n\r\n"),
    datagram(
        App::WsDiscovery,
        b"<?xml version=\"1.0\"?><s:Envelope xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discove\
          ry\"><d:Probe/>",
        b"<?xml version=\"1.0\"?><s:Envelope xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discove\
          ry\"><d:ProbeMatches>",
    ),
    datagram(
        App::Sip,
        b"OPTIONS sip:a@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1\r\n\r\n",
    ),
    stream(App::Sip, b"\r\n\r\nREGISTER sip:a.example SIP/2.0\r\n\r\n", b"SIP/2.0 401 Unauthorized\r\n\r\n"),
    stream(
        App::Rtsp,
        b"OPTIONS rtsp://10.0.0.1/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
    ),
    stream(App::Rtsp, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 404 Not Found\r\n\r\n"),
    datagram(App::Mgcp, b"AUEP 1200 aaln/1@gw.example MGCP 1.0\r\nF: A\r\n", b"200 1200 OK\r\n"),
    datagram(
        App::Megaco,
        b"MEGACO/1 [10.0.0.1]:2944\nTransaction = 9998 {Context = - {}}",
        b"!/1 [10.0.0.2]:2944 P=9998{C=-{}}",
    ),
];
