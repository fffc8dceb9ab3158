//! Pictures of files in several sizes (live-connect#op-pictures).

use super::{item::id_of, options::PictureSize, state::LiveDrive};
use crate::drive::{ByteRange, Context, Download, Error, ErrorKind, ItemRef, Result, Thumbnail};

/// The sizes of pictures with the maximum length of their longer side in pixels, ascending.
const SIZES: [(u32, PictureSize); 4] = [
    (96, PictureSize::Thumbnail),
    (176, PictureSize::Album),
    (800, PictureSize::Normal),
    (2048, PictureSize::Full),
];

/// Returns the largest size whose side has at most `side` pixels; the smallest size if none has.
fn size_for(side: u32) -> PictureSize {
    let fitting = SIZES.iter().rev().find(|(longest, _)| *longest <= side);
    fitting.map_or(PictureSize::Thumbnail, |(_, size)| *size)
}

/// Downloads the largest picture of a file that fits into a square with a side of `side` pixels. Two
/// requests.
///
/// # Errors
/// `InvalidInput` for a side of 0; `NotFound` if the file does not exist or has no picture;
/// `Unsupported` for a reference by path; [request errors](crate::drive::Error#request-errors).
pub(super) async fn thumbnail(
    drive: &LiveDrive,
    cx: &Context,
    file: &ItemRef,
    side: u32,
) -> Result<Download> {
    if side == 0 {
        let text = "cannot request a thumbnail of 0 pixels";
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let url = drive.client.picture(cx, id_of(file)?.as_str(), size_for(side)).await?;
    drive.client.source(cx, &url, &ByteRange::Full, None).await
}

/// Returns the pictures of a photo in all sizes. Empty for other files: the cloud does not list the
/// sizes of their pictures.
///
/// # Errors
/// `NotFound` if the file does not exist; `Unsupported` for a reference by path; [request
/// errors](crate::drive::Error#request-errors).
pub(super) async fn thumbnail_urls(
    drive: &LiveDrive,
    cx: &Context,
    file: &ItemRef,
) -> Result<Vec<Thumbnail>> {
    let object = drive.client.object(cx, id_of(file)?.as_str()).await?;
    let images = object.images.into_iter().filter_map(|image| {
        let (width, height) = (Some(image.width), Some(image.height));
        Some(Thumbnail { width, height, ..Thumbnail::new(image.size, image.source?) })
    });
    Ok(images.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_picture_that_fits_is_chosen() {
        for (side, size) in [
            (1, PictureSize::Thumbnail),
            (96, PictureSize::Thumbnail),
            (799, PictureSize::Album),
            (800, PictureSize::Normal),
            (5000, PictureSize::Full),
        ] {
            assert_eq!(size_for(side), size, "{side}");
        }
    }
}
