//! Pictures in other sizes.

use std::io::{self, BufReader, Cursor, Read, Seek};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    metadata::Orientation,
};
use tokio::sync::Semaphore;

use super::{Reading, invalid};

/// The largest picture that is decoded, in pixels: 64 million, which are at most 256 MiB in memory.
const LARGEST: u64 = 64 << 20;

/// One picture is decoded at a time, so that memory is bounded by the largest.
static DECODING: Semaphore = Semaphore::const_new(1);

/// The quality of the JPEGs made here, of 100.
const QUALITY: u8 = 85;

/// A picture that was made.
#[derive(Clone, Debug)]
pub(in crate::server) struct Picture {
    /// `image/jpeg` or `image/png`.
    pub(in crate::server) media_type: &'static str,
    /// The file.
    pub(in crate::server) bytes: Bytes,
}

/// The size that a picture has within a square: its own if it fits, the same shape always.
pub(in crate::server) fn fit((width, height): (u32, u32), within: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= within {
        return (width, height);
    }
    let scaled = |side: u32| {
        let (side, within, longer) = (u64::from(side), u64::from(within), u64::from(longer));
        // Rounded; never nothing.
        u32::try_from((side * within * 2 + longer) / (longer * 2)).unwrap_or(within as u32).max(1)
    };
    (scaled(width), scaled(height))
}

/// The picture within a square of so many pixels, turned as its EXIF says.
///
/// # Errors
/// `InvalidData` for what is no picture, or one that is too large to be decoded.
pub(in crate::server) async fn within(reading: Reading, pixels: u32) -> io::Result<Picture> {
    decoding(move || {
        let Decoded { mut image, orientation, .. } = decode(reading)?;
        image.apply_orientation(orientation);
        encode(&scaled(&image, pixels), None)
    })
    .await
}

/// A photo that is larger than a square, made to fit it in its own format; its EXIF stays. `None`:
/// it fits, or is of a format that is left alone, since it may be more than one picture.
///
/// # Errors
/// As [`within`].
pub(in crate::server) async fn shrunk(reading: Reading, pixels: u32) -> io::Result<Option<Bytes>> {
    decoding(move || {
        let Decoded { image, format, exif, profile, .. } = decode(reading)?;
        let fits = image.width().max(image.height()) <= pixels;
        if fits || !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
            return Ok(None);
        }
        let kept = Kept { format, exif, profile };
        Ok(Some(encode(&scaled(&image, pixels), Some(kept))?.bytes))
    })
    .await
}

/// The cover in a file of sound or a film, within a square of so many pixels; `None`: it has none.
///
/// # Errors
/// As [`within`], of the cover.
pub(in crate::server) async fn cover(reading: Reading, pixels: u32) -> io::Result<Option<Picture>> {
    decoding(move || {
        let found = super::facts::cover(reading);
        let Some(cover) = found.unwrap_or_default() else { return Ok(None) };
        let Decoded { mut image, orientation, .. } = decode(Cursor::new(cover))?;
        image.apply_orientation(orientation);
        encode(&scaled(&image, pixels), None).map(Some)
    })
    .await
}

/// A plain picture, a square of so many pixels, for what has no other: a light disc on grey.
///
/// # Errors
/// When it cannot be encoded.
pub(in crate::server) async fn plain(pixels: u32) -> io::Result<Picture> {
    decoding(move || {
        let (centre, radius) = (f64::from(pixels) / 2.0, f64::from(pixels) / 3.0);
        let image = RgbImage::from_fn(pixels, pixels, |x, y| {
            let [x, y] = [x, y].map(|at| f64::from(at) + 0.5 - centre);
            Rgb(if x.hypot(y) <= radius { [0xdd; 3] } else { [0x88; 3] })
        });
        encode(&image.into(), None)
    })
    .await
}

async fn decoding<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let turn = DECODING.acquire().await.map_err(invalid)?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(invalid)?
}

struct Decoded {
    image: DynamicImage,
    format: ImageFormat,
    orientation: Orientation,
    exif: Option<Vec<u8>>,
    profile: Option<Vec<u8>>,
}

fn decode(reading: impl Read + Seek) -> io::Result<Decoded> {
    let mut reader = ImageReader::new(BufReader::new(reading)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(2 * 4 * LARGEST);
    reader.limits(limits);
    let format = reader.format().ok_or_else(|| invalid("not a picture"))?;
    let mut decoder = reader.into_decoder().map_err(invalid)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > LARGEST {
        return Err(invalid(format!("{width} × {height} pixels are more than {LARGEST}")));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let exif = decoder.exif_metadata().unwrap_or_default();
    let profile = decoder.icc_profile().unwrap_or_default();
    let image = DynamicImage::from_decoder(decoder).map_err(invalid)?;
    Ok(Decoded { image, format, orientation, exif, profile })
}

fn scaled(image: &DynamicImage, pixels: u32) -> DynamicImage {
    let (width, height) = fit((image.width(), image.height()), pixels);
    image.thumbnail_exact(width, height)
}

/// What a picture made smaller keeps of the larger one.
struct Kept {
    format: ImageFormat,
    exif: Option<Vec<u8>>,
    profile: Option<Vec<u8>>,
}

/// JPEG, which knows no transparency, or PNG where there may be some.
fn encode(image: &DynamicImage, kept: Option<Kept>) -> io::Result<Picture> {
    let format = match &kept {
        Some(kept) => kept.format,
        None if image.color().has_alpha() => ImageFormat::Png,
        None => ImageFormat::Jpeg,
    };
    let (exif, profile) = kept.map_or((None, None), |kept| (kept.exif, kept.profile));
    let mut bytes = Vec::new();
    let media_type = match format {
        ImageFormat::Png => {
            write(image, PngEncoder::new(&mut bytes), exif, profile)?;
            "image/png"
        }
        _ => {
            let image = DynamicImage::ImageRgb8(image.to_rgb8());
            write(&image, JpegEncoder::new_with_quality(&mut bytes, QUALITY), exif, profile)?;
            "image/jpeg"
        }
    };
    Ok(Picture { media_type, bytes: bytes.into() })
}

fn write(
    image: &DynamicImage,
    mut encoder: impl ImageEncoder,
    exif: Option<Vec<u8>>,
    profile: Option<Vec<u8>>,
) -> io::Result<()> {
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).map_err(invalid)?;
    }
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile).map_err(invalid)?;
    }
    image.write_with_encoder(encoder).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_of_the_reference_come_out_as_there() {
        // The sample of the photo object (live-connect.md, A.8): 1600 × 1200.
        let of = |within| fit((1600, 1200), within);
        assert_eq!(
            (of(2048), of(800), of(176), of(96)),
            ((1600, 1200), (800, 600), (176, 132), (96, 72))
        );
    }

    proptest! {
        #[test]
        fn a_picture_that_is_fitted_has_both_sides_within(width in 1..u32::MAX, height in 1..u32::MAX, within in 1..4096_u32) {
            let (w, h) = fit((width, height), within);
            prop_assert!(w >= 1 && h >= 1 && w <= within && h <= within || width.max(height) <= within);
        }
    }
}
