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

/// The dimensions that a picture is scaled to. It is never enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Frame {
    /// Pixels.
    pub(in crate::server) width: u32,
    /// Pixels.
    pub(in crate::server) height: u32,
    /// Whether the picture is cropped to the shape of the frame, or keeps its own shape within it.
    pub(in crate::server) crop: bool,
}

impl Frame {
    /// Pixels of a side of a frame at most.
    pub(in crate::server) const LARGEST: u32 = 2048;

    /// A square that a picture fits within.
    pub(in crate::server) fn within(pixels: u32) -> Self {
        Self { width: pixels, height: pixels, crop: false }
    }

    /// A square that a picture is cropped to.
    pub(in crate::server) fn square(pixels: u32) -> Self {
        Self { width: pixels, height: pixels, crop: true }
    }

    /// Reads `c300x400` or `c300x400_crop`.
    pub(in crate::server) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('c')?;
        let (text, crop) = match text.strip_suffix("_crop") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (width, height) = text.split_once('x')?;
        let side = |text: &str| {
            text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        Some(Self { width: side(width)?, height: side(height)?, crop })
    }

    /// Whether both sides have from 1 to [`LARGEST`](Self::LARGEST) pixels.
    pub(in crate::server) fn is_allowed(self) -> bool {
        [self.width, self.height].into_iter().all(|side| (1..=Self::LARGEST).contains(&side))
    }

    /// The size that a picture has in the frame.
    pub(in crate::server) fn fit(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.crop {
            let (width, height) = self.cropped((width, height));
            if width <= self.width { (width, height) } else { (self.width, self.height) }
        } else {
            // The longer side of the picture within the frame.
            let (longer, within) = match self.is_limited_by_width((width, height)) {
                true => (width, self.width),
                false => (height, self.height),
            };
            if longer <= within {
                return (width, height);
            }
            let scaled = |side: u32| {
                let (side, within, longer) =
                    (u64::from(side), u64::from(within), u64::from(longer));
                // Rounded; never nothing.
                u32::try_from((side * within * 2 + longer) / (longer * 2)).unwrap_or(1).max(1)
            };
            (scaled(width).min(self.width), scaled(height).min(self.height))
        }
    }

    /// The largest part of a picture that has the shape of the frame.
    fn cropped(self, (width, height): (u32, u32)) -> (u32, u32) {
        let of = |side: u32, by: u32, to: u32| {
            u32::try_from(u64::from(side) * u64::from(by) / u64::from(to.max(1)))
                .unwrap_or(u32::MAX)
                .max(1)
        };
        match self.is_limited_by_width((width, height)) {
            true => (width, of(width, self.height, self.width).min(height)),
            false => (of(height, self.width, self.height).min(width), height),
        }
    }

    /// Whether a picture is wider than the frame; where it is cropped: narrower.
    fn is_limited_by_width(self, (width, height): (u32, u32)) -> bool {
        let is_wider =
            u64::from(width) * u64::from(self.height) >= u64::from(height) * u64::from(self.width);
        is_wider != self.crop
    }
}

impl From<u32> for Frame {
    fn from(pixels: u32) -> Self {
        Self::within(pixels)
    }
}

/// The picture in a frame, turned as its EXIF says.
///
/// # Errors
/// `InvalidData` for what is no picture, or one that is too large to be decoded.
pub(in crate::server) async fn within(
    reading: Reading,
    frame: impl Into<Frame>,
) -> io::Result<Picture> {
    let frame = frame.into();
    decoding(move || {
        let Decoded { mut image, orientation, .. } = decode(reading)?;
        image.apply_orientation(orientation);
        encode(&scaled(&image, frame), None)
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
        Ok(Some(encode(&scaled(&image, pixels.into()), Some(kept))?.bytes))
    })
    .await
}

/// The cover in a file of sound or a film, in a frame; `None`: it has none.
///
/// # Errors
/// As [`within`], of the cover.
pub(in crate::server) async fn cover(
    reading: Reading,
    frame: impl Into<Frame>,
) -> io::Result<Option<Picture>> {
    let frame = frame.into();
    decoding(move || {
        let found = super::facts::cover(reading);
        let Some(cover) = found.unwrap_or_default() else { return Ok(None) };
        let Decoded { mut image, orientation, .. } = decode(Cursor::new(cover))?;
        image.apply_orientation(orientation);
        encode(&scaled(&image, frame), None).map(Some)
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

fn scaled(image: &DynamicImage, frame: Frame) -> DynamicImage {
    let size = (image.width(), image.height());
    let (width, height) = frame.fit(size);
    if !frame.crop {
        return image.thumbnail_exact(width, height);
    }
    let (part_width, part_height) = frame.cropped(size);
    let (x, y) = ((size.0 - part_width) / 2, (size.1 - part_height) / 2);
    image.crop_imm(x, y, part_width, part_height).thumbnail_exact(width, height)
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

    #[test]
    fn a_frame_keeps_the_shape_of_a_picture_or_crops_it() {
        let fit = |frame: &str, size| Frame::parse(frame).unwrap().fit(size);
        for (frame, size, expected) in [
            ("c300x400", (1600, 1200), (300, 225)),
            ("c300x400", (1200, 1600), (300, 400)),
            ("c300x400", (100, 1600), (25, 400)),
            ("c300x400", (100, 50), (100, 50)),
            ("c300x400_crop", (1600, 1200), (300, 400)),
            ("c300x400_crop", (300, 200), (150, 200)),
            ("c2x1_crop", (1, 1), (1, 1)),
        ] {
            assert_eq!(fit(frame, size), expected, "{frame} {size:?}");
        }
        for text in ["c", "300x400", "c300", "c300x", "c+3x4", "c3x4_cut", "c-1x4"] {
            assert_eq!(Frame::parse(text), None, "{text}");
        }
        assert!(!Frame::parse("c0x1").unwrap().is_allowed());
        assert!(!Frame::parse("c1x2049").unwrap().is_allowed());
    }

    proptest! {
        #[test]
        fn a_part_for_a_frame_lies_within_the_picture(width in 1..100_000_u32, height in 1..100_000_u32, w in 1..=2048_u32, h in 1..=2048_u32, crop: bool) {
            let frame = Frame { width: w, height: h, crop };
            let (x, y) = frame.cropped((width, height));
            prop_assert!(x >= 1 && y >= 1 && x <= width && y <= height);
            let (x, y) = frame.fit((width, height));
            prop_assert!(x >= 1 && y >= 1 && x <= w.min(width) && y <= h.min(height));
        }

        #[test]
        fn a_picture_that_is_fitted_has_both_sides_within(width in 1..u32::MAX, height in 1..u32::MAX, within in 1..4096_u32) {
            let (w, h) = fit((width, height), within);
            prop_assert!(w >= 1 && h >= 1 && w <= within && h <= within || width.max(height) <= within);
        }
    }
}
