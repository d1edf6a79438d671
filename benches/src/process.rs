//! A child process, its CPU time and its memory.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take to listen. Envoy takes seconds.
const START: Duration = Duration::from_secs(15);

/// What the kernel counts in `/proc`; it has been 100 a second on every Linux for twenty years.
const MICROSECONDS_PER_TICK: u64 = 10_000;

/// A process, and all that it has started. It is ended with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: PathBuf,
}

/// CPU time since the start of a process, its children included.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuTime {
    /// Microseconds in its own code.
    pub user: u64,
    /// Microseconds in the kernel on its behalf.
    pub system: u64,
}

impl Process {
    /// Starts a process whose output goes to the file `said`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(command: &mut Command, said: PathBuf) -> io::Result<Self> {
        // Appending, so that the file can be emptied while it is written to.
        let output = fs::OpenOptions::new().create(true).append(true).open(&said)?;
        command.stdin(std::process::Stdio::null()).stderr(output.try_clone()?).stdout(output);
        Ok(Self { child: command.spawn()?, said })
    }

    /// Waits until `GET path` at `address` is answered with 200.
    ///
    /// # Errors
    ///
    /// When the process ends or stays silent; with the last that it said.
    pub fn answers(&mut self, address: SocketAddr, path: &str) -> io::Result<()> {
        self.answers_to(path, || is_ok(address, path))
    }

    /// Waits until whoever `asks` for `path` is content.
    ///
    /// # Errors
    ///
    /// When the process ends or stays silent; with the last that it said.
    pub fn answers_to(&mut self, path: &str, asks: impl Fn() -> bool) -> io::Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&format!("ended with {status}")));
            }
            if asks() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failed(&format!("did not answer {path} within {START:?}")));
            }
            // There is no signal for "a foreign process listens".
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The first line of output, once it is there.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub fn first_line(&mut self) -> io::Result<String> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some((line, _)) = fs::read_to_string(&self.said)?.split_once('\n') {
                return Ok(line.to_owned());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(self.failed("said nothing"))
    }

    /// CPU time so far.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn cpu_time(&self) -> io::Result<CpuTime> {
        let mut time = CpuTime::default();
        for pid in self.tree()? {
            let fields = stat(pid)?;
            let ticks =
                |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
            time.user += ticks(11) * MICROSECONDS_PER_TICK;
            time.system += ticks(12) * MICROSECONDS_PER_TICK;
        }
        Ok(time)
    }

    /// Resident memory in KiB. Pages that two of its processes share count twice.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn resident(&self) -> io::Result<u64> {
        self.memory("smaps_rollup", "Rss:")
    }

    /// Memory in KiB that nobody else has and that has been written to.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub fn private_dirty(&self) -> io::Result<u64> {
        self.memory("smaps_rollup", "Private_Dirty:")
    }

    fn memory(&self, file: &str, field: &str) -> io::Result<u64> {
        let mut sum = 0;
        for pid in self.tree()? {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
            let value = text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
            sum += value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// The process and those it has started.
    fn tree(&self) -> io::Result<Vec<u32>> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // One that has ended in the meantime is nobody's child.
            let Ok(fields) = stat(pid) else { continue };
            let Some(parent) = fields.get(1).and_then(|field| field.parse::<u32>().ok()) else { continue };
            parents.push((pid, parent));
        }
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        Ok(tree)
    }

    fn failed(&self, how: &str) -> io::Error {
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        io::Error::other(format!("process {} {how}. It said:\n{last}", self.child.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A killed nginx master leaves its worker behind, so each is ended by its own id.
        let tree = self.tree().unwrap_or_default();
        // Both fail only for what is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
        for pid in tree.into_iter().filter(|pid| *pid != self.child.id()) {
            drop(Command::new("kill").args(["-KILL", &pid.to_string()]).output());
        }
    }
}

impl std::ops::Sub for CpuTime {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// The fields of `/proc/PID/stat` after the name, which may contain spaces.
fn stat(pid: u32) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn is_ok(address: SocketAddr, path: &str) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
