//! An order that is not done yet, in the storage, so that a restart goes on with it instead of spending another one.

use serde::{Deserialize, Serialize};

use super::Issuance;
use crate::storage::StorageError;
use crate::{Identifier, Secret};

/// An order and the key that it is for.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) url: String,
    names: Vec<String>,
    key: String,
}

// === impl Pending ===

impl Pending {
    /// The order for the same names, if one was begun. One that cannot be read is set aside.
    pub(super) fn find(issuance: &Issuance<'_>) -> Result<Option<Self>, StorageError> {
        let (storage, file) = (&issuance.acme.storage, file(issuance));
        let pending = match storage.record::<Self>(&file) {
            Ok(pending) => pending,
            Err(error @ StorageError::Damaged { .. }) => {
                storage.set_aside(&file, &error.to_string())?;
                None
            }
            Err(error) => return Err(error),
        };
        Ok(pending.filter(|pending| pending.names == names(issuance)))
    }

    pub(super) fn remember(issuance: &Issuance<'_>, url: &str, key: &Secret) -> Result<(), StorageError> {
        let pending = Self { url: url.to_owned(), names: names(issuance), key: key.expose().to_owned() };
        issuance.acme.storage.write_record(&file(issuance), &pending)
    }

    pub(super) fn forget(issuance: &Issuance<'_>) -> Result<(), StorageError> {
        issuance.acme.storage.remove(&file(issuance))
    }

    /// Whether the order is for that key.
    pub(super) fn is_for(&self, key: &Secret) -> bool {
        self.key == key.expose()
    }

    pub(super) fn key(self) -> Secret {
        Secret::new(self.key)
    }
}

fn file(issuance: &Issuance<'_>) -> String {
    format!("orders/{}/{}.json", issuance.authority.file_name(), issuance.wanted.file_name())
}

fn names(issuance: &Issuance<'_>) -> Vec<String> {
    issuance.wanted.names.iter().map(Identifier::to_string).collect()
}
