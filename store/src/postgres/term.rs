//! Which history of the log a writer has looked at: the fence of this engine.
//!
//! Several processes may write one log; the row `log_head`, locked by every append until it is
//! committed, puts them in order. What a row cannot know is that the database behind an address
//! was replaced: a standby was promoted, a backup was restored, or the old primary is back. So
//! `log_head` counts a `term`, and every append names the one its writer has checked. A new
//! primary has a new timeline; the first writer that meets it raises the term, and the appends of
//! all others find no row to insert under until they have looked at the log again:
//!
//! - a term that is lower than one that was seen belongs to a primary that was replaced,
//! - a log that lacks what was acknowledged has lost it.
//!
//! A backup that is restored into the same server changes neither timeline nor term, so an append
//! names the end of the log as far as it was seen, too.
//!
//! Both are refused, and refused again until the right database answers.

use crate::port::Position;
use chargebook_proof::LeafHash;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

/// Where the log stands, and under which term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) head: Position,
    pub(super) term: u64,
    /// Positions in one partition.
    pub(super) partition_events: u64,
}

/// What a process has seen of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) term: u64,
    pub(super) head: Position,
    /// The last event that was acknowledged here.
    pub(super) acknowledged: Option<(Position, LeafHash)>,
}

/// Why a database is not the one to write to.
#[derive(Debug, thiserror::Error)]
pub(super) enum TermError {
    #[error(
        "this database was replaced as the primary: its log is under term {found}, and term \
         {seen} was seen already; let the address lead to the new primary"
    )]
    Demoted { found: u64, seen: u64 },
    #[error(
        "the database has lost events that were durable: its log ends at position {head}, and \
         {seen} was seen already; nothing is written until the right database answers"
    )]
    Shortened { head: Position, seen: Position },
    #[error(
        "the database has another event at position {position} than the one that was \
         acknowledged; nothing is written until the right database answers"
    )]
    Diverged { position: Position },
    #[error("{0}")]
    Database(#[from] sqlx::Error),
}

/// The timeline that the primary writes; an error on a standby.
const STANDING_SQL: &str = "SELECT position, term, timeline, partition_events, \
     ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int::bigint \
     FROM log_head FOR UPDATE";

/// Looks at the log with the eyes of a process that has seen some of it, and raises the term where
/// the database has a new primary.
pub(super) async fn enter(
    connection: &mut PgConnection,
    seen: &Seen,
) -> Result<Standing, TermError> {
    let mut transaction = connection.begin().await?;
    let row = sqlx::query(STANDING_SQL).fetch_one(&mut *transaction).await?;
    let number = |column: usize| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let (head, mut term) = (Position::from_u64(number(0)?), number(1)?);
    if term < seen.term {
        return Err(TermError::Demoted { found: term, seen: seen.term });
    }
    if head < seen.head {
        return Err(TermError::Shortened { head, seen: seen.head });
    }
    if let Some((position, leaf)) = seen.acknowledged {
        let stored = sqlx::query("SELECT leaf FROM event WHERE position = $1")
            .bind(saturating_i64(position.as_u64()))
            .fetch_optional(&mut *transaction)
            .await?;
        let stored = stored.map(|row| row.try_get::<Vec<u8>, _>(0)).transpose()?;
        if stored.as_deref() != Some(&leaf.0[..]) {
            return Err(TermError::Diverged { position });
        }
    }
    let (known, current) = (number(2)?, number(4)?);
    if known != current {
        term += 1;
        let raise = "UPDATE log_head SET term = $1, timeline = $2";
        let raise = sqlx::query(raise).bind(saturating_i64(term)).bind(saturating_i64(current));
        raise.execute(&mut *transaction).await?;
        tracing::info!(term, timeline = current, "the log has a new primary");
    }
    transaction.commit().await?;
    Ok(Standing { head, term, partition_events: number(3)?.max(1) })
}

/// PostgreSQL counts in 63 bits.
pub(super) fn saturating_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
