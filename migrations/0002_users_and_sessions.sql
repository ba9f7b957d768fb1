-- People who may sign in.
CREATE TABLE users (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    name                TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    password_hash       TEXT    NOT NULL,               -- PHC string, argon2id
    role                TEXT    NOT NULL CHECK (role IN ('administrator')),
    theme               TEXT    NOT NULL DEFAULT 'system' CHECK (theme IN ('system', 'light', 'dark')),
    language            TEXT    NOT NULL DEFAULT '' CHECK (language IN ('', 'en', 'es')),    -- '' follows the browser
    density             TEXT    NOT NULL DEFAULT 'dense' CHECK (density IN ('dense', 'roomy')),
    created_at          INTEGER NOT NULL,               -- microseconds since 1970, UTC
    password_changed_at INTEGER NOT NULL
) STRICT;

-- Who is signed in where. Only a hash of the cookie's secret is kept.
CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash  BLOB    NOT NULL UNIQUE,                -- sha256
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address     TEXT    NOT NULL,
    agent       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
