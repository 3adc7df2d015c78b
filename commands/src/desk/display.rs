//! What drivers are shown of prices and costs at a station that has a display for them: the price
//! with the answer about their token, and the cost while they charge. The final cost, once it
//! stands, is shown by a policy.
//!
//! Of our own accord, so never at a quiet station, and only where an operator or the station itself
//! says that it shows them (`learning.rs`). A cost that is on its way is not followed by the next,
//! and none waits: the latest is sent with a later message of the session.

use super::{Case, Decision, DeskError, StationDesk, Target};
use crate::Chargebook;
use crate::clock::derived_id;
use crate::intent::{CommandStage, OPEN_COMMANDS_PER_STATION_MAX};
use crate::message::{Answer, Judged, PresentedToken, StationMessage, TokenAnswer};
use crate::running::gross;
use crate::station::StationState;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Authorization, CostSoFarShown, Intent, TransactionEventKind};
use chargebook_domain::ids::{CommandId, TransactionId, TransactionNumber};
use chargebook_domain::rating::{LineDimension, Rating};
use chargebook_domain::session::{Session, registers_as_told};
use chargebook_domain::tariff::with_vat;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::StreamName;
use chrono::TimeDelta;
use rust_decimal::Decimal;
use std::collections::HashMap;
use std::sync::Arc;

/// How often a cost on the way is shown on a 1.6 display, unless its prices have changed.
const SHOWN_EVERY: TimeDelta = TimeDelta::seconds(60);
/// How often it is shown in that time by a 2.0.1 station, with its messages that change it (part 2,
/// I02.FR.01: "at a relevant interval/moment"). In the end its answer to `Ended` says it all.
const SHOWN_AT_ONCE_MAX: u32 = 6;
/// Sessions of a station whose shown cost is remembered; beyond that it is shown anew.
const SESSIONS_MAX: usize = 16;

/// What was shown last of each session.
pub(super) type ShownCosts = HashMap<StreamName, Shown>;

/// What was shown.
pub(super) struct Shown {
    at: Timestamp,
    cost: Decimal,
    prices: [Option<Decimal>; 4],
    command_id: CommandId,
    /// Since when and how often it was shown, over [`SHOWN_EVERY`].
    since: Timestamp,
    times: u32,
}

impl Shown {
    /// Whether the next cost of a 2.0.1 station may follow.
    fn may_go_on(&self, now: Timestamp) -> bool {
        now.utc() - self.since.utc() >= SHOWN_EVERY || self.times < SHOWN_AT_ONCE_MAX
    }
}

impl StationDesk {
    /// The answer about a token with the price, where the version has a place for it in there
    /// (2.x part 2, I01) and the station shows it.
    pub(super) async fn with_price(
        &self,
        answer: TokenAnswer,
        token: &PresentedToken,
        case: &Case<'_>,
    ) -> Result<TokenAnswer, DeskError> {
        if token.kind.is_none() || !self.is_price_due(&answer) {
            return Ok(answer);
        }
        let price_text = self.price_text(case.receipt.received_at).await?;
        Ok(TokenAnswer { price_text, ..answer })
    }

    fn is_price_due(&self, answer: &TokenAnswer) -> bool {
        self.state.shows_prices() && answer.authorization == Authorization::Accepted
    }

    /// The prices of the tariff in force.
    async fn price_text(&self, at: Timestamp) -> Result<Option<String>, DeskError> {
        let choice = self.chargebook.registry().tariff_for(at, at).await?;
        Ok(choice.map(|choice| choice.tariff.price_text()))
    }

    /// Shows what follows from a message that has been answered. What fails is shown later.
    pub(super) async fn show_on_display(&mut self, case: &Case<'_>, decision: &Decision) {
        if !self.state.shows_costs() || self.state.settings.quiet {
            return;
        }
        // Boxed: hardly any station is told.
        if let Err(error) = Box::pin(self.show(case, decision)).await {
            tracing::warn!(%error, "a station could not be told what to show of a price");
        }
    }

    async fn show(&mut self, case: &Case<'_>, decision: &Decision) -> Result<(), DeskError> {
        if let (Judged::Message(StationMessage::Authorize(report)), Some(answer)) =
            (case.judged, &decision.answer)
            && let Answer::Authorize { token, .. } = answer
            && report.token.kind.is_none()
            && self.is_price_due(token)
        {
            return self.show_price(&report.token.uid, case).await;
        }
        let (Target::Session(stream) | Target::NewSession(stream)) = &decision.target else {
            return Ok(());
        };
        let is_told_in_answers = match case.judged {
            Judged::Message(StationMessage::Transaction(report)) => report.is_priced_on_the_way,
            _ => false,
        };
        if is_told_in_answers {
            return Ok(());
        }
        let goes_on = |fact: &Event| match fact {
            Event::SessionMeterRecorded(_) => true,
            Event::SessionTransactionReported(fact) => fact.kind == TransactionEventKind::Updated,
            _ => false,
        };
        if !decision.facts.iter().any(goes_on) {
            return Ok(());
        }
        let Some(session) = self.session(stream).await?.map(Arc::clone) else { return Ok(()) };
        let is_accepted = session.beginning_so_far().is_some_and(|began| began.is_accepted());
        match is_accepted && session.stop().is_none() {
            true => self.show_cost_so_far(stream, &session, case).await,
            false => Ok(()),
        }
    }

    async fn show_price(&self, uid: &str, case: &Case<'_>) -> Result<(), DeskError> {
        let Some(text) = self.price_text(case.receipt.received_at).await? else { return Ok(()) };
        let token = self.chargebook.personal().seal_uid(uid).await?;
        self.ask_to_show(Intent::ShowPrice { token, text }, case).await.map(|_| ())
    }

    async fn show_cost_so_far(
        &mut self,
        stream: &StreamName,
        session: &Session,
        case: &Case<'_>,
    ) -> Result<(), DeskError> {
        let now = case.receipt.received_at;
        let Some(rating) = self.rating_so_far(session).await? else { return Ok(()) };
        let (Some(cost), Some((_, register_wh))) = (gross(&rating), registers_as_told(session))
        else {
            return Ok(());
        };
        let so_far = so_far(session, &rating, register_wh, now);
        let prices =
            [so_far.price_per_kwh, so_far.price_per_hour, so_far.fee, so_far.price_per_idle_hour];
        if let Some(shown) = self.shown.get(stream) {
            let is_long_ago = now.utc() - shown.at.utc() >= SHOWN_EVERY;
            let is_due = match session.transaction() {
                Some(_) => shown.cost != cost && shown.may_go_on(now),
                None => is_long_ago && shown.cost != cost || shown.prices != prices,
            };
            let is_on_its_way =
                self.chargebook.board().stage(shown.command_id) != CommandStage::Finished;
            if is_on_its_way || !is_due {
                return Ok(());
            }
        }
        let Some(began) = session.beginning_so_far() else { return Ok(()) };
        let (transaction_id, transaction) = match &began.transaction_id {
            TransactionId::Number(number) => (*number, None),
            TransactionId::Name(name) => (TransactionNumber(0), Some(name.clone())),
        };
        let so_far = Some(so_far);
        let intent = Intent::ShowCost { transaction_id, transaction, cost, so_far, text: None };
        let Some(command_id) = self.ask_to_show(intent, case).await? else { return Ok(()) };
        if !self.shown.contains_key(stream) && self.shown.len() >= SESSIONS_MAX {
            self.forget_shown().await?;
        }
        let before = self.shown.get(stream).map(|shown| (shown.since, shown.times));
        let is_recent = |since: Timestamp| now.utc() - since.utc() < SHOWN_EVERY;
        let before = before.filter(|(since, _)| is_recent(*since));
        let (since, times) = before.map_or((now, 1), |(since, times)| (since, times + 1));
        let shown = Shown { at: now, cost, prices, command_id, since, times };
        self.shown.insert(stream.clone(), shown);
        Ok(())
    }

    /// Forgets what was shown of sessions that are over; where none is, of all.
    async fn forget_shown(&mut self) -> Result<(), DeskError> {
        let streams: Vec<_> = self.shown.keys().cloned().collect();
        for stream in streams {
            let is_over = self.session(&stream).await?.is_none_or(|it| it.stop().is_some());
            if is_over {
                self.shown.remove(&stream);
            }
        }
        if self.shown.len() >= SESSIONS_MAX {
            self.shown.clear();
        }
        Ok(())
    }

    /// Asks for what follows from a message, once. `None` where the station has too much to do.
    async fn ask_to_show(
        &self,
        intent: Intent,
        case: &Case<'_>,
    ) -> Result<Option<CommandId>, DeskError> {
        let open = self.chargebook.board().open_at(self.state.station_id);
        if open >= OPEN_COMMANDS_PER_STATION_MAX {
            return Ok(None);
        }
        let command_id = CommandId(derived_id(case.receipt_id, "shown_on_display", 0).0);
        self.chargebook.request_once(&self.state, command_id, intent).await?;
        Ok(Some(command_id))
    }
}

/// Notes for the policies whether a station is shown costs.
pub(super) fn note_display(chargebook: &Chargebook, state: &StationState) {
    let shows_cost = state.shows_costs() && !state.settings.quiet;
    chargebook.board().note_display(state.station_id, shows_cost);
}

fn so_far(
    session: &Session,
    rating: &Rating,
    register_wh: WattHours,
    at: Timestamp,
) -> CostSoFarShown {
    // Of several prices of one kind the last that held.
    let price = |dimension: LineDimension| {
        let line = rating.lines.iter().rfind(|line| line.dimension == dimension)?;
        Some(with_vat(line.unit_price, line.vat_percent))
    };
    let is_suspended = |status: &str| status.starts_with("Suspended") || status == "Finishing";
    let connector = session.statuses().last().map(|status| status.status.as_str());
    let state = session.transaction().and_then(|transaction| transaction.states().last());
    CostSoFarShown {
        at,
        register_wh,
        is_idle: connector.or(state.and_then(|(_, state)| state)).is_some_and(is_suspended),
        price_per_kwh: price(LineDimension::Energy),
        price_per_hour: price(LineDimension::Time),
        fee: price(LineDimension::Flat),
        price_per_idle_hour: price(LineDimension::ParkingTime),
    }
}
