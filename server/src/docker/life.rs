//! Pause, unpause, rename, update and prune of containers.

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use runtime::request::{PruneContainers, RestartPolicy, UpdateContainer};
use serde_json::json as value;

use super::{
    create::life::rates,
    error::{Failure, Result},
    filters::Filters,
    images, json,
    model::life::Update,
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

const PRUNE_FILTERS: &[&str] = &["label", "label!", "until"];

pub(super) async fn pause(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    ops::container_life::pause(&app, &actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unpause(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    ops::container_life::unpause(&app, &actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rename(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode> {
    ops::container_life::rename(&app, &actor, &name, query.text("name").unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn update(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response> {
    let body: Update =
        serde_json::from_slice(&body).map_err(|error| Failure::invalid(format!("invalid JSON: {error}")))?;
    let updated = ops::container_life::update(&app, &actor, &name, change(body)?).await?;
    json(&value!({ "Warnings": updated.warnings }))
}

pub(super) async fn prune(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
) -> Result<Response> {
    let filters = Filters::of(&query, PRUNE_FILTERS)?;
    let request = PruneContainers {
        until: images::until(&filters)?,
        labels: filters.values("label").to_vec(),
        labels_not: filters.values("label!").to_vec(),
    };
    let pruned = ops::container_life::prune(&app, &actor, request).await?;
    json(&value!({ "ContainersDeleted": pruned.ids, "SpaceReclaimed": pruned.reclaimed_bytes }))
}

/// 0 is as if it were not there, -1 takes the limit away.
fn amount(name: &str, value: Option<i64>) -> Result<Option<u64>> {
    match value {
        None | Some(0) => Ok(None),
        Some(-1) => Ok(Some(u64::MAX)),
        Some(value) => u64::try_from(value).map(Some).map_err(|_| Failure::invalid(format!("invalid {name}: {value}"))),
    }
}

fn change(body: Update) -> Result<UpdateContainer> {
    if body.kernel_memory.is_some_and(|bytes| bytes > 0) {
        return Err(Failure::unsupported("Darsena does not support kernel memory limits (--kernel-memory)"));
    }
    if [body.cpu_realtime_period, body.cpu_realtime_runtime].into_iter().flatten().any(|time| time != 0) {
        return Err(Failure::unsupported("Darsena does not support real-time scheduling (--cpu-rt-period) yet"));
    }
    let restart = body.restart_policy.unwrap_or_default();
    let name = restart.name.filter(|name| !name.is_empty());
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let rates = rates(&body.rates);
    Ok(UpdateContainer {
        memory_bytes: amount("Memory", body.memory)?,
        memory_swap_bytes: amount("MemorySwap", body.memory_swap)?,
        memory_reservation_bytes: amount("MemoryReservation", body.memory_reservation)?,
        nano_cpus: amount("NanoCpus", body.nano_cpus)?,
        cpu_shares: amount("CpuShares", body.cpu_shares)?,
        cpu_period_us: amount("CpuPeriod", body.cpu_period)?,
        cpu_quota_us: amount("CpuQuota", body.cpu_quota)?,
        cpuset_cpus: said(body.cpuset_cpus),
        cpuset_mems: said(body.cpuset_mems),
        // A 0 that is there means no limit, as in Docker.
        pids: body.pids_limit.map(|pids| u64::try_from(pids).ok().filter(|pids| *pids > 0).unwrap_or(u64::MAX)),
        blkio_weight: body.blkio_weight.filter(|weight| *weight != 0),
        restart: name
            .map(|name| RestartPolicy::parse(&name, restart.maximum_retry_count.unwrap_or_default()))
            .transpose()
            .map_err(Failure::invalid)?,
        device_rates: Some(rates).filter(|rates| !rates.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<UpdateContainer> {
        change(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_the_cli_leaves_at_0_is_left_alone() {
        let sent = r#"{"CpuShares":0,"Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"CpuPeriod":0,
            "BlkioWeightDevice":null,"CpuQuota":0,"CpusetCpus":"","CpusetMems":"","MemorySwap":0,"PidsLimit":null,
            "RestartPolicy":{"Name":"","MaximumRetryCount":0}}"#;
        assert_eq!(read(sent).unwrap(), UpdateContainer::default());
    }

    #[test]
    fn what_is_said_is_changed() {
        let got = read(
            r#"{"Memory":67108864,"MemorySwap":-1,"PidsLimit":0,"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}}"#,
        )
        .unwrap();
        assert_eq!(
            (got.memory_bytes, got.memory_swap_bytes, got.pids),
            (Some(64 << 20), Some(u64::MAX), Some(u64::MAX))
        );
        assert_eq!(got.restart, Some(RestartPolicy::OnFailure(3)));
        assert!(read(r#"{"RestartPolicy":{"Name":"sometimes"}}"#).is_err());
        assert!(read(r#"{"KernelMemory":5}"#).is_err());
    }
}
