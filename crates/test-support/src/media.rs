//! Media files for tests: a photo with EXIF, a song with ID3, videos. They are assembled byte by
//! byte if no encoder is available, so that the server's own parsers are not involved.

use image::{DynamicImage, ImageEncoder, Rgb, RgbImage, codecs::jpeg::JpegEncoder};

/// Damaged Ogg Opus files, whose tags caused a panic in a tag reader.
pub const OPUS: [&[u8]; 2] =
    [include_bytes!("../media/opus-1.ogg"), include_bytes!("../media/opus-2.ogg")];

// Files that ffmpeg 5.1 encoded: black pictures of 64 × 48 pixels and a tone. `-bitexact` was not set.

/// A WMV of 1.02 s, 10 frames per second: `-c:v wmv2 -c:a wmav2`.
pub const WMV: &[u8] = include_bytes!("../media/film.wmv");
/// A WMA of 1.02 s with tags: `-c:a wmav2`.
pub const WMA: &[u8] = include_bytes!("../media/song.wma");
/// An AVI of 1.1 s, 10 frames per second: `-c:v mpeg4 -c:a libmp3lame -vtag XVID`.
pub const AVI: &[u8] = include_bytes!("../media/film.avi");
/// An MPEG-1 program stream of 2 s, 25 frames per second: `-c:v mpeg1video -c:a mp2 -f mpeg`.
pub const MPEG_1: &[u8] = include_bytes!("../media/mpeg1.mpg");
/// An MPEG-2 program stream of 2 s, 25 frames per second: `-c:v mpeg2video -bf 2 -c:a mp2 -f vob`.
pub const MPEG_2: &[u8] = include_bytes!("../media/mpeg2.mpg");
/// An MPEG-1 video stream without a container.
pub const MPEG_VIDEO: &[u8] = include_bytes!("../media/bare.mpg");
/// An AAC file of 2 s: `-c:a aac -f adts`.
pub const AAC: &[u8] = include_bytes!("../media/song.aac");

/// Returns a JPEG of that size with camera, exposure, location and time.
pub fn photo(width: u32, height: u32) -> Vec<u8> {
    jpeg(width, height, Some(exif(1)))
}

/// Returns a JPEG that was taken with the camera held upright.
pub fn upright_photo(width: u32, height: u32) -> Vec<u8> {
    jpeg(width, height, Some(exif(6)))
}

/// Returns a JPEG without metadata.
pub fn bare_photo(width: u32, height: u32) -> Vec<u8> {
    jpeg(width, height, None)
}

/// Returns a JPEG of that size in pixels, with the EXIF data if there is any.
fn jpeg(width: u32, height: u32, exif: Option<Vec<u8>>) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 0x80]));
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 60);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).expect("JPEG has EXIF");
    }
    DynamicImage::ImageRgb8(image).write_with_encoder(encoder).expect("a JPEG");
    bytes
}

/// A field of an EXIF directory: tag, type, count, and the bytes.
type MediaField = (u16, u16, u32, Vec<u8>);

/// Returns a field with a text.
fn text(tag: u16, text: &str) -> MediaField {
    let bytes = [text.as_bytes(), b"\0"].concat();
    (tag, 2, bytes.len() as u32, bytes)
}

/// Returns a field with fractions, as pairs of numerator and denominator.
fn ratios(tag: u16, ratios: &[(u32, u32)]) -> MediaField {
    let bytes = ratios.iter().flat_map(|(n, d)| [n.to_le_bytes(), d.to_le_bytes()].concat());
    (tag, 5, ratios.len() as u32, bytes.collect())
}

/// Returns a field with a number of 16 bits.
fn short(tag: u16, value: u16) -> MediaField {
    (tag, 3, 1, value.to_le_bytes().to_vec())
}

/// Returns a field with the offset of another directory in the EXIF data.
fn offset(tag: u16, at: usize) -> MediaField {
    (tag, 4, 1, (at as u32).to_le_bytes().to_vec())
}

/// Returns a directory that starts at offset `at` of the EXIF data.
fn directory(at: usize, fields: &[MediaField]) -> Vec<u8> {
    let mut head = (fields.len() as u16).to_le_bytes().to_vec();
    let mut data = Vec::new();
    let data_at = at + 2 + fields.len() * 12 + 4;
    for (tag, kind, count, bytes) in fields {
        head.extend(tag.to_le_bytes());
        head.extend(kind.to_le_bytes());
        head.extend(count.to_le_bytes());
        if bytes.len() <= 4 {
            let mut bytes = bytes.clone();
            bytes.resize(4, 0);
            head.extend(bytes);
        } else {
            head.extend(((data_at + data.len()) as u32).to_le_bytes());
            data.extend(bytes);
            data.resize(data.len().next_multiple_of(2), 0);
        }
    }
    head.extend([0; 4]);
    head.extend(data);
    head
}

/// Returns EXIF data of a camera. `orientation` is the value of that field: 1 is upright.
fn exif(orientation: u16) -> Vec<u8> {
    let main = |exif_at, gps_at| {
        directory(
            8,
            &[
                text(0x010f, "MyManufacturer"),
                text(0x0110, "MyModel"),
                short(0x0112, orientation),
                offset(0x8769, exif_at),
                offset(0x8825, gps_at),
            ],
        )
    };
    let camera = |at| {
        directory(
            at,
            &[
                ratios(0x829a, &[(1, 15)]),
                ratios(0x829d, &[(28, 10)]),
                text(0x9003, "2008:03:24 23:41:53"),
                ratios(0x920a, &[(385, 100)]),
            ],
        )
    };
    let exif_at = 8 + main(0, 0).len();
    let gps_at = exif_at + camera(exif_at).len();
    let gps = directory(
        gps_at,
        &[
            text(1, "N"),
            ratios(2, &[(47, 1), (39, 1), (11_376, 1_000)]),
            text(3, "W"),
            ratios(4, &[(122, 1), (8, 1), (9_280, 1_000)]),
            (5, 1, 1, vec![0]),
            ratios(6, &[(43, 1)]),
        ],
    );
    let head = [&b"II*\0"[..], &8_u32.to_le_bytes()].concat();
    [head, main(exif_at, gps_at), camera(exif_at), gps].concat()
}

/// Returns an MP3 with ID3 tags and 100 frames, which play for 2,612 ms. It has a cover if one is
/// given.
pub fn song(cover: Option<&[u8]>) -> Vec<u8> {
    let frame = |id: &[u8; 4], body: Vec<u8>| {
        [&id[..], &(body.len() as u32).to_be_bytes(), &[0, 0], &body].concat()
    };
    let text = |id, text: &str| frame(id, [&b"\0"[..], text.as_bytes()].concat());
    let mut tag = [
        text(b"TIT2", "Wildlife"),
        text(b"TPE1", "The Band"),
        text(b"TALB", "First Album"),
        text(b"TPE2", "Various"),
        text(b"TCON", "Jazz"),
    ]
    .concat();
    if let Some(cover) = cover {
        let head = &b"\0image/jpeg\0\x03\0"[..];
        tag.extend(frame(b"APIC", [head, cover].concat()));
    }
    let size = tag.len() as u32;
    let size = [21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f);
    // MPEG 1, layer 3, 128 kbit/s, 44.1 kHz: 417 bytes and 1,152 samples per frame.
    let sound = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat().repeat(100);
    [&b"ID3\x03\0\0"[..], &size, &tag, &sound].concat()
}

/// Returns a box of an MP4 file: its size, name and body.
fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
}

/// Returns an MP4 of 640 × 360 that runs 12,500 ms. As in files of cameras, its directory follows
/// the media data.
pub fn film() -> Vec<u8> {
    let long = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let matrix = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
    let mvhd = [
        long(&[0, 0, 0, 1_000, 12_500, 0x1_0000, 0x0100_0000, 0, 0]),
        long(&matrix),
        long(&[0, 0, 0, 0, 0, 0, 2]),
    ]
    .concat();
    let tkhd =
        [long(&[3, 0, 0, 1, 0, 12_500, 0, 0, 0, 0]), long(&matrix), long(&[640 << 16, 360 << 16])]
            .concat();
    let mdhd = long(&[0, 0, 0, 1_000, 12_500, 0x55c4_0000]);
    let hdlr = [&long(&[0, 0])[..], b"vide", &[0; 12], b"film\0"].concat();
    let vmhd = boxed(b"vmhd", &long(&[1, 0, 0]));
    let mdia = [boxed(b"mdhd", &mdhd), boxed(b"hdlr", &hdlr), boxed(b"minf", &vmhd)].concat();
    let trak = [boxed(b"tkhd", &tkhd), boxed(b"mdia", &mdia)].concat();
    let moov = [boxed(b"mvhd", &mvhd), boxed(b"trak", &trak)].concat();
    let ftyp = [&b"isom"[..], &512_u32.to_be_bytes(), b"isommp41"].concat();
    [boxed(b"ftyp", &ftyp), boxed(b"mdat", &[7; 50_000]), boxed(b"moov", &moov)].concat()
}

/// Returns a Matroska video of 320 × 240 that runs 3,000 ms.
pub fn matroska() -> Vec<u8> {
    let element = |id: &[u8], body: &[u8]| {
        // The length has eight bytes: a 1 and 56 bits.
        let size = (1 << 56 | body.len() as u64).to_be_bytes();
        [id, &size, body].concat()
    };
    let head = [
        element(&[0x42, 0x86], &[1]),
        element(&[0x42, 0xf7], &[1]),
        element(&[0x42, 0xf2], &[4]),
        element(&[0x42, 0xf3], &[8]),
        element(&[0x42, 0x82], b"matroska"),
        element(&[0x42, 0x87], &[4]),
        element(&[0x42, 0x85], &[2]),
    ]
    .concat();
    let info = [
        element(&[0x2a, 0xd7, 0xb1], &1_000_000_u32.to_be_bytes()),
        element(&[0x44, 0x89], &3_000_f64.to_be_bytes()),
    ]
    .concat();
    let video =
        [element(&[0xb0], &320_u16.to_be_bytes()), element(&[0xba], &240_u16.to_be_bytes())]
            .concat();
    let track = [
        element(&[0xd7], &[1]),
        element(&[0x73, 0xc5], &[1]),
        element(&[0x83], &[1]),
        element(&[0x86], b"V_MPEG4/ISO/AVC"),
        element(&[0xe0], &video),
    ]
    .concat();
    let segment = [
        element(&[0x15, 0x49, 0xa9, 0x66], &info),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track)),
        element(&[0x1f, 0x43, 0xb6, 0x75], &element(&[0xe7], &[0])),
    ]
    .concat();
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &head), element(&[0x18, 0x53, 0x80, 0x67], &segment)]
        .concat()
}

/// Returns a WMA that runs 225,000 ms, with tags and a cover. Its picture is in the header extension, as
/// that of Windows Media Player.
pub fn windows_media_song(cover: &[u8]) -> Vec<u8> {
    let object = |guid: &[u8; 16], body: Vec<u8>| {
        [&guid[..], &(body.len() as u64 + 24).to_le_bytes(), &body].concat()
    };
    let utf16 = |text: &str| -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    };
    let length = |bytes: &[u8]| (bytes.len() as u16).to_le_bytes();
    let file = [
        &[0; 40][..],
        &[2_253_000_u64 * 1_000, 0, 300].map(u64::to_le_bytes).concat(),
        &[2_u32, 1, 1, 128_000].map(u32::to_le_bytes).concat(),
    ]
    .concat();
    // WMA 2, two channels, 44.1 kHz, 128 kbit/s.
    let format = [
        &[0x161_u16, 2].map(u16::to_le_bytes).concat()[..],
        &[44_100_u32, 16_000].map(u32::to_le_bytes).concat(),
        &[1_u16, 16, 0].map(u16::to_le_bytes).concat(),
    ]
    .concat();
    let stream = [
        &b"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"[..],
        &[0; 24],
        &(format.len() as u32).to_le_bytes(),
        &[0; 10],
        &format,
    ]
    .concat();
    let (title, artist) = (utf16("Wildlife"), utf16("The Band"));
    let description = [&length(&title)[..], &length(&artist), &[0; 6], &title, &artist].concat();
    let attribute = |name: &str, kind: u16, value: &[u8]| {
        let name = utf16(name);
        [&length(&name)[..], &name, &kind.to_le_bytes(), &length(value), value].concat()
    };
    let attributes = [
        5_u16.to_le_bytes().to_vec(),
        attribute("WM/AlbumTitle", 0, &utf16("First Album")),
        attribute("WM/AlbumArtist", 0, &utf16("Various")),
        attribute("WM/Genre", 0, &utf16("Jazz")),
        attribute("WM/Year", 0, &utf16("2011")),
        attribute("WM/TrackNumber", 3, &7_u32.to_le_bytes()),
    ]
    .concat();
    let (picture, name) = (
        [
            &b"\x03"[..],
            &(cover.len() as u32).to_le_bytes(),
            &utf16("image/jpeg"),
            &utf16(""),
            cover,
        ]
        .concat(),
        utf16("WM/Picture"),
    );
    let library = [
        &1_u16.to_le_bytes()[..],
        &[0; 4],
        &length(&name),
        &1_u16.to_le_bytes(),
        &(picture.len() as u32).to_le_bytes(),
        &name,
        &picture,
    ]
    .concat();
    let library =
        object(b"\x94\x1c\x23\x44\x98\x94\xd1\x49\xa1\x41\x1d\x13\x4e\x45\x70\x54", library);
    let extension = [&[0; 18][..], &(library.len() as u32).to_le_bytes(), &library].concat();
    let objects = [
        object(b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65", file),
        object(b"\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\x00\xc0\x0c\x20\x53\x65", stream),
        object(b"\xb5\x03\xbf\x5f\x2e\xa9\xcf\x11\x8e\xe3\x00\xc0\x0c\x20\x53\x65", extension),
        object(b"\x33\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", description),
        object(b"\x40\xa4\xd0\xd2\x07\xe3\xd2\x11\x97\xf0\x00\xa0\xc9\x5e\xa8\x50", attributes),
    ]
    .concat();
    let header = [&5_u32.to_le_bytes()[..], b"\x01\x02", &objects].concat();
    object(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", header)
}
