//! What can go wrong with the vault.

use rusqlite::ErrorCode;

use crate::keys::seal::SealFailed;

/// Three things that an operator does something different about. No text in it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It was not done, or not to its end; doing it again later is harmless.
    #[error("the vault is unavailable: {0}")]
    Unavailable(String),
    /// What was read is not what was written.
    #[error("the vault is corrupt: {0}")]
    Corrupt(String),
    /// It was made under another master key.
    #[error("the vault was made under another master key")]
    WrongMasterKey,
}

impl VaultError {
    /// A sealed value that does not open, though the master key is the right one.
    pub(super) fn sealed(what: &str) -> Self {
        Self::Corrupt(format!("{what} can't be opened"))
    }
}

impl From<rusqlite::Error> for VaultError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
        let is_corrupt = match error.sqlite_error_code() {
            Some(code) => matches!(
                code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch
            ),
            None => matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..)),
        };
        if is_corrupt { Self::Corrupt(error.to_string()) } else { Self::Unavailable(error.to_string()) }
    }
}

impl From<SealFailed> for VaultError {
    fn from(_: SealFailed) -> Self {
        Self::Unavailable("the cipher or its randomness failed".into())
    }
}
