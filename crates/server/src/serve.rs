//! `signalbox serve`: from the settings to the last written record.

use crate::config::{self, Environment, Flags, Settings};
use crate::cores::{self, Cores};
use crate::listener::{self, Listener};
use crate::{bootstrap, output, wire};
use domain::{Clock, SystemClock};
use gateway::Gateway;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::Db;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often changes made by other processes (`signalbox keys create`) are looked for. A revoked key stops
/// working within two seconds.
const POLL: Duration = Duration::from_secs(1);
/// After the drain deadline: for cut streams to be told and records to be written.
const GRACE: Duration = Duration::from_secs(5);
/// After the last call has ended: for its answer to reach its caller.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Runs the gateway until SIGTERM or SIGINT.
#[expect(clippy::disallowed_methods, reason = "these tasks end after all others, each is waited for here")]
pub async fn serve(
    flags: &Flags,
    environment: &Environment,
    settings: Settings,
) -> Result<(), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tls = listener::tls(&settings.tls)?;
    let socket = listener::bind(settings.listen)?;
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
    ];
    let deadline = CancellationToken::new();
    let router = wire::service(&gateway, db.clone());
    // Ready and deaf to sudden ends before the first connection is taken, and before anyone is told.
    let stopped = told_to_stop()?;
    gateway.is_ready.store(true, Ordering::Release);
    let cores = Cores::start(cores::count())?;
    let listener = Listener { socket, tls, service: router, cores: cores.handles() };
    let serving = tokio::task::spawn(listener::serve(listener, stop.clone(), deadline.clone()));
    if let Some(key) = first_key {
        bootstrap::welcome(&key, address, is_tls, &gateway.providers.load(), &settings.default_model);
    }
    let providers: Vec<String> = gateway.providers.load().iter().map(|p| p.name.to_string()).collect();
    let scheme = if is_tls { "https" } else { "http" };
    tracing::info!(providers = providers.join(", "), "listening on {scheme}://{address}");

    stopped.await;
    let patience = Duration::from_secs(settings.timeouts.drain_seconds);
    drain(&gateway, &stop, &deadline, serving, patience).await;
    for job in jobs {
        let _ = job.await;
    }
    let journal = gateway.recorder.journal.clone();
    drop(gateway);
    tokio::task::spawn_blocking(|| cores.stop()).await?;
    // Nothing runs any more: what is in the journal now is all.
    written.cancel();
    if tokio::time::timeout(GRACE, writer).await.is_err() {
        tracing::error!(
            "records could not be stored before the end: the next start finds them in the journal"
        );
    }
    if let Some(keeper) = keeper
        && tokio::time::timeout(GRACE, keeper).await.is_err()
    {
        tracing::error!("answers under keys could not be kept before the end");
    }
    journal.close();
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Takes no new requests, lets running ones end, and cuts what is left at the deadline: cut streams end with
/// an error event, and every request is recorded.
async fn drain(
    gateway: &Gateway,
    stop: &CancellationToken,
    deadline: &CancellationToken,
    mut serving: JoinHandle<()>,
    patience: Duration,
) {
    gateway.is_ready.store(false, Ordering::Release);
    stop.cancel();
    tracing::info!(running = gateway.tasks.len(), patience_s = patience.as_secs(), "stopping");
    // Connections first: a request that is still arriving has no task yet.
    let ended = async {
        let _ = (&mut serving).await;
        gateway.tasks.wait().await;
    };
    if tokio::time::timeout(patience, ended).await.is_ok() {
        return;
    }
    tracing::warn!(running = gateway.tasks.len(), "the drain deadline has passed, ending what still runs");
    gateway.tasks.end_all();
    let _ = tokio::time::timeout(GRACE, gateway.tasks.wait()).await;
    // The last bytes may still be on their way to slow callers.
    if !serving.is_finished() && tokio::time::timeout(LAST_BYTES, &mut serving).await.is_err() {
        deadline.cancel();
        let _ = serving.await;
    }
}

/// Resolves at SIGTERM or SIGINT, neither of which ends the process by itself from here on.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
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
