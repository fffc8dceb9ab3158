//! Which of Microsoft's clouds.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of Microsoft's clouds (onedrive-graph#cloud-hosts).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Cloud {
    /// `global`: everybody else's.
    #[default]
    Global,
    /// `us-gov` or `us`: the US government's, L4.
    UsGov,
    /// `us-dod`: the US government's, L5.
    UsDod,
    /// `china` or `cn`: 21Vianet's.
    China,
    /// `germany` or `de`: closed.
    Germany,
}

impl Cloud {
    /// Where its API is.
    pub(super) fn graph(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::UsGov => "https://graph.microsoft.us",
            Self::UsDod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
            Self::Germany => "https://graph.microsoft.de",
        }
    }

    /// Where its tokens come from.
    pub(super) fn login(self) -> &'static str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::UsGov | Self::UsDod => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
            Self::Germany => "https://login.microsoftonline.de",
        }
    }
}

impl From<Cloud> for &'static str {
    fn from(cloud: Cloud) -> Self {
        match cloud {
            Cloud::Global => "global",
            Cloud::UsGov => "us-gov",
            Cloud::UsDod => "us-dod",
            Cloud::China => "china",
            Cloud::Germany => "germany",
        }
    }
}

impl FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match &*text.to_ascii_lowercase() {
            "global" => Self::Global,
            "us-gov" | "us" => Self::UsGov,
            "us-dod" => Self::UsDod,
            "china" | "cn" => Self::China,
            "germany" | "de" => Self::Germany,
            _ => {
                return Err(format!(
                    "cloud: {text:?} is none of global, us-gov, us-dod, china, germany"
                ));
            }
        })
    }
}

impl TryFrom<String> for Cloud {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
