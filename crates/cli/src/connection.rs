//! Global options for connections.

use clap::Args;
use drivedal::remote::{RemoteSource, is_drive};

use crate::{failure::Result, units};

/// Options for the connections of all cloud drives. They override the options of each remote.
#[derive(Debug, Default, Args)]
pub(crate) struct ConnectionOptions {
    /// Trust the certificate authorities in this PEM file too
    ///
    /// The option ca_cert of a remote.
    #[arg(long, value_name = "FILE", global = true, env = "DRIVEDAL_CA_CERT")]
    ca_cert: Option<String>,

    /// Use this proxy, or `none`; by default that of the system
    ///
    /// The option proxy of a remote. A proxy with a password belongs in HTTPS_PROXY.
    #[arg(long, value_name = "URL", global = true, env = "DRIVEDAL_PROXY", value_parser = proxy)]
    proxy: Option<String>,

    /// Give up a connection attempt after this time, such as 10s
    ///
    /// The option connect_timeout of a remote.
    #[arg(long, value_name = "TIME", global = true, value_parser = duration)]
    connect_timeout: Option<String>,

    /// Give up waiting for a response after this time, such as 2m
    ///
    /// The option response_timeout of a remote.
    #[arg(long, value_name = "TIME", global = true, value_parser = duration)]
    response_timeout: Option<String>,

    /// Give up a transfer without progress after this time, such as 1m
    ///
    /// The option idle_timeout of a remote.
    #[arg(long, value_name = "TIME", global = true, value_parser = duration)]
    idle_timeout: Option<String>,

    /// Keep at most this many idle connections per host
    ///
    /// The option pool_size of a remote.
    #[arg(long, value_name = "NUMBER", global = true)]
    pool_size: Option<usize>,
}

impl ConnectionOptions {
    /// Adds the options to those of a remote, if it is a cloud drive.
    ///
    /// # Errors
    /// `Usage` if the URI of the remote cannot be parsed.
    pub(crate) fn apply(&self, source: RemoteSource) -> Result<RemoteSource> {
        if !is_drive(&source.scheme()?) {
            return Ok(source);
        }
        let pool_size = self.pool_size.map(|size| size.to_string());
        let options = [
            ("ca_cert", &self.ca_cert),
            ("proxy", &self.proxy),
            ("connect_timeout", &self.connect_timeout),
            ("response_timeout", &self.response_timeout),
            ("idle_timeout", &self.idle_timeout),
            ("pool_size", &pool_size),
        ];
        Ok(options.into_iter().fold(source, |source, (key, value)| match value {
            Some(value) => source.option(key, value),
            None => source,
        }))
    }
}

/// Parses the value of `--proxy`.
///
/// # Errors
/// A message for the user. It does not repeat the URL, which may contain a password.
fn proxy(text: &str) -> Result<String, String> {
    let has_password = url::Url::parse(text)
        .is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
    match has_password {
        true => Err("other users can see the arguments of a process: put a proxy with a password \
                     into HTTPS_PROXY, or into the option proxy of the remote"
            .into()),
        false => Ok(text.to_owned()),
    }
}

/// Checks a duration, and returns the text.
///
/// # Errors
/// A message for the user.
fn duration(text: &str) -> Result<String, String> {
    units::duration(text).map(|_| text.to_owned())
}
