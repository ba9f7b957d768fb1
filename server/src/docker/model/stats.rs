//! One reading of what a container uses, with the one before it, from which clients reckon percentages.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runtime::view::{NetworkStats, Stats as Reading};
use serde::Serialize;

use crate::docker::phrase::NEVER;

/// A reading.
#[derive(Debug, Serialize)]
pub(in crate::docker) struct Stats {
    name: String,
    id: String,
    read: String,
    preread: String,
    pids_stats: Pids,
    blkio_stats: BlockIo,
    num_procs: u32,
    storage_stats: Empty,
    cpu_stats: Cpu,
    precpu_stats: Cpu,
    memory_stats: Memory,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    networks: BTreeMap<String, Network>,
}

#[derive(Debug, Default, Serialize)]
struct Empty {}

#[derive(Debug, Default, Serialize)]
struct Pids {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

#[derive(Debug, Default, Serialize)]
struct BlockIo {
    io_service_bytes_recursive: Option<Vec<BlockIoEntry>>,
    io_serviced_recursive: (),
    io_queue_recursive: (),
    io_service_time_recursive: (),
    io_wait_time_recursive: (),
    io_merged_recursive: (),
    io_time_recursive: (),
    sectors_recursive: (),
}

#[derive(Debug, Serialize)]
struct BlockIoEntry {
    major: u64,
    minor: u64,
    op: &'static str,
    value: u64,
}

#[derive(Debug, Default, Serialize)]
struct Cpu {
    cpu_usage: CpuUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_cpu_usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online_cpus: Option<u32>,
    throttling_data: Throttling,
}

#[derive(Debug, Default, Serialize)]
struct CpuUsage {
    total_usage: u64,
    usage_in_kernelmode: u64,
    usage_in_usermode: u64,
}

#[derive(Debug, Default, Serialize)]
struct Throttling {
    periods: u64,
    throttled_periods: u64,
    throttled_time: u64,
}

#[derive(Debug, Default, Serialize)]
struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_usage: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stats: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failcnt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Network {
    rx_bytes: u64,
    rx_packets: u64,
    rx_errors: u64,
    rx_dropped: u64,
    tx_bytes: u64,
    tx_packets: u64,
    tx_errors: u64,
    tx_dropped: u64,
}

impl Stats {
    /// Of a container that doesn't run: nothing is used.
    pub(in crate::docker) fn idle(name: &str, id: &str) -> Self {
        Self {
            name: format!("/{name}"),
            id: id.to_owned(),
            read: NEVER.to_owned(),
            preread: NEVER.to_owned(),
            pids_stats: Pids::default(),
            blkio_stats: BlockIo::default(),
            num_procs: 0,
            storage_stats: Empty {},
            cpu_stats: Cpu::default(),
            precpu_stats: Cpu::default(),
            memory_stats: Memory::default(),
            networks: BTreeMap::new(),
        }
    }

    /// Of one that runs.
    pub(in crate::docker) fn of(
        name: &str,
        id: &str,
        (at, now): (Timestamp, &Reading),
        before: Option<&(Timestamp, Reading)>,
    ) -> Self {
        let (read, written) = now.block_io;
        let entry = |op, value| BlockIoEntry { major: 0, minor: 0, op, value };
        Self {
            read: at.to_string(),
            preread: before.map_or_else(|| NEVER.to_owned(), |(at, _)| at.to_string()),
            pids_stats: Pids { current: Some(now.pids), limit: now.pids_limit },
            blkio_stats: BlockIo {
                io_service_bytes_recursive: Some(vec![entry("read", read), entry("write", written)]),
                ..BlockIo::default()
            },
            cpu_stats: Cpu::of(now),
            precpu_stats: before.map_or_else(Cpu::default, |(_, reading)| Cpu::of(reading)),
            memory_stats: Memory::of(now),
            networks: now.networks.iter().map(|(name, one)| (name.clone(), Network::of(one))).collect(),
            ..Self::idle(name, id)
        }
    }
}

impl Cpu {
    fn of(reading: &Reading) -> Self {
        let (periods, throttled_periods, throttled_time) = reading.throttling;
        Self {
            cpu_usage: CpuUsage {
                total_usage: reading.cpu_usage_ns,
                usage_in_kernelmode: reading.cpu_system_ns,
                usage_in_usermode: reading.cpu_user_ns,
            },
            system_cpu_usage: Some(reading.host_cpu_ns),
            online_cpus: Some(reading.online_cpus),
            throttling_data: Throttling { periods, throttled_periods, throttled_time },
        }
    }
}

impl Memory {
    fn of(reading: &Reading) -> Self {
        // The name tells clients which kind of control group counts, and what to take off the usage.
        let inactive = if reading.cgroup_v2 { "inactive_file" } else { "total_inactive_file" };
        let mut stats = reading.memory_stat.clone();
        stats.insert(inactive.to_owned(), reading.memory_inactive_file_bytes);
        if reading.cgroup_v2 {
            stats.remove("total_inactive_file");
        }
        Self {
            usage: Some(reading.memory_usage_bytes),
            max_usage: reading.memory_peak_bytes,
            stats,
            failcnt: Some(reading.memory_failures).filter(|count| *count > 0),
            limit: Some(reading.memory_limit_bytes),
        }
    }
}

impl Network {
    fn of(one: &NetworkStats) -> Self {
        Self {
            rx_bytes: one.rx_bytes,
            rx_packets: one.rx_packets,
            rx_errors: one.rx_errors,
            rx_dropped: one.rx_dropped,
            tx_bytes: one.tx_bytes,
            tx_packets: one.tx_packets,
            tx_errors: one.tx_errors,
            tx_dropped: one.tx_dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(cpu: u64, cgroup_v2: bool) -> Reading {
        Reading {
            cpu_usage_ns: cpu,
            host_cpu_ns: cpu * 10,
            online_cpus: 2,
            memory_usage_bytes: 100,
            memory_inactive_file_bytes: 40,
            memory_limit_bytes: 1000,
            pids: 3,
            block_io: (7, 8),
            networks: BTreeMap::from([("eth0".to_owned(), NetworkStats { rx_bytes: 5, ..NetworkStats::default() })]),
            cgroup_v2,
            ..Reading::default()
        }
    }

    #[test]
    fn a_reading_has_what_the_cli_reckons_with() {
        let at = |second| Timestamp::new(second, 0).unwrap();
        let before = (at(1), reading(10, true));
        let now = reading(30, true);
        let json = serde_json::to_value(Stats::of("web", "id", (at(2), &now), Some(&before))).unwrap();
        assert_eq!((&json["name"], &json["read"]), (&"/web".into(), &"1970-01-01T00:00:02Z".into()));
        assert_eq!(json["cpu_stats"]["cpu_usage"]["total_usage"], 30);
        assert_eq!(json["precpu_stats"]["system_cpu_usage"], 100);
        assert_eq!((&json["cpu_stats"]["online_cpus"], &json["pids_stats"]["current"]), (&2.into(), &3.into()));
        assert_eq!(json["memory_stats"]["stats"]["inactive_file"], 40);
        assert_eq!(json["networks"]["eth0"]["rx_bytes"], 5);
        assert_eq!(json["blkio_stats"]["io_service_bytes_recursive"][1]["op"], "write");
    }

    #[test]
    fn the_cgroup_version_shows_in_the_memory_statistics() {
        let json =
            |v2| serde_json::to_value(Stats::of("a", "b", (Timestamp::UNIX_EPOCH, &reading(1, v2)), None)).unwrap();
        let (one, two) = (json(false), json(true));
        assert_eq!(one["memory_stats"]["stats"]["total_inactive_file"], 40);
        assert!(two["memory_stats"]["stats"].get("total_inactive_file").is_none());
        assert!(one["precpu_stats"].get("system_cpu_usage").is_none());
    }

    #[test]
    fn one_that_does_not_run_uses_nothing() {
        let json = serde_json::to_value(Stats::idle("a", "b")).unwrap();
        assert_eq!((&json["read"], &json["cpu_stats"]["cpu_usage"]["total_usage"]), (&NEVER.into(), &0.into()));
        assert!(json.get("networks").is_none());
    }
}
