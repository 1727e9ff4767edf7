//! What callers need to know: where the gateway is, a key, and which calls have reached the provider.

use crate::{
    failure::{Context, Failure},
    rig::Rig,
};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::sleep;

const ARRIVAL_WAIT_MAX: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(2);

pub struct Site {
    pub port: u16,
    pub key: String,
    arrivals: Mutex<Arrivals>,
}

impl Site {
    pub fn new(rig: &Rig, key: String) -> Result<Site, Failure> {
        let arrivals = Mutex::new(Arrivals::follow(&rig.folder().join("invoice.jsonl"))?);
        Ok(Site { port: rig.port, key, arrivals })
    }

    /// Waits until the provider has the call with this tag: who leaves earlier proves nothing.
    pub async fn called(&self, tag: u64) -> Result<(), Failure> {
        let begun = Instant::now();
        while !self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).has(tag)? {
            if begun.elapsed() > ARRIVAL_WAIT_MAX {
                return Err(Failure::new("the provider was never called"));
            }
            sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

/// The tags of the calls that have begun, read from the invoice as it grows.
struct Arrivals {
    invoice: BufReader<File>,
    line: String,
    tags: BTreeSet<u64>,
}

impl Arrivals {
    fn follow(path: &Path) -> Result<Arrivals, Failure> {
        let invoice = BufReader::new(File::open(path).context("the invoice")?);
        Ok(Arrivals { invoice, line: String::new(), tags: BTreeSet::new() })
    }

    fn has(&mut self, tag: u64) -> Result<bool, Failure> {
        while self.invoice.read_line(&mut self.line).context("the invoice")? > 0 {
            // Half a line is kept until its rest is there.
            if !self.line.ends_with('\n') {
                break;
            }
            let value: serde_json::Value =
                serde_json::from_str(&self.line).context("a line of the invoice")?;
            self.tags.extend(value["tag"].as_u64().filter(|_| value["event"] == "begin"));
            self.line.clear();
        }
        Ok(self.tags.contains(&tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write};

    #[test]
    fn an_arrival_is_seen_when_its_line_is_whole() {
        let path = std::env::temp_dir().join(format!("arrivals-{}", std::process::id()));
        let mut file = File::create(&path).unwrap();
        let mut arrivals = Arrivals::follow(&path).unwrap();
        assert_eq!(arrivals.has(7), Ok(false));
        file.write_all(b"{\"event\":\"begin\",").unwrap();
        assert_eq!(arrivals.has(7), Ok(false));
        file.write_all(b"\"tag\":7}\n{\"event\":\"end\",\"tag\":8}\n").unwrap();
        assert_eq!((arrivals.has(7), arrivals.has(8)), (Ok(true), Ok(false)));
        fs::remove_file(path).unwrap();
    }
}
