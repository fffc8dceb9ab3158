//! Metadata of AVI files. No maintained crate reads them.
//!
//! The format is Microsoft's *AVI RIFF File Reference*, with the OpenDML extensions for large files.

use std::io::{self, Read, Seek, SeekFrom};

use super::{
    Reading, Video,
    header::{HeaderReader, PictureFormat, SoundFormat, four_cc, milliseconds},
    invalid,
};

/// Number of bytes before the body of a chunk: its id and its size.
const CHUNK_HEAD: u64 = 8;

/// Number of bytes of a list before its chunks: its id, size and type.
const LIST_HEAD: u64 = 12;

/// Maximum number of chunks that are looked at. The headers of files have about 20.
const MAX_CHUNKS: usize = 1_000;

/// Maximum size of a header that is read, in bytes. Those of the format have at most 100; codecs append
/// their own data.
const MAX_HEADER: u64 = 64 << 10;

/// Reads the metadata of a video. Its frames are not read.
///
/// # Errors
/// `InvalidData` if a header is malformed or there is no video stream; otherwise the error of the
/// read.
pub(super) fn read(mut reading: Reading) -> io::Result<Video> {
    let size = reading.size();
    let mut headers = Headers::default();
    // The file is a list too, of the type `AVI `.
    let mut at = LIST_HEAD;
    for _ in 0..MAX_CHUNKS {
        if at.saturating_add(CHUNK_HEAD) > size {
            break;
        }
        reading.seek(SeekFrom::Start(at))?;
        let mut head = [0; CHUNK_HEAD as usize];
        reading.read_exact(&mut head)?;
        let mut head = HeaderReader::new(&head);
        let (id, length): ([u8; 4], u64) = (head.array()?, head.u32()?.into());
        if &id == b"LIST" {
            let mut kind = [0; 4];
            reading.read_exact(&mut kind)?;
            match &kind {
                // Its chunks are looked at like all others: no header depends on the list.
                b"hdrl" | b"strl" | b"odml" => {
                    at += LIST_HEAD;
                    continue;
                }
                // The headers precede the frames.
                b"movi" => break,
                _ => {}
            }
        } else if matches!(&id, b"avih" | b"strh" | b"strf" | b"dmlh") && length <= MAX_HEADER {
            let mut body = Vec::new();
            (&mut reading).take(length).read_to_end(&mut body)?;
            headers.add(&id, &body)?;
        }
        // Chunks begin at even positions.
        at = at + CHUNK_HEAD + length + length % 2;
    }
    headers.into_video(size)
}

/// The header of a stream (`AVISTREAMHEADER`). A unit is a frame or a block of samples; it takes
/// `scale / rate` seconds.
#[derive(Clone, Copy)]
struct StreamHeader {
    is_video: bool,
    is_sound: bool,
    /// The code of the codec.
    handler: [u8; 4],
    scale: u32,
    rate: u32,
    /// The number of units.
    length: u32,
}

impl StreamHeader {
    /// Parses the header.
    ///
    /// # Errors
    /// `InvalidData` if it is too short.
    fn parse(body: &[u8]) -> io::Result<Self> {
        let mut header = HeaderReader::new(body);
        let kind: [u8; 4] = header.array()?;
        let handler = header.array()?;
        // Flags, priority, language and the number of initial frames.
        header.bytes(12)?;
        let (scale, rate, _start) = (header.u32()?, header.u32()?, header.u32()?);
        let (is_video, is_sound) = (&kind == b"vids", &kind == b"auds");
        Ok(Self { is_video, is_sound, handler, scale, rate, length: header.u32()? })
    }
}

/// The headers of a file.
#[derive(Default)]
struct Headers {
    /// The last stream header. The chunk `strf` after it has the stream's format.
    stream: Option<StreamHeader>,
    video: Option<(StreamHeader, PictureFormat)>,
    sound: Option<SoundFormat>,
    /// The longest stream that is not the video, in milliseconds.
    duration: u64,
    /// Microseconds per frame, by the main header.
    frame_time: u32,
    /// The number of frames by the main header, which counts the first part of a large file only.
    frames: u32,
    /// The number of frames in all parts of a large file.
    all_frames: u32,
}

impl Headers {
    /// Adds the header in a chunk with this id.
    ///
    /// # Errors
    /// `InvalidData` if it is too short.
    fn add(&mut self, id: &[u8; 4], body: &[u8]) -> io::Result<()> {
        let mut header = HeaderReader::new(body);
        match id {
            b"avih" => {
                self.frame_time = header.u32()?;
                // The data rate, the padding and flags.
                header.bytes(12)?;
                self.frames = header.u32()?;
            }
            b"dmlh" => self.all_frames = header.u32()?,
            b"strh" => {
                let stream = StreamHeader::parse(body)?;
                self.stream = Some(stream);
                if !stream.is_video {
                    let duration = milliseconds(stream.length.into(), stream.scale, stream.rate);
                    self.duration = self.duration.max(duration.unwrap_or(0));
                }
            }
            _ => match self.stream.take() {
                Some(stream) if stream.is_video && self.video.is_none() => {
                    self.video = Some((stream, PictureFormat::parse(body)?));
                }
                Some(stream) if stream.is_sound && self.sound.is_none() => {
                    self.sound = Some(SoundFormat::parse(body)?);
                }
                _ => {}
            },
        }
        Ok(())
    }

    /// Returns the metadata of a file of `size` bytes.
    ///
    /// # Errors
    /// `InvalidData` if there is no video stream.
    fn into_video(self, size: u64) -> io::Result<Video> {
        let (stream, picture) =
            self.video.ok_or_else(|| invalid("the AVI file has no video stream"))?;
        let frames = u64::from(stream.length.max(self.all_frames));
        let (shown, frame_rate) = if stream.rate > 0 && stream.scale > 0 {
            let shown = milliseconds(frames, stream.scale, stream.rate);
            (shown, f64::from(stream.rate) / f64::from(stream.scale))
        } else {
            let frames = frames.max(self.frames.into());
            let shown = milliseconds(frames, self.frame_time, 1_000_000);
            (shown, 1e6 / f64::from(self.frame_time))
        };
        let duration = self.duration.max(shown.unwrap_or(0));
        Ok(Video {
            width: picture.width,
            height: picture.height,
            duration,
            bitrate: super::bitrate(size, duration),
            frame_rate: frame_rate.is_finite().then_some(frame_rate),
            // The handler names the codec if the format does not.
            four_cc: picture.four_cc.or_else(|| four_cc(stream.handler)),
            sound: self.sound.map(|format| format.sound),
        })
    }
}
