//! National clouds of Microsoft, and their endpoints.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A national cloud of Microsoft (onedrive-graph#cloud-hosts).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum NationalCloud {
    /// `global`: the public cloud.
    #[default]
    Global,
    /// `us-gov` or `us`: US government, L4.
    UsGov,
    /// `us-dod`: US government, L5.
    UsDod,
    /// `china` or `cn`: operated by 21Vianet.
    China,
    /// `germany` or `de`: shut down.
    Germany,
}

impl NationalCloud {
    /// Returns the base URL of Microsoft Graph, without version.
    pub fn graph_url(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::UsGov => "https://graph.microsoft.us",
            Self::UsDod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
            Self::Germany => "https://graph.microsoft.de",
        }
    }

    /// Returns the base URL of the sign-in service, which issues tokens.
    pub fn login_url(self) -> &'static str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::UsGov | Self::UsDod => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
            Self::Germany => "https://login.microsoftonline.de",
        }
    }
}

impl From<NationalCloud> for &'static str {
    /// Returns the value of the option `cloud`.
    fn from(cloud: NationalCloud) -> Self {
        match cloud {
            NationalCloud::Global => "global",
            NationalCloud::UsGov => "us-gov",
            NationalCloud::UsDod => "us-dod",
            NationalCloud::China => "china",
            NationalCloud::Germany => "germany",
        }
    }
}

impl FromStr for NationalCloud {
    type Err = String;

    /// Parses the value of the option `cloud`, in any case.
    ///
    /// # Errors
    /// A message that names the valid values.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match &*text.to_ascii_lowercase() {
            "global" => Self::Global,
            "us-gov" | "us" => Self::UsGov,
            "us-dod" => Self::UsDod,
            "china" | "cn" => Self::China,
            "germany" | "de" => Self::Germany,
            _ => {
                return Err(format!(
                    "invalid cloud {text:?}: expected global, us-gov, us-dod, china or germany"
                ));
            }
        })
    }
}

impl TryFrom<String> for NationalCloud {
    type Error = String;

    /// Parses a value of the configuration, like [`from_str`](Self::from_str).
    ///
    /// # Errors
    /// Those of [`from_str`](Self::from_str).
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
