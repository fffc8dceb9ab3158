//! Memory and CPU time of processes, as Linux counts them. Other systems have no figures.

use std::fs;

/// Clock ticks per second of the times in `/proc/PID/stat`. Linux converts its own ticks to this unit
/// for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Measures processes from its creation on.
#[derive(Clone, Debug)]
pub struct ProcessProbe {
    processes: Vec<u32>,
    /// Resident memory at the start in bytes. `None` if the peak could not be reset.
    resident: Option<u64>,
    cpu: Option<f64>,
}

/// Memory and CPU time of several processes together. `None`: not available.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ProcessUsage {
    /// Growth of the memory in bytes: the sum of the peaks, minus the memory at the start.
    pub memory: Option<u64>,
    /// CPU time in seconds, of user code and the system.
    pub cpu: Option<f64>,
}

impl ProcessProbe {
    /// Starts to measure the processes with these ids. Resets their peaks.
    pub fn start(processes: &[u32]) -> Self {
        let reset = processes.iter().all(|process| reset_peak(*process));
        Self {
            processes: processes.to_vec(),
            resident: sum(processes, |process| memory(process, "VmRSS:")).filter(|_| reset),
            cpu: sum(processes, cpu_seconds),
        }
    }

    /// Returns the usage since the start.
    pub fn usage(&self) -> ProcessUsage {
        let peak = sum(&self.processes, |process| memory(process, "VmHWM:"));
        let cpu = sum(&self.processes, cpu_seconds);
        ProcessUsage {
            memory: peak.zip(self.resident).map(|(peak, before)| peak.saturating_sub(before)),
            cpu: cpu.zip(self.cpu).map(|(now, before)| (now - before).max(0.0)),
        }
    }
}

/// Returns the sum of a figure of several processes. `None` if one of them does not have it.
fn sum<T: std::iter::Sum>(processes: &[u32], figure: impl Fn(u32) -> Option<T>) -> Option<T> {
    processes.iter().map(|process| figure(*process)).sum()
}

/// Resets the peak memory of a process. Returns whether the system did it.
fn reset_peak(process: u32) -> bool {
    fs::write(format!("/proc/{process}/clear_refs"), "5").is_ok()
}

/// Returns a field of a process's status in bytes. `None` if the system or the process does not have
/// it.
fn memory(process: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Returns the CPU time of a process in seconds, with that of ended threads. `None` if the system or
/// the process does not have it.
fn cpu_seconds(process: u32) -> Option<f64> {
    parse_cpu(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Returns the CPU time in a line of `/proc/PID/stat`. `None` if it has another form.
fn parse_cpu(stat: &str) -> Option<f64> {
    // The name of the program is in parentheses and may contain spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_is_read_behind_a_name_with_parentheses() {
        let stat = "7 (a (b) 1 2) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 5 0 0";
        assert_eq!(parse_cpu(stat), Some(3.0));
        assert_eq!(parse_cpu("7 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_used_and_freed_is_in_the_peak() {
        let probe = ProcessProbe::start(&[std::process::id()]);
        let block = vec![1_u8; 64 << 20];
        assert_eq!(
            std::hint::black_box(&block).iter().map(|byte| u64::from(*byte)).sum::<u64>(),
            64 << 20
        );
        drop(block);
        let usage = probe.usage();
        // Containers may forbid the reset of the peak.
        if let Some(memory) = usage.memory {
            assert!(memory >= 48 << 20, "{memory}");
        }
        assert!(usage.cpu.is_some());
    }

    #[test]
    fn a_process_that_does_not_exist_has_no_figures() {
        assert_eq!(ProcessProbe::start(&[u32::MAX]).usage(), ProcessUsage::default());
    }
}
