-- What keys may do and may spend, the ledger, and what is derived from it.

ALTER TABLE api_keys ADD COLUMN manage TEXT NOT NULL DEFAULT 'none';
ALTER TABLE api_keys ADD COLUMN completions TEXT NOT NULL DEFAULT 'write';
-- What the key's spending counts against beside itself and its organization: a JSON list of ids.
ALTER TABLE api_keys ADD COLUMN scopes TEXT;
-- A JSON object of texts.
ALTER TABLE api_keys ADD COLUMN labels TEXT;

CREATE TABLE limits (
    org_id TEXT NOT NULL REFERENCES organizations (id),
    -- The id of what is limited: `key_…`, `org_…`, `grp_…`.
    scope TEXT NOT NULL,
    window_name TEXT NOT NULL,
    amount_nano BIGINT NOT NULL,
    enforcement TEXT NOT NULL,
    PRIMARY KEY (scope, window_name)
);

CREATE TABLE rate_limits (
    org_id TEXT NOT NULL REFERENCES organizations (id),
    scope TEXT NOT NULL PRIMARY KEY,
    requests_per_minute BIGINT,
    tokens_per_minute BIGINT,
    concurrent BIGINT
);

-- What an attempt counted against, beside its key and organization: a JSON list of ids.
ALTER TABLE request_shapes ADD COLUMN scopes TEXT NOT NULL DEFAULT '';

-- What every attempt cost. Rows are only ever added: one charge for each attempt, an overage where it cost
-- more than was held for it, and corrections.
CREATE TABLE ledger (
    -- The request's id and the attempt's number, as 18 bytes.
    attempt BYTEA NOT NULL,
    -- 0: the charge, 1: the overage, 2 and more: corrections.
    entry BIGINT NOT NULL,
    shape_id BIGINT NOT NULL,
    -- When the request was admitted: decides the windows it counts in.
    at BIGINT NOT NULL,
    amount_nano BIGINT NOT NULL,
    held_nano BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    PRIMARY KEY (attempt, entry)
);

-- Derived from the ledger, in the transaction that adds to it: what each scope has spent in each window.
CREATE TABLE balances (
    scope TEXT NOT NULL,
    window_name TEXT NOT NULL,
    window_start BIGINT NOT NULL,
    settled_nano BIGINT NOT NULL,
    overage_nano BIGINT NOT NULL,
    PRIMARY KEY (scope, window_name, window_start)
);

-- Derived from requests and ledger likewise: one row per hour and shape.
CREATE TABLE usage_rollups (
    -- Start of the hour, unix milliseconds.
    hour BIGINT NOT NULL,
    shape_id BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    PRIMARY KEY (hour, shape_id)
);

-- How far the journal has been applied, in the same transactions.
CREATE TABLE journal_position (
    id BIGINT NOT NULL PRIMARY KEY,
    segment BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL
);
INSERT INTO journal_position (id, segment, byte_offset) VALUES (1, 0, 0);
