//! `POST /build/prune`.

use std::time::Duration;

use axum::{Extension, extract::State, response::Response};
use runtime::build::cache::PruneCache;
use serde_json::json as value;

use super::{
    error::{Failure, Result},
    filters::Filters,
    json, phrase,
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

const FILTERS: &[&str] = &["id", "unused-for", "until"];

/// Parameters that ask for a size to keep; the first is the one all clients know.
const KEEP: [&str; 2] = ["keep-storage", "reserved-space"];
/// Parameters for what Darsena doesn't weigh.
const REFUSED: [&str; 2] = ["max-used-space", "min-free-space"];

pub(super) async fn prune(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
) -> Result<Response> {
    let pruned = ops::builds::prune_cache(&app, &actor, asked(&query)?).await?;
    let ids: Vec<_> = pruned.removed.iter().map(runtime::digest::Digest::hex).collect();
    json(&value!({ "CachesDeleted": ids, "SpaceReclaimed": pruned.reclaimed_bytes }))
}

fn asked(query: &Query) -> Result<PruneCache> {
    if let Some(name) = REFUSED.iter().find(|name| query.text(name).is_some_and(|text| text != "0")) {
        return Err(Failure::unsupported(format!("Darsena does not support {name} when it prunes the build cache")));
    }
    let filters = Filters::of(query, FILTERS)?;
    let mut unused_for = None;
    for text in filters.values("until").iter().chain(filters.values("unused-for")) {
        unused_for = Some(age(text).ok_or_else(|| Failure::invalid(format!("invalid filter 'until={text}'")))?);
    }
    let keep = KEEP.iter().find_map(|name| query.text(name)).filter(|text| *text != "0");
    let keep_bytes = keep
        .map(|text| phrase::bytes(text).ok_or_else(|| Failure::invalid(format!("invalid size to keep: {text:?}"))))
        .transpose()?;
    Ok(PruneCache { all: query.flag("all"), unused_for, keep_bytes, ids: filters.values("id").to_vec() })
}

fn age(text: &str) -> Option<Duration> {
    let span: jiff::SignedDuration = text.parse().ok()?;
    span.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prune_is_read() {
        let read = |text: &str| asked(&Query::parse(text));
        assert_eq!(read("").unwrap(), PruneCache::default());
        let prune = read(r#"all=1&keep-storage=1024&filters={"until":{"24h":true},"id":["ab"]}"#).unwrap();
        assert!(prune.all);
        assert_eq!((prune.unused_for, prune.keep_bytes), (Some(Duration::from_hours(24)), Some(1024)));
        assert_eq!(prune.ids, ["ab"]);
        for text in
            [r#"filters={"until":["soon"]}"#, r#"filters={"colour":["red"]}"#, "keep-storage=x", "min-free-space=1"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
