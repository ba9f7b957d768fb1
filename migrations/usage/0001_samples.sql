-- What containers used, in a file of its own: it is large, and losing its last seconds is no loss.

CREATE TABLE subjects (
    num INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
) STRICT;

-- Every ten seconds, for a day. `at` in seconds since 1970; `cpu` in thousandths of a percent of one CPU; the last four in
-- bytes a second.
CREATE TABLE fine (
    num INTEGER NOT NULL,
    at INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    pids INTEGER NOT NULL,
    rx INTEGER NOT NULL,
    tx INTEGER NOT NULL,
    wrote INTEGER NOT NULL,
    read INTEGER NOT NULL,
    PRIMARY KEY (num, at)
) STRICT, WITHOUT ROWID;

-- Means over five minutes, for thirty days.
CREATE TABLE coarse (
    num INTEGER NOT NULL,
    at INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    memory INTEGER NOT NULL,
    pids INTEGER NOT NULL,
    rx INTEGER NOT NULL,
    tx INTEGER NOT NULL,
    wrote INTEGER NOT NULL,
    read INTEGER NOT NULL,
    PRIMARY KEY (num, at)
) STRICT, WITHOUT ROWID;

CREATE INDEX fine_at ON fine (at);
CREATE INDEX coarse_at ON coarse (at);
