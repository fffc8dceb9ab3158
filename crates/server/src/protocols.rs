//! Reference of the protocols that the server implements. The modules contain no items.

#[doc = include_str!("graph/graph.md")]
pub mod graph {}

#[doc = include_str!("live/live.md")]
pub mod live {}

#[doc = include_str!("amazon/amazon.md")]
pub mod amazon {}

#[doc = include_str!("control/control.md")]
pub mod control {}
