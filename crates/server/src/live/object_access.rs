//! Who can see an item: what `shared_with` tells, and who gave links away.

use super::{
    error::{LiveError, Result},
    facets::LiveFacets,
};
use crate::tree::Node;

/// Who can see an item; the later, the more people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    #[default]
    Owner,
    /// Whoever has a link.
    Link,
    Everyone,
}

/// In which language localized values are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Locale {
    #[default]
    English,
    German,
    French,
    Spanish,
}

impl Locale {
    /// The language of a culture's name, `de-DE`; one that is not spoken here is English.
    pub(super) fn of(culture: Option<&str>) -> Result<Self> {
        let Some(culture) = culture else { return Ok(Self::default()) };
        let is_name = culture.split(['-', '_']).all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if !is_name {
            return Err(LiveError::parameter(format!(
                "The value '{culture}' of 'locale' isn't the name of a culture."
            )));
        }
        let language = culture.split(['-', '_']).next().unwrap_or_default();
        Ok(match language.to_ascii_lowercase().as_str() {
            "de" => Self::German,
            "fr" => Self::French,
            "es" => Self::Spanish,
            _ => Self::English,
        })
    }
}

impl Access {
    /// Who can see an item because of what was done with itself.
    pub(super) fn of(extra: &LiveFacets) -> Self {
        if extra.public {
            Self::Everyone
        } else if extra.links.is_empty() {
            Self::Owner
        } else {
            Self::Link
        }
    }

    /// In words; the English ones are the reference's.
    pub(super) fn name(self, locale: Locale) -> &'static str {
        let [english, german, french, spanish] = match self {
            Self::Owner => ["Just me", "Nur ich", "Moi uniquement", "Solo yo"],
            Self::Link => [
                "People with a link",
                "Personen mit einem Link",
                "Personnes disposant d'un lien",
                "Personas con un vínculo",
            ],
            Self::Everyone => [
                "Everyone (public)",
                "Jeder (öffentlich)",
                "Tout le monde (public)",
                "Todos (público)",
            ],
        };
        match locale {
            Locale::English => english,
            Locale::German => german,
            Locale::French => french,
            Locale::Spanish => spanish,
        }
    }
}

/// Returns who can see what is in a folder. `lineage`: the folder and those above it.
pub(super) fn widest(lineage: &[Node]) -> Access {
    lineage.iter().map(|node| Access::of(&LiveFacets::of(node))).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_is_not_spoken_is_english_and_what_is_none_is_refused() {
        assert_eq!(Locale::of(None), Ok(Locale::English));
        assert_eq!(Locale::of(Some("de-DE")), Ok(Locale::German));
        assert_eq!(Locale::of(Some("fr_CH")), Ok(Locale::French));
        assert_eq!(Locale::of(Some("tlh")), Ok(Locale::English));
        for wrong in ["", "d e", "de--DE", "<x>"] {
            assert!(Locale::of(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
