//! The stories a flow can tell.

/// One possible explanation of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Story {
    /// The protocol the port is registered (or universally used) for is what speaks.
    RegisteredService,
    /// A documented unofficial user of this port.
    KnownSquatter,
    /// A known protocol where it does not belong.
    NonstandardPort,
    /// A port announced by a control conversation just before.
    NegotiatedPort,
    /// The number is only a client's source port; the flow is about the other port.
    EphemeralOverlap,
    /// One of many probes.
    Scan,
    /// Someone keeps asking where nothing answers.
    Misdirected,
    /// Answers to questions nobody here asked.
    Backscatter,
    /// The historic or known-bad tenant, by its bytes.
    SuspectedMalware,
    /// Something answers and speaks, and nothing explains it.
    UnidentifiedListener,
    /// Not enough evidence; a legal answer.
    Undetermined,
}

impl Story {
    /// All stories, in output order.
    pub const ALL: [Self; 11] = [
        Self::RegisteredService,
        Self::KnownSquatter,
        Self::NonstandardPort,
        Self::NegotiatedPort,
        Self::EphemeralOverlap,
        Self::Scan,
        Self::Misdirected,
        Self::Backscatter,
        Self::SuspectedMalware,
        Self::UnidentifiedListener,
        Self::Undetermined,
    ];

    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RegisteredService => "registered_service",
            Self::KnownSquatter => "known_squatter",
            Self::NonstandardPort => "nonstandard_port",
            Self::NegotiatedPort => "negotiated_port",
            Self::EphemeralOverlap => "ephemeral_overlap",
            Self::Scan => "scan",
            Self::Misdirected => "misdirected",
            Self::Backscatter => "backscatter",
            Self::SuspectedMalware => "suspected_malware",
            Self::UnidentifiedListener => "unidentified_listener",
            Self::Undetermined => "undetermined",
        }
    }

    /// A few words for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::RegisteredService => "registered service",
            Self::KnownSquatter => "known squatter",
            Self::NonstandardPort => "known protocol, odd port",
            Self::NegotiatedPort => "negotiated port",
            Self::EphemeralOverlap => "client's port",
            Self::Scan => "scan",
            Self::Misdirected => "misdirected",
            Self::Backscatter => "backscatter",
            Self::SuspectedMalware => "suspected malware",
            Self::UnidentifiedListener => "unidentified listener",
            Self::Undetermined => "undetermined",
        }
    }

    /// What it means, in one sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::RegisteredService => {
                "The protocol that the port is registered or generally used for is what speaks."
            }
            Self::KnownSquatter => "A documented unofficial user of this port is at work.",
            Self::NonstandardPort => "A known protocol speaks where no claim expects it.",
            Self::NegotiatedPort => "A control conversation named this port as the place to meet.",
            Self::EphemeralOverlap => {
                "The number is only a client's source port; the flow is about the other port."
            }
            Self::Scan => "The flow is one of many probes.",
            Self::Misdirected => "Someone keeps asking where nothing answers.",
            Self::Backscatter => "These are answers to questions that nobody here asked.",
            Self::SuspectedMalware => "The bytes are those of malware that is documented for it.",
            Self::UnidentifiedListener => "Something answers and speaks, and nothing explains it.",
            Self::Undetermined => "There is not enough evidence for any story.",
        }
    }

    /// The story of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|story| story.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_has_its_place_and_its_own_name() {
        for (place, story) in Story::ALL.into_iter().enumerate() {
            assert_eq!(story as usize, place);
            assert_eq!(Story::from_name(story.name()), Some(story));
        }
    }

    #[test]
    fn every_story_says_what_it_means() {
        for story in Story::ALL {
            assert!(story.title().len() <= 24, "{}: a table's column", story.title());
            assert!(story.meaning().ends_with('.'), "{}", story.meaning());
            let same = |other: &Story| other.title() == story.title() || other.meaning() == story.meaning();
            assert_eq!(Story::ALL.iter().filter(|other| same(other)).count(), 1);
        }
    }
}
