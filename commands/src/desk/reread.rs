//! A message that was refused, read again: it is decided as if it had been understood when it
//! came, by the same rules, so what the station has said again since is a repeat of it.

use super::{Case, ConnectionInformation, DECISION_RETRIES_MAX, DeskError, StationDesk, Target};
use crate::Chargebook;
use crate::clock::derived_id;
use crate::journal::{Draft, JournalError};
use crate::message::{Judged, Receipt, StationMessage};
use crate::station::StationState;
use chargebook_domain::events::v1::{Dialect, ExchangeReread};
use chargebook_domain::ids::{EventId, SessionId};
use chargebook_store::{AppendError, StreamName};

/// A refused message, where it is kept.
pub(crate) struct RefusedMessage {
    /// Its exchange.
    pub(crate) exchange: EventId,
    /// The stream with the exchange.
    pub(crate) stream: StreamName,
}

/// What came of reading a message again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reread {
    /// Whether the station has said the same in a message that was understood.
    pub(crate) is_repeat: bool,
    /// The session that it is about.
    pub(crate) session: Option<SessionId>,
}

impl StationDesk {
    /// A desk without a connection, beside those that have one.
    pub(crate) fn without_connection(chargebook: Chargebook, state: StationState) -> Self {
        let epoch = state.epoch;
        let connection = ConnectionInformation {
            protocol: state.protocol.clone().unwrap_or_default(),
            remote: String::new(),
            security_profile: 0,
        };
        Self::at(chargebook, state, connection, epoch)
    }

    /// Takes in what a refused message means: its facts and the event that names the message and
    /// the dialect, in one append. `None` where nothing follows from it any more.
    pub(crate) async fn reread(
        &mut self,
        message: &RefusedMessage,
        receipt: &Receipt,
        judged: &Judged,
        dialect: Dialect,
    ) -> Result<Option<Reread>, DeskError> {
        let exchange = message.exchange;
        let cause = derived_id(exchange, "exchange.reread", 0);
        let mut case = Case::new(exchange, cause, receipt, judged);
        for _ in 0..DECISION_RETRIES_MAX {
            self.follow_other_desks().await?;
            let mut decision = self.decide(&mut case).await?;
            self.note_refused(&mut decision).await?;
            let is_of_station = matches!(decision.target, Target::Station);
            let is_status = matches!(judged, Judged::Message(StationMessage::Status(_)));
            let says_nothing = decision.facts.is_empty() && decision.duplicate_of.is_none();
            if says_nothing || is_of_station && is_status {
                return Ok(None);
            }
            let reread = ExchangeReread {
                exchange,
                stream: message.stream.as_str().to_owned(),
                dialect,
                duplicate_of: decision.duplicate_of,
            };
            let key = self.chargebook.personal().reread_key(exchange);
            let draft = Draft::new(cause, reread).by("operator").keyed(key);
            match self.append(draft, &mut decision).await {
                Ok(()) => {
                    self.after(&case, &decision).await;
                    self.has_moved();
                    return Ok(Some(Reread {
                        is_repeat: decision.duplicate_of.is_some(),
                        session: session_of(&decision.target),
                    }));
                }
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    self.catch_up(&mut case, &decision).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeskError::Contended)
    }
}

/// Whether a message is one that sessions are made of. The others say how a station stood then,
/// which nobody needs to know any more: how it stands now, it says again.
pub(crate) fn is_of_sessions(message: &StationMessage) -> bool {
    matches!(
        message,
        StationMessage::Start(_)
            | StationMessage::Stop(_)
            | StationMessage::Meter(_)
            | StationMessage::Transaction(_)
            | StationMessage::Status(_)
    )
}

fn session_of(target: &Target) -> Option<SessionId> {
    match target {
        Target::Session(stream) | Target::NewSession(stream) => {
            stream.as_str().strip_prefix("session-")?.parse().ok()
        }
        Target::Station | Target::Command(_) => None,
    }
}
