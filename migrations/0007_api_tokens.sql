-- Secrets programs sign in with instead of a person's password. Only a hash of each is kept.
CREATE TABLE api_tokens (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    token_hash  BLOB    NOT NULL,                       -- sha256
    rights      TEXT    NOT NULL CHECK (rights IN ('view', 'operate')),
    created_at  INTEGER NOT NULL,                       -- microseconds since 1970, UTC
    used_at     INTEGER,
    expires_at  INTEGER,                                -- none: until it is revoked
    UNIQUE (user_id, name)
) STRICT;
