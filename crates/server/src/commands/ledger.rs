//! `signalbox ledger`: what was spent, and the proof that everything derived from it agrees.

use super::{Done, date};
use crate::cli::{Format, Ledger};
use crate::config::Settings;
use crate::{output, wire};
use store::Db;
use store::ledger::Row;

/// Differences that are printed; the rest is counted.
const DIFFERENCES_MAX: usize = 20;

pub async fn run(command: Ledger, settings: &Settings) -> Done {
    let db = wire::open_store(&settings.data_dir).await?;
    let Some(org) = db.first_organization().await? else {
        return Err("nothing is recorded yet: the gateway has never been started here".into());
    };
    match command {
        Ledger::Verify => verify(&db).await?,
        Ledger::Repair => {
            db.repair().await?;
            verify(&db).await?;
        }
        Ledger::Show { limit } => {
            db.ledger_rows(org.id, Some(limit), |row| output::line(summary(&row))).await?;
        }
        Ledger::Export { format: Format::Jsonl } => {
            db.ledger_rows(org.id, None, |row| output::line(object(&row))).await?;
        }
        Ledger::Export { format: Format::Csv } => {
            output::line(
                "attempt,at,org_id,key_id,kind,amount,held,source,provider,model,input_tokens,output_tokens",
            );
            db.ledger_rows(org.id, None, |row| output::line(record(&row))).await?;
        }
    }
    db.close().await;
    Ok(())
}

async fn verify(db: &Db) -> Done {
    let verdict = db.verify().await?;
    for difference in verdict.differences.iter().take(DIFFERENCES_MAX) {
        output::line(format!(
            "{}: the ledger says {}, there stands {}",
            difference.what, difference.folded, difference.stands
        ));
    }
    output::line(format!(
        "entries={} total={} overage={} compared={} differences={} fold_diff_nano={}",
        verdict.rows,
        verdict.total,
        verdict.overage,
        verdict.compared,
        verdict.differences.len(),
        verdict.fold_diff.nano()
    ));
    if verdict.differences.is_empty() {
        Ok(())
    } else {
        Err("the ledger and what is derived from it disagree; `signalbox ledger repair` derives it anew"
            .into())
    }
}

fn summary(row: &Row) -> String {
    format!(
        "{}  {}  {:<10} ${:<14} held ${:<14} {:<16} {}/{}",
        date(row.at),
        row.attempt,
        row.kind,
        row.amount.to_string(),
        row.held.to_string(),
        row.source,
        row.provider,
        row.model
    )
}

fn object(row: &Row) -> String {
    serde_json::json!({
        "attempt": row.attempt.to_string(), "at": date(row.at), "org_id": row.org, "key_id": row.key,
        "kind": row.kind, "amount": row.amount.to_string(), "held": row.held.to_string(),
        "source": row.source, "provider": row.provider, "model": row.model,
        "input_tokens": row.input_tokens, "output_tokens": row.output_tokens,
    })
    .to_string()
}

/// A line of CSV. Only model names come from outside: they are quoted, and none begins a formula.
fn record(row: &Row) -> String {
    let model = row.model.replace('"', "\"\"");
    let guard = if model.starts_with(['=', '+', '-', '@', '\t']) { "'" } else { "" };
    format!(
        "{},{},{},{},{},{},{},{},{},\"{guard}{model}\",{},{}",
        row.attempt,
        date(row.at),
        row.org,
        row.key,
        row.kind,
        row.amount,
        row.held,
        row.source,
        row.provider,
        row.input_tokens,
        row.output_tokens
    )
}
