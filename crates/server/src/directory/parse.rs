//! Parses a directory, and checks the rules that its types do not express.

use std::{collections::HashSet, ops::Range, sync::Arc};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use toml::de::{DeTable, DeValue};
use url::Url;

use super::{
    ApplicationRecord, CONSUMERS, Directory, DirectoryError, Organization, TenantRecord,
    UserProfile, UserRecord,
};
use crate::{access::is_account_name, account::ADDRESS_DOMAIN, account_kind::AccountKind};

/// Parses a directory in TOML.
///
/// # Errors
/// [`DirectoryError`] with the line and the key of the first fault: of the syntax, an unknown or
/// missing key, or one of [`check`].
pub(super) fn from_toml(text: &str) -> Result<Directory, DirectoryError> {
    let syntax = |error: toml::de::Error| {
        let line = error.span().map(|span| line_of(text, &span));
        let key = line.and_then(|line| key_on_line(text, line));
        DirectoryError::syntax(line, error.message()).with_key(key)
    };
    let table = DeTable::parse(text).map_err(syntax)?;
    let directory: Directory = toml::from_str(text).map_err(syntax)?;
    check(&directory).map_err(|error| {
        let span = error.key().and_then(|key| locate(table.get_ref(), key));
        error.on_line(span.map(|span| line_of(text, &span)))
    })?;
    Ok(directory)
}

/// Parses a directory in JSON.
///
/// # Errors
/// [`DirectoryError`] with the position of a syntax error or of an unknown or missing member, or
/// with the key of the first fault of [`check`].
pub(super) fn from_json(bytes: &[u8]) -> Result<Directory, DirectoryError> {
    let directory = entries_from_json(bytes)?;
    check(&directory)?;
    Ok(directory)
}

/// Parses entries in JSON without checking them.
///
/// # Errors
/// [`DirectoryError`] with the position of a syntax error, or of an unknown or missing member.
pub(super) fn entries_from_json(bytes: &[u8]) -> Result<Directory, DirectoryError> {
    let syntax = |error: serde_json::Error| DirectoryError::syntax(None, error.to_string());
    serde_json::from_slice(bytes).map_err(syntax)
}

/// Returns the number of the line in which a span begins, from 1.
fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Returns the key that a line assigns to; `None` if the line assigns to none. `line` counts from
/// 1.
fn key_on_line(text: &str, line: usize) -> Option<String> {
    let (key, _) = text.lines().nth(line - 1)?.split_once('=')?;
    Some(key.trim().to_owned())
}

/// Returns the position of a key such as `users[0].tenant`, or of the innermost part of it that
/// exists; `None` if not even the first part does.
fn locate(table: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let mut steps = key.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    let mut value = table.get(steps.next()?)?;
    for step in steps {
        let next = match value.get_ref() {
            DeValue::Array(values) => step.parse().ok().and_then(|at: usize| values.get(at)),
            DeValue::Table(table) => table.get(step),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => break,
        }
    }
    Some(value.span())
}

/// A fault of an entry: its key in the entry, and the reason.
pub(super) type Fault = (String, String);

/// Returns the fault of a key, with the reason.
///
/// # Errors
/// Always: the fault.
pub(super) fn fault<T>(key: &str, reason: impl Into<String>) -> Result<T, Fault> {
    Err((key.to_owned(), reason.into()))
}

/// Checks a directory.
///
/// # Errors
/// [`DirectoryError`] with the key of the first entry that breaks one of the
/// [rules](Directory#rules).
pub(super) fn check(directory: &Directory) -> Result<(), DirectoryError> {
    let mut names = HashSet::new();
    for (at, tenant) in directory.tenants.iter().enumerate() {
        check_tenant(tenant, &mut names).map_err(in_entry("tenants", at))?;
    }
    let (mut names, mut addresses) = (HashSet::new(), HashSet::new());
    for (at, user) in directory.users.iter().enumerate() {
        let profile = check_user(directory, user).map_err(in_entry("users", at))?;
        if !names.insert(user.name.to_ascii_lowercase()) {
            let taken = fault("name", format!("another user has the name `{}`", user.name));
            taken.map_err(in_entry("users", at))?;
        }
        if !addresses.insert(profile.address.to_ascii_lowercase()) {
            let reason = format!("another user has the address `{}`", profile.address);
            fault("address", reason).map_err(in_entry("users", at))?;
        }
    }
    check_organization(directory)?;
    let mut ids = HashSet::new();
    for (at, application) in directory.applications.iter().enumerate() {
        if !ids.insert(application.id.to_ascii_lowercase()) {
            let reason = format!("another application has the id `{}`", application.id);
            fault("id", reason).map_err(in_entry("applications", at))?;
        }
        check_application(directory, application).map_err(in_entry("applications", at))?;
    }
    Ok(())
}

/// Checks the groups and sites. Users without a kind are business users if they can have a tenant.
///
/// # Errors
/// [`DirectoryError`] with the key of the first group or site that breaks one of the
/// [rules](Directory#rules).
fn check_organization(directory: &Directory) -> Result<(), DirectoryError> {
    let profile = |(at, user): (usize, &UserRecord)| {
        profile(directory, user, AccountKind::Business)
            .or_else(|_| profile(directory, user, AccountKind::default()))
            .map(Arc::new)
            .map_err(in_entry("users", at))
    };
    if directory.groups.is_empty() && directory.sites.is_empty() {
        return Ok(());
    }
    let users = directory.users.iter().enumerate().map(profile).collect::<Result<Vec<_>, _>>()?;
    Organization::new(directory, &users).map(drop)
}

/// Returns a function that adds the list and the position of an entry to a fault.
pub(super) fn in_entry(list: &str, at: usize) -> impl Fn(Fault) -> DirectoryError {
    let entry = format!("{list}[{at}]");
    move |(key, reason)| DirectoryError::at(format!("{entry}.{key}"), reason)
}

/// Checks a tenant. `names` has the ids and domains of the tenants before, and gets those of this
/// one.
///
/// # Errors
/// The fault of the id if it is no GUID, that of the Microsoft accounts or in `names`; of the first
/// domain without a dot, with a slash, `@` or space, or in `names`.
fn check_tenant(tenant: &TenantRecord, names: &mut HashSet<String>) -> Result<(), Fault> {
    if !is_guid(&tenant.id) {
        return fault("id", format!("`{}` is no GUID", tenant.id));
    }
    if tenant.id.eq_ignore_ascii_case(CONSUMERS) {
        return fault("id", "this is the tenant of Microsoft accounts, which always exists");
    }
    if !names.insert(tenant.id.to_ascii_lowercase()) {
        return fault("id", format!("another tenant has the id `{}`", tenant.id));
    }
    for (at, domain) in tenant.domains.iter().enumerate() {
        let key = format!("domains[{at}]");
        if !domain.contains('.') || domain.contains(['/', '@', ' ']) {
            return fault(&key, format!("`{domain}` is no domain (write contoso.example)"));
        }
        if !names.insert(domain.to_ascii_lowercase()) {
            return fault(&key, format!("another tenant has the domain `{domain}`"));
        }
    }
    Ok(())
}

/// Checks a user, and returns its profile on a server of personal accounts.
///
/// # Errors
/// The fault of the name if the account's name is not allowed, of the address if it has not exactly
/// one `@`, of the id if it is no GUID or the kind is personal, or that of [`profile`].
fn check_user(directory: &Directory, user: &UserRecord) -> Result<UserProfile, Fault> {
    if !is_account_name(&account_name(user)) {
        return fault(
            "name",
            format!(
                "`{}` is no name of an account: with its kind it has 1 to 64 letters, digits, dots, \
                 dashes and underscores",
                user.name
            ),
        );
    }
    if let Some(address) = user.address.as_ref().filter(|it| it.split('@').count() != 2) {
        return fault("address", format!("`{address}` is no address (write anna@contoso.example)"));
    }
    if let Some(id) = user.id.as_ref().filter(|id| !is_guid(id)) {
        return fault("id", format!("`{id}` is no GUID"));
    }
    if user.kind.is_some_and(AccountKind::is_personal) && user.id.is_some() {
        return fault("id", "a personal account has the id of its drive: remove the key");
    }
    let kind = AccountKind::from_account_name(&account_name(user));
    profile(directory, user, kind.unwrap_or_default())
}

/// Returns the name of a user's account.
fn account_name(user: &UserRecord) -> String {
    match user.kind {
        Some(kind) => format!("{}.{kind}", user.name),
        None => user.name.clone(),
    }
}

/// Returns a user with all defaults applied. `default` is the kind of accounts without one.
///
/// # Errors
/// The fault of the key `tenant` if a personal user has one, or the directory does not have it; of
/// the key `kind` if the kind needs a tenant and the directory has none; of the key `name` if it
/// has several.
pub(super) fn profile(
    directory: &Directory,
    user: &UserRecord,
    default: AccountKind,
) -> Result<UserProfile, Fault> {
    let account = account_name(user);
    let kind = AccountKind::from_account_name(&account).unwrap_or(default);
    let tenant = match (&user.tenant, kind.is_personal()) {
        (Some(_), true) if user.kind.is_some() => {
            return fault("tenant", "a personal account has no tenant: remove the key");
        }
        // The kind is decided by the server's default, which is not known here.
        (Some(name), _) => Some(find_tenant(directory, name)?),
        (None, true) => None,
        (None, false) => match directory.tenants.as_slice() {
            [only] => Some(only),
            [] => {
                return fault("kind", format!("a {kind} account needs a tenant: add [[tenants]]"));
            }
            _ => return fault("name", "there are several tenants: add the key `tenant`"),
        },
    };
    let tenant = tenant.filter(|_| !kind.is_personal());
    let domain = tenant.and_then(|tenant| tenant.domains.first());
    let domain = domain.map_or(ADDRESS_DOMAIN, String::as_str);
    let address = user.address.clone().unwrap_or_else(|| format!("{}@{domain}", user.name));
    Ok(UserProfile {
        account,
        address,
        display_name: user.display_name.clone().unwrap_or_else(|| user.name.clone()),
        object_id: user.id.clone().filter(|_| !kind.is_personal()),
        tenant: tenant
            .map_or_else(|| CONSUMERS.to_owned(), |tenant| tenant.id.to_ascii_lowercase()),
        quota: user.quota,
        password: user.password.clone(),
    })
}

/// Returns the tenant with the id or the domain `name`, in any case.
///
/// # Errors
/// The fault of the key `tenant` if there is none.
pub(super) fn find_tenant<'d>(
    directory: &'d Directory,
    name: &str,
) -> Result<&'d TenantRecord, Fault> {
    let is_named = |tenant: &&TenantRecord| {
        let mut names = tenant.domains.iter().chain([&tenant.id]);
        names.any(|it| it.eq_ignore_ascii_case(name))
    };
    match directory.tenants.iter().find(is_named) {
        Some(tenant) => Ok(tenant),
        None => fault("tenant", format!("no tenant has the id or domain `{name}`")),
    }
}

/// Checks an application.
///
/// # Errors
/// The fault of the first key that breaks one of the [rules](Directory#rules) of applications.
fn check_application(directory: &Directory, application: &ApplicationRecord) -> Result<(), Fault> {
    if application.id.is_empty() || application.id.contains(char::is_whitespace) {
        return fault("id", format!("`{}` is no client id", application.id));
    }
    if let Some(tenant) = &application.tenant {
        find_tenant(directory, tenant)?;
    }
    if let Some(at) = application.secrets.iter().position(|secret| secret.expose().is_empty()) {
        return fault(&format!("secrets[{at}]"), "a secret cannot be empty");
    }
    for (at, pem) in application.certificates.iter().enumerate() {
        let key = format!("certificates[{at}]");
        let certificate = match CertificateDer::from_pem_slice(pem.as_bytes()) {
            Ok(certificate) => certificate,
            Err(error) => return fault(&key, format!("it is no certificate in PEM: {error}")),
        };
        if let Err(error) = webpki::EndEntityCert::try_from(&certificate) {
            return fault(&key, format!("the certificate cannot be used: {error}"));
        }
    }
    for (at, redirect) in application.redirect_uris.iter().enumerate() {
        let parsed = Url::parse(redirect).ok();
        let is_web = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web {
            return fault(
                &format!("redirect_uris[{at}]"),
                format!("`{redirect}` is no URL of http or https"),
            );
        }
    }
    if !application.public_client
        && !application.has_credentials()
        && !application.redirect_uris.is_empty()
    {
        return fault(
            "redirect_uris",
            "the application has neither secrets nor certificates: add one, or set public_client",
        );
    }
    Ok(())
}

/// Returns whether a text is a GUID: 32 hexadecimal digits in any case, with dashes between them
/// and without braces.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "[[tenants]]\nid = \"5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c\"\n\
                          domains = [\"contoso.example\"]\n";

    /// Returns the error of a directory as `LINE KEY: REASON`.
    fn error(text: &str) -> String {
        let error = from_toml(text).expect_err(text);
        format!("{} {}", error.line().unwrap_or_default(), error.reason())
    }

    #[test]
    fn a_fault_has_its_line_and_its_key() {
        let user = |rest: &str| format!("{TENANT}\n[[users]]\nname = \"anna\"\n{rest}");
        for (text, expected) in [
            ("[[users]]\nnme = \"a\"".to_owned(), "2 nme: unknown field `nme`"),
            (user("kind = \"big\""), "7 kind: "),
            (user("quota = \"x\""), "7 quota: invalid type"),
            (user("id = \"7\""), "7 users[0].id: `7` is no GUID"),
            (user("tenant = \"b.example\""), "7 users[0].tenant: no tenant has"),
            (user("address = \"anna\""), "7 users[0].address: `anna` is no address"),
            (user("[[users]]\nname = \"Anna\""), "8 users[1].name: another user"),
            ("[[users]]\nname = \"a b\"".to_owned(), "2 users[0].name: `a b` is no name"),
            (
                "[[users]]\nname = \"a\"\nkind = \"business\"".to_owned(),
                "3 users[0].kind: a business account needs a tenant",
            ),
            (
                "[[applications]]\nid = \"a\"\nredirect_uris = [\n  \"x\",\n]".to_owned(),
                "4 applications[0].redirect_uris[0]: `x` is no URL",
            ),
            (
                "[[applications]]\nid = \"a\"\nredirect_uris = [\"http://localhost\"]".to_owned(),
                "3 applications[0].redirect_uris: the application has neither",
            ),
            (
                "[[applications]]\nid = \"a\"\ncertificates = [\"x\"]".to_owned(),
                "3 applications[0].certificates[0]: it is no certificate",
            ),
            ("[[tenants]]\nid = \"contoso\"".to_owned(), "2 tenants[0].id: `contoso` is no GUID"),
            ("users = ".to_owned(), "1 "),
        ] {
            let error = error(&text);
            assert!(error.starts_with(expected), "{text}\n{error}");
        }
    }

    #[test]
    fn a_user_has_the_defaults_of_its_tenant_and_kind() {
        let text = format!(
            "{TENANT}\n[[users]]\nname = \"anna\"\nkind = \"business\"\n[[users]]\nname = \"bea\"\n"
        );
        let directory = from_toml(&text).expect("a directory");
        let index = super::super::DirectoryIndex::new(directory, AccountKind::Personal);
        let index = index.expect("valid");
        let anna = index.user("ANNA@contoso.example").expect("a user");
        assert_eq!((anna.account.as_str(), anna.tenant.len()), ("anna.business", 36));
        let bea = index.user("bea").expect("a user");
        assert_eq!(
            (bea.address.as_str(), bea.tenant.as_str()),
            ("bea@drivedal.example", CONSUMERS)
        );
    }

    #[test]
    fn a_secret_is_not_serialized() {
        let text = "[[users]]\nname = \"a\"\npassword = \"hunter2\"\n\
                    [[applications]]\nid = \"b\"\nsecrets = [\"hunter2\"]\n";
        let directory = from_toml(text).expect("a directory");
        let shown = format!("{directory:?} {}", serde_json::to_string(&directory).expect("JSON"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
