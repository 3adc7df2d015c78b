//! The course of sessions: beginning, sampling, ending; live ones and those of the past.

use std::time::Duration;

use chrono::{DateTime, Utc};
use ocpp_kit::v1_6::{ChargePointStatus, MeterValue, ReadingContext, Reason};

use super::message::{Message, Queued, SessionKey, Start, Stop};
use super::session::{Origin, Phase, Session};
use super::{Link, Reboot, Station, Task};
use crate::fault::Fault;
use crate::observe::FleetEvent;
use crate::plan::Activity;
use crate::random::SeededRandom;

/// Longest wait of a connector before its first live session.
const FIRST_SESSION_WITHIN: Duration = Duration::from_secs(20);
/// Wait before a session is tried again that could not begin.
const BEGIN_AGAIN: Duration = Duration::from_secs(5);
/// From StopTransaction to the cable being unplugged.
const UNPLUGGED_AFTER: Duration = Duration::from_secs(5);

impl Station {
    /// Queues the finished sessions in the order of their start, each whole.
    pub(super) fn queue_past_sessions(&mut self) {
        let mut past = std::mem::take(&mut self.plan.past);
        past.sort_by_key(|one| (one.started_at, one.connector));
        for one in past {
            let Some(connector) = self.connector_mut(one.connector) else { continue };
            let session = Session::past(&one, connector.register_wh);
            connector.register_wh = session.register_wh(session.occupied);
            let key = self.take_session_key();
            self.sessions.insert(key, session.clone());
            self.queue_start(key, &session);
            let mut elapsed = Duration::ZERO;
            while elapsed < session.occupied && !one.sample_interval.is_zero() {
                self.queue_sample(key, elapsed);
                elapsed += one.sample_interval;
            }
            if session.fault == Some(Fault::MissingStop) {
                self.events.push(FleetEvent::FaultPlayed(Fault::MissingStop));
            } else {
                self.queue_stop(key, &session, session.occupied, Reason::Local);
            }
        }
    }

    /// Plans the first live session of every connector, once.
    pub(super) fn begin_live(&mut self, now: DateTime<Utc>) {
        if self.plan.tags.is_empty() {
            // Without tags there are no sessions of its own, however many were asked for.
            self.own_sessions_left = Some(0);
        }
        if std::mem::replace(&mut self.live_begun, true) || self.own_sessions_left == Some(0) {
            return;
        }
        for connector in self.connector_numbers() {
            let mut random = self.connector_random(connector, 0);
            let wait = random.duration_between(Duration::ZERO, FIRST_SESSION_WITHIN);
            self.schedule(now + self.pace.compress(wait), Task::Begin { connector });
        }
    }

    pub(super) fn perform(&mut self, task: Task, due: DateTime<Utc>, now: DateTime<Utc>) {
        match task {
            Task::Begin { connector } => self.begin_own_session(connector, now),
            Task::Sample { session, elapsed } => self.sample(session, elapsed),
            Task::Suspend { session } => {
                if let Some(connector) = self.running_connector(session) {
                    self.report_status(connector, ChargePointStatus::SuspendedEV, due);
                }
            }
            Task::End { session, reason } => self.end_session(session, reason, due),
            Task::Release { connector } => self.release(connector, now),
            Task::GoOffline { session } => self.go_offline(session, now),
            Task::Heartbeat { generation } => {
                if generation == self.heartbeat_generation {
                    if self.link == Link::Up && self.queue.is_empty() {
                        self.enqueue(Message::Heartbeat);
                    }
                    self.restart_heartbeat(now);
                }
            }
            Task::Boot => {
                if self.link == Link::Booting && self.in_flight.is_none() {
                    self.queue_boot();
                }
            }
        }
    }

    fn begin_own_session(&mut self, connector: u32, now: DateTime<Utc>) {
        if self.own_sessions_left == Some(0) || self.stopping {
            return;
        }
        let ready = self.link == Link::Up
            && self.reboot.is_none()
            && self.connector(connector).is_some_and(|one| one.operative && one.session.is_none());
        if !ready {
            self.schedule(now + self.pace.compress(BEGIN_AGAIN), Task::Begin { connector });
            return;
        }
        if let Some(left) = &mut self.own_sessions_left {
            *left -= 1;
        }
        let mut random = self.next_session_random(connector);
        let Some(tag) = random.pick(&self.plan.tags).cloned() else { return };
        self.begin_session(random, connector, tag, Origin::Own, true, now);
    }

    /// Begins a live session; the connector must be free.
    pub(super) fn begin_session(
        &mut self,
        mut random: SeededRandom,
        connector: u32,
        tag: String,
        origin: Origin,
        authorize: bool,
        now: DateTime<Utc>,
    ) {
        let key = self.take_session_key();
        let session =
            Session::live(&mut random, &self.plan, self.pace, connector, tag.clone(), origin, now);
        self.sessions.insert(key, session);
        if let Some(one) = self.connector_mut(connector) {
            one.session = Some(key);
        }
        self.report_status(connector, ChargePointStatus::Preparing, now);
        if authorize {
            self.enqueue(Message::Authorize { session: key, tag });
        } else {
            self.start_transaction(key, now);
        }
    }

    /// The token counts: energy flows from now on.
    pub(super) fn start_transaction(&mut self, key: SessionKey, now: DateTime<Utc>) {
        let Some(session) = self.sessions.get(&key) else { return };
        let connector = session.connector;
        let register_wh = self.connector(connector).map_or(0, |one| one.register_wh);
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.started_at = now;
        session.begin_register_wh = register_wh;
        session.phase = Phase::Running;
        let session = session.clone();
        if session.fault == Some(Fault::StatusDisorder) {
            self.events.push(FleetEvent::FaultPlayed(Fault::StatusDisorder));
            self.report_status(connector, ChargePointStatus::Charging, now);
            self.queue_start(key, &session);
        } else {
            self.queue_start(key, &session);
            self.report_status(connector, ChargePointStatus::Charging, now);
        }
        if session.lacks_begin_sample() {
            self.schedule_sample(key, now, Duration::ZERO);
        } else {
            self.sample(key, Duration::ZERO);
        }
        let charged = session.curve.duration();
        if charged < session.occupied {
            self.schedule(now + charged, Task::Suspend { session: key });
        }
        if session.fault == Some(Fault::OfflineGap) {
            self.schedule(now + session.occupied / 3, Task::GoOffline { session: key });
        }
        let reason = session.reason.clone();
        self.schedule(now + session.occupied, Task::End { session: key, reason });
    }

    /// Ends a session at `now`: StopTransaction for a running one, nothing but the connector's
    /// release for one whose token is still being checked.
    pub(super) fn end_session(&mut self, key: SessionKey, reason: Reason, now: DateTime<Utc>) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let connector = session.connector;
        match session.phase {
            Phase::Ended => return,
            Phase::Authorizing => {
                self.sessions.remove(&key);
                self.queue.retain(|one| {
                    !matches!(one.message, Message::Authorize { session, .. } if session == key)
                });
            }
            Phase::Running => {
                let elapsed = session.elapsed(now);
                session.phase = Phase::Ended;
                session.final_energy_wh = session.curve.energy_wh(elapsed);
                let session = session.clone();
                if let Some(one) = self.connector_mut(connector) {
                    one.register_wh = session.register_wh(elapsed);
                }
                self.queue_end(key, &session, elapsed, reason, now);
            }
        }
        if self.stopping {
            self.release(connector, now);
        } else {
            let wait = self.pace.compress(UNPLUGGED_AFTER);
            self.schedule(now + wait, Task::Release { connector });
        }
    }

    fn queue_end(
        &mut self,
        key: SessionKey,
        session: &Session,
        elapsed: Duration,
        reason: Reason,
        now: DateTime<Utc>,
    ) {
        let finishing = ChargePointStatus::Finishing;
        match session.fault {
            Some(Fault::MissingStop) => {
                self.events.push(FleetEvent::FaultPlayed(Fault::MissingStop));
                self.report_status(session.connector, finishing, now);
            }
            Some(Fault::StatusDisorder) => {
                self.report_status(session.connector, finishing, now);
                self.queue_stop(key, session, elapsed, reason);
            }
            _ => {
                self.queue_stop(key, session, elapsed, reason);
                self.report_status(session.connector, finishing, now);
            }
        }
    }

    /// The cable is unplugged: the connector is free, and plans its next session.
    fn release(&mut self, number: u32, now: DateTime<Utc>) {
        let Some(connector) = self.connector_mut(number) else { return };
        connector.session = None;
        if std::mem::take(&mut connector.closes_after_session) {
            connector.operative = false;
        }
        let status = if connector.operative {
            ChargePointStatus::Available
        } else {
            ChargePointStatus::Unavailable
        };
        self.report_status(number, status, now);
        let plans_more = self.plan.live.activity != Activity::Idle
            && self.own_sessions_left != Some(0)
            && !self.plan.tags.is_empty()
            && !self.stopping
            && !self.has_begin_planned(number);
        if plans_more {
            let ordinal = self.connector(number).map_or(0, |one| one.sessions_begun);
            let mut random = self.connector_random(number, 1_000_000 + ordinal);
            let live = &self.plan.live;
            let wait = random.duration_between(live.shortest_pause, live.longest_pause);
            self.schedule(now + self.pace.compress(wait), Task::Begin { connector: number });
        }
    }

    fn has_begin_planned(&self, number: u32) -> bool {
        self.agenda
            .values()
            .any(|task| matches!(task, Task::Begin { connector } if *connector == number))
    }

    fn go_offline(&mut self, key: SessionKey, now: DateTime<Utc>) {
        let Some(session) = self.sessions.get(&key) else { return };
        if session.phase == Phase::Running && self.reboot != Some(Reboot::Hard) {
            self.down_until = Some(now + session.occupied / 3);
            self.events.push(FleetEvent::FaultPlayed(Fault::OfflineGap));
        }
    }

    fn queue_start(&mut self, key: SessionKey, session: &Session) {
        let mut queued = Queued::from(Message::Start(Start {
            session: key,
            connector: session.connector,
            tag: session.tag.clone(),
            meter_start_wh: session.meter_start_wh(),
            at: self.station_time(session.started_at),
        }));
        queued.repeat = session.fault == Some(Fault::RepeatStart);
        queued.drop_link = session.fault == Some(Fault::DropAtStart);
        if session.lacks_begin_sample()
            && let Some(fault) = session.fault
        {
            self.events.push(FleetEvent::FaultPlayed(fault));
        }
        self.enqueue(queued);
    }

    fn queue_stop(&mut self, key: SessionKey, session: &Session, elapsed: Duration, why: Reason) {
        let mut data = Vec::new();
        if self.quirks.sends_transaction_data {
            if !session.lacks_begin_sample() {
                data.push(self.meter_value(
                    session,
                    Duration::ZERO,
                    ReadingContext::TransactionBegin,
                ));
            }
            data.push(self.meter_value(session, elapsed, ReadingContext::TransactionEnd));
        }
        let mut queued = Queued::from(Message::Stop(Stop {
            session: key,
            tag: matches!(why, Reason::Local).then(|| session.tag.clone()),
            meter_stop_wh: session.register_wh(elapsed),
            at: self.station_time(session.started_at + elapsed),
            reason: why,
            data,
        }));
        queued.repeat = session.fault == Some(Fault::RepeatStop);
        queued.drop_link = session.fault == Some(Fault::DropAtStop);
        self.enqueue(queued);
    }

    /// Takes a live sample and plans the next.
    fn sample(&mut self, key: SessionKey, elapsed: Duration) {
        let Some(session) = self.sessions.get(&key) else { return };
        if session.phase != Phase::Running {
            return;
        }
        let started_at = session.started_at;
        self.queue_sample(key, elapsed);
        self.schedule_sample(key, started_at, elapsed);
    }

    fn schedule_sample(&mut self, key: SessionKey, started_at: DateTime<Utc>, last: Duration) {
        let Some(interval) = self.configuration.sample_interval() else { return };
        let elapsed = last + self.pace.compress(interval);
        if self.sessions.get(&key).is_some_and(|session| elapsed < session.occupied) {
            self.schedule(started_at + elapsed, Task::Sample { session: key, elapsed });
        }
    }

    /// Queues the sample `elapsed` after the start; the second one carries a session's
    /// MeterValues fault.
    fn queue_sample(&mut self, key: SessionKey, elapsed: Duration) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let context = if elapsed.is_zero() {
            if session.lacks_begin_sample() {
                return;
            }
            ReadingContext::TransactionBegin
        } else {
            ReadingContext::SamplePeriodic
        };
        let mut repeat = false;
        let mut drop_link = false;
        if !elapsed.is_zero() {
            repeat = session.fault == Some(Fault::RepeatMeter);
            drop_link = session.fault == Some(Fault::DropAtMeter);
            if repeat || drop_link {
                session.fault = None;
            }
        }
        let session = session.clone();
        let value = self.meter_value(&session, elapsed, context);
        let message = Message::Meter { session: Some(key), connector: session.connector, value };
        self.enqueue(Queued { repeat, drop_link, ..message.into() });
    }

    fn meter_value(&self, session: &Session, elapsed: Duration, why: ReadingContext) -> MeterValue {
        session
            .reading(self.plan.hardware, elapsed, why, self.quirks.clock_skew_seconds)
            .meter_value(self.plan.hardware, self.quirks.register_unit)
    }

    fn running_connector(&self, key: SessionKey) -> Option<u32> {
        let session = self.sessions.get(&key)?;
        (session.phase == Phase::Running).then_some(session.connector)
    }

    fn take_session_key(&mut self) -> SessionKey {
        let key = self.next_session;
        self.next_session += 1;
        key
    }

    /// The stream of the next session on `connector`, independent of all others.
    pub(super) fn next_session_random(&mut self, connector: u32) -> SeededRandom {
        let ordinal = self.connector_mut(connector).map_or(0, |one| {
            one.sessions_begun += 1;
            one.sessions_begun
        });
        self.connector_random(connector, ordinal)
    }

    fn connector_random(&self, connector: u32, ordinal: u64) -> SeededRandom {
        let name = format!("{}/{connector}", self.plan.id);
        SeededRandom::for_thing(self.seed, &name, ordinal)
    }
}
