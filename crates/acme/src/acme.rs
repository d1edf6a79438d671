//! What certificates share in a process: the storage, the answers to challenges, what was learnt.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::challenges::Challenges;
use crate::pace::Pace;
use crate::preference::Experience;
use crate::storage::{Storage, StorageError};
use crate::throttle::Throttle;

/// One for each process and storage. Cheap to clone.
#[derive(Clone)]
pub struct Acme {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) storage: Storage,
    pub(crate) pace: Pace,
    pub(crate) challenges: Challenges,
    pub(crate) experience: Experience,
    pub(crate) throttle: Throttle,
    /// For reading keys; named here, because two providers may be linked and none of them the process's.
    pub(crate) provider: Arc<CryptoProvider>,
}

// === impl Acme ===

impl Acme {
    /// Opens a storage directory, which is made where there is none, with mode 0700. One with a wider mode is closed
    /// to others. A directory that cannot be written to is an error, before any CA is asked for anything.
    pub fn open(storage: &Path) -> Result<Self, StorageError> {
        Self::open_with(storage, Pace::default())
    }

    /// [`open`](Self::open) with other times than those of production.
    pub fn open_with(storage: &Path, pace: Pace) -> Result<Self, StorageError> {
        let storage = Storage::open(storage)?;
        let challenges = Challenges::new(storage.clone(), pace.clock.clone());
        let inner = Inner {
            storage,
            pace,
            challenges,
            experience: Experience::default(),
            throttle: Throttle::default(),
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for Acme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme").field("storage", &self.inner.storage).finish_non_exhaustive()
    }
}
