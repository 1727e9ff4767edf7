//! A request record as people and scripts see it.

use crate::db::StoreError;
use domain::Money;
use serde_json::json;
use sqlx::Row;

/// A row as a JSON object: money as decimal dollars, times in milliseconds with fractions.
pub(super) fn view(row: &sqlx::sqlite::SqliteRow) -> Result<serde_json::Value, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    // Columns of a shape are never NULL; an empty one says the same.
    let filled = |column: &str| text(column).map(|text| Some(text).filter(|text| !text.is_empty()));
    let maybe = |column: &str| row.try_get::<Option<String>, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let nested = |column: &'static str| -> Result<serde_json::Value, StoreError> {
        let Some(text) = row.try_get::<Option<String>, _>(column)? else {
            return Ok(serde_json::Value::Null);
        };
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt {
            table: "requests",
            column,
            reason: error.to_string(),
        })
    };
    let ms = |us: i64| us as f64 / 1000.0;
    Ok(json!({
        "id": text("id")?, "org_id": text("org_id")?, "key_id": text("key_id")?, "at": number("at")?,
        "operation": text("operation")?, "model_requested": text("model_requested")?,
        "provider": text("provider")?, "model_used": text("model_used")?,
        "is_byok": number("is_byok")? != 0, "is_stream": number("is_stream")? != 0,
        "status": number("status")?, "outcome": text("outcome")?, "error_code": filled("error_code")?,
        "finish_reason": filled("finish_reason")?, "input_tokens": number("input_tokens")?,
        "cache_read_tokens": number("cache_read_tokens")?,
        "cache_write_tokens": number("cache_write_tokens")?, "output_tokens": number("output_tokens")?,
        "reasoning_tokens": number("reasoning_tokens")?, "other_usage": nested("other_usage")?,
        "usage_source": text("usage_source")?, "cost": Money::from_nano(number("cost_nano")?).to_string(),
        "is_unpriced": number("is_unpriced")? != 0, "duration_ms": ms(number("duration_us")?),
        "first_token_ms": ms(number("first_token_us")?), "response_id": maybe("response_id")?,
        "tool_calls": nested("tool_calls")?, "warnings": nested("warnings")?, "user_id": maybe("user_id")?,
        "trace_id": maybe("trace_id")?, "tags": nested("tags")?, "extra": nested("extra")?,
        "origin_referer": maybe("origin_referer")?, "origin_title": maybe("origin_title")?,
        "attempts": nested("attempts")?,
    }))
}
