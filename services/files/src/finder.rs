//! From a path to the file that it means. Everything here asks the disk, so it is done where waiting harms nobody.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use rustix::fs::fstat;

use crate::body::{self, Broken};
use crate::candidate::Candidate;
use crate::encoding::Encoding;
use crate::hashed::Hashed;
use crate::listing::{self, Form};
use crate::resource::{Resource, Variant};
use crate::stamp::Stamp;
use crate::tree::{Closed, Opened, Tree};
use crate::types::Types;

/// What a browser may do with a file that never changes: keep it for a year.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A tree, and what is done with its files.
#[derive(Debug)]
pub(crate) struct Finder {
    pub(crate) tree: Tree,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) index: Vec<String>,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) types: Types,
    pub(crate) hashed: Hashed,
    /// For files without a hash in their name.
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) hidden: bool,
    pub(crate) listing: bool,
}

/// What there is at a path.
#[derive(Debug)]
pub(crate) enum Found {
    File {
        resource: Arc<Resource>,
        /// Whether the path names the directory that the file is the index of.
        is_index: bool,
        /// The path of a file that does not depend on the one that was asked for.
        fixed: Option<Vec<u8>>,
    },
    /// A directory without an index.
    Listing(Bytes),
    Nothing,
}

/// The bytes of a file, or a file to read them from.
#[derive(Debug)]
pub(crate) enum Contents {
    Whole(Bytes),
    Open(body::Source),
}

// === impl Finder ===

impl Finder {
    /// Tries the candidates for a path. `form` is how a directory would be listed.
    pub(crate) fn find(&self, path: &[u8], form: Form) -> Result<Found, Closed> {
        let root = self.tree.enter()?;
        for candidate in &self.candidates {
            let Some(name) = candidate.fill(path) else { continue };
            let found = match self.tree.open(&root, &name) {
                Ok(Opened::File(_, stat)) => {
                    Some((self.resource(&root, name.clone(), Stamp::of(&stat)), false))
                }
                Ok(Opened::Directory(directory)) => match self.index(&root, &name)? {
                    Some(resource) => Some((resource, true)),
                    None if self.listing && !candidate.is_fixed() => {
                        let entries = listing::read(self, &root, &directory, &name)?;
                        return Ok(Found::Listing(form.write(&entries)));
                    }
                    None => None,
                },
                Err(Closed::NotFound) => None,
                Err(closed) => return Err(closed),
            };
            if let Some((resource, is_index)) = found {
                let fixed = candidate.is_fixed().then_some(name);
                let resource = Arc::new(resource);
                return Ok(Found::File { resource, is_index: is_index && fixed.is_none(), fixed });
            }
        }
        Ok(Found::Nothing)
    }

    fn index(&self, root: &OwnedFd, directory: &[u8]) -> Result<Option<Resource>, Closed> {
        for index in &self.index {
            let name = below(directory, index.as_bytes());
            match self.tree.open(root, &name) {
                Ok(Opened::File(_, stat)) => return Ok(Some(self.resource(root, name, Stamp::of(&stat)))),
                Ok(Opened::Directory(_)) | Err(Closed::NotFound) => {}
                Err(closed) => return Err(closed),
            }
        }
        Ok(None)
    }

    fn resource(&self, root: &OwnedFd, path: Vec<u8>, stamp: Stamp) -> Resource {
        let encoded = self.encodings.iter().filter_map(|encoding| {
            let name = [&path, encoding.ending().as_bytes()].concat();
            // What cannot be opened is as good as not there: the plain file is.
            match self.tree.open(root, &name) {
                Ok(Opened::File(_, stat)) => Some(Variant::new(name, Some(*encoding), Stamp::of(&stat))),
                Ok(Opened::Directory(_)) | Err(_) => None,
            }
        });
        let encoded = encoded.collect();
        let never_changes = self.hashed.matches(&path);
        let cache_control = if never_changes { Some(FOR_EVER) } else { self.cache_control.clone() };
        let content_type = self.types.of(&path).clone();
        Resource { content_type, cache_control, plain: Variant::new(path, None, stamp), encoded }
    }

    /// Opens a file that was looked up, and reads it where it is small. `None` when it is not the one that was looked up
    /// any more.
    pub(crate) fn open(&self, variant: &Variant, small: u64) -> Result<Option<Contents>, Closed> {
        let Opened::File(file, stat) = (match self.tree.open(&self.tree.enter()?, &variant.path) {
            Err(Closed::NotFound) => return Ok(None),
            opened => opened?,
        }) else {
            return Ok(None);
        };
        if Stamp::of(&stat) != variant.stamp {
            return Ok(None);
        }
        let source = body::Source::new(Arc::new(file), variant.stamp);
        if variant.stamp.size > small {
            return Ok(Some(Contents::Open(source)));
        }
        match source.read(0, variant.stamp.size) {
            Ok(bytes) => Ok(Some(Contents::Whole(bytes))),
            Err(Broken::Changed) => Ok(None),
            Err(Broken::Failed(error)) => Err(Closed::Failed(error)),
        }
    }

    /// Whether a file that a shell stands in for is there.
    pub(crate) fn has_file(&self, path: &str) -> bool {
        let opened = self.tree.enter().and_then(|root| self.tree.open(&root, path.as_bytes()));
        opened.is_ok_and(|opened| matches!(opened, Opened::File(..)))
    }
}

/// A name in a directory.
pub(crate) fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if directory.is_empty() || directory.ends_with(b"/") { b"" } else { b"/" };
    [directory, slash, name].concat()
}

/// The version of an open file as it is now.
pub(crate) fn stamp_of(file: &OwnedFd) -> std::io::Result<Stamp> {
    Ok(Stamp::of(&fstat(file)?))
}
