//! Headwall's services on a Pingora server that is already there, without Headwall's config, listeners or command line.
//!
//! Three services have a port each: an API, a WebSocket and a login with a rate limit. Each is by itself a complete
//! `ProxyHttp`. On a fourth port the same three stand together behind one table of routes; what they know, such as how
//! often somebody has tried to log in, is the same at both doors.
//!
//! ```sh
//! cargo run -p example-plain-pingora
//! ```
//!
//! The application is expected at 127.0.0.1:3000; `cargo run -p headwall-server -- demo` is one.

mod workshop;

use std::net::SocketAddr;

use headwall::matching::{InvalidPathMatch, Matcher, PathMatch, Rule};
use headwall::route::Step;
use headwall::{BoxError, Gateway, Route, Service, Table};
use headwall_api::Api;
use headwall_limits::RateLimit;
use headwall_upstream::ClusterSettings;
use headwall_websocket::WebSocket;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::ServiceHandle;
use pingora_proxy::http_proxy_service_with_name;
use serde_json::json;

use crate::workshop::Workshop;

fn main() -> Result<(), BoxError> {
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let doors = Doors { api: local(8081), socket: local(8082), login: local(8083), all: local(8080) };
    server(local(3000), &doors)?.run_forever()
}

/// Where to listen.
struct Doors {
    api: SocketAddr,
    socket: SocketAddr,
    login: SocketAddr,
    all: SocketAddr,
}

/// A Pingora server with three Headwall services at a door each, and one more door to all three.
fn server(app: SocketAddr, doors: &Doors) -> Result<Server, BoxError> {
    let mut workshop = Workshop::new()?;
    let health_check = json!({ "path": "/api/health" });
    workshop.upstream::<ClusterSettings>("app", json!({ "servers": [app], "health_check": health_check }))?;
    let forward = workshop.make::<Api>("api", json!({ "upstream": "app" }))?;
    let tunnel = workshop.make::<WebSocket>("socket", json!({ "upstream": "app" }))?;
    let limit = workshop.make::<RateLimit>("login", json!({ "rate": "5r/m", "burst": 2 }))?;

    let api = Route::new("api", forward.clone());
    let socket = Route::new("socket", tunnel);
    let login = Route::builder("login", forward).step(Step::new("rate_limit", limit)).build();
    let all = Table::of([
        Rule::new([path(PathMatch::exact("/api/login"))?], login.clone()),
        Rule::new([path(PathMatch::prefix("/api"))?], api.clone()),
        Rule::new([path(PathMatch::exact("/ws"))?], socket.clone()),
    ])?;

    let conf = ServerConf { grace_period_seconds: Some(0), ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let first_looks = server.add_service(workshop.first_looks());
    let doors = [
        open(&mut server, "api", doors.api, api),
        open(&mut server, "socket", doors.socket, socket),
        open(&mut server, "login", doors.login, login),
        open(&mut server, "all", doors.all, all),
    ];
    // Nobody is let in before it is known whether the application is well.
    doors.iter().for_each(|door| door.add_dependency(&first_looks));
    Ok(server)
}

/// Gives a service a door of its own. A table of routes is a service like any other.
fn open(server: &mut Server, name: &str, address: SocketAddr, service: impl Service) -> ServiceHandle {
    let mut door = http_proxy_service_with_name(&server.configuration, Gateway::new(service), name);
    door.add_tcp(&address.to_string());
    server.add_service(door)
}

fn path(path: Result<PathMatch, InvalidPathMatch>) -> Result<Matcher, InvalidPathMatch> {
    Ok(Matcher { path: path?, ..Matcher::default() })
}

#[cfg(test)]
mod tests;
