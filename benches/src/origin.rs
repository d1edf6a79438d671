//! The origin behind every proxy: the program `bin/origin.rs`.

use std::io;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::machine::{Machine, Place};
use crate::process::Process;

/// An origin that is up.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Origin {
    /// Starts it on the CPU of the load.
    ///
    /// # Errors
    ///
    /// When it does not say where it listens.
    pub fn start(binaries: &Binaries, machine: &Machine) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = machine.command(Place::Load, binaries.origin());
        let mut process = Process::start(&mut command, dir.path().join("output"))?;
        let address = process.first_line()?.parse().map_err(io::Error::other)?;
        Ok(Self { address, _process: process, _dir: dir })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
