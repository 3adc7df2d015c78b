//! What follows by itself: settled -> rated -> invoice issued -> posted; and where the next start
//! begins to read. Restartable anywhere:
//! a policy begins again at a checkpoint before the oldest session it has not finished, and
//! whatever it decides a second time the log absorbs, by the id or by the version.

mod billing;
mod certificates;
mod charging;
mod delivery;
mod display;
mod due;
mod invoicing;
mod open_commands;

pub(crate) use open_commands::OpenCommands;

use crate::Chargebook;
use crate::journal::{Draft, Journal, JournalError, read_event};
use crate::registry::RegistryError;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::PolicyCheckpointed;
use chargebook_store::{AppendError, ExpectedVersion, Position, StoreError, StreamName};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The policy that settles, rates, invoices and posts.
const BILLING: &str = "billing";
/// A checkpoint is written no more often than this.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// How often sessions that wait for their time are looked at.
const TICK: Duration = Duration::from_millis(200);
/// Pause before a policy that failed tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Failures in a row after which a policy gives up, unless the log was out of reach: that is waited
/// for, however long it takes.
const FAILURES_MAX: u32 = 60;
/// A policy that has run so long since its last failure has got over it.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);

/// A policy that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The log.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The register.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PolicyError {
    /// Whether trying again may help, whatever has failed so far.
    fn is_outage(&self) -> bool {
        match self {
            Self::Journal(error) | Self::Registry(RegistryError::Journal(error)) => {
                error.is_outage()
            }
            Self::Store(StoreError::Engine(_)) => true,
            Self::Registry(_) | Self::Store(StoreError::Damaged { .. }) => false,
        }
    }
}

/// Where a policy begins again.
#[derive(Clone, Copy, Debug, Default)]
struct Checkpoint {
    position: Position,
    version: Option<u64>,
}

fn stream_of(policy: &str) -> Result<StreamName, JournalError> {
    StreamName::new(format!("policy-{policy}")).map_err(|e| JournalError::Unwritable(e.to_string()))
}

/// Reads a policy's last checkpoint.
async fn checkpoint(journal: &Journal, policy: &str) -> Result<Checkpoint, JournalError> {
    let mut checkpoint = Checkpoint::default();
    journal
        .replay(&stream_of(policy)?, 0, |recorded| {
            checkpoint.version = Some(recorded.version);
            if let Event::PolicyCheckpointed(fact) = read_event(recorded)? {
                checkpoint.position =
                    fact.position.parse().map_or(checkpoint.position, Position::from_u64);
            }
            Ok(())
        })
        .await?;
    Ok(checkpoint)
}

async fn save_checkpoint(
    journal: &Journal,
    policy: &str,
    checkpoint: &mut Checkpoint,
    position: Position,
) -> Result<(), JournalError> {
    if position <= checkpoint.position {
        return Ok(());
    }
    let fact = PolicyCheckpointed { position: position.as_u64().to_string() };
    let draft = Draft::new(journal.fresh_id(), fact).by(format!("policy:{policy}"));
    let expected = checkpoint.version.map_or(ExpectedVersion::NoStream, ExpectedVersion::Exact);
    match journal.append(&stream_of(policy)?, expected, &[draft]).await {
        Ok(appended) => {
            *checkpoint = Checkpoint { position, version: Some(appended.version) };
            Ok(())
        }
        Err(JournalError::Append(AppendError::WrongVersion { current })) => {
            checkpoint.version = current;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Runs the billing policy until cancelled; begins again where it failed.
pub(crate) async fn run(
    chargebook: Chargebook,
    stop: CancellationToken,
) -> Result<(), PolicyError> {
    let mut failures = 0;
    loop {
        let began = Instant::now();
        let outcome = run_once(&chargebook, &stop).await;
        if began.elapsed() >= RECOVERED_AFTER {
            failures = 0;
        }
        match outcome {
            Ok(()) => return Ok(()),
            Err(error) if failures >= FAILURES_MAX => return Err(error),
            Err(error) => {
                failures += u32::from(!error.is_outage());
                tracing::error!(%error, failures, "billing failed; it begins again");
                tokio::select! {
                    () = tokio::time::sleep(RETRY_PAUSE) => {}
                    () = stop.cancelled() => return Ok(()),
                }
            }
        }
    }
}

async fn run_once(chargebook: &Chargebook, stop: &CancellationToken) -> Result<(), PolicyError> {
    let journal = chargebook.journal();
    let mut checkpoint = checkpoint(journal, BILLING).await?;
    let mut subscription = journal.subscribe(checkpoint.position).gathering();
    let mut billing = billing::Billing::new(chargebook.clone(), checkpoint.position);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut saved_at = Instant::now();
    let mut commands = chargebook.open_commands().lock().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                save_checkpoint(journal, BILLING, &mut checkpoint, billing.safe_position()).await?;
                return Ok(commands.save(journal).await?);
            }
            page = subscription.next_page() => {
                let page = page?;
                commands.take(&page);
                certificates::deliver(chargebook, &page).await?;
                charging::deliver(chargebook, &page).await?;
                billing.take(&page).await?;
            }
            _ = tick.tick() => billing.look_again().await?,
        }
        if saved_at.elapsed() >= CHECKPOINT_EVERY && billing.worth_saving() {
            saved_at = Instant::now();
            save_checkpoint(journal, BILLING, &mut checkpoint, billing.safe_position()).await?;
            billing.saved();
            commands.save(journal).await?;
        }
    }
}
