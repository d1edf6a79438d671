//! The Discord container hop: `POST /api/cloud/discord/connect` is checked here and then sent to the caller's own
//! container, at `http://{container}:{CONTAINER_API_PORT}/api/discord/connect`.
//!
//! * The filter `discord_connect` answers what is wrong with a request before any container hears of it.
//! * The upstream `containers` knows the callers' containers, which must have private addresses.
//! * The filter `hide_container` keeps those addresses out of what the containers answer.
//!
//! ```sh
//! cargo run -p example-discord -- run --config examples/discord/headwall.yaml
//! ```

mod connect;
mod containers;
mod hide;

use std::process::ExitCode;

use headwall::Server;

fn main() -> ExitCode {
    server().run()
}

/// Everything Headwall has, and the three modules of this example.
fn server() -> Server {
    Server::new()
        .filter::<connect::DiscordConnect>("discord_connect")
        .filter::<hide::HideContainer>("hide_container")
        .upstream::<containers::Containers>("containers")
}

#[cfg(test)]
mod tests;
