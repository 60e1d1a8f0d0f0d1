//! What the tests of several receivers share: a certificate authority of their own, an rsyslogd on loopback,
//! a courier in a hurry.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::courier::{Brought, Courier};
use super::deliver::{Deliver, Refused};

/// Says past libtest that a test does not run here.
pub(super) fn skip_aloud(test: &str, why: &str) {
    std::io::stderr().write_all(format!("\nSKIPPED {test}: {why}\n").as_bytes()).unwrap();
}

/// A TCP port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Brings everything, trying again after trouble, and counts what was refused.
pub(super) fn bring_all(receiver: impl Deliver + 'static, lines: &[String], within: Duration) -> Brought {
    let mut courier = Courier::new(Box::new(receiver));
    bring_more(&mut courier, lines, within)
}

/// As [`bring_all`], with a courier that goes on living.
pub(super) fn bring_more(courier: &mut Courier, lines: &[String], within: Duration) -> Brought {
    let mut block = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
    let (until, mut sum) = (Instant::now() + within, Brought::default());
    loop {
        let brought = courier.bring(&mut block);
        sum.settled += brought.settled;
        if let Some(Refused { count, why }) = brought.refused {
            let before = sum.refused.map_or(0, |before| before.count);
            sum.refused = Some(Refused { count: before + count, why });
        }
        sum.trouble = brought.trouble.or(sum.trouble);
        if block.is_empty() {
            return sum;
        }
        assert!(Instant::now() < until, "not brought in time: {sum:?}");
        std::thread::sleep(courier.pause());
    }
}

/// Waits until it is so.
pub(super) fn until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < limit, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// RFC 5424 messages with numbers.
pub(super) fn messages(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|number| {
            format!(
                "<132>1 2026-11-21T12:00:00.000001Z sensor ghostport 77 ALERT \
                 [ghostport@32473 id=\"{number}\" says=\"a \\\"quoted\\\" \\] thing\"] finding {number}"
            )
        })
        .collect()
}

/// A certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(super) ca: PathBuf,
    dir: PathBuf,
}

impl Authority {
    /// Makes one that keeps its files in `dir`.
    pub(super) fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let ca = dir.join(format!("{name}.pem"));
        fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), ca, dir: dir.to_owned() }
    }

    /// Files with a certificate for this name or address, and its key.
    pub(super) fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let (cert, key_file) = (self.dir.join(format!("{name}.crt")), self.dir.join(format!("{name}.key")));
        fs::write(&cert, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert, key_file)
    }
}

/// An rsyslogd of our own, which writes what it understood of each message into a file.
pub(super) struct Rsyslog {
    child: Child,
    config: PathBuf,
    out: PathBuf,
    port: u16,
}

impl Rsyslog {
    /// Starts one that listens as `input` says (`PORT` stands for a port); `None` where there is none.
    pub(super) fn start(dir: &Path, globals: &str, input: &str) -> Option<Self> {
        let (port, out, config) = (free_port(), dir.join("out"), dir.join("rsyslog.conf"));
        let text = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"64k\" {globals})\n{input}\n\
             template(name=\"seen\" type=\"string\" \
             string=\"%app-name%|%procid%|%msgid%|%structured-data%|%msg%\\n\")\n\
             action(type=\"omfile\" file=\"{out}\" template=\"seen\")\n",
            dir = dir.display(),
            input = input.replace("PORT", &port.to_string()),
            out = out.display(),
        );
        fs::write(&config, text).unwrap();
        let child = Self::spawn(&config)?;
        let rsyslog = Self { child, config, out, port };
        rsyslog.wait_ready();
        Some(rsyslog)
    }

    fn spawn(config: &Path) -> Option<Child> {
        let binary =
            ["/usr/sbin/rsyslogd", "/sbin/rsyslogd"].into_iter().find(|path| Path::new(path).exists())?;
        let log = fs::File::create(config.with_extension("log")).unwrap();
        let mut command = Command::new(binary);
        command.args(["-n", "-f"]).arg(config).arg("-i").arg(config.with_extension("pid"));
        Some(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    fn wait_ready(&self) {
        let log = self.config.with_extension("log");
        let limit = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            assert!(Instant::now() < limit, "rsyslogd does not listen: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a restart does.
    pub(super) fn stop(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.child.wait().unwrap();
    }

    /// Starts it again.
    pub(super) fn again(&mut self) {
        self.child = Self::spawn(&self.config).unwrap();
        self.wait_ready();
    }

    /// What it understood, a line for each message.
    pub(super) fn seen(&self) -> Vec<String> {
        fs::read_to_string(&self.out).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// What a TLS server of our own presents.
pub(super) fn server(cert: &Path, key: &Path) -> std::sync::Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_file_iter(cert).unwrap().map(Result::unwrap).collect();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap());
    std::sync::Arc::new(config.unwrap())
}
