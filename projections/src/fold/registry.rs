//! Tokens, drivers, sites, commands.

use super::decode::Sent;
use super::{Decoded, Refusal, State, in_own_stream, stream_id};
use crate::tables::{CommandRow, DriverRow, ErasedSubjectRow, Json, SiteRow, TokenRow, Word};
use crate::views::CommandState;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    CommandAnswered, CommandFailed, CommandRequested, DriverRegistered, SiteRegistered,
    SubjectErased, TokenChanged, TokenRegistered,
};
use chargebook_domain::follow_up::Gathering;
use chargebook_domain::ids::{CommandId, TokenId};

impl State {
    pub(super) fn token_registered(
        &mut self,
        event: &Decoded,
        fact: &TokenRegistered,
    ) -> Result<(), Refusal> {
        in_own_stream(event, fact.token_id.0)?;
        self.tokens.insert(
            fact.token_id,
            TokenRow {
                token_id: fact.token_id,
                position: event.position.as_u64(),
                subject_id: fact.subject_id,
                uid: Json(fact.uid.clone()),
                kind: fact.kind.clone(),
                status: Word(fact.status),
                expires_at: fact.expires_at,
                group_token: fact.group.clone().map(Json),
                driver_id: fact.driver_id,
                account_id: fact.account_id,
                registered_at: event.recorded_at,
            },
        );
        Ok(())
    }

    pub(super) fn token_changed(
        &mut self,
        event: &Decoded,
        fact: &TokenChanged,
    ) -> Result<(), Refusal> {
        let id = TokenId(stream_id(event)?);
        let row = self.tokens.touch(id).ok_or_else(|| format!("no token {id} is registered"))?;
        row.status = Word(fact.status);
        row.expires_at = fact.expires_at;
        row.group_token = fact.group.clone().map(Json);
        Ok(())
    }

    pub(super) fn driver_registered(
        &mut self,
        event: &Decoded,
        fact: &DriverRegistered,
    ) -> Result<(), Refusal> {
        self.written.drivers.push(DriverRow {
            driver_id: fact.driver_id,
            position: event.position.as_u64(),
            subject_id: fact.subject_id,
            name: Json(fact.name.clone()),
            email: fact.email.clone().map(Json),
            account_id: fact.account_id,
            registered_at: event.recorded_at,
        });
        Ok(())
    }

    pub(super) fn subject_erased(
        &mut self,
        event: &Decoded,
        fact: &SubjectErased,
    ) -> Result<(), Refusal> {
        self.written.erased.push(ErasedSubjectRow {
            subject_id: fact.subject_id,
            position: event.position.as_u64(),
            reason: fact.reason.clone(),
        });
        Ok(())
    }

    pub(super) fn site_registered(
        &mut self,
        event: &Decoded,
        fact: &SiteRegistered,
    ) -> Result<(), Refusal> {
        self.written.sites.push(SiteRow {
            site_id: fact.site_id,
            position: event.position.as_u64(),
            site: fact.site.clone(),
            name: fact.name.clone(),
            time_zone: fact.time_zone.clone(),
            address: fact.address.clone(),
            country: fact.country.clone(),
        });
        Ok(())
    }

    pub(super) fn command_requested(
        &mut self,
        event: &Decoded,
        fact: &CommandRequested,
    ) -> Result<(), Refusal> {
        in_own_stream(event, fact.command_id.0)?;
        self.commands.insert(
            fact.command_id,
            CommandRow {
                command_id: fact.command_id,
                position: event.position.as_u64(),
                station_id: fact.station_id,
                station: fact.station.clone(),
                intent: Json(fact.intent.clone()),
                state: Word(CommandState::Requested),
                action: None,
                reply_status: None,
                failure: None,
                detail: None,
                requested_at: event.recorded_at,
                expires_at: fact.expires_at,
                sent_at: None,
                finished_at: None,
                gathering: None,
            },
        );
        Ok(())
    }

    pub(super) fn command_sent(&mut self, event: &Decoded, fact: &Sent) -> Result<(), Refusal> {
        let row = self.command_row(event)?;
        row.state = Word(CommandState::Sent);
        row.action = Some(fact.action.clone());
        row.sent_at = Some(event.recorded_at);
        if fact.follow_up.is_some() {
            let mut gathering = Gathering::default();
            gathering.sent(fact.follow_up.clone());
            row.gathering = Some(Json(gathering));
        }
        Ok(())
    }

    /// The station has said more on a command that it was sent.
    /// What a station reports, at the command that asked for it where one did.
    pub(super) fn reported(&mut self, event: &Decoded, fact: &Event) -> Result<(), Refusal> {
        if event.stream.category() != "command" {
            let station = self.reporting_station(event)?;
            self.heard(station, event.recorded_at);
            return Ok(());
        }
        let row = self.command_row(event)?;
        if let Some(Json(gathering)) = &mut row.gathering {
            gathering.apply(fact);
        }
        let (station, command) = (row.station_id, row.command_id);
        self.heard(station, event.recorded_at);
        self.inventory_reported(command);
        Ok(())
    }

    pub(super) fn command_answered(
        &mut self,
        event: &Decoded,
        fact: &CommandAnswered,
    ) -> Result<(), Refusal> {
        let row = self.command_row(event)?;
        row.state = Word(CommandState::Answered);
        row.reply_status.clone_from(&fact.status);
        // An answer that came after all tells more than that none was known.
        row.failure = None;
        row.detail = None;
        row.finished_at = Some(event.recorded_at);
        if let Some(Json(gathering)) = &mut row.gathering {
            gathering.answered(fact);
        }
        let command = row.command_id;
        self.inventory_reported(command);
        Ok(())
    }

    pub(super) fn command_failed(
        &mut self,
        event: &Decoded,
        fact: &CommandFailed,
    ) -> Result<(), Refusal> {
        let row = self.command_row(event)?;
        row.state = Word(CommandState::Failed);
        row.failure = Some(Word(fact.failure));
        row.detail = Some(fact.detail.clone());
        row.finished_at = Some(event.recorded_at);
        if let Some(Json(gathering)) = &mut row.gathering {
            gathering.failed(fact.failure);
        }
        Ok(())
    }

    fn command_row(&mut self, event: &Decoded) -> Result<&mut CommandRow, Refusal> {
        let id = CommandId(stream_id(event)?);
        self.commands.touch(id).ok_or_else(|| format!("no command {id} was requested"))
    }
}
