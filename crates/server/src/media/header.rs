//! The headers that AVI and ASF files share: numbers in little-endian order, and the stream formats of
//! Windows (`WAVEFORMATEX`, `BITMAPINFOHEADER`).

use std::io;

use super::{Sound, invalid};

/// A cursor over the bytes of a header. Numbers are little-endian.
pub(super) struct HeaderReader<'a>(&'a [u8]);

impl<'a> HeaderReader<'a> {
    /// Creates a cursor at the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the next `length` bytes.
    ///
    /// # Errors
    /// `InvalidData` if fewer bytes are left.
    pub(super) fn bytes(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| invalid("a header ends before its last member"))?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Returns the next `N` bytes as an array.
    ///
    /// # Errors
    /// `InvalidData` if fewer bytes are left.
    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.bytes(N)?.try_into().map_err(invalid)
    }

    /// Returns the next number of 16 bits.
    ///
    /// # Errors
    /// `InvalidData` if fewer bytes are left.
    pub(super) fn u16(&mut self) -> io::Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Returns the next number of 32 bits.
    ///
    /// # Errors
    /// `InvalidData` if fewer bytes are left.
    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Returns the next number of 64 bits.
    ///
    /// # Errors
    /// `InvalidData` if fewer bytes are left.
    pub(super) fn u64(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The format of a sound stream: `WAVEFORMATEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SoundFormat {
    pub sound: Sound,
    /// Bits per second.
    pub bitrate: u64,
}

impl SoundFormat {
    /// Parses a `WAVEFORMATEX`. Further bytes are ignored.
    ///
    /// # Errors
    /// `InvalidData` if it has fewer than 16 bytes.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let mut header = HeaderReader::new(bytes);
        let (tag, channels) = (header.u16()?, header.u16()?);
        let (sample_rate, bytes_per_second) = (header.u32()?, header.u32()?);
        let _block_align = header.u16()?;
        let bits_per_sample = header.u16()?;
        let known = |number: u32| (number > 0).then_some(number);
        Ok(Self {
            sound: Sound {
                format: sound_format(tag).map(str::to_owned),
                channels: known(channels.into()),
                sample_rate: known(sample_rate),
                bits_per_sample: known(bits_per_sample.into()),
            },
            bitrate: u64::from(bytes_per_second) * 8,
        })
    }
}

/// Returns the name of a sound format by its tag in `mmreg.h`; `None` for a rare one.
fn sound_format(tag: u16) -> Option<&'static str> {
    Some(match tag {
        0x0001 | 0x0003 => "PCM",
        0x0002 => "ADPCM",
        0x0050 => "MP2",
        0x0055 => "MP3",
        0x00ff | 0x1600 | 0x1610 => "AAC",
        0x0160 => "WMA1",
        0x0161 => "WMA2",
        0x0162 => "WMA Professional",
        0x0163 => "WMA Lossless",
        0x2000 => "AC3",
        0x2001 => "DTS",
        _ => return None,
    })
}

/// The format of a picture stream: `BITMAPINFOHEADER`. Lengths are in pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PictureFormat {
    pub width: u32,
    pub height: u32,
    /// The code of the encoding, such as `WMV3`; `None` for uncompressed pictures.
    pub four_cc: Option<String>,
}

impl PictureFormat {
    /// Parses a `BITMAPINFOHEADER`. Further bytes are ignored.
    ///
    /// # Errors
    /// `InvalidData` if it has fewer than 20 bytes.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let mut header = HeaderReader::new(bytes);
        let _size = header.u32()?;
        let width = header.u32()?;
        // Pictures that are stored from the top have a negative height.
        let height = header.u32()?.cast_signed().unsigned_abs();
        let _planes_and_bits = header.u32()?;
        Ok(Self { width, height, four_cc: four_cc(header.array()?) })
    }
}

/// Returns a four-character code as text; `None` if it is not printable, as that of uncompressed
/// pictures.
pub(super) fn four_cc(code: [u8; 4]) -> Option<String> {
    let is_text = code.iter().all(u8::is_ascii_graphic);
    is_text.then(|| code.iter().copied().map(char::from).collect())
}

/// Returns a duration in milliseconds: `count` units, each of `numerator / denominator` seconds.
/// `None` for a denominator of 0.
pub(super) fn milliseconds(count: u64, numerator: u32, denominator: u32) -> Option<u64> {
    let total = u128::from(count) * u128::from(numerator) * 1_000;
    let milliseconds = total.checked_div(denominator.into())?;
    Some(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_too_short_is_an_error() {
        assert!(HeaderReader::new(b"abc").u32().is_err());
        assert!(SoundFormat::parse(&[0; 15]).is_err());
        assert!(PictureFormat::parse(&[0; 19]).is_err());
    }

    #[test]
    fn unknown_values_are_absent() {
        let silent = SoundFormat::parse(&[0; 16]).expect("a format");
        assert_eq!(silent, SoundFormat { sound: Sound::default(), bitrate: 0 });
        let raw = PictureFormat::parse(&[0; 40]).expect("a format");
        assert_eq!(raw.four_cc, None);
    }

    #[test]
    fn a_picture_that_is_stored_from_the_top_has_a_positive_height() {
        let header = [40, 320, -240, 0, 0].map(i32::to_le_bytes).concat();
        let format = PictureFormat::parse(&header).expect("a format");
        assert_eq!((format.width, format.height), (320, 240));
    }

    #[test]
    fn durations_do_not_overflow() {
        assert_eq!(milliseconds(250, 1, 25), Some(10_000));
        assert_eq!(milliseconds(u64::MAX, u32::MAX, 1), Some(u64::MAX));
        assert_eq!(milliseconds(1, 1, 0), None);
    }
}
