//! What containers used over time: a file of its own, beside the database that must lose nothing.
//!
//! `fine` has a sample every [`FINE`], kept for [`FINE_KEPT`]; `coarse` the means over [`COARSE`], kept for
//! [`COARSE_KEPT`]. Means are made of whole spans only, by one statement that finds out itself which are missing: it does
//! not matter when the server was ended.

use std::{path::Path, time::Duration};

use runtime::error::{Error, Result};
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use super::failed;

/// Between two samples.
pub const FINE: Duration = Duration::from_secs(10);
/// How long samples are kept.
pub const FINE_KEPT: Duration = Duration::from_hours(24);
/// The span of a mean.
pub const COARSE: Duration = Duration::from_mins(5);
/// How long means are kept.
pub const COARSE_KEPT: Duration = Duration::from_hours(30 * 24);

/// One sample, or the mean of some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since 1970.
    pub at: i64,
    /// Processor time in thousandths of a percent of one CPU.
    pub cpu_milli_percent: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
    /// Processes and threads.
    pub pids: i64,
    /// Bytes a second received.
    pub rx_bytes: i64,
    /// Bytes a second sent.
    pub tx_bytes: i64,
    /// Bytes a second written to disk.
    pub write_bytes: i64,
    /// Bytes a second read from disk.
    pub read_bytes: i64,
}

impl Sample {
    fn of(row: &SqliteRow) -> Self {
        Self {
            at: row.get("at"),
            cpu_milli_percent: row.get("cpu"),
            memory_bytes: row.get("memory"),
            pids: row.get("pids"),
            rx_bytes: row.get("rx"),
            tx_bytes: row.get("tx"),
            write_bytes: row.get("wrote"),
            read_bytes: row.get("read"),
        }
    }
}

/// The file; cheap to clone.
#[derive(Clone, Debug)]
pub struct UsageDb {
    pool: SqlitePool,
}

const MEANS: &str = "CAST(AVG(cpu) AS INTEGER) AS cpu, CAST(AVG(memory) AS INTEGER) AS memory, \
                     CAST(AVG(pids) AS INTEGER) AS pids, CAST(AVG(rx) AS INTEGER) AS rx, CAST(AVG(tx) AS INTEGER) AS tx, \
                     CAST(AVG(wrote) AS INTEGER) AS wrote, CAST(AVG(read) AS INTEGER) AS read";

impl UsageDb {
    /// Opens or makes the file. One that can't be read is put aside as `….damaged`, and a new one is begun.
    ///
    /// # Errors
    /// When there can be no file.
    pub async fn open(file: &Path) -> Result<Self> {
        match Self::open_as_is(file).await {
            Ok(db) => Ok(db),
            Err(error) => {
                tracing::error!("{}: {error}; a new one is begun", file.display());
                let aside = file.with_extension("damaged");
                std::fs::rename(file, aside).map_err(|error| cannot(file, error))?;
                for suffix in ["-wal", "-shm"] {
                    let mut name = file.as_os_str().to_owned();
                    name.push(suffix);
                    let _ = std::fs::remove_file(name);
                }
                Self::open_as_is(file).await.map_err(|error| cannot(file, error))
            }
        }
    }

    async fn open_as_is(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(10))
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may cost the last samples, never the file.
            .synchronous(SqliteSynchronous::Normal);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await?;
        sqlx::migrate!("../migrations/usage").run(&pool).await?;
        Ok(Self { pool })
    }

    /// Keeps one sample of each of these containers.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn keep(&self, samples: &[(String, Sample)]) -> Result<()> {
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        for (id, sample) in samples {
            sqlx::query("INSERT OR IGNORE INTO subjects (id) VALUES (?)")
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
            sqlx::query("INSERT OR REPLACE INTO fine SELECT num, ?, ?, ?, ?, ?, ?, ?, ? FROM subjects WHERE id = ?")
                .bind(sample.at)
                .bind(sample.cpu_milli_percent)
                .bind(sample.memory_bytes)
                .bind(sample.pids)
                .bind(sample.rx_bytes)
                .bind(sample.tx_bytes)
                .bind(sample.write_bytes)
                .bind(sample.read_bytes)
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Makes the means that are due, drops what is too old and what belongs to no container of `known`.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn tidy(&self, now: i64, known: &[String]) -> Result<()> {
        let span = COARSE.as_secs() as i64;
        let whole = now / span * span;
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "INSERT OR IGNORE INTO coarse (num, at, cpu, memory, pids, rx, tx, wrote, read) \
             SELECT num, at / {span} * {span} AS slot, {MEANS} FROM fine \
             WHERE at >= (SELECT COALESCE(MAX(at) + {span}, 0) FROM coarse) AND at < ? GROUP BY num, slot"
        )))
        .bind(whole)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        for (table, kept) in [("fine", FINE_KEPT), ("coarse", COARSE_KEPT)] {
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE at < ?")))
                .bind(now - kept.as_secs() as i64)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        let rows = sqlx::query("SELECT num, id FROM subjects").fetch_all(&mut *transaction).await.map_err(failed)?;
        for row in rows {
            let (num, id): (i64, String) = (row.get("num"), row.get("id"));
            if known.contains(&id) {
                continue;
            }
            for table in ["fine", "coarse", "subjects"] {
                sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE num = ?")))
                    .bind(num)
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
            }
        }
        transaction.commit().await.map_err(failed)
    }

    /// The samples of a container from `since` on, oldest first, joined to one for each `step` seconds: of the fine ones
    /// while there are such, else of the means.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn between(&self, id: &str, since: i64, until: i64, step: i64) -> Result<Vec<Sample>> {
        let is_recent = until - since <= FINE_KEPT.as_secs() as i64;
        let table = if is_recent { "fine" } else { "coarse" };
        let step = step.max(1);
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT at / {step} * {step} AS at, {MEANS} FROM {table} \
             WHERE num = (SELECT num FROM subjects WHERE id = ?) AND at >= ? AND at <= ? GROUP BY 1 ORDER BY 1"
        )))
        .bind(id)
        .bind(since)
        .bind(until)
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        Ok(rows.iter().map(Sample::of).collect())
    }
}

fn cannot(file: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal(format!("the file {} can't be opened; move it away", file.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    async fn open() -> (tempfile::TempDir, UsageDb) {
        let folder = tempfile::tempdir().expect("a folder");
        let db = UsageDb::open(&folder.path().join("usage.db")).await.expect("a file");
        (folder, db)
    }

    fn sample(at: i64, cpu: i64) -> Sample {
        Sample { at, cpu_milli_percent: cpu, memory_bytes: 100 * cpu, pids: 3, ..Sample::default() }
    }

    #[tokio::test]
    async fn means_of_whole_spans_outlive_the_samples() {
        let (_folder, db) = open().await;
        let start = 1_000_000 * 300;
        for second in (0..600).step_by(10) {
            let cpu = if second < 300 { 10 } else { 30 };
            db.keep(&[("a".into(), sample(start + second, cpu)), ("b".into(), sample(start + second, 1))])
                .await
                .unwrap();
        }
        let known = ["a".to_owned(), "b".to_owned()];
        // The second span has not ended yet.
        db.tidy(start + 599, &known).await.unwrap();
        let means = || async { db.between("a", start - 2 * DAY, start + 2 * DAY, 300).await.unwrap() };
        assert_eq!(means().await.iter().map(|one| one.cpu_milli_percent).collect::<Vec<_>>(), [10]);
        for _ in 0..2 {
            db.tidy(start + 600, &known).await.unwrap();
            assert_eq!(means().await.iter().map(|one| one.cpu_milli_percent).collect::<Vec<_>>(), [10, 30]);
        }
        let hour = db.between("a", start, start + 3600, 20).await.unwrap();
        assert_eq!((hour.len(), hour[0]), (30, sample(start, 10)));
        db.tidy(start + DAY + 700, &known).await.unwrap();
        assert_eq!(db.between("a", start, start + 3600, 10).await.unwrap(), []);
        assert_eq!(means().await.len(), 2);
        db.tidy(start + 31 * DAY, &known).await.unwrap();
        assert_eq!(means().await, []);
    }

    #[tokio::test]
    async fn what_a_removed_container_used_is_forgotten() {
        let (_folder, db) = open().await;
        db.keep(&[("a".into(), sample(300, 5)), ("b".into(), sample(300, 6))]).await.unwrap();
        db.tidy(400, &["b".to_owned()]).await.unwrap();
        assert_eq!(db.between("a", 0, 1000, 10).await.unwrap(), []);
        assert_eq!(db.between("b", 0, 1000, 10).await.unwrap(), [sample(300, 6)]);
    }

    #[tokio::test]
    async fn a_damaged_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usage.db");
        std::fs::write(&file, [b'x'; 8192]).unwrap();
        let db = UsageDb::open(&file).await.unwrap();
        db.keep(&[("a".into(), sample(300, 5))]).await.unwrap();
        assert_eq!(std::fs::read(folder.path().join("usage.damaged")).unwrap(), [b'x'; 8192]);
    }
}
