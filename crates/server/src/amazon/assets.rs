//! Assets: nodes that the service itself creates for the content of files
//! (amazon-drive#assets). This server has one asset for each picture that it can decode, a thumbnail.
//!
//! An asset is not stored. Its id is that of its file with [`ASSET_BIT`], its other members are
//! derived from the file, and its content is created on request and cached.

use axum::response::Response;
use http::StatusCode;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::{
    error::{AmazonError, Result},
    filter::Field,
    ids::etag,
    node::{creator, status, time, values},
    request::AmazonRequest,
    response::json_response,
    thumbnails::{self, picture_response},
};
use crate::{
    media::{
        Media,
        picture::{Frame, is_decodable},
    },
    picture_urls,
    tree::{Content, ItemKey, Node},
};

/// Maximum width and height of an asset, in pixels. Inferred.
const ASSET_SIDE: u32 = 256;

/// The bit of an item key that distinguishes an asset from its file. No item has a key this large.
const ASSET_BIT: i64 = 1 << 62;

/// End of an asset's name, after that of its file. Inferred.
const NAME_END: &str = " (thumbnail)";

/// Returns the key of a file's asset.
fn asset_key(file: ItemKey) -> ItemKey {
    ItemKey(file.0 | ASSET_BIT)
}

/// Returns the file of an asset's key; `None` if the key is that of an item.
pub(super) fn file_of_asset(key: ItemKey) -> Option<ItemKey> {
    (key.0 & ASSET_BIT != 0).then_some(ItemKey(key.0 & !ASSET_BIT))
}

/// Returns the content and the width and height of the asset of a file; `None` if the file has no
/// asset, because it is no picture or cannot be decoded.
fn asset_of(node: &Node) -> Option<(&Content, (u32, u32))> {
    let content = node.content.as_ref()?;
    match content.media.as_deref()? {
        Media::Photo(photo) if is_decodable(photo) && photo.decoded.is_some() => {
            Some((content, Frame::within(ASSET_SIDE).fit((photo.width, photo.height))))
        }
        Media::Photo(_) | Media::Audio(_) | Media::Video(_) => None,
    }
}

/// Returns whether a file has an asset.
pub(super) fn has_asset(node: &Node) -> bool {
    asset_of(node).is_some()
}

impl AmazonRequest {
    /// Returns the JSON object of a file's asset, without the size and the hash of its content;
    /// `None` if the file has none.
    pub(super) fn asset_object(&self, node: &Node) -> Option<Value> {
        let (_, (width, height)) = asset_of(node)?;
        let mut object = json!({
            "id": self.ids.id(asset_key(node.no)),
            "name": format!("{}{NAME_END}", node.name),
            "kind": "ASSET",
            "version": node.content_version,
            "eTagResponse": etag(asset_key(node.no), node.content_version),
            "status": status(node),
            "parents": [self.ids.id(node.no)],
            "createdBy": node.owner.clone().unwrap_or_else(|| creator(&self.account)),
            "createdDate": time(node.created),
            "modifiedDate": time(node.modified),
            "labels": [],
            "description": "",
            "restricted": false,
            "isShared": false,
            "contentProperties": {
                "version": node.content_version,
                "image": { "width": width, "height": height },
            },
        });
        if self.query.flag("tempLink")
            && let Some(path) = picture_urls::thumbnails(&self.state, &self.account, node)
        {
            object["tempLink"] = self.content_host_url(&path(Frame::within(ASSET_SIDE))).into();
        }
        Some(object)
    }

    /// Returns the JSON object of a file's asset with all properties of its content, which is
    /// created for it; `None` if the file has none.
    ///
    /// # Errors
    /// 500 if the content of the file cannot be read.
    pub(super) async fn whole_asset_object(&self, node: &Node) -> Result<Option<Value>> {
        let (Some((content, _)), Some(mut object)) = (asset_of(node), self.asset_object(node))
        else {
            return Ok(None);
        };
        // A picture whose header is intact may still be damaged: it has no asset.
        let frame = Frame::within(ASSET_SIDE);
        let Some(picture) = thumbnails::decoded(&self.state, content, frame).await? else {
            return Ok(None);
        };
        let properties = &mut object["contentProperties"];
        properties["size"] = picture.bytes.len().into();
        properties["md5"] = hex::encode(Md5::digest(&picture.bytes)).into();
        properties["contentType"] = picture.media_type.into();
        properties["extension"] = picture.media_type.trim_start_matches("image/").into();
        Ok(Some(object))
    }

    /// Returns the file of an asset's id; `None` if the id is that of another node, which may not
    /// exist.
    ///
    /// # Errors
    /// 404 if the id is not one of this account, or is that of an asset that does not exist or is
    /// not visible to the token; 500 if the storage fails.
    pub(super) async fn find_file_of_asset(&self, id: &str) -> Result<Option<Node>> {
        let Some(file) = file_of_asset(self.item_key(id)?) else { return Ok(None) };
        let node = self.find_node_by_key(file, id).await?;
        if has_asset(&node) { Ok(Some(node)) } else { Err(AmazonError::not_found(id)) }
    }

    /// Responds to `GET nodes/{id}` with the asset of a file. `id` is the asset's.
    ///
    /// # Errors
    /// 404 if the file has no asset; 500 if the content of the file cannot be read.
    pub(super) async fn asset_response(&self, file: &Node, id: &str) -> Result<Response> {
        match self.whole_asset_object(file).await? {
            Some(object) => Ok(json_response(StatusCode::OK, &object)),
            None => Err(AmazonError::not_found(id)),
        }
    }

    /// Responds with the content of a file's asset. `id` is the asset's; `view_box` is the maximum
    /// width and height, or `None` for the asset's own size.
    ///
    /// # Errors
    /// 404 if the file has no asset; 500 if the content of the file cannot be read.
    pub(super) async fn asset_content(
        &self,
        file: &Node,
        id: &str,
        view_box: Option<Frame>,
    ) -> Result<Response> {
        let Some((content, _)) = asset_of(file) else { return Err(AmazonError::not_found(id)) };
        let own = Frame::within(ASSET_SIDE);
        let frame = view_box.filter(|frame| frame.width < ASSET_SIDE).unwrap_or(own);
        match thumbnails::decoded(&self.state, content, frame).await? {
            Some(picture) => Ok(picture_response(picture)),
            None => Err(AmazonError::not_found(id)),
        }
    }

    /// Returns the values of a field of a file's asset as text, for filters. The asset must exist.
    pub(super) fn asset_values(&self, file: &Node, field: Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.ids.id(asset_key(file.no))],
            Field::Kind => vec!["ASSET".to_owned()],
            Field::Name => vec![format!("{}{NAME_END}", file.name)],
            Field::Parents => vec![self.ids.id(file.no)],
            Field::IsRoot => vec![false.to_string()],
            Field::Status | Field::CreatedBy | Field::CreatedDate | Field::ModifiedDate => {
                values(file, field, self.ids, &self.account)
            }
            Field::Labels
            | Field::Description
            | Field::ContentDate
            | Field::Md5
            | Field::Size
            | Field::ContentType
            | Field::Extension => Vec::new(),
        }
    }
}
