//! Whether the audit record is whole: both chains of hashes computed again, from the first row or from where the last
//! check ended.
//!
//! How far the record was sound is kept in memory, so that looking at it costs only what is new. A check begins at the
//! first row when there was none in this process or when the last one found something wrong, and it always looks whether
//! the last rows known are still there.

use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use runtime::error::Result;
use sqlx::Row as _;

use super::{
    Db,
    audit::{entry_hash, outcome_hash},
    failed,
};

/// What a check of both chains found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wholeness {
    /// Entries found sound or read, those of earlier checks with them.
    pub entries: u64,
    /// Outcomes, likewise.
    pub outcomes: u64,
    /// Hash of the last entry, in hex.
    pub head: String,
    /// The first entry that does not follow the one before it; entries before it are sound.
    pub broken_entry: Option<i64>,
    /// The entry whose outcome is the first not to follow the one before it.
    pub broken_outcome: Option<i64>,
    /// When a check last began at the first row, microseconds since 1970.
    pub full_at: i64,
}

/// A place in one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    /// The row's own number; 0 before the first.
    row: i64,
    /// The entry it speaks of.
    seq: i64,
    hash: Vec<u8>,
    /// Rows up to here.
    count: u64,
}

/// How far both chains were sound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    entry: Place,
    outcome: Place,
    full_at: i64,
    /// Something was found wrong; only a check from the first row on can take this back.
    doubted: bool,
}

/// The last check's end.
#[derive(Debug, Default)]
pub(in crate::db) struct Checked(Mutex<Mark>);

impl Checked {
    fn mark(&self) -> Mark {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Two checks may end in any order: the one that went further counts.
    fn ends(&self, mark: Mark) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if mark.entry.row >= known.entry.row && mark.outcome.row >= known.outcome.row {
            *known = mark;
        }
    }

    fn doubt(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).doubted = true;
    }
}

impl Db {
    /// Computes both chains again from the first row on.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn verify_audit(&self) -> Result<Wholeness> {
        self.verify_from(Mark { full_at: Timestamp::now().as_microsecond(), ..Mark::default() }).await
    }

    /// Computes what came since the last check; everything, when there is no sound one to go on from.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn verify_new_audit(&self) -> Result<Wholeness> {
        let mark = self.checked.mark();
        if mark.doubted || mark.full_at == 0 { self.verify_audit().await } else { self.verify_from(mark).await }
    }

    async fn verify_from(&self, from: Mark) -> Result<Wholeness> {
        let known = self.checked.mark();
        let (entry, mut broken_entry) = self.follow_entries(from.entry).await?;
        let (outcome, mut broken_outcome) = self.follow_outcomes(from.outcome).await?;
        // The chains say nothing of rows taken away at their ends; what was there before does.
        if !self.is_still_there("SELECT hash FROM audit WHERE seq = ?", &known.entry).await? {
            broken_entry = Some(broken_entry.map_or(known.entry.seq, |seq| seq.min(known.entry.seq)));
        }
        if !self.is_still_there("SELECT hash FROM audit_outcome WHERE id = ?", &known.outcome).await? {
            broken_outcome = broken_outcome.or(Some(known.outcome.seq));
        }
        let found = Wholeness {
            entries: entry.count,
            outcomes: outcome.count,
            head: crate::auth::token::hex(&entry.hash),
            broken_entry,
            broken_outcome,
            full_at: from.full_at,
        };
        if broken_entry.is_none() && broken_outcome.is_none() {
            self.checked.ends(Mark { entry, outcome, full_at: from.full_at, doubted: false });
        } else {
            self.checked.doubt();
        }
        Ok(found)
    }

    async fn is_still_there(&self, query: &'static str, place: &Place) -> Result<bool> {
        if place.row == 0 {
            return Ok(true);
        }
        let row = sqlx::query(query).bind(place.row).fetch_optional(&self.read).await.map_err(failed)?;
        Ok(row.is_some_and(|row| row.get::<Vec<u8>, _>(0) == place.hash))
    }

    async fn follow_entries(&self, from: Place) -> Result<(Place, Option<i64>)> {
        let (mut at, mut broken) = (from, None);
        let mut rows = sqlx::query("SELECT * FROM audit WHERE seq > ? ORDER BY seq").bind(at.row).fetch(&self.read);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let seq: i64 = row.get("seq");
            let wanted = entry_hash(
                &at.hash,
                row.get("opened_at"),
                row.get("actor_kind"),
                row.get("actor_id"),
                row.get("actor"),
                row.get("via"),
                row.get("address"),
                row.get("request_id"),
                row.get("action"),
                row.get("object"),
                row.get("detail"),
            );
            let hash: Vec<u8> = row.get("hash");
            if wanted != hash || (at.row != 0 && seq != at.row + 1) {
                broken.get_or_insert(seq);
            }
            at = Place { row: seq, seq, hash, count: at.count + 1 };
        }
        Ok((at, broken))
    }

    async fn follow_outcomes(&self, from: Place) -> Result<(Place, Option<i64>)> {
        let (mut at, mut broken) = (from, None);
        let mut rows =
            sqlx::query("SELECT * FROM audit_outcome WHERE id > ? ORDER BY id").bind(at.row).fetch(&self.read);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let seq = row.get("seq");
            let wanted = outcome_hash(
                &at.hash,
                seq,
                row.get("closed_at"),
                row.get("outcome"),
                row.get("message"),
                row.get("object_id"),
            );
            let hash: Vec<u8> = row.get("hash");
            if wanted != hash {
                broken.get_or_insert(seq);
            }
            at = Place { row: row.get("id"), seq, hash, count: at.count + 1 };
        }
        Ok((at, broken))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{auth::actor::Actor, db::audit::Outcome};

    async fn write(db: &Db, count: usize) {
        for n in 0..count {
            let seq =
                db.open_audit(&Actor::system(), "container.start", &format!("web{n}"), &json!({})).await.expect("open");
            db.close_audit(seq, Outcome::Done, "", "").await.expect("close");
        }
    }

    async fn record() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&folder.path().join("darsena.db")).await.expect("a database");
        write(&db, 4).await;
        (folder, db)
    }

    async fn change(db: &Db, sql: &'static str) {
        let triggers = [
            "audit_is_append_only_update",
            "audit_is_append_only_delete",
            "audit_outcome_is_append_only_update",
            "audit_outcome_is_append_only_delete",
        ];
        for trigger in triggers {
            let sql = format!("DROP TRIGGER IF EXISTS {trigger}");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&db.write).await.expect("dropped");
        }
        sqlx::query("PRAGMA foreign_keys = OFF").execute(&db.write).await.expect("off");
        let done = sqlx::query(sql).execute(&db.write).await.expect("changed");
        assert_eq!(done.rows_affected(), 1);
    }

    fn broken(found: &Wholeness) -> (Option<i64>, Option<i64>) {
        (found.broken_entry, found.broken_outcome)
    }

    #[tokio::test]
    async fn an_untouched_record_is_whole_and_can_not_be_touched() {
        let (_folder, db) = record().await;
        let found = db.verify_audit().await.expect("checked");
        assert_eq!((found.entries, found.outcomes, broken(&found)), (4, 4, (None, None)));
        assert_eq!(found.head.len(), 64);
        assert!(sqlx::query("UPDATE audit SET actor = 'x'").execute(&db.write).await.is_err());
        assert!(sqlx::query("DELETE FROM audit_outcome").execute(&db.write).await.is_err());
    }

    #[tokio::test]
    async fn a_changed_entry_a_changed_outcome_and_a_gap_are_found() {
        let (_folder, db) = record().await;
        change(&db, "UPDATE audit SET object = 'other' WHERE seq = 2").await;
        assert_eq!(db.verify_audit().await.expect("checked").broken_entry, Some(2));
        let (_folder, db) = record().await;
        change(&db, "UPDATE audit_outcome SET outcome = 'failed' WHERE seq = 3").await;
        assert_eq!(db.verify_audit().await.expect("checked").broken_outcome, Some(3));
        let (_folder, db) = record().await;
        change(&db, "UPDATE audit SET seq = 9 WHERE seq = 4").await;
        assert_eq!(db.verify_audit().await.expect("checked").broken_entry, Some(9));
    }

    #[tokio::test]
    async fn a_look_goes_on_where_the_last_check_ended() {
        let (_folder, db) = record().await;
        let first = db.verify_new_audit().await.expect("checked");
        write(&db, 2).await;
        let second = db.verify_new_audit().await.expect("checked");
        assert_eq!((second.entries, second.outcomes, broken(&second)), (6, 6, (None, None)));
        assert_eq!(second.full_at, first.full_at, "the second look did not begin at the first row");
        let full = db.verify_audit().await.expect("checked");
        assert_eq!(Wholeness { full_at: second.full_at, ..full }, second);
    }

    #[tokio::test]
    async fn a_change_in_what_is_new_is_seen_by_a_look_and_an_old_one_by_the_full_check() {
        let (_folder, db) = record().await;
        db.verify_new_audit().await.expect("checked");
        write(&db, 2).await;
        change(&db, "UPDATE audit SET actor = 'x' WHERE seq = 6").await;
        assert_eq!(broken(&db.verify_new_audit().await.expect("checked")), (Some(6), None));

        let (_folder, db) = record().await;
        db.verify_new_audit().await.expect("checked");
        change(&db, "UPDATE audit SET actor = 'x' WHERE seq = 2").await;
        assert_eq!(broken(&db.verify_new_audit().await.expect("checked")), (None, None), "old rows are not read again");
        assert_eq!(broken(&db.verify_audit().await.expect("checked")), (Some(2), None));
        assert_eq!(broken(&db.verify_new_audit().await.expect("checked")), (Some(2), None), "and it is not forgotten");
    }

    #[tokio::test]
    async fn rows_taken_away_at_the_end_are_missed() {
        let (_folder, db) = record().await;
        db.verify_new_audit().await.expect("checked");
        change(&db, "DELETE FROM audit_outcome WHERE seq = 4").await;
        assert_eq!(broken(&db.verify_new_audit().await.expect("checked")), (None, Some(4)));
        change(&db, "DELETE FROM audit WHERE seq = 4").await;
        assert_eq!(broken(&db.verify_audit().await.expect("checked")), (Some(4), Some(4)));
    }
}
