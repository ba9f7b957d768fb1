-- Not everybody is an administrator; people can be kept out without being forgotten.
ALTER TABLE users ADD COLUMN standing TEXT NOT NULL DEFAULT 'member' CHECK (standing IN ('administrator', 'member'));
UPDATE users SET standing = role;
ALTER TABLE users DROP COLUMN role;
ALTER TABLE users RENAME COLUMN standing TO role;
ALTER TABLE users ADD COLUMN suspended_at INTEGER;      -- microseconds since 1970, UTC; none: may sign in

-- A team owns the repositories whose names begin with its own: `shop` owns `shop/api`.
CREATE TABLE teams (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL UNIQUE,                -- as repositories write it: lower case
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE team_members (
    team_id     INTEGER NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role        TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'lead')),
    PRIMARY KEY (team_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_members_by_user ON team_members (user_id);
