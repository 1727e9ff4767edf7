-- What organizations pay for models otherwise than the catalogue says, in nano-dollars per million tokens.

CREATE TABLE model_prices (
    org_id TEXT NOT NULL REFERENCES organizations (id),
    -- provider/model, as the catalogue has it.
    model TEXT NOT NULL,
    input_nano BIGINT NOT NULL,
    output_nano BIGINT NOT NULL,
    cache_read_nano BIGINT,
    cache_write_nano BIGINT,
    PRIMARY KEY (org_id, model)
);
