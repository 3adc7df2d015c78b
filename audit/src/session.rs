//! The session: its stream is whole, its facts are the charger's words, and what it was settled
//! on follows from them.

use crate::AuditError;
use crate::chain::{Chain, Entry, follows};
use crate::frame::{Frame, FrameError, SampledRegister, known, same};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Anomaly, Authorization, Direction, ExchangeRecorded, ExchangeReread, MeterReading,
    SessionConnectorStatus, SessionMeterRecorded, SessionOpened, SessionSettled, SessionStarted,
    SessionStopped, SessionTokenPresented, SessionTransactionReported, SettledBecause, StopMatch,
    TransactionEventKind, Verdict,
};
use chargebook_domain::ids::{EventId, EvseNumber, TransactionId};
use chargebook_domain::session::{Basis, Beginning, Doubt, Session, Stop, settled_by_hand};
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeSet;

/// A session whose facts are proven, as it stood when it was settled.
pub(crate) struct ProvenSession<'c> {
    pub(crate) started: Beginning,
    pub(crate) settled: &'c SessionSettled,
    pub(crate) settled_at: &'c Entry<'c>,
    /// The fold of everything that the settlement rests on.
    pub(crate) facts: Session,
    /// The whole stream.
    pub(crate) stream: Vec<&'c Entry<'c>>,
    /// The exchanges that its facts come from.
    pub(crate) sources: BTreeSet<EventId>,
}

/// The exchanges that a session's events rest on: what a bundle must hold beside the session's
/// own stream, as far as they lie in others.
pub fn cited_exchanges<'e>(events: impl IntoIterator<Item = &'e Event>) -> BTreeSet<EventId> {
    events.into_iter().flat_map(cited).flatten().collect()
}

/// The exchanges that an event rests on; none for what is no fact of the charger's.
fn cited(event: &Event) -> [Option<EventId>; 2] {
    match event {
        Event::SessionStarted(fact) => {
            let before = fact.register_before.as_ref();
            [Some(fact.exchange), before.map(|before| before.register.evidence.event_id)]
        }
        Event::SessionMeterRecorded(fact) => [Some(fact.exchange), None],
        Event::SessionConnectorStatus(fact) => [Some(fact.exchange), None],
        Event::SessionStopped(fact) => [Some(fact.exchange), None],
        Event::SessionOpened(fact) => [Some(fact.exchange), None],
        Event::SessionTransactionReported(fact) => [Some(fact.exchange), None],
        Event::SessionTokenPresented(fact) => [Some(fact.exchange), None],
        Event::SessionSuperseded(fact) => [Some(fact.register.evidence.event_id), fact.start],
        Event::SessionPreceded(fact) => {
            [fact.register.as_ref().map(|left| left.evidence.event_id), None]
        }
        Event::ExchangeReread(reread) => [Some(reread.exchange), None],
        _ => [None, None],
    }
}

/// Proves the session in `stream`, as settled by the event `settled`.
pub(crate) fn prove<'c>(
    chain: &'c Chain<'c>,
    stream: &str,
    settled: EventId,
) -> Result<ProvenSession<'c>, AuditError> {
    let settled_at = chain.cited("the settlement", settled)?;
    settled_at.lies_at(stream, None)?;
    let Event::SessionSettled(basis) = &settled_at.event else {
        let found = settled_at.event.event_type();
        return Err(AuditError::WrongType { id: settled, expected: "session.settled", found });
    };
    let stream = chain.stream(stream)?;
    let (mut facts, mut all_facts) = (Session::default(), Session::default());
    let sources = cited_exchanges(stream.iter().map(|entry| &entry.event));
    for entry in &stream {
        let (version, recorded_at) = (entry.envelope.version, entry.recorded_at()?);
        all_facts.apply(entry.id, version, recorded_at, &entry.event);
        if version <= basis.as_of_version {
            facts.apply(entry.id, version, recorded_at, &entry.event);
        }
    }
    let known: BTreeSet<_> = all_facts.registers().map(|s| (s.sampled_at, s.value)).collect();
    let started = all_facts.started().ok_or(AuditError::Doubt(Doubt::StartMissing))?;
    let mut before = Session::default();
    for entry in &stream {
        let stops = all_facts.stops();
        prove_fact(Source { chain, started, stops, before: &before, fact: entry })?;
        before.apply(entry.id, entry.envelope.version, entry.recorded_at()?, &entry.event);
    }
    for entry in &stream {
        nothing_left_out(chain, entry, &all_facts, &known)?;
    }
    // Between what was judged and the judgement nothing may have come.
    let judged_at = settled_at.envelope.version.saturating_sub(1);
    follows(settled, "as_of_version", basis.as_of_version, judged_at)?;
    prove_basis(settled, basis, &facts)?;
    let started = facts.started().ok_or(AuditError::Doubt(Doubt::StartMissing))?.clone();
    Ok(ProvenSession { started, settled: basis, settled_at, facts, stream, sources })
}

/// What a charger's message in the session's stream says must be among the facts, whether it was
/// taken for new or for a repeat.
/// `known` are the facts' register samples.
fn nothing_left_out(
    chain: &Chain<'_>,
    entry: &Entry<'_>,
    facts: &Session,
    known: &BTreeSet<(Timestamp, Decimal)>,
) -> Result<(), AuditError> {
    let (id, exchange, dialect) = match &entry.event {
        Event::ExchangeRecorded(exchange)
            if exchange.direction == Direction::FromStation
                && exchange.verdict == Verdict::Answered =>
        {
            (entry.id, exchange.as_ref(), exchange.dialect)
        }
        Event::ExchangeReread(reread) => {
            let exchange = chain.exchange(reread.exchange)?;
            (exchange.id, exchange.exchange()?, reread.dialect)
        }
        _ => return Ok(()),
    };
    let frame =
        Frame::of(id, exchange, dialect).map_err(|source| AuditError::Frame { id, source })?;
    let at = frame.instant().unwrap_or(exchange.received_at);
    let register = |name: &str| frame.register_member(name);
    let is_known = match frame.action() {
        "StartTransaction" => facts.started().is_some_and(|started| {
            started.started_at == at
                && register_of(started.meter_start.as_ref()) == register("meterStart")
        }),
        "StopTransaction" => facts.stops().iter().any(|stop| {
            stop.stopped_at == at && register_of(stop.meter_stop.as_ref()) == register("meterStop")
        }),
        "StatusNotification" => facts
            .statuses()
            .iter()
            .any(|status| status.at == at && Some(status.status.as_str()) == status_word(&frame)),
        // One message may tell of several connectors, and so of several sessions.
        "NotifyEvent" if frame.tells_of_connectors() => {
            facts.statuses().iter().any(|status| frame.tells_of_connector(status).is_ok())
        }
        "TransactionEvent" => is_told(&frame, facts, at),
        "DataTransfer" => frame.unplugged().is_none_or(|(_, at)| {
            facts.statuses().iter().any(|status| status.at == at && status.status == AVAILABLE)
        }),
        _ => true,
    };
    if !is_known {
        return Err(AuditError::LeftOut { id: entry.id, what: frame.action().to_owned() });
    }
    for SampledRegister { at, value, .. } in frame.registers() {
        if !known.contains(&(at, value)) {
            let what = format!("register of {} Wh at {at}", value.normalize());
            return Err(AuditError::LeftOut { id: entry.id, what });
        }
    }
    Ok(())
}

/// What it was settled on must follow from the facts.
fn prove_basis(id: EventId, settled: &SessionSettled, facts: &Session) -> Result<(), AuditError> {
    if settled.because == SettledBecause::ReviewDecided {
        return prove_by_hand(id, settled, facts);
    }
    let basis = Basis::of(facts).map_err(AuditError::Doubt)?;
    let released = |at: Option<Timestamp>| at.map_or("unknown".to_owned(), |at| at.to_string());
    follows(id, "started_at", settled.started_at, basis.started_at)?;
    follows(id, "ended_at", settled.ended_at, basis.ended_at)?;
    follows(id, "released_at", released(settled.released_at), released(basis.released_at))?;
    follows_reading(id, "register_start", &settled.register_start, &basis.register_start)?;
    follows_reading(id, "register_end", &settled.register_end, &basis.register_end)?;
    let anomalies = |anomalies: &[Anomaly]| format!("{anomalies:?}");
    follows(id, "anomalies", anomalies(&settled.anomalies), anomalies(&basis.anomalies))?;
    follows(id, "energy_wh", settled.energy_wh, basis.energy_wh)
}

/// What a person decided must be what it was settled on; their word is all there is for it.
fn prove_by_hand(id: EventId, settled: &SessionSettled, facts: &Session) -> Result<(), AuditError> {
    let derived = facts.decided().and_then(|decided| settled_by_hand(facts, decided));
    let text = |settled: Option<&SessionSettled>| format!("{settled:?}");
    follows(id, "what was decided", text(Some(settled)), text(derived.as_ref()))
}

/// Refuses a reading that is not the one that follows, in its value or in where it comes from.
fn follows_reading(
    id: EventId,
    what: &'static str,
    recorded: &MeterReading,
    derived: &MeterReading,
) -> Result<(), AuditError> {
    let text = |reading: &MeterReading| {
        let evidence = &reading.evidence;
        format!("{} Wh ({} of {})", reading.register_wh, evidence.pointer, evidence.event_id)
    };
    follows(id, what, text(recorded), text(derived))
}

/// Holds one event of the session's stream against the charger's frame. What is no fact of the
/// charger's (an anomaly noted, a judgement of ours) has nothing to be held against.
fn prove_fact(source: Source<'_>) -> Result<(), AuditError> {
    let entry = source.fact;
    let proven = match &entry.event {
        Event::ExchangeRecorded(exchange) => source.same_station(exchange),
        Event::ExchangeReread(reread) => source.reread(entry, reread)?,
        Event::SessionStarted(fact) => source.start(fact)?,
        Event::SessionMeterRecorded(fact) => source.meter(fact)?,
        Event::SessionConnectorStatus(fact) => source.status(fact)?,
        Event::SessionStopped(fact) => source.stop(fact)?,
        Event::SessionSuperseded(fact) => source.superseded(fact)?,
        Event::SessionPreceded(fact) => match &fact.register {
            Some(register) => source.register_before(fact.by, register)?,
            None => Ok(()),
        },
        Event::SessionOpened(fact) => source.opened(fact)?,
        Event::SessionTransactionReported(fact) => source.reported(fact)?,
        Event::SessionTokenPresented(fact) => source.token(fact)?,
        _ => Ok(()),
    };
    proven.map_err(|source| AuditError::Frame { id: entry.id, source })
}

/// A fact on its way back to its frame. The outer result of each check says whether the frame
/// is there, the inner one whether it says what the fact says.
pub(crate) struct Source<'a> {
    pub(crate) chain: &'a Chain<'a>,
    pub(crate) started: &'a Beginning,
    stops: &'a [Stop],
    /// The session as it stood before the fact.
    before: &'a Session,
    fact: &'a Entry<'a>,
}

pub(crate) type Checked = Result<Result<(), FrameError>, AuditError>;

impl<'a> Source<'a> {
    fn start(&self, fact: &SessionStarted) -> Checked {
        let (exchange, frame) = self.frame(fact.exchange)?;
        let before = match &fact.register_before {
            Some(before) => self.register_before(before.session_id, &before.register)?,
            None => Ok(()),
        };
        Ok(before.and(frame).and_then(|frame| {
            frame.is_one_of(&["StartTransaction"])?;
            let connector = frame.integer_member("connectorId").unwrap_or_default();
            same("the connector", i64::from(fact.connector.0), known(connector))?;
            frame.says_instant("the time of the start", frame.payload(), fact.started_at)?;
            frame.says_register(&fact.meter_start, "meterStart")?;
            same("the time of receipt", fact.received_at, known(exchange.received_at))?;
            answered_start(exchange, fact)
        }))
    }

    fn meter(&self, fact: &SessionMeterRecorded) -> Checked {
        let (_, frame) = self.frame(fact.exchange)?;
        Ok(frame.and_then(|frame| {
            frame.is_one_of(&["MeterValues", "StopTransaction", "TransactionEvent"])?;
            match frame.action() {
                "MeterValues" => self.is_of_session(&frame, fact)?,
                "TransactionEvent" => frame.is_about(&self.started.transaction_id)?,
                _ => self.is_a_stop_of_it(&frame, fact.exchange)?,
            }
            fact.samples.iter().try_for_each(|sample| frame.says_sample(sample))
        }))
    }

    /// A stop names the transaction; or it is one that the session took for its own by other signs,
    /// or says the same again.
    fn is_a_stop_of_it(&self, frame: &Frame, exchange: EventId) -> Result<(), FrameError> {
        let register = frame.register_member("meterStop");
        let is_known = |stop: &Stop| {
            let is_said_again = Some(stop.stopped_at) == frame.instant()
                && register_of(stop.meter_stop.as_ref()) == register;
            stop.exchange == exchange || is_said_again
        };
        match self.stops.iter().any(is_known) {
            true => Ok(()),
            false => frame.is_about(&self.started.transaction_id),
        }
    }

    /// Meter values of a station that names no transaction with them (none of 2.x does, nor
    /// clock-aligned ones of 1.6), or says with the number that it does not know it, are the
    /// session's at its EVSE or connector, by what was known of it then: from its start until its
    /// stop or the next session's start.
    fn is_of_session(&self, frame: &Frame, fact: &SessionMeterRecorded) -> Result<(), FrameError> {
        let started = self.started;
        if frame.integer_member("transactionId").is_some_and(|named| named > 0) {
            return frame.is_about(&started.transaction_id);
        }
        let connector = started.connector.map(|connector| i64::from(connector.0));
        match &started.transaction_id {
            TransactionId::Name(_) => {
                let evse = frame.integer_member("evseId");
                same("the EVSE", evse_text(started.evse), known(number_text(evse)))?;
            }
            TransactionId::Number(_) => {
                let named = frame.integer_member("connectorId");
                same("the connector", number_text(connector), known(number_text(named)))?;
            }
        }
        match fact.samples.iter().find(|sample| !self.before.holds_meter_at(sample.sampled_at)) {
            None => Ok(()),
            Some(sample) => Err(FrameError::WrongMessage(format!(
                "the message names no transaction, and the session was not going on at {}",
                sample.sampled_at
            ))),
        }
    }

    fn status(&self, fact: &SessionConnectorStatus) -> Checked {
        let (exchange, frame) = self.frame(fact.exchange)?;
        Ok(frame.and_then(|frame| {
            if let Some((transaction, at)) = frame.unplugged() {
                let ours = self.started.transaction_id.to_string();
                same("the transaction", ours, known(transaction.to_string()))?;
                same("the status", fact.status.as_str(), known(AVAILABLE))?;
                same("the time of receipt", fact.received_at, known(exchange.received_at))?;
                return same("the time", fact.at, known(at));
            }
            frame.is_one_of(&["StatusNotification", "NotifyEvent"])?;
            if frame.action() == "NotifyEvent" {
                same("the time of receipt", fact.received_at, known(exchange.received_at))?;
                return frame.tells_of_connector(fact);
            }
            let connector = frame.integer_member("connectorId").unwrap_or_default();
            same("the connector", i64::from(fact.connector.0), known(connector))?;
            let evse = frame.integer_member("evseId");
            same("the EVSE", evse_text(fact.evse), known(number_text(evse)))?;
            let status = status_word(&frame).unwrap_or_default();
            same("the status", fact.status.as_str(), known(status))?;
            same("the time of receipt", fact.received_at, known(exchange.received_at))?;
            match frame.text_member("timestamp") {
                Some(_) => frame.says_instant("the time", frame.payload(), fact.at),
                None => same("the time", fact.at, known(exchange.received_at)),
            }
        }))
    }

    fn stop(&self, fact: &SessionStopped) -> Checked {
        let (exchange, frame) = self.frame(fact.exchange)?;
        Ok(frame.and_then(|frame| {
            frame.is_one_of(&["StopTransaction"])?;
            if fact.matched_by == StopMatch::TransactionId {
                let named = frame.integer_member("transactionId").unwrap_or_default();
                let ours = self.started.transaction_id.to_string();
                same("the transaction", ours, known(named.to_string()))?;
            }
            frame.says_instant("the time of the stop", frame.payload(), fact.stopped_at)?;
            frame.says_register(&fact.meter_stop, "meterStop")?;
            same("the time of receipt", fact.received_at, known(exchange.received_at))
        }))
    }

    fn opened(&self, fact: &SessionOpened) -> Checked {
        let (exchange, frame) = self.frame(fact.exchange)?;
        Ok(frame.and_then(|frame| {
            frame.is_one_of(&["TransactionEvent"])?;
            frame.is_about(&TransactionId::Name(fact.transaction_id.clone()))?;
            same("the time of receipt", fact.received_at, known(exchange.received_at))
        }))
    }

    fn reported(&self, fact: &SessionTransactionReported) -> Checked {
        let (exchange, frame) = self.frame(fact.exchange)?;
        Ok(frame.and_then(|frame| {
            frame.is_one_of(&["TransactionEvent"])?;
            frame.is_about(&self.started.transaction_id)?;
            let kind = kind_word(fact.kind);
            same("the kind", kind, known(frame.text_member("eventType").unwrap_or_default()))?;
            let sequence = frame.integer_member("seqNo");
            same("the number", i64::from(fact.sequence), known(sequence.unwrap_or_default()))?;
            frame.says_instant("the time", frame.payload(), fact.at)?;
            same("the time of receipt", fact.received_at, known(exchange.received_at))?;
            same(
                "the EVSE",
                evse_text(fact.evse),
                known(number_text(frame.integer_at("/evse/id"))),
            )?;
            let connector = fact.connector.map(|connector| i64::from(connector.0));
            let named = frame.integer_at("/evse/connectorId");
            same("the connector", number_text(connector), known(number_text(named)))?;
            let word = |name: &str| frame.text_at(&format!("/transactionInfo/{name}"));
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let state = word("chargingState").unwrap_or_default().to_owned();
            same("the charging state", text(&fact.charging_state), known(state))?;
            let reason = word("stoppedReason").unwrap_or_default().to_owned();
            same("the reason", text(&fact.stopped_reason), known(reason))?;
            fact.samples.iter().try_for_each(|sample| frame.says_sample(sample))
        }))
    }

    /// That a token was presented, and what we answered; whose it is, only its seal tells.
    fn token(&self, fact: &SessionTokenPresented) -> Checked {
        let (exchange, frame) = self.frame(fact.exchange)?;
        Ok(frame.and_then(|frame| {
            frame.is_one_of(&["TransactionEvent"])?;
            frame.is_about(&self.started.transaction_id)?;
            let sequence = frame.integer_member("seqNo");
            same("the number", i64::from(fact.sequence), known(sequence.unwrap_or_default()))?;
            frame.says_instant("the time", frame.payload(), fact.at)?;
            let kind = frame.text_at("/idToken/type").unwrap_or_default();
            same("the token's type", fact.kind.as_deref().unwrap_or_default(), known(kind))?;
            let is_end = frame.text_member("eventType") == Some("Ended")
                || frame.text_member("triggerReason") == Some("StopAuthorized");
            // What was recorded before this member came to be does not say so.
            same("whether it was to end it", fact.ends, known(fact.ends && is_end))?;
            if exchange.verdict == Verdict::Refused {
                // The charger was told nothing of the token.
                return Ok(());
            }
            let answer = answer_of(exchange)?;
            let status = answer.pointer("/idTokenInfo/status").and_then(Value::as_str);
            let words: &[&str] = match fact.authorization {
                Authorization::Accepted => &["Accepted"],
                Authorization::Blocked => &["Blocked"],
                Authorization::Expired => &["Expired"],
                Authorization::Invalid => &["Invalid", "Unknown"],
                Authorization::NoCredit => &["NoCredit"],
            };
            let status = status.unwrap_or_default();
            let word = words.iter().find(|word| **word == status).copied();
            same("the word about the token", word.unwrap_or(words[0]), known(status))
        }))
    }

    /// The exchange that a fact comes from, recorded before it, and the charger's frame in it.
    pub(crate) fn frame(
        &self,
        id: EventId,
    ) -> Result<(&'a ExchangeRecorded, Result<Frame, FrameError>), AuditError> {
        let entry = self.chain.exchange(id)?;
        entry.comes_before(self.fact)?;
        let exchange = entry.exchange()?;
        let (meaning, duplicate_of) = match exchange.verdict {
            Verdict::Answered => (Ok(exchange.dialect), exchange.duplicate_of),
            _ => match self.chain.reread(id) {
                Some((at, reread)) => {
                    at.comes_before(self.fact)?;
                    let checked = self.reread(at, reread)?;
                    let repeats = exchange.duplicate_of.or(reread.duplicate_of);
                    (checked.map(|()| reread.dialect), repeats)
                }
                None => (Err(FrameError::WrongMessage("the message was refused".into())), None),
            },
        };
        let frame = self.same_station(exchange).and(meaning).and_then(|dialect| {
            // A repeat may bring samples that the first message did not.
            let samples = matches!(
                self.fact.event,
                Event::SessionMeterRecorded(_) | Event::SessionSuperseded(_)
            );
            match duplicate_of {
                Some(_) if !samples => {
                    Err(FrameError::WrongMessage("the message was a repeat".to_owned()))
                }
                _ => Frame::of(id, exchange, dialect),
            }
        });
        Ok((exchange, frame))
    }

    /// A refused message that was read again lies where the event `at` says, and before it.
    fn reread(&self, at: &Entry<'_>, reread: &ExchangeReread) -> Checked {
        let entry = self.chain.exchange(reread.exchange)?;
        entry.comes_before(at)?;
        entry.lies_at(&reread.stream, None)?;
        let exchange = entry.exchange()?;
        Ok(self.same_station(exchange).and_then(|()| match exchange.verdict {
            Verdict::Refused => Ok(()),
            _ => Err(FrameError::WrongMessage("the message was not refused".to_owned())),
        }))
    }

    fn same_station(&self, exchange: &ExchangeRecorded) -> Result<(), FrameError> {
        same("the station", self.started.station_id, known(exchange.station_id))
    }
}

/// Our answer to a start named the transaction, and said of the token what the fact says.
fn answered_start(exchange: &ExchangeRecorded, fact: &SessionStarted) -> Result<(), FrameError> {
    if exchange.verdict == Verdict::Refused {
        // It was told neither.
        return Ok(());
    }
    let payload = answer_of(exchange)?;
    let transaction = payload.get("transactionId").and_then(Value::as_i64).unwrap_or_default();
    same("the transaction", i64::from(fact.transaction_id.0), known(transaction))?;
    let word = match fact.authorization {
        Authorization::Accepted => "Accepted",
        // OCPP 1.6 has no word for it.
        Authorization::Blocked | Authorization::NoCredit => "Blocked",
        Authorization::Expired => "Expired",
        Authorization::Invalid => "Invalid",
    };
    let status = payload.pointer("/idTagInfo/status").and_then(Value::as_str).unwrap_or_default();
    same("the word about the token", word, known(status))
}

/// The payload of our answer.
fn answer_of(exchange: &ExchangeRecorded) -> Result<Value, FrameError> {
    let reply = exchange.reply.as_ref().map(|reply| reply.redacted()).unwrap_or_default();
    match serde_json::from_str::<(u8, String, Value)>(&reply) {
        Ok((3, _, payload)) => Ok(payload),
        _ => Err(FrameError::Unreadable("our answer")),
    }
}

/// The word for a connector that is free.
const AVAILABLE: &str = "Available";

/// What a connector's status notification says it is: 1.6 and 2.x name the member differently.
fn status_word(frame: &Frame) -> Option<&str> {
    frame.text_member("status").or_else(|| frame.text_member("connectorStatus"))
}

pub(crate) fn is_start(frame: &Frame) -> bool {
    frame.text_member("eventType") == Some(kind_word(TransactionEventKind::Started))
}

fn register_of(reading: Option<&MeterReading>) -> Option<WattHours> {
    reading.map(|reading| reading.register_wh)
}

pub(crate) fn evse_text(evse: Option<EvseNumber>) -> String {
    number_text(evse.map(|evse| i64::from(evse.0)))
}

pub(crate) fn number_text(number: Option<i64>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

fn kind_word(kind: TransactionEventKind) -> &'static str {
    match kind {
        TransactionEventKind::Started => "Started",
        TransactionEventKind::Updated => "Updated",
        TransactionEventKind::Ended => "Ended",
    }
}

/// Whether a TransactionEvent is among the session's facts.
fn is_told(frame: &Frame, facts: &Session, at: Timestamp) -> bool {
    let kinds =
        [TransactionEventKind::Started, TransactionEventKind::Updated, TransactionEventKind::Ended];
    let kind =
        kinds.into_iter().find(|kind| frame.text_member("eventType") == Some(kind_word(*kind)));
    let sequence = frame.integer_member("seqNo").and_then(|number| u32::try_from(number).ok());
    let known = facts.transaction().zip(kind).zip(sequence);
    known.is_some_and(|((transaction, kind), sequence)| {
        transaction.exchange_of(sequence, at, kind).is_some()
    })
}
