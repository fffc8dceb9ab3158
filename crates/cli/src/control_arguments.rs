//! Options of `drivedal serve` for tests that control the server.

use drivedal_server::{Builder, Secret};

use crate::failure::{Failure, Result};

/// Options for tests.
#[derive(Debug, clap::Args)]
pub(crate) struct ControlArguments {
    /// Require this token for /_control/, as `Authorization: Bearer`
    ///
    /// Other users of this computer can see an option. Use the variable for a token that must stay
    /// secret.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "DRIVEDAL_CONTROL_TOKEN",
        hide_env_values = true,
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret::from(text))
    )]
    control_token: Option<Secret>,

    /// Make ids reproducible, for tests: the same seed gives the same ids
    ///
    /// Ids of upload sessions, permissions, comments and the like depend on the seed, the account and
    /// the order of the account's requests only. Anyone with the seed can forge tokens.
    #[arg(long, value_name = "N")]
    id_seed: Option<u64>,
}

impl ControlArguments {
    /// Returns whether the user chose the control token.
    pub(crate) fn has_token(&self) -> bool {
        self.control_token.is_some()
    }

    /// Applies the options to a builder.
    ///
    /// # Errors
    /// `Usage` for an empty control token.
    pub(crate) fn configure(&self, builder: Builder) -> Result<Builder> {
        let builder = match &self.control_token {
            Some(token) if token.expose().trim().is_empty() => {
                let empty = Failure::usage("the token is empty");
                return Err(empty.doing("use").about("--control-token"));
            }
            Some(token) => builder.control_token(token.clone()),
            None => builder,
        };
        Ok(match self.id_seed {
            Some(seed) => builder.id_seed(seed),
            None => builder,
        })
    }
}
