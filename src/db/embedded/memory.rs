//! How much memory this process and its children may use.
//!
//! Owns reading the machine's size and, on Linux, the limits of the control groups (version
//! 2) that a container is put into. What cannot be read is no limit.

use std::fs;
use std::path::Path;

/// The bytes of memory, unless nobody says.
#[cfg(target_os = "linux")]
pub(super) fn usable() -> Option<u64> {
    let machine = nix::sys::sysinfo::sysinfo().ok()?.ram_total();
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = lowest_limit(Path::new("/sys/fs/cgroup"), &groups);
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

/// The bytes of memory: elsewhere nobody says without unsafe code.
#[cfg(not(target_os = "linux"))]
pub(super) fn usable() -> Option<u64> {
    None
}

/// The lowest limit of the group that a process is in and of those around it. `groups` is
/// what `/proc/self/cgroup` says.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn lowest_limit(mounted: &Path, groups: &str) -> Option<u64> {
    // Of version 2 there is one line, and in a container's own namespace it says "/".
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = mounted.join(group);
    group
        .ancestors()
        .take_while(|folder| folder.starts_with(mounted))
        .filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok())
        // No limit is "max", which is no number.
        .filter_map(|limit| limit.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_some() {
        let bytes = usable().unwrap();
        assert!(bytes > 16 * 1024 * 1024, "{bytes}");
    }

    #[test]
    fn the_tightest_group_around_the_process_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mounted = folder.path();
        let inner = mounted.join("pods/usher/inner");
        fs::create_dir_all(&inner).unwrap();
        let groups = "4:memory:/of/version/1\n0::/pods/usher/inner\n";
        assert_eq!(lowest_limit(mounted, groups), None);

        let set = |group: &str, limit: &str| {
            fs::write(mounted.join(group).join("memory.max"), limit).unwrap();
        };
        set("pods/usher/inner", "max\n");
        assert_eq!(lowest_limit(mounted, groups), None);
        set("pods/usher", "536870912\n");
        set("pods", "1073741824\n");
        assert_eq!(lowest_limit(mounted, groups), Some(536_870_912));
        set("pods/usher/inner", "268435456\n");
        assert_eq!(lowest_limit(mounted, groups), Some(268_435_456));

        // A container sees its own group as the root.
        set("", "134217728\n");
        assert_eq!(lowest_limit(mounted, "0::/\n"), Some(134_217_728));
        // No group of version 2, and one that cannot be seen from here.
        assert_eq!(lowest_limit(mounted, "4:memory:/pods\n"), None);
        assert_eq!(lowest_limit(mounted, ""), None);
        fs::remove_file(mounted.join("memory.max")).unwrap();
        assert_eq!(lowest_limit(mounted, "0::/../elsewhere\n"), None);
    }
}
