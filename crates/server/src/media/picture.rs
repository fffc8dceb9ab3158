//! Decodes pictures and scales them.

use std::{
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
    sync::atomic::Ordering,
};

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    metadata::Orientation,
};
use tokio::{runtime::Handle, sync::Semaphore};

use super::{Photo, Reading, contained::contained, invalid};

/// Maximum memory for decoding a picture, in bytes. A photo of 50 megapixels fits. All pictures that
/// are decoded concurrently share it.
const MAX_DECODED: u64 = 160 << 20;

/// The unit of [`MEMORY`], in bytes.
const MEMORY_UNIT: u64 = 1 << 20;

/// Free memory for decoding. Requests are served in order.
static MEMORY: Semaphore = Semaphore::const_new((MAX_DECODED / MEMORY_UNIT) as usize);

/// Number of pictures that are decoded concurrently. Requests are served in order.
static DECODERS: Semaphore = Semaphore::const_new(2);

/// Quality of the encoded JPEG files, of 100.
const QUALITY: u8 = 85;

/// An encoded picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// `image/jpeg` or `image/png`.
    pub(crate) media_type: &'static str,
    /// The bytes of the file.
    pub(crate) bytes: Bytes,
}

/// Returns the size of a picture that is scaled down to fit in a square with a side of `within`
/// pixels, as width and height. A smaller picture keeps its size. The aspect ratio is kept.
pub(crate) fn fit((width, height): (u32, u32), within: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= within {
        return (width, height);
    }
    let scaled = |side: u32| {
        let (side, within, longer) = (u64::from(side), u64::from(within), u64::from(longer));
        // Rounded, and at least 1.
        u32::try_from((side * within * 2 + longer) / (longer * 2)).unwrap_or(within as u32).max(1)
    };
    (scaled(width), scaled(height))
}

/// The size that a picture is scaled to. A picture is never enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Frame {
    /// Width in pixels.
    pub(crate) width: u32,
    /// Height in pixels.
    pub(crate) height: u32,
    /// Whether the picture is cropped to the aspect ratio of the frame. Otherwise it keeps its own.
    pub(crate) crop: bool,
    /// Whether the picture is not rotated as its EXIF data say.
    pub(crate) is_unrotated: bool,
}

impl Frame {
    /// Maximum width and height in pixels.
    pub(crate) const LARGEST: u32 = 2048;

    /// Creates a square, by its side in pixels, that a picture is fitted into.
    pub(crate) fn within(pixels: u32) -> Self {
        Self { width: pixels, height: pixels, crop: false, is_unrotated: false }
    }

    /// Creates a square, by its side in pixels, that a picture is cropped to.
    pub(crate) fn square(pixels: u32) -> Self {
        Self { width: pixels, height: pixels, crop: true, is_unrotated: false }
    }

    /// Parses `c300x400` or `c300x400_crop`, in lower case, width first, with any sizes that fit
    /// into 32 bits, also 0; `None` for any other text. The frame rotates the picture.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('c')?;
        let (text, crop) = match text.strip_suffix("_crop") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (width, height) = text.split_once('x')?;
        let side = |text: &str| {
            text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        Some(Self { width: side(width)?, height: side(height)?, crop, is_unrotated: false })
    }

    /// Returns the frame with or without the rotation that the EXIF data of a picture demand.
    pub(crate) fn unrotated(self, is_unrotated: bool) -> Self {
        Self { is_unrotated, ..self }
    }

    /// Returns whether width and height are between 1 and [`LARGEST`](Self::LARGEST).
    pub(crate) fn is_allowed(self) -> bool {
        [self.width, self.height].into_iter().all(|side| (1..=Self::LARGEST).contains(&side))
    }

    /// Returns the width and height of a picture, given in pixels, that is scaled to the frame. It
    /// is never enlarged.
    pub(crate) fn fit(self, (width, height): (u32, u32)) -> (u32, u32) {
        if self.crop {
            let (width, height) = self.cropped((width, height));
            if width <= self.width { (width, height) } else { (self.width, self.height) }
        } else {
            // Scales the longer side to the frame.
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
                // Rounded, and at least 1.
                u32::try_from((side * within * 2 + longer) / (longer * 2)).unwrap_or(1).max(1)
            };
            (scaled(width).min(self.width), scaled(height).min(self.height))
        }
    }

    /// Returns the size of the largest part of a picture with the aspect ratio of the frame.
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

    /// Returns whether the width of a picture limits its scale: the picture is wider than the frame
    /// or, for a crop, narrower.
    fn is_limited_by_width(self, (width, height): (u32, u32)) -> bool {
        let is_wider =
            u64::from(width) * u64::from(self.height) >= u64::from(height) * u64::from(self.width);
        is_wider != self.crop
    }
}

impl From<u32> for Frame {
    /// Creates a square of this many pixels that a picture is fitted into.
    fn from(pixels: u32) -> Self {
        Self::within(pixels)
    }
}

/// Scales a picture to a frame, rotated as its EXIF data say unless the frame excludes that.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the file is no picture, is malformed, or needs more than
/// [`MAX_DECODED`] bytes to decode; `Other` if its bytes cannot be read.
pub(super) async fn within(reading: Reading, frame: Frame) -> io::Result<Picture> {
    decoding(reading, move |reading| {
        let Decoded { mut image, orientation, .. } = decode(reading)?;
        if !frame.is_unrotated {
            image.apply_orientation(orientation);
        }
        encode(&scaled(&image, frame), None)
    })
    .await
}

/// Scales a photo down to fit in a square of `pixels`, in its own format and with its EXIF data.
/// `None` if its longer side has at most `pixels` already, or if it is neither JPEG nor PNG.
///
/// # Errors
/// `InvalidData` if the file is no picture, is malformed, or needs more than [`MAX_DECODED`] bytes
/// to decode; `Other` if its bytes cannot be read.
pub(crate) async fn shrunk(reading: Reading, pixels: u32) -> io::Result<Option<Bytes>> {
    decoding(reading, move |reading| {
        let Decoded { image, format, exif, profile, .. } = decode(reading)?;
        let fits = image.width().max(image.height()) <= pixels;
        if fits || !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
            return Ok(None);
        }
        let original = OriginalFormat { format, exif, profile };
        Ok(Some(encode(&scaled(&image, pixels.into()), Some(original))?.bytes))
    })
    .await
}

/// Scales the cover picture of an audio file or a video to a frame; `None` if it has none, or the
/// file is malformed.
///
/// # Errors
/// `InvalidData` if the cover is no picture, or needs more than [`MAX_DECODED`] bytes to decode;
/// `Other` if the file's bytes cannot be read while the cover is decoded.
pub(super) async fn cover(reading: Reading, frame: Frame) -> io::Result<Option<Picture>> {
    decoding(reading, move |reading| {
        let found = super::facts::cover(reading);
        let Some(cover) = found.unwrap_or_default() else { return Ok(None) };
        let Decoded { mut image, orientation, .. } = decode(Cursor::new(cover))?;
        image.apply_orientation(orientation);
        encode(&scaled(&image, frame), None).map(Some)
    })
    .await
}

/// Returns the length of the shorter side of a picture, in pixels. The picture is not decoded.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the header of the picture cannot be read.
pub(crate) fn shorter_side(bytes: &[u8]) -> io::Result<u32> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let (width, height) = reader.into_dimensions().map_err(|error| invalid(error.to_string()))?;
    Ok(width.min(height))
}

/// Creates a square default picture with sides of `pixels`, a light disc on grey.
///
/// # Errors
/// `InvalidData` if it cannot be encoded, and `Other` if the work panics.
pub(crate) async fn plain(pixels: u32) -> io::Result<Picture> {
    let draw = move || {
        let (centre, radius) = (f64::from(pixels) / 2.0, f64::from(pixels) / 3.0);
        let image = RgbImage::from_fn(pixels, pixels, |x, y| {
            let [x, y] = [x, y].map(|at| f64::from(at) + 0.5 - centre);
            Rgb(if x.hypot(y) <= radius { [0xdd; 3] } else { [0x88; 3] })
        });
        encode(&image.into(), None)
    };
    tokio::task::spawn_blocking(draw).await.map_err(io::Error::other)?
}

/// Returns whether decoding a picture takes at most [`MAX_DECODED`] bytes. The metadata that an
/// earlier version stored contain only the size in pixels: for them both answers may be wrong.
pub(crate) fn is_decodable(photo: &Photo) -> bool {
    let pixels = u64::from(photo.width) * u64::from(photo.height);
    photo.decoded.unwrap_or(pixels * 3) <= MAX_DECODED
}

/// Returns the memory that decoding a picture takes, in bytes. `coefficients` is the result of
/// [`coefficients_per_pixel`].
pub(super) fn memory(
    decoder: &impl ImageDecoder,
    format: Option<ImageFormat>,
    coefficients: u64,
) -> u64 {
    let (width, height) = decoder.dimensions();
    let frames = if format == Some(ImageFormat::Gif) { 2 } else { 1 };
    let coefficients =
        u64::from(width).saturating_mul(u64::from(height)).saturating_mul(coefficients);
    decoder.total_bytes().saturating_mul(frames).saturating_add(coefficients)
}

/// Runs `work` on a blocking thread when a decoder is free. The work is cancelled when the returned
/// future is dropped.
///
/// # Errors
/// That of `work`; `InvalidData` if it panics, and `Other` if the bytes of the picture could not be
/// read.
async fn decoding<T: Send + 'static>(
    reading: Reading,
    work: impl FnOnce(Reading) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (failed, cancelled) = (reading.failed(), reading.cancelled());
    let _cancel = cancelled.clone().drop_guard();
    let decoder = DECODERS.acquire().await.map_err(io::Error::other)?;
    let done = tokio::task::spawn_blocking(move || {
        let _decoder = decoder;
        contained(|| work(reading))
    });
    let done = done.await.map_err(io::Error::other)?;
    done.map_err(|error| match failed.load(Ordering::Relaxed) {
        // Decoders report a failed read as a malformed picture.
        true => io::Error::other(error.to_string()),
        false => error,
    })
}

struct Decoded {
    image: DynamicImage,
    format: ImageFormat,
    orientation: Orientation,
    exif: Option<Vec<u8>>,
    profile: Option<Vec<u8>>,
}

/// Decodes a picture when memory for it is free. Must run on a blocking thread of the runtime.
///
/// # Errors
/// `InvalidData` if the file is no picture, is malformed, or needs more than [`MAX_DECODED`] bytes.
fn decode(reading: impl Read + Seek) -> io::Result<Decoded> {
    let mut reading = BufReader::new(reading);
    let coefficients = coefficients_per_pixel(&mut reading)?;
    reading.rewind()?;
    let mut reader = ImageReader::new(reading).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let format = reader.format().ok_or_else(|| invalid("not a picture"))?;
    let mut decoder = reader.into_decoder().map_err(invalid)?;
    let (width, height) = decoder.dimensions();
    let memory = memory(&decoder, Some(format), coefficients);
    if memory > MAX_DECODED {
        let (memory, max) = (memory >> 20, MAX_DECODED >> 20);
        return Err(invalid(format!(
            "decoding {width} × {height} pixels takes {memory} MiB, more than {max} MiB"
        )));
    }
    let units = u32::try_from(memory.div_ceil(MEMORY_UNIT)).unwrap_or(u32::MAX);
    let memory = Handle::current().block_on(MEMORY.acquire_many(units));
    let _memory = memory.map_err(io::Error::other)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let exif = decoder.exif_metadata().unwrap_or_default();
    let profile = decoder.icc_profile().unwrap_or_default();
    let image = DynamicImage::from_decoder(decoder).map_err(invalid)?;
    Ok(Decoded { image, format, orientation, exif, profile })
}

/// Returns the number of bytes per pixel that a JPEG decoder needs besides the picture. For a
/// progressive file it keeps all coefficients: two bytes for each of three components. Zero for
/// other formats. A malformed file counts as progressive.
///
/// # Errors
/// The error of the read.
pub(super) fn coefficients_per_pixel(reading: &mut (impl Read + Seek)) -> io::Result<u64> {
    const PROGRESSIVE: u64 = 6;
    let mut start = [0; 2];
    if reading.read_exact(&mut start).is_err() || start != [0xff, 0xd8] {
        return Ok(0);
    }
    loop {
        // A segment: 0xFF, its kind, and its length without the first two bytes.
        let mut segment = [0; 4];
        match reading.read_exact(&mut segment) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(PROGRESSIVE),
            read => read?,
        }
        let [0xff, kind, high, low] = segment else { return Ok(PROGRESSIVE) };
        let length = u16::from_be_bytes([high, low]);
        match kind {
            0xc0 | 0xc1 => return Ok(0),
            // Huffman tables and arithmetic coding conditions.
            0xc4 | 0xcc => {}
            // All other frames: progressive, lossless, arithmetic.
            0xc2..=0xcf => return Ok(PROGRESSIVE),
            // Markers without length, or that follow a frame.
            0xd0..=0xda => return Ok(PROGRESSIVE),
            _ => {}
        }
        if length < 2 {
            return Ok(PROGRESSIVE);
        }
        reading.seek(SeekFrom::Current(i64::from(length) - 2))?;
    }
}

/// Scales a picture to a frame, and crops it if the frame says so.
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

/// Properties of a picture that its scaled copy keeps.
struct OriginalFormat {
    format: ImageFormat,
    exif: Option<Vec<u8>>,
    profile: Option<Vec<u8>>,
}

/// Encodes a picture in its original format, if given. Otherwise as PNG if it may be transparent,
/// else as JPEG.
///
/// # Errors
/// `InvalidData` if it cannot be encoded.
fn encode(image: &DynamicImage, original: Option<OriginalFormat>) -> io::Result<Picture> {
    let format = match &original {
        Some(original) => original.format,
        None if image.color().has_alpha() => ImageFormat::Png,
        None => ImageFormat::Jpeg,
    };
    let (exif, profile) =
        original.map_or((None, None), |original| (original.exif, original.profile));
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

/// Encodes a picture with its EXIF data and colour profile, if it has them.
///
/// # Errors
/// `InvalidData` if the encoder refuses one of them or fails.
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
mod limit_tests {
    use super::{super::Fetch, *};

    /// A PNG of `width` × `height` pixels of 16-bit RGBA, without its data.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut chunk = |kind: &[u8; 4], data: &[u8]| {
            let body = [kind, data].concat();
            file.extend((data.len() as u32).to_be_bytes());
            file.extend(&body);
            file.extend(crc32(&body).to_be_bytes());
        };
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        chunk(b"IHDR", &[&size[..], &[16, 6, 0, 0, 0]].concat());
        chunk(b"IDAT", &[]);
        file
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    /// A JPEG's segments up to its scan.
    fn jpeg(frame: u8, width: u16, height: u16) -> Vec<u8> {
        let mut file = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, frame, 0, 17, 8];
        file.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
        file.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        // The header of a scan, where a decoder's reading of headers ends.
        file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
        file
    }

    #[tokio::test]
    async fn a_picture_that_takes_too_much_memory_is_not_decoded() {
        for (file, size) in [
            (png(8000, 8000), "decoding 8000 × 8000 pixels takes 488 MiB"),
            (jpeg(0xc0, 60_000, 60_000), "decoding 60000 × 60000 pixels takes 10299 MiB"),
            (jpeg(0xc2, 8000, 8000), "decoding 8000 × 8000 pixels takes 549 MiB"),
        ] {
            let reading = Reading::new(file.len() as u64, Fetch::from_bytes(file.into()));
            let error = within(reading, 96.into()).await.expect_err(size);
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().starts_with(size), "{error}");
        }
    }

    #[test]
    fn progressive_and_sequential_pictures_are_distinguished() {
        let of = |file: Vec<u8>| coefficients_per_pixel(&mut Cursor::new(file)).expect("a figure");
        assert_eq!(of(jpeg(0xc0, 1, 1)), 0);
        assert_eq!(of(jpeg(0xc2, 1, 1)), 6);
        assert_eq!(of(png(1, 1)), 0);
        assert_eq!(of(b"\xff\xd8\xff".to_vec()), 6);
    }
}

#[cfg(test)]
mod tests;
