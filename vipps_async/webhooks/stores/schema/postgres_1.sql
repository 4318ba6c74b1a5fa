-- Version 1. Names in braces are made of the name that the store was given.

CREATE TABLE {schema} (version integer NOT NULL);
INSERT INTO {schema} (version) VALUES (1);

-- The events that took effect. The index over a million of them is read from its oldest end: vacuum often, or purges
-- wade through the dead entries.
CREATE TABLE {table} (
    key text COLLATE "C" PRIMARY KEY,
    done boolean NOT NULL DEFAULT false, -- false until its handlers have ended; others see that only of an event whose
                                         -- handler ended the claim's transaction
    expires_at timestamptz NOT NULL      -- when it may be purged
) WITH (autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX "{name}_expires_at" ON {table} (expires_at);

-- The events that wait for their handlers.
CREATE TABLE {inbox} (
    key text COLLATE "C" PRIMARY KEY,
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    receiver text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    holder text COLLATE "C",             -- who handles it
    due_at timestamptz DEFAULT now(),    -- when it may be taken: once the holder's lease or a pause ends; 'infinity' for
                                         -- a dead letter that stops its subject, NULL for one that does not
    died_at timestamptz,
    error text,                          -- what ended the last attempt
    is_first boolean NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01);

-- One event of a subject at most is its first, which alone may be taken: those behind it, however many, are in nobody's
-- way, since they are not in the index that is searched for one that is due. Rows are the store's alone to write: it
-- changes the events of a subject under an advisory lock, and says which one is the first whenever that changes. No two
-- indexes serve one query: which one is best would be guessed from the rows that there were once.
CREATE UNIQUE INDEX "{name}_inbox_first" ON {inbox} (receiver, subject) WHERE is_first;
CREATE INDEX "{name}_inbox_due_at" ON {inbox} (receiver, due_at, id) WHERE is_first AND due_at < 'infinity';
CREATE UNIQUE INDEX "{name}_inbox_subject" ON {inbox} (receiver, subject, id) WHERE due_at IS NOT NULL;
CREATE INDEX "{name}_inbox_holder" ON {inbox} (holder) WHERE holder IS NOT NULL;
CREATE INDEX "{name}_inbox_died_at" ON {inbox} (died_at, id) WHERE died_at IS NOT NULL;
