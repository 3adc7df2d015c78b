//! Invoices, the audit index, accounts and tariffs.

use super::select::{Cursor, Select, column};
use super::{InvoiceFilter, Paging};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{
    AccountLimitRow, AccountRow, AuditRow, BalanceRow, InvoiceRow, Row as _, TariffVersionRow,
};
use crate::views::{Account, AccountLimit, AuditEntry, Balance, Invoice, Page, TariffVersion};
use chargebook_domain::ids::AccountId;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

/// Name of the setting that holds the default tariff's uuid.
pub(crate) const DEFAULT_TARIFF_SETTING: &str = "default_tariff";

impl ReadModels {
    /// Invoices and credit notes, newest first.
    pub async fn list_invoices(
        &self,
        filter: &InvoiceFilter,
        paging: &Paging,
    ) -> Result<Page<Invoice>, QueryError> {
        let cursor = Cursor::new("invoices", paging)?;
        let mut select = select_invoices();
        select.filter("session_id = ?", filter.session_id.as_ref())?;
        select.filter("account_id = ?", filter.account_id.as_ref())?;
        select.filter("position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY position DESC");
        cursor.limit(&mut select)?;
        let rows: Vec<InvoiceRow> = select.read(&self.pool()).await?;
        let invoices = rows.into_iter().map(invoice_view).collect();
        Ok(cursor.page(invoices, |invoice: &Invoice| invoice.position.to_string()))
    }

    /// One invoice or credit note.
    pub async fn invoice(&self, number: &str) -> Result<Option<Invoice>, QueryError> {
        let mut select = select_invoices();
        select.filter("number = ?", Some(&number.to_owned()))?;
        let mut rows: Vec<InvoiceRow> = select.read(&self.pool()).await?;
        Ok(rows.pop().map(invoice_view))
    }

    /// What an invoice rests on.
    pub async fn audit_entry(&self, invoice: &str) -> Result<Option<AuditEntry>, QueryError> {
        let columns = AuditRow::TABLE.column_list("");
        let mut select = Select::new(format!("SELECT {columns} FROM audit_index"));
        select.filter("invoice = ?", Some(&invoice.to_owned()))?;
        let mut rows: Vec<AuditRow> = select.read(&self.pool()).await?;
        Ok(rows.pop().map(audit_view))
    }

    /// Accounts with their balances, newest first.
    pub async fn list_accounts(&self, paging: &Paging) -> Result<Page<Account>, QueryError> {
        let cursor = Cursor::new("accounts", paging)?;
        let mut select = select_accounts();
        select.filter("position < ?", cursor.after_position()?.as_ref())?;
        select.push(" ORDER BY position DESC");
        cursor.limit(&mut select)?;
        let mut transaction = self.pool().begin().await?;
        let accounts = read_accounts(select, &mut transaction).await?;
        let page = cursor.page(accounts, |(position, _)| position.to_string());
        let items = page.items.into_iter().map(|(_, account)| account).collect();
        Ok(Page { items, next: page.next })
    }

    /// One account with its balances.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, QueryError> {
        let mut select = select_accounts();
        select.filter("account_id = ?", Some(&id))?;
        let mut transaction = self.pool().begin().await?;
        let account = read_accounts(select, &mut transaction).await?.pop();
        Ok(account.map(|(_, account)| account))
    }

    /// All ledger accounts, by name and currency; those of nobody in particular (`revenue`,
    /// `vat:…`) where `own_only` is set.
    pub async fn list_balances(&self, own_only: bool) -> Result<Vec<Balance>, QueryError> {
        let columns = BalanceRow::TABLE.column_list("");
        let mut select = Select::new(format!("SELECT {columns} FROM ledger_balances"));
        if own_only {
            select.condition("account_id IS NULL");
        }
        select.push(" ORDER BY ledger_account, currency");
        let rows: Vec<BalanceRow> = select.read(&self.pool()).await?;
        Ok(rows.into_iter().map(balance_view).collect())
    }

    /// The latest version of every tariff, by name.
    pub async fn list_tariffs(&self) -> Result<Vec<TariffVersion>, QueryError> {
        let mut select = select_tariffs();
        select.condition(
            "t.version = (SELECT MAX(version) FROM tariff_versions v \
             WHERE v.tariff_id = t.tariff_id)",
        );
        select.push(" ORDER BY t.tariff");
        Ok(read_tariffs(&select.rows(&self.pool()).await?)?)
    }

    /// A tariff by its name: that version, or the latest.
    pub async fn tariff(
        &self,
        tariff: &str,
        version: Option<u64>,
    ) -> Result<Option<TariffVersion>, QueryError> {
        let mut select = select_tariffs();
        select.filter("t.tariff = ?", Some(&tariff.to_owned()))?;
        select.filter("t.version = ?", version.as_ref())?;
        select.push(" ORDER BY t.version DESC LIMIT 1");
        Ok(read_tariffs(&select.rows(&self.pool()).await?)?.pop())
    }

    /// The tariff of sessions that have no other, in its latest version.
    pub async fn default_tariff(&self) -> Result<Option<TariffVersion>, QueryError> {
        let mut select = select_tariffs();
        select.condition("d.name IS NOT NULL");
        select.push(" ORDER BY t.version DESC LIMIT 1");
        Ok(read_tariffs(&select.rows(&self.pool()).await?)?.pop())
    }
}

fn select_invoices() -> Select {
    Select::new(format!("SELECT {} FROM invoices", InvoiceRow::TABLE.column_list("")))
}

fn invoice_view(row: InvoiceRow) -> Invoice {
    Invoice {
        issued: row.issued.0,
        station: row.station,
        event_id: row.event_id,
        position: row.position,
    }
}

fn audit_view(row: AuditRow) -> AuditEntry {
    AuditEntry {
        invoice: row.invoice,
        invoice_event: row.invoice_event,
        invoice_position: row.invoice_position,
        session: row.session_id,
        started_position: row.started_position,
        settled_event: row.settled_event,
        rated_event: row.rated_event,
        rated_position: row.rated_position,
        tariff_event: row.tariff_event,
        tariff_position: row.tariff_position,
    }
}

fn select_accounts() -> Select {
    Select::new(format!("SELECT {} FROM accounts", AccountRow::TABLE.column_list("")))
}

async fn read_accounts(
    select: Select,
    connection: &mut SqliteConnection,
) -> Result<Vec<(u64, Account)>, ProjectionError> {
    let accounts: Vec<AccountRow> = select.read(&mut *connection).await?;
    let ids: Vec<_> = accounts.iter().map(|account| account.account_id).collect();
    let ids = crate::tables::Json(ids);
    let mut select = Select::new(format!(
        "SELECT {} FROM ledger_balances WHERE account_id IN (SELECT value FROM json_each(?)) \
         ORDER BY ledger_account, currency",
        BalanceRow::TABLE.column_list("")
    ));
    select.bind(&ids)?;
    let mut balances: HashMap<_, Vec<Balance>> = HashMap::new();
    for row in select.read::<BalanceRow>(&mut *connection).await? {
        balances.entry(row.account_id).or_default().push(balance_view(row));
    }
    let mut select = Select::new(format!(
        "SELECT {} FROM account_limits WHERE account_id IN (SELECT value FROM json_each(?)) \
         AND limit_minor IS NOT NULL ORDER BY account_id, currency",
        AccountLimitRow::TABLE.column_list("")
    ));
    select.bind(&ids)?;
    let mut limits: HashMap<_, Vec<AccountLimit>> = HashMap::new();
    for row in select.read::<AccountLimitRow>(&mut *connection).await? {
        let Some(limit_minor) = row.limit_minor else { continue };
        let limit = AccountLimit { currency: row.currency, limit_minor };
        limits.entry(row.account_id).or_default().push(limit);
    }
    let view = |row: AccountRow| {
        let balances = balances.remove(&Some(row.account_id)).unwrap_or_default();
        let account = Account {
            account_id: row.account_id,
            kind: row.kind.0,
            opened_at: row.opened_at,
            balances,
            limits: limits.remove(&row.account_id).unwrap_or_default(),
        };
        (row.position, account)
    };
    Ok(accounts.into_iter().map(view).collect())
}

fn balance_view(row: BalanceRow) -> Balance {
    Balance {
        ledger_account: row.ledger_account,
        currency: row.currency,
        balance_minor: row.balance_minor,
        legs: row.legs.unsigned_abs(),
    }
}

fn select_tariffs() -> Select {
    Select::new(format!(
        "SELECT {}, d.name IS NOT NULL FROM tariff_versions t \
         LEFT JOIN (SELECT name, value FROM settings WHERE name = '{DEFAULT_TARIFF_SETTING}' \
         ORDER BY position DESC LIMIT 1) d ON d.value = t.tariff_id",
        TariffVersionRow::TABLE.column_list("t.")
    ))
}

fn read_tariffs(rows: &[SqliteRow]) -> Result<Vec<TariffVersion>, ProjectionError> {
    let read = |row: &SqliteRow| {
        let is_default = column(row, TariffVersionRow::TABLE.columns.len())?;
        let row = TariffVersionRow::read(row, 0)?;
        Ok(TariffVersion {
            id: row.tariff,
            tariff_id: row.tariff_id,
            version: row.version,
            content: row.content,
            content_sha256: row.content_sha256,
            published_at: row.published_at,
            event_id: row.event_id,
            position: row.position,
            is_default,
        })
    };
    rows.iter().map(read).collect()
}
