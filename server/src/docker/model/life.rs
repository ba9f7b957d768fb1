//! What changes of a container: the body of update, and its limits in inspect.

use runtime::request::{CreateContainer, DeviceLimit};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::create::RestartPolicy;

/// The body of `POST /containers/{id}/update`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Update {
    pub memory: Option<i64>,
    pub memory_swap: Option<i64>,
    pub memory_reservation: Option<i64>,
    pub kernel_memory: Option<i64>,
    pub nano_cpus: Option<i64>,
    pub cpu_shares: Option<i64>,
    pub cpu_period: Option<i64>,
    pub cpu_quota: Option<i64>,
    pub cpu_realtime_period: Option<i64>,
    pub cpu_realtime_runtime: Option<i64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub pids_limit: Option<i64>,
    pub blkio_weight: Option<u16>,
    pub restart_policy: Option<RestartPolicy>,
    #[serde(flatten)]
    pub rates: Rates,
}

/// Rates and weights of single devices.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct Rates {
    pub blkio_weight_device: Option<Vec<Weight>>,
    pub blkio_device_read_bps: Option<Vec<Rate>>,
    pub blkio_device_write_bps: Option<Vec<Rate>>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Option<Vec<Rate>>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Option<Vec<Rate>>,
}

/// A device's weight.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Weight {
    pub path: String,
    pub weight: u64,
}

/// A device's rate.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::docker) struct Rate {
    pub path: String,
    pub rate: u64,
}

/// Limits of a container that is being made, beside those every version of Docker has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::docker) struct MoreLimits {
    pub cpuset_mems: Option<String>,
    pub memory_swappiness: Option<i64>,
    pub oom_kill_disable: Option<bool>,
    pub blkio_weight: Option<u16>,
    pub annotations: Option<std::collections::BTreeMap<String, String>>,
    #[serde(flatten)]
    pub rates: Rates,
}

/// What inspect says of a container's limits and restart policy, put over what is the same for every container.
pub(in crate::docker) fn limits(fields: &mut Map<String, Value>, request: &CreateContainer) {
    let limits = &request.limits;
    let list = |name: &str, list: &[DeviceLimit]| -> Value {
        list.iter().map(|one| json!({ "Path": one.path, name: one.value })).collect()
    };
    let rates = &limits.device_rates;
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    set("RestartPolicy", json!({ "Name": request.restart.name(), "MaximumRetryCount": request.restart.retries() }));
    set("CpusetMems", limits.cpuset_mems.as_deref().unwrap_or_default().into());
    set("CpuPeriod", limits.cpu_period_us.unwrap_or(0).into());
    set("CpuQuota", limits.cpu_quota_us.unwrap_or(0).into());
    set("MemorySwappiness", limits.memory_swappiness.map_or(Value::Null, Into::into));
    set("OomKillDisable", limits.oom_kill_disable.into());
    set("BlkioWeight", limits.blkio_weight.unwrap_or(0).into());
    set("BlkioWeightDevice", list("Weight", &rates.weights));
    set("BlkioDeviceReadBps", list("Rate", &rates.read_bps));
    set("BlkioDeviceWriteBps", list("Rate", &rates.write_bps));
    set("BlkioDeviceReadIOps", list("Rate", &rates.read_iops));
    set("BlkioDeviceWriteIOps", list("Rate", &rates.write_iops));
    if !request.annotations.is_empty() {
        set("Annotations", json!(request.annotations));
    }
}
