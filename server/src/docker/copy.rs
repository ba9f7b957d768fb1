//! `docker cp`: what is at a path in a container, and archives out of it and into it.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use runtime::{error::Error, request::CopyIn, view::PathStat};
use serde_json::json as value;

use super::{
    error::{Failure, Result},
    load::reader,
    query::Query,
    stream::streamed,
};
use crate::{app::App, auth::actor::Actor, ops};

const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

pub(super) async fn stat(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let stat = ops::container_copy::stat(&app, &actor, &name, path(&query)?).await?;
    Ok(([(STAT, header(&stat)?)], StatusCode::OK).into_response())
}

pub(super) async fn read(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let (stat, archive) = ops::container_copy::copy_out(&app, &actor, &name, path(&query)?).await?;
    let mut response = streamed("application/x-tar", archive);
    response.headers_mut().insert(STAT, header(&stat)?);
    Ok(response)
}

pub(super) async fn write(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    query: Query,
    body: Body,
) -> Result<StatusCode> {
    let how = CopyIn { folders_stay: query.flag("noOverwriteDirNonDir"), owned_by_user: query.flag("copyUIDGID") };
    ops::container_copy::copy_in(&app, &actor, &name, path(&query)?, how, reader(body)).await?;
    Ok(StatusCode::OK)
}

fn path(query: &Query) -> Result<&str> {
    query.text("path").ok_or_else(|| Failure::invalid("bad parameter: 'path' cannot be empty"))
}

fn header(stat: &PathStat) -> Result<HeaderValue> {
    let told = value!({
        "name": stat.name, "size": stat.size, "mode": go_mode(stat.mode),
        "mtime": stat.changed_at.to_string(), "linkTarget": stat.link_target,
    });
    let text = STANDARD.encode(told.to_string());
    Ok(HeaderValue::from_str(&text).map_err(|error| Error::internal("the answer can't be written", error))?)
}

/// A mode as Go's `os.FileMode` has it.
fn go_mode(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => 1 << 31,
        0o120_000 => 1 << 27,
        0o060_000 => 1 << 26,
        0o020_000 => 1 << 26 | 1 << 21,
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        _ => 0,
    };
    let bit = |ours: u32, theirs: u32| if mode & ours == 0 { 0 } else { 1 << theirs };
    kind | bit(0o4000, 23) | bit(0o2000, 22) | bit(0o1000, 20) | mode & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_go_s() {
        assert_eq!(go_mode(0o100_644), 0o644);
        assert_eq!(go_mode(0o041_777), 1 << 31 | 1 << 20 | 0o777);
        assert_eq!(go_mode(0o104_755), 1 << 23 | 0o755);
        assert_eq!(go_mode(0o120_777), 1 << 27 | 0o777);
    }
}
