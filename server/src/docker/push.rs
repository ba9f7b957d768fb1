//! `POST /images/NAME/push`: uploads an image and tells how it goes, line by line.

use axum::{http::HeaderMap, response::Response};
use runtime::{oci::Platform, reference::Reference, request::PushImage};

use super::{
    error::{Failure, Result},
    model::progress::push_step,
    pull::{auth, follow},
    query::Query,
};
use crate::{app::App, auth::actor::Actor, ops};

pub(super) async fn push(app: App, actor: Actor, name: &str, headers: &HeaderMap, query: &Query) -> Result<Response> {
    let tag = query.text("tag");
    let reference = tag.map_or_else(|| name.to_owned(), |tag| format!("{name}:{tag}"));
    let bare = reference.parse::<Reference>().is_ok_and(|name| name.tag().is_none() && name.digest().is_none());
    let platform = query.text("platform").map(platform).transpose()?;
    let request = PushImage { reference, all_tags: bare, platform, auth: auth(headers)? };
    let watch = ops::images::push(&app, &actor, request).await?;
    follow(watch, &actor.request_id, "pushing an image", push_step, |_| Vec::new()).await
}

/// JSON, or `os/architecture`.
fn platform(text: &str) -> Result<String> {
    if !text.starts_with('{') {
        return Ok(text.to_owned());
    }
    let wrong = |error: serde_json::Error| Failure::invalid(format!("invalid value for \"platform\": {error}"));
    Ok(serde_json::from_str::<Platform>(text).map_err(wrong)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_come_in_two_spellings() {
        assert_eq!(platform("linux/amd64").unwrap(), "linux/amd64");
        assert_eq!(platform(r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#).unwrap(), "linux/arm64/v8");
        assert!(platform("{").is_err());
    }
}
