-- Builds are operations too. Which kinds there are is the program's to know: the table loses its list of them.
CREATE TABLE operations_of_any_kind (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,
    thing       TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled', 'interrupted')),
    message     TEXT    NOT NULL,               -- result, or why it failed
    began_at    INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;
INSERT INTO operations_of_any_kind SELECT id, kind, thing, actor, state, message, began_at, ended_at FROM operations;
DROP TABLE operations;
ALTER TABLE operations_of_any_kind RENAME TO operations;
CREATE INDEX operations_by_state ON operations (state, id);

-- What was asked of a build and what came of it. Who, when and how it ended is in its operation.
CREATE TABLE builds (
    id          INTEGER PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
    source      TEXT    NOT NULL CHECK (source IN ('upload', 'dockerfile', 'remote', 'client')),
    origin      TEXT    NOT NULL,               -- the file's name, the address; empty when there is none
    dockerfile  TEXT,                           -- as it was pasted
    request     TEXT    NOT NULL,               -- JSON, no secrets
    course      TEXT    NOT NULL,               -- JSON: steps, warnings, image; empty while it runs
    image       TEXT    NOT NULL                -- id of what it made, empty when it made none
) STRICT;
CREATE INDEX builds_by_image ON builds (image) WHERE image <> '';
