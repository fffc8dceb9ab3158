//! OAuth 2.0: sources of access tokens, and storage of refresh tokens.
//!
//! A [`TokenSource`] returns the access token that a drive adds to its requests. It refreshes the
//! token before it expires, and again if a cloud rejects it earlier. At most one refresh runs at a
//! time, and all callers share its result. It runs in its own task, because a caller may drop its
//! future after the cloud has already replaced the refresh token.
//!
//! A [`TokenClient`] requests [`Tokens`] from the token endpoint of a cloud. A [`TokenFile`] stores
//! [`StoredTokens`] for the next process.

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "services-skydrive")]
mod lcrc;
mod token_client;
mod token_file;
mod token_source;

#[cfg(feature = "services-skydrive")]
pub use self::lcrc::Lcrc;
pub use self::{
    token_client::{TokenClient, Tokens},
    token_file::{StoredTokens, TokenFile},
    token_source::TokenSource,
};
