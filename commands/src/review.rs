//! What a person decides about what waits for a review: written into the log with who and why;
//! the billing policy draws the consequences.

use crate::Chargebook;
use crate::journal::{Draft, JournalError};
use crate::registry::{Registered, RegistryError};
use chargebook_domain::events::v1::{
    PriceByHand, ReviewDecision, SessionReviewDecided, StationOrphanResolved,
};
use chargebook_domain::ids::{EventId, SessionId, SubjectId};
use chargebook_domain::session::{
    Decided, DecisionRefused, Session, may_decide, span_as_told, tariff_by_hand,
};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use rust_decimal::Decimal;

/// How often a decision is written again because its stream had moved on.
const DECISION_RETRIES_MAX: u32 = 16;
/// Longest reason, in characters.
const REASON_CHARACTERS_MAX: usize = 500;
/// Longest name of who decides, in characters.
const NAME_CHARACTERS_MAX: usize = 100;

/// Who decides, and why: kept sealed.
#[derive(Clone, Debug)]
pub struct DecisionNote {
    /// In their words.
    pub reason: String,
    /// Their name.
    pub decided_by: String,
}

/// What is to become of a session.
#[derive(Clone, Debug)]
pub enum ReviewWish {
    /// Nothing is to be paid; what was invoiced is taken back.
    Free,
    /// It was no session at all.
    Void,
    /// It is billed as entered.
    Bill {
        /// When it began; as told where it is not said.
        started_at: Option<Timestamp>,
        /// When it ended; as told where it is not said.
        ended_at: Option<Timestamp>,
        /// What was drawn.
        energy_wh: WattHours,
        /// What it costs; by the tariff in force where it is not said.
        price: Option<PriceByHand>,
    },
}

impl Chargebook {
    /// Decides a session that waits for a review, or that was decided so before.
    ///
    /// # Errors
    /// No such session, one that waits for nobody, what cannot be billed, or the log.
    pub async fn decide_review(
        &self,
        session_id: SessionId,
        wish: &ReviewWish,
        note: &DecisionNote,
    ) -> Result<Registered, RegistryError> {
        check(note)?;
        let subject = SubjectId(session_id.0);
        let reason = self.personal().seal(subject, &note.reason).await?;
        let decided_by = self.personal().seal(subject, &note.decided_by).await?;
        let stream = StreamName::of("session", session_id.0);
        for _ in 0..DECISION_RETRIES_MAX {
            let mut session = Session::default();
            crate::desk::load_session(self.journal(), &stream, &mut session).await?;
            let (Some(version), Some((_, station_id, _))) = (session.version(), session.identity())
            else {
                return Err(RegistryError::NotFound(format!("no session `{session_id}`")));
            };
            let decision = decision_of(&session, wish)?;
            may_decide(&session, &decision).map_err(|refused| refusal(&refused))?;
            let fact = SessionReviewDecided {
                decision,
                reason: reason.clone(),
                decided_by: decided_by.clone(),
                as_of_version: version,
            };
            let id = self.journal().fresh_id();
            check_price(&session, Decided { id, version: version + 1, fact: fact.clone() })?;
            let draft = Draft::new(id, fact).by("operator").about(station_id).within(session_id.0);
            let expected = ExpectedVersion::Exact(version);
            match self.journal().append(&stream, expected, &[draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => {
                    return Ok(Registered { created: true, position: appended?.position });
                }
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    /// Dismisses a stop that has found no session: no start will take it in any more.
    ///
    /// # Errors
    /// No such stop at the station, one whose start has come, or the log.
    pub async fn dismiss_orphan(
        &self,
        station: &str,
        exchange: EventId,
        note: &DecisionNote,
    ) -> Result<Registered, RegistryError> {
        check(note)?;
        let adopted = self.personal().adoption_key(exchange);
        if self.journal().lookup(&adopted).await?.is_some() {
            return Err(RegistryError::Conflict("the stop has found its session".to_owned()));
        }
        for _ in 0..DECISION_RETRIES_MAX {
            let state = self.registry().station(station).await?;
            let mut state =
                state.ok_or_else(|| RegistryError::NotFound(format!("no station `{station}`")))?;
            let station_id = state.station_id;
            let subject = SubjectId(station_id.0);
            let fact = StationOrphanResolved {
                exchange,
                session_id: None,
                reason: Some(self.personal().seal(subject, &note.reason).await?),
                decided_by: Some(self.personal().seal(subject, &note.decided_by).await?),
            };
            let draft = Draft::new(self.journal().fresh_id(), fact).by("operator");
            let draft = draft.keyed(self.personal().dismissal_key(exchange));
            match self.registry().append_to_station(&mut state, vec![draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => {
                    // Its desks hold the stop ready for a start.
                    self.board().tell_desks(station_id);
                    return Ok(Registered { created: true, position: appended?.position });
                }
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }
}

fn check(note: &DecisionNote) -> Result<(), RegistryError> {
    let fits = |text: &str, characters_max: usize| {
        !text.trim().is_empty() && text.chars().count() <= characters_max
    };
    if !fits(&note.reason, REASON_CHARACTERS_MAX) {
        let detail = format!("say why, in 1 to {REASON_CHARACTERS_MAX} characters");
        return Err(RegistryError::invalid("/reason", detail));
    }
    if !fits(&note.decided_by, NAME_CHARACTERS_MAX) {
        let detail = format!("say who decides, in 1 to {NAME_CHARACTERS_MAX} characters");
        return Err(RegistryError::invalid("/decided_by", detail));
    }
    Ok(())
}

fn decision_of(session: &Session, wish: &ReviewWish) -> Result<ReviewDecision, RegistryError> {
    let (started_at, ended_at, energy_wh, price) = match wish {
        ReviewWish::Free => return Ok(ReviewDecision::Free),
        ReviewWish::Void => return Ok(ReviewDecision::Void),
        ReviewWish::Bill { started_at, ended_at, energy_wh, price } => {
            (*started_at, *ended_at, *energy_wh, price.clone())
        }
    };
    if session.payer().is_none() {
        return Err(refusal(&DecisionRefused::NoPayer));
    }
    if energy_wh < WattHours::ZERO {
        return Err(RegistryError::invalid("/energy_wh", "energy is 0 or more"));
    }
    let told = span_as_told(session);
    let started_at = started_at.or(told.map(|(began, _)| began));
    let started_at =
        started_at.ok_or_else(|| RegistryError::invalid("/started_at", "say when it began"))?;
    let ended_at = ended_at.or(told.and_then(|(_, ended)| ended)).ok_or_else(|| {
        RegistryError::invalid("/ended_at", "nothing tells when it ended: say when")
    })?;
    if ended_at < started_at {
        return Err(RegistryError::invalid("/ended_at", "it ended before it began"));
    }
    Ok(ReviewDecision::Bill { started_at, ended_at, energy_wh, price })
}

fn check_price(session: &Session, decided: Decided) -> Result<(), RegistryError> {
    if let ReviewDecision::Bill { price: Some(price), .. } = &decided.fact.decision {
        let vat_percent = price.vat_percent.unwrap_or_default();
        if price.net < Decimal::ZERO {
            return Err(RegistryError::invalid("/price/net", "a price is 0 or more"));
        }
        if !(Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(&vat_percent) {
            return Err(RegistryError::invalid("/price/vat_percent", "VAT is 0 to 100 percent"));
        }
        if iso_currency::Currency::from_code(&price.currency).is_none() {
            return Err(RegistryError::invalid("/price/currency", "an ISO 4217 code such as EUR"));
        }
    }
    match tariff_by_hand(session, &decided) {
        Ok(_) => Ok(()),
        Err(error) => Err(RegistryError::invalid("/price", error.to_string())),
    }
}

fn refusal(refused: &DecisionRefused) -> RegistryError {
    match refused {
        DecisionRefused::NotInReview | DecisionRefused::BeingInvoiced => {
            RegistryError::Conflict(refused.to_string())
        }
        DecisionRefused::Invoiced | DecisionRefused::NoPayer => {
            RegistryError::invalid("/decision", refused.to_string())
        }
    }
}
