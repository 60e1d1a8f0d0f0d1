//! A rule's title: what an analyst reads, with names in braces for what the flow was.
//!
//! It is taken apart when its file is read. Looking for braces whenever the rule spoke was a thirteenth of
//! what an alert costs.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::payload::App;
use crate::registry::{PortStatus, Registry};
use crate::verdict::{Story, Verdict};
use crate::wire::text::{address, decimal};
use crate::wire::{Endpoint, Transport};

/// One line of text with placeholders such as `{port}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
    /// A name in braces that stands for nothing; refused when the file was read.
    Unknown(String),
}

/// What a title may contain in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Port,
    Transport,
    Registered,
    AppProto,
    Story,
    Status,
    Originator,
    Responder,
}

impl Placeholder {
    const ALL: [Self; 8] = [
        Self::Port,
        Self::Transport,
        Self::Registered,
        Self::AppProto,
        Self::Story,
        Self::Status,
        Self::Originator,
        Self::Responder,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Transport => "transport",
            Self::Registered => "registered",
            Self::AppProto => "app_proto",
            Self::Story => "story",
            Self::Status => "status",
            Self::Originator => "originator",
            Self::Responder => "responder",
        }
    }

    fn push(self, text: &mut String, values: &Values, registry: &Registry) {
        let Values { transport, originator, responder, app, story, status } = *values;
        match self {
            Self::Port => text.push_str(&decimal(responder.port.into())),
            Self::Transport => text.push_str(transport.name()),
            Self::Registered => {
                text.push_str(registry.registered_name(transport, responder.port).unwrap_or("nobody"));
            }
            Self::AppProto => text.push_str(app.name()),
            Self::Story => text.push_str(story.name()),
            Self::Status => text.push_str(status.name()),
            Self::Originator => text.push_str(&address(originator)),
            Self::Responder => text.push_str(&address(responder.addr)),
        }
    }
}

/// What a title's placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values {
    transport: Transport,
    originator: IpAddr,
    responder: Endpoint,
    app: App,
    story: Story,
    status: PortStatus,
}

impl From<&Verdict> for Values {
    fn from(Verdict { evidence, story, .. }: &Verdict) -> Self {
        let flow = &evidence.flow;
        Self {
            transport: flow.transport,
            originator: flow.originator.addr,
            responder: flow.responder,
            app: evidence.app.app,
            story: *story,
            status: evidence.status,
        }
    }
}

impl Title {
    /// The names of all placeholders, as they stand in a title.
    pub(super) fn placeholders() -> String {
        Placeholder::ALL.map(|known| format!("{{{}}}", known.name())).join(", ")
    }

    /// As it stands in the rule's file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Names in braces that stand for nothing.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Unknown(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::Value(_) => None,
        })
    }

    /// With its placeholders filled in, put together in `text`.
    pub(super) fn fill(&self, values: &Values, registry: &Registry, text: &mut String) -> Arc<str> {
        text.clear();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Value(placeholder) => placeholder.push(text, values, registry),
                Piece::Unknown(_) => {}
            }
        }
        Arc::from(text.as_str())
    }
}

impl From<String> for Title {
    /// Any text is one. A brace that is not closed is a brace.
    fn from(text: String) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), text.as_str());
        while let Some((before, (name, behind))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let known = Placeholder::ALL.into_iter().find(|known| known.name() == name);
            pieces.push(known.map_or_else(|| Piece::Unknown(name.to_owned()), Piece::Value));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Self { text, pieces }
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::verdict::Story;

    fn filled(title: &str) -> String {
        let verdict = crate::bucket::tests::verdict(1, 3098, Story::Scan);
        Title::from(title.to_owned())
            .fill(&Values::from(&verdict), Registry::builtin(), &mut String::new())
            .to_string()
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(filled("{port}/{transport} {registered} {story} {"), "3098/tcp umm-port scan {");
        let told = filled("{originator} asks {responder}: {status}, {app_proto}");
        assert_eq!(told, "10.0.0.1 asks 10.1.2.3: dormant, http");
        assert_eq!((filled(""), filled("}{"), filled("a{b}c")), (String::new(), "}{".into(), "ac".into()));
        let title = Title::from("{port} {prot} {".to_owned());
        assert_eq!(title.unknown().collect::<Vec<_>>(), ["prot"]);
        assert!(Title::placeholders().starts_with("{port}, {transport}, "));
    }

    proptest! {
        #[test]
        fn text_without_braces_stays_what_it_is(text in "[^{]{0,40}") {
            prop_assert_eq!(filled(&text), text);
        }
    }
}
