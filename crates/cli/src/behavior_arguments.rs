//! Options of `drivedal serve` for behaviour of the clouds that is switched off by default.

use std::time::Duration;

use drivedal_server::{Builder, CloudBehavior};

use crate::units;

/// Behaviour of the clouds that is switched off by default.
#[derive(Debug, clap::Args)]
pub(crate) struct BehaviorArguments {
    /// Retire the pre-authenticated URLs of business drives and libraries
    ///
    /// Download and thumbnail URLs then need the token of Graph, and `/content` returns the bytes
    /// without a redirect. Upload sessions and copy monitors need a token for SharePoint. Microsoft
    /// announced this for 2027. Personal drives keep their URLs.
    #[arg(long)]
    no_preauth: bool,

    /// Let copies take this long: 2s
    ///
    /// The monitor of a copy reports progress until then, and the new item is invisible.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    copy_time: Option<Duration>,

    /// Let searches find items this long after a change: 30s
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    search_lag: Option<Duration>,

    /// Let the change feed report changes of files this long after them: 30s
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    feed_lag: Option<Duration>,

    /// Rewrite Office files that are uploaded to business drives and libraries
    ///
    /// SharePoint does so: size and hash differ from those of the upload.
    #[arg(long)]
    rewrite_office: bool,

    /// Allow uploads from URLs of any host
    ///
    /// By default the server reads from URLs of this computer only.
    #[arg(long)]
    fetch_any_host: bool,
}

impl BehaviorArguments {
    /// Applies the options to a server.
    pub(crate) fn configure(&self, builder: Builder) -> Builder {
        let mut behavior = CloudBehavior::default();
        if self.no_preauth {
            behavior = behavior.without_pre_authenticated_urls();
        }
        if let Some(duration) = self.copy_time {
            behavior = behavior.copy_duration(duration);
        }
        if let Some(lag) = self.search_lag {
            behavior = behavior.search_lag(lag);
        }
        if let Some(lag) = self.feed_lag {
            behavior = behavior.feed_lag(lag);
        }
        if self.rewrite_office {
            behavior = behavior.rewrite_office_files();
        }
        if self.fetch_any_host {
            behavior = behavior.fetch_from_any_host();
        }
        builder.behavior(behavior)
    }
}
