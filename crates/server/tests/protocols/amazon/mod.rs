//! The Amazon Cloud Drive protocol of the drive server, over HTTP.

mod account;
mod changes;
mod cloud;
mod content;
mod folders;
mod lists;
mod media;
mod nodes;
mod scopes;
mod trash;
