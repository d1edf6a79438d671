//! `headwall explain`.

use std::net::IpAddr;

use super::source::{Unreadable, read, rendered};
use super::{ConfigFile, REFUSED, print, tell};
use crate::Server;
use crate::explain::{Question, explain};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// The request's method
    method: http::Method,
    /// The request's address, such as `https://app.example.com/api/cloud/login`
    url: http::Uri,
    /// A header of the request, such as 'X-Beta: 1'
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// The address that the request's connection comes from
    #[arg(long, value_name = "IP", default_value = "192.0.2.1")]
    client: IpAddr,
}

pub(super) fn run(server: &Server, args: &Args) -> u8 {
    let config = match read(server, &args.file.config) {
        Ok(config) => config,
        Err(unreadable @ (Unreadable::File(_) | Unreadable::Config(_))) => {
            tell(&unreadable.to_string());
            return REFUSED;
        }
    };
    let question = Question {
        method: args.method.clone(),
        url: args.url.clone(),
        headers: args.headers.iter().cloned().collect(),
        client: args.client,
    };
    match explain(&config, server.modules(), &question) {
        Ok(answer) => print(&answer),
        Err(reports) => {
            reports.iter().for_each(|report| tell(&rendered(report)));
            REFUSED
        }
    }
}

fn header(text: &str) -> Result<(http::HeaderName, http::HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is not a header name"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is not a header value"))?;
    Ok((name, value))
}
