//! Classification of failed HTTP requests, shared by [`transport`](crate::transport) and the retry
//! layer so that both agree on which failures are transient.

pub(crate) mod status;
pub(crate) mod unreachable;
