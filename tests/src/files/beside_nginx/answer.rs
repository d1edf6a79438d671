//! What of an answer can be compared.

use std::fmt;
use std::net::SocketAddr;

use headwall_testkit::Wire;

use super::rows::Row;

/// Fields that the two may differ in for good reasons of their own: names, dates, connections.
const COMPARED: [&str; 8] = [
    "content-type",
    "content-length",
    "content-range",
    "content-encoding",
    "location",
    "allow",
    "vary",
    "cache-control",
];
/// A body up to here is compared letter by letter; of others the length is.
const SHORT: usize = 40;

/// Status, fields and body, without what is different each time.
#[derive(PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    fields: Vec<(&'static str, String)>,
    /// `tag`, `date`: which validators there are. Their values are each server's own.
    validators: Vec<&'static str>,
    body: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (name, value) in &self.fields {
            write!(f, "; {name}: {value}")?;
        }
        for validator in &self.validators {
            write!(f, "; {validator}")?;
        }
        if !self.body.is_empty() {
            write!(f, "; {:?}", self.body)?;
        }
        Ok(())
    }
}

/// Sends a request, after asking for the tag where one is needed.
pub(super) async fn ask(address: SocketAddr, row: &Row) -> Answer {
    let mut headers: Vec<_> = row.headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    if headers.iter().any(|(_, value)| value.contains("{tag}")) {
        let (head, _) = exchange(address, "GET", row.target, &[]).await;
        let tag = field(&head, "etag").unwrap_or_default();
        for (_, value) in &mut headers {
            *value = value.replace("{tag}", tag);
        }
    }
    let (head, body) = exchange(address, row.method, row.target, &headers).await;
    Answer::of(&head, &body, address)
}

async fn exchange(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, String)],
) -> (String, String) {
    let mut wire = Wire::connect(address).await;
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    wire.write(request + "\r\n").await;
    let reply = wire.read_to_end().await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    (head.to_owned(), body.to_owned())
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

impl Answer {
    fn of(head: &str, body: &str, address: SocketAddr) -> Self {
        let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        let is_error = status >= 400;
        let fields = COMPARED.iter().filter_map(|name| {
            // Pages of errors are each server's own.
            let is_body = is_error
                && (name.starts_with("content-t")
                    || name.starts_with("content-l")
                    || *name == "vary"
                    || *name == "cache-control");
            let value = field(head, name).filter(|_| !is_body)?;
            Some((*name, plain(name, value, address)))
        });
        let mut fields: Vec<_> = fields.collect();
        let boundary = field(head, "content-type")
            .and_then(|kind| kind.split_once("boundary="))
            .map(|(_, boundary)| boundary);
        let body = match boundary {
            Some(boundary) => body.replace(boundary, "B"),
            None => body.to_owned(),
        };
        if boundary.is_some() || (300..400).contains(&status) {
            fields.retain(|(name, _)| *name != "content-length");
        }
        if (300..400).contains(&status) {
            fields.retain(|(name, _)| *name != "content-type");
        }
        let validators = [("etag", "tag"), ("last-modified", "date")];
        let validators = validators.iter().filter(|(name, _)| !is_error && field(head, name).is_some());
        let is_shown = status < 300 && (boundary.is_some() || body.len() <= SHORT);
        Self {
            status,
            fields,
            validators: validators.map(|(_, word)| *word).collect(),
            body: if is_shown { body } else { String::new() },
        }
    }
}

/// A value without what is each server's own way of saying the same.
fn plain(name: &str, value: &str, address: SocketAddr) -> String {
    match name {
        "location" => {
            let hosts = [format!("http://app.test:{}", address.port()), "http://app.test".to_owned()];
            let path = hosts.iter().find_map(|host| value.strip_prefix(host.as_str()));
            path.unwrap_or(value).to_owned()
        }
        "content-type" => value
            .split_once("boundary=")
            .map_or(value, |(kind, _)| kind.trim_end_matches([' ', ';']))
            .to_owned(),
        _ => value.to_owned(),
    }
}
