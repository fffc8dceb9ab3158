//! Amazon Cloud Drive as the drive server speaks it, over raw HTTP.

mod account;
mod changes;
mod cloud;
mod content;
mod folders;
mod lists;
mod nodes;
mod trash;
