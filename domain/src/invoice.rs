//! From a rating to an invoice's figures, and from an invoice to its posting.

use crate::events::v1::{
    AccountKind, InvoiceIssued, InvoiceKind, InvoiceLine, InvoiceVat, LedgerLeg, LedgerPosted,
};
use crate::ids::AccountId;
use crate::rating::{NetLine, Rating, RatingError, invoice_lines, invoice_totals};
use rust_decimal::Decimal;

/// The money of an invoice: what follows from a rating and from nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceFigures {
    /// ISO 4217.
    pub currency: String,
    /// Digits of the minor unit (ISO 4217).
    pub currency_exponent: u32,
    /// The lines.
    pub lines: Vec<InvoiceLine>,
    /// VAT per rate.
    pub vat: Vec<InvoiceVat>,
    /// In minor units.
    pub total_net_minor: i64,
    /// In minor units.
    pub total_vat_minor: i64,
    /// In minor units.
    pub total_gross_minor: i64,
}

impl InvoiceFigures {
    /// The figures of an invoice over a rating.
    ///
    /// # Errors
    /// As [`invoice_lines`] and [`invoice_totals`].
    pub fn of(rating: &Rating) -> Result<Self, RatingError> {
        let lines = invoice_lines(rating)?;
        let nets: Vec<_> = lines
            .iter()
            .map(|line| NetLine { excl_vat: line.excl_vat, vat_percent: line.vat_percent })
            .collect();
        let totals = invoice_totals(&nets, &rating.currency)?;
        let lines = lines
            .into_iter()
            .zip(&totals.line_nets_minor)
            .map(|(line, net_minor)| InvoiceLine {
                dimension: line.dimension,
                quantity: line.quantity,
                unit: line.unit,
                unit_price: line.unit_price,
                vat_percent: line.vat_percent,
                net_minor: *net_minor,
            })
            .collect();
        let vat = totals
            .vat
            .iter()
            .map(|rate| InvoiceVat {
                vat_percent: rate.vat_percent,
                net_minor: rate.net_minor,
                vat_minor: rate.vat_minor,
            })
            .collect();
        Ok(Self {
            currency: rating.currency.clone(),
            currency_exponent: totals.currency_exponent,
            lines,
            vat,
            total_net_minor: totals.total_net_minor,
            total_vat_minor: totals.total_vat_minor,
            total_gross_minor: totals.total_gross_minor,
        })
    }

    /// The figures of an issued invoice.
    pub fn of_issued(invoice: &InvoiceIssued) -> Self {
        Self {
            currency: invoice.currency.clone(),
            currency_exponent: invoice.currency_exponent,
            lines: invoice.lines.clone(),
            vat: invoice.vat.clone(),
            total_net_minor: invoice.total_net_minor,
            total_vat_minor: invoice.total_vat_minor,
            total_gross_minor: invoice.total_gross_minor,
        }
    }

    /// The net total in major units: `12.34`.
    pub fn total_net(&self) -> Decimal {
        Decimal::new(self.total_net_minor, self.currency_exponent)
    }

    /// The gross total in major units.
    pub fn total_gross(&self) -> Decimal {
        Decimal::new(self.total_gross_minor, self.currency_exponent)
    }

    /// The figures of the credit note that takes all of it back.
    pub fn negated(&self) -> Self {
        let lines = self
            .lines
            .iter()
            .map(|line| InvoiceLine {
                quantity: -line.quantity,
                net_minor: line.net_minor.saturating_neg(),
                ..line.clone()
            })
            .collect();
        let vat = self
            .vat
            .iter()
            .map(|rate| InvoiceVat {
                vat_percent: rate.vat_percent,
                net_minor: rate.net_minor.saturating_neg(),
                vat_minor: rate.vat_minor.saturating_neg(),
            })
            .collect();
        Self {
            currency: self.currency.clone(),
            currency_exponent: self.currency_exponent,
            lines,
            vat,
            total_net_minor: self.total_net_minor.saturating_neg(),
            total_vat_minor: self.total_vat_minor.saturating_neg(),
            total_gross_minor: self.total_gross_minor.saturating_neg(),
        }
    }
}

/// The posting of an invoice or credit note: the payer owes the gross (a wallet has it taken
/// out), revenue gets the net, the tax office the VAT. The legs sum to zero.
pub fn posting_of(invoice: &InvoiceIssued, payer: AccountKind) -> LedgerPosted {
    let mut legs = vec![
        LedgerLeg {
            account: ledger_account(invoice.account_id, payer),
            amount_minor: invoice.total_gross_minor,
        },
        LedgerLeg {
            account: "revenue".to_owned(),
            amount_minor: invoice.total_net_minor.saturating_neg(),
        },
    ];
    legs.extend(invoice.vat.iter().filter(|rate| rate.vat_minor != 0).map(|rate| LedgerLeg {
        account: format!("vat:{}", rate.vat_percent.unwrap_or(Decimal::ZERO).normalize()),
        amount_minor: rate.vat_minor.saturating_neg(),
    }));
    let purpose = match invoice.kind {
        InvoiceKind::Invoice => "invoice",
        InvoiceKind::CreditNote => "credit_note",
    };
    LedgerPosted {
        purpose: purpose.to_owned(),
        invoice: Some(invoice.number.clone()),
        currency: invoice.currency.clone(),
        legs,
    }
}

/// The posting of money that a payer has paid in: the bank holds it, the payer's account has it
/// to its credit.
pub fn top_up_of(
    account_id: AccountId,
    payer: AccountKind,
    amount_minor: i64,
    currency: &str,
) -> LedgerPosted {
    let legs = vec![
        LedgerLeg { account: "bank".to_owned(), amount_minor },
        LedgerLeg {
            account: ledger_account(account_id, payer),
            amount_minor: amount_minor.saturating_neg(),
        },
    ];
    let purpose = match payer {
        AccountKind::Wallet => "top_up",
        AccountKind::PayLater => "payment",
    };
    LedgerPosted { purpose: purpose.to_owned(), invoice: None, currency: currency.to_owned(), legs }
}

/// The ledger's name for a payer's account; its balance is what the payer owes, so a wallet
/// with money in it stands below zero.
pub fn ledger_account(account_id: AccountId, payer: AccountKind) -> String {
    match payer {
        AccountKind::PayLater => format!("receivable:{account_id}"),
        AccountKind::Wallet => format!("wallet:{account_id}"),
    }
}
