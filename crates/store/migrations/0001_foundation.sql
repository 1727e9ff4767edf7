-- One text for SQLite and PostgreSQL: TEXT, BIGINT, BYTEA; booleans are BIGINT, times unix milliseconds,
-- ids text, lists and maps JSON text. Everything belongs to an organization.

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    -- The first characters of the secret, to recognise it by. The secret itself is not kept.
    display TEXT NOT NULL,
    -- SHA-256 of the secret.
    hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    deleted_at BIGINT
);

-- Rises with every change that the data plane must hear of.
CREATE TABLE configuration_generation (
    id BIGINT NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL
);
INSERT INTO configuration_generation (id, generation) VALUES (1, 1);

-- What many requests have in common, once: the texts of a request, which would otherwise be most of its row.
CREATE TABLE request_shapes (
    id BIGINT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    model_requested TEXT NOT NULL,
    provider TEXT NOT NULL,
    model_used TEXT NOT NULL,
    is_byok BIGINT NOT NULL,
    is_stream BIGINT NOT NULL,
    status BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    error_code TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    usage_source TEXT NOT NULL,
    is_unpriced BIGINT NOT NULL
);

-- One row per call to the data plane. Token and cost columns are sums over its attempts.
CREATE TABLE requests (
    id TEXT NOT NULL PRIMARY KEY,
    shape_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    first_token_us BIGINT NOT NULL,
    response_id TEXT,
    -- The rarer kinds of usage, as JSON: {"audio_input": 12}.
    other_usage TEXT,
    tool_calls TEXT,
    warnings TEXT,
    user_id TEXT,
    trace_id TEXT,
    tags TEXT,
    extra TEXT,
    origin_referer TEXT,
    origin_title TEXT,
    -- Every try with its own outcome, usage and cost, as JSON. NULL when the only one succeeded: the
    -- columns above then are that attempt.
    attempts TEXT
);

-- Requests as they are read.
CREATE VIEW request_records AS
SELECT
    requests.id, org_id, key_id, at, operation, model_requested, provider, model_used, is_byok, is_stream,
    status, outcome, error_code, finish_reason, input_tokens, cache_read_tokens, cache_write_tokens,
    output_tokens, reasoning_tokens, other_usage, usage_source, cost_nano, is_unpriced, duration_us,
    first_token_us, response_id, tool_calls, warnings, user_id, trace_id, tags, extra, origin_referer,
    origin_title, attempts
FROM requests
JOIN request_shapes ON request_shapes.id = requests.shape_id;
