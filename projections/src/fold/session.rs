//! Sessions: life cycle, meter, what became of them.

use super::analytics::{microwatthours, trusted_time};
use super::decode::{Rated, Sample, Settled, Stopped};
use super::{Decoded, Refusal, State, in_own_stream, stream_id};
use crate::query::hour_of;
use crate::tables::{Json, OrphanResolutionRow, SessionMeterRow, SessionRow, Word};
use crate::views::SessionStatus;
use chargebook_domain::events::v1::{
    Anomaly, ChargingPlace, ClockTrust, Outcome, Quantity, SessionAnomalyNoted,
    SessionConnectorStatus, SessionOutcomeDecided, SessionStarted, StopMatch,
};
use chargebook_domain::ids::{Outlet, SessionId, StationId, StationIdentity, TransactionId};
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::rating::Rating;
use chargebook_domain::session::{POWER_PLAUSIBLE_W_MAX, replaces_settlement};
use chargebook_domain::units::{Timestamp, WattHours};
use rust_decimal::Decimal;

/// The station's reason where it gave none (OCPP 1.6 section 6.49).
pub(super) const STOP_REASON_DEFAULT: &str = "Local";
/// So much may be metered at once without asking how long it took: clocks have whole seconds.
const ENERGY_UNCHECKED_WH_MAX: i64 = 1_000;

/// Net and gross as an invoice over the rating has them: one price, also before there is one.
/// Without an invoice's figures (a currency that cannot be billed) the exact sums.
fn billed(rating: &Rating) -> (Decimal, Decimal) {
    match InvoiceFigures::of(rating) {
        Ok(figures) => (figures.total_net(), figures.total_gross()),
        Err(_) => (rating.total_cost.excl_vat, rating.total_cost.incl_vat),
    }
}

impl State {
    pub(super) fn session_started(
        &mut self,
        event: &Decoded,
        fact: &SessionStarted,
    ) -> Result<(), Refusal> {
        in_own_stream(event, fact.session_id.0)?;
        if self.sessions.get(fact.session_id).is_some() {
            return Err(format!("the session {} has started already", fact.session_id));
        }
        let clock_plausible = fact.clock == ClockTrust::Plausible;
        self.sessions.insert(fact.session_id, new_session(event, fact));
        self.meters
            .insert(fact.session_id, SessionMeterRow::new(fact.session_id, Some(fact.started_at)));
        let began = trusted_time(clock_plausible, fact.started_at, event.recorded_at);
        self.count_session(fact.session_id, true, began);
        let outlet = Outlet::of_station(fact.connector);
        self.occupy(fact.session_id, fact.station_id, outlet, fact.started_at);
        self.heard(fact.station_id, event.recorded_at);
        Ok(())
    }

    /// The session is what its connector shows now, unless a later one is there already.
    pub(super) fn occupy(
        &mut self,
        id: SessionId,
        station: StationId,
        outlet: Outlet,
        started_at: Timestamp,
    ) {
        let row = self.connector_row(station, outlet);
        let is_later = row.session_started_at.is_none_or(|since| since <= started_at);
        if row.session_id.is_none() || is_later {
            row.session_id = Some(id);
            row.session_started_at = Some(started_at);
        }
    }

    pub(super) fn session_metered(
        &mut self,
        event: &Decoded,
        samples: &[Sample],
    ) -> Result<(), Refusal> {
        let (id, station) = self.known_session(event)?;
        let Some(latest) = samples.iter().map(|sample| sample.sampled_at).max() else {
            return Ok(());
        };
        self.heard(station, event.recorded_at);
        self.read_begin(event, id, samples);
        self.read_export(id, samples);
        let is_latest = self
            .meters
            .get(id)
            .is_some_and(|meter| meter.sampled_at.is_none_or(|known| known <= latest));
        let session = self.sessions.get(id);
        let is_open = session.is_some_and(|row| row.status.0 == SessionStatus::Open);
        let is_final = session.is_some_and(|row| row.energy_wh.is_some());
        if is_final || !is_latest {
            // What comes late is in the log; the live picture is of the latest.
            return Ok(());
        }
        let energy_wh = self.energy_so_far(id, samples);
        if let Some(meter) = self.meters.touch(id) {
            meter.sampled_at = Some(latest);
            if let Some(power_w) = power_of(samples).filter(|_| is_open) {
                meter.power_w = Some(power_w);
            }
            if let Some(percent) = last_of(samples, Quantity::StateOfChargePercent) {
                meter.state_of_charge_percent = Some(percent);
            }
            if let Some(energy_wh) = energy_wh {
                meter.energy_wh = energy_wh;
            }
        }
        if let Some(energy_wh) = energy_wh
            && self.is_believed(id, energy_wh, latest)
        {
            self.count_energy(id, energy_wh, latest, event.recorded_at);
        }
        Ok(())
    }

    /// Whether a charger could have delivered that much since the session began: only then it
    /// is part of a sum. The session itself shows what the register says.
    fn is_believed(&self, id: SessionId, energy_wh: WattHours, at: Timestamp) -> bool {
        self.sessions.get(id).is_some_and(|row| is_plausible(energy_wh, row.started_at, at))
    }

    /// A session whose start names no register began with the earliest reading that is known. What
    /// was metered since is counted from there, should it come last.
    fn read_begin(&mut self, event: &Decoded, id: SessionId, samples: &[Sample]) {
        let Some(row) = self.sessions.get(id) else { return };
        let is_given = row.register_start_wh.is_some() && row.register_start_at.is_none();
        let Some(first) = first_register(samples).filter(|_| !is_given) else { return };
        if row.register_start_at.is_some_and(|known| first.sampled_at >= known) {
            return;
        }
        let begin_wh = WattHours(first.value);
        let known_wh = row.register_start_wh.filter(|_| row.energy_wh.is_none());
        if let Some(row) = self.sessions.touch(id) {
            row.register_start_wh = Some(begin_wh);
            row.register_start_at = Some(first.sampled_at);
        }
        let before_wh = known_wh.and_then(|known_wh| known_wh.since(begin_wh));
        let Some(before_wh) = before_wh.filter(|energy_wh| *energy_wh > WattHours::ZERO) else {
            return;
        };
        let Some(meter) = self.meters.touch(id) else { return };
        let Some(energy_wh) = meter.energy_wh.0.checked_add(before_wh.0).map(WattHours) else {
            return;
        };
        meter.energy_wh = energy_wh;
        if let Some(at) = meter.sampled_at
            && self.is_believed(id, energy_wh, at)
        {
            self.count_energy(id, energy_wh, at, event.recorded_at);
        }
    }

    /// What flowed back from the vehicle stands between the earliest and the latest reading of
    /// that register, whenever they come.
    fn read_export(&mut self, id: SessionId, samples: &[Sample]) {
        let is_register =
            |s: &&Sample| s.quantity == Quantity::EnergyExportRegisterWh && s.phase.is_none();
        for sample in samples.iter().filter(is_register) {
            let (at, register_wh) = (sample.sampled_at, WattHours(sample.value));
            let Some(meter) = self.meters.touch(id) else { return };
            if meter.export_first_at.is_none_or(|known| at < known) {
                (meter.export_first_at, meter.export_first_wh) = (Some(at), Some(register_wh));
            }
            if meter.export_last_at.is_none_or(|known| known <= at) {
                (meter.export_last_at, meter.export_last_wh) = (Some(at), Some(register_wh));
            }
        }
    }

    /// Energy by the last register reading. A begin of 0 that the
    /// laws of power contradict is a missing value: it is counted from this reading on.
    fn energy_so_far(&mut self, id: SessionId, samples: &[Sample]) -> Option<WattHours> {
        let register = last_sample(samples, Quantity::EnergyImportRegisterWh)?;
        let (at, register) = (register.sampled_at, WattHours(register.value));
        let session = self.sessions.get(id)?;
        let register_start_wh = session.register_start_wh?;
        let energy_wh = register.since(register_start_wh)?;
        let is_missing_begin = register_start_wh == WattHours::ZERO
            && session.register_start_at.is_none()
            && !is_plausible(energy_wh, session.started_at, at);
        if is_missing_begin {
            self.sessions.touch(id)?.register_start_wh = Some(register);
            return Some(WattHours::ZERO);
        }
        Some(energy_wh).filter(|energy_wh| *energy_wh >= WattHours::ZERO)
    }

    pub(super) fn session_connector_status(
        &mut self,
        event: &Decoded,
        fact: &SessionConnectorStatus,
    ) -> Result<(), Refusal> {
        let (_, station) = self.known_session(event)?;
        let outlet = Outlet { evse: fact.evse, connector: fact.connector };
        self.heard(station, event.recorded_at);
        let row = self.connector_row(station, outlet);
        // A status that a late start claims was shown when it came.
        if row.status_at.is_some_and(|known| fact.at < known) {
            return Ok(());
        }
        row.status = Some(fact.status.clone());
        row.error_code.clone_from(&fact.error_code);
        row.vendor_error_code = None;
        row.status_at = Some(fact.at);
        let said = (fact.status.as_str(), fact.error_code.as_deref());
        self.connector_said(event, station, outlet, said, None, fact.at);
        Ok(())
    }

    pub(super) fn session_stopped(
        &mut self,
        event: &Decoded,
        fact: &Stopped,
    ) -> Result<(), Refusal> {
        let (id, station) = self.known_session(event)?;
        self.heard(station, event.recorded_at);
        if fact.matched_by == StopMatch::StartCameLater {
            // The station's stream says so too, but in an append of its own.
            let (exchange, session_id) = (fact.exchange, Some(id));
            self.written.orphan_resolutions.push(OrphanResolutionRow { exchange, session_id });
        }
        let Some(row) = self.sessions.touch(id) else { return Ok(()) };
        // Of stops that differ the earliest holds, as in settlement.
        let later = row.stop_reason.is_some()
            && row.ended_at.is_some_and(|ended_at| ended_at <= fact.stopped_at);
        if later || row.status.0 == SessionStatus::Settled {
            self.end(id);
            return Ok(());
        }
        row.ended_at = Some(fact.stopped_at);
        row.stop_reason = Some(fact.reason.clone().unwrap_or(STOP_REASON_DEFAULT.to_owned()));
        let begin = row.register_start_wh;
        let energy_wh = begin.and_then(|begin| fact.meter_stop.register_wh.since(begin));
        let energy_wh = energy_wh.filter(|energy_wh| *energy_wh >= WattHours::ZERO);
        if let Some(energy_wh) = energy_wh {
            row.energy_wh = Some(energy_wh);
        }
        if let Some(energy_wh) = energy_wh
            && self.is_believed(id, energy_wh, fact.stopped_at)
        {
            self.count_energy(id, energy_wh, fact.stopped_at, event.recorded_at);
        }
        self.end(id);
        Ok(())
    }

    pub(super) fn session_superseded(&mut self, event: &Decoded) -> Result<(), Refusal> {
        let (id, _) = self.known_session(event)?;
        self.end(id);
        Ok(())
    }

    /// It runs no more, and its connector shows it no more.
    pub(super) fn end(&mut self, id: SessionId) {
        let Some(row) = self.sessions.touch(id) else { return };
        let was_open = row.status.0 == SessionStatus::Open;
        if was_open {
            row.status = Word(SessionStatus::Stopped);
        }
        let evse = row.evse;
        let outlet = row.connector.map(|connector| Outlet { evse, connector });
        let station_id = row.station_id;
        let transaction = row.transaction_id.0.to_string();
        if self.meters.get(id).is_some_and(|meter| meter.power_w.is_some())
            && let Some(meter) = self.meters.touch(id)
        {
            meter.power_w = None;
        }
        let key = outlet.map(|outlet| (station_id, outlet));
        let is_there = |key: &_| {
            self.connectors.get(*key).is_some_and(|connector| connector.session_id == Some(id))
        };
        let place = key.filter(is_there).map(|(_, outlet)| ChargingPlace {
            evse: outlet.evse,
            connector: Some(outlet.connector).filter(|_| outlet.evse.is_none()),
        });
        if was_open {
            self.charging_over(station_id, &transaction, place);
        }
        let Some(key) = key else { return };
        if self.connectors.get(key).is_some_and(|connector| connector.session_id == Some(id))
            && let Some(connector) = self.connectors.touch(key)
        {
            connector.session_id = None;
            connector.session_started_at = None;
        }
    }

    pub(super) fn session_anomaly_noted(
        &mut self,
        event: &Decoded,
        fact: &SessionAnomalyNoted,
    ) -> Result<(), Refusal> {
        let (id, _) = self.known_session(event)?;
        if let Some(row) = self.sessions.touch(id)
            && !row.anomalies.0.contains(&fact.anomaly)
        {
            row.anomalies.0.push(fact.anomaly);
            row.anomalies.0.sort_unstable();
        }
        Ok(())
    }

    pub(super) fn session_settled(
        &mut self,
        event: &Decoded,
        fact: &Settled,
    ) -> Result<(), Refusal> {
        let (id, _) = self.known_session(event)?;
        self.end(id);
        if let Some(row) = self.sessions.touch(id) {
            row.status = Word(SessionStatus::Settled);
            row.started_at = fact.started_at;
            row.ended_at = Some(fact.ended_at);
            row.energy_wh = Some(fact.energy_wh);
            row.settled_event = Some(event.id);
            row.clock_plausible = true;
            // Those that were noted before are among them.
            row.anomalies.0.clone_from(&fact.anomalies);
        }
        self.count_energy(id, fact.energy_wh, fact.ended_at, event.recorded_at);
        Ok(())
    }

    pub(super) fn session_rated(&mut self, event: &Decoded, fact: &Rated) -> Result<(), Refusal> {
        let (id, _) = self.known_session(event)?;
        if let Some(row) = self.sessions.touch(id) {
            let (net, gross) = billed(&fact.rating);
            row.cost_net = Some(net);
            row.cost_gross = Some(gross);
            row.currency = Some(fact.rating.currency.clone());
            row.settled_event = Some(fact.settled);
            row.rated_event = Some(event.id);
            row.rated_position = Some(event.position.as_u64());
            row.anomalies.0.retain(|noted| *noted != Anomaly::PaymentDiffers);
        }
        Ok(())
    }

    pub(super) fn session_outcome_decided(
        &mut self,
        event: &Decoded,
        fact: &SessionOutcomeDecided,
    ) -> Result<(), Refusal> {
        let (id, _) = self.known_session(event)?;
        self.end(id);
        let Some(row) = self.sessions.touch(id) else { return Ok(()) };
        if replaces_settlement(row.outcome.as_ref().map(|last| last.0), fact) {
            row.anomalies.0.retain(|noted| *noted != Anomaly::PaymentDiffers);
        }
        row.outcome = Some(Word(fact.outcome));
        row.reason.clone_from(&fact.reason);
        row.detail.clone_from(&fact.detail);
        row.owner.clone_from(&fact.owner);
        row.resolved_by.clone_from(&fact.resolved_by);
        if fact.invoice.is_some() {
            row.invoice.clone_from(&fact.invoice);
        }
        let began = trusted_time(row.clock_plausible, row.started_at, event.recorded_at);
        self.count_session(id, fact.outcome != Outcome::Void, began);
        Ok(())
    }

    /// Counts a session in the hour it began in, or takes that back.
    pub(super) fn count_session(&mut self, id: SessionId, counts: bool, began: Timestamp) {
        let Some(row) = self.sessions.touch(id) else { return };
        let site_id = row.site_id;
        match (row.counted_hour, counts) {
            (None, true) => {
                row.counted_hour = Some(hour_of(began));
                self.add_energy_hour(hour_of(began), site_id, 0, 1);
            }
            (Some(hour), false) => {
                row.counted_hour = None;
                self.add_energy_hour(hour, site_id, 0, -1);
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// Counts what has been added to a session's energy since it was last counted.
    fn count_energy(
        &mut self,
        id: SessionId,
        energy_wh: WattHours,
        at: Timestamp,
        recorded_at: Timestamp,
    ) {
        let Some(session) = self.sessions.get(id) else { return };
        let (site_id, clock_plausible) = (session.site_id, session.clock_plausible);
        let Some(total) = microwatthours(energy_wh) else { return };
        let Some(counted) = self.meters.get(id).map(|meter| meter.counted_microwatthours) else {
            return;
        };
        if counted == total {
            return;
        }
        if let Some(meter) = self.meters.touch(id) {
            meter.counted_microwatthours = total;
        }
        let hour = hour_of(trusted_time(clock_plausible, at, recorded_at));
        self.add_energy_hour(hour, site_id, total - counted, 0);
    }

    pub(super) fn known_session(&self, event: &Decoded) -> Result<(SessionId, StationId), Refusal> {
        let id = SessionId(stream_id(event)?);
        let row = self.sessions.get(id).ok_or_else(|| format!("no session {id} has started"))?;
        Ok((id, row.station_id))
    }
}

/// A session of a StartTransaction, which tells all at once.
fn new_session(event: &Decoded, fact: &SessionStarted) -> SessionRow {
    let station = (fact.station_id, fact.station.clone());
    let transaction_id = TransactionId::Number(fact.transaction_id);
    SessionRow {
        connector: Some(fact.connector),
        site_id: fact.site_id,
        time_zone: fact.time_zone.clone(),
        id_tag: Some(Json(fact.id_tag.clone())),
        token_id: fact.token_id,
        account_id: fact.account_id,
        authorization: Some(Word(fact.authorization)),
        clock_plausible: fact.clock == ClockTrust::Plausible,
        register_start_wh: Some(fact.meter_start.register_wh),
        started_at: fact.started_at,
        ..SessionRow::open(event, fact.session_id, station, transaction_id)
    }
}

impl SessionRow {
    /// A session of which nothing is known but that it is there.
    pub(super) fn open(
        event: &Decoded,
        session_id: SessionId,
        (station_id, station): (StationId, StationIdentity),
        transaction_id: TransactionId,
    ) -> Self {
        Self {
            session_id,
            position: event.position.as_u64(),
            station_id,
            station,
            evse: None,
            connector: None,
            transaction_id: Json(transaction_id),
            site_id: None,
            time_zone: String::new(),
            id_tag: None,
            token_id: None,
            account_id: None,
            authorization: None,
            token_sequence: None,
            token_ends: false,
            status: Word(SessionStatus::Open),
            clock_plausible: true,
            register_start_wh: None,
            register_start_at: None,
            started_at: event.recorded_at,
            ended_at: None,
            stop_reason: None,
            energy_wh: None,
            cost_net: None,
            cost_gross: None,
            currency: None,
            outcome: None,
            reason: None,
            detail: None,
            owner: None,
            resolved_by: None,
            invoice: None,
            anomalies: Json(Vec::new()),
            payment: None,
            settled_event: None,
            rated_event: None,
            rated_position: None,
            counted_hour: None,
        }
    }
}

/// The earliest reading of the whole import register.
fn first_register(samples: &[Sample]) -> Option<&Sample> {
    let is_register =
        |s: &&Sample| s.quantity == Quantity::EnergyImportRegisterWh && s.phase.is_none();
    samples.iter().filter(is_register).min_by_key(|sample| sample.sampled_at)
}

/// The latest sample of the whole; of equally late ones the last.
fn last_sample(samples: &[Sample], quantity: Quantity) -> Option<&Sample> {
    let of_quantity = samples.iter().filter(|s| s.quantity == quantity && s.phase.is_none());
    of_quantity.max_by_key(|sample| sample.sampled_at)
}

fn last_of(samples: &[Sample], quantity: Quantity) -> Option<Decimal> {
    last_sample(samples, quantity).map(|sample| sample.value)
}

/// The latest power: of the whole, or the sum of the phases.
fn power_of(samples: &[Sample]) -> Option<Decimal> {
    if let Some(power_w) = last_of(samples, Quantity::PowerImportW) {
        return Some(power_w);
    }
    let phases =
        || samples.iter().filter(|s| s.quantity == Quantity::PowerImportW && s.is_single_phase());
    let latest = phases().map(|sample| sample.sampled_at).max()?;
    let values = phases().filter(|sample| sample.sampled_at == latest).map(|s| s.value);
    values.into_iter().try_fold(Decimal::ZERO, |sum, value| sum.checked_add(value))
}

/// Whether a charger could have delivered that much in that time.
fn is_plausible(energy_wh: WattHours, from: Timestamp, to: Timestamp) -> bool {
    if energy_wh < WattHours::ZERO {
        return false;
    }
    if energy_wh.0 <= Decimal::from(ENERGY_UNCHECKED_WH_MAX) {
        return true;
    }
    let seconds = Decimal::from(to.seconds_since(from));
    let limit = Decimal::from(POWER_PLAUSIBLE_W_MAX).checked_mul(seconds);
    let used = energy_wh.0.checked_mul(Decimal::from(3_600));
    matches!((used, limit), (Some(used), Some(limit)) if used <= limit)
}
