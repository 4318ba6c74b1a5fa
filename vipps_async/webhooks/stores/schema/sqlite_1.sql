-- Version 1. All times are seconds since 1970.

CREATE TABLE vipps_schema (version INTEGER NOT NULL);
INSERT INTO vipps_schema (version) VALUES (1);

-- The events that took effect, or whose handlers run.
CREATE TABLE vipps_events (
    key TEXT NOT NULL PRIMARY KEY,
    holder TEXT,              -- who lets the event take effect; NULL once it did, and then the row is its mark
    expires_at REAL NOT NULL  -- when the holder's lease ends, or when the mark may be purged
) WITHOUT ROWID;
CREATE INDEX vipps_events_expires_at ON vipps_events (expires_at);

-- The events that wait for their handlers. An id is never given twice, so that what a late holder says of one cannot
-- hit another event.
CREATE TABLE vipps_inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    receiver TEXT NOT NULL,
    subject TEXT NOT NULL,
    body BLOB NOT NULL,
    stored_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    holder TEXT,   -- who handles it
    due_at REAL,   -- when it may be taken: once the holder's lease or a pause ends; infinite for a dead letter that
                   -- stops its subject, NULL for one that does not
    died_at REAL,
    error TEXT,    -- what ended the last attempt
    is_first INTEGER NOT NULL DEFAULT FALSE
);

-- One event of a subject at most is its first, which alone may be taken: those behind it, however many, are in nobody's
-- way, since they are not in the index that is searched for a due one. The triggers keep it so: whenever a subject has
-- no first event, the earliest becomes it, dead letters that stop nothing aside.
CREATE UNIQUE INDEX vipps_inbox_first ON vipps_inbox (receiver, subject) WHERE is_first;
CREATE INDEX vipps_inbox_due_at ON vipps_inbox (receiver, due_at, id) WHERE is_first;
CREATE INDEX vipps_inbox_subject ON vipps_inbox (receiver, subject, id) WHERE due_at IS NOT NULL;
CREATE INDEX vipps_inbox_died_at ON vipps_inbox (died_at, id) WHERE died_at IS NOT NULL;

CREATE TRIGGER vipps_inbox_inserted AFTER INSERT ON vipps_inbox
WHEN NOT EXISTS (SELECT 1 FROM vipps_inbox WHERE receiver = NEW.receiver AND subject = NEW.subject AND is_first)
BEGIN
    UPDATE vipps_inbox SET is_first = TRUE WHERE id = NEW.id;
END;

CREATE TRIGGER vipps_inbox_deleted AFTER DELETE ON vipps_inbox WHEN OLD.is_first
BEGIN
    UPDATE vipps_inbox SET is_first = TRUE WHERE id = (
        SELECT id FROM vipps_inbox
        WHERE receiver = OLD.receiver AND subject = OLD.subject AND due_at IS NOT NULL ORDER BY id LIMIT 1
    );
END;

-- A dead letter lets the others pass.
CREATE TRIGGER vipps_inbox_passed AFTER UPDATE OF is_first ON vipps_inbox WHEN OLD.is_first AND NOT NEW.is_first
BEGIN
    UPDATE vipps_inbox SET is_first = TRUE WHERE id = (
        SELECT id FROM vipps_inbox
        WHERE receiver = NEW.receiver AND subject = NEW.subject AND due_at IS NOT NULL ORDER BY id LIMIT 1
    );
END;

-- A dead letter that had let the others pass is requeued: it goes before them, unless one is being handled.
CREATE TRIGGER vipps_inbox_requeued AFTER UPDATE OF due_at ON vipps_inbox WHEN OLD.due_at IS NULL AND NEW.due_at NOT NULL
BEGIN
    UPDATE vipps_inbox SET is_first = FALSE
    WHERE receiver = NEW.receiver AND subject = NEW.subject AND is_first AND holder IS NULL AND id > NEW.id;
    UPDATE vipps_inbox SET is_first = TRUE
    WHERE id = NEW.id AND NOT EXISTS (
        SELECT 1 FROM vipps_inbox WHERE receiver = NEW.receiver AND subject = NEW.subject AND is_first
    );
END;
