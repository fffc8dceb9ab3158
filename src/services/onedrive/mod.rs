//! x
mod address;
mod api;
mod error;
mod item;
pub mod model;
mod quick_xor;
pub use self::quick_xor::QuickXor;
pub use api::*;
pub use address::*;
