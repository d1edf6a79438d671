//! A server at work: start, reload, stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use headwall_config::{Config, ListenAddress, Report};
use headwall_core::access_log::AccessLog;
use headwall_core::module::WarmUp;
use headwall_core::{BoxError, Current, Gateway, Metrics, Stage, Swap, Table};
use headwall_net::{Address, BindError, Connections, Frontend, Limits, accept};
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admin::Admin;
use crate::assemble::{self, Assembled, Foundation};
use crate::listeners::Listeners;
use crate::modules::Modules;
use crate::status::Status;

/// How long the first health checks may hold up a start or a reload.
const WARM_UP: Duration = Duration::from_secs(10);
/// How long a draining server waits before it closes connections that wait for a next request: a client that is just
/// sending one gets its answer.
const LAST_REQUESTS: Duration = Duration::from_millis(500);
/// How long tunnels have to write their log lines once they were cut.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server at work. Dropping it closes its listeners at once; [`stop`](Self::stop) is the gentle way.
pub struct Running {
    modules: Arc<Modules>,
    foundation: Foundation,
    status: Arc<Status>,
    config: Config,
    swap: Swap<Table>,
    frontend: Arc<Frontend>,
    proxy: Arc<HttpProxy<Gateway<Table>>>,
    listeners: Listeners,
    admin_frontend: Arc<Frontend>,
    admin_proxy: Arc<HttpProxy<Gateway<Admin>>>,
    admin_listeners: Listeners,
    access_log: Option<AccessLog>,
    draining: watch::Sender<bool>,
    stage: watch::Sender<Stage>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something in the config cannot be built.
    #[error("{}", join_reports(.0))]
    Config(Vec<Report>),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The access log cannot be written.
    #[error("the access log cannot be opened: {0}")]
    AccessLog(#[source] io::Error),
    /// Something inside.
    #[error(transparent)]
    Internal(#[from] BoxError),
}

/// Why a reload changed nothing.
pub type ReloadError = StartError;

impl Running {
    /// Starts serving. Must be called on a Tokio runtime, on which the server then runs.
    pub(crate) async fn start(modules: Arc<Modules>, config: Config) -> Result<Self, StartError> {
        let metrics = Metrics::new().map_err(BoxError::from)?;
        let status = Arc::new(Status::new(metrics.clone())?);
        let (listeners, admin_listeners) = (Listeners::default(), Listeners::default());
        // Bound before anything else is begun: a taken port is the most common mistake.
        let bound = listeners.bind(addresses(&config))?;
        let admin_bound = admin_listeners.bind(config.admin.listen_address())?;

        let access_log = assemble::access_log(&config, None, &metrics).map_err(StartError::AccessLog)?;
        let foundation = Foundation { metrics: metrics.clone(), shared: Default::default() };
        let assembled = assemble::assemble(&config, &modules, &foundation).map_err(StartError::Config)?;
        warm_up(assembled.warm_up).await;

        let settings = assemble::settings(&config, access_log.clone());
        let gateway = Gateway::with_settings(assembled.table, settings).metrics(&metrics);
        let (swap, stage) = (gateway.swap(), gateway.stage());
        let draining = watch::Sender::new(false);
        let frontend = |metrics: &Metrics| {
            let connections = Connections::new(metrics.connections());
            Arc::new(Frontend {
                connections,
                limits: ArcSwap::from_pointee(limits(&config)),
                draining: draining.subscribe(),
            })
        };
        // The admin listener's own connections are not traffic: they count in metrics that nobody sees.
        let unseen = Metrics::new().map_err(BoxError::from)?;
        let workers = config.workers.count();
        let mut running = Self {
            swap,
            stage,
            frontend: frontend(&metrics),
            proxy: host(gateway, workers),
            listeners,
            admin_frontend: frontend(&unseen),
            admin_proxy: host(Gateway::new(Admin(status.clone())), workers),
            admin_listeners,
            access_log,
            draining,
            modules,
            foundation,
            status,
            config,
        };
        running.status.serving(assembled.upstreams);
        running.serve(bound, admin_bound);
        Ok(running)
    }

    /// Changes to another config. Either all of it is put to work, or nothing changes.
    ///
    /// Requests in flight finish with the config they began with. Upstreams and limits that did not change keep what
    /// they know; connections and tunnels stay open.
    pub async fn reload(&mut self, config: Config) -> Result<(), ReloadError> {
        let result = self.try_reload(config).await;
        self.status.reloaded(result.is_ok());
        result
    }

    async fn try_reload(&mut self, config: Config) -> Result<(), ReloadError> {
        let bound = self.listeners.bind(addresses(&config))?;
        let admin_bound = self.admin_listeners.bind(config.admin.listen_address())?;
        let metrics = &self.foundation.metrics;
        let access_log = assemble::access_log(&config, self.access_log.as_ref(), metrics)
            .map_err(StartError::AccessLog)?;
        let assembled =
            assemble::assemble(&config, &self.modules, &self.foundation).map_err(StartError::Config)?;
        let Assembled { table, upstreams, warm_up: first_looks } = assembled;
        // Nothing can fail from here on.
        self.status.retire_all_but(&upstreams);
        warm_up(first_looks).await;

        if config.workers.count() != self.config.workers.count() {
            log::warn!("`workers` has changed; that takes a restart");
        }
        let settings = assemble::settings(&config, access_log.clone());
        self.swap.replace(Current { service: table, settings });
        for frontend in [&self.frontend, &self.admin_frontend] {
            frontend.limits.store(Arc::new(limits(&config)));
        }
        self.status.serving(upstreams);
        self.access_log = access_log;
        self.config = config;
        self.serve(bound, admin_bound);
        self.listeners.keep(addresses(&self.config));
        self.admin_listeners.keep(self.config.admin.listen_address());
        Ok(())
    }

    fn serve(&mut self, bound: crate::listeners::Bound, admin: crate::listeners::Bound) {
        let (proxy, frontend) = (&self.proxy, &self.frontend);
        self.listeners.serve(bound, |listener| accept(listener, proxy.clone(), frontend.clone()));
        let (proxy, frontend) = (&self.admin_proxy, &self.admin_frontend);
        self.admin_listeners.serve(admin, |listener| accept(listener, proxy.clone(), frontend.clone()));
    }

    /// Stops: no new connections, requests in flight finish, and what is still open when the time of
    /// `shutdown.timeout` is over is cut. Returns how many connections had to be.
    pub async fn stop(mut self) -> usize {
        self.status.drain();
        self.listeners.close().await;
        self.draining.send_replace(true);
        self.stage.send_replace(Stage::Draining);
        let connections = self.frontend.connections.clone();
        log::info!("draining {} connections", connections.open());
        let limit = self.config.shutdown.timeout.as_std();
        let grace = LAST_REQUESTS.min(limit);
        if !connections.drained_within(grace).await {
            close_idle(&self.proxy).await;
            connections.drained_within(limit - grace).await;
        }
        let cut = connections.open();
        if cut > 0 {
            log::warn!("{cut} connections are still open after {} and are cut", self.config.shutdown.timeout);
            self.stage.send_replace(Stage::Closing);
            connections.cut();
            connections.drained_within(LAST_WORDS).await;
        }
        cut
    }

    /// Counts a reload that was refused before it came here, because the config could not be read.
    pub fn refused_reload(&self) {
        self.status.reloaded(false);
    }

    /// The addresses that are listened on, with their real ports, in the order of the config.
    pub fn addresses(&self) -> Vec<Address> {
        self.listeners.addresses(addresses(&self.config))
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Option<Address> {
        self.admin_listeners.addresses(self.config.admin.listen_address()).pop()
    }

    /// The server's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.foundation.metrics
    }

    /// The config that is at work.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Opens the access log's file again, after logrotate has moved it.
    pub fn reopen_logs(&self) {
        if let Some(access_log) = &self.access_log {
            access_log.writer().reopen();
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

fn addresses(config: &Config) -> impl Iterator<Item = &ListenAddress> {
    config.listeners.iter().map(|listener| &listener.address)
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        header_timeout: limits.header_timeout.as_std(),
        keepalive_timeout: limits.keepalive_timeout.as_std(),
        max_connections: limits.max_connections as usize,
    }
}

async fn warm_up(first_looks: Vec<WarmUp>) {
    if timeout(WARM_UP, join_all(first_looks)).await.is_err() {
        log::warn!("some first health checks took longer than {WARM_UP:?}; their servers are taken to work");
    }
}

/// Puts a gateway on Pingora's engine.
fn host<S: headwall_core::Service>(gateway: Gateway<S>, workers: usize) -> Arc<HttpProxy<Gateway<S>>> {
    let conf = ServerConf {
        threads: workers,
        // How often an attempt may be repeated is decided for each route; this only has to be no less.
        max_retries: 16,
        upstream_keepalive_pool_size: 512,
        ..ServerConf::default()
    };
    let mut proxy = HttpProxy::new(gateway, Arc::new(conf));
    proxy.handle_init_modules();
    Arc::new(proxy)
}

/// Closes the connections that wait for a next request.
async fn close_idle<S: headwall_core::Service>(proxy: &HttpProxy<Gateway<S>>) {
    use pingora_core::apps::HttpServerApp as _;
    proxy.http_cleanup().await;
}

fn join_reports(reports: &[Report]) -> String {
    reports.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
