//! `signalbox serve`: from the settings to the last written record.

use crate::config::{self, Environment, Flags, Settings};
use crate::cores::{self, Cores};
use crate::drain::{self, Serving, Signals};
use crate::listener::{self, Listener};
use crate::{bootstrap, memory, output, wire};
use domain::{Clock, SystemClock};
use gateway::{Gateway, Phase};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use store::Db;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often changes made by other processes (`signalbox keys create`) are looked for. A revoked key stops
/// working within two seconds.
const POLL: Duration = Duration::from_secs(1);
/// After the last call has ended: for the records to reach the store.
const STORE_WAIT: Duration = Duration::from_secs(5);

/// Runs the gateway until SIGTERM or SIGINT.
#[expect(clippy::disallowed_methods, reason = "these tasks end after all others, each is waited for here")]
pub async fn serve(
    flags: &Flags,
    environment: &Environment,
    settings: Settings,
) -> Result<(), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tls = listener::tls(&settings.tls)?;
    let socket = listener::bind(settings.listen, settings.gateway_limits().write_stall)?;
    let address = socket.local_addr()?;
    let db = wire::open_store(&settings.data_dir).await?;
    let first_key = bootstrap::first_start(&db, environment.get("SIGNALBOX_BOOTSTRAP_KEY"), &*clock).await?;
    #[cfg(debug_assertions)]
    if let Some(place) = environment.get("SIGNALBOX_FAILPOINT") {
        store::failpoint::arm(place);
    }
    let wire::Parts { gateway, applier, metrics, keeper } =
        wire::build(&settings, environment, &db, clock).await?;

    let is_tls = tls.is_some();
    let stop = CancellationToken::new();
    let written = CancellationToken::new();
    let writer = tokio::task::spawn(gateway::record::write(applier, metrics, written.clone()));
    let keeper = keeper.map(|keeper| tokio::task::spawn(keeper.run(written.clone())));
    let jobs = [
        tokio::task::spawn(follow_changes(gateway.clone(), db.clone(), stop.clone())),
        tokio::task::spawn(reload(gateway.clone(), flags.clone(), environment.clone(), stop.clone())),
        tokio::task::spawn(memory::give_back(stop.clone())),
    ];
    let deadline = CancellationToken::new();
    let router = wire::service(&gateway, db.clone());
    // Ready and deaf to sudden ends before the first connection is taken, and before anyone is told.
    let mut signals = Signals::listen()?;
    gateway.progress.advance(Phase::Serving);
    let cores = Cores::start(cores::count())?;
    // Each thread has memory of its own to look after; they end with the runtimes they run on.
    for core in cores.handles() {
        core.spawn(memory::give_back(stop.clone()));
    }
    let listener = Listener { socket, tls, service: router, cores: cores.handles() };
    let connections = tokio::task::spawn(listener::serve(listener, stop.clone(), deadline.clone()));
    if let Some(key) = first_key {
        bootstrap::welcome(&key, address, is_tls, &gateway.providers.load(), &settings.default_model);
    }
    let providers: Vec<String> = gateway.providers.load().iter().map(|p| p.name.to_string()).collect();
    let scheme = if is_tls { "https" } else { "http" };
    tracing::info!(providers = providers.join(", "), "listening on {scheme}://{address}");

    signals.told().await;
    let serving = Serving { connections, stop, deadline };
    drain::drain(&gateway, serving, settings.drain_patience(), &mut signals).await;
    for job in jobs {
        let _ = job.await;
    }
    let journal = gateway.recorder.journal.clone();
    drop(gateway);
    tokio::task::spawn_blocking(|| cores.stop()).await?;
    // Nothing runs any more: what is in the journal now is all.
    written.cancel();
    if tokio::time::timeout(STORE_WAIT, writer).await.is_err() {
        tracing::error!(
            "records could not be stored before the end: the next start finds them in the journal"
        );
    }
    if let Some(keeper) = keeper
        && tokio::time::timeout(STORE_WAIT, keeper).await.is_err()
    {
        tracing::error!("answers under keys could not be kept before the end");
    }
    journal.close();
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Swaps the snapshot when another process has changed the configuration.
async fn follow_changes(gateway: Arc<Gateway>, db: Db, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = stop.cancelled() => return,
        }
        let known = gateway.snapshot.load().generation;
        let changed = async {
            if db.generation().await? == known {
                return Ok(None);
            }
            db.snapshot().await.map(Some)
        };
        match changed.await {
            Ok(None) => {}
            Ok(Some(snapshot)) => {
                tracing::info!(generation = snapshot.generation, "configuration changed");
                gateway.snapshot.store(Arc::new(snapshot));
            }
            // The last good snapshot stays in force.
            Err(error) => tracing::warn!(%error, "changes of the configuration cannot be read"),
        }
    }
}

/// On SIGHUP, reads providers and catalogue again; what is wrong is logged and changes nothing.
async fn reload(gateway: Arc<Gateway>, flags: Flags, environment: Environment, stop: CancellationToken) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    loop {
        tokio::select! {
            _ = hangup.recv() => {}
            () = stop.cancelled() => return,
        }
        let read =
            config::load(&flags, &environment).and_then(|settings| config::resolve(&settings, &environment));
        match read {
            Ok(providers) => {
                gateway.providers.store(Arc::new(providers));
                tracing::info!("providers and catalogue read again");
            }
            Err(error) => tracing::error!(%error, "the settings are wrong, the old ones stay in force"),
        }
    }
}

/// Prints what is in force.
pub fn check(settings: &Settings, environment: &Environment) -> Result<(), Box<dyn Error>> {
    let providers = config::resolve(settings, environment)?;
    output::line(toml::to_string_pretty(settings)?.trim());
    output::line(format!(
        "\n# providers: {}",
        providers.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ")
    ));
    Ok(())
}
