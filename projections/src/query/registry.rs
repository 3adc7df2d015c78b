//! Tokens, drivers, sites, commands, and what was parked.

use super::Paging;
use super::select::{Cursor, Select, column};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{
    CommandRow, DriverRow, Json, ParkedEventRow, Row as _, SiteRow, TokenRow, Word,
};
use crate::views::{Command, Driver, Page, ParkedEvent, Site, Token};
use chargebook_domain::ids::{CommandId, DriverId, TokenId};
use sqlx::sqlite::SqliteRow;

impl ReadModels {
    /// Tokens, newest first; of one driver where one is named.
    pub async fn list_tokens(
        &self,
        driver: Option<DriverId>,
        paging: &Paging,
    ) -> Result<Page<Token>, QueryError> {
        let cursor = Cursor::new("tokens", paging)?;
        let mut select = select_tokens();
        select.filter("driver_id = ?", driver.as_ref())?;
        select.filter("position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY position DESC");
        cursor.limit(&mut select)?;
        let rows: Vec<TokenRow> = select.read(&self.pool()).await?;
        let page = cursor.page(rows, |row| row.position.to_string());
        Ok(Page { items: page.items.into_iter().map(token_view).collect(), next: page.next })
    }

    /// One token.
    pub async fn token(&self, id: TokenId) -> Result<Option<Token>, QueryError> {
        let mut select = select_tokens();
        select.filter("token_id = ?", Some(&id))?;
        let mut rows: Vec<TokenRow> = select.read(&self.pool()).await?;
        Ok(rows.pop().map(token_view))
    }

    /// Drivers, newest first.
    pub async fn list_drivers(&self, paging: &Paging) -> Result<Page<Driver>, QueryError> {
        let cursor = Cursor::new("drivers", paging)?;
        let mut select = select_drivers();
        select.filter("d.position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY d.position DESC");
        cursor.limit(&mut select)?;
        let drivers = read_drivers(&select.rows(&self.pool()).await?)?;
        let page = cursor.page(drivers, |(position, _)| position.to_string());
        let items = page.items.into_iter().map(|(_, driver)| driver).collect();
        Ok(Page { items, next: page.next })
    }

    /// One driver.
    pub async fn driver(&self, id: DriverId) -> Result<Option<Driver>, QueryError> {
        let mut select = select_drivers();
        select.filter("d.driver_id = ?", Some(&id))?;
        let driver = read_drivers(&select.rows(&self.pool()).await?)?.pop();
        Ok(driver.map(|(_, driver)| driver))
    }

    /// The sites, by name in the API.
    pub async fn list_sites(&self) -> Result<Vec<Site>, QueryError> {
        let mut select = select_sites();
        select.push(" ORDER BY site");
        let rows: Vec<SiteRow> = select.read(&self.pool()).await?;
        Ok(rows.into_iter().map(site_view).collect())
    }

    /// One site, by its name in the API.
    pub async fn site(&self, site: &str) -> Result<Option<Site>, QueryError> {
        let mut select = select_sites();
        select.filter("site = ?", Some(&site.to_owned()))?;
        let mut rows: Vec<SiteRow> = select.read(&self.pool()).await?;
        Ok(rows.pop().map(site_view))
    }

    /// Commands, newest first; to one station where one is named.
    pub async fn list_commands(
        &self,
        station: Option<&str>,
        paging: &Paging,
    ) -> Result<Page<Command>, QueryError> {
        let cursor = Cursor::new("commands", paging)?;
        let mut select = select_commands();
        select.filter("station = ?", station.map(str::to_owned).as_ref())?;
        select.filter("position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY position DESC");
        cursor.limit(&mut select)?;
        let rows: Vec<CommandRow> = select.read(&self.pool()).await?;
        let commands = rows.into_iter().map(command_view).collect();
        Ok(cursor.page(commands, |command: &Command| command.position.to_string()))
    }

    /// One command.
    pub async fn command(&self, id: CommandId) -> Result<Option<Command>, QueryError> {
        let mut select = select_commands();
        select.filter("command_id = ?", Some(&id))?;
        let mut rows: Vec<CommandRow> = select.read(&self.pool()).await?;
        Ok(rows.pop().map(command_view))
    }

    /// What the read models could not take in, newest first.
    pub async fn list_parked_events(
        &self,
        paging: &Paging,
    ) -> Result<Page<ParkedEvent>, QueryError> {
        let cursor = Cursor::new("parked_events", paging)?;
        let columns = ParkedEventRow::TABLE.column_list("");
        let mut select = Select::new(format!("SELECT {columns} FROM parked_events"));
        select.filter("position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY position DESC");
        cursor.limit(&mut select)?;
        let rows: Vec<ParkedEventRow> = select.read(&self.pool()).await?;
        let parked = rows.into_iter().map(parked_view).collect();
        Ok(cursor.page(parked, |event: &ParkedEvent| event.position.to_string()))
    }
}

fn select_tokens() -> Select {
    Select::new(format!("SELECT {} FROM tokens", TokenRow::TABLE.column_list("")))
}

fn token_view(row: TokenRow) -> Token {
    Token {
        token_id: row.token_id,
        subject_id: row.subject_id,
        uid: row.uid.0,
        kind: row.kind,
        status: row.status.0,
        expires_at: row.expires_at,
        group: row.group_token.map(|Json(group)| group),
        driver_id: row.driver_id,
        account_id: row.account_id,
        registered_at: row.registered_at,
    }
}

fn select_drivers() -> Select {
    Select::new(format!(
        "SELECT {}, e.subject_id IS NOT NULL FROM drivers d \
         LEFT JOIN erased_subjects e ON e.subject_id = d.subject_id",
        DriverRow::TABLE.column_list("d.")
    ))
}

fn read_drivers(rows: &[SqliteRow]) -> Result<Vec<(u64, Driver)>, ProjectionError> {
    let read = |row: &SqliteRow| {
        let erased = column(row, DriverRow::TABLE.columns.len())?;
        let row = DriverRow::read(row, 0)?;
        let driver = Driver {
            driver_id: row.driver_id,
            subject_id: row.subject_id,
            name: row.name.0,
            email: row.email.map(|Json(email)| email),
            account_id: row.account_id,
            registered_at: row.registered_at,
            erased,
        };
        Ok((row.position, driver))
    };
    rows.iter().map(read).collect()
}

fn select_sites() -> Select {
    Select::new(format!("SELECT {} FROM sites", SiteRow::TABLE.column_list("")))
}

fn site_view(row: SiteRow) -> Site {
    Site {
        id: row.site,
        site_id: row.site_id,
        name: row.name,
        time_zone: row.time_zone,
        address: row.address,
        country: row.country,
    }
}

fn select_commands() -> Select {
    Select::new(format!("SELECT {} FROM commands", CommandRow::TABLE.column_list("")))
}

fn command_view(row: CommandRow) -> Command {
    Command {
        command_id: row.command_id,
        station: row.station,
        station_id: row.station_id,
        intent: row.intent.0,
        state: row.state.0,
        action: row.action,
        reply_status: row.reply_status,
        failure: row.failure.map(|Word(failure)| failure),
        detail: row.detail,
        requested_at: row.requested_at,
        expires_at: row.expires_at,
        sent_at: row.sent_at,
        finished_at: row.finished_at,
        complete: row.gathering.and_then(|Json(gathering)| gathering.is_complete()),
        position: row.position,
    }
}

pub(crate) fn parked_view(row: ParkedEventRow) -> ParkedEvent {
    ParkedEvent {
        position: row.position,
        event_id: row.event_id,
        stream: row.stream,
        event_type: row.event_type,
        schema_version: row.schema_version,
        reason: row.reason,
    }
}
