//! A request of a known account.

use super::{
    error::{LiveError, Result},
    facets::{LiveFacets, SortBy},
    ids::{IdKind, LiveId},
    object_access::{Access, widest},
    object_type::ObjectType,
    objects::{ObjectView, Objects},
    query::Query,
    response_format::ResponseFormat,
    route::{Subject, Whose},
    scopes::{PHOTOS, READ, Scopes},
};
use crate::{
    state::ServerState,
    tree::{Change, DriveKey, ItemKey, Node, OnConflict, Precondition, ROOT, TreeError},
};

/// How often a change is made anew because somebody else changed the item in between.
const TRIES: usize = 8;

/// A request of somebody known, for something.
pub(super) struct LiveRequest {
    pub(super) objects: Objects,
    pub(super) query: Query,
    pub(super) format: ResponseFormat,
    pub(super) subject: Subject,
    pub(super) scopes: Scopes,
    pub(super) shown_how: ObjectView,
}

impl LiveRequest {
    pub(super) fn state(&self) -> &ServerState {
        &self.objects.state
    }

    pub(super) fn drive(&self) -> DriveKey {
        self.objects.account.drive
    }

    /// Refuses what is another user's.
    pub(super) fn own(&self) -> Result<()> {
        let whose = match &self.subject {
            Subject::User(Whose::Mine)
            | Subject::Root(Whose::Mine)
            | Subject::Friendly(Whose::Mine, _)
            | Subject::Preview => return Ok(()),
            Subject::User(Whose::User(cid))
            | Subject::Root(Whose::User(cid))
            | Subject::Friendly(Whose::User(cid), _) => cid,
            Subject::Item(id) => &id.cid,
            Subject::Comment(id) => &id.cid,
            Subject::Tag(id) => &id.cid,
        };
        if *whose == self.objects.account.cid {
            Ok(())
        } else {
            Err(LiveError::not_found(self.shown()))
        }
    }

    /// The subject's id, for messages and URLs.
    pub(super) fn shown(&self) -> String {
        let mine = &self.objects.account.cid;
        let cid = |whose: &Whose| match whose {
            Whose::Mine => mine.clone(),
            Whose::User(cid) => cid.clone(),
        };
        match &self.subject {
            Subject::User(whose) => cid(whose),
            Subject::Root(whose) => LiveId::folder(&cid(whose), ROOT).to_string(),
            Subject::Friendly(whose, name) => format!("{}/skydrive/{name}", cid(whose)),
            Subject::Item(id) => id.to_string(),
            Subject::Comment(id) => id.to_string(),
            Subject::Tag(id) => id.to_string(),
            Subject::Preview => "skydrive/get_item_preview".to_owned(),
        }
    }

    /// The number of the item asked for, and its id; whether it is there is not known.
    pub(super) fn number(&self) -> Result<(ItemKey, String)> {
        let number = match &self.subject {
            Subject::User(_) | Subject::Friendly(..) | Subject::Preview => {
                return Err(LiveError::not_found(self.shown()));
            }
            Subject::Root(_) => ROOT,
            Subject::Item(id) => id.number,
            Subject::Comment(id) => id.item,
            Subject::Tag(id) => id.item,
        };
        Ok((number, self.shown()))
    }

    /// The number of the folder asked for, and its id; whether it is there is not known.
    pub(super) fn folder(&self) -> Result<(ItemKey, String)> {
        match &self.subject {
            Subject::Item(LiveId { kind: IdKind::File, .. }) => Err(LiveError::url(format!(
                "The resource '{}' isn't a folder or an album, and nothing can be in it.",
                self.shown()
            ))),
            _ => self.number(),
        }
    }

    /// The item asked for. One that is of another kind than its id says is not there.
    pub(super) async fn node(&self) -> Result<Node> {
        let (number, shown) = self.number()?;
        let node = self
            .state()
            .tree
            .node(self.drive(), number)
            .await
            .map_err(|error| LiveError::tree(error, &shown))?;
        let kind = match &self.subject {
            Subject::Item(id) => id.kind,
            Subject::Comment(_) | Subject::Tag(_) => IdKind::File,
            Subject::User(_) | Subject::Root(_) | Subject::Friendly(..) | Subject::Preview => {
                IdKind::Folder
            }
        };
        if IdKind::from(node.kind) == kind { Ok(node) } else { Err(LiveError::not_found(shown)) }
    }

    /// The item asked for, if the token's scopes let it be read.
    pub(super) async fn readable(&self) -> Result<Node> {
        let node = self.node().await?;
        if !ObjectType::of(&node).is_visual() {
            self.scopes.require_one(&[READ])?;
        }
        self.scopes.require_one(&[READ, PHOTOS])?;
        Ok(node)
    }

    /// What an item's type has not got.
    pub(super) fn unsupported(&self, node: &Node, path: &str) -> LiveError {
        LiveError::url(format!(
            "Resource type '{}' doesn't support the path '{path}'.",
            ObjectType::of(node).name()
        ))
    }

    /// Who can see a folder and what is in it.
    pub(super) async fn access_of_folder(&self, folder: ItemKey) -> Result<Access> {
        Ok(self.access_and_order(folder).await?.0)
    }

    /// Who can see a folder and what is in it, and the folder's own order.
    pub(super) async fn access_and_order(
        &self,
        folder: ItemKey,
    ) -> Result<(Access, Option<SortBy>)> {
        match self.state().tree.lineage(self.drive(), folder).await {
            Ok(lineage) => {
                let order = lineage.first().and_then(|folder| LiveFacets::of(folder).sort_by);
                Ok((widest(&lineage), order))
            }
            Err(TreeError::NotFound) => Ok((Access::Owner, None)),
            Err(error) => Err(LiveError::tree(error, self.shown())),
        }
    }

    /// Who can see an item because of the folders it is in.
    pub(super) async fn access_above(&self, node: &Node) -> Result<Access> {
        match node.parents.first() {
            Some(&folder) => self.access_of_folder(folder).await,
            None => Ok(Access::Owner),
        }
    }

    /// Changes what is known of an item. `change` may be asked several times; with nothing changed,
    /// nothing is written.
    pub(super) async fn change_facets<T>(
        &self,
        mut node: Node,
        change: impl Fn(&mut LiveFacets) -> Result<(T, bool)>,
    ) -> Result<(Node, T)> {
        for _ in 0..TRIES {
            let mut facets = LiveFacets::of(&node);
            let (told, changed) = change(&mut facets)?;
            if !changed {
                return Ok((node, told));
            }
            facets.of = Some(node.no);
            let change = Change { facets: facets.facets(), ..Change::default() };
            let expect = Precondition::Version(node.version);
            let tree = &self.state().tree;
            match tree.update(self.drive(), node.no, change, OnConflict::Fail, expect).await {
                Ok(node) => return Ok((node, told)),
                Err(TreeError::Changed) => {
                    node = tree
                        .node(self.drive(), node.no)
                        .await
                        .map_err(|error| LiveError::tree(error, self.shown()))?;
                }
                Err(error) => return Err(LiveError::tree(error, self.shown())),
            }
        }
        Err(LiveError::busy())
    }
}
