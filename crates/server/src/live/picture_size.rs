//! The sizes of pictures (live-connect#param-type, live-connect#photo-images).

use serde::Serialize;

use super::error::{LiveError, Result};

/// A named size of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PictureSize {
    Thumbnail,
    Small,
    Album,
    Normal,
    Full,
    /// Of the picture of a user.
    Medium,
    /// Of the picture of a user.
    Large,
}

impl PictureSize {
    /// All sizes: the name, the size, and the maximum length of the longer side in pixels.
    pub(super) const ALL: [(&str, Self, u32); 7] = [
        ("thumbnail", Self::Thumbnail, 96),
        ("small", Self::Small, 96),
        ("album", Self::Album, 176),
        ("normal", Self::Normal, 800),
        ("full", Self::Full, 2048),
        ("medium", Self::Medium, 180),
        ("large", Self::Large, 360),
    ];

    /// The sizes of items' pictures, in the order of the reference's sample.
    pub(super) const FOR_PHOTOS: [Self; 5] =
        [Self::Normal, Self::Album, Self::Thumbnail, Self::Small, Self::Full];

    /// The sizes of users' pictures.
    pub(super) const FOR_USERS: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Returns the maximum length of the longer side, in pixels.
    pub(super) fn pixels(self) -> u32 {
        self.entry().2
    }

    /// Returns the value of `type`, which is also the path segment.
    pub(super) fn name(self) -> &'static str {
        self.entry().0
    }

    /// Returns the size's row in [`ALL`](Self::ALL).
    fn entry(self) -> (&'static str, Self, u32) {
        let row = Self::ALL.into_iter().find(|(_, size, _)| *size == self);
        row.unwrap_or(Self::ALL[0])
    }

    /// Parses a name, ignoring case; `None` if it is not in `among`.
    fn parse(name: &str, among: &[Self]) -> Option<Self> {
        let (_, size, _) =
            Self::ALL.into_iter().find(|(candidate, ..)| name.eq_ignore_ascii_case(candidate))?;
        among.contains(&size).then_some(size)
    }

    /// Parses `name`, the value of the parameter `type`, in any case. Returns `default` for `None`.
    ///
    /// # Errors
    /// 400 if it is not one of the sizes in `among`.
    pub(super) fn from_parameter(
        name: Option<&str>,
        among: &[Self],
        default: Self,
    ) -> Result<Self> {
        let Some(name) = name else { return Ok(default) };
        Self::parse(name, among).ok_or_else(|| LiveError::invalid_value("type", name))
    }
}
