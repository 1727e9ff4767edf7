-- Calls that were made under an Idempotency-Key, for a day: written before a provider is asked, completed when
-- all is over. Bodies are content: rows go when the day is over.

CREATE TABLE idempotency (
    -- SHA-256 of API key, endpoint and the caller's key.
    key_digest BYTEA NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL,
    -- SHA-256 of what was asked.
    fingerprint BYTEA NOT NULL,
    -- The only request that is made under the key.
    request_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- running: no answer has been kept (yet); answered; too_large.
    state TEXT NOT NULL,
    -- Of the answer: its HTTP status, its headers as a JSON list of pairs, its bytes.
    status BIGINT,
    headers TEXT,
    body BYTEA
);
CREATE INDEX idempotency_at ON idempotency (at);
