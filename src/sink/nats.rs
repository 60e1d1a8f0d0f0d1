//! Lines as messages to a stream of NATS (`JetStream`).
//!
//! A line is settled when the stream has acknowledged it; a batch is under way at once. Each message
//! carries the line's event id as `Nats-Msg-Id`, so a stream drops the second of two by itself within its
//! duplicate window (two minutes unless told otherwise).
//!
//! The crate behind this is asynchronous. It lives on a runtime of one thread, the sink's own, which runs
//! only inside [`Deliver::deliver`]; nothing of it is seen outside this file. Its own reconnecting is not
//! used: a connection that breaks is given up with everything in it, because what is not acknowledged is
//! offered again anyway, and would else be sent twice. While nobody delivers, nobody answers the server's
//! pings, so an idle connection ends after some minutes and a new one is made when it is needed.
//!
//! | the answer | what becomes of the line |
//! | --- | --- |
//! | acknowledged, also as a duplicate | taken |
//! | too large for the stream or for the server | refused |
//! | anything else: no stream, full, no permission, none in time | offered again |

use std::time::Duration;

use async_nats::jetstream::context::{Context, ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{ConnectOptions, Event};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, timeout, timeout_at};

use super::ahead::{Ahead, Item};
use super::broker::{Broker, Login};
use super::deliver::{Deliver, Delivered};
use super::document::Document;
use super::secret::Secret;
use super::tls::Tls;
use super::url::{Papers, Remote};

/// One call returns within the sum of both; less than [`super::deliver::WAIT_MAX`].
const CONNECT_TIME: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(5);

/// A stream of NATS.
pub(super) struct Nats {
    members: Vec<String>,
    subject: String,
    papers: Papers,
    tls: Option<Tls>,
    login: Login,
    secret: Option<Secret>,
    session: Option<Session>,
    ahead: Ahead,
}

/// A connection, and the runtime that it lives on.
struct Session {
    runtime: Runtime,
    context: Context,
    /// Why it is over, as soon as it is.
    ends: UnboundedReceiver<String>,
}

impl Nats {
    /// Reads secrets and certificates; does not touch the network.
    ///
    /// # Errors
    /// They cannot be read; in words for the user.
    pub(super) fn new(remote: &Remote, broker: &Broker) -> Result<Self, String> {
        let members = broker.members(remote).iter().map(|member| format!("nats://{member}")).collect();
        let secret = match &broker.login {
            Login::Nobody => None,
            Login::Password { password: text, .. } | Login::Token(text) | Login::Nkey(text) => {
                Some(Secret::read(text))
            }
            Login::Creds(text) => Some(Secret::read_text(text)),
        };
        let nats = Self {
            members,
            subject: broker.topic.clone(),
            tls: broker.is_tls.then(|| Tls::read(&remote.papers)).transpose()?,
            papers: remote.papers.clone(),
            login: broker.login.clone(),
            secret: secret.transpose().map_err(|error| error.to_string())?,
            session: None,
            ahead: Ahead::default(),
        };
        // What is wrong with what was read is said now.
        nats.options().map(|_| nats)
    }

    fn options(&self) -> Result<ConnectOptions, String> {
        let options = ConnectOptions::new().name("ghostport").connection_timeout(CONNECT_TIME);
        let secret = self.secret.as_ref().map(|secret| secret.reveal().to_owned()).unwrap_or_default();
        let options = match &self.login {
            Login::Nobody => options,
            Login::Password { user, .. } => options.user_and_password(user.clone(), secret),
            Login::Token(_) => options.token(secret),
            Login::Nkey(_) => options.nkey(secret),
            // What it says about a text that it does not understand may hold a part of it. The last newline
            // is part of the form, and was taken for white space.
            Login::Creds(_) => {
                options.credentials(&format!("{secret}\n")).map_err(|_| "creds= is no credentials file")?
            }
        };
        Ok(match &self.tls {
            Some(tls) => options.require_tls(true).tls_client_config((*tls.rustls()?).clone()),
            None => options,
        })
    }

    fn connect(&self) -> Result<Session, String> {
        let (end, ends) = mpsc::unbounded_channel();
        let options = self.options()?.event_callback(move |event| {
            // Nobody listens to a session that was given up.
            let _ = end_of(&event).map(|why| end.send(why));
            std::future::ready(())
        });
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        let context = runtime.block_on(async {
            let client = timeout(CONNECT_TIME, options.connect(&self.members[..])).await;
            let client = client.map_err(|_| "it does not answer".to_owned())?;
            let client = client.map_err(|error| error.to_string())?;
            Ok::<_, String>(ContextBuilder::new().timeout(PATIENCE).build(client))
        });
        match context {
            Ok(context) => Ok(Session { runtime, context, ends }),
            Err(why) => {
                runtime.shutdown_background();
                Err(why)
            }
        }
    }

    /// The one of the last call, where the server has not ended it since.
    fn session(&mut self) -> Option<Session> {
        let session = self.session.take()?;
        if session.is_over() {
            session.leave();
            return None;
        }
        Some(session)
    }

    /// What became of each record, in order.
    fn offer(&self, session: &mut Session, documents: &[Document<'_>]) -> Vec<Item> {
        let Session { runtime, context, ends } = session;
        runtime.block_on(async {
            let until = Instant::now() + PATIENCE;
            let mut items =
                vec![Item::Later("it did not acknowledge them in time".to_owned()); documents.len()];
            let offering = publish(context, &self.subject, documents, &self.ahead, &mut items);
            let ended = tokio::select! {
                // What has arrived counts before that the connection is over.
                biased;
                _ = timeout_at(until, offering) => None,
                why = ends.recv() => why,
            };
            if let Some(why) = ended {
                for item in &mut items {
                    if matches!(item, Item::Later(_)) {
                        *item = Item::Later(why.clone());
                    }
                }
            }
            items
        })
    }
}

impl Deliver for Nats {
    fn deliver(&mut self, records: &[&[u8]]) -> Delivered {
        let documents: Vec<_> = records.iter().map(|record| Document::read(record)).collect();
        let mut session = match self.session().map_or_else(|| self.connect(), Ok) {
            Ok(session) => session,
            Err(why) => return Delivered::retry(0, why),
        };
        let items = self.offer(&mut session, &documents);
        if items.iter().any(|item| matches!(item, Item::Later(_))) {
            session.leave();
        } else {
            self.session = Some(session);
        }
        let results = documents.into_iter().map(|document| document.id).zip(items).collect();
        self.ahead.settle(results, |_, _, why| why.to_owned())
    }

    fn reopen(&mut self) {
        self.session.take().into_iter().for_each(Session::leave);
        if let Some(secret) = &mut self.secret {
            let _stays = secret.reread();
        }
        if self.tls.is_some() {
            self.tls = Tls::read(&self.papers).ok().or_else(|| self.tls.take());
        }
    }
}

impl Session {
    /// True when the server ended it while nothing was under way.
    fn is_over(&self) -> bool {
        // Lets the connection notice what has happened since the last call.
        self.runtime.block_on(async {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        });
        !self.ends.is_empty()
    }

    /// Does not wait for what is under way: looking up a name may take longer than a call may.
    fn leave(self) {
        self.runtime.shutdown_background();
    }
}

/// Sends what is not known to be through, all at once, and hears about each.
async fn publish(
    context: &Context,
    subject: &str,
    documents: &[Document<'_>],
    ahead: &Ahead,
    items: &mut [Item],
) {
    let mut acks = Vec::with_capacity(documents.len());
    for (document, item) in documents.iter().zip(items.iter_mut()) {
        if let Some(known) = ahead.became(&document.id) {
            *item = known;
            continue;
        }
        let message = PublishMessage::build().payload(document.line.to_vec().into()).message_id(&document.id);
        match context.send_publish(subject.to_owned(), message).await {
            Ok(ack) => acks.push((ack, item)),
            Err(error) => *item = judge(&error, subject),
        }
    }
    for (ack, item) in acks {
        *item = ack.await.map_or_else(|error| judge(&error, subject), |_| Item::Taken);
    }
}

fn judge(error: &jetstream::context::PublishError, subject: &str) -> Item {
    let stream = || {
        format!(
            "no stream takes the subject {subject}; make one: nats stream add ghostport --subjects={subject} \
             --storage=file --defaults"
        )
    };
    match error.kind() {
        PublishErrorKind::StreamNotFound => Item::Later(stream()),
        PublishErrorKind::TimedOut => Item::Later(format!("it did not acknowledge in time, or {}", stream())),
        PublishErrorKind::MaxPayloadExceeded => Item::Refused(error.to_string()),
        _ if code(error) == Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM) => {
            Item::Refused(error.to_string())
        }
        _ => Item::Later(error.to_string()),
    }
}

/// What `JetStream` itself said.
fn code(error: &jetstream::context::PublishError) -> Option<ErrorCode> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<jetstream::Error>().map(jetstream::Error::error_code)
}

/// Why a session is over; `None` for what does not end it.
fn end_of(event: &Event) -> Option<String> {
    match event {
        Event::Disconnected | Event::Closed => Some("it closed the connection".to_owned()),
        Event::ServerError(error) => Some(error.to_string()),
        Event::ClientError(error) => Some(error.to_string()),
        Event::Connected | Event::LameDuckMode | Event::Draining | Event::SlowConsumer(_) => None,
    }
}
