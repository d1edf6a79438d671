//! The prebuilt server: Headwall with the modules it brings along, and a sample app to try it on.

mod demo;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use headwall::{Server, Subcommand};

/// The heap that the benchmarks are made with: glibc's costs a proxied request one to two microseconds more.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let demo =
        Subcommand { name: "demo", about: "Serve a sample app, to put Headwall in front of", run: demo };
    Server::new().subcommand(demo).run()
}

/// `headwall demo [ADDRESS]`, on 127.0.0.1:3000 unless told otherwise.
fn demo(args: &[OsString]) -> u8 {
    let address = args.first().and_then(|address| address.to_str()).unwrap_or("127.0.0.1:3000");
    match serve_demo(address) {
        Ok(()) => 0,
        Err(error) => {
            // When standard error is closed there is nobody left to tell.
            let why = format!("error: the demo app cannot be served on {address}: {error}");
            writeln!(std::io::stderr(), "{why}").unwrap_or_default();
            1
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve_demo(address: &str) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = tokio::net::TcpListener::bind(address).await?;
    writeln!(std::io::stderr(), "the demo app is at http://{}", listener.local_addr()?)?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    demo::serve(listener, stop).await
}
