//! `headwall run`.

use std::future::Future;
use std::io::Write as _;
use std::time::Duration;

use headwall_config::Config;
use tokio::runtime::{Builder, Runtime};

use super::source::{Unreadable, read};
use super::{ConfigFile, FORCED, OK, REFUSED, tell};
use crate::signals::{Request, Signals};
use crate::{Running, Server};

/// How long tasks that are not requests may take to end once everything is over.
const LAST_TASKS: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(server: &Server, args: &Args) -> u8 {
    start_diagnostics();
    let config = match read(server, &args.file.config) {
        Ok(config) => config,
        Err(unreadable) => {
            tell(&unreadable.to_string());
            return REFUSED;
        }
    };
    if !config.warnings().is_empty() {
        tell(&super::source::rendered(&config.warnings()));
    }
    let runtime = match runtime(config.workers.count()) {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("error: the worker threads cannot be started: {error}"));
            return REFUSED;
        }
    };
    // The work itself is done by the workers; this thread waits for signals.
    let exit = runtime.block_on(serve(server, args, config));
    runtime.shutdown_timeout(LAST_TASKS);
    exit
}

/// One worker needs no scheduler between threads.
fn runtime(workers: usize) -> std::io::Result<Runtime> {
    if workers == 1 {
        Builder::new_current_thread().enable_all().build()
    } else {
        Builder::new_multi_thread().worker_threads(workers).thread_name("worker").enable_all().build()
    }
}

async fn serve(server: &Server, args: &Args, config: Config) -> u8 {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tell(&format!("error: signals cannot be listened to: {error}"));
            return REFUSED;
        }
    };
    let mut running = match server.start(config).await {
        Ok(running) => running,
        Err(error) => {
            tell(&format!("error: {error}"));
            return REFUSED;
        }
    };
    if let Some(address) = running.admin_address() {
        log::info!("metrics and probes at http://{address}");
    }
    log::info!("headwall {} is serving", env!("CARGO_PKG_VERSION"));
    loop {
        match signals.next().await {
            Request::Reload => reload(server, args, &mut running).await,
            Request::ReopenLogs => running.reopen_logs(),
            Request::Stop => break,
        }
    }
    tokio::select! {
        cut = stopped(running) => {
            log::info!("stopped{}", if cut == 0 { "" } else { ", with connections cut" });
            OK
        }
        () = signals.stop() => {
            log::warn!("stopped at once by a second signal");
            FORCED
        }
    }
}

fn stopped(running: Running) -> impl Future<Output = usize> {
    running.stop()
}

async fn reload(server: &Server, args: &Args, running: &mut Running) {
    let config = match read(server, &args.file.config) {
        Ok(config) => config,
        Err(unreadable @ (Unreadable::File(_) | Unreadable::Config(_))) => {
            running.refused_reload();
            log::error!("the config was not reloaded and nothing has changed:\n{unreadable}");
            return;
        }
    };
    match running.reload(config).await {
        Ok(()) => log::info!("the config was reloaded"),
        Err(error) => log::error!("the config was not reloaded and nothing has changed: {error}"),
    }
}

/// Diagnostics go to standard error; `HEADWALL_LOG` says how much, in env_logger's notation.
fn start_diagnostics() {
    // Pingora logs an error for every client that goes away, and rustls a warning for every scanner that does not finish
    // its handshake; the access log and the metrics tell of those that matter.
    let quiet = "info,pingora_proxy=off,pingora_core=error,pingora_core::apps=off,pingora_load_balancing=off,rustls=error";
    let env = env_logger::Env::new().filter_or("HEADWALL_LOG", quiet);
    let started = env_logger::Builder::from_env(env)
        .format(|out, record| {
            let time = out.timestamp_millis();
            writeln!(out, "{time} {:5} {}", record.level(), record.args())
        })
        .try_init();
    if let Err(error) = started {
        // The program that this is a part of has a logger of its own.
        log::debug!("diagnostics go where the program sends them: {error}");
    }
}
