//! The audit record: `audit` and `audit_outcome`, append-only and chained by hash.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use runtime::error::Result;
use sha2::{Digest as _, Sha256};
use sqlx::{Row as _, SqliteConnection};

use super::{Db, failed};
use crate::auth::actor::{Actor, Principal};

/// How an entry ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Not allowed.
    Refused,
    /// Tried and not done.
    Failed,
    /// The server died in between; found at the next start.
    CutOff,
}

impl Outcome {
    /// The word stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::CutOff => "cut off",
        }
    }
}

/// One of the two chains of hashes.
#[derive(Clone, Copy)]
enum Chain {
    Entries,
    Outcomes,
}

/// Where the chains end, as far as this process knows; only who holds the writing connection asks or says. Another
/// process (`darsena admin`) may have gone on since: then an insert does nothing and the end is read again.
#[derive(Debug, Default)]
pub(in crate::db) struct Chains(Mutex<[Option<Vec<u8>>; 2]>);

impl Chains {
    async fn last(&self, connection: &mut SqliteConnection, chain: Chain) -> Result<Vec<u8>> {
        if let Some(known) = &self.known()[chain as usize] {
            return Ok(known.clone());
        }
        let query = match chain {
            Chain::Entries => "SELECT hash FROM audit ORDER BY seq DESC LIMIT 1",
            Chain::Outcomes => "SELECT hash FROM audit_outcome ORDER BY id DESC LIMIT 1",
        };
        let row = sqlx::query(query).fetch_optional(connection).await.map_err(failed)?;
        Ok(row.map(|row| row.get::<Vec<u8>, _>(0)).unwrap_or_default())
    }

    fn ends(&self, chain: Chain, hash: Option<Vec<u8>>) {
        self.known()[chain as usize] = hash;
    }

    fn known(&self) -> MutexGuard<'_, [Option<Vec<u8>>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Db {
    /// Records the intent, durably, before anything is done. Answers the entry's number.
    ///
    /// # Errors
    /// When the database can't be written: then nothing may be done.
    pub async fn open_audit(
        &self,
        actor: &Actor,
        action: &str,
        object: &str,
        detail: &serde_json::Value,
    ) -> Result<i64> {
        let opened_at = Timestamp::now().as_microsecond();
        let actor_id = match actor.principal {
            Principal::User { id, .. } | Principal::Token { user: id, .. } => Some(id),
            _ => None,
        };
        let detail = detail.to_string();
        let mut connection = self.write.acquire().await.map_err(failed)?;
        loop {
            let previous = self.chains.last(&mut connection, Chain::Entries).await?;
            let hash = entry_hash(
                &previous,
                opened_at,
                actor.kind(),
                actor_id,
                &actor.name(),
                actor.via.word(),
                &actor.address,
                &actor.request_id,
                action,
                object,
                &detail,
            );
            // One statement is one transaction; it does nothing when the chain has another end than was thought.
            let done = sqlx::query(
                "INSERT INTO audit
                    (opened_at, actor_kind, actor_id, actor, via, address, request_id, action, object, detail, hash)
                 SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
                 WHERE coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), x'') = ?",
            )
            .bind(opened_at)
            .bind(actor.kind())
            .bind(actor_id)
            .bind(actor.name())
            .bind(actor.via.word())
            .bind(&actor.address)
            .bind(&actor.request_id)
            .bind(action)
            .bind(object)
            .bind(&detail)
            .bind(&hash)
            .bind(&previous)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
            self.chains.ends(Chain::Entries, (done.rows_affected() == 1).then_some(hash));
            if done.rows_affected() == 1 {
                return Ok(done.last_insert_rowid());
            }
        }
    }

    /// Records how an entry ended. Written when this returns, so it survives the server; not synced, since losing it to
    /// a power cut only makes the entry's outcome unknown. The next entry's sync covers it.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn close_audit(&self, seq: i64, outcome: Outcome, message: &str, object_id: &str) -> Result<()> {
        let closed_at = Timestamp::now().as_microsecond();
        let mut connection = self.write.acquire().await.map_err(failed)?;
        sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await.map_err(failed)?;
        loop {
            let previous = self.chains.last(&mut connection, Chain::Outcomes).await?;
            let hash = outcome_hash(&previous, seq, closed_at, outcome.word(), message, object_id);
            let done = sqlx::query(
                "INSERT INTO audit_outcome (seq, closed_at, outcome, message, object_id, hash) SELECT ?, ?, ?, ?, ?, ?
                 WHERE coalesce((SELECT hash FROM audit_outcome ORDER BY id DESC LIMIT 1), x'') = ?",
            )
            .bind(seq)
            .bind(closed_at)
            .bind(outcome.word())
            .bind(message)
            .bind(object_id)
            .bind(&hash)
            .bind(&previous)
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
            self.chains.ends(Chain::Outcomes, (done.rows_affected() == 1).then_some(hash));
            if done.rows_affected() == 1 {
                return Ok(());
            }
        }
    }

    /// Closes what a dead server left open.
    ///
    /// # Errors
    /// When the database can't be read or written.
    pub async fn cut_off_open_audit(&self) -> Result<()> {
        let open = sqlx::query("SELECT seq FROM audit WHERE seq NOT IN (SELECT seq FROM audit_outcome) ORDER BY seq")
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        for row in open {
            let message = "the server ended before this did, or before its outcome was on disk";
            self.close_audit(row.get(0), Outcome::CutOff, message, "").await?;
        }
        Ok(())
    }
}

/// Which entries are wanted; empty fields want all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Name as recorded.
    pub actor: String,
    /// Action as recorded.
    pub action: String,
    /// Outcome as recorded; `open` for those without one.
    pub outcome: String,
    /// Words in actor, action, object or message.
    pub words: String,
    /// Not before, microseconds since 1970.
    pub since: Option<i64>,
    /// Before, microseconds since 1970.
    pub until: Option<i64>,
}

/// One entry with its outcome.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Its number.
    pub seq: i64,
    /// Microseconds since 1970.
    pub opened_at: i64,
    /// `user`, `socket`, `host`, `system` or `nobody`.
    pub actor_kind: String,
    /// Name as it was then.
    pub actor: String,
    /// By which door.
    pub via: String,
    /// From where.
    pub address: String,
    /// The request's id.
    pub request_id: String,
    /// What.
    pub action: String,
    /// On what.
    pub object: String,
    /// More, as JSON.
    pub detail: String,
    /// Its place in the chain, in hex.
    pub hash: String,
    /// How it ended; `None` while it runs.
    pub outcome: Option<String>,
    /// When it ended.
    pub closed_at: Option<i64>,
    /// Why not; empty when done.
    pub message: String,
    /// Id of what was made or changed.
    pub object_id: String,
}

const SELECT: &str =
    "SELECT a.seq, a.opened_at, a.actor_kind, a.actor, a.via, a.address, a.request_id, a.action, a.object,
    a.detail, lower(hex(a.hash)) AS hash, o.outcome, o.closed_at, coalesce(o.message, '') AS message,
    coalesce(o.object_id, '') AS object_id FROM audit a LEFT JOIN audit_outcome o ON o.seq = a.seq";

impl Db {
    /// Entries that fit, newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn audit_entries(&self, filter: &Filter, before: Option<i64>, limit: u32) -> Result<Vec<Entry>> {
        let words = format!("%{}%", filter.words.replace('!', "!!").replace('%', "!%").replace('_', "!_"));
        let sql = format!(
            "{SELECT} WHERE (?1 = '' OR a.actor = ?1) AND (?2 = '' OR a.action = ?2)
             AND (?3 = '' OR coalesce(o.outcome, 'open') = ?3)
             AND (?4 = '%%' OR a.actor LIKE ?4 ESCAPE '!' OR a.action LIKE ?4 ESCAPE '!' OR a.object LIKE ?4 ESCAPE '!'
                  OR o.message LIKE ?4 ESCAPE '!')
             AND (?5 IS NULL OR a.opened_at >= ?5) AND (?6 IS NULL OR a.opened_at < ?6) AND (?7 IS NULL OR a.seq < ?7)
             ORDER BY a.seq DESC LIMIT ?8"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&filter.actor)
            .bind(&filter.action)
            .bind(&filter.outcome)
            .bind(words)
            .bind(filter.since)
            .bind(filter.until)
            .bind(before)
            .bind(limit)
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        Ok(rows.iter().map(read).collect())
    }

    /// One entry.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn audit_entry(&self, seq: i64) -> Result<Option<Entry>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{SELECT} WHERE a.seq = ?")))
            .bind(seq)
            .fetch_optional(&self.read)
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(read))
    }

    /// The names and the actions there are.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn audit_choices(&self) -> Result<(Vec<String>, Vec<String>)> {
        let column = |rows: Vec<sqlx::sqlite::SqliteRow>| rows.iter().map(|row| row.get(0)).collect();
        let actors = sqlx::query("SELECT DISTINCT actor FROM audit ORDER BY actor LIMIT 200")
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        let actions = sqlx::query("SELECT DISTINCT action FROM audit ORDER BY action LIMIT 200")
            .fetch_all(&self.read)
            .await
            .map_err(failed)?;
        Ok((column(actors), column(actions)))
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> Entry {
    Entry {
        seq: row.get("seq"),
        opened_at: row.get("opened_at"),
        actor_kind: row.get("actor_kind"),
        actor: row.get("actor"),
        via: row.get("via"),
        address: row.get("address"),
        request_id: row.get("request_id"),
        action: row.get("action"),
        object: row.get("object"),
        detail: row.get("detail"),
        hash: row.get("hash"),
        outcome: row.get("outcome"),
        closed_at: row.get("closed_at"),
        message: row.get("message"),
        object_id: row.get("object_id"),
    }
}

/// sha256 over length-prefixed fields, so that no two records read the same.
fn chained(previous: &[u8], fields: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    for field in fields {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    hash.finalize().to_vec()
}

/// An entry's place in the chain.
#[expect(clippy::too_many_arguments, reason = "one per column, so that none is forgotten")]
pub(in crate::db) fn entry_hash(
    previous: &[u8],
    opened_at: i64,
    kind: &str,
    actor_id: Option<i64>,
    actor: &str,
    via: &str,
    address: &str,
    request_id: &str,
    action: &str,
    object: &str,
    detail: &str,
) -> Vec<u8> {
    let id = actor_id.map(|id| id.to_string()).unwrap_or_default();
    chained(previous, &[&opened_at.to_string(), kind, &id, actor, via, address, request_id, action, object, detail])
}

/// An outcome's place in the chain.
pub(in crate::db) fn outcome_hash(
    previous: &[u8],
    seq: i64,
    closed_at: i64,
    outcome: &str,
    message: &str,
    object_id: &str,
) -> Vec<u8> {
    chained(previous, &[&seq.to_string(), &closed_at.to_string(), outcome, message, object_id])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn record() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&folder.path().join("darsena.db")).await.expect("a database");
        for n in 0..4 {
            let seq =
                db.open_audit(&Actor::system(), "container.start", &format!("web{n}"), &json!({})).await.expect("open");
            db.close_audit(seq, Outcome::Done, "", "").await.expect("close");
        }
        (folder, db)
    }

    #[tokio::test]
    async fn filters_narrow_and_words_are_taken_as_they_are() {
        let (_folder, db) = record().await;
        let seqs = async |filter: Filter| -> Vec<i64> {
            db.audit_entries(&filter, None, 100).await.expect("read").iter().map(|entry| entry.seq).collect()
        };
        assert_eq!(seqs(Filter::default()).await, [4, 3, 2, 1]);
        assert_eq!(seqs(Filter { words: "WEB2".into(), ..Filter::default() }).await, [3]);
        assert_eq!(seqs(Filter { words: "%".into(), ..Filter::default() }).await, [0_i64; 0]);
        assert_eq!(seqs(Filter { words: "web_".into(), ..Filter::default() }).await, [0_i64; 0]);
        assert_eq!(seqs(Filter { outcome: "failed".into(), ..Filter::default() }).await, [0_i64; 0]);
        assert_eq!(seqs(Filter { until: Some(0), ..Filter::default() }).await, [0_i64; 0]);
    }
}
