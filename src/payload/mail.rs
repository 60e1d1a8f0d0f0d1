//! Line protocols of mail, news, chat and file transfer: SMTP, POP3, IMAP, NNTP, FTP, IRC, XMPP.
//!
//! Several of them greet with the same three digits or the same `+OK`. A line that two protocols may say is a
//! weak sign for both, so that alone it decides nothing and the other side's words do.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{contains, contains_nocase, decimal, line, reply, starts_nocase, word};
use super::recognise::Carrier;
use super::sign::{Role, Sign, answers, asks, either, shared};

/// SMTP and LMTP: RFC 5321 sections 4.1.1 (commands) and 4.2 (replies), RFC 2033.
pub(super) fn smtp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if let Some((code, text)) = reply(bytes) {
        const NAMES: [&[u8]; 6] = [b"SMTP", b"LMTP", b"Postfix", b"Exim", b"Sendmail", b"mail server"];
        let named = || NAMES.iter().any(|n| contains_nocase(text, n));
        let domain = word(text).0;
        let fqdn = || {
            domain.contains(&b'.') && domain.iter().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(b))
        };
        let extensions: [&[u8]; 4] = [b"PIPELINING", b"8BITMIME", b"250-SIZE", b"250-STARTTLS"];
        return match code {
            220 | 421 | 554 if named() => answers(Strong),
            220 if contains_nocase(text, b"FTP") => None,
            220 if fqdn() => answers(Weak),
            220 if text.len() < 4 => answers(Weak),
            250 if extensions.iter().any(|e| contains_nocase(bytes, e)) => answers(Strong),
            250 | 354 | 421 | 450 | 452 | 500..=503 | 521 | 530 | 535 | 550..=554 => answers(Weak),
            _ => None,
        };
    }
    let (line, ended) = line(bytes);
    let (verb, rest) = word(line);
    match verb.to_upper_4() {
        Some(b"EHLO" | b"LHLO") if !rest.is_empty() => asks(Strong),
        Some(b"HELO") if !rest.is_empty() => asks(Good),
        Some(b"EHLO" | b"HELO") if ended => asks(Weak),
        Some(b"MAIL") if starts_nocase(rest, b"FROM:") => asks(Strong),
        Some(b"RCPT") if starts_nocase(rest, b"TO:") => asks(Strong),
        Some(b"AUTH") if starts_nocase(rest, b"LOGIN") || starts_nocase(rest, b"PLAIN") => asks(Weak),
        Some(b"QUIT" | b"NOOP" | b"HELP" | b"RSET") if rest.is_empty() && ended => shared(Role::Asks),
        _ if starts_nocase(line, b"STARTTLS") && ended => asks(Weak),
        _ => None,
    }
}

/// FTP data: whatever the file holds, so no bytes are a sign of it.
pub(super) const fn ftp_data(_: &[u8], _: Carrier) -> Option<Sign> {
    None
}

/// FTP control: RFC 959 sections 4.1 and 4.2, RFC 2228 (AUTH), RFC 2389 (FEAT), RFC 2428 (EPSV, EPRT).
pub(super) fn ftp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if let Some((code, text)) = reply(bytes) {
        return match code {
            220 | 421 | 530 if contains_nocase(text, b"FTP") || contains(text, b"FileZilla") => {
                answers(Strong)
            }
            220 | 421 if contains_nocase(text, b"SMTP") => None,
            227 | 229 if contains(text, b"Passive Mode (") => answers(Strong),
            331 if contains_nocase(text, b"password") => answers(Good),
            230 if contains_nocase(text, b"logged in") => answers(Good),
            200 => shared(Role::Answers),
            220 | 221 | 226 | 230 | 234 | 250 | 257 | 331 | 421 | 425 | 426 | 500 | 502 | 503 | 530 | 550 => {
                answers(Weak)
            }
            _ => None,
        };
    }
    let (line, ended) = line(bytes);
    let (verb, rest) = word(line);
    let alone = rest.is_empty() && ended;
    match verb.to_upper_4() {
        Some(b"USER") if ended && !rest.is_empty() && !rest.contains(&b' ') => asks(Weak),
        Some(b"PASS") if ended && !rest.is_empty() && !rest.contains(&b' ') => asks(Weak),
        Some(b"AUTH") if [&b"TLS"[..], b"SSL", b"GSSAPI", b"TLS-C"].contains(&rest) => asks(Good),
        Some(b"EPRT") if rest.starts_with(b"|") => asks(Strong),
        Some(b"QUIT" | b"NOOP" | b"HELP") if alone => shared(Role::Asks),
        Some(b"FEAT" | b"SYST" | b"PASV" | b"EPSV") if alone => asks(Good),
        _ if starts_nocase(line, b"PORT ") && rest.split(|b| *b == b',').count() == 6 => asks(Strong),
        _ => None,
    }
}

/// POP3: RFC 1939 sections 3 and 7, RFC 2449 (CAPA), RFC 2595 (STLS).
pub(super) fn pop3(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (line, ended) = line(bytes);
    if let Some(text) = line.strip_prefix(b"+OK") {
        return match text.first() {
            Some(b' ') if contains_nocase(text, b"POP") || contains(text, b"<") => answers(Strong),
            Some(b' ') => answers(Good),
            None if ended => answers(Weak),
            _ => None,
        };
    }
    if line.starts_with(b"-ERR") {
        return answers(Weak);
    }
    let (verb, rest) = word(line);
    match verb.to_upper_4() {
        Some(b"USER" | b"PASS") if ended && !rest.is_empty() && !rest.contains(&b' ') => asks(Weak),
        Some(b"CAPA" | b"STLS" | b"UIDL") if rest.is_empty() && ended => asks(Good),
        Some(b"APOP") if rest.contains(&b' ') => asks(Good),
        Some(b"QUIT" | b"NOOP" | b"STAT" | b"LIST") if rest.is_empty() && ended => shared(Role::Asks),
        Some(b"AUTH") if ended => shared(Role::Asks),
        _ => None,
    }
}

/// IMAP: RFC 9051 sections 2.2 (tags), 6 (commands) and 7.1 (greeting).
pub(super) fn imap(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (line, ended) = line(bytes);
    if let Some(text) = line.strip_prefix(b"* ") {
        let greets = [&b"OK"[..], b"PREAUTH", b"BYE"].contains(&word(text).0);
        let sure = contains_nocase(text, b"IMAP") || contains(text, b"[CAPABILITY");
        return if text.starts_with(b"CAPABILITY IMAP") || greets && sure {
            answers(Strong)
        } else {
            greets.then(|| answers(Good)).flatten()
        };
    }
    let (tag, rest) = word(line);
    let (verb, args) = word(rest);
    let tagged =
        matches!(tag.len(), 1..=16) && tag.iter().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(b));
    let is = |words: &[&[u8]]| words.iter().any(|w| verb.eq_ignore_ascii_case(w));
    if !tagged {
        None
    } else if is(&[b"CAPABILITY", b"AUTHENTICATE", b"STARTTLS"]) {
        asks(Strong)
    } else {
        let login = is(&[b"LOGIN"]) && args.contains(&b' ');
        let bare = is(&[b"NOOP", b"LOGOUT"]) && ended && args.is_empty();
        let who = is(&[b"ID"]) && (args.starts_with(b"(") || args.eq_ignore_ascii_case(b"NIL"));
        (login || bare || who).then(|| asks(Good)).flatten()
    }
}

/// NNTP: RFC 3977 sections 5.1 (greeting) and 5 to 7 (commands), RFC 4643 (AUTHINFO).
pub(super) fn nntp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if let Some((code, text)) = reply(bytes) {
        const NAMES: [&[u8]; 5] = [b"NNTP", b"InterNetNews", b"news server", b"posting ok", b"NNRP"];
        let named = || NAMES.iter().any(|n| contains_nocase(text, n));
        return match code {
            200 | 201 if named() => answers(Good),
            101 if contains(bytes, b"VERSION") => answers(Good),
            200 | 201 | 211 | 381 | 480 => shared(Role::Answers),
            _ => None,
        };
    }
    let (line, ended) = line(bytes);
    let is = |words: &[&[u8]]| words.iter().any(|w| starts_nocase(line, w));
    if is(&[b"MODE READER", b"AUTHINFO USER ", b"XOVER ", b"IHAVE <", b"ARTICLE <", b"MODE STREAM"]) {
        asks(Strong)
    } else {
        let lists = is(&[b"CAPABILITIES", b"LIST ACTIVE", b"LIST NEWSGROUPS"]) && ended;
        (lists || is(&[b"GROUP "]) && line.contains(&b'.')).then(|| asks(Good)).flatten()
    }
}

/// IRC: RFC 1459 section 2.3.1, RFC 2812 section 3.1; `CAP` as in IRCv3.
pub(super) fn irc(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (first, ended) = line(bytes);
    if let Some(prefixed) = first.strip_prefix(b":") {
        let (prefix, rest) = word(prefixed);
        let (command, arguments) = word(rest);
        let numeric = command.len() == 3 && decimal(command).is_some();
        let known = [&b"NOTICE"[..], b"PRIVMSG", b"MODE", b"JOIN", b"CAP"].contains(&command);
        let said = !prefix.is_empty() && !arguments.is_empty();
        return (said && (numeric || known)).then(|| answers(Strong)).flatten();
    }
    let (command, rest) = word(first);
    match command {
        b"NOTICE" if rest.starts_with(b"AUTH :") || rest.starts_with(b"* :") => answers(Strong),
        b"ERROR" if rest.starts_with(b":") => answers(Good),
        b"PING" | b"PONG" if rest.starts_with(b":") => either(Good),
        b"CAP" if rest.starts_with(b"LS") || rest.starts_with(b"REQ") || rest.starts_with(b"END") => {
            asks(Strong)
        }
        b"USER" if rest.split(|b| *b == b' ').count() >= 4 => asks(Strong),
        b"NICK" if !rest.is_empty() && ended => asks(if contains(bytes, b"\nUSER ") { Strong } else { Good }),
        b"JOIN" if rest.starts_with(b"#") => asks(Good),
        b"PRIVMSG" if contains(rest, b" :") => asks(Strong),
        b"PASS" if ended && (contains(bytes, b"\nNICK ") || contains(bytes, b"\nUSER ")) => asks(Strong),
        b"PASS" if ended => asks(Weak),
        _ => None,
    }
}

/// XMPP: RFC 6120 section 4.2 (stream opening); the XML declaration may travel alone.
pub(super) fn xmpp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if contains(bytes, b"<stream:stream")
        || contains(bytes, b"jabber:client")
        || contains(bytes, b"jabber:server")
    {
        return if contains(bytes, b"<stream:features")
            || contains(bytes, b" id=") && contains(bytes, b" from=")
        {
            answers(Strong)
        } else {
            either(Strong)
        };
    }
    (bytes.starts_with(b"<?xml version=") && bytes.len() < 64).then(|| either(Weak)).flatten()
}

/// A command word, compared without case and without allocation.
trait Verb {
    fn to_upper_4(&self) -> Option<&'static [u8; 4]>;
}

impl Verb for [u8] {
    /// The known four-letter command that this word spells in any case.
    fn to_upper_4(&self) -> Option<&'static [u8; 4]> {
        const VERBS: [&[u8; 4]; 23] = [
            b"EHLO", b"LHLO", b"HELO", b"MAIL", b"RCPT", b"AUTH", b"QUIT", b"NOOP", b"HELP", b"USER",
            b"PASS", b"EPRT", b"FEAT", b"SYST", b"PASV", b"EPSV", b"CAPA", b"STLS", b"UIDL", b"APOP",
            b"STAT", b"LIST", b"RSET",
        ];
        VERBS.into_iter().find(|verb| self.eq_ignore_ascii_case(*verb))
    }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(App::Smtp, b"EHLO client.example\r\n", b"220 mail.example ESMTP ready\r\n"),
    stream(App::Smtp, b"EHLO client.example\r\n", b"220 mail.example\r\n250-mail.example\r\n"),
    stream(App::Smtp, b"", b"220-mx.example ESMTP Exim 4.69\r\n"),
    stream(App::Smtp, b"QUIT\r\n", b"220 smtp.example ESMTP Postfix\r\n"),
    stream(App::Ftp, b"USER anonymous\r\n", b"220 (vsFTPd 3.0.2)\r\n"),
    stream(App::Ftp, b"USER anonymous\r\n", b"220 Welcome.\r\n"),
    stream(App::Ftp, b"AUTH TLS\r\n", b"220 Ready\r\n"),
    stream(App::Ftp, b"", b"220 example FTP server ready\r\n"),
    stream(App::Pop3, b"USER joe\r\n", b"+OK POP3 ready <1@x>\r\n"),
    stream(App::Pop3, b"CAPA\r\n", b"+OK\r\nUSER\r\n.\r\n"),
    stream(App::Imap, b"a001 CAPABILITY\r\n", b"* OK IMAP4rev1 ready\r\n"),
    stream(App::Imap, b"1 LOGIN joe secret\r\n", b"* OK ready\r\n"),
    stream(App::Nntp, b"MODE READER\r\n", b"200 news.example InterNetNews NNRP server ready\r\n"),
    stream(App::Irc, b"NICK joe\r\nUSER joe 0 * :Joe\r\n", b":irc.example 001 joe :Welcome\r\n"),
    stream(App::Irc, b"CAP LS 302\r\n", b":irc.example NOTICE * :*** Looking up your hostname\r\n"),
    stream(
        App::Xmpp,
        b"<?xml version='1.0'?><stream:stream to='example.org' xmlns='jabber:client'>",
        b"<?xml version='1.0'?><stream:stream from='example.org' id='1' xmlns='jabber:client'>",
    ),
];
