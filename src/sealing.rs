//! A signed checkpoint that covers what is to be proven: the running server's, or one signed now.

use crate::config::LogPlace;
use anyhow::bail;
use chargebook_store::OpenMode;
use chargebook_store::sealer::{Sealer, SealerOptions, SignedCheckpoint, Tree};
use chargebook_store::vault::KeyVault;
use std::time::Duration;

/// How long a running server is waited for to sign what is not signed yet.
const SEAL_PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks.
const SEAL_PAUSE: Duration = Duration::from_millis(100);

/// The last checkpoint does not cover what is to be proven.
#[derive(Debug, thiserror::Error)]
#[error("it is not under a signed checkpoint yet; try again in a moment")]
pub(crate) struct NotSealed;

/// A checkpoint that covers the leaf: the server's, or, where none runs, one signed now. `signer`
/// is a log that may have no server; without it nothing is signed here.
pub(crate) async fn sealed_beyond(
    signer: Option<&LogPlace>,
    tree: &Tree,
    vault: &KeyVault,
    leaf: u64,
) -> anyhow::Result<SignedCheckpoint> {
    let deadline = tokio::time::Instant::now() + SEAL_PATIENCE;
    loop {
        if let Some(sealed) = tree.checkpoint(&vault.verifier_key())?
            && sealed.checkpoint.size > leaf
        {
            return Ok(sealed);
        }
        if let Some(place) = signer
            && let Ok(writer) = place.open(OpenMode::Writer).await
        {
            let log = writer.store();
            let head = *log.head().borrow();
            let key = vault.signing_key().clone();
            let sealer = Sealer::start(log, &place.data, key, SealerOptions::default()).await?;
            sealer.seal_now(head).await?;
            sealer.stop().await?;
            writer.close().await;
        } else if tokio::time::Instant::now() >= deadline {
            bail!(NotSealed);
        }
        tokio::time::sleep(SEAL_PAUSE).await;
    }
}
