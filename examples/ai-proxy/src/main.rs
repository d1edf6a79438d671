//! The AI provider proxy: clients have one token, `AUTH_TOKEN`, and never see the keys of the providers.
//!
//! `POST /v1/openai/chat/completions` goes to the provider `openai` as `POST /v1/chat/completions`, with the provider's
//! key and host in the place of the client's. Answers are streamed, so tokens appear as they are made.
//!
//! * The filter `bearer` asks for the token.
//! * The service `providers` knows where each provider is, and what it wants to be told.
//!
//! ```sh
//! AUTH_TOKEN=change-me OPENAI_API_KEY=sk-1 ANTHROPIC_API_KEY=sk-2 \
//!     cargo run -p example-ai-proxy -- run --config examples/ai-proxy/headwall.yaml
//! ```

mod bearer;
mod providers;

use std::process::ExitCode;

use headwall::Server;

fn main() -> ExitCode {
    server().run()
}

/// Everything Headwall has, `bearer` and `providers`.
fn server() -> Server {
    Server::new().filter::<bearer::Bearer>("bearer").service::<providers::Providers>("providers")
}

#[cfg(test)]
mod tests;
