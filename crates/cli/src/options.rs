//! Options that several commands have. This module knows no command.

use std::path::PathBuf;

use clap::Args;
use drivedal::adapter::NameEncoding;

use crate::{
    config, connection::ConnectionOptions, location::Addressing, output::Format, value::Template,
};

/// Options that every command accepts, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalOptions {
    /// Add a remote by its OpenDAL URI
    ///
    /// It overrides a remote of the same name in the configuration file. The process list shows it:
    /// put tokens into the configuration file.
    #[arg(long = "remote", value_name = "NAME=URI", global = true, value_parser = config::named_uri)]
    pub(crate) remotes: Vec<(String, String)>,

    /// Read this configuration file
    ///
    /// By default `drivedal/config.toml` in your configuration folder, if it exists.
    #[arg(long, value_name = "FILE", global = true, env = "DRIVEDAL_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Keep the data of the local drives in this folder
    ///
    /// By default your data folder. `drivedal serve` keeps its data there too.
    #[arg(long, value_name = "DIR", global = true, env = "DRIVEDAL_DATA")]
    pub(crate) data: Option<PathBuf>,

    /// Print results as JSON, one document per line (the same as -o json)
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print results in this format
    #[arg(short, long, value_enum, value_name = "FORMAT", global = true, conflicts_with = "json")]
    pub(crate) output: Option<Format>,

    /// Print only this field, or a template such as '{name} {size}'
    ///
    /// An item that lacks one of the fields is left out.
    #[arg(short = 'k', long, visible_alias = "object-key", value_name = "FIELD", global = true,
          value_parser = Template::parse)]
    pub(crate) template: Option<Template>,

    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,

    /// Map names that the cloud forbids by these rules, such as Colon,RightSpace
    ///
    /// The option encoding of a remote. The rules are those of rclone's --encoding. `default` is the
    /// encoding that fits the cloud, and `Raw` maps no name.
    #[arg(long, value_name = "RULES", global = true, value_parser = encoding)]
    pub(crate) encoding: Option<String>,

    /// Retry a failed request at most this many times; 0 disables retries
    ///
    /// The default depends on the cloud.
    #[arg(long, value_name = "TIMES", global = true)]
    pub(crate) retries: Option<u32>,

    /// Log requests to standard error; -vv logs everything
    ///
    /// The log contains no tokens and no download URLs. The environment variable DRIVEDAL_LOG takes
    /// a filter instead, such as `drivedal=debug`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Append the log of all requests to a file, with timestamps
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) log_file: Option<PathBuf>,

    /// Write messages and the log in this form
    ///
    /// With `json` each line on standard error and in the log file is a JSON document: {"timestamp",
    /// "level", "target", "fields": {"message", ...}}. Questions and usage errors stay text.
    #[arg(long, value_enum, value_name = "FORM", global = true, default_value_t)]
    pub(crate) log_format: LogFormat,

    /// Write all requests to a HAR file, for the network panel of a browser
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) har: Option<PathBuf>,

    /// Print the number and the duration of requests at the end
    #[arg(long, global = true)]
    pub(crate) stats: bool,

    /// Suppress progress and summary
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// Checks the rules of `--encoding`, and returns the text.
///
/// # Errors
/// A message for the user that lists the rules.
fn encoding(text: &str) -> Result<String, String> {
    if !matches!(text, "default" | "Raw") {
        text.parse::<NameEncoding>().map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

/// The form of messages and of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines of text
    #[default]
    Text,
    /// A JSON document per line
    Json,
}

/// Options that say whether `REMOTE:TEXT` names an item by path or by id.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct AddressingArgs {
    /// Treat the text after the colon as a path
    #[arg(short, long, conflicts_with = "id")]
    path: bool,

    /// Treat the text after the colon as an id
    #[arg(short, long)]
    id: bool,
}

impl AddressingArgs {
    /// Returns how `REMOTE:TEXT` is interpreted. Clap ensures that at most one option is given.
    pub(crate) fn mode(self) -> Addressing {
        match self {
            Self { path: true, .. } => Addressing::Path,
            Self { id: true, .. } => Addressing::Id,
            _ => Addressing::Auto,
        }
    }
}
