//! Metadata of MPEG videos: program streams (`.mpg`, `.mpeg`, `.vob`) and bare video streams. No
//! maintained crate reads them.
//!
//! The formats are those of ISO/IEC 11172-1 and 13818-1 (systems), 11172-2 and 13818-2 (video), and
//! 11172-3 (sound). A file has no table of contents: its duration is the difference between the first
//! and the last time stamp.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Reading, Sound, Video, invalid};

/// Number of bytes at the beginning and at the end of a file that are searched.
const SEARCHED: u64 = 1 << 20;

/// Time stamps per second.
const CLOCK: u64 = 90_000;

/// The bits of a time stamp. It starts again at 0 after 26 hours.
const TIME_STAMP: u64 = (1 << 33) - 1;

/// The start code of a video's sequence header.
const SEQUENCE: u8 = 0xb3;

/// The start code of a picture.
const PICTURE: u8 = 0;

/// Reads the metadata of a video.
///
/// # Errors
/// `InvalidData` if no sequence header is in the first [`SEARCHED`] bytes; otherwise the error of the
/// read.
pub(super) fn read(mut reading: Reading) -> io::Result<Video> {
    let size = reading.size();
    let mut bytes = Vec::new();
    (&mut reading).take(SEARCHED).read_to_end(&mut bytes)?;
    let head = Scan::new(&bytes);
    let sequence = head.sequence.ok_or_else(|| invalid("the MPEG file has no sequence header"))?;
    let duration = match head.first {
        Some(first) => {
            let frame = (CLOCK as f64 / sequence.frame_rate) as u64;
            let mut end = head.end_after(first, frame);
            if size > SEARCHED {
                reading.seek(SeekFrom::Start(size.saturating_sub(SEARCHED).max(SEARCHED)))?;
                bytes.clear();
                (&mut reading).take(SEARCHED).read_to_end(&mut bytes)?;
                end = end.max(Scan::new(&bytes).end_after(first, frame));
            }
            end * 1_000 / CLOCK
        }
        // A bare video stream has no time stamps. A short one is counted.
        None if size <= SEARCHED => {
            (f64::from(head.pictures) * 1_000.0 / sequence.frame_rate) as u64
        }
        None => (size * 8_000).checked_div(sequence.bitrate).unwrap_or(0),
    };
    Ok(Video {
        width: sequence.width,
        height: sequence.height,
        duration,
        bitrate: super::bitrate(size, duration),
        frame_rate: Some(sequence.frame_rate),
        four_cc: None,
        sound: head.sound,
    })
}

/// The sequence header of a video (11172-2, 2.4.2.3).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sequence {
    width: u32,
    height: u32,
    frame_rate: f64,
    /// Bits per second; 0 for a variable bit rate.
    bitrate: u64,
}

impl Sequence {
    /// Finds the first sequence header; `None` if there is none, or it has values that are forbidden.
    fn find(bytes: &[u8]) -> Option<Self> {
        let at = bytes.windows(4).position(|window| window == [0, 0, 1, SEQUENCE])?;
        let &[a, b, c, d, e, f, g] = bytes.get(at + 4..at + 11)? else { return None };
        // 12 bits each for width and height, 4 for the aspect ratio, 4 for the frame rate, 18 for the
        // bit rate in units of 400 bit/s, and a marker.
        if g & 0x20 == 0 {
            return None;
        }
        let frame_rate = match d & 0x0f {
            1 => 24_000.0 / 1_001.0,
            2 => 24.0,
            3 => 25.0,
            4 => 30_000.0 / 1_001.0,
            5 => 30.0,
            6 => 50.0,
            7 => 60_000.0 / 1_001.0,
            8 => 60.0,
            _ => return None,
        };
        let bitrate = u64::from(e) << 10 | u64::from(f) << 2 | u64::from(g) >> 6;
        Some(Self {
            width: u32::from(a) << 4 | u32::from(b) >> 4,
            height: (u32::from(b) & 0x0f) << 8 | u32::from(c),
            frame_rate,
            // All bits are set for a variable bit rate.
            bitrate: if bitrate == 0x3_ffff { 0 } else { bitrate * 400 },
        })
    }
}

/// The results of a search in a part of a file.
#[derive(Debug, Default)]
struct Scan {
    sequence: Option<Sequence>,
    sound: Option<Sound>,
    /// The first time stamp of the video.
    first: Option<u64>,
    /// All time stamps of the video. Frames are stored in the order of their decoding, so the last one
    /// in the file is not always the last one that is shown.
    stamps: Vec<u64>,
    /// The number of pictures outside of packets, which only a bare video stream has.
    pictures: u32,
    /// The number of pictures in packets since the last time stamp: a packet has one time stamp, but
    /// may have several pictures.
    unstamped: u32,
}

impl Scan {
    /// Searches the packets in a part of a file, which may begin within one.
    fn new(bytes: &[u8]) -> Self {
        let mut scan = Self::default();
        let mut at = 0;
        while let Some(found) = next_start_code(bytes, at) {
            at = match bytes[found + 3] {
                0xba => found + pack_length(&bytes[found..]),
                // A packet, whose length is in the two bytes after the start code.
                code @ 0xbb..=0xff => {
                    let Some(&[high, low]) = bytes.get(found + 4..found + 6) else { break };
                    let end = found + 6 + usize::from(u16::from_be_bytes([high, low]));
                    let packet = &bytes[found + 6..end.min(bytes.len())];
                    scan.add_packet(code, packet);
                    end
                }
                SEQUENCE => {
                    scan.sequence = scan.sequence.or_else(|| Sequence::find(&bytes[found..]));
                    found + 4
                }
                code => {
                    scan.pictures += u32::from(code == PICTURE);
                    found + 4
                }
            };
        }
        scan
    }

    /// Adds a packet of the stream with this code, without the six bytes of its head.
    fn add_packet(&mut self, code: u8, packet: &[u8]) {
        if !matches!(code, 0xc0..=0xef) {
            return;
        }
        let Some(Packet { stamp, payload }) = Packet::parse(packet) else { return };
        if code < 0xe0 {
            self.sound = self.sound.take().or_else(|| sound(payload));
            return;
        }
        self.sequence = self.sequence.or_else(|| Sequence::find(payload));
        if let Some(stamp) = stamp {
            self.first.get_or_insert(stamp);
            self.stamps.push(stamp);
            self.unstamped = 0;
        }
        let pictures = payload.windows(4).filter(|code| *code == [0, 0, 1, PICTURE]).count();
        self.unstamped += u32::try_from(pictures).unwrap_or(u32::MAX);
    }

    /// Returns the end of the last picture after the time `first`, in units of [`CLOCK`]. `frame` is the
    /// time that a picture is shown. 0 if there is no time stamp.
    fn end_after(&self, first: u64, frame: u64) -> u64 {
        // A time stamp before the first one wraps around.
        let after = |stamp: &u64| {
            let after = stamp.wrapping_sub(first) & TIME_STAMP;
            (after <= TIME_STAMP / 2).then_some(after)
        };
        let shown = self.stamps.iter().filter_map(after).max().map(|last| last + frame);
        let stored = self.stamps.last().and_then(after);
        let stored = stored.map(|last| last + u64::from(self.unstamped) * frame);
        shown.max(stored).unwrap_or(0)
    }
}

/// Returns the position of the next start code from `at` on, whose last byte exists; `None` if there is
/// none.
fn next_start_code(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let found = rest.windows(4).position(|window| window[..3] == [0, 0, 1])?;
    Some(at + found)
}

/// Returns the length of a pack header, which begins with its start code.
fn pack_length(bytes: &[u8]) -> usize {
    match bytes.get(4) {
        // MPEG-2: the last three bits are the number of bytes that follow as padding.
        Some(first) if first & 0xc0 == 0x40 => {
            14 + bytes.get(13).map_or(0, |byte| usize::from(byte & 7))
        }
        Some(_) => 12,
        None => 4,
    }
}

/// A packet of a stream.
struct Packet<'a> {
    /// The time at which its first frame is shown, in units of [`CLOCK`].
    stamp: Option<u64>,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Parses a packet of either version, without the six bytes of its head; `None` if it is malformed
    /// or incomplete.
    fn parse(packet: &'a [u8]) -> Option<Self> {
        if packet.first()? & 0xc0 == 0x80 {
            // MPEG-2: two bytes of flags, and the length of the header.
            let (flags, length) = (*packet.get(1)?, usize::from(*packet.get(2)?));
            let stamp = if flags & 0x80 != 0 { time_stamp(packet.get(3..8)?) } else { None };
            return Some(Self { stamp, payload: packet.get(3 + length..)? });
        }
        // MPEG-1: at most 16 bytes of padding, the size of the buffer, and the time stamps.
        let padding = packet.iter().take_while(|byte| **byte == 0xff).count();
        let mut rest = packet.get(padding..)?;
        if rest.first()? & 0xc0 == 0x40 {
            rest = rest.get(2..)?;
        }
        let (stamp, length) = match rest.first()? & 0xf0 {
            0x20 => (time_stamp(rest.get(..5)?), 5),
            0x30 => (time_stamp(rest.get(..5)?), 10),
            _ => (None, 1),
        };
        Some(Self { stamp, payload: rest.get(length..)? })
    }
}

/// Parses a time stamp: 33 bits in five bytes, with a marker after 3, 18 and 33 of them. `None` without
/// the markers.
fn time_stamp(bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e] = bytes else { return None };
    if a & c & e & 1 != 1 {
        return None;
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1)
}

/// Returns the format of the first frame of sound (11172-3, 2.4.2.3); `None` if there is none.
fn sound(payload: &[u8]) -> Option<Sound> {
    let frame = payload.windows(4).find(|frame| {
        let (layer, rate) = (frame[1] >> 1 & 3, frame[2] >> 2 & 3);
        frame[0] == 0xff && frame[1] & 0xe0 == 0xe0 && layer != 0 && rate != 3
    })?;
    let (version, layer) = (frame[1] >> 3 & 3, frame[1] >> 1 & 3);
    let rate = [44_100, 48_000, 32_000][usize::from(frame[2] >> 2 & 3)];
    let sample_rate = match version {
        3 => rate,
        2 => rate / 2,
        _ => rate / 4,
    };
    let format = match layer {
        3 => "MP1",
        2 => "MP2",
        _ => "MP3",
    };
    Some(Sound {
        format: Some(format.to_owned()),
        // The mode 3 is a single channel.
        channels: Some(if frame[3] >> 6 == 3 { 1 } else { 2 }),
        sample_rate: Some(sample_rate),
        bits_per_sample: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_have_33_bits_and_markers() {
        let encoded = |stamp: u64| {
            let byte = |shift: u32| (stamp >> shift) as u8;
            [
                0x21 | (byte(30) & 7) << 1,
                byte(22),
                byte(14) & 0xfe | 1,
                byte(7),
                byte(0).wrapping_shl(1) | 1,
            ]
        };
        for stamp in [0, 1, 90_000, TIME_STAMP, 0x1_2345_6789] {
            assert_eq!(time_stamp(&encoded(stamp)), Some(stamp), "{stamp:x}");
        }
        assert_eq!(time_stamp(&[0; 5]), None);
    }

    #[test]
    fn the_clock_may_start_again_within_a_file() {
        let stamps = vec![TIME_STAMP - 9, 20, TIME_STAMP - 30];
        let scan = Scan { stamps, ..Scan::default() };
        assert_eq!(scan.end_after(TIME_STAMP - 9, 0), 30);
    }

    #[test]
    fn headers_that_end_early_are_ignored() {
        for length in 0..12 {
            let mut bytes = b"\0\0\x01\xba\x44\0\0\0\0\0\0\0\0\xff".to_vec();
            bytes.extend(&b"\0\0\x01\xe0\0\x20\x80\x80\x05\x21\0\x01\0\x01"[..length]);
            let scan = Scan::new(&bytes);
            assert_eq!((scan.sequence, scan.first), (None, None), "{length}");
        }
    }
}
