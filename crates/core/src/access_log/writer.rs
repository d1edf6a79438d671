//! The thread that writes log lines.
//!
//! Workers write lines into buffers that the thread takes away, so that a line costs no allocation and no system call.
//! There are several buffers, and a worker uses the first that nobody else is using: workers do not wait for one another.
//! The thread is woken only when it sleeps, and then collects for a moment, so that a busy server wakes it fifty times a
//! second instead of once a line. A buffer that is full means that the disk is slower than the traffic: lines are dropped
//! then, and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::IntCounter;

use crate::Metrics;

/// Workers that can write at the same time without one waiting for another.
const BUFFERS: usize = 8;
/// Bytes that a buffer holds at the most.
const FULL: usize = 2 * 1024 * 1024;
/// How long the thread collects before it writes.
const COLLECT: Duration = Duration::from_millis(20);

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to, and opened again on demand so that logrotate can move it away.
    File(PathBuf),
}

/// Buffers and the thread that empties them. Dropping it writes what is left.
#[derive(Debug)]
pub struct LogWriter {
    queue: Arc<Queue>,
    target: LogTarget,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Queue {
    buffers: [Mutex<Vec<u8>>; BUFFERS],
    asleep: AtomicBool,
    reopen: AtomicBool,
    stop: AtomicBool,
    dropped: IntCounter,
}

// === impl LogWriter ===

impl LogWriter {
    /// Opens the target and starts the thread.
    pub fn open(target: LogTarget, metrics: &Metrics) -> io::Result<Self> {
        let out = target.open()?;
        let queue = Arc::new(Queue {
            buffers: std::array::from_fn(|_| Mutex::default()),
            asleep: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            dropped: metrics.log_dropped(),
        });
        let work = {
            let (queue, target) = (queue.clone(), target.clone());
            move || write_lines(&queue, &target, out)
        };
        let thread = thread::Builder::new().name("access-log".into()).spawn(work)?;
        Ok(Self { queue, target, thread: Some(thread) })
    }

    /// Where the lines go.
    pub fn target(&self) -> &LogTarget {
        &self.target
    }

    /// Has a file opened again under its name, after logrotate has moved the old one away.
    pub fn reopen(&self) {
        self.queue.reopen.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Has a line written into a buffer, or counts it as dropped when the buffer is full.
    pub(super) fn push(&self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        let buffers = &self.queue.buffers;
        let mut buffer = buffers.iter().find_map(Mutex::try_lock).unwrap_or_else(|| buffers[0].lock());
        let begin = buffer.len();
        if begin > FULL {
            self.queue.dropped.inc();
        } else if let Err(error) = write(&mut buffer) {
            // Nothing in a line can fail to be written to memory; should that ever change, somebody is told.
            log::error!("a line for the access log could not be made: {error}");
            buffer.truncate(begin);
        }
        drop(buffer);
        if self.queue.asleep.load(Ordering::SeqCst) && self.queue.asleep.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.queue.stop.store(true, Ordering::SeqCst);
        self.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("the access log's thread has panicked");
        }
    }
}

// === impl LogTarget ===

impl LogTarget {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(match self {
            Self::Stdout => Box::new(io::stdout()),
            Self::Stderr => Box::new(io::stderr()),
            Self::File(path) => Box::new(append(path)?),
        })
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_lines(queue: &Queue, target: &LogTarget, mut out: Box<dyn Write + Send>) {
    let mut taken = Vec::new();
    let mut failing = false;
    loop {
        if queue.reopen.swap(false, Ordering::SeqCst) {
            match target.open() {
                Ok(file) => out = file,
                Err(error) => log::error!("the access log {target:?} cannot be opened again: {error}"),
            }
        }
        let stopping = queue.stop.load(Ordering::SeqCst);
        let result = queue.write_all(&mut taken, &mut *out);
        if let Err(error) = &result
            && !failing
        {
            log::error!("the access log {target:?} cannot be written: {error}; lines are being dropped");
        }
        failing = result.is_err();
        if stopping {
            return;
        }
        queue.asleep.store(true, Ordering::SeqCst);
        // A line that came before `asleep` was set has woken nobody: look once more before going to sleep.
        if !queue.has_work() {
            thread::park();
        }
        queue.asleep.store(false, Ordering::SeqCst);
        if !queue.stop.load(Ordering::SeqCst) {
            thread::park_timeout(COLLECT);
        }
    }
}

// === impl Queue ===

impl Queue {
    /// Writes what is in the buffers. `taken` takes the place of each in turn, so that no memory is given back and forth.
    /// After an error the rest counts as dropped, so that it cannot grow stale.
    fn write_all(&self, taken: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
        let mut result = Ok(());
        for buffer in &self.buffers {
            std::mem::swap(&mut *buffer.lock(), taken);
            if result.is_ok() {
                result = out.write_all(taken);
            }
            if result.is_err() {
                let lines = taken.iter().filter(|byte| **byte == b'\n').count();
                self.dropped.inc_by(lines as u64);
            }
            taken.clear();
        }
        result.and_then(|()| out.flush())
    }

    fn has_work(&self) -> bool {
        let flagged = [&self.stop, &self.reopen].iter().any(|flag| flag.load(Ordering::SeqCst));
        flagged || self.buffers.iter().any(|buffer| !buffer.lock().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &PathBuf) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_was_pushed_is_written_before_the_writer_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let writer = LogWriter::open(LogTarget::File(path.clone()), &Metrics::new().unwrap()).unwrap();
        for n in 0..5_000 {
            writer.push(|buffer| writeln!(buffer, "{n}"));
        }
        drop(writer);
        let expected: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
        assert_eq!(lines(&path), expected);
    }

    #[test]
    fn a_full_queue_drops_lines_and_counts_them() {
        // Nobody reads from the pipe, so the thread blocks in its first write and the queue fills up.
        let (reader, pipe) = io::pipe().unwrap();
        let metrics = Metrics::new().unwrap();
        let mut writer = LogWriter::open(LogTarget::Stderr, &metrics).unwrap();
        // Replace the thread by one that writes into the pipe.
        writer.queue.stop.store(true, Ordering::SeqCst);
        writer.wake();
        writer.thread.take().unwrap().join().unwrap();
        writer.queue.stop.store(false, Ordering::SeqCst);
        let queue = writer.queue.clone();
        writer.thread = Some(thread::spawn(move || write_lines(&queue, &LogTarget::Stderr, Box::new(pipe))));

        let line = [b'x'; 1024];
        for _ in 0..3 * FULL / line.len() {
            writer.push(|buffer| buffer.write_all(&line));
        }
        assert!(metrics.log_dropped().get() > 0, "more was pushed than buffer and pipe can hold");
        drop(reader);
        drop(writer);
    }

    #[test]
    fn a_moved_file_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let writer = LogWriter::open(LogTarget::File(path.clone()), &Metrics::new().unwrap()).unwrap();
        std::fs::rename(&path, &moved).unwrap();
        writer.reopen();
        while !path.exists() {
            thread::yield_now();
        }
        writer.push(|buffer| writeln!(buffer, "after"));
        drop(writer);
        assert_eq!(lines(&path), ["after"]);
    }
}
