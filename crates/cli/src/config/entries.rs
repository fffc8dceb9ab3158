//! Changes of the remotes in a configuration file. Comments and the order of other entries stay.

use toml_edit::{DocumentMut, Item, Key, Table, TableLike, value};

use crate::failure::{Exit, Failure, Result};

/// The table `remotes` of a configuration file.
pub(crate) struct RemoteEntries<'d> {
    table: &'d mut dyn TableLike,
    /// The comments after the last remote. A new remote is inserted after them.
    trailing: String,
}

impl<'d> RemoteEntries<'d> {
    /// Returns the table of a document. Adds it if it is missing.
    ///
    /// # Errors
    /// `Usage` if `remotes` is not a table.
    pub(super) fn from_document(document: &'d mut DocumentMut) -> Result<Self> {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        let entry = document.entry("remotes").or_insert_with(|| {
            let mut remotes = Table::new();
            // The file has only the headers of the remotes: `[remotes.NAME]`.
            remotes.set_implicit(true);
            Item::Table(remotes)
        });
        match entry.as_table_like_mut() {
            Some(table) => Ok(Self { table, trailing }),
            None => Err(Failure::usage("`remotes` is not a table")),
        }
    }

    /// Returns the comments that belong to the end of the document.
    pub(super) fn into_trailing(self) -> String {
        self.trailing
    }

    /// Returns whether a remote has this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Adds a remote with these options, after all others. `type` is one of them.
    ///
    /// # Errors
    /// `Exists` if a remote has this name.
    pub(crate) fn insert(&mut self, name: &str, options: &[(String, String)]) -> Result {
        self.check_free(name)?;
        let mut remote = Table::new();
        if !self.trailing.is_empty() {
            let comments = std::mem::take(&mut self.trailing);
            remote.decor_mut().set_prefix(format!("{comments}\n"));
        }
        for (key, text) in options {
            remote.insert(key, value(text));
        }
        self.table.insert(name, Item::Table(remote));
        Ok(())
    }

    /// Sets options of a remote. The others stay.
    ///
    /// # Errors
    /// `Usage` if no remote has this name.
    pub(crate) fn set_options(&mut self, name: &str, options: &[(String, String)]) -> Result {
        let remote = self.table.get_mut(name).and_then(Item::as_table_like_mut);
        let remote = remote.ok_or_else(|| missing(name))?;
        for (key, text) in options {
            match remote.get_mut(key).and_then(Item::as_value_mut) {
                // The comment beside the value stays.
                Some(present) => {
                    let decor = present.decor().clone();
                    *present = text.as_str().into();
                    *present.decor_mut() = decor;
                }
                None => {
                    remote.insert(key, value(text));
                }
            }
        }
        Ok(())
    }

    /// Removes options of a remote. An option that it does not have is ignored.
    ///
    /// # Errors
    /// `Usage` if no remote has this name.
    pub(crate) fn remove_options(&mut self, name: &str, keys: &[&str]) -> Result {
        let remote = self.table.get_mut(name).and_then(Item::as_table_like_mut);
        let remote = remote.ok_or_else(|| missing(name))?;
        for key in keys {
            remote.remove(key);
        }
        Ok(())
    }

    /// Removes a remote.
    ///
    /// # Errors
    /// `Usage` if no remote has this name.
    pub(crate) fn remove(&mut self, name: &str) -> Result {
        self.table.remove(name).map(drop).ok_or_else(|| missing(name))
    }

    /// Changes the name of a remote, which keeps its place.
    ///
    /// # Errors
    /// `Usage` if no remote has the old name, and `Exists` if one has the new name.
    pub(crate) fn rename(&mut self, old: &str, new: &str) -> Result {
        self.check_free(new)?;
        if !self.contains(old) {
            return Err(missing(old));
        }
        // A key cannot be changed, so all entries are inserted again, in their order.
        let names: Vec<String> = self.table.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let key = self.table.key(&name).cloned().unwrap_or_else(|| Key::new(&name));
            let Some(item) = self.table.remove(&name) else { continue };
            let key = match name == old {
                true => Key::new(new)
                    .with_leaf_decor(key.leaf_decor().clone())
                    .with_dotted_decor(key.dotted_decor().clone()),
                false => key,
            };
            self.table.entry_format(&key).or_insert(item);
        }
        Ok(())
    }

    /// Checks that no remote of the file has the name.
    ///
    /// # Errors
    /// `Exists` if one has.
    fn check_free(&self, name: &str) -> Result {
        match self.contains(name) {
            true => Err(Failure::new(Exit::Exists, "a remote of this name exists").about(name)),
            false => Ok(()),
        }
    }
}

/// Returns `Usage`: the configuration file has no remote of this name.
fn missing(name: &str) -> Failure {
    Failure::usage("the configuration file has no such remote").about(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, change: impl FnOnce(&mut RemoteEntries<'_>) -> Result) -> Result<String> {
        let mut document: DocumentMut = text.parse().expect("valid");
        let mut entries = RemoteEntries::from_document(&mut document)?;
        change(&mut entries)?;
        let trailing = entries.into_trailing();
        document.set_trailing(trailing);
        Ok(document.to_string())
    }

    const FILE: &str = "\
# All my remotes.

# At work.
[remotes.work] # 2024
type = \"onedrive\" # Graph
client_id = \"1\"   # registered by Ann

[remotes.disk]
uri = \"fs:///srv\"
";

    #[test]
    fn a_new_remote_follows_the_others() {
        let options = [("type".into(), "memory".into()), ("root".into(), "/a".into())];
        let text = edited(FILE, |remotes| remotes.insert("new", &options)).expect("changed");
        assert_eq!(text, format!("{FILE}\n[remotes.new]\ntype = \"memory\"\nroot = \"/a\"\n"));
        let end = "# The end.\n";
        let after = edited(&format!("{FILE}{end}"), |remotes| remotes.insert("new", &options));
        assert!(after.expect("changed").contains(&format!("{end}\n[remotes.new]\n")));
        let again = edited(&text, |remotes| remotes.insert("new", &options));
        assert_eq!(again.expect_err("exists").exit, Exit::Exists);
    }

    #[test]
    fn comments_beside_changed_values_stay() {
        let options = [("client_id".into(), "2".into()), ("tenant".into(), "t".into())];
        let text = edited(FILE, |remotes| remotes.set_options("work", &options));
        let expected = FILE.replace(
            "client_id = \"1\"   # registered by Ann\n",
            "client_id = \"2\"   # registered by Ann\ntenant = \"t\"\n",
        );
        assert_eq!(text.expect("changed"), expected);
    }

    #[test]
    fn a_renamed_remote_keeps_its_place_and_its_comments() {
        let text = edited(FILE, |remotes| remotes.rename("work", "office"));
        assert_eq!(text.expect("changed"), FILE.replace("remotes.work", "remotes.office"));
        let inline = "remotes = { one = { uri = 'a://' }, two = { uri = 'b://' } }\n";
        let text = edited(inline, |remotes| remotes.rename("one", "first"));
        assert_eq!(text.expect("changed"), inline.replace("one", "first"));
        let taken = edited(FILE, |remotes| remotes.rename("work", "disk"));
        assert_eq!(taken.expect_err("exists").exit, Exit::Exists);
        let missing = edited(FILE, |remotes| remotes.rename("none", "some"));
        assert_eq!(missing.expect_err("is unknown").exit, Exit::Usage);
    }

    #[test]
    fn a_removed_remote_leaves_the_others() {
        let text = edited(FILE, |remotes| remotes.remove("disk")).expect("changed");
        assert_eq!(text, FILE[..FILE.find("\n[remotes.disk]").expect("is in it")].to_owned());
        let rest = edited(&text, |remotes| remotes.remove("work")).expect("changed");
        assert!(!rest.contains("remotes"), "{rest}");
        assert!(edited(&rest, |remotes| remotes.remove("work")).is_err());
    }
}
