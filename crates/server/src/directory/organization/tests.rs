//! Tests of groups and sites in a directory.

use crate::account_kind::AccountKind;
use crate::directory::{Directory, DirectoryIndex};

const BASE: &str = "[[tenants]]\nid = \"5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c\"\n\
                    domains = [\"contoso.example\"]\n\
                    [[users]]\nname = \"anna\"\nkind = \"business\"\n\
                    [[users]]\nname = \"bea\"\nkind = \"personal\"\n";

fn error(rest: &str) -> String {
    let directory = Directory::from_toml(&format!("{BASE}{rest}"));
    directory.expect_err(rest).reason()
}

#[test]
fn sites_of_the_directory_and_of_groups_have_libraries() {
    let text = format!(
        "{BASE}[[groups]]\nname = \"marketing\"\nmembers = [\"anna\"]\n\
         libraries = [\"Documents\", \"Annual Reports\"]\n\
         [[sites]]\npath = \"/sites/a/b\"\n"
    );
    let directory = Directory::from_toml(&text).expect("valid");
    let index = DirectoryIndex::new(directory, AccountKind::Personal).expect("valid");
    let accounts = index.sites().iter().flat_map(|site| &site.libraries);
    let accounts: Vec<_> = accounts.map(|library| library.account.as_str()).collect();
    assert_eq!(
        accounts,
        [
            "a.b.library",
            "marketing.library",
            "marketing.annual-reports.library",
            "root.5c5e3a4e-7c5b-4b7a-9a2f-0c8f0e0a1b2c.library",
        ]
    );
    assert_eq!(index.sites()[0].parent_path(), Some("/sites/a"));
    assert_eq!(index.sites()[1].parent_path(), None);
    assert_eq!(index.groups()[0].address, "marketing@contoso.example");
}

#[test]
fn a_fault_of_a_group_or_site_has_its_key() {
    for (rest, expected) in [
        ("[[groups]]\nname = \"a b\"", "groups[0].name: `a b` is no name"),
        ("[[groups]]\nname = \"a\"\nmembers = [\"x\"]", "groups[0].members[0]: no user"),
        ("[[groups]]\nname = \"a\"\nowners = [\"bea\"]", "groups[0].owners[0]: `bea` is of"),
        ("[[groups]]\nname = \"a\"\n[[groups]]\nname = \"A\"", "groups[1].name: another group"),
        ("[[groups]]\nname = \"a\"\nid = \"7\"", "groups[0].id: `7` is no GUID"),
        ("[[sites]]\npath = \"marketing\"", "sites[0].path: `marketing` is no path"),
        ("[[sites]]\npath = \"/sites/a b\"", "sites[0].path: `/sites/a b` is no path"),
        (
            "[[sites]]\npath = \"/sites/a\"\nlibraries = [\"A\", \"B*\"]",
            "sites[0].libraries[1]: `B*` is no name",
        ),
        (
            "[[sites]]\npath = \"/sites/a\"\n[[groups]]\nname = \"a\"",
            "groups[0].name: another site has the path",
        ),
        (
            "[[sites]]\npath = \"/sites/a\"\n[[sites]]\npath = \"/teams/a\"",
            "sites[1].path: another account has the name `a.library`",
        ),
    ] {
        let error = error(rest);
        assert!(error.starts_with(expected), "{rest}\n{error}");
    }
}
