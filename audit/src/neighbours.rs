//! What the sessions next to one at its connector or EVSE tell of it: where its meter was found,
//! and where it was left.

use crate::frame::{Frame, FrameError, known, same};
use crate::session::{Checked, Source, evse_text, is_start, number_text};
use chargebook_domain::events::v1::{MeterReading, SessionSuperseded, Verdict};
use chargebook_domain::ids::SessionId;

impl Source<'_> {
    /// The stop of the session before, which names a transaction and no connector: that it was
    /// this connector's is not in the frame. One that was refused, and read again, lies with the
    /// station; that it was taken for that session's, the event that says so shows by its place.
    pub(crate) fn register_before(&self, before: SessionId, register: &MeterReading) -> Checked {
        let id = register.evidence.event_id;
        let stop = self.chain.exchange(id)?;
        let place = match stop.exchange()?.verdict {
            Verdict::Refused => self.chain.reread(id).map_or(stop, |(at, _)| at),
            _ => stop,
        };
        place.lies_at(&format!("session-{before}"), None)?;
        let (_, frame) = self.frame(id)?;
        Ok(frame.and_then(|frame| {
            frame.is_one_of(&["StopTransaction"])?;
            match frame.instant().is_some_and(|stopped_at| stopped_at <= self.started.started_at) {
                true => frame.says_register(register, "meterStop"),
                false => Err(FrameError::WrongMessage("the stop came after the start".to_owned())),
            }
        }))
    }

    /// The next session's start, at the same connector, with the register that it began with.
    pub(crate) fn superseded(&self, fact: &SessionSuperseded) -> Checked {
        let start = match fact.start {
            Some(start) => Some(self.frame(start)?.1),
            None => None,
        };
        let (_, frame) = self.frame(fact.register.evidence.event_id)?;
        Ok(frame.and_then(|frame| {
            let start = start.transpose()?;
            if frame.action() == "StartTransaction" {
                let connector = frame.integer_member("connectorId");
                let own = self.started.connector.map(|connector| i64::from(connector.0));
                same("the connector", number_text(own), known(number_text(connector)))?;
                frame.says_instant("the time of the next start", frame.payload(), fact.at)?;
                return frame.says_register(&fact.register, "meterStart");
            }
            // It came with the start, or later: then the start is cited. What was recorded before
            // that member came to be does not say when the next one began.
            match &start {
                Some(start) => self.next_start(start, &frame, fact)?,
                None => {
                    frame.is_one_of(&["StartTransaction", "TransactionEvent"])?;
                    self.is_at_evse(&frame)?;
                    if is_start(&frame) {
                        let what = "the time of the next start";
                        frame.says_instant(what, frame.payload(), fact.at)?;
                    }
                }
            }
            frame.is_begin_register(&fact.register, is_start(&frame))?;
            frame.says_sampled_register(&fact.register)
        }))
    }

    /// The start of the transaction whose later message `frame` told its begin register.
    fn next_start(
        &self,
        start: &Frame,
        frame: &Frame,
        fact: &SessionSuperseded,
    ) -> Result<(), FrameError> {
        start.is_one_of(&["TransactionEvent"])?;
        if !is_start(start) {
            return Err(FrameError::WrongMessage("it is not the next start".to_owned()));
        }
        self.is_at_evse(start)?;
        if frame.action() == "MeterValues" {
            self.is_read_since(frame, fact)?;
        } else {
            frame.is_one_of(&["TransactionEvent"])?;
            self.is_at_evse(frame)?;
            let name = |frame: &Frame| {
                frame.text_at("/transactionInfo/transactionId").unwrap_or_default().to_owned()
            };
            same("the next transaction", name(frame), known(name(start)))?;
        }
        start.says_instant("the time of the next start", start.payload(), fact.at)
    }

    /// Meter values name no transaction (2.x): their EVSE and the time of the reading tell.
    fn is_read_since(&self, frame: &Frame, fact: &SessionSuperseded) -> Result<(), FrameError> {
        let evse = frame.integer_member("evseId");
        same("the EVSE", evse_text(self.started.evse), known(number_text(evse)))?;
        let read_at = frame.sampled_when(&fact.register.evidence.pointer)?;
        match read_at.is_some_and(|read_at| read_at >= fact.at) {
            true => Ok(()),
            false => Err(FrameError::WrongMessage("it was read before the next start".to_owned())),
        }
    }

    /// A message of another transaction names this one's EVSE, where it names any.
    fn is_at_evse(&self, frame: &Frame) -> Result<(), FrameError> {
        let evse = frame.integer_at("/evse/id");
        let own = evse.map_or(number_text(None), |_| evse_text(self.started.evse));
        same("the EVSE", own, known(number_text(evse)))
    }
}
