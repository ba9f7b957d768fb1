//! What leaves as a tar, and what becomes of a container's changes: save, export, changes, commit.

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use runtime::{Outflow, request::CommitContainer};
use serde_json::{Value, json as value};

use super::{
    error::{Failure, Result},
    import::name,
    json,
    query::Query,
    stream::streamed,
};
use crate::{app::App, auth::actor::Actor, ops};

fn tar(archive: Outflow) -> Response {
    streamed("application/x-tar", archive)
}

pub(super) async fn save(State(app): State<App>, Extension(actor): Extension<Actor>, query: Query) -> Result<Response> {
    Ok(tar(ops::images::save(&app, &actor, &query.all("names")).await?))
}

pub(super) async fn save_one(app: &App, actor: &Actor, image: &str) -> Result<Response> {
    Ok(tar(ops::images::save(app, actor, &[image.to_owned()]).await?))
}

pub(super) async fn export(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(container): Path<String>,
) -> Result<Response> {
    Ok(tar(ops::containers::export(&app, &actor, &container).await?))
}

pub(super) async fn changes(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path(container): Path<String>,
) -> Result<Response> {
    let changes = ops::containers::changes(&app, &actor, &container).await?;
    let line =
        |change: &runtime::view::Change| value!({"Path": change.path.to_string_lossy(), "Kind": change.kind as u8});
    json(&changes.iter().map(line).collect::<Vec<_>>())
}

pub(super) async fn commit(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
    body: Bytes,
) -> Result<Response> {
    if is_config(&body)? {
        return Err(Failure::unsupported(
            "the config of a committed image comes from its container's image and from changes, not from the request's body",
        ));
    }
    let container = query.text("container").unwrap_or_default();
    let request = CommitContainer {
        reference: name(&query, "repo", "tag"),
        author: query.text("author").unwrap_or_default().to_owned(),
        comment: query.text("comment").unwrap_or_default().to_owned(),
        changes: query.all("changes"),
        pause: query.flag_or("pause", true),
    };
    let id = ops::containers::commit(&app, &actor, container, request).await?;
    Ok((StatusCode::CREATED, json(&value!({ "Id": id.to_string() }))?).into_response())
}

/// Something is said in the body; clients send `null`, or a config in which nothing is set.
fn is_config(body: &[u8]) -> Result<bool> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(false);
    }
    let config: Option<serde_json::Map<String, Value>> =
        serde_json::from_slice(body).map_err(|error| Failure::invalid(format!("the config can't be read: {error}")))?;
    let said = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
    };
    Ok(config.is_some_and(|config| config.values().any(said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_config_says_nothing() {
        for nothing in ["", "null", "{}", r#"{"Hostname":"","Env":null,"Tty":false,"Labels":{}}"#] {
            assert!(!is_config(nothing.as_bytes()).unwrap(), "{nothing}");
        }
        assert!(is_config(br#"{"Env":["A=b"]}"#).unwrap());
        assert!(is_config(b"[]").is_err());
    }
}
