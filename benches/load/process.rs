//! What a process costs, by the kernel's account. Linux only.

use crate::Outcome;
use std::path::Path;
use std::time::Duration;

/// The kernel counts time for programs in hundredths of a second, whatever its own tick.
const TICK: Duration = Duration::from_millis(10);

/// Fields of `/proc/PID/stat` after the command's name, which ends with a parenthesis.
const PARENT: usize = 1;
const OWN_TIME: [usize; 2] = [11, 12];
const TIME_OF_ENDED_CHILDREN: [usize; 2] = [13, 14];

/// What a process has computed.
pub fn computed(process: u32) -> Outcome<Duration> {
    time_in(Path::new(&format!("/proc/{process}")), &OWN_TIME)
}

/// What this thread has computed.
pub fn computed_by_this_thread() -> Outcome<Duration> {
    time_in(Path::new("/proc/thread-self"), &OWN_TIME)
}

/// What a process has computed, with its children, also those that have ended.
pub fn computed_by_family(parent: u32) -> Outcome<Duration> {
    let folder = format!("/proc/{parent}");
    loop {
        let ended = time_in(Path::new(&folder), &TIME_OF_ENDED_CHILDREN)?;
        let living = computed_by_children(parent)?;
        // A child that has ended in between may be in neither of them.
        if time_in(Path::new(&folder), &TIME_OF_ENDED_CHILDREN)? == ended {
            return Ok(computed(parent)? + ended + living);
        }
    }
}

fn computed_by_children(parent: u32) -> Outcome<Duration> {
    let mut all = Duration::ZERO;
    for entry in std::fs::read_dir("/proc")? {
        let folder = entry?.path();
        // What is no process has no such file, and a process may end meanwhile.
        let Ok(fields) = fields(&folder) else {
            continue;
        };
        if fields.get(PARENT) == Some(&u64::from(parent)) {
            all += time(&fields, &OWN_TIME)?;
        }
    }
    Ok(all)
}

fn time_in(folder: &Path, which: &[usize]) -> Outcome<Duration> {
    time(&fields(folder)?, which)
}

fn time(fields: &[u64], which: &[usize]) -> Outcome<Duration> {
    let mut ticks = 0;
    for place in which {
        ticks += fields.get(*place).ok_or("an unknown kind of stat")?;
    }
    Ok(TICK * u32::try_from(ticks)?)
}

/// The numbers of a process. What is negative, or no number, counts as 0.
fn fields(folder: &Path) -> Outcome<Vec<u64>> {
    let text = std::fs::read_to_string(folder.join("stat"))?;
    let (_, rest) = text.rsplit_once(')').ok_or("an unknown kind of stat")?;
    let numbers = rest.split_whitespace();
    Ok(numbers.map(|text| text.parse().unwrap_or(0)).collect())
}
