//! OAuth 2.0: where access tokens come from, and where refresh tokens are kept.
//!
//! A [`TokenSource`] gives the access token that a drive signs its requests with. It renews the
//! token before it expires, and once more when a cloud refuses it all the same: one renewal at a
//! time, whose result everybody who waits for it shares, in a task of its own, because a token
//! endpoint may have replaced the refresh token by the time the caller is gone.
//!
//! An [`Endpoint`] is the token endpoint of a cloud and asks it for [`Tokens`]; a [`TokenFile`]
//! keeps what must survive the process.

mod endpoint;
mod file;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "services-skydrive")]
mod lcrc;
mod source;

#[cfg(feature = "services-skydrive")]
pub use self::lcrc::Lcrc;
pub use self::{
    endpoint::{Endpoint, Tokens},
    file::{Kept, TokenFile},
    source::TokenSource,
};
