//! `nats://host/SUBJECT`, `kafka+tls://host,host2:9093/TOPIC?user=...`: which message broker, and who we
//! are to it.
//!
//! An address is read the same in every build, so that what is misspelt is said as such; whether this build
//! can speak to such a broker (cargo features `nats` and `kafka`) is asked last. As in all addresses
//! nothing here is secret: passwords, tokens and keys are references.

use std::fmt;

use super::deliver::Deliver;
use super::url::{Options, Remote, endpoint};

/// What is special about a message broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broker {
    pub(super) product: Product,
    pub(super) is_tls: bool,
    /// Other members of the cluster, to begin with when the first is away: host and port.
    others: Vec<(String, u16)>,
    /// NATS subject or Kafka topic.
    pub(super) topic: String,
    pub(super) login: Login,
}

/// Whose broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    /// NATS with `JetStream`.
    Nats,
    /// Kafka, and what speaks its protocol.
    Kafka {
        /// How a password is shown, in Kafka's words.
        mechanism: &'static str,
        /// In Kafka's words.
        compression: &'static str,
    },
}

/// Who we are. Everything but the user's name is a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Nobody,
    Password {
        user: String,
        password: String,
    },
    Token(String),
    /// A seed of NATS ("SU...").
    Nkey(String),
    /// The text of a NATS credentials file.
    Creds(String),
}

/// Ways to show a password to Kafka, in our words and in its. The first unless told; `plain` hands it over.
const MECHANISMS: [(&str, &str); 3] =
    [("scram-sha-512", "SCRAM-SHA-512"), ("scram-sha-256", "SCRAM-SHA-256"), ("plain", "PLAIN")];
const COMPRESSIONS: [(&str, &str); 4] =
    [("no", "none"), ("lz4", "lz4"), ("zstd", "zstd"), ("snappy", "snappy")];
/// Kafka's own limit (`Topic.MAX_NAME_LENGTH`).
const KAFKA_TOPIC_MAX: usize = 249;

impl Product {
    const ALL: [Self; 2] =
        [Self::Nats, Self::Kafka { mechanism: MECHANISMS[0].1, compression: COMPRESSIONS[0].1 }];

    /// What this build can speak to, and what others can.
    pub(super) fn built_in() -> (Vec<&'static str>, Vec<&'static str>) {
        let (with, without): (Vec<Self>, Vec<Self>) =
            Self::ALL.into_iter().partition(|one| one.is_built_in());
        let names = |products: Vec<Self>| products.into_iter().map(Self::scheme).collect();
        (names(with), names(without))
    }

    /// Whose addresses begin so, and whether inside TLS.
    pub(super) fn of(scheme: &str) -> Option<(Self, bool)> {
        let (name, is_tls) = scheme.strip_suffix("+tls").map_or((scheme, false), |name| (name, true));
        Self::ALL.into_iter().find(|product| product.scheme() == name).map(|product| (product, is_tls))
    }

    /// What addresses begin with; also the name of the cargo feature.
    pub(super) const fn scheme(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Kafka { .. } => "kafka",
        }
    }

    const fn usual_port(self, is_tls: bool) -> u16 {
        match self {
            Self::Nats => 4222,
            Self::Kafka { .. } if is_tls => 9093,
            Self::Kafka { .. } => 9092,
        }
    }

    /// Whether this build can speak to it.
    const fn is_built_in(self) -> bool {
        match self {
            Self::Nats => cfg!(feature = "nats"),
            Self::Kafka { .. } => cfg!(feature = "kafka"),
        }
    }

    /// What this build lacks, and how to get it.
    fn missing(self) -> String {
        let scheme = self.scheme();
        format!(
            "this ghostport was built without {scheme}; build one with it: cargo build --release --features \
             {scheme}"
        )
    }
}

impl Broker {
    /// Reads what stands behind the scheme; says host and port of the first member, too.
    pub(super) fn take(
        (product, is_tls): (Product, bool),
        authority: &str,
        path: &str,
        options: &mut Options,
    ) -> Result<(Self, String, u16), String> {
        let usual_port = product.usual_port(is_tls);
        let members = authority.split(',').map(|member| {
            let (host, port) = endpoint(member)?;
            Ok((host, port.unwrap_or(usual_port)))
        });
        let mut others = members.collect::<Result<Vec<_>, String>>()?;
        let (host, port) = others.remove(0); // split() gives one at least
        let topic = path.trim_start_matches('/').to_owned();
        let (product, login) = match product {
            Product::Nats => {
                subject(&topic)?;
                (product, nats_login(options)?)
            }
            Product::Kafka { .. } => {
                kafka_topic(&topic)?;
                let login = password(options)?;
                if login == Login::Nobody && options.has("sasl") {
                    return Err("sasl= is how a password is shown: add user= and password=".to_owned());
                }
                let mechanism = options.one_of("sasl", &MECHANISMS)?;
                let compression = options.one_of("compression", &COMPRESSIONS)?;
                (Product::Kafka { mechanism, compression }, login)
            }
        };
        Ok((Self { product, is_tls, others, topic, login }, host, port))
    }

    /// An error where this build cannot speak to it.
    pub(super) fn is_built_in(&self) -> Result<(), String> {
        if self.product.is_built_in() { Ok(()) } else { Err(self.product.missing()) }
    }

    /// `host:port` of every member.
    pub(super) fn members(&self, remote: &Remote) -> Vec<String> {
        let mut members = vec![remote.endpoint()];
        members.extend(self.others.iter().map(|(host, port)| Remote::joined(host, *port)));
        members
    }

    /// Who delivers there. Reads certificates and secrets; does not touch the network.
    ///
    /// # Errors
    /// They cannot be read; in words for the user.
    #[cfg_attr(
        not(any(feature = "nats", feature = "kafka")),
        expect(unused_variables, reason = "what is not built in needs to know nothing")
    )]
    pub(super) fn receiver(&self, remote: &Remote) -> Result<Box<dyn Deliver>, String> {
        match self.product {
            #[cfg(feature = "nats")]
            Product::Nats => Ok(Box::new(super::nats::Nats::new(remote, self)?)),
            #[cfg(feature = "kafka")]
            Product::Kafka { .. } => Ok(Box::new(super::kafka::Kafka::new(remote, self)?)),
            #[cfg(not(all(feature = "nats", feature = "kafka")))]
            other => Err(other.missing()),
        }
    }

    /// The address without its options.
    pub(super) fn show(&self, remote: &Remote, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.is_tls { "+tls" } else { "" };
        write!(f, "{}{tls}://{}/{}", self.product.scheme(), self.members(remote).join(","), self.topic)
    }
}

fn nats_login(options: &mut Options) -> Result<Login, String> {
    let mut logins = vec![password(options)?];
    logins.extend(options.reference("token")?.map(Login::Token));
    logins.extend(options.reference("nkey")?.map(Login::Nkey));
    logins.extend(options.reference("creds")?.map(Login::Creds));
    logins.retain(|login| *login != Login::Nobody);
    if logins.len() > 1 {
        return Err("give one of user= with password=, token=, nkey=, creds=".to_owned());
    }
    Ok(logins.pop().unwrap_or(Login::Nobody))
}

fn password(options: &mut Options) -> Result<Login, String> {
    match (options.take("user"), options.reference("password")?) {
        (Some(user), Some(password)) => Ok(Login::Password { user, password }),
        (None, None) => Ok(Login::Nobody),
        _ => Err("give user= and password= together".to_owned()),
    }
}

/// A subject to publish to: words between dots, and no wildcards.
fn subject(text: &str) -> Result<(), String> {
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic() && !"*>/".contains(c));
    if text.split('.').all(is_word) {
        return Ok(());
    }
    Err(format!("{text:?} is no subject to publish to; write nats://host/SUBJECT, such as /ghostport.eve"))
}

fn kafka_topic(text: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !matches!(text, "" | "." | "..") && text.len() <= KAFKA_TOPIC_MAX && text.chars().all(fits) {
        return Ok(());
    }
    Err(format!("{text:?} is no topic; write kafka://host/TOPIC: letters, digits, '.', '_', '-'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(scheme: &str, authority: &str, path: &str, query: &str) -> Result<(Broker, String, u16), String> {
        let mut options = Options::read(query)?;
        let taken = Broker::take(Product::of(scheme).unwrap(), authority, path, &mut options)?;
        options.all_known(scheme)?;
        Ok(taken)
    }

    #[test]
    fn reads_what_is_meant() {
        let (nats, host, port) = take("nats", "h,[::1]:1", "/a.b", "creds=file:/c").unwrap();
        assert_eq!((host.as_str(), port, nats.topic.as_str()), ("h", 4222, "a.b"));
        assert_eq!((nats.others, nats.login), (vec![("::1".into(), 1)], Login::Creds("file:/c".into())));
        let query = "user=u&password=env:P&sasl=plain&compression=zstd";
        let (kafka, _, port) = take("kafka+tls", "h", "/t_1", query).unwrap();
        let product = Product::Kafka { mechanism: "PLAIN", compression: "zstd" };
        assert_eq!((kafka.product, kafka.is_tls, port), (product, true, 9093));
        let (kafka, _, _) = take("kafka", "h:9", "/t", "").unwrap();
        assert_eq!(kafka.product, Product::of("kafka").unwrap().0);
    }

    #[test]
    fn says_what_is_wrong() {
        for (scheme, authority, path, query, expected) in [
            ("nats", "h", "", "", "no subject"),
            ("nats", "h", "/a.>", "", "no subject"),
            ("nats", "h", "/a..b", "", "no subject"),
            ("nats", "h", "/a", "token=env:T&nkey=env:N", "give one of"),
            ("nats", "h", "/a", "user=u", "together"),
            ("nats", "h", "/a", "creds=/etc/secret", "creds=env:VARIABLE"),
            ("nats", "h", "/a", "sasl=plain", "there is: token, user, password, nkey, creds"),
            ("kafka", "h,", "/t", "", "names no host"),
            ("kafka", "h", "/a/b", "", "no topic"),
            ("kafka", "h", "/", "", "no topic"),
            ("kafka", "h", "/t", "sasl=plain", "add user="),
            ("kafka", "h", "/t", "compression=gzip", "compression is no, lz4, zstd or snappy"),
            ("kafka", "h", "/t", "user=u&password=env:P&sasl=gssapi", "sasl is scram-sha-512, "),
            ("kafka", "h", "/t", "ca=x", "no option \"ca\" for kafka://"),
        ] {
            let said = take(scheme, authority, path, query).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
