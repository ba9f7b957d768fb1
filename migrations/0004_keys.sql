-- Whether keys alone act on pages; people who use speech or a switch turn this off.
ALTER TABLE users ADD COLUMN keys INTEGER NOT NULL DEFAULT 1 CHECK (keys IN (0, 1));
