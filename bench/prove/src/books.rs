//! The two sets of books: the provider's invoice and the gateway's ledger, each read from its JSON lines.

use crate::{
    failure::{Context, Failure},
    money,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a call ended on the provider's side.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Ending {
    Whole,
    Aborted,
    Refused,
}

/// One call on the invoice that has ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Billed {
    pub ending: Ending,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Billed {
    pub fn is_something(&self) -> bool {
        self.input_tokens + self.output_tokens > 0
    }
}

/// The invoice: all calls of each attempt, and how many calls have begun and not ended.
#[derive(Default, Debug)]
pub struct Invoice {
    pub attempts: BTreeMap<String, Vec<Billed>>,
    pub running: usize,
}

impl Invoice {
    pub fn read(text: &str) -> Result<Invoice, Failure> {
        let mut invoice = Invoice::default();
        let (mut begun, mut ended) = (0, 0);
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).context("a line of the invoice")?;
            if value["event"] == "begin" {
                begun += 1;
                continue;
            }
            ended += 1;
            let ending = match value["ended"].as_str() {
                Some("whole") => Ending::Whole,
                Some("aborted") => Ending::Aborted,
                Some("refused") => Ending::Refused,
                _ => return Err(Failure::new(format!("an ending nobody knows: {line}"))),
            };
            let billed = Billed {
                ending,
                input_tokens: number(&value["billed"]["input_tokens"], line)?,
                output_tokens: number(&value["billed"]["output_tokens"], line)?,
            };
            invoice.attempts.entry(text_of(&value["attempt"], line)?).or_default().push(billed);
        }
        invoice.running = usize::saturating_sub(begun, ended);
        Ok(invoice)
    }
}

/// What kind of row it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Charge,
    Overage,
    Correction,
}

/// One row of the ledger. Amounts are nano-dollars.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub kind: Kind,
    pub amount: i128,
    pub is_hold_assumed: bool,
    /// The provider's own count.
    pub is_final: bool,
}

/// The ledger: all rows of each attempt.
#[derive(Default, PartialEq, Debug)]
pub struct Ledger(pub BTreeMap<String, Vec<Row>>);

impl Ledger {
    pub fn read(text: &str) -> Result<Ledger, Failure> {
        let mut ledger = Ledger::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let value: Value = serde_json::from_str(line).context("a line of the ledger")?;
            let kind = match value["kind"].as_str() {
                Some("charge") => Kind::Charge,
                Some("overage") => Kind::Overage,
                Some("correction") => Kind::Correction,
                _ => return Err(Failure::new(format!("a kind of row nobody knows: {line}"))),
            };
            let amount = money::parse(&text_of(&value["amount"], line)?)?;
            let (is_hold_assumed, is_final) =
                (value["source"] == "hold_assumed", value["source"] == "provider_final");
            let row = Row { kind, amount, is_hold_assumed, is_final };
            ledger.0.entry(text_of(&value["attempt"], line)?).or_default().push(row);
        }
        Ok(ledger)
    }

    /// What has been spent over all, in nano-dollars.
    pub fn spend(&self) -> i128 {
        self.0.values().flatten().map(|row| row.amount).sum()
    }

    pub fn overages(&self) -> usize {
        self.0.values().flatten().filter(|row| row.kind == Kind::Overage).count()
    }
}

fn number(value: &Value, line: &str) -> Result<u64, Failure> {
    value.as_u64().ok_or_else(|| Failure::new(format!("a number is missing: {line}")))
}

fn text_of(value: &Value, line: &str) -> Result<String, Failure> {
    value.as_str().map(str::to_owned).ok_or_else(|| Failure::new(format!("a text is missing: {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_tells_what_was_billed_and_what_still_runs() {
        let text = r#"{"event":"begin","call":0,"attempt":"a-1"}
{"event":"begin","call":1,"attempt":"b-1"}
{"event":"end","call":0,"attempt":"a-1","ended":"aborted","billed":{"input_tokens":3,"output_tokens":0}}"#;
        let invoice = Invoice::read(text).unwrap();
        assert_eq!(invoice.running, 1);
        assert_eq!(
            invoice.attempts["a-1"],
            [Billed { ending: Ending::Aborted, input_tokens: 3, output_tokens: 0 }]
        );
    }

    #[test]
    fn a_ledger_sums_all_its_rows() {
        let text = r#"{"attempt":"a-1","kind":"charge","amount":"0.000000005","source":"hold_assumed"}
{"attempt":"a-1","kind":"correction","amount":"-0.000000002","source":"provider_final"}"#;
        let ledger = Ledger::read(text).unwrap();
        assert_eq!((ledger.spend(), ledger.overages()), (3, 0));
        assert!(ledger.0["a-1"][0].is_hold_assumed && ledger.0["a-1"][1].is_final);
    }

    #[test]
    fn an_unknown_kind_is_an_error() {
        assert!(Ledger::read(r#"{"attempt":"a","kind":"gift","amount":"1"}"#).is_err());
    }
}
