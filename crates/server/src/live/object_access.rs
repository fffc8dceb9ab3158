//! The access level of items: the member `shared_with`, and its translations.

use jiff::Timestamp;

use super::error::{LiveError, Result};
use crate::tree::{Node, SharingAudience, SharingSummary};

/// Who can see an item, in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ObjectAccess {
    #[default]
    Owner,
    /// Users whom the owner selected.
    Selected,
    /// Everyone who has a sharing link.
    Link,
    Everyone,
}

/// The language of translated values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Locale {
    #[default]
    English,
    German,
    French,
    Spanish,
}

impl Locale {
    /// Parses the name of a culture such as `de-DE`, in any case. English is the default for
    /// `None`, and the fallback for languages without translation.
    ///
    /// # Errors
    /// 400 unless `culture` is one or more parts of one to eight ASCII letters or digits, separated
    /// by `-` or `_`.
    pub(super) fn parse(culture: Option<&str>) -> Result<Self> {
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

impl ObjectAccess {
    /// Returns the access to an item. `above` is the access to its folder, which the item inherits
    /// unless its own permissions end that.
    pub(super) fn from_node(node: &Node, above: Self) -> Self {
        let Some(summary) = SharingSummary::from_node(node) else { return above };
        let own = match summary.audience(Timestamp::now()) {
            None => Self::Owner,
            Some(SharingAudience::Users) => Self::Selected,
            Some(SharingAudience::Organization | SharingAudience::Anonymous) => Self::Link,
            Some(SharingAudience::Everyone) => Self::Everyone,
        };
        if summary.is_boundary { own } else { own.max(above) }
    }

    /// Returns the localized name. The English names are those of the reference.
    pub(super) fn name(self, locale: Locale) -> &'static str {
        let [english, german, french, spanish] = match self {
            Self::Owner => ["Just me", "Nur ich", "Moi uniquement", "Solo yo"],
            Self::Selected => [
                "People I selected",
                "Von mir ausgewählte Personen",
                "Personnes que j'ai sélectionnées",
                "Personas que he seleccionado",
            ],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_languages_are_english_and_invalid_names_are_rejected() {
        assert_eq!(Locale::parse(None), Ok(Locale::English));
        assert_eq!(Locale::parse(Some("de-DE")), Ok(Locale::German));
        assert_eq!(Locale::parse(Some("fr_CH")), Ok(Locale::French));
        assert_eq!(Locale::parse(Some("tlh")), Ok(Locale::English));
        for wrong in ["", "d e", "de--DE", "<x>"] {
            assert!(Locale::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
