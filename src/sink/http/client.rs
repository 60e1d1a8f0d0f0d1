//! One receiver's HTTP connection, kept alive, and who we are to it. It is blocking and waits on the sink's
//! own thread. A proxy is taken from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, as other
//! programs do.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::Agent;

use crate::sink::secret::Secret;
use crate::sink::tls::Tls;
use crate::sink::url::{Api, Post, Remote, Speech};

const CONNECT_TIME: Duration = Duration::from_secs(5);
/// An answer to a thousand items has some hundred bytes about each of them.
const ANSWER_BYTES_MAX: u64 = 32 << 20;
/// What is shown of an answer.
const SHOWN_CHARS: usize = 200;

/// See the file's first words.
pub(super) struct Client {
    remote: Remote,
    post: Post,
    agent: Agent,
    secret: Option<Secret>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long `Retry-After` asks to wait. What it says may be absurd: the courier has limits.
    pub(super) retry_after: Option<Duration>,
    /// Where it redirects to.
    location: Option<String>,
    pub(super) body: Vec<u8>,
    /// What must not be shown of it.
    secret: Option<Secret>,
}

impl Client {
    /// # Errors
    /// Secrets or certificates cannot be read; in words for the user.
    pub(super) fn new(remote: Remote) -> Result<Self, String> {
        let Speech::Http(post) = &remote.speech else { return Err("it is no HTTP address".to_owned()) };
        let post = (**post).clone();
        let reference = post.token.as_ref().or(post.user.as_ref().map(|(_, password)| password));
        let secret =
            reference.map(|text| Secret::read(text)).transpose().map_err(|error| error.to_string())?;
        let agent = agent(&remote, &post)?;
        Ok(Self { remote, post, agent, secret })
    }

    /// Reads secrets and certificates anew; what cannot be read stays as it was.
    pub(super) fn reopen(&mut self) {
        if let Some(secret) = &mut self.secret {
            let _stays = secret.reread();
        }
        if let Ok(agent) = agent(&self.remote, &self.post) {
            self.agent = agent;
        }
    }

    /// Posts to the receiver's path.
    ///
    /// # Errors
    /// There is no whole answer, in words for the user.
    pub(super) fn post(
        &self,
        body: &[u8],
        content: &str,
        headers: &[(&str, &str)],
        until: Instant,
    ) -> Result<Answer, String> {
        self.post_to(&self.post.path, body, content, headers, until)
    }

    /// Posts to another path of the receiver.
    ///
    /// # Errors
    /// There is no whole answer, in words for the user.
    pub(super) fn post_to(
        &self,
        path: &str,
        body: &[u8],
        content: &str,
        headers: &[(&str, &str)],
        until: Instant,
    ) -> Result<Answer, String> {
        let scheme = if self.post.is_tls { "https" } else { "http" };
        let url = format!("{scheme}://{}{path}", self.remote.endpoint());
        let mut request = self.agent.post(url).header("Content-Type", content);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(credentials) = self.credentials() {
            request = request.header("Authorization", credentials);
        }
        let squeezed;
        let body = if self.post.gzip {
            request = request.header("Content-Encoding", "gzip");
            squeezed = gzip(body).map_err(|error| error.to_string())?;
            &squeezed
        } else {
            body
        };
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let request = request.config().timeout_global(Some(left)).build();
        let mut response = request.send(body).map_err(|error| error.to_string())?;
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.trim().to_owned());
        let (after, date, location) = (header("retry-after"), header("date"), header("location"));
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: after.and_then(|after| patience(&after, date.as_deref())),
            location,
            body: body.map_err(|error| format!("its answer broke off: {error}"))?,
            secret: self.secret.clone(),
        })
    }

    pub(super) fn path(&self) -> &str {
        &self.post.path
    }

    fn credentials(&self) -> Option<String> {
        let secret = self.secret.as_ref()?.reveal();
        Some(match (&self.post.user, &self.post.api) {
            (Some((user, _)), _) => format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))),
            (None, Api::Splunk { .. }) => format!("Splunk {secret}"),
            (None, Api::Bulk(_)) => format!("ApiKey {secret}"),
            (None, Api::Lines) => format!("Bearer {secret}"),
        })
    }
}

impl Answer {
    /// The answer in words, without what is secret or could upset a terminal.
    pub(super) fn say(&self) -> String {
        let mut said = String::from_utf8_lossy(&self.body).into_owned();
        if let Some(secret) = &self.secret {
            said = said.replace(secret.reveal(), "(secret)");
        }
        let said: String =
            said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
        let hint = match (self.status, &self.location) {
            (401 | 403 | 407, _) => " (check the token, or user and password)".to_owned(),
            (300..=399, Some(to)) => {
                format!(" (it redirects to {}: name that address)", to.escape_default())
            }
            _ => String::new(),
        };
        format!("HTTP {}{hint} {}", self.status, said.trim()).trim_end().to_owned()
    }
}

/// What a `Retry-After` means (RFC 9110 section 10.2.3): seconds, or a date, which counts from the receiver's
/// own where it says what time it is: its clock need not be ours. `None` for a date that is over, and for
/// what is neither: then nobody has asked for anything.
fn patience(after: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(after).ok()?;
    let now = date.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or_else(SystemTime::now);
    until.duration_since(now).ok().filter(|left| !left.is_zero())
}

fn agent(remote: &Remote, post: &Post) -> Result<Agent, String> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_TIME))
        .user_agent(concat!("ghostport/", env!("CARGO_PKG_VERSION")));
    if post.is_tls {
        config = config.tls_config(Tls::read(&remote.papers)?.ureq());
    }
    Ok(config.build().into())
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_asked_for_in_seconds_or_until_a_date() {
        let (noon, later) = ("Sun, 06 Nov 1994 12:00:00 GMT", "Sun, 06 Nov 1994 12:01:30 GMT");
        let asked = |after, date| patience(after, date).map(|time| time.as_secs());
        assert_eq!(asked("120", None), Some(120));
        assert_eq!(asked(later, Some(noon)), Some(90));
        assert_eq!(asked("Sunday, 06-Nov-94 12:01:30 GMT", Some(noon)), Some(90));
        assert_eq!(
            (asked(noon, Some(later)), asked(noon, Some(noon)), asked(later, None)),
            (None, None, None)
        );
        assert_eq!((asked("soon", None), asked("-1", None), asked("", Some(noon))), (None, None, None));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(asked(&soon, Some("no date")).is_some_and(|left| (95..=100).contains(&left)));
    }
}
