//! The builder of a server.

use std::process::ExitCode;
use std::sync::Arc;

use headwall_config::{Config, Report};
use headwall_core::{Filter, Module, Service, Upstream};

use crate::cli::{self, Subcommand};
use crate::modules::Modules;
use crate::{Running, StartError};

/// A server in the making: the modules that its config may name.
pub struct Server {
    modules: Arc<Modules>,
    pub(crate) subcommands: Vec<Subcommand>,
}

impl Server {
    /// A server with everything that Headwall brings along.
    #[must_use]
    pub fn new() -> Self {
        Self { modules: Arc::new(Modules::standard()), subcommands: Vec::new() }
    }

    /// Lets configs name a filter.
    #[must_use]
    pub fn filter<M: Module<Makes = dyn Filter>>(self, name: &str) -> Self {
        self.with(|modules| modules.filter::<M>(name))
    }

    /// Lets configs name a service.
    #[must_use]
    pub fn service<M: Module<Makes = dyn Service>>(self, name: &str) -> Self {
        self.with(|modules| modules.service::<M>(name))
    }

    /// Lets configs name a kind of upstream.
    #[must_use]
    pub fn upstream<M: Module<Makes = dyn Upstream>>(self, name: &str) -> Self {
        self.with(|modules| modules.upstream::<M>(name))
    }

    /// Adds a command to the command line.
    #[must_use]
    pub fn subcommand(mut self, subcommand: Subcommand) -> Self {
        self.subcommands.push(subcommand);
        self
    }

    /// Does what the command line says. The answer is the exit code for `main`: 0 stopped as asked, 1 could not start
    /// (do not restart automatically), 2 forced by a second signal, 3 failed while running.
    #[must_use]
    pub fn run(self) -> ExitCode {
        cli::run(&self, std::env::args_os())
    }

    /// Reads a config that may name this server's modules.
    pub fn read(
        &self,
        source_name: &str,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Report> {
        Config::read(source_name, text, self.modules.registry(), environment)
    }

    /// Starts serving on the Tokio runtime that this is called on: for tests, and for programs that have a runtime of
    /// their own.
    pub async fn start(&self, config: Config) -> Result<Running, StartError> {
        Running::start(self.modules.clone(), config).await
    }

    pub(crate) fn modules(&self) -> &Arc<Modules> {
        &self.modules
    }

    fn with(mut self, register: impl FnOnce(&mut Modules)) -> Self {
        match Arc::get_mut(&mut self.modules) {
            Some(modules) => register(modules),
            None => log::error!("a server that is running cannot learn new modules"),
        }
        self
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("subcommands", &self.subcommands).finish_non_exhaustive()
    }
}
