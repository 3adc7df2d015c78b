//! Stations and connectors.

use super::{Decoded, Refusal, State, in_own_stream, stream_id};
use crate::tables::{
    ConnectorRow, EvseKey, Json, OrphanResolutionRow, OrphanStopRow, SecurityEventRow, StationRow,
    StationSeenRow, Word,
};
use chargebook_domain::events::v1::{
    CostDisplay, Dialect, Registration, StationBooted, StationConnected, StationConnectorDeclared,
    StationConnectorStatus, StationCostDisplayTold, StationDisconnected, StationOrphanRecorded,
    StationOrphanResolved, StationQuirkNoticed, StationRegistered, StationSecurityNoted,
    StationSecurityProfileAgreed, StationSecurityProfileRequired, StationSerialNumberSet,
    StationSettings, StationSettingsChanged, StationSiteAssigned,
};
use chargebook_domain::ids::{Outlet, StationId};
use chargebook_domain::units::Timestamp;

impl State {
    pub(super) fn heard(&mut self, station: StationId, at: Timestamp) {
        if self.stations.get(station).is_none() {
            return;
        }
        let row = || StationSeenRow { station_id: station, last_seen: at };
        let row = self.seen.touch_or_insert(station, row);
        row.last_seen = row.last_seen.max(at);
    }

    pub(super) fn station_registered(
        &mut self,
        event: &Decoded,
        fact: &StationRegistered,
    ) -> Result<(), Refusal> {
        in_own_stream(event, fact.station_id.0)?;
        let identity = fact.station.as_str();
        if self.identities.contains_key(identity) {
            return Err(format!("a station `{identity}` is registered already"));
        }
        if self.stations.get(fact.station_id).is_some() {
            return Err(format!("the station {} is registered already", fact.station_id));
        }
        self.identities.insert(identity.to_owned(), fact.station_id);
        self.stations.insert(
            fact.station_id,
            StationRow {
                station_id: fact.station_id,
                station: fact.station.clone(),
                site_id: fact.site_id,
                serial_number: None,
                registered_at: event.recorded_at,
                accepted: false,
                registration: None,
                boot: None,
                booted_at: None,
                epoch: 0,
                connected: false,
                protocol: None,
                security_profile: None,
                security_profile_agreed: None,
                security_profile_required: 0,
                remote: None,
                connected_at: None,
                disconnected_at: None,
                disconnect_reason: None,
                settings: Json(StationSettings::default()),
                noticed: Json(Dialect::STANDARD),
                cost_display: Json(CostDisplay::default()),
            },
        );
        Ok(())
    }

    pub(super) fn station_site_assigned(
        &mut self,
        event: &Decoded,
        fact: &StationSiteAssigned,
    ) -> Result<(), Refusal> {
        self.station_row(event)?.site_id = fact.site_id;
        Ok(())
    }

    pub(super) fn station_serial_number_set(
        &mut self,
        event: &Decoded,
        fact: &StationSerialNumberSet,
    ) -> Result<(), Refusal> {
        self.station_row(event)?.serial_number.clone_from(&fact.serial_number);
        Ok(())
    }

    pub(super) fn station_settings_changed(
        &mut self,
        event: &Decoded,
        fact: &StationSettingsChanged,
    ) -> Result<(), Refusal> {
        self.station_row(event)?.settings = Json(fact.settings);
        Ok(())
    }

    pub(super) fn cost_display_told(
        &mut self,
        event: &Decoded,
        fact: &StationCostDisplayTold,
    ) -> Result<(), Refusal> {
        self.station_row(event)?.cost_display = Json(fact.display);
        Ok(())
    }

    pub(super) fn security_profile_agreed(
        &mut self,
        event: &Decoded,
        fact: &StationSecurityProfileAgreed,
    ) -> Result<(), Refusal> {
        self.station_row(event)?.security_profile_agreed = Some(fact.security_profile);
        Ok(())
    }

    pub(super) fn security_profile_required(
        &mut self,
        event: &Decoded,
        fact: &StationSecurityProfileRequired,
    ) -> Result<(), Refusal> {
        let row = self.station_row(event)?;
        row.security_profile_required = fact.security_profile;
        row.security_profile_agreed =
            row.security_profile_agreed.filter(|agreed| *agreed > fact.security_profile);
        Ok(())
    }

    pub(super) fn station_quirk_noticed(
        &mut self,
        event: &Decoded,
        fact: &StationQuirkNoticed,
    ) -> Result<(), Refusal> {
        self.station_row(event)?.noticed.0.insert(fact.quirk);
        Ok(())
    }

    pub(super) fn station_connected(
        &mut self,
        event: &Decoded,
        fact: &StationConnected,
    ) -> Result<(), Refusal> {
        let row = self.station_row(event)?;
        if fact.epoch < row.epoch {
            return Ok(());
        }
        row.epoch = fact.epoch;
        row.connected = true;
        row.protocol = Some(fact.protocol.clone());
        row.security_profile = Some(fact.security_profile);
        row.remote = Some(fact.remote.clone());
        row.connected_at = Some(event.recorded_at);
        let station = row.station_id;
        self.heard(station, event.recorded_at);
        Ok(())
    }

    /// The end of a connection that another one has replaced says nothing about the station.
    pub(super) fn station_disconnected(
        &mut self,
        event: &Decoded,
        fact: &StationDisconnected,
    ) -> Result<(), Refusal> {
        let row = self.station_row(event)?;
        if fact.epoch == row.epoch {
            row.connected = false;
            row.disconnected_at = Some(event.recorded_at);
            row.disconnect_reason = Some(fact.reason.clone());
        }
        Ok(())
    }

    pub(super) fn station_booted(
        &mut self,
        event: &Decoded,
        fact: &StationBooted,
    ) -> Result<(), Refusal> {
        let row = self.station_row(event)?;
        row.boot = Some(Json(fact.boot.clone()));
        row.booted_at = Some(event.recorded_at);
        row.registration = Some(Word(fact.registration));
        row.accepted |= fact.registration == Registration::Accepted;
        let station = row.station_id;
        self.heard(station, event.recorded_at);
        Ok(())
    }

    pub(super) fn connector_declared(
        &mut self,
        event: &Decoded,
        fact: &StationConnectorDeclared,
    ) -> Result<(), Refusal> {
        let station = self.known_station(event)?;
        let row =
            self.connector_row(station, Outlet { evse: fact.evse, connector: fact.connector });
        row.evse_id.clone_from(&fact.evse_id);
        row.plug.clone_from(&fact.plug);
        row.power_w_max = fact.power_w_max;
        Ok(())
    }

    pub(super) fn station_connector_status(
        &mut self,
        event: &Decoded,
        fact: &StationConnectorStatus,
    ) -> Result<(), Refusal> {
        let station = self.known_station(event)?;
        let row =
            self.connector_row(station, Outlet { evse: fact.evse, connector: fact.connector });
        row.status = Some(fact.status.clone());
        row.error_code.clone_from(&fact.error_code);
        row.vendor_error_code.clone_from(&fact.vendor_error_code);
        row.status_at = Some(fact.at);
        let outlet = Outlet { evse: fact.evse, connector: fact.connector };
        let said = (fact.status.as_str(), fact.error_code.as_deref());
        let vendor_error_code = fact.vendor_error_code.as_deref();
        self.connector_said(event, station, outlet, said, vendor_error_code, fact.at);
        self.heard(station, event.recorded_at);
        Ok(())
    }

    pub(super) fn security_noted(
        &mut self,
        event: &Decoded,
        fact: &StationSecurityNoted,
    ) -> Result<(), Refusal> {
        let station_id = StationId(stream_id(event)?);
        self.security_said(event, station_id, fact);
        self.written.security_events.push(SecurityEventRow {
            position: event.position.as_u64(),
            station_id,
            kind: fact.kind.clone(),
            seen_by: Word(fact.seen_by),
            at: fact.at,
            recorded_at: event.recorded_at,
            detail: fact.detail.clone().map(Json),
            exchange: fact.exchange,
        });
        Ok(())
    }

    pub(super) fn orphan_recorded(
        &mut self,
        event: &Decoded,
        fact: &StationOrphanRecorded,
    ) -> Result<(), Refusal> {
        let station_id = self.station_row(event)?.station_id;
        let orphan = &fact.orphan;
        self.written.orphan_stops.push(OrphanStopRow {
            exchange: orphan.exchange,
            position: event.position.as_u64(),
            station_id,
            transaction_id: orphan.transaction_id,
            register_stop_wh: orphan.meter_stop_wh,
            stopped_at: orphan.stopped_at,
            received_at: orphan.received_at,
            stop_reason: orphan.reason.clone(),
            id_tag: orphan.id_tag.clone().map(Json),
            is_foreign: orphan.is_foreign,
        });
        self.heard(station_id, event.recorded_at);
        Ok(())
    }

    pub(super) fn orphan_resolved(
        &mut self,
        event: &Decoded,
        fact: &StationOrphanResolved,
    ) -> Result<(), Refusal> {
        self.station_row(event)?;
        let (exchange, session_id) = (fact.exchange, fact.session_id);
        self.written.orphan_resolutions.push(OrphanResolutionRow { exchange, session_id });
        Ok(())
    }

    pub(super) fn connector_row(
        &mut self,
        station: StationId,
        outlet: Outlet,
    ) -> &mut ConnectorRow {
        self.connectors.touch_or_insert((station, outlet), || ConnectorRow {
            station_id: station,
            evse: EvseKey(outlet.evse),
            connector: outlet.connector,
            status: None,
            error_code: None,
            vendor_error_code: None,
            status_at: None,
            evse_id: None,
            plug: None,
            power_w_max: None,
            session_id: None,
            session_started_at: None,
        })
    }

    pub(super) fn known_station(&self, event: &Decoded) -> Result<StationId, Refusal> {
        let station = StationId(stream_id(event)?);
        match self.stations.get(station) {
            Some(_) => Ok(station),
            None => Err(format!("no station {station} is registered")),
        }
    }

    /// The row of the station whose stream the event is in, for changing.
    fn station_row(&mut self, event: &Decoded) -> Result<&mut StationRow, Refusal> {
        let station = self.known_station(event)?;
        self.stations.touch(station).ok_or_else(|| format!("no station {station} is registered"))
    }
}
