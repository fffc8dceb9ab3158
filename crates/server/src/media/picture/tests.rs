use proptest::prelude::*;

use super::*;

#[test]
fn sizes_of_the_reference_are_reproduced() {
    // The sample of the photo object (live-connect#photo-sample-size): 1600 × 1200.
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
    fn a_part_for_a_frame_is_within_the_picture(width in 1..100_000_u32, height in 1..100_000_u32, w in 1..=2048_u32, h in 1..=2048_u32, crop: bool) {
        let frame = Frame { width: w, height: h, crop, is_unrotated: false };
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
