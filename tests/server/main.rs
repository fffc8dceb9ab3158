//! The drive server over real HTTP: what every row of the reference answers, and every error.

mod bits;
mod control;
mod downloads;
mod fault_lines;
mod fault_states;
mod faults;
mod items;
mod lifecycle;
mod lists;
mod moves;
mod rig;
mod signin;
mod uploads;
