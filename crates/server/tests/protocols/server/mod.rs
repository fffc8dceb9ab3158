//! The drive server over HTTP: the response to each request in the reference, and each error.

mod account_control;
mod account_objects;
mod bits;
mod budget;
mod control;
mod control_api;
mod cross_site;
mod downloads;
mod fault_lines;
mod fault_states;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod items;
mod lifecycle;
mod lists;
mod moves;
mod objects;
mod reference;
mod rig;
mod sharing;
mod sharing_between_users;
mod signin;
mod stand_in;
mod uploads;

use drivedal_test_support::media;
use rig::refused;
