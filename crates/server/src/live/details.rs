//! The structures of photo, audio and video objects, as true as the files are
//! (live-connect#photo-object, live-connect#audio-object, live-connect#video-object).
//!
//! What a file does not tell is null, or 0 where the reference has a number, as in later documents
//! of the cloud's. The place is left out of others' photos.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    facets::LiveFacets,
    object_type::ObjectType,
    objects::{ObjectView, Objects, time},
    pictures::Size,
};
use crate::{
    media::picture::{fit, is_decodable},
    tree::{Audio, Media, MediaPlace, Node, Photo, Video},
};

/// What photos, sound and films have besides.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Details {
    Photo(Box<PhotoDetails>),
    Audio(AudioDetails),
    Video(VideoDetails),
}

#[derive(Serialize)]
pub(super) struct PhotoDetails {
    picture: String,
    images: Vec<Image>,
    when_taken: Option<String>,
    height: u32,
    width: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Option<Location>>,
    camera_make: Option<String>,
    camera_model: Option<String>,
    focal_ratio: f64,
    focal_length: f64,
    exposure_numerator: f64,
    exposure_denominator: f64,
}

#[derive(Serialize)]
struct Image {
    height: u32,
    width: u32,
    source: String,
    #[serde(rename = "type")]
    size: Size,
}

#[derive(Serialize)]
struct Location {
    latitude: f64,
    longitude: f64,
    altitude: f64,
}

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

#[derive(Serialize)]
pub(super) struct VideoDetails {
    picture: String,
    height: u32,
    width: u32,
    duration: u64,
    bitrate: u64,
}

impl Objects {
    /// What an object has besides, by its type.
    pub(super) fn details(
        &self,
        node: &Node,
        object_type: ObjectType,
        extra: &LiveFacets,
        shown: ObjectView,
    ) -> Option<Details> {
        let media = node.content.as_ref().and_then(|content| content.media.as_deref());
        let pictures = || self.pictures(node, shown.attachment);
        match object_type {
            ObjectType::Photo => {
                let photo = match media {
                    Some(Media::Photo(photo)) => photo.clone(),
                    _ => Photo::default(),
                };
                let details = PhotoDetails::new(photo, &pictures()?, node.owner.is_none());
                Some(Details::Photo(Box::new(details)))
            }
            ObjectType::Audio => {
                let audio = match media {
                    Some(Media::Audio(audio)) => audio.clone(),
                    _ => Audio::default(),
                };
                Some(Details::Audio(AudioDetails::new(audio, extra, &pictures()?)))
            }
            ObjectType::Video => {
                let video = match media {
                    Some(Media::Video(video)) => *video,
                    _ => Video::default(),
                };
                Some(Details::Video(VideoDetails::new(video, &pictures()?)))
            }
            ObjectType::Folder | ObjectType::Album | ObjectType::File | ObjectType::Notebook => {
                None
            }
        }
    }
}

/// The URL of an item's picture in a size.
pub(super) type Pictures = dyn Fn(Size) -> String;

impl PhotoDetails {
    fn new(photo: Photo, picture: &Pictures, own: bool) -> Self {
        let is_decodable = is_decodable(&photo);
        let Photo { width, height, taken, place, camera_make, camera_model, .. } = photo;
        // What is no picture, or takes too much memory, has none in other sizes.
        let sizes =
            if width > 0 && height > 0 && is_decodable { &Size::OF_PHOTOS[..] } else { &[] };
        let images = sizes.iter().map(|&size| {
            let (width, height) = fit((width, height), size.pixels());
            Image { height, width, source: picture(size), size }
        });
        let (exposure_numerator, exposure_denominator) = photo.exposure.unwrap_or_default();
        Self {
            picture: picture(Size::Thumbnail),
            images: images.collect(),
            when_taken: taken.map(time),
            height,
            width,
            location: own.then(|| place.map(Location::from)),
            camera_make,
            camera_model,
            focal_ratio: photo.focal_ratio.unwrap_or_default(),
            focal_length: photo.focal_length.unwrap_or_default(),
            exposure_numerator,
            exposure_denominator,
        }
    }
}

impl From<MediaPlace> for Location {
    fn from(MediaPlace { latitude, longitude, altitude }: MediaPlace) -> Self {
        Self { latitude, longitude, altitude: altitude.unwrap_or_default() }
    }
}

impl AudioDetails {
    fn new(audio: Audio, extra: &LiveFacets, picture: &Pictures) -> Self {
        let nothing = Map::new();
        let said = extra.audio.as_ref().map_or(&nothing, |song| &song.said);
        let text = |name: &str, told: Option<String>| match said.get(name) {
            Some(said) => said.clone(),
            None => told.into(),
        };
        Self {
            title: text("title", audio.title),
            artist: text("artist", audio.artist),
            album: text("album", audio.album),
            album_artist: text("album_artist", audio.album_artist),
            genre: text("genre", audio.genre),
            duration: audio.duration,
            picture: picture(Size::Album),
        }
    }
}

impl VideoDetails {
    fn new(Video { width, height, duration, bitrate }: Video, picture: &Pictures) -> Self {
        Self { picture: picture(Size::Thumbnail), height, width, duration, bitrate }
    }
}
