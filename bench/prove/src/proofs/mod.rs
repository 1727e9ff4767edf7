//! The proofs, by name. Each gives its verdict line, or why it does not hold.

mod clock;
mod conservation;
mod crash;
mod disconnect;
mod disk_full;
mod drain;
mod fuzz;
mod leaks;
mod memory;
mod overload;
mod overshoot;
mod secrets;

use crate::{failure::Failure, rig::Options};

/// All that `all` runs, in the order of what their breach costs.
pub const NAMES: [&str; 12] = [
    "crash",
    "overshoot",
    "conservation",
    "leaks",
    "drain",
    "overload",
    "memory",
    "disconnect",
    "disk-full",
    "secrets",
    "clock",
    "fuzz",
];

pub async fn run(name: &str, options: &Options) -> Result<String, Failure> {
    match name {
        "crash" => crash::run(options).await,
        "overshoot" => overshoot::run(options).await,
        "conservation" => conservation::run(options).await,
        "leaks" => leaks::run(options).await,
        "drain" => drain::run(options).await,
        "overload" => overload::run(options).await,
        "disconnect" => disconnect::run(options).await,
        "disk-full" => disk_full::run(options).await,
        "secrets" => secrets::run(options).await,
        "clock" => clock::run(options).await,
        "fuzz" => fuzz::run(options).await,
        "memory" => memory::run(options).await,
        unknown => Err(Failure::new(format!("no proof `{unknown}`; there are {}", NAMES.join(", ")))),
    }
}
