//! `udp://host`, `tls://host:6514?ca=FILE`, `es+https://host:9200`: which receiver, spoken to how.
//!
//! Options stand behind `?`, as in the addresses of databases, and are ours: a misspelt one is an error here
//! instead of a riddle at the receiver. What the receiver is to see in its own query is written
//! `q.NAME=VALUE`. Invariant: nothing here is secret. Passwords and tokens are references (`env:NAME`,
//! `file:PATH`); an address that holds one is refused without being repeated.

use std::fmt;
use std::path::PathBuf;

use super::broker::{Broker, Product};
use super::deliver::Deliver;
use super::http::Http;
use super::syslog::{Datagrams, Streamed};

/// Longest datagram unless told otherwise: RFC 5426 section 3.2 asks receivers to take 2,048 bytes and says
/// that 480 always pass; many cut at 1,024.
pub(super) const DATAGRAM_BYTES: usize = 1024;
/// What fits into a UDP datagram over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// A receiver on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// How it is spoken to.
    pub(super) speech: Speech,
    /// Name or address, an IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Certificates for `tls` and `https`.
    pub(super) papers: Papers,
}

/// How a receiver is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// One record per datagram (RFC 5426), never longer than this.
    Udp { max: usize },
    /// A stream of records (RFC 6587; RFC 5425 with TLS).
    Stream { framing: Framing, is_tls: bool },
    /// Requests.
    Http(Box<Post>),
    /// Messages.
    Broker(Box<Broker>),
}

/// Where a record ends in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Its length goes before it (RFC 6587 section 3.4.1, RFC 5425 section 4.3).
    Octet,
    /// A newline goes after it (RFC 6587 section 3.4.2).
    Lf,
}

/// What is special about a receiver of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) api: Api,
    pub(super) is_tls: bool,
    /// Path and query as they are sent, beginning with '/'.
    pub(super) path: String,
    /// Reference of a token.
    pub(super) token: Option<String>,
    /// A user's name, and the reference of the password.
    pub(super) user: Option<(String, String)>,
    pub(super) gzip: bool,
    /// Records in a request at most.
    pub(super) batch: usize,
}

/// What the receiver understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// Newline-delimited JSON.
    Lines,
    /// Splunk's HTTP event collector; true when it is to be asked whether the events were indexed.
    Splunk { ack: bool },
    /// `_bulk` of Elasticsearch and OpenSearch.
    Bulk(Index),
}

/// Where documents go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// Data streams `logs-ghostport.EVENT-NAMESPACE`.
    Streams {
        /// The last part of the name.
        namespace: String,
    },
    /// One index or data stream.
    Named(String),
}

/// Files with certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Papers {
    /// Who is trusted instead of whom the system trusts.
    pub(super) ca: Option<PathBuf>,
    /// Who we are: certificate chain and key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl Remote {
    /// What such an address begins with; `es+` is for Elasticsearch and OpenSearch.
    pub const SCHEMES: [&'static str; 11] = [
        "udp",
        "tcp",
        "tls",
        "http",
        "https",
        "es+http",
        "es+https",
        "nats",
        "nats+tls",
        "kafka",
        "kafka+tls",
    ];

    /// Names of the cargo features whose receivers this build has, and of those that it has not.
    #[must_use]
    pub fn built_in() -> (Vec<&'static str>, Vec<&'static str>) {
        Product::built_in()
    }

    /// Reads an address. The name of the format decides what `https` means (`hec`: Splunk's collector) and
    /// how records are framed in a stream unless told (`syslog`: octet counting; others, where receivers
    /// expect lines: newlines).
    ///
    /// # Errors
    /// What cannot be meant, in words for the user; never repeats a password.
    pub fn parse(format: &str, url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err("there is no \"://\" in it".to_owned());
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err("a user or a password in the address is seen by everybody on this machine; write \
                        ?user=NAME&password=env:VARIABLE or ?token=file:PATH behind it"
                .to_owned());
        }
        let mut options = Options::read(query)?;
        let (speech, host, port) = if let Some(product) = Product::of(scheme) {
            let (broker, host, port) = Broker::take(product, authority, path, &mut options)?;
            (Speech::Broker(Box::new(broker)), host, port)
        } else {
            let (host, port) = endpoint(authority)?;
            let (speech, usual_port) = speech(format, scheme, path, &mut options)?;
            (speech, host, port.unwrap_or(usual_port))
        };
        let has_tls = match &speech {
            Speech::Udp { .. } => false,
            Speech::Stream { is_tls, .. } => *is_tls,
            Speech::Http(post) => post.is_tls,
            Speech::Broker(broker) => broker.is_tls,
        };
        let papers = if has_tls { Papers::take(&mut options)? } else { Papers::default() };
        options.all_known(scheme)?;
        if let Speech::Broker(broker) = &speech {
            broker.is_built_in()?;
        }
        Ok(Self { speech, host, port, papers })
    }

    /// Who delivers there. Reads certificates and secrets; does not touch the network.
    ///
    /// # Errors
    /// They cannot be read; in words for the user.
    pub(super) fn receiver(&self) -> Result<Box<dyn Deliver>, String> {
        Ok(match &self.speech {
            Speech::Udp { max } => Box::new(Datagrams::new(self.clone(), *max)),
            Speech::Stream { .. } => Box::new(Streamed::new(self.clone())?),
            Speech::Http(_) => Box::new(Http::new(self.clone())?),
            Speech::Broker(broker) => broker.receiver(self)?,
        })
    }

    /// What tells it from other receivers at the same address, and may be shown: `index=NAME&token=env:NAME`.
    /// Not how lines travel there (certificates, compression, batches): that may change with lines waiting.
    pub(super) fn distinction(&self) -> String {
        let Speech::Http(post) = &self.speech else { return String::new() };
        let index = match &post.api {
            Api::Bulk(Index::Named(name)) => Some(format!("index={name}")),
            Api::Bulk(Index::Streams { namespace }) => Some(format!("namespace={namespace}")),
            Api::Lines | Api::Splunk { .. } => None,
        };
        let token = post.token.as_ref().map(|token| format!("token={token}"));
        let user = post.user.as_ref().map(|(user, _)| format!("user={user}"));
        [index, token, user].into_iter().flatten().collect::<Vec<_>>().join("&")
    }

    /// What the receiver is to see in its query. That is not for showing: nobody knows what it means.
    pub(super) fn query(&self) -> &str {
        let Speech::Http(post) = &self.speech else { return "" };
        post.path.split_once('?').map_or("", |(_, query)| query)
    }

    /// `host:port` as it is dialled and shown.
    pub(super) fn endpoint(&self) -> String {
        Self::joined(&self.host, self.port)
    }

    /// Host and port as they are dialled and shown.
    pub(super) fn joined(host: &str, port: u16) -> String {
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Remote {
    /// The address without its options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match &self.speech {
            Speech::Udp { .. } => "udp",
            Speech::Stream { is_tls: false, .. } => "tcp",
            Speech::Stream { is_tls: true, .. } => "tls",
            Speech::Http(post) => match (&post.api, post.is_tls) {
                (Api::Bulk(_), true) => "es+https",
                (Api::Bulk(_), false) => "es+http",
                (_, true) => "https",
                (_, false) => "http",
            },
            Speech::Broker(broker) => return broker.show(self, f),
        };
        let path = match &self.speech {
            Speech::Http(post) => post.path.split('?').next().unwrap_or_default(),
            _ => "",
        };
        write!(f, "{scheme}://{}{path}", self.endpoint())
    }
}

/// An address as it may be shown in a message: without who stands before '@' and without what stands behind
/// '?', where a secret may have been written although it must not.
pub(super) fn shown(spec: &str) -> String {
    let Some((before, rest)) = spec.split_once("://") else { return spec.to_owned() };
    let (address, options) = rest.split_once('?').map_or((rest, ""), |(address, _)| (address, "?..."));
    let address = match address.rsplit_once('@') {
        Some((_, host)) => format!("...@{host}"),
        None => address.to_owned(),
    };
    format!("{before}://{address}{options}")
}

/// True at the end of an unfinished `kafka://a:9092`, where a comma goes before another member of the cluster.
pub(super) fn is_among_members(begun: &str) -> bool {
    let Some((before, authority)) = begun.split_once("://") else { return false };
    let scheme = before.rsplit(':').next().unwrap_or(before);
    Product::of(scheme).is_some() && !authority.contains('/')
}

fn speech(format: &str, scheme: &str, path: &str, options: &mut Options) -> Result<(Speech, u16), String> {
    let http = |api: &str, is_tls: bool, options: &mut Options| {
        Post::take(api, is_tls, path, options).map(|post| Speech::Http(Box::new(post)))
    };
    let lines = if format == "hec" { "hec" } else { "lines" };
    Ok(match scheme {
        "http" => (http(lines, false, options)?, if lines == "hec" { 8088 } else { 80 }),
        "https" => (http(lines, true, options)?, if lines == "hec" { 8088 } else { 443 }),
        "es+http" => (http("bulk", false, options)?, 9200),
        "es+https" => (http("bulk", true, options)?, 9200),
        _ if !matches!(path, "" | "/") => {
            return Err(format!("there is no path behind a {scheme}:// address, but here is {path:?}"));
        }
        "udp" => (Speech::Udp { max: options.number("max", DATAGRAM_BYTES, 480, DATAGRAM_BYTES_MAX)? }, 514),
        "tcp" | "tls" => {
            let usual = if format == "syslog" { Framing::Octet } else { Framing::Lf };
            let framing = match options.take("framing").as_deref() {
                None => usual,
                Some("octet") => Framing::Octet,
                Some("lf") => Framing::Lf,
                Some(other) => return Err(format!("framing is octet or lf, not {other:?}")),
            };
            let is_tls = scheme == "tls";
            (Speech::Stream { framing, is_tls }, if is_tls { 6514 } else { 514 })
        }
        _ => return Err(format!("there is no {scheme:?}; there is: {}", Remote::SCHEMES.join(", "))),
    })
}

impl Post {
    fn take(api: &str, is_tls: bool, path: &str, options: &mut Options) -> Result<Self, String> {
        let (api, usual_path) = match api {
            "hec" => (Api::Splunk { ack: options.yes("ack")? }, "/services/collector/event"),
            "bulk" => (Api::Bulk(Index::take(options)?), "/_bulk"),
            _ if path.ends_with("/_bulk") => {
                let s = if is_tls { "s" } else { "" };
                return Err(format!(
                    "a _bulk address begins with es+http{s}://, so that answers are understood"
                ));
            }
            _ => (Api::Lines, "/"),
        };
        let path = if matches!(path, "" | "/") { usual_path } else { path };
        let mut path = path.to_owned();
        for (number, (name, value)) in options.take_foreign().into_iter().enumerate() {
            path.push(if number == 0 { '?' } else { '&' });
            path += &format!("{name}={value}");
        }
        if path.contains(|c: char| !c.is_ascii_graphic() || c == '#') {
            return Err("path and query must be printable ASCII; write other bytes as %XX".to_owned());
        }
        let token = options.reference("token")?;
        let password = options.reference("password")?;
        let user = match (options.take("user"), password) {
            (Some(user), Some(password)) if token.is_none() => Some((user, password)),
            (None, None) => None,
            _ => return Err("give either token=, or user= and password= together".to_owned()),
        };
        if matches!(api, Api::Splunk { .. }) && token.is_none() {
            return Err(
                "Splunk's collector wants a token: add ?token=env:VARIABLE or ?token=file:PATH".to_owned()
            );
        }
        let batch = options.number("batch", 1000, 1, 100_000)?;
        Ok(Self { api, is_tls, path, token, user, gzip: options.yes("gzip")?, batch })
    }
}

impl Index {
    fn take(options: &mut Options) -> Result<Self, String> {
        let index = match (options.take("index"), options.take("namespace")) {
            (Some(_), Some(_)) => return Err("give either index= or namespace=".to_owned()),
            (Some(name), None) => Self::Named(name),
            (None, namespace) => {
                Self::Streams { namespace: namespace.unwrap_or_else(|| "default".to_owned()) }
            }
        };
        let (Self::Named(name) | Self::Streams { namespace: name }) = &index;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!("{name:?} cannot name an index: lower-case letters, digits, '.', '_', '-'"));
        }
        Ok(index)
    }
}

impl Papers {
    fn take(options: &mut Options) -> Result<Self, String> {
        let mut file = |name| options.take(name).map(PathBuf::from);
        let client = match (file("cert"), file("key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err("a client certificate needs both cert=FILE and key=FILE".to_owned()),
        };
        Ok(Self { ca: file("ca"), client })
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(super) fn endpoint(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port),
        None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
    };
    if host.is_empty() || host.contains(|c: char| !c.is_ascii_graphic() || c == '[') {
        return Err(format!("{authority:?} names no host"));
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) => digits.parse().ok().filter(|&port| port > 0),
        None => None,
    };
    if port.is_none() && authority != host && authority != format!("[{host}]") {
        return Err(format!("{authority:?} has no port from 1 to 65535 behind the host; write IPv6 in []"));
    }
    Ok((host.to_owned(), port))
}

/// What stands behind '?'; whatever is read is taken out.
pub(super) struct Options(Vec<(String, String)>);

impl Options {
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let mut options: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            // The value is not repeated: it may be a secret in the wrong place.
            let (name, value) =
                pair.split_once('=').ok_or("options behind '?' are written NAME=VALUE, with & between")?;
            if options.iter().any(|(known, _)| known == name) {
                return Err(format!("{name}= stands there twice"));
            }
            options.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(options))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// The receiver's own, without their `q.`.
    fn take_foreign(&mut self) -> Vec<(String, String)> {
        let (foreign, ours) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with("q."));
        self.0 = ours;
        foreign.into_iter().map(|(name, value)| (name["q.".len()..].to_owned(), value)).collect()
    }

    fn yes(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name).as_deref() {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => Err(format!("{name} is yes or no, not {other:?}")),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// One of some values, in the receiver's words; the first unless told.
    pub(super) fn one_of(
        &mut self,
        name: &str,
        values: &[(&str, &'static str)],
    ) -> Result<&'static str, String> {
        let value = self.take(name);
        let wanted = value.as_deref().or(values.first().map(|(ours, _)| *ours));
        values.iter().find(|(ours, _)| Some(*ours) == wanted).map(|(_, theirs)| *theirs).ok_or_else(|| {
            let mut there_is: Vec<_> = values.iter().map(|(ours, _)| *ours).collect();
            let last = there_is.pop().unwrap_or_default();
            format!("{name} is {} or {last}, not {:?}", there_is.join(", "), value.unwrap_or_default())
        })
    }

    fn number(&mut self, name: &str, usual: usize, min: usize, max: usize) -> Result<usize, String> {
        let Some(value) = self.take(name) else { return Ok(usual) };
        value
            .parse()
            .ok()
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| format!("{name} is a number from {min} to {max}, not {value:?}"))
    }

    pub(super) fn reference(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        if value.starts_with("env:") || value.starts_with("file:") {
            return Ok(Some(value));
        }
        Err(format!(
            "{name} names where the secret is, {name}=env:VARIABLE or {name}=file:PATH: what is \
                     written out here is seen by everybody on this machine"
        ))
    }

    pub(super) fn all_known(&self, scheme: &str) -> Result<(), String> {
        let Some((name, _)) = self.0.first() else { return Ok(()) };
        let there_is = match scheme {
            "udp" => "max",
            "tcp" => "framing",
            "tls" => "framing, ca, cert, key",
            "es+http" => "index, namespace, token, user, password, batch, gzip, q.NAME",
            "es+https" => "index, namespace, token, user, password, batch, gzip, ca, cert, key, q.NAME",
            "nats" => "token, user, password, nkey, creds",
            "nats+tls" => "token, user, password, nkey, creds, ca, cert, key",
            "kafka" => "user, password, sasl, compression",
            "kafka+tls" => "user, password, sasl, compression, ca, cert, key",
            "http" => "token, user, password, ack (hec), batch, gzip, q.NAME",
            _ => "token, user, password, ack (hec), batch, gzip, ca, cert, key, q.NAME",
        };
        Err(format!("there is no option {name:?} for {scheme}://; there is: {there_is}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_meant() {
        let udp = Remote::parse("syslog", "udp://siem").unwrap();
        assert_eq!((udp.endpoint().as_str(), &udp.speech), ("siem:514", &Speech::Udp { max: 1024 }));
        let tls = Remote::parse("syslog", "tls://[2001:db8::1]?ca=/etc/ca.pem&cert=a&key=b").unwrap();
        assert_eq!(tls.to_string(), "tls://[2001:db8::1]:6514");
        assert_eq!(tls.speech, Speech::Stream { framing: Framing::Octet, is_tls: true });
        assert_eq!(tls.papers.client, Some(("a".into(), "b".into())));
        for (format, url, framing) in [
            ("eve", "tcp://h:1", Framing::Lf),
            ("syslog", "tcp://h:1?framing=lf", Framing::Lf),
            ("eve", "tcp://h:1/?framing=octet", Framing::Octet),
        ] {
            let speech = Remote::parse(format, url).unwrap().speech;
            assert_eq!(speech, Speech::Stream { framing, is_tls: false }, "{url}");
        }
        let hec = Remote::parse("hec", "https://splunk?token=env:T&ack=yes").unwrap();
        assert_eq!(hec.to_string(), "https://splunk:8088/services/collector/event");
        let bulk = Remote::parse(
            "ecs",
            "es+https://es/p/_bulk?q.pipeline=geo&user=u&password=file:/p&namespace=lab",
        );
        let bulk = bulk.unwrap();
        assert_eq!(bulk.to_string(), "es+https://es:9200/p/_bulk");
        assert_eq!((bulk.distinction().as_str(), bulk.query()), ("namespace=lab&user=u", "pipeline=geo"));
        let Speech::Http(post) = bulk.speech else { panic!("HTTP") };
        assert_eq!(post.path, "/p/_bulk?pipeline=geo");
        assert_eq!(post.user, Some(("u".into(), "file:/p".into())));
        assert_eq!(post.api, Api::Bulk(Index::Streams { namespace: "lab".into() }));
    }

    #[test]
    fn says_what_is_wrong_and_repeats_no_secret() {
        for (format, url, expected) in [
            ("eve", "gopher://h", "there is no \"gopher\"; there is: udp, tcp"),
            ("eve", "h:514", "no \"://\""),
            ("eve", "tcp://", "names no host"),
            ("eve", "tcp://h:0", "no port from 1"),
            ("eve", "tcp://h:70000", "no port from 1"),
            ("eve", "tcp://2001:db8::1", "write IPv6 in []"),
            ("eve", "tcp://[::1]x", "no port from 1"),
            ("eve", "tcp://h/path", "no path"),
            ("eve", "tcp://h?framing=crlf", "octet or lf"),
            ("eve", "tcp://h?ca=x", "no option \"ca\" for tcp://; there is: framing"),
            ("eve", "tls://h?cert=x", "both cert=FILE and key=FILE"),
            ("eve", "udp://h?max=100", "from 480 to 65507"),
            ("eve", "https://h/x?gzpi=yes", "no option \"gzpi\""),
            ("eve", "https://h/x?gzip", "NAME=VALUE"),
            ("eve", "https://h/x?gzip=yes&gzip=no", "twice"),
            ("eve", "https://h:9200/_bulk", "begins with es+https://"),
            ("eve", "https://h/a b", "printable ASCII"),
            ("eve", "es+http://h?index=Logs", "lower-case"),
            ("hec", "https://h", "wants a token"),
            ("hec", "https://h?token=hunter2", "token=env:VARIABLE"),
            ("eve", "https://bob:hunter2@h/x", "?user=NAME&password=env:"),
            ("eve", "https://h?user=bob", "together"),
            ("eve", "https://h?user=bob&password=hunter2", "password=env:VARIABLE"),
            ("eve", "https://h?hunter2", "NAME=VALUE"),
        ] {
            let said = Remote::parse(format, url).unwrap_err();
            assert!(said.contains(expected), "{url}: {said}");
            assert!(!said.contains("hunter2") && !shown(url).contains("hunter2"), "{said}");
        }
        assert_eq!(shown("eve:https://bob:p@ss/w@host:1/x?a=b"), "eve:https://...@host:1/x?...");
        assert_eq!(shown("eve:/a?b"), "eve:/a?b");
    }
}
