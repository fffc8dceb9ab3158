//! Reads stored content with the parsers of media files.

use std::sync::Arc;

use futures::TryStreamExt;

use super::{Fetch, Reading};
use crate::tree::{Content, Tree};

impl Reading {
    /// Creates a reader of stored content. Must be called within the runtime and used outside of its
    /// tasks.
    pub(crate) fn from_content(tree: &Arc<Tree>, content: &Content) -> Self {
        let (tree, whole) = (Arc::clone(tree), content.clone());
        let fetch = Fetch::new(move |range| {
            let (tree, whole) = (Arc::clone(&tree), whole.clone());
            async move {
                let bytes =
                    tree.open_content(&whole, range).await.map_err(std::io::Error::other)?;
                let chunks: Vec<_> = bytes.try_collect().await?;
                Ok(chunks.concat().into())
            }
        });
        Self::new(content.size, fetch)
    }
}
