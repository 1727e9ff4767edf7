//! Holds the ledger against the invoice: the decision behind the proofs about money, without any input or output.

use crate::{
    books::{Billed, Ending, Invoice, Kind, Ledger, Row},
    money::Price,
};

/// Offences that are listed by name.
const LISTED_MAX: usize = 8;

/// What the comparison found. Offences are counted all, and listed as far as they are few.
#[derive(Default, Debug, PartialEq)]
pub struct Comparison {
    pub billed: usize,
    pub recorded: usize,
    /// Billed, and no charge.
    pub lost: usize,
    /// More than one charge, or one attempt sent twice.
    pub duplicated: usize,
    /// A charge that nobody billed, and that is no assumed hold.
    pub invented: usize,
    /// A whole answer with another amount, or a hold assumed below what was billed.
    pub mispriced: usize,
    pub offences: Vec<String>,
}

impl Comparison {
    pub fn holds(&self) -> bool {
        self.lost + self.duplicated + self.invented + self.mispriced == 0
    }

    pub fn figures(&self) -> String {
        format!(
            "billed={} recorded={} dup={} lost={} invented={} mispriced={}",
            self.billed, self.recorded, self.duplicated, self.lost, self.invented, self.mispriced
        )
    }

    fn note(&mut self, offence: String) {
        if self.offences.len() < LISTED_MAX {
            self.offences.push(offence);
        }
    }
}

/// Compares attempt by attempt.
pub fn compare(invoice: &Invoice, ledger: &Ledger, price: Price) -> Comparison {
    let mut found = Comparison::default();
    if invoice.running > 0 {
        found.lost += invoice.running;
        found.note(format!("{} calls have no end on the invoice", invoice.running));
    }
    for (attempt, calls) in &invoice.attempts {
        if calls.len() > 1 || attempt.is_empty() {
            found.duplicated += 1;
            found.note(format!("sent {} times under one name: `{attempt}`", calls.len()));
        }
        let rows = ledger.0.get(attempt).map_or(&[][..], Vec::as_slice);
        let is_free =
            calls.iter().all(|call| !call.is_something()) && !rows.iter().any(|row| row.is_hold_assumed);
        if is_free && rows.iter().any(|row| row.amount != 0) {
            found.invented += 1;
            found.note(format!("billed nothing, and charged: {attempt} {rows:?}"));
        }
        for call in calls.iter().filter(|call| call.is_something()) {
            found.billed += 1;
            compare_amount(&mut found, attempt, call, rows, price);
        }
    }
    for (attempt, rows) in &ledger.0 {
        let charges = rows.iter().filter(|row| row.kind == Kind::Charge).count();
        found.recorded += usize::from(charges > 0);
        if charges > 1 {
            found.duplicated += 1;
            found.note(format!("charged {charges} times: {attempt}"));
        }
        if !invoice.attempts.contains_key(attempt) && !rows.iter().all(|row| row.is_hold_assumed) {
            found.invented += 1;
            found.note(format!("never billed: {attempt} {rows:?}"));
        }
    }
    found
}

fn compare_amount(found: &mut Comparison, attempt: &str, call: &Billed, rows: &[Row], price: Price) {
    if !rows.iter().any(|row| row.kind == Kind::Charge) {
        found.lost += 1;
        return found.note(format!("no charge: {attempt} {call:?}"));
    }
    let recorded: i128 = rows.iter().map(|row| row.amount).sum();
    let billed = price.of(call.input_tokens, call.output_tokens);
    let is_right = if rows.iter().any(|row| row.is_hold_assumed) {
        recorded >= billed
    } else {
        // What an aborted stream had under way when it ended cannot be known on the other side.
        call.ending != Ending::Whole || recorded == billed
    };
    if !is_right {
        found.mispriced += 1;
        found.note(format!("amount {recorded}, billed {billed} nano-dollars: {attempt} {call:?} {rows:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: 1, output: 10 };

    fn invoice(calls: &[(&str, Ending, u64)]) -> Invoice {
        let mut invoice = Invoice::default();
        for &(attempt, ending, output_tokens) in calls {
            let input_tokens = u64::from(ending != Ending::Refused);
            let billed = Billed { ending, input_tokens, output_tokens };
            invoice.attempts.entry(attempt.to_owned()).or_default().push(billed);
        }
        invoice
    }

    fn ledger(rows: &[(&str, i128, bool)]) -> Ledger {
        let mut ledger = Ledger::default();
        for &(attempt, amount, is_hold_assumed) in rows {
            let row = Row { kind: Kind::Charge, amount, is_hold_assumed, is_final: !is_hold_assumed };
            ledger.0.entry(attempt.to_owned()).or_default().push(row);
        }
        ledger
    }

    #[test]
    fn books_that_agree_hold() {
        let found = compare(
            &invoice(&[("a", Ending::Whole, 2), ("b", Ending::Aborted, 3), ("c", Ending::Refused, 0)]),
            &ledger(&[("a", 21, false), ("b", 25, false), ("c", 0, false)]),
            PRICE,
        );
        assert!(found.holds(), "{found:?}");
        assert_eq!((found.billed, found.recorded), (2, 3));
    }

    #[test]
    fn a_call_without_a_charge_is_lost() {
        let found = compare(&invoice(&[("a", Ending::Aborted, 2)]), &ledger(&[]), PRICE);
        assert_eq!((found.lost, found.holds(), found.offences.len()), (1, false, 1));
    }

    #[test]
    fn a_charge_for_what_was_not_billed_is_invented() {
        let refused = invoice(&[("a", Ending::Refused, 0)]);
        assert_eq!(compare(&refused, &ledger(&[("a", 5, false)]), PRICE).invented, 1);
    }

    #[test]
    fn a_call_without_an_end_on_the_invoice_is_lost() {
        let open = Invoice { running: 1, ..Invoice::default() };
        assert!(!compare(&open, &ledger(&[]), PRICE).holds());
    }

    #[test]
    fn two_charges_are_a_duplicate() {
        let found = compare(
            &invoice(&[("a", Ending::Aborted, 2)]),
            &ledger(&[("a", 21, false), ("a", 0, false)]),
            PRICE,
        );
        assert_eq!((found.duplicated, found.holds()), (1, false));
    }

    #[test]
    fn one_name_sent_twice_is_a_duplicate() {
        let found = compare(
            &invoice(&[("a", Ending::Whole, 2), ("a", Ending::Whole, 2)]),
            &ledger(&[("a", 21, false)]),
            PRICE,
        );
        assert_eq!((found.duplicated, found.holds()), (1, false));
    }

    #[test]
    fn only_an_assumed_hold_may_lack_a_call() {
        let none = invoice(&[]);
        assert!(compare(&none, &ledger(&[("a", 5, true)]), PRICE).holds());
        assert_eq!(compare(&none, &ledger(&[("a", 5, false)]), PRICE).invented, 1);
    }

    #[test]
    fn a_whole_answer_has_its_exact_amount() {
        let whole = invoice(&[("a", Ending::Whole, 2)]);
        for amount in [20, 22] {
            assert_eq!(compare(&whole, &ledger(&[("a", amount, false)]), PRICE).mispriced, 1);
        }
    }

    #[test]
    fn an_assumed_hold_is_never_below_what_was_billed() {
        let whole = invoice(&[("a", Ending::Whole, 2)]);
        assert!(compare(&whole, &ledger(&[("a", 30, true)]), PRICE).holds());
        assert_eq!(compare(&whole, &ledger(&[("a", 20, true)]), PRICE).mispriced, 1);
    }
}
