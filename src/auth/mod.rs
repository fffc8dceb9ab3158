//! OAuth 2.0: sources of access tokens, and storage of refresh tokens.
//!
//! A [`TokenSource`] returns the access token that a drive adds to its requests. It refreshes the
//! token before it expires, and again if a cloud rejects it earlier. At most one refresh runs at a
//! time, and all callers share its result. It runs in its own task, because a caller may drop its
//! future after the cloud has already replaced the refresh token.
//!
//! A flow of [`flows`] signs a user or an application in. A [`SignInProvider`] names the endpoints of
//! the cloud.
//!
//! A [`TokenClient`] requests [`Tokens`] from the token endpoint of a cloud. A [`TokenStore`], such
//! as a [`TokenFile`], keeps [`StoredTokens`] for the next process. `import` (feature `import`) reads
//! the configurations of other programs.

mod client_certificate;
pub mod flows;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "import")]
pub mod import;
#[cfg(feature = "lcrc")]
mod lcrc;
mod sign_in_error;
mod sign_in_provider;
mod stored_tokens;
mod token_client;
mod token_file;
mod token_source;
mod token_store;

#[cfg(feature = "lcrc")]
pub use self::lcrc::Lcrc;
pub use self::{
    client_certificate::{AssertionAlgorithm, ClientCertificate},
    sign_in_provider::SignInProvider,
    stored_tokens::{StoredAccessToken, StoredTokens},
    token_client::{TokenClient, Tokens},
    token_file::TokenFile,
    token_source::{SIGN_IN_REQUIRED, TokenSource},
    token_store::{
        CallbackTokenStore, EnvironmentTokenStore, LockedTokenStore, SaveOutcome, TokenStore,
    },
};
