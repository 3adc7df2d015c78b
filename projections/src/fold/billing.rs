//! Invoices, the audit index, ledger, accounts, tariffs.

use super::{Decoded, Refusal, State, tariff_position};
use crate::query::{DEFAULT_TARIFF_SETTING, hour_of};
use crate::tables::{
    AccountLimitRow, AccountRow, AuditRow, InvoiceRow, Json, SettingRow, SiteKey, TariffVersionRow,
    Word,
};
use chargebook_domain::events::v1::{
    AccountLimitSet, AccountOpened, DefaultTariffSet, InvoiceIssued, InvoiceKind, LedgerPosted,
    TariffVersionPublished,
};
use chargebook_domain::ids::AccountId;

/// Nobody owes more than this, in minor units: what claims to is parked, so that no sum can
/// overflow.
const AMOUNT_MINOR_MAX: u64 = 1_000_000_000_000_000;

impl State {
    pub(super) fn invoice_issued(
        &mut self,
        event: &Decoded,
        fact: &InvoiceIssued,
    ) -> Result<(), Refusal> {
        checked_amount(fact.total_net_minor)?;
        checked_amount(fact.total_gross_minor)?;
        let number = &fact.number;
        let session = self.sessions.get(fact.session_id);
        // Where another rating came in between, only the log knows the position.
        let rated = session.filter(|session| session.rated_event == Some(fact.rated));
        self.written.audits.push(AuditRow {
            invoice: number.clone(),
            invoice_event: event.id,
            invoice_position: event.position.as_u64(),
            session_id: fact.session_id,
            started_position: session.map(|session| session.position),
            settled_event: rated.and_then(|session| session.settled_event),
            rated_event: fact.rated,
            rated_position: rated.and_then(|session| session.rated_position),
            tariff_event: fact.tariff.event_id,
            tariff_position: tariff_position(&self.tariff_positions, &fact.tariff),
        });
        self.written.invoices.push(InvoiceRow {
            number: number.clone(),
            position: event.position.as_u64(),
            event_id: event.id,
            session_id: fact.session_id,
            account_id: fact.account_id,
            station: session.map(|session| session.station.clone()),
            issued: Json(fact.clone()),
        });
        self.add_revenue(fact);
        if let Some(session) = self.sessions.touch(fact.session_id) {
            session.invoice = Some(number.clone());
        }
        Ok(())
    }

    fn add_revenue(&mut self, fact: &InvoiceIssued) {
        let site_id = self.sessions.get(fact.session_id).and_then(|session| session.site_id);
        let hour = hour_of(fact.delivered_to);
        let key = (hour, SiteKey(site_id), fact.currency.clone());
        let sum = self.written.revenue_hours.entry(key).or_default();
        let signed = |amount: i64| match fact.kind {
            InvoiceKind::Invoice => amount,
            // Owed back, however the note is signed.
            InvoiceKind::CreditNote => -amount.abs(),
        };
        sum.currency_exponent = fact.currency_exponent;
        sum.invoices += 1;
        sum.net_minor = sum.net_minor.saturating_add(signed(fact.total_net_minor));
        sum.gross_minor = sum.gross_minor.saturating_add(signed(fact.total_gross_minor));
    }

    pub(super) fn ledger_posted(&mut self, fact: &LedgerPosted) -> Result<(), Refusal> {
        let sum: i128 = fact.legs.iter().map(|leg| i128::from(leg.amount_minor)).sum();
        if sum != 0 {
            return Err(format!("the posting's legs sum to {sum}, not to zero"));
        }
        for leg in &fact.legs {
            checked_amount(leg.amount_minor)?;
        }
        for leg in &fact.legs {
            let account_id = account_of(&leg.account);
            let key = (leg.account.clone(), fact.currency.clone());
            let balance = self.written.balances.entry(key).or_default();
            balance.account_id = account_id;
            balance.balance_minor = balance.balance_minor.saturating_add(leg.amount_minor);
            balance.legs += 1;
        }
        Ok(())
    }

    pub(super) fn account_opened(
        &mut self,
        event: &Decoded,
        fact: &AccountOpened,
    ) -> Result<(), Refusal> {
        self.written.accounts.push(AccountRow {
            account_id: fact.account_id,
            position: event.position.as_u64(),
            kind: Word(fact.kind),
            opened_at: event.recorded_at,
        });
        Ok(())
    }

    pub(super) fn account_limit_set(&mut self, fact: &AccountLimitSet) -> Result<(), Refusal> {
        self.written.account_limits.push(AccountLimitRow {
            account_id: fact.account_id,
            currency: fact.currency.clone(),
            limit_minor: fact.limit_minor,
        });
        Ok(())
    }

    pub(super) fn tariff_published(
        &mut self,
        event: &Decoded,
        fact: &TariffVersionPublished,
    ) -> Result<(), Refusal> {
        self.tariff_positions.insert(event.id, event.position.as_u64());
        self.written.tariff_versions.push(TariffVersionRow {
            tariff_id: fact.tariff_id,
            version: fact.version,
            tariff: fact.tariff.clone(),
            content: fact.content.clone(),
            content_sha256: fact.content_sha256.clone(),
            published_at: event.recorded_at,
            event_id: event.id,
            position: event.position.as_u64(),
        });
        Ok(())
    }

    pub(super) fn default_tariff_set(
        &mut self,
        event: &Decoded,
        fact: &DefaultTariffSet,
    ) -> Result<(), Refusal> {
        self.written.settings.push(SettingRow {
            name: DEFAULT_TARIFF_SETTING.to_owned(),
            position: event.position.as_u64(),
            value: fact.tariff_id.to_string(),
            set_at: event.recorded_at,
        });
        Ok(())
    }
}

fn checked_amount(amount_minor: i64) -> Result<(), Refusal> {
    if amount_minor.unsigned_abs() <= AMOUNT_MINOR_MAX {
        return Ok(());
    }
    Err(format!("{amount_minor} is not an amount that anybody owes"))
}

/// Whose ledger account it is: `receivable:{account}`, `wallet:{account}`.
fn account_of(ledger_account: &str) -> Option<AccountId> {
    ledger_account.split_once(':').and_then(|(_, account)| account.parse().ok())
}
