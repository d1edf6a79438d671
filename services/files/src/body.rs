//! The bytes of a file on their way to a client.
//!
//! A file is read in pieces, where reading harms nobody, and one piece ahead: while one is being sent the next is read, so
//! two are in memory however slow the client is. After each piece the file is asked whether it is still the version whose
//! length was announced. If it is not, the reply is broken off, because half of one version and half of another is no
//! file at all.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use headwall_core::BoxError;
use headwall_core::semantics::Part;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::finder::stamp_of;
use crate::stamp::Stamp;

/// How much is read at once.
pub(crate) const PIECE: u64 = 128 << 10;

/// An open file, of one version.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    file: Arc<OwnedFd>,
    stamp: Stamp,
}

/// Why a file cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// Somebody has written into it, or cut it.
    #[error("the file was changed while it was being sent")]
    Changed,
    /// The disk has failed.
    #[error("the file could not be read: {0}")]
    Failed(#[from] io::Error),
}

/// A body made of parts of a file, and of text between them.
#[derive(Debug)]
pub(crate) struct FileBody {
    source: Source,
    parts: VecDeque<Part>,
    reading: Option<JoinHandle<Result<Bytes, Broken>>>,
    /// For the log.
    path: String,
}

// === impl Source ===

impl Source {
    pub(crate) fn new(file: Arc<OwnedFd>, stamp: Stamp) -> Self {
        Self { file, stamp }
    }

    /// Reads all of a part, and makes sure that it is one of the version that was opened.
    pub(crate) fn read(&self, start: u64, length: u64) -> Result<Bytes, Broken> {
        let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        while (piece.len() as u64) < length {
            let place = start + piece.len() as u64;
            match pread(&self.file, spare_capacity(&mut piece), place) {
                Ok(0) => return Err(Broken::Changed),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Broken::Failed(errno.into())),
            }
        }
        // Asked behind the reading: whoever writes changes the time first.
        if stamp_of(&self.file)? != self.stamp {
            return Err(Broken::Changed);
        }
        Ok(piece.into())
    }
}

// === impl FileBody ===

impl FileBody {
    pub(crate) fn new(source: Source, parts: impl IntoIterator<Item = Part>, path: &[u8]) -> Self {
        let path = String::from_utf8_lossy(path).into_owned();
        Self { source, parts: parts.into_iter().collect(), reading: None, path }
    }

    /// Has the next piece of the file read, if the next part is one.
    fn read_ahead(&mut self) {
        let Some(Part::Span(span)) = self.parts.front_mut() else { return };
        let (start, length) = (span.start, span.length().min(PIECE));
        span.start += length;
        if span.length() == 0 {
            self.parts.pop_front();
        }
        let source = self.source.clone();
        self.reading = Some(spawn_blocking(move || source.read(start, length)));
    }
}

impl Stream for FileBody {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.reading.is_none() {
            if let Some(Part::Text(_)) = self.parts.front() {
                let Some(Part::Text(text)) = self.parts.pop_front() else { return Poll::Ready(None) };
                self.read_ahead();
                return Poll::Ready(Some(Ok(text.into())));
            }
            self.read_ahead();
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let piece: Result<Bytes, BoxError> = match read {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(broken)) => {
                log::error!("{}: {broken}", self.path);
                Err(broken.into())
            }
            Err(error) => Err(error.into()),
        };
        if piece.is_ok() {
            self.read_ahead();
        }
        Poll::Ready(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use headwall_core::semantics::Span;
    use std::fs::OpenOptions;
    use std::io::Write;

    fn open(path: &std::path::Path) -> Source {
        let file = OwnedFd::from(std::fs::File::open(path).unwrap());
        let stamp = stamp_of(&file).unwrap();
        Source::new(Arc::new(file), stamp)
    }

    /// A file of three pieces and a little.
    fn large() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        let content: Vec<u8> = (0..3 * PIECE + 7).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        (dir, path, content)
    }

    async fn sent(body: FileBody) -> Result<Vec<u8>, BoxError> {
        let mut sent = Vec::new();
        let mut body = body;
        while let Some(piece) = body.next().await {
            sent.extend_from_slice(&piece?);
        }
        Ok(sent)
    }

    #[tokio::test]
    async fn parts_come_in_order() {
        let (_dir, path, content) = large();
        let text = |text: &'static str| Part::Text(text.to_owned());
        let span = |start, end| Part::Span(Span { start, end });
        let end = content.len() as u64;
        let whole = FileBody::new(open(&path), [span(0, end)], b"large");
        assert!(sent(whole).await.unwrap() == content);
        let parts = [text("<"), span(1, 3), text("|"), text("|"), span(PIECE - 1, PIECE + 1), text(">")];
        let cut = PIECE as usize;
        let expected = [b"<", &content[1..3], b"||", &content[cut - 1..cut + 1], b">"].concat();
        assert_eq!(sent(FileBody::new(open(&path), parts, b"large")).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_version_is_never_mixed_with_the_next() {
        type Change = fn(&std::path::Path);
        let rows: [(&str, Change); 3] = [
            ("cut", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(PIECE + 1).unwrap()),
            ("overwritten", |path| {
                OpenOptions::new().write(true).open(path).unwrap().write_all(b"another").unwrap();
            }),
            ("appended to", |path| {
                OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
            }),
        ];
        for (row, change) in rows {
            let (_dir, path, content) = large();
            let mut body = FileBody::new(
                open(&path),
                [Part::Span(Span { start: 0, end: content.len() as u64 })],
                b"large",
            );
            assert!(
                body.next().await.unwrap().unwrap() == content[..PIECE as usize],
                "{row}: the first piece"
            );
            change(&path);
            // One piece may have been read ahead, before the change.
            let rest = sent(body).await.unwrap_err().to_string();
            assert!(rest.contains("was changed"), "{row}: {rest}");
        }
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_told_from_a_file_that_changes() {
        let dir = tempfile::tempdir().unwrap();
        // A directory can be opened like a file, and cannot be read like one.
        let mut body = FileBody::new(open(dir.path()), [Part::Span(Span { start: 0, end: 9 })], b"dir");
        let error = body.next().await.unwrap().unwrap_err().to_string();
        assert!(error.starts_with("the file could not be read: "), "{error}");
        assert!(body.next().await.is_none(), "nothing more comes");
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_sent_as_it_was() {
        let (dir, path, content) = large();
        let mut body =
            FileBody::new(open(&path), [Part::Span(Span { start: 0, end: content.len() as u64 })], b"large");
        let first = body.next().await.unwrap().unwrap();
        std::fs::write(dir.path().join("next"), "another").unwrap();
        std::fs::rename(dir.path().join("next"), &path).unwrap();
        assert!([first.to_vec(), sent(body).await.unwrap()].concat() == content);
    }
}
