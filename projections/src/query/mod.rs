//! The read side: what the read models answer.

mod alerts;
mod analytics;
mod billing;
mod detail;
mod device_model;
mod registry;
mod reservations;
mod reviews;
mod select;
mod sessions;
mod stations;

pub(crate) use analytics::hour_of;
pub(crate) use billing::DEFAULT_TARIFF_SETTING;
pub use detail::DETAIL_EVENTS_MAX;
pub(crate) use registry::parked_view;
pub(crate) use select::{Select, column};
pub(crate) use sessions::SessionRead;

use chargebook_domain::events::v1::Outcome;
use chargebook_domain::ids::{AccountId, SessionId, SiteId, TokenId};
use chargebook_domain::units::Timestamp;

/// Most rows of one page.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Rows of a page where nothing else is asked for.
pub const PAGE_ROWS_DEFAULT: u32 = 100;
/// Longest span of one analytics answer, in days.
pub const ANALYTICS_DAYS_MAX: u32 = 400;

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// At most so many rows; [`PAGE_ROWS_DEFAULT`] if absent, cut to [`PAGE_ROWS_MAX`].
    pub limit: Option<u32>,
    /// What the page before gave as [`Page::next`].
    pub next: Option<String>,
}

/// Which sessions; each field that is there narrows the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// At this station.
    pub station: Option<String>,
    /// At this site.
    pub site_id: Option<SiteId>,
    /// By this token.
    pub token_id: Option<TokenId>,
    /// Paid by this account.
    pub account_id: Option<AccountId>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Still running, or not.
    pub open: Option<bool>,
    /// With this OCPP 1.6 transaction id.
    pub transaction_id: Option<i32>,
}

/// Which invoices; each field that is there narrows the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvoiceFilter {
    /// To this session.
    pub session_id: Option<SessionId>,
    /// To this account.
    pub account_id: Option<AccountId>,
}

/// How long an analytics span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// A UTC hour.
    Hour,
    /// A calendar day in a time zone; an hour belongs to the day it begins in.
    Day(chrono_tz::Tz),
}

/// The span and the grain of an analytics question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalyticsQuery {
    /// From here, cut down to the hour.
    pub from: Timestamp,
    /// To here, excluded.
    pub to: Timestamp,
    /// The grain.
    pub bucket: Bucket,
    /// Only this site.
    pub site_id: Option<SiteId>,
}
