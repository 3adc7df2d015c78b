//! The OCPP versions spoken here, which one a connection speaks, and the way to its translation.
//!
//! A version is added here and in a module of its own; sessions and outbox stay as they are.

use crate::downward;
use crate::message::{Downward, ForDesk, Inbound, ReplyReading, Unsendable, Written};
use crate::rpc::error::{ErrorCode, call_result_error};
use crate::v2::{self, V2};
use crate::v16;
use chargebook_commands::OpenedIntent;
use chargebook_commands::message::{Answer, RenderedReply};
use chargebook_domain::events::v1::{Dialect, MessageLimit};
use chargebook_domain::ids::CommandId;
use chargebook_domain::units::Timestamp;
use ocpp_kit::Version;
use std::collections::VecDeque;

/// A version that is spoken here; each has its translation in a module of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// OCPP 1.6J.
    V16,
    /// OCPP 2.0.1.
    V201,
    /// OCPP 2.1.
    V21,
}

impl Protocol {
    /// All of them.
    pub(crate) const ALL: &'static [Self] = &[Self::V16, Self::V201, Self::V21];

    /// Its name in `Sec-WebSocket-Protocol`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
            Self::V21 => "ocpp2.1",
        }
    }

    /// Whether a station's identity has a case: in 2.x it is an identifierString, which has none.
    pub(crate) fn has_case(self) -> bool {
        self == Self::V16
    }

    /// The names of its actions, in both directions.
    pub(crate) fn actions(self) -> impl Iterator<Item = &'static str> {
        downward::actions(self.version())
    }

    /// The first of the client's protocols that is spoken here: the order is the client's
    /// (OCPP-J 1.6 section 3.1.2, RFC 6455 section 4.2.2). Names compare without regard to case,
    /// since real chargers send `OCPP1.6`; the answer repeats the client's spelling.
    pub(crate) fn choose<'a>(offered: impl Iterator<Item = &'a str>) -> Option<(Self, &'a str)> {
        offered
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .take(OFFERED_PROTOCOLS_MAX)
            .find_map(|name| Some((Self::named(name)?, name)))
    }

    /// Reads a text that a station sent in its dialect.
    pub(crate) fn read(self, text: String, dialect: Dialect, received_at: Timestamp) -> Inbound {
        match self {
            Self::V16 => v16::read(text, dialect, received_at),
            Self::V201 => V2::V201.read(text, dialect, received_at),
            Self::V21 => V2::V21.read(text, dialect, received_at),
        }
    }

    /// Refuses a CALL of a station that may not send it, as it was not accepted: 2.x has a code
    /// for that (B02.FR.09, B03.FR.07), 1.6 only asks the station not to send it (section 4.2).
    pub(crate) fn refuse_unaccepted(self, message: &mut ForDesk) {
        match self {
            Self::V16 => {}
            Self::V201 | Self::V21 => v2::refuse_unaccepted(message),
        }
    }

    /// The frame that answers the CALL `message_id`; `declined` is what reading the CALL gave.
    pub(crate) fn render(
        self,
        message_id: &str,
        answer: &Answer,
        declined: Option<&Written>,
    ) -> RenderedReply {
        match self {
            Self::V16 => v16::render(message_id, answer, declined),
            Self::V201 | Self::V21 => v2::render(message_id, answer, declined),
        }
    }

    /// The CALLs for an intent to a station of that dialect, each within what the station takes.
    pub(crate) fn downward(
        self,
        dialect: Dialect,
        command_id: CommandId,
        intent: &OpenedIntent,
        limit: impl Fn(&str) -> Option<MessageLimit>,
    ) -> Result<VecDeque<Downward>, Unsendable> {
        downward::calls(self.version(), dialect, command_id, intent, limit)
    }

    /// Reads an answer to `request`, a CALL of ours with that action.
    pub(crate) fn read_reply(
        self,
        text: &str,
        action: &str,
        request: &RenderedReply,
    ) -> ReplyReading {
        downward::read_reply(self.version(), text, action, request)
    }

    /// The frame that tells a station that its answer to a CALL of ours could not be used; 2.1 is
    /// the first version that has one.
    pub(crate) fn result_error(
        self,
        message_id: &str,
        code: ErrorCode,
        description: &str,
    ) -> Option<String> {
        (self == Self::V21).then(|| call_result_error(message_id, code.v2(), description))
    }

    /// The same in the words of the library that has the schemas.
    fn version(self) -> Version {
        match self {
            Self::V16 => Version::V1_6,
            Self::V201 => Version::V2_0_1,
            Self::V21 => Version::V2_1,
        }
    }

    /// The version of that name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// Most protocols of an offer that are looked at.
const OFFERED_PROTOCOLS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(offered: &[&str], expected: Option<&str>) {
        let chosen = Protocol::choose(offered.iter().copied()).map(|(_, name)| name);
        assert_eq!(chosen, expected, "{offered:?}");
    }

    #[test]
    fn the_first_of_the_clients_protocols_that_is_spoken_here() {
        check(&["ocpp1.6"], Some("ocpp1.6"));
        check(&["ocpp2.0.1, ocpp1.6"], Some("ocpp2.0.1"));
        check(&["ocpp2.0.1", "ocpp1.6"], Some("ocpp2.0.1"));
        check(&["ocpp1.6,ocpp2.0.1"], Some("ocpp1.6"));
        check(&["ocpp2.1,ocpp2.0.1"], Some("ocpp2.1"));
        check(&["ocpp2.0,ocpp2.0.1"], Some("ocpp2.0.1"));
        check(&["ocpp2.0"], None);
        check(&["  OCPP1.6 "], Some("OCPP1.6"));
        check(&["ocpp1.5", "ocpp1.2"], None);
        check(&["ocpp1.6j"], None);
        check(&[""], None);
        check(&[], None);
    }

    #[test]
    fn an_endless_offer_is_not_read_to_its_end() {
        let offer = format!("{}ocpp1.6", "x,".repeat(OFFERED_PROTOCOLS_MAX));
        check(&[&offer], None);
    }
}
