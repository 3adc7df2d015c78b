//! What a batch changed, for whoever watches; told from the rows that it touched.

use super::State;
use crate::changes::{Change, ChangeKind};
use crate::query::DEFAULT_TARIFF_SETTING;
use chargebook_domain::ids::{SessionId, StationId};
use std::collections::BTreeSet;

impl State {
    /// Each row once, in order.
    pub(super) fn changes(&self) -> Vec<Change> {
        let mut changes = BTreeSet::new();
        let sessions = self.changed_sessions();
        let stations = self.changed_stations(&sessions);
        let identities = stations.iter().filter_map(|id| self.stations.get(*id));
        add(&mut changes, ChangeKind::Station, identities.map(|row| row.station.as_str()));
        add(&mut changes, ChangeKind::Session, sessions);
        add(&mut changes, ChangeKind::Command, self.commands.dirty().map(|row| row.command_id));
        add(&mut changes, ChangeKind::Token, self.tokens.dirty().map(|row| row.token_id));
        add(&mut changes, ChangeKind::Alert, self.alerts.dirty().map(|row| row.alert_id));
        let written = &self.written;
        add(&mut changes, ChangeKind::Account, written.accounts.iter().map(|row| row.account_id));
        let limited = written.account_limits.iter().map(|row| row.account_id);
        add(&mut changes, ChangeKind::Account, limited);
        let posted = written.balances.values().filter_map(|balance| balance.account_id);
        add(&mut changes, ChangeKind::Account, posted);
        add(&mut changes, ChangeKind::Driver, written.drivers.iter().map(|row| row.driver_id));
        add(&mut changes, ChangeKind::Subject, written.erased.iter().map(|row| row.subject_id));
        add(&mut changes, ChangeKind::Invoice, written.invoices.iter().map(|row| &row.number));
        add(&mut changes, ChangeKind::ParkedEvent, written.parked.iter().map(|row| row.position));
        let noted = written.security_events.iter().map(|row| row.position);
        add(&mut changes, ChangeKind::SecurityEvent, noted);
        let set = written.settings.iter().map(|_| DEFAULT_TARIFF_SETTING);
        add(&mut changes, ChangeKind::Setting, set);
        add(&mut changes, ChangeKind::Site, written.sites.iter().map(|row| &row.site));
        add(
            &mut changes,
            ChangeKind::Tariff,
            written.tariff_versions.iter().map(|row| &row.tariff),
        );
        changes.into_iter().collect()
    }

    fn changed_sessions(&self) -> BTreeSet<SessionId> {
        let rows = self.sessions.dirty().map(|row| row.session_id);
        rows.chain(self.meters.dirty().map(|row| row.session_id)).collect()
    }

    /// A station shows its reservations and its connectors, and these their sessions. That a
    /// station was heard of is no change worth telling.
    fn changed_stations(&self, sessions: &BTreeSet<SessionId>) -> BTreeSet<StationId> {
        let rows = self.stations.dirty().map(|row| row.station_id);
        let connectors = self.connectors.dirty().map(|row| row.station_id);
        let sessions = sessions.iter().filter_map(|id| self.sessions.get(*id));
        let certificates = self.certificates.dirty().map(|row| row.station_id);
        let plans = self.written.charging_plans.keys().copied();
        let profiles = self.written.charging_profiles.keys().map(|(station, _)| *station);
        let monitoring = self.monitoring.dirty().map(|row| row.station_id);
        let energy = self.station_energy.dirty().map(|row| row.station_id);
        let reservations = self.reservations.dirty().map(|row| row.station_id);
        rows.chain(connectors)
            .chain(certificates)
            .chain(reservations)
            .chain(plans)
            .chain(monitoring)
            .chain(energy)
            .chain(profiles)
            .chain(sessions.map(|row| row.station_id))
            .collect()
    }
}

fn add(
    changes: &mut BTreeSet<Change>,
    kind: ChangeKind,
    ids: impl IntoIterator<Item = impl ToString>,
) {
    changes.extend(ids.into_iter().map(|id| Change { kind, id: id.to_string() }));
}
