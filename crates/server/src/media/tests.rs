//! Tests of the recognition of media files, and of malformed ones.

use bytes::Bytes;
use drivedal_test_support::media::OPUS;

use super::*;

#[test]
fn the_first_bytes_show_the_family() {
    for (head, family) in [
        (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], Some(Family::Picture)),
        (b"\0\0\0\x20ftypisom", Some(Family::Video)),
        (b"\0\0\0\x20ftypM4A ", Some(Family::Audio)),
        (b"\0\0\0\x20ftypheic", Some(Family::OtherPicture)),
        (b"\x1a\x45\xdf\xa3\x01", Some(Family::Video)),
        (b"ID3\x03", Some(Family::Audio)),
        (b"\xff\xfb\x90\0", Some(Family::Audio)),
        (b"RIFF\0\0\0\0WAVE", Some(Family::Audio)),
        (b"RIFF\0\0\0\0AVI ", Some(Family::Avi)),
        (&asf::HEADER, Some(Family::Asf)),
        (b"\0\0\x01\xba\x44", Some(Family::Mpeg)),
        (b"\0\0\x01\xb3\x14", Some(Family::Mpeg)),
        (b"\xff\xf1\x50\x80", Some(Family::Audio)),
        (b"\xff\xfd\x90\0", Some(Family::Audio)),
        (b"RIFF\0\0\0\0WEBP", None),
        (b"\xff\xfe\0\0", None),
        (b"hello", None),
        (b"\xff\xff\xff\xff", None),
        (b"", None),
    ] {
        assert_eq!(Family::from_head(head), family, "{head:?}");
    }
}

#[tokio::test]
async fn malicious_files_have_no_metadata() {
    let boxes = |kind: &[u8; 4]| {
        let mut file = b"\0\0\0\x10ftypisom\0\0\0\0".to_vec();
        for depth in (1..100_000_u32).rev() {
            file.extend((depth * 8).to_be_bytes());
            file.extend(kind);
        }
        file
    };
    // Elements of unknown length, each in the one before.
    let elements = |id: &[u8]| {
        let mut file = b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff".to_vec();
        (0..100_000).for_each(|_| file.extend([id, b"\x01\xff\xff\xff\xff\xff\xff\xff"].concat()));
        file
    };
    for panics in OPUS {
        let file = Bytes::from_static(panics);
        assert_eq!(
            read_media(&panics[..HEAD_SIZE], file.len() as u64, Fetch::from_bytes(file)).await,
            None
        );
    }
    for file in [
        boxes(b"moov"),
        boxes(b"meta"),
        boxes(b"udta"),
        boxes(b"trak"),
        [&asf::HEADER[..], &[0xff; 100_000]].concat(),
        [&b"RIFF\0\0\0\0AVI "[..], &b"LIST\0\0\0\0hdrl".repeat(10_000)].concat(),
        [&b"\0\0\x01\xba"[..], &b"\0\0\x01\xe0\xff\xff".repeat(10_000)].concat(),
        elements(b"\x18\x53\x80\x67"),
        elements(b"\x16\x54\xae\x6b"),
    ] {
        let (head, size) = (file[..HEAD_SIZE].to_vec(), file.len() as u64);
        // Whatever is found, the stack does not overflow.
        let _ = read_media(&head, size, Fetch::from_bytes(file.into())).await;
    }
}

#[tokio::test]
async fn malformed_media_files_have_no_metadata() {
    for head in [
        &b"\xff\xd8\xff\xe0"[..],
        b"BM",
        b"ID3\x03\0\0\x7f\x7f\x7f\x7f",
        b"\0\0\0\x20ftypisom",
        b"\x1a\x45\xdf\xa3",
        &asf::HEADER,
        b"RIFF\0\0\0\0AVI ",
        b"\0\0\x01\xba",
        b"\0\0\x01\xb3",
        b"\xff\xf1\x50\x80",
    ] {
        let bytes = Bytes::from([head, &[0x5a; 5_000]].concat());
        let size = bytes.len() as u64;
        assert_eq!(read_media(head, size, Fetch::from_bytes(bytes)).await, None, "{head:?}");
    }
}
