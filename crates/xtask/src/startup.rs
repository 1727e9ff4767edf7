//! How long Signalbox takes from its start to its first `200` on `/readyz`.

use crate::{
    bench::{Gateway, NAME},
    failure::{Context, Failure},
    json::Json,
    server::{Server, answers_200},
};
use std::{fs, time::Duration};

/// Starts with a data directory that an earlier start has filled.
const WARM_STARTS: usize = 5;

/// Times to ready, in milliseconds.
pub struct StartupTimes {
    /// The first start, in an empty directory.
    fresh_ms: f64,
    /// Later starts, in the same directory.
    warm_ms: Vec<f64>,
}

impl StartupTimes {
    /// Starts and stops the gateway several times.
    pub fn measure(gateway: &Gateway) -> Result<StartupTimes, Failure> {
        let data = gateway.data_dir();
        fs::create_dir_all(&data).context(data.display())?;
        let fresh_ms = start_once(gateway)?;
        let warm_ms = (0..WARM_STARTS).map(|_| start_once(gateway)).collect::<Result<_, _>>()?;
        Ok(StartupTimes { fresh_ms, warm_ms })
    }

    pub fn to_json(&self) -> Json {
        let mut sorted = self.warm_ms.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| Json::Number(sorted.get(index).copied().unwrap_or(f64::NAN));
        Json::object([
            ("fresh_directory_ms", Json::Number(self.fresh_ms)),
            (
                "warm_directory_ms",
                Json::object([
                    ("median", at(sorted.len() / 2)),
                    ("low", at(0)),
                    ("high", at(sorted.len().saturating_sub(1))),
                ]),
            ),
        ])
    }
}

fn start_once(gateway: &Gateway) -> Result<f64, Failure> {
    let mut server = Server::start(NAME, &mut gateway.command(), gateway.folder())?;
    let took = server.wait_until(|| answers_200(gateway.port(), "/readyz"))?;
    Ok(rounded_ms(took))
}

/// Hundredths of a millisecond: what the polling can tell, and no more.
fn rounded_ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_starts_give_their_median_and_range() {
        let times = StartupTimes { fresh_ms: 40.0, warm_ms: vec![9.0, 5.0, 7.0, 8.0, 6.0] };
        let warm = times.to_json().at(&["warm_directory_ms"]).cloned();
        let expected =
            [("median", 7.0), ("low", 5.0), ("high", 9.0)].map(|(name, ms)| (name, Json::Number(ms)));
        assert_eq!(warm, Some(Json::object(expected)));
        assert_eq!(rounded_ms(Duration::from_micros(12_346)), 12.35);
    }
}
