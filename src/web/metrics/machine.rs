//! What the machine says of this process and of itself: memory, disk, name. Where it does not say, nothing is told.

use std::fs;
use std::path::Path;

/// Memory that this process holds, in bytes (proc(5), `VmRSS` of `/proc/self/status`).
pub fn resident_bytes() -> Option<u64> {
    field_bytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Memory that this process may use, in bytes: that of its control group where it has a limit (cgroup v2,
/// `memory.max`), else that of the machine.
pub fn memory_limit_bytes() -> Option<u64> {
    let machine = field_bytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    Some(group.map_or(machine, |limit: u64| limit.min(machine)))
}

/// A line like `VmRSS:     5120 kB`.
fn field_bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// What this machine is called.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().take(60).collect();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

/// Room on the disk that holds a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What there is in all, in bytes.
    pub all_bytes: u64,
    /// What this process may still use.
    pub free_bytes: u64,
}

impl Disk {
    /// How full it is, in percent.
    pub fn fill(&self) -> u64 {
        let used = self.all_bytes.saturating_sub(self.free_bytes);
        let percent = u128::from(used) * 100 / u128::from(self.all_bytes.max(1));
        u64::try_from(percent).unwrap_or(100)
    }
}

/// Asks for the room on the disk that holds this path (statvfs(3)).
///
/// # Errors
/// What the machine says, for example that there is no such path.
pub fn disk(path: &Path) -> std::io::Result<Disk> {
    let room = rustix::fs::statvfs(path)?;
    Ok(Disk {
        all_bytes: room.f_blocks.saturating_mul(room.f_frsize),
        free_bytes: room.f_bavail.saturating_mul(room.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_kernel_is_read_in_kilobytes() {
        let text = "Name:\tlyceum\nVmRSS:\t    5120 kB\nThreads:\t4\n";
        assert_eq!(field_bytes(text, "VmRSS:"), Some(5120 * 1024));
        assert_eq!(field_bytes(text, "VmSwap:"), None);
        assert_eq!(field_bytes("VmRSS: many kB", "VmRSS:"), None);
    }

    #[test]
    fn a_disk_tells_how_full_it_is() {
        let disk = |all_bytes, free_bytes| Disk {
            all_bytes,
            free_bytes,
        };
        assert_eq!(disk(1_000, 390).fill(), 61);
        assert_eq!(disk(0, 0).fill(), 0);
        assert!(super::disk(Path::new("/")).unwrap().all_bytes > 0);
        assert!(super::disk(Path::new("/no/such/folder")).is_err());
    }
}
