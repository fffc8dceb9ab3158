//! What photos, sound and films say of themselves, as facets of their item
//! (onedrive-graph#default-properties).

use serde_json::{Map, Value, json};

use super::drive_item::time;
use crate::account_kind::AccountKind;
use crate::media::{Audio, Media, Photo};

/// The facets of a file of that kind.
pub(super) fn facets(media: &Media, kind: AccountKind) -> Vec<(&'static str, Value)> {
    match media {
        Media::Photo(photo) => of_photo(photo, kind),
        Media::Audio(audio) => vec![("audio", of_audio(audio))],
        Media::Video(video) => vec![(
            "video",
            json!({
                "bitrate": video.bitrate,
                "duration": video.duration,
                "height": video.height,
                "width": video.width,
            }),
        )],
    }
}

fn of_photo(photo: &Photo, kind: AccountKind) -> Vec<(&'static str, Value)> {
    let (numerator, denominator) = photo.exposure.unzip();
    let about = said([
        ("cameraMake", photo.camera_make.as_deref().into()),
        ("cameraModel", photo.camera_model.as_deref().into()),
        ("exposureDenominator", denominator.into()),
        ("exposureNumerator", numerator.into()),
        ("fNumber", photo.focal_ratio.into()),
        ("focalLength", photo.focal_length.into()),
        ("takenDateTime", photo.taken.map(|taken| time(kind, taken)).into()),
    ]);
    let mut facets =
        vec![("image", json!({"height": photo.height, "width": photo.width})), ("photo", about)];
    if let Some(place) = photo.place {
        let place = said([
            ("altitude", place.altitude.into()),
            ("latitude", place.latitude.into()),
            ("longitude", place.longitude.into()),
        ]);
        facets.push(("location", place));
    }
    facets
}

fn of_audio(audio: &Audio) -> Value {
    said([
        ("album", audio.album.as_deref().into()),
        ("albumArtist", audio.album_artist.as_deref().into()),
        ("artist", audio.artist.as_deref().into()),
        ("duration", audio.duration.into()),
        ("genre", audio.genre.as_deref().into()),
        ("title", audio.title.as_deref().into()),
    ])
}

/// An object of those that are known.
fn said<const N: usize>(properties: [(&str, Value); N]) -> Value {
    let known = properties.into_iter().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}
