-- What registries are told of us by the pages. The secret is sealed with a key that is not in this database.
CREATE TABLE registry_credentials (
    host        TEXT PRIMARY KEY,               -- as in image names: 'docker.io', 'reg.example:5000'
    user        TEXT    NOT NULL,
    secret      BLOB    NOT NULL,
    added_at    INTEGER NOT NULL,               -- microseconds since 1970, UTC
    added_by    TEXT    NOT NULL
) STRICT;

-- Kinds of operations are the program's business: the table needn't be made anew for each new one.
CREATE TABLE operations_of_any_kind (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,
    thing       TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled', 'interrupted')),
    message     TEXT    NOT NULL,
    began_at    INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;
INSERT INTO operations_of_any_kind SELECT id, kind, thing, actor, state, message, began_at, ended_at FROM operations;
DROP TABLE operations;
ALTER TABLE operations_of_any_kind RENAME TO operations;
CREATE INDEX operations_by_state ON operations (state, id);
