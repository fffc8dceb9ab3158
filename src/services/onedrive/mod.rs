//! x
mod address;
mod api;
mod copy;
mod download;
mod drive;
mod error;
mod home;
mod item;
mod names;
mod session;
mod tree;
mod upload;
mod verify;
pub mod model;
mod quick_xor;
pub use self::quick_xor::QuickXor;
pub use api::*;
pub use address::*;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
/// x
pub enum AccountKind { 
/// x
Personal,
/// x
PersonalLegacy,
/// x
Business,
/// x
Library }
