//! What programs really say first: protocol bytes built from their specifications, named beside each.

/// HTTP/1.1 (RFC 9112): a request and its answer.
pub(crate) fn http(host: &str, body: &str) -> [Vec<u8>; 2] {
    let ask =
        format!("GET /status HTTP/1.1\r\nHost: {host}\r\nUser-Agent: om-client/2.1\r\nAccept: */*\r\n\r\n");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nServer: om-server\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    [ask.into_bytes(), answer.into_bytes()]
}

/// TLS 1.2 (RFC 5246, extensions RFC 6066): a client hello that names `server`, and a server hello.
pub(crate) fn tls(server: &str) -> [Vec<u8>; 2] {
    let mut answer = vec![3, 3];
    answer.extend((0_u8..32).map(|n| n.wrapping_mul(91).wrapping_add(5)));
    answer.push(0);
    answer.extend([0xc0, 0x2f, 0]);
    answer.extend(sized16(&[0xff, 0x01, 0, 1, 0])); // renegotiation_info
    [record(&client_hello(server, &[]), 1), record(&handshake(2, &answer), 3)]
}

/// TLS 1.3 (RFC 8446) with a post-quantum key share of 1,216 bytes before the server's name, as clients of
/// 2025 have it: the hello alone, and in records with the server's.
pub(crate) fn tls13(server: &str) -> [Vec<u8>; 3] {
    let share = [&[0x11, 0xec][..], &sized16(&[0x6b; 1216])].concat(); // X25519MLKEM768
    let hello = client_hello(server, &[(51, sized16(&share)), (43, vec![2, 3, 4])]);
    let mut answer = vec![3, 3];
    answer.extend((0_u8..32).map(|n| n.wrapping_mul(91).wrapping_add(5)));
    answer.extend([0, 0x13, 1, 0]);
    let chosen = [&[0x11, 0xec][..], &sized16(&[0x7c; 1120])].concat();
    let extensions = [&[0, 51][..], &sized16(&chosen), &[0, 43, 0, 2, 3, 4]].concat();
    answer.extend(sized16(&extensions));
    [hello.clone(), record(&hello, 1), record(&handshake(2, &answer), 3)]
}

/// A client hello that names `server`, with more extensions in front.
fn client_hello(server: &str, more: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let name = server.as_bytes();
    let mut names = vec![0]; // host_name
    names.extend(sized16(name));
    let mut extensions = Vec::new();
    let usual = [
        (0_u16, sized16(&names)),                                            // server_name
        (10, sized16(&[0, 29, 0, 23])), // supported_groups: x25519, secp256r1
        (11, vec![1, 0]),               // ec_point_formats: uncompressed
        (13, sized16(&[4, 3, 8, 4, 4, 1])), // signature_algorithms
        (16, sized16(&[8, b'h', b't', b't', b'p', b'/', b'1', b'.', b'1'])), // ALPN
    ];
    for (kind, body) in more.iter().chain(&usual) {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(sized16(body));
    }
    let mut client = vec![3, 3];
    client.extend((0_u8..32).map(|n| n.wrapping_mul(37).wrapping_add(11))); // random
    client.push(0); // no session
    client.extend(sized16(&[0xc0, 0x2f, 0xc0, 0x30, 0x00, 0x9c])); // cipher suites
    client.extend([1, 0]); // no compression
    client.extend(sized16(&extensions));
    handshake(1, &client)
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    let mut message = vec![kind, length[1], length[2], length[3]];
    message.extend(body);
    message
}

fn record(message: &[u8], minor: u8) -> Vec<u8> {
    let mut record = vec![22, 3, minor];
    record.extend(sized16(message));
    record
}

fn sized16(bytes: &[u8]) -> Vec<u8> {
    let mut sized = u16::try_from(bytes.len()).expect("short").to_be_bytes().to_vec();
    sized.extend(bytes);
    sized
}

/// SSH (RFC 4253 section 4.2): the identification strings.
pub(crate) fn ssh() -> [Vec<u8>; 2] {
    [b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), b"SSH-2.0-OpenSSH_9.6p1 Debian-4\r\n".to_vec()]
}

/// DNS (RFC 1035): a question for an address, and the answer.
pub(crate) fn dns(name: &str, addr: [u8; 4]) -> [Vec<u8>; 2] {
    let question = [&dns_name(name)[..], &[0, 1, 0, 1]].concat();
    let mut ask = vec![0x5a, 0x31, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    ask.extend(&question);
    let mut answer = vec![0x5a, 0x31, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    answer.extend(&question);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
    answer.extend(addr);
    [ask, answer]
}

/// POP3 (RFC 1939): the greeting, a login, the answer to it.
pub(crate) fn pop3() -> [&'static [u8]; 5] {
    [
        b"+OK POP3 proxy ready <1896.697170952@mail.example.net>\r\n",
        b"USER anna\r\n",
        b"+OK anna is a real hoopy frood\r\n",
        b"STAT\r\n",
        b"+OK 2 320\r\n",
    ]
}

/// SMTP (RFC 5321): the greeting, the client's, and what the server can do.
pub(crate) fn smtp() -> [&'static [u8]; 3] {
    [
        b"220 mail.example.net ESMTP ready\r\n",
        b"EHLO client.example.org\r\n",
        b"250-mail.example.net\r\n250-SIZE 10240000\r\n250 STARTTLS\r\n",
    ]
}

/// SMB 2 (\[MS-SMB2\] 2.2.3, 2.2.4) behind NetBIOS session framing: negotiate and its answer.
pub(crate) fn smb2() -> [Vec<u8>; 2] {
    let header = |flags: u8| {
        let mut header = b"\xfeSMB".to_vec();
        header.extend([64, 0, 1, 0]); // structure size, credit charge
        header.extend([0; 4]); // status
        header.extend([0, 0, 1, 0]); // NEGOTIATE, one credit
        header.extend([flags, 0, 0, 0]);
        header.extend([0; 44]); // next, message, process, tree, session, signature
        header
    };
    let mut ask = header(0);
    ask.extend([36, 0, 2, 0, 1, 0, 0, 0, 0x7f, 0, 0, 0]); // two dialects, signing enabled, capabilities
    ask.extend((1..=16).collect::<Vec<u8>>()); // client GUID
    ask.extend([0; 8]);
    ask.extend([0x02, 0x02, 0x10, 0x02]); // 2.0.2 and 2.1
    let mut answer = header(1);
    answer.extend([65, 0, 1, 0, 0x10, 0x02, 0, 0]);
    answer.extend((17..=32).collect::<Vec<u8>>()); // server GUID
    answer.extend([7, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0]); // capabilities, sizes
    answer.extend([0; 16]); // times
    answer.extend([128, 0, 0, 0, 0, 0, 0, 0]); // no security blob
    [netbios(&ask), netbios(&answer)]
}

fn netbios(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    let mut framed = vec![0, length[1], length[2], length[3]];
    framed.extend(message);
    framed
}

/// The endpoint mapper (C706 appendix O), little endian on the wire.
pub(crate) const EPM: Interface = ("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3, 0);
/// The Exchange store (\[MS-OXCRPC\] 1.9): EMSMDB 0.81.
pub(crate) const EMSMDB: Interface = ("a4f1db00-ca47-1067-b31f-00dd010662da", 0, 81);
/// NDR, the usual transfer syntax.
const NDR: Interface = ("8a885d04-1ceb-11c9-9fe8-08002b104860", 2, 0);

/// A UUID with its major and minor version.
pub(crate) type Interface = (&'static str, u16, u16);

/// DCE/RPC (C706 chapter 12): bind to an interface, and the acknowledgement.
pub(crate) fn rpc_bind(interface: Interface, port: u16) -> [Vec<u8>; 2] {
    // Largest fragments, no group, one context with one transfer syntax.
    let mut ask = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    ask.extend(syntax(interface));
    ask.extend(syntax(NDR));
    let mut answer = vec![0xd0, 0x16, 0xd0, 0x16, 0x12, 0x34, 0, 0];
    let secondary = format!("{port}\0");
    answer.extend(u16::try_from(secondary.len()).expect("short").to_le_bytes());
    answer.extend(secondary.as_bytes());
    answer.resize(answer.len().next_multiple_of(4), 0);
    answer.extend([1, 0, 0, 0, 0, 0, 0, 0]); // one result: accepted
    answer.extend(syntax(NDR));
    [pdu(11, &ask), pdu(12, &answer)]
}

/// The endpoint mapper is asked where an interface is, and says: at this address and port (C706 appendix I,
/// L).
pub(crate) fn ept_map(interface: Interface, addr: [u8; 4], port: u16) -> [Vec<u8>; 2] {
    let mut ask = vec![0; 4]; // allocation hint
    ask.extend([0, 0, 3, 0]); // context 0, operation 3: ept_map
    ask.extend([1, 0, 0, 0]);
    ask.extend([0; 16]); // no object
    ask.extend([2, 0, 0, 0]);
    ask.extend(tower(interface, [0; 4], 0));
    ask.extend([0; 20]); // entry handle
    ask.extend([4, 0, 0, 0]); // at most four towers
    let mut answer = vec![0; 4];
    answer.extend([0; 4]); // context 0, no cancels
    answer.extend([0; 20]); // entry handle
    answer.extend([1, 0, 0, 0]); // one tower:
    answer.extend([4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]); // array bounds
    answer.extend([3, 0, 0, 0]); // pointer
    answer.extend(tower(interface, addr, port));
    answer.extend([0; 4]); // status: ok
    [pdu(0, &ask), pdu(2, &answer)]
}

/// Five floors: interface, NDR, connection-oriented RPC, TCP port, IP address; padded to four bytes.
fn tower(interface: Interface, addr: [u8; 4], port: u16) -> Vec<u8> {
    let mut floors = 5_u16.to_le_bytes().to_vec();
    let mut floor = |left: &[u8], right: &[u8]| {
        for side in [left, right] {
            floors.extend(u16::try_from(side.len()).expect("short").to_le_bytes());
            floors.extend(side);
        }
    };
    for named in [interface, NDR] {
        let wire = syntax(named);
        let mut left = vec![0x0d];
        left.extend(&wire[..18]); // UUID and major version
        floor(&left, &wire[18..]);
    }
    floor(&[0x0b], &[0, 0]);
    floor(&[0x07], &port.to_be_bytes());
    floor(&[0x09], &addr);
    let length = u32::try_from(floors.len()).expect("short").to_le_bytes();
    let mut tower = length.to_vec();
    tower.extend(length);
    tower.extend(floors);
    tower.resize(tower.len().next_multiple_of(4), 0);
    tower
}

/// UUID (first three groups little endian) and versions: 20 bytes.
fn syntax((uuid, major, minor): Interface) -> Vec<u8> {
    let hex: Vec<u8> = uuid.bytes().filter(|b| *b != b'-').collect();
    let bytes: Vec<u8> = hex
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect();
    let mut wire = Vec::new();
    for group in [0..4, 4..6, 6..8] {
        wire.extend(bytes[group].iter().rev());
    }
    wire.extend(&bytes[8..]);
    wire.extend(major.to_le_bytes());
    wire.extend(minor.to_le_bytes());
    wire
}

/// A whole connection-oriented PDU, call 1.
fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut pdu = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
    pdu.extend(u16::try_from(16 + body.len()).expect("short").to_le_bytes());
    pdu.extend([0, 0, 1, 0, 0, 0]); // no authentication, call 1
    pdu.extend(body);
    pdu
}

/// ONC RPC portmapper (RFC 1833 section 3): where is mountd 3 on TCP? At this port.
pub(crate) fn portmap(port: u16) -> [Vec<u8>; 2] {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let xid = 0x1f2e_3d4c;
    let ask = words(&[xid, 0, 2, 100_000, 2, 3, 0, 0, 0, 0, 100_005, 3, 6, 0]);
    let answer = words(&[xid, 1, 0, 0, 0, 0, u32::from(port)]);
    [ask, answer]
}

/// ONC RPC over TCP (RFC 5531 section 11): the null procedure of mountd 3, with record marks.
pub(crate) fn mountd_null() -> [Vec<u8>; 2] {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    [
        words(&[0x8000_0028, 0x1f2e_3d4d, 0, 2, 100_005, 3, 0, 0, 0, 0, 0]),
        words(&[0x8000_0018, 0x1f2e_3d4d, 1, 0, 0, 0, 0]),
    ]
}

/// FTP (RFC 959): greeting and login, up to where a data connection is agreed on.
pub(crate) fn ftp_login() -> [&'static [u8]; 5] {
    [
        b"220 files.example.net FTP server ready\r\n",
        b"USER anonymous\r\n",
        b"331 Guest login ok, send your e-mail address as password.\r\n",
        b"PASS guest@example.org\r\n",
        b"230 User logged in.\r\n",
    ]
}

/// FTP: an address and port as the six numbers of `PORT` and of reply 227.
pub(crate) fn ftp_numbers(addr: [u8; 4], port: u16) -> String {
    let [high, low] = port.to_be_bytes();
    format!("{},{},{},{},{high},{low}", addr[0], addr[1], addr[2], addr[3])
}

/// NetBus 1.70, the remote-control trojan of 1998: its server speaks first and names itself; the client logs
/// in. (The banner is what antivirus write-ups and scanners of the time, e.g. Snort's backdoor rules, look
/// for.)
pub(crate) fn netbus() -> [&'static [u8]; 3] {
    [b"NetBus 1.70 \r", b"GetInfo\r", b"Info;Program Path: C:\\WINDOWS\\Patch.exe|Restart persistent: Yes\r"]
}

/// SMB 2 (\[MS-SMB2\] 2.2.13, 2.2.14): a file or pipe is opened, and its handle given. A pipe was never
/// created, so its `time` is zero.
pub(crate) fn smb2_create(id: u8, name: &str, time: u8) -> [Vec<u8>; 2] {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut ask = smb2_header(5, false, id);
    ask.extend([57, 0, 0, 0, 2, 0, 0, 0]);
    ask.extend([0; 16]);
    ask.extend([0x9f, 1, 0x12, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]); // access, open
    ask.extend([120, 0, u8::try_from(name.len()).expect("short"), 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    ask.extend(name);
    let mut answer = smb2_header(5, true, id);
    answer.extend([89, 0, 0, 0, 1, 0, 0, 0, time]);
    answer.resize(120, 0);
    answer.extend([0x80, 0, 0, 0, 0, 0, 0, 0]); // attributes: normal
    answer.extend(SMB2_HANDLE);
    answer.extend([0; 8]);
    [netbios(&ask), netbios(&answer)]
}

/// SMB 2 (\[MS-SMB2\] 2.2.31, 2.2.32): something is said to a pipe, and its answer read, at once.
pub(crate) fn smb2_transceive(id: u8, question: &[u8], reply: &[u8]) -> [Vec<u8>; 2] {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_le_bytes();
    let mut ask = smb2_header(11, false, id);
    ask.extend([57, 0, 0, 0, 0x17, 0xc0, 0x11, 0]); // FSCTL_PIPE_TRANSCEIVE
    ask.extend(SMB2_HANDLE);
    ask.extend([120, 0, 0, 0]);
    ask.extend(size(question));
    ask.extend([0; 12]);
    ask.extend([0, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]); // 1024 bytes of output, a control code
    ask.extend(question);
    let mut answer = smb2_header(11, true, id);
    answer.extend([49, 0, 0, 0, 0x17, 0xc0, 0x11, 0]);
    answer.extend(SMB2_HANDLE);
    answer.extend([112, 0, 0, 0, 0, 0, 0, 0, 112, 0, 0, 0]);
    answer.extend(size(reply));
    answer.extend([0; 8]);
    answer.extend(reply);
    [netbios(&ask), netbios(&answer)]
}

/// SMB 2 (\[MS-SMB2\] 2.2.19, 2.2.20): data is read.
pub(crate) fn smb2_read(id: u8, data: &[u8]) -> [Vec<u8>; 2] {
    let mut ask = smb2_header(8, false, id);
    ask.extend([49, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    ask.extend(SMB2_HANDLE);
    ask.resize(113, 0);
    let mut answer = smb2_header(8, true, id);
    answer.extend([17, 0, 80, 0]);
    answer.extend(u32::try_from(data.len()).expect("short").to_le_bytes());
    answer.extend([0; 8]);
    answer.extend(data);
    [netbios(&ask), netbios(&answer)]
}

const SMB2_HANDLE: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

fn smb2_header(command: u8, reply: bool, id: u8) -> Vec<u8> {
    let mut header = b"\xfeSMB".to_vec();
    header.extend([64, 0, 1, 0, 0, 0, 0, 0, command, 0, 1, 0, u8::from(reply), 0, 0, 0, 0, 0, 0, 0, id]);
    header.resize(64, 0);
    header
}

/// Multicast DNS (RFC 6762, RFC 6763): a host advertises a service, its port and its address.
pub(crate) fn mdns_service(service: &str, port: u16, addr: [u8; 4]) -> Vec<u8> {
    let host = dns_name("stock.local");
    let mut advert = vec![0, 0, 0x84, 0, 0, 0, 0, 2, 0, 0, 0, 0];
    advert.extend(dns_srv(&dns_name(&format!("Stock.{service}.local")), port, &host));
    advert.extend([&host[..], &[0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4], &addr].concat());
    advert
}

/// DNS (RFC 2782): a question for a service, and the answer with the address of its host.
pub(crate) fn dns_service(name: &str, port: u16, addr: [u8; 4]) -> [Vec<u8>; 2] {
    let question = [&dns_name(name)[..], &[0, 33, 0, 1]].concat();
    let ask = [&[0x5a, 0x32, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
    let host = dns_name("stock.example.net");
    let mut answer = [&[0x5a, 0x32, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 1][..], &question].concat();
    answer.extend(dns_srv(&[0xc0, 12], port, &host));
    answer.extend([&host[..], &[0, 1, 0, 1, 0, 0, 0, 120, 0, 4], &addr].concat());
    [ask, answer]
}

fn dns_srv(owner: &[u8], port: u16, target: &[u8]) -> Vec<u8> {
    let data = [&[0, 0, 0, 0], &port.to_be_bytes()[..], target].concat();
    [owner, &[0, 33, 0, 1, 0, 0, 0, 120], &sized16(&data)].concat()
}

fn dns_name(name: &str) -> Vec<u8> {
    let mut labels = Vec::new();
    for label in name.split('.') {
        labels.push(u8::try_from(label.len()).expect("short"));
        labels.extend(label.as_bytes());
    }
    labels.push(0);
    labels
}
