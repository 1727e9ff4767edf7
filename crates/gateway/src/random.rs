//! Random bytes for request ids, fetched from the operating system many at a time.

use std::cell::RefCell;

/// Bytes of one id.
const ID: usize = 10;
/// Ids for which bytes are fetched at once: a system call for each would cost more than the rest of the id.
const STOCK: usize = 64;

thread_local! {
    static BYTES: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; ID * STOCK], left: 0 }) };
}

struct Stock {
    bytes: [u8; ID * STOCK],
    left: usize,
}

/// Ten fresh random bytes.
pub(crate) fn ten_bytes() -> [u8; ID] {
    BYTES.with_borrow_mut(|stock| {
        if stock.left == 0 {
            // Without randomness ids would still be told apart by time; the operating system never refuses.
            if let Err(error) = getrandom::fill(&mut stock.bytes) {
                tracing::warn!(%error, "the operating system gave no random bytes");
            }
            stock.left = STOCK;
        }
        stock.left -= 1;
        let at = stock.left * ID;
        let mut id = [0; ID];
        id.copy_from_slice(&stock.bytes[at..at + ID]);
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_bytes_are_given_twice() {
        let ids: HashSet<[u8; ID]> = (0..1_000).map(|_| ten_bytes()).collect();
        assert_eq!(ids.len(), 1_000);
    }
}
