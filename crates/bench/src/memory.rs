//! Peak memory of a process. Works on Linux only.

use std::fs;

/// Resets the peak memory of the process with this id. Does nothing on systems other than Linux.
pub fn reset_peak(process: u32) {
    // Other systems have no peak to reset.
    let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
}

/// Returns the peak memory of the process with this id since [`reset_peak`], in bytes. Returns
/// `None` where the system does not count it, or if the process has ended.
pub fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
