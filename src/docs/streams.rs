//! Which streams there are, and which events each one holds.

use anyhow::{Result, ensure};
use chargebook_domain::events::EVENT_TYPES;

/// A kind of stream.
pub(super) struct Stream {
    /// Its name, with what varies in braces.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) holds: &'static str,
    /// The events in it; a name that ends with a dot stands for all that begin so.
    events: &'static [&'static str],
}

/// Every kind of stream.
pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "session-{uuid}",
        holds: "One charging session: every exchange and fact about it, its settlement, rating and \
                outcome. The uuid is a keyed hash of what makes a start unique, so a start that \
                comes again finds its own session",
        events: &["session.", "reservation.used", "exchange."],
    },
    Stream {
        name: "station-{uuid}-{yyyy-mm}",
        holds: "Everything else that a station says and does in one month (UTC). Each month after \
                the first begins with `station.month_opened`, which carries over what is known",
        events: &["station.", "alert.", "reservation.ended", "exchange."],
    },
    Stream {
        name: "command-{uuid}",
        holds: "One intent to a station, up to its answer, with the exchange that carried it and \
                what the station took on with it",
        events: &[
            "command.",
            "reservation.made",
            "reservation.cancelled",
            "reservation.ended",
            "exchange.recorded",
        ],
    },
    Stream {
        name: "token-{uuid}",
        holds: "A card, or another thing that drivers present",
        events: &["token.", "subject.erased"],
    },
    Stream { name: "driver-{uuid}", holds: "A driver", events: &["driver.", "subject.erased"] },
    Stream {
        name: "erasures-register",
        holds: "Who is to be forgotten, what that comes to, and that it is done",
        events: &["erasure."],
    },
    Stream { name: "site-{uuid}", holds: "A site", events: &["site."] },
    Stream {
        name: "tariff-{uuid}",
        holds: "A tariff: all its versions, none of which ever changes",
        events: &["tariff."],
    },
    Stream {
        name: "account-{uuid}",
        holds: "The ledger of whoever pays: one event per posting, with all its legs",
        events: &["account.", "ledger."],
    },
    Stream {
        name: "invoice_series-{series}",
        holds: "A register of invoices. An invoice's sequence number is its version in this stream \
                plus 1, so numbers have no gaps",
        events: &["invoice."],
    },
    Stream {
        name: "settings-default",
        holds: "What holds where nothing else is said",
        events: &["settings."],
    },
    Stream {
        name: "policy-{name}",
        holds: "How far a policy (`billing`, `commands`) has acted upon the log",
        events: &["policy."],
    },
    Stream {
        name: "transaction_ids-leases",
        holds: "Blocks of OCPP 1.6 transaction ids, none of which is ever given twice",
        events: &["transaction_ids."],
    },
    Stream { name: "log-birth", holds: "The log itself", events: &["log."] },
];

impl Stream {
    /// Whether events of this type are in it.
    pub(super) fn holds_type(&self, event_type: &str) -> bool {
        self.events.iter().any(|name| covers(name, event_type))
    }
}

/// The names of the streams that hold a type.
pub(super) fn names_of(event_type: &str) -> Result<Vec<&'static str>> {
    let holding = STREAMS.iter().filter(|stream| stream.holds_type(event_type));
    let names: Vec<_> = holding.map(|stream| stream.name).collect();
    ensure!(!names.is_empty(), "no stream is known to hold `{event_type}`");
    Ok(names)
}

/// Fails at a stream that names events which do not exist.
pub(super) fn check() -> Result<()> {
    for name in STREAMS.iter().flat_map(|stream| stream.events) {
        let exists = EVENT_TYPES.iter().any(|(event_type, _)| covers(name, event_type));
        ensure!(exists, "a stream holds `{name}`, which no event is called");
    }
    Ok(())
}

fn covers(name: &str, event_type: &str) -> bool {
    event_type == name || (name.ends_with('.') && event_type.starts_with(name))
}
