//! CPUs, and who runs where.
//!
//! A proxy that shares its CPU with the load generator is measured together with it. Two CPUs are enough to keep them
//! apart: the last one of the process is the proxy's, the first one everybody else's.

use std::fmt;
use std::fs;
use std::io;
use std::process::Command;

/// How the CPUs are divided up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    kernel: String,
    processor: String,
    /// The proxy's CPU and everybody else's; none when there is only one.
    split: Option<(usize, usize)>,
}

/// Where a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the proxy's CPU.
    Proxy,
    /// On the CPU of load and origin.
    Load,
    /// Wherever the scheduler likes.
    Anywhere,
}

impl Machine {
    /// Divides the CPUs, and moves this process, which makes load too, to the load's.
    ///
    /// # Errors
    ///
    /// When the system does not tell which CPUs there are, or does not move the process.
    pub fn divide() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0");
        let cpus = cpu_list(allowed);
        let split = match (cpus.first(), cpus.last()) {
            (Some(first), Some(last)) if first < last => Some((*last, *first)),
            _ => None,
        };
        if let Some((_, load)) = split {
            let pid = std::process::id().to_string();
            let moved = Command::new("taskset").args(["-a", "-p", "-c", &load.to_string(), &pid]).output()?;
            if !moved.status.success() {
                return Err(io::Error::other("taskset could not move the load generator to its CPU"));
            }
        }
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let processor = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processor: processor.map_or_else(|| "unknown CPU".to_owned(), |(_, name)| name.to_owned()),
            split,
        })
    }

    /// A command that runs `program` at its place.
    pub fn command(&self, place: Place, program: &str) -> Command {
        let cpu = match (self.split, place) {
            (Some((proxy, _)), Place::Proxy) => proxy.to_string(),
            (Some((_, load)), Place::Load) => load.to_string(),
            // This process was moved, and a child would inherit that.
            (Some((proxy, load)), Place::Anywhere) => format!("{load},{proxy}"),
            (None, _) => return Command::new(program),
        };
        let mut command = Command::new("taskset");
        command.args(["-c", &cpu, program]);
        command
    }

    /// Ticks that the hypervisor has given to others, and ticks of all kinds, since the start of the machine.
    ///
    /// # Errors
    ///
    /// When `/proc/stat` cannot be read.
    pub fn stolen(&self) -> io::Result<(u64, u64)> {
        let stat = fs::read_to_string("/proc/stat")?;
        let ticks: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|tick| tick.parse().ok())
            .collect();
        Ok((ticks.get(7).copied().unwrap_or(0), ticks.iter().take(8).sum()))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, Linux {}: ", self.processor, self.kernel)?;
        match self.split {
            Some((proxy, load)) => write!(f, "the proxy on CPU {proxy}, load and origin on CPU {load}"),
            None => f.write_str("ONE CPU for everything, so the figures only show that it runs"),
        }
    }
}

/// `0-2,5` as `[0, 1, 2, 5]`.
fn cpu_list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::cpu_list;

    #[test]
    fn reads_the_list_of_cpus() {
        let rows = [("0-1", vec![0, 1]), ("\t0-2,5\n", vec![0, 1, 2, 5]), ("3", vec![3]), ("", vec![])];
        for (text, expected) in rows {
            assert_eq!(cpu_list(text), expected, "{text:?}");
        }
    }
}
