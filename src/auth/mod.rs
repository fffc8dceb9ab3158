//! OAuth 2.0: where access tokens come from, and where refresh tokens are kept.
