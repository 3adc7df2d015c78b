//! OCPP 1.6 transaction ids: positive, unique over the whole log, never used twice. A process
//! leases a block from the log and hands ids out of it; what is left at its end is lost.

use crate::journal::{Draft, Journal, JournalError, read_event};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::TransactionIdsLeased;
use chargebook_domain::ids::TransactionNumber;
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use tokio::sync::Mutex;

/// The register of leases.
const STREAM: &str = "transaction_ids-leases";
/// Ids of one lease.
const LEASE_IDS: i32 = 10_000;
/// How often a lease is tried against other processes.
const LEASE_RETRIES_MAX: u32 = 100;

/// The ids at hand.
pub(crate) struct TransactionIds {
    journal: Journal,
    at_hand: Mutex<Option<(i32, i32)>>,
}

impl TransactionIds {
    /// None at hand; the first use leases.
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, at_hand: Mutex::new(None) }
    }

    /// An id that nobody has had.
    pub(crate) async fn next(&self) -> Result<TransactionNumber, JournalError> {
        let mut at_hand = self.at_hand.lock().await;
        let (next, last) = match *at_hand {
            Some((next, last)) if next <= last => (next, last),
            _ => self.lease().await?,
        };
        *at_hand = Some((next.saturating_add(1), last));
        Ok(TransactionNumber(next))
    }

    async fn lease(&self) -> Result<(i32, i32), JournalError> {
        let stream =
            StreamName::new(STREAM).map_err(|e| JournalError::Unwritable(e.to_string()))?;
        for _ in 0..LEASE_RETRIES_MAX {
            let mut version = None;
            let mut leased_to = 0;
            self.journal
                .replay(&stream, 0, |recorded| {
                    version = Some(recorded.version);
                    if let Event::TransactionIdsLeased(fact) = read_event(recorded)? {
                        leased_to = fact.last;
                    }
                    Ok(())
                })
                .await?;
            let used_up = || JournalError::Unwritable("all transaction ids are used up".to_owned());
            let first = leased_to.checked_add(1).ok_or_else(used_up)?;
            let last = leased_to.checked_add(LEASE_IDS).ok_or_else(used_up)?;
            let draft = Draft::new(self.journal.fresh_id(), TransactionIdsLeased { first, last });
            let expected = version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
            match self.journal.append(&stream, expected, &[draft]).await {
                Ok(_) => return Ok((first, last)),
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(JournalError::Append(AppendError::Overloaded))
    }
}
