//! Our services and layers over HTTP, against the drive server: request counts, large files, faults,
//! and the features that OpenDAL has no word for.

mod amazon_drive;
mod batches;
mod connection;
mod extensions;
mod faults;
mod handle;
mod layers;
mod options;
mod readme;
mod shared_tokens;
mod sign_in;
mod skydrive;
mod skydrive_objects;
mod transfers;
mod uploads;
mod without_port;
