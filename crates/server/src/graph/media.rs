//! Facets of photos, sound and video files (onedrive-graph#default-properties).

use serde_json::{Map, Value, json};

use super::timestamp::format_time;
use crate::account_kind::AccountKind;
use crate::media::{Audio, Media, Photo, Video};

/// Returns the names and values of the facets of a media file, for an account kind.
pub(super) fn facets(media: &Media, kind: AccountKind) -> Vec<(&'static str, Value)> {
    match media {
        Media::Photo(photo) => photo_facets(photo, kind),
        Media::Audio(audio) => vec![("audio", audio_facet(audio))],
        Media::Video(video) => vec![("video", video_facet(video))],
    }
}

/// Returns the facets `image` and `photo`, and `location` if the photo has a place.
fn photo_facets(photo: &Photo, kind: AccountKind) -> Vec<(&'static str, Value)> {
    let (numerator, denominator) = photo.exposure.unzip();
    let camera = object_without_nulls([
        ("cameraMake", photo.camera_make.as_deref().into()),
        ("cameraModel", photo.camera_model.as_deref().into()),
        ("exposureDenominator", denominator.into()),
        ("exposureNumerator", numerator.into()),
        ("fNumber", photo.focal_ratio.into()),
        ("focalLength", photo.focal_length.into()),
        ("takenDateTime", photo.taken.map(|taken| format_time(kind, taken)).into()),
    ]);
    let mut facets =
        vec![("image", json!({"height": photo.height, "width": photo.width})), ("photo", camera)];
    if let Some(place) = photo.place {
        let location = object_without_nulls([
            ("altitude", place.altitude.into()),
            ("latitude", place.latitude.into()),
            ("longitude", place.longitude.into()),
        ]);
        facets.push(("location", location));
    }
    facets
}

/// Returns the facet of a sound file, with the tags that it has.
fn audio_facet(audio: &Audio) -> Value {
    object_without_nulls([
        ("album", audio.album.as_deref().into()),
        ("albumArtist", audio.album_artist.as_deref().into()),
        ("artist", audio.artist.as_deref().into()),
        // In kbit/s.
        ("bitrate", audio.bitrate.map(|bitrate| bitrate / 1_000).into()),
        ("composers", audio.composer.as_deref().into()),
        ("copyright", audio.copyright.as_deref().into()),
        ("disc", audio.disc.into()),
        ("discCount", audio.disc_count.into()),
        ("duration", audio.duration.into()),
        ("genre", audio.genre.as_deref().into()),
        ("title", audio.title.as_deref().into()),
        ("track", audio.track.into()),
        ("trackCount", audio.track_count.into()),
        ("year", audio.year.into()),
    ])
}

/// Returns the facet of a video. Unknown properties are omitted.
fn video_facet(video: &Video) -> Value {
    let sound = video.sound.as_ref();
    object_without_nulls([
        ("audioBitsPerSample", sound.and_then(|sound| sound.bits_per_sample).into()),
        ("audioChannels", sound.and_then(|sound| sound.channels).into()),
        ("audioFormat", sound.and_then(|sound| sound.format.as_deref()).into()),
        ("audioSamplesPerSecond", sound.and_then(|sound| sound.sample_rate).into()),
        ("bitrate", video.bitrate.into()),
        ("duration", video.duration.into()),
        ("fourCC", video.four_cc.as_deref().into()),
        ("frameRate", video.frame_rate.into()),
        ("height", video.height.into()),
        ("width", video.width.into()),
    ])
}

/// Returns an object of the properties that have a value.
fn object_without_nulls<const N: usize>(properties: [(&str, Value); N]) -> Value {
    let known = properties.into_iter().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}
