//! What the folders in `captures/` are made from: who talks to whom, and what ghostport has to make of it.
//!
//! A scenario is the single source of its folder: `traffic.pcap`, `never.jsonl` and `README.md` follow from
//! it byte for byte, and `BLESS=1 cargo test captures` writes them. `expect.jsonl` is what ghostport said
//! when it was blessed. So that blessing can never make a wrong verdict right, every flow that matters is
//! [`Labelled`] here, in code, with the story it must tell, and `tests/captures.rs` holds the output against
//! these labels whatever the files say.

mod matrix;
mod meetings;
mod near;
mod revised;
mod scans;
mod shapes;
mod stories;

use serde_json::Value;

use crate::support::pcap::Format;
use crate::support::talk::Recorded;

/// One folder of `captures/`.
pub(crate) struct Scenario {
    /// Name of the folder.
    pub(crate) name: String,
    /// What it proves, in sentences.
    pub(crate) proves: String,
    /// The capture files, in the order in which they are given to `-r`.
    pub(crate) files: Vec<CaptureFile>,
    /// The flows that matter.
    pub(crate) flows: Vec<Labelled>,
    /// Partial objects that no line of output may match.
    pub(crate) never: Vec<Value>,
}

/// One capture file of a folder.
pub(crate) struct CaptureFile {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its format.
    pub(crate) format: Format,
    /// What it holds.
    pub(crate) frames: Vec<Recorded>,
}

/// A flow and what must be said about it. Empty lists leave the question open.
pub(crate) struct Labelled {
    /// What happens there, in a few words.
    pub(crate) what: &'static str,
    /// `TCP` or `UDP`.
    pub(crate) proto: &'static str,
    /// Who opened.
    pub(crate) originator: String,
    /// Who was asked.
    pub(crate) responder: String,
    /// Stories that are right. More than one only where the truth itself is open, with the reason in the
    /// scenario.
    pub(crate) stories: Vec<&'static str>,
    /// Outcomes that are right.
    pub(crate) outcomes: Vec<&'static str>,
    /// What is spoken, by `app_proto` name.
    pub(crate) app: Option<&'static str>,
    /// A fact that must be among the evidence, by name.
    pub(crate) fact: Option<&'static str>,
    /// Whether it has to raise an alert.
    pub(crate) alert: Alert,
}

/// Whether a flow has to raise an alert under the built-in rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alert {
    /// It must.
    Must,
    /// It must not.
    Never,
    /// A matter of taste.
    May,
}

/// All scenarios, in the order of their folders' names.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = stories::all();
    all.extend(matrix::all());
    all.extend(shapes::all());
    all.extend(meetings::all());
    all.extend(revised::all());
    all.extend(scans::all());
    all.extend(near::all());
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

impl Scenario {
    /// A scenario with the one file `traffic.pcap`.
    fn new(name: &str, proves: &str, frames: Vec<Recorded>, flows: Vec<Labelled>, never: Vec<Value>) -> Self {
        let files = vec![CaptureFile { name: "traffic.pcap", format: Format::Pcap, frames }];
        Self { name: name.into(), proves: proves.into(), files, flows, never }
    }
}

impl Labelled {
    /// A TCP flow about which nothing is asked yet but that it is there, with these ends.
    fn tcp(what: &'static str, originator: &str, responder: &str) -> Self {
        Self {
            what,
            proto: "TCP",
            originator: originator.into(),
            responder: responder.into(),
            stories: Vec::new(),
            outcomes: Vec::new(),
            app: None,
            fact: None,
            alert: Alert::May,
        }
    }

    fn udp(what: &'static str, originator: &str, responder: &str) -> Self {
        Self { proto: "UDP", ..Self::tcp(what, originator, responder) }
    }

    fn story(mut self, stories: &[&'static str]) -> Self {
        self.stories = stories.to_vec();
        self
    }

    fn outcome(mut self, outcomes: &[&'static str]) -> Self {
        self.outcomes = outcomes.to_vec();
        self
    }

    const fn app(mut self, app: &'static str) -> Self {
        self.app = Some(app);
        self
    }

    const fn fact(mut self, fact: &'static str) -> Self {
        self.fact = Some(fact);
        self
    }

    const fn alert(mut self, alert: Alert) -> Self {
        self.alert = alert;
        self
    }
}
