//! Secrets at rest: the master key, keyed hashes of client secrets and API keys, subject keys, signing keys.

mod generate;
mod master_key;
mod seal;
mod secret_hash;
mod seed;
mod signing;
mod token;
mod vault;

pub use generate::{GenerateError, generate_signing_key};
pub use master_key::{MasterKey, MasterKeyError};
pub use secret_hash::{SecretHash, SecretHasher, UnknownSecretHash};
pub use seed::{Seed, SeedMaker};
pub use signing::{KeyDirectory, SigningKeyEntry, VerifyingKeys, jwk_set, published_at, signs_at, verifying};
pub use token::{
    AccessTokenRef, CodeRef, RefreshTokenRef, Secret, TokenCodec, api_key, client_secret, initial_access_token, parse_api_key,
    parse_initial_access_token, registration_access_token,
};
pub use vault::{LastingKey, RegisteredSubject, Vault, VaultError};
