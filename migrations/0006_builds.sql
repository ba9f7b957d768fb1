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
