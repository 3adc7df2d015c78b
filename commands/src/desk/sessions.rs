//! The sessions a desk has at hand: folds of their streams, loaded when needed.

use super::{DeskError, StationDesk};
use crate::journal::{Draft, JournalError, is_exchange, read_event};
use chargebook_domain::ids::{
    ConnectorNumber, EventId, EvseNumber, SessionId, TransactionId, TransactionName,
    TransactionNumber,
};
use chargebook_domain::session::Session;
use chargebook_domain::units::Timestamp;
use chargebook_store::{LookupKey, StreamName};
use std::collections::HashMap;
use std::sync::Arc;

/// Sessions one desk keeps at hand; beyond that it starts afresh and loads again.
const SESSIONS_MAX: usize = 16;

/// Where one car is charged at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Bay {
    /// 1.6.
    Connector(ConnectorNumber),
    /// 2.x: of its connectors one at a time is used.
    Evse(EvseNumber),
}

/// Folds by stream, and which session was the latest in each bay and of each transaction id.
#[derive(Default)]
pub(super) struct SessionCache {
    /// Apart from the table, which has room for more than it holds; shared, so that a decision
    /// can look at one without a copy.
    sessions: HashMap<StreamName, Arc<Session>>,
    latest: HashMap<Bay, Option<StreamName>>,
    named: HashMap<TransactionName, StreamName>,
}

impl SessionCache {
    /// The last version that is known of a stream; `None` if it is not at hand.
    pub(super) fn version(&self, stream: &StreamName) -> Option<u64> {
        self.sessions.get(stream).and_then(|session| session.version())
    }

    /// Whether the end of a session that is at hand has come.
    pub(super) fn is_stopped(&self, stream: &StreamName) -> bool {
        self.sessions.get(stream).is_some_and(|session| session.stop().is_some())
    }

    /// Takes in what was just appended.
    pub(super) fn take_in(
        &mut self,
        stream: &StreamName,
        first_version: u64,
        recorded_at: Timestamp,
        drafts: &[Draft],
    ) {
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(stream) {
            self.sessions.clear();
        }
        let session = Arc::make_mut(self.sessions.entry(stream.clone()).or_default());
        for (version, draft) in (first_version..).zip(drafts) {
            session.apply(draft.id(), version, recorded_at, draft.event());
        }
    }

    /// The session as it will be once the drafts are in its stream.
    pub(super) fn foresee(
        &self,
        stream: &StreamName,
        first_version: u64,
        recorded_at: Timestamp,
        drafts: &[Draft],
    ) -> Session {
        let mut session =
            self.sessions.get(stream).map(|session| session.as_ref().clone()).unwrap_or_default();
        for (version, draft) in (first_version..).zip(drafts) {
            session.apply(draft.id(), version, recorded_at, draft.event());
        }
        session
    }

    /// Forgets a stream; the session it belongs to.
    pub(super) fn forget(&mut self, stream: &StreamName) -> Option<SessionId> {
        self.sessions.remove(stream);
        stream.as_str().strip_prefix("session-")?.parse().ok()
    }

    /// The bays whose latest session is at hand.
    pub(super) fn bays(&self) -> impl Iterator<Item = Bay> + '_ {
        self.latest.keys().copied()
    }

    /// The session that was begun last in a bay is this one now.
    pub(super) fn set_latest(&mut self, bay: Bay, stream: StreamName) {
        self.latest.insert(bay, Some(stream));
    }

    /// Whether it is at hand which session was opened last with a transaction id.
    pub(super) fn is_named(&self, name: &TransactionName) -> bool {
        self.named.contains_key(name)
    }

    /// The session that was opened last with a transaction id is this one now.
    pub(super) fn set_named(&mut self, name: TransactionName, stream: StreamName) {
        if self.named.len() >= SESSIONS_MAX {
            self.named.clear();
        }
        self.named.insert(name, stream);
    }
}

impl StationDesk {
    /// A session by its stream, from the cache or the log; `None` if there is none.
    pub(super) async fn session(
        &mut self,
        stream: &StreamName,
    ) -> Result<Option<&Arc<Session>>, DeskError> {
        if !self.sessions.sessions.contains_key(stream) {
            let mut session = Session::default();
            load_session(self.chargebook.journal(), stream, &mut session).await?;
            if session.version().is_none() {
                return Ok(None);
            }
            if self.sessions.sessions.len() >= SESSIONS_MAX {
                self.sessions.sessions.clear();
            }
            self.sessions.sessions.insert(stream.clone(), Arc::new(session));
        }
        Ok(self.sessions.sessions.get(stream))
    }

    /// The stream of this station's transaction.
    pub(super) async fn stream_of_transaction(
        &self,
        transaction_id: TransactionNumber,
    ) -> Result<Option<StreamName>, DeskError> {
        let cached = self.sessions.sessions.iter().find(|(_, session)| {
            session.started().is_some_and(|started| {
                started.transaction_id == TransactionId::Number(transaction_id)
            })
        });
        if let Some((stream, _)) = cached {
            return Ok(Some(stream.clone()));
        }
        let personal = self.chargebook.personal();
        let key = personal.transaction_key(self.state.station_id, transaction_id);
        self.lookup(&key).await
    }

    pub(super) async fn lookup(&self, key: &LookupKey) -> Result<Option<StreamName>, DeskError> {
        Ok(self.chargebook.journal().lookup(key).await?)
    }

    /// The stream of the session that began last in a bay.
    pub(super) async fn latest_at(&mut self, bay: Bay) -> Result<Option<StreamName>, DeskError> {
        if let Some(known) = self.sessions.latest.get(&bay) {
            return Ok(known.clone());
        }
        let stream = self.lookup(&self.bay_key(bay)).await?;
        self.sessions.latest.insert(bay, stream.clone());
        Ok(stream)
    }

    /// Finds the latest session in a bay.
    pub(super) fn bay_key(&self, bay: Bay) -> LookupKey {
        let (personal, station) = (self.chargebook.personal(), self.state.station_id);
        match bay {
            Bay::Connector(connector) => personal.connector_key(station, connector),
            Bay::Evse(evse) => personal.evse_key(station, evse),
        }
    }

    /// The stream of the session that was opened last with a transaction id of the station's.
    pub(super) async fn latest_of_transaction(
        &mut self,
        name: &TransactionName,
    ) -> Result<Option<StreamName>, DeskError> {
        if let Some(known) = self.sessions.named.get(name) {
            return Ok(Some(known.clone()));
        }
        let personal = self.chargebook.personal();
        let key = personal.named_transaction_key(self.state.station_id, name.as_str());
        let stream = self.lookup(&key).await?;
        if let Some(stream) = &stream {
            self.sessions.set_named(name.clone(), stream.clone());
        }
        Ok(stream)
    }
}

/// Folds a session's stream from where `session` stands.
pub(crate) async fn load_session(
    journal: &crate::journal::Journal,
    stream: &StreamName,
    session: &mut Session,
) -> Result<(), JournalError> {
    let from = session.version().map_or(0, |version| version + 1);
    journal
        .replay(stream, from, |recorded| {
            if is_exchange(recorded) {
                session.skip(recorded.version);
            } else {
                let event = read_event(recorded)?;
                let recorded_at = Timestamp::new(recorded.recorded_at);
                session.apply(EventId(recorded.id), recorded.version, recorded_at, &event);
            }
            Ok(())
        })
        .await
}
