//! Accounts with CAs: made once, kept in the storage, one for each directory and email.

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};

use crate::Authority;
use crate::client::Client;
use crate::error::AttemptError;
use crate::lock::Waiting;
use crate::nonce::again;
use crate::pace::Pace;
use crate::storage::{Storage, StorageError};

/// An account that is ready to be used, and the client that it speaks through.
pub(crate) struct Session {
    pub(crate) account: Account,
    pub(crate) client: Client,
    /// The CA's host, for errors.
    pub(crate) host: String,
    /// The account's file, which names it.
    pub(crate) file: String,
}

/// An account in the storage. Its key is in the credentials.
#[derive(Serialize, Deserialize)]
struct Record {
    directory: String,
    email: Option<String>,
    url: String,
    credentials: AccountCredentials,
}

// === impl Session ===

impl Session {
    /// The account from the storage, or a new one.
    pub(crate) async fn open(
        storage: &Storage,
        pace: &Pace,
        authority: &Authority,
        email: Option<&str>,
        client: &Client,
    ) -> Result<Self, AttemptError> {
        if let Some(session) = Self::resume(storage, authority, email, client).await? {
            return Ok(session);
        }
        // Two processes that start together are to share one account.
        let lock_name = format!("account-{}", authority.file_name());
        let _lock = Waiting::new(storage, pace, &lock_name).taken().await?;
        if let Some(session) = Self::resume(storage, authority, email, client).await? {
            return Ok(session);
        }
        Self::register(storage, authority, email, client).await
    }

    /// The account from the storage, if it is there.
    pub(crate) async fn resume(
        storage: &Storage,
        authority: &Authority,
        email: Option<&str>,
        client: &Client,
    ) -> Result<Option<Self>, AttemptError> {
        let (file, host) = (file(authority, email), authority.host());
        let record = match storage.record::<Record>(&file) {
            Ok(record) => record,
            Err(error @ StorageError::Damaged { .. }) => {
                storage.set_aside(&file, &error.to_string())?;
                None
            }
            Err(error) => return Err(error.into()),
        };
        let Some(record) = record else { return Ok(None) };
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let account = builder.from_credentials(record.credentials).await;
        let account = account.map_err(|error| AttemptError::of(&host, error))?;
        Ok(Some(Self { account, client: client.clone(), host, file }))
    }

    async fn register(
        storage: &Storage,
        authority: &Authority,
        email: Option<&str>,
        client: &Client,
    ) -> Result<Self, AttemptError> {
        let (file, host) = (file(authority, email), authority.host());
        let contact = email.map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let binding = authority.account_binding.as_ref().map(crate::AccountBinding::to_acme);
        let made = again!(Account::builder_with_http(Box::new(client.clone())).create(
            &wanted,
            authority.directory.clone(),
            binding.as_ref()
        ));
        let (account, credentials) = made.map_err(|error| AttemptError::of(&host, error))?;
        let record = Record {
            directory: authority.directory.clone(),
            email: email.map(str::to_owned),
            url: account.id().to_owned(),
            credentials,
        };
        storage.write_record(&file, &record)?;
        log::info!("{host}: made the account {}", record.url);
        Ok(Self { account, client: client.clone(), host, file })
    }

    /// Moves the account aside, when the CA does not know it any more.
    pub(crate) fn set_aside(&self, storage: &Storage) -> Result<(), StorageError> {
        storage.set_aside(&self.file, &format!("{} does not know this account", self.host))
    }
}

/// The file of an account. What has a meaning in a path is written as its number.
fn file(authority: &Authority, email: Option<&str>) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@');
    let name = email.unwrap_or("default").bytes().map(|byte| match byte {
        byte if is_plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    });
    format!("accounts/{}/{}.json", authority.file_name(), name.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_email_has_an_account_of_its_own() {
        let authority = Authority::directory("https://ca.example/dir");
        let rows = [
            (None, "accounts/ca.example-dir/default.json"),
            (Some("ops@example.com"), "accounts/ca.example-dir/ops@example.com.json"),
            (Some("../a+b"), "accounts/ca.example-dir/..%2fa%2bb.json"),
        ];
        for (email, expected) in rows {
            assert_eq!(file(&authority, email), expected);
        }
    }
}
