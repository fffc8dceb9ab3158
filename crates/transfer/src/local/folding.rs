//! How a file system compares names.

use std::{borrow::Cow, fs, io, path::Path};

use unicode_normalization::UnicodeNormalization;

/// Distinctions between names that a file system ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IgnoredDistinctions {
    /// Upper and lower case.
    pub case: bool,
    /// The normalization forms of Unicode.
    pub normalization: bool,
    /// Dots at the end; on Windows spaces, too.
    pub trailing_dots: bool,
}

impl IgnoredDistinctions {
    /// All distinctions.
    pub const ALL: Self = Self { case: true, normalization: true, trailing_dots: true };

    /// Probes the file system of a folder, or of the nearest folder above it that exists, with a
    /// temporary file. If the file cannot be created, every distinction counts as ignored; a
    /// transfer to that folder fails anyway.
    pub fn probe(folder: &Path) -> Self {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let existing = absolute.ancestors().find(|folder| folder.is_dir());
        existing.and_then(|folder| Self::probe_existing(folder).ok()).unwrap_or(Self::ALL)
    }

    /// Probes the file system of an existing folder.
    ///
    /// # Errors
    /// The operating system's error if the temporary file cannot be created.
    fn probe_existing(folder: &Path) -> io::Result<Self> {
        let create = |letter: &str| {
            let suffix = format!("{letter}.partial");
            tempfile::Builder::new().prefix(".drivedal-").suffix(&suffix).tempfile_in(folder)
        };
        // The first attempt fails on a file system that supports ASCII names only.
        let file = create("é").or_else(|_| create(""))?;
        let name = file.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let exists = |name: String| fs::symlink_metadata(file.path().with_file_name(name)).is_ok();
        let decomposed: String = name.nfd().collect();
        Ok(Self {
            case: exists(name.to_uppercase().replace('É', "é")),
            normalization: decomposed != name && exists(decomposed),
            trailing_dots: exists(format!("{name}.")),
        })
    }

    /// Returns a key that two names share if the file system ignores their difference.
    pub fn key(self, name: &str) -> Cow<'_, str> {
        let name = match self.trailing_dots {
            true if cfg!(windows) => name.trim_end_matches(['.', ' ']),
            true => name.trim_end_matches('.'),
            false => name,
        };
        let upper = |c: char| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        };
        match (self.case, self.normalization) {
            (false, false) => Cow::Borrowed(name),
            (false, true) => name.nfc().collect(),
            (true, false) => name.chars().map(upper).collect(),
            (true, true) => name.nfd().map(upper).nfc().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ignores_exactly_the_ignored_distinctions() {
        let none = IgnoredDistinctions { case: false, normalization: false, trailing_dots: false };
        for (one, other, folding) in [
            ("README", "readme", IgnoredDistinctions { case: true, ..none }),
            ("U\u{308}", "Ü", IgnoredDistinctions { normalization: true, ..none }),
            ("a", "a.", IgnoredDistinctions { trailing_dots: true, ..none }),
        ] {
            assert_eq!(folding.key(one), folding.key(other));
            assert_ne!(none.key(one), none.key(other));
            assert_eq!(IgnoredDistinctions::ALL.key(one), IgnoredDistinctions::ALL.key(other));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_probe_leaves_no_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let probed = IgnoredDistinctions::probe(&dir.path().join("not/yet"));
        assert_ne!(probed, IgnoredDistinctions::ALL, "the probe file could be created");
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0);
    }
}
