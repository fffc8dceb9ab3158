//! SkyDrive over the Live Connect REST API v5.0.

mod api;
mod copy;
mod drive;
mod error;
mod listing;
pub mod model;
mod moving;
mod multipart;
mod names;
mod options;

pub use self::{
    api::{Client, ROOT},
    options::{Filter, Listing, Overwrite, Properties, SortBy, SortOrder, UploadOptions},
};
