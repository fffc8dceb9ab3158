//! Options of remotes in environment variables: `DRIVEDAL_REMOTE_NAME_KEY`.
//!
//! NAME and KEY are in upper case, with `_` in place of other characters than letters and digits. A
//! header is `DRIVEDAL_REMOTE_NAME_HEADER_X_ONE`. The keys `TYPE` and `URI` define a remote, whose
//! name is NAME in lower case.

use std::{collections::BTreeMap, env};

use drivedal::remote::{RemoteSource, is_name};

use super::OptionList;
use crate::failure::{Failure, Result};

/// The beginning of all names of variables.
const PREFIX: &str = "DRIVEDAL_REMOTE_";

/// The beginning of keys that name a header, in lower case.
const HEADER: &str = "header_";

/// The variables for remotes, sorted by the length of their names. A variable without a value is the
/// same as no variable.
#[derive(Debug, Default)]
pub(super) struct RemoteVariables(Vec<(String, String)>);

/// The settings of one remote.
#[derive(Debug, Default)]
pub(super) struct RemoteSettings {
    /// The remote that `TYPE` or `URI` defines. `None` if the variables have only options.
    pub(super) base: Option<RemoteSource>,
    pub(super) options: OptionList,
}

impl RemoteVariables {
    /// Returns the variables of this process.
    ///
    /// # Errors
    /// `Usage` if a variable is not Unicode.
    pub(super) fn from_process() -> Result<Self> {
        let mut found = Vec::new();
        for (name, value) in env::vars_os() {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            let value = value.into_string().map_err(|_| unusable(rest, "it is not Unicode"))?;
            found.push((rest.to_owned(), value));
        }
        Self::new(found)
    }

    #[cfg(test)]
    pub(super) fn from_pairs(pairs: &[(&str, &str)]) -> Result<Self> {
        Self::new(pairs.iter().map(|(rest, value)| ((*rest).into(), (*value).into())).collect())
    }

    /// Sorts variables. Each is a pair of the name's rest after the prefix and the value.
    ///
    /// # Errors
    /// `Usage` for a name without NAME and KEY.
    fn new(mut found: Vec<(String, String)>) -> Result<Self> {
        found.retain(|(_, value)| !value.is_empty());
        for (rest, _) in &found {
            if !rest.contains('_') {
                return Err(unusable(rest, "its name has no key")
                    .hint(format!("use {PREFIX}NAME_KEY, such as {PREFIX}WORK_CLIENT_ID")));
            }
        }
        found.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        Ok(Self(found))
    }

    /// Returns the settings of each remote. `known` are the names of the remotes that are
    /// configured elsewhere.
    ///
    /// # Errors
    /// `Usage` if a variable belongs to no remote or to several ones, and if `TYPE` and
    /// `URI` of one remote are set.
    pub(super) fn settings(&self, known: &[&str]) -> Result<BTreeMap<String, RemoteSettings>> {
        let mut names: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
        // Shorter names first: `OD_TYPE` makes `OD_REDIRECT_URI` an option of the remote `od`.
        for (rest, _) in &self.0 {
            if owner(rest, &names)?.is_none() {
                names.extend(defined_name(rest));
            }
        }
        let mut settings = BTreeMap::<String, RemoteSettings>::new();
        for (rest, value) in &self.0 {
            let (name, key) = owner(rest, &names)?.ok_or_else(|| {
                unusable(rest, "it belongs to no configured remote")
                    .hint(format!("define a remote by {PREFIX}NAME_TYPE or {PREFIX}NAME_URI"))
            })?;
            let setting = settings.entry(name).or_default();
            let base = match key.as_str() {
                "type" => RemoteSource::from_scheme(value),
                "uri" => RemoteSource::from_uri(value),
                key => {
                    setting.options.push((option_key(key), value.clone()));
                    continue;
                }
            };
            if setting.base.replace(base).is_some() {
                return Err(unusable(rest, "TYPE and URI of a remote exclude each other"));
            }
        }
        Ok(settings)
    }
}

/// Returns the known remote that a variable belongs to, and the key in lower case. The longest name
/// wins. `None` if no name fits.
///
/// # Errors
/// `Usage` if two names have the same form in variables.
fn owner(rest: &str, names: &[String]) -> Result<Option<(String, String)>> {
    let key_of = |name: &str| rest.strip_prefix(&upper(name))?.strip_prefix('_');
    let mut fitting: Vec<_> = names
        .iter()
        .filter_map(|name| Some((name, key_of(name).filter(|key| !key.is_empty())?)))
        .collect();
    fitting.sort_by_key(|(_, key)| key.len());
    match fitting.as_slice() {
        [(one, key), (other, same), ..] if key.len() == same.len() => {
            Err(unusable(rest, &format!("it fits the remotes {one} and {other}"))
                .hint("rename one of them: `drivedal remotes rename`"))
        }
        [(name, key), ..] => Ok(Some(((*name).clone(), key.to_ascii_lowercase()))),
        [] => Ok(None),
    }
}

/// Returns the name of the remote that a variable defines. `None` if it defines none.
fn defined_name(rest: &str) -> Option<String> {
    ["_TYPE", "_URI"].into_iter().find_map(|end| {
        let name = rest.strip_suffix(end)?.to_ascii_lowercase();
        is_name(&name).then_some(name)
    })
}

/// Returns the option of a key in lower case.
fn option_key(key: &str) -> String {
    match key.strip_prefix(HEADER) {
        Some(name) => format!("header.{}", name.replace('_', "-")),
        None => key.to_owned(),
    }
}

/// Returns a remote's name in the form that variables have.
fn upper(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// Returns `Usage` for an environment variable. `rest` is its name without the prefix.
fn unusable(rest: &str, reason: &str) -> Failure {
    Failure::usage(reason).doing("use").about(format_args!("{PREFIX}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)], known: &[&str]) -> Result<Vec<(String, String)>> {
        let settings = RemoteVariables::from_pairs(pairs)?.settings(known)?;
        let shown = settings.into_iter().map(|(name, setting)| {
            let options: Vec<_> =
                setting.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
            (name, format!("{}{}", setting.base.map_or("", |_| "new "), options.join(" ")))
        });
        Ok(shown.collect())
    }

    #[test]
    fn a_variable_belongs_to_the_longest_name_that_fits() {
        let pairs = [
            ("OD_CLIENT_ID", "1"),
            ("OD_TEST_CLIENT_ID", "2"),
            ("OD_HEADER_X_ONE", "3"),
            ("OD_EMPTY", ""),
        ];
        let found = settings(&pairs, &["od", "od-test"]).expect("settings");
        let expected = [("od", "client_id=1 header.x-one=3"), ("od-test", "client_id=2")];
        assert_eq!(found, expected.map(|(name, shown)| (name.to_owned(), shown.to_owned())));
    }

    #[test]
    fn a_type_or_a_uri_defines_a_remote_whose_options_may_end_the_same() {
        let pairs = [("NEW_REDIRECT_URI", "http://localhost"), ("NEW_TYPE", "skydrive")];
        let found = settings(&pairs, &[]).expect("settings");
        assert_eq!(found, [("new".into(), "new redirect_uri=http://localhost".into())]);
    }

    #[test]
    fn an_invalid_variable_is_named_without_its_value() {
        for (pairs, known, reason) in [
            (&[("OD_CLIENT_ID", "SECRET")][..], &[][..], "it belongs to no configured remote"),
            (&[("OD", "SECRET")], &["od"], "its name has no key"),
            (&[("A_B_KEY", "SECRET")], &["a-b", "a_b"], "it fits the remotes a-b and a_b"),
            (&[("OD_TYPE", "fs"), ("OD_URI", "SECRET")], &[], "exclude each other"),
            (&[("X_TYPE", "SECRET")], &[], "it belongs to no configured remote"),
        ] {
            let failure = settings(pairs, known).expect_err(reason).to_string();
            assert!(failure.contains(reason), "{failure}");
            assert!(failure.starts_with("cannot use DRIVEDAL_REMOTE_"), "{failure}");
            assert!(!failure.contains("SECRET"), "{failure}");
        }
    }
}
