//! The type-specific members of photo, audio and video objects, from the metadata of the files
//! (live-connect#photo-object, live-connect#audio-object, live-connect#video-object).
//!
//! A value that is not in the file is null, or 0 where the reference has a number, as in later
//! documents of the cloud. The location of a photo is left out if another user owns it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    facets::LiveFacets,
    object_type::ObjectType,
    objects::{ObjectView, Objects, PictureUrls, time},
    picture_size::PictureSize,
};
use crate::{
    media::picture::{fit, is_decodable},
    tree::{Audio, Media, MediaPlace, Node, Photo, Video},
};

/// The type-specific members of an object.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Details {
    Photo(Box<PhotoDetails>),
    Audio(AudioDetails),
    Video(VideoDetails),
}

/// The members of a photo (live-connect#photo-object).
#[derive(Serialize)]
pub(super) struct PhotoDetails {
    picture: String,
    images: Vec<Image>,
    when_taken: Option<String>,
    height: u32,
    width: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Option<PhotoLocation>>,
    camera_make: Option<String>,
    camera_model: Option<String>,
    focal_ratio: f64,
    focal_length: f64,
    exposure_numerator: f64,
    exposure_denominator: f64,
}

/// A size in which a photo is available. Lengths are in pixels.
#[derive(Serialize)]
struct Image {
    height: u32,
    width: u32,
    source: String,
    #[serde(rename = "type")]
    size: PictureSize,
}

/// Where a photo was taken, in degrees. The unit of the altitude is that of the camera.
#[derive(Serialize)]
struct PhotoLocation {
    latitude: f64,
    longitude: f64,
    altitude: f64,
}

/// The members of an audio file (live-connect#audio-object). The duration is in milliseconds.
#[derive(Serialize)]
pub(super) struct AudioDetails {
    title: Value,
    artist: Value,
    album: Value,
    album_artist: Value,
    genre: Value,
    duration: u64,
    picture: String,
}

/// The members of a video (live-connect#video-object). The duration is in milliseconds, the bit
/// rate in bits per second.
#[derive(Serialize)]
pub(super) struct VideoDetails {
    picture: String,
    height: u32,
    width: u32,
    duration: u64,
    bitrate: u64,
}

impl Objects {
    /// Returns the type-specific members of an object, or `None` if its type has none, or if it has
    /// no content.
    pub(super) fn details(
        &self,
        node: &Node,
        object_type: ObjectType,
        facets: &LiveFacets,
        view: ObjectView,
    ) -> Option<Details> {
        let media = node.content.as_ref().and_then(|content| content.media.as_deref());
        let pictures = || self.picture_urls(node, view.attachment);
        match object_type {
            ObjectType::Photo => {
                let photo = match media {
                    Some(Media::Photo(photo)) => photo.clone(),
                    _ => Photo::default(),
                };
                let is_own = node.owner.is_none() && !view.is_foreign;
                let details = PhotoDetails::new(photo, &pictures()?, is_own);
                Some(Details::Photo(Box::new(details)))
            }
            ObjectType::Audio => {
                let audio = match media {
                    Some(Media::Audio(audio)) => audio.clone(),
                    _ => Audio::default(),
                };
                Some(Details::Audio(AudioDetails::new(audio, facets, &pictures()?)))
            }
            ObjectType::Video => {
                let video = match media {
                    Some(Media::Video(video)) => video,
                    _ => &Video::default(),
                };
                Some(Details::Video(VideoDetails::new(video, &pictures()?)))
            }
            ObjectType::Folder | ObjectType::Album | ObjectType::File | ObjectType::Notebook => {
                None
            }
        }
    }
}

impl PhotoDetails {
    /// Creates the members of a photo. `is_own` is whether the photo belongs to the user who sends
    /// the request: others do not see its place.
    fn new(photo: Photo, pictures: &PictureUrls, is_own: bool) -> Self {
        let is_decodable = is_decodable(&photo);
        let Photo { width, height, taken, place, camera_make, camera_model, .. } = photo;
        // A photo that cannot be decoded, or only with too much memory, has no other sizes.
        let sizes = if width > 0 && height > 0 && is_decodable {
            &PictureSize::FOR_PHOTOS[..]
        } else {
            &[]
        };
        let images = sizes.iter().map(|&size| {
            let (width, height) = fit((width, height), size.pixels());
            Image { height, width, source: pictures.url(size), size }
        });
        let (exposure_numerator, exposure_denominator) = photo.exposure.unwrap_or_default();
        Self {
            picture: pictures.url(PictureSize::Thumbnail),
            images: images.collect(),
            when_taken: taken.map(time),
            height,
            width,
            location: is_own.then(|| place.map(PhotoLocation::from)),
            camera_make,
            camera_model,
            focal_ratio: photo.focal_ratio.unwrap_or_default(),
            focal_length: photo.focal_length.unwrap_or_default(),
            exposure_numerator,
            exposure_denominator,
        }
    }
}

impl From<MediaPlace> for PhotoLocation {
    /// Converts the place in a photo's metadata.
    fn from(MediaPlace { latitude, longitude, altitude }: MediaPlace) -> Self {
        Self { latitude, longitude, altitude: altitude.unwrap_or_default() }
    }
}

impl AudioDetails {
    /// Creates the members of an audio file. Values that the user edited, in `facets`, replace
    /// those of the file.
    fn new(audio: Audio, facets: &LiveFacets, pictures: &PictureUrls) -> Self {
        let none = Map::new();
        let overrides = facets.audio.as_ref().map_or(&none, |audio| &audio.fields);
        let text = |name: &str, from_file: Option<String>| match overrides.get(name) {
            Some(value) => value.clone(),
            None => from_file.into(),
        };
        Self {
            title: text("title", audio.title),
            artist: text("artist", audio.artist),
            album: text("album", audio.album),
            album_artist: text("album_artist", audio.album_artist),
            genre: text("genre", audio.genre),
            duration: audio.duration,
            picture: pictures.url(PictureSize::Album),
        }
    }
}

impl VideoDetails {
    /// Creates the members of a video.
    fn new(video: &Video, pictures: &PictureUrls) -> Self {
        Self {
            picture: pictures.url(PictureSize::Thumbnail),
            height: video.height,
            width: video.width,
            duration: video.duration,
            bitrate: video.bitrate,
        }
    }
}
