//! A server at work: start, reload, stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use headwall_config::{Config, ListenAddress, Listener, Report};
use headwall_core::access_log::AccessLog;
use headwall_core::front::Rules;
use headwall_core::module::WarmUp;
use headwall_core::{BoxError, Current, Gateway, Metrics, Stage, Swap};
use headwall_net::{Address, BindError, Frontend, Limits, Transport, accept};
use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admin::Admin;
use crate::assemble::{self, Assembled, Foundation, bytes};
use crate::https::Front;
use crate::listeners::{Listeners, Wanted};
use crate::modules::Modules;
use crate::status::Status;
use crate::tls::Purpose;

/// How long the first health checks may hold up a start or a reload.
const WARM_UP: Duration = Duration::from_secs(10);
/// How long a draining server waits before it closes connections that wait for a next request: a client that is just
/// sending one gets its answer.
const LAST_REQUESTS: Duration = Duration::from_millis(500);
/// How long tunnels have to write their log lines once they were cut.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How much of one request's body, and of all bodies on a connection, a client may send ahead over HTTP/2, in bytes.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// A server at work. Dropping it closes its listeners at once; [`stop`](Self::stop) is the gentle way.
pub struct Running {
    modules: Arc<Modules>,
    foundation: Foundation,
    status: Arc<Status>,
    config: Config,
    swap: Swap<Front>,
    frontend: Arc<Frontend>,
    proxy: Arc<HttpProxy<Gateway<Front>>>,
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
        // Pingora would take another one. Whoever embeds us and has chosen already keeps what they chose.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let foundation = Foundation::new()?;
        let metrics = foundation.metrics.clone();
        let status = Arc::new(Status::new(metrics.clone())?);
        let (listeners, admin_listeners) = (Listeners::default(), Listeners::default());
        // Bound before anything else is begun: a taken port is the most common mistake.
        let bound = listeners.bind(&wanted(&config))?;
        let admin_bound = admin_listeners.bind(&wanted_for_admin(&config))?;

        let access_log = assemble::access_log(&config, None, &metrics).map_err(StartError::AccessLog)?;
        let https = listeners.https_port(&wanted(&config), &bound);
        let assembled = assemble::assemble(&config, &modules, &foundation, Purpose::Start, https)
            .map_err(StartError::Config)?;
        let Assembled { table, secured, upstreams, warm_up: first_looks, pages } = assembled;
        warm_up(first_looks).await;

        let settings = assemble::settings(&config, access_log.clone());
        let front = Front { table, acme: secured.acme };
        let gateway = Gateway::with_settings(front, settings).metrics(&metrics);
        let (swap, stage) = (gateway.swap(), gateway.stage());
        let draining = watch::Sender::new(false);
        let admin = Gateway::new(Admin(status.clone()));
        let frontend = |metrics: &Metrics, refusals| {
            Frontend::new(metrics, limits(&config), refusals, draining.subscribe()).map(Arc::new)
        };
        // The admin listener's own connections are not traffic: they count in metrics that nobody sees.
        let unseen = Metrics::new().map_err(BoxError::from)?;
        let mut running = Self {
            frontend: frontend(&metrics, Arc::new(swap.clone()))?,
            swap,
            stage,
            proxy: host(gateway, &config),
            listeners,
            admin_frontend: frontend(&unseen, Arc::new(admin.swap()))?,
            admin_proxy: host(admin, &config),
            admin_listeners,
            access_log,
            draining,
            modules,
            foundation,
            status,
            config,
        };
        running.frontend.secure.store(Arc::new(secured.secure));
        running.frontend.trusted_proxies.store(Arc::new(assemble::trusted_proxies(&running.config)));
        running.status.serving(upstreams, secured.certificates, pages, &running.config.admin);
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
        let bound = self.listeners.bind(&wanted(&config))?;
        let admin_bound = self.admin_listeners.bind(&wanted_for_admin(&config))?;
        let metrics = &self.foundation.metrics;
        let access_log = assemble::access_log(&config, self.access_log.as_ref(), metrics)
            .map_err(StartError::AccessLog)?;
        let https = self.listeners.https_port(&wanted(&config), &bound);
        let assembled = assemble::assemble(&config, &self.modules, &self.foundation, Purpose::Reload, https)
            .map_err(StartError::Config)?;
        let Assembled { table, secured, upstreams, warm_up: first_looks, pages } = assembled;
        // Nothing can fail from here on.
        self.status.retire_all_but(&upstreams);
        warm_up(first_looks).await;

        warn_of_what_stays(&self.config, &config);
        let settings = assemble::settings(&config, access_log.clone());
        let front = Front { table, acme: secured.acme };
        self.swap.replace(Current { service: front, settings });
        self.frontend.secure.store(Arc::new(secured.secure));
        for frontend in [&self.frontend, &self.admin_frontend] {
            frontend.limits.store(Arc::new(limits(&config)));
            frontend.trusted_proxies.store(Arc::new(assemble::trusted_proxies(&config)));
        }
        self.status.serving(upstreams, secured.certificates, pages, &config.admin);
        self.access_log = access_log;
        self.config = config;
        self.serve(bound, admin_bound);
        self.listeners.keep(&wanted(&self.config));
        self.admin_listeners.keep(&wanted_for_admin(&self.config));
        Ok(())
    }

    fn serve(&mut self, bound: crate::listeners::Bound, admin: crate::listeners::Bound) {
        let (proxy, frontend) = (&self.proxy, &self.frontend);
        self.listeners
            .serve(bound, |listener, transport| accept(listener, transport, proxy.clone(), frontend.clone()));
        let (proxy, frontend) = (&self.admin_proxy, &self.admin_frontend);
        self.admin_listeners
            .serve(admin, |listener, transport| accept(listener, transport, proxy.clone(), frontend.clone()));
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
            connections.close_idle();
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
        self.listeners.addresses(&wanted(&self.config))
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> Option<Address> {
        self.admin_listeners.addresses(&wanted_for_admin(&self.config)).pop()
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

fn wanted(config: &Config) -> Vec<Wanted> {
    let wanted = |listener: &Listener| Wanted {
        address: listener.address.clone(),
        transport: Transport {
            tls: listener.tls,
            http2: listener.http2,
            proxy_protocol: listener.proxy_protocol.iter().map(|network| network.net()).collect(),
        },
    };
    config.listeners.iter().map(wanted).collect()
}

fn wanted_for_admin(config: &Config) -> Vec<Wanted> {
    let wanted =
        |address: &ListenAddress| Wanted { address: address.clone(), transport: Transport::default() };
    config.admin.listen_address().map(wanted).into_iter().collect()
}

/// Says what a reload has not changed, because it belongs to the process.
fn warn_of_what_stays(old: &Config, new: &Config) {
    let http2 = |config: &Config| {
        let limits = &config.limits;
        (limits.max_concurrent_streams, limits.max_header_size, limits.keepalive_timeout)
    };
    if new.workers.count() != old.workers.count() {
        log::warn!("`workers` has changed; that takes a restart");
    }
    if http2(new) != http2(old) {
        log::warn!("limits have changed that HTTP/2 has too; for HTTP/2 that takes a restart");
    }
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        header_timeout: limits.header_timeout.as_std(),
        keepalive_timeout: limits.keepalive_timeout.as_std(),
        handshake_timeout: limits.handshake_timeout.as_std(),
        max_connections: limits.max_connections as usize,
        max_connections_per_address: limits.max_connections_per_address as usize,
        body_timeout: limits.body_timeout.as_std(),
        send_timeout: limits.send_timeout.as_std(),
        min_body_rate: limits.min_body_rate.bytes(),
        min_send_rate: limits.min_send_rate.bytes(),
        head: Rules {
            max_request_line: bytes(limits.max_request_line),
            max_header_size: bytes(limits.max_header_size),
            max_header_count: usize::from(limits.max_header_count),
        },
    }
}

async fn warm_up(first_looks: Vec<WarmUp>) {
    if timeout(WARM_UP, join_all(first_looks)).await.is_err() {
        log::warn!("some first health checks took longer than {WARM_UP:?}; their servers are taken to work");
    }
}

/// Puts a gateway on Pingora's engine.
fn host<S: headwall_core::Service>(gateway: Gateway<S>, config: &Config) -> Arc<HttpProxy<Gateway<S>>> {
    let conf = ServerConf {
        threads: config.workers.count(),
        // How often an attempt may be repeated is decided for each route; this only has to be no less.
        max_retries: 16,
        upstream_keepalive_pool_size: 512,
        ..ServerConf::default()
    };
    let mut proxy = HttpProxy::new(gateway, Arc::new(conf));
    proxy.h2_options = Some(http2_options(&config.limits));
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(config.limits.keepalive_timeout.as_std());
    proxy.server_options = Some(options);
    proxy.handle_init_modules();
    Arc::new(proxy)
}

/// HTTP/2 with the limits of HTTP/1, and windows that do not hold up an upload on a long line.
fn http2_options(limits: &headwall_config::Limits) -> H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(u32::try_from(limits.max_header_size.bytes()).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    options
}

/// Closes the connections that wait in Pingora for the rest of a head.
async fn close_idle<S: headwall_core::Service>(proxy: &HttpProxy<Gateway<S>>) {
    use pingora_core::apps::HttpServerApp as _;
    proxy.http_cleanup().await;
}

fn join_reports(reports: &[Report]) -> String {
    reports.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
