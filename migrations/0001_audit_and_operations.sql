-- What was done by whom: an entry is opened before the effect and closed after it. Both tables only ever grow, and each
-- row carries a hash over itself and the row before it.
CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    opened_at   INTEGER NOT NULL,               -- microseconds since 1970, UTC
    actor_kind  TEXT    NOT NULL CHECK (actor_kind IN ('user', 'socket', 'host', 'system', 'nobody')),
    actor_id    INTEGER,                        -- users.id for 'user'
    actor       TEXT    NOT NULL,               -- name as it was then
    via         TEXT    NOT NULL CHECK (via IN ('web', 'docker', 'command', 'system')),
    address     TEXT    NOT NULL,               -- peer address, or pid and uid on the socket
    request_id  TEXT    NOT NULL,
    action      TEXT    NOT NULL,               -- 'container.start'
    object      TEXT    NOT NULL,               -- name or reference as asked for
    detail      TEXT    NOT NULL,               -- JSON, no secrets
    hash        BLOB    NOT NULL
) STRICT;
CREATE INDEX audit_by_action ON audit (action, seq);
CREATE INDEX audit_by_actor ON audit (actor, seq);

CREATE TABLE audit_outcome (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    seq         INTEGER NOT NULL UNIQUE REFERENCES audit (seq),
    closed_at   INTEGER NOT NULL,
    outcome     TEXT    NOT NULL CHECK (outcome IN ('done', 'refused', 'failed', 'cut off')),
    message     TEXT    NOT NULL,               -- why not; empty when done
    object_id   TEXT    NOT NULL,               -- id of what was made or changed, where there is one
    hash        BLOB    NOT NULL
) STRICT;

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit entries are never removed'); END;
CREATE TRIGGER audit_outcome_is_append_only_update BEFORE UPDATE ON audit_outcome
BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
CREATE TRIGGER audit_outcome_is_append_only_delete BEFORE DELETE ON audit_outcome
BEGIN SELECT RAISE(ABORT, 'audit entries are never removed'); END;

-- Long work that outlives the request that began it.
CREATE TABLE operations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL CHECK (kind IN ('pull', 'load')),
    thing       TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled', 'interrupted')),
    message     TEXT    NOT NULL,               -- result, or why it failed
    began_at    INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;
CREATE INDEX operations_by_state ON operations (state, id);
