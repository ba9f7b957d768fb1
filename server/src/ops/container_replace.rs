//! Containers: one takes another's place, and the way back.

use futures_util::FutureExt as _;
use runtime::{
    error::Result,
    request::CreateContainer,
    view::{ContainerView, Created},
};
use serde_json::json;

use super::{
    Act, audited_with_leave,
    containers::{Judged, called, get, judge, list},
};
use crate::{
    app::App,
    auth::actor::{Actor, Right},
};

/// Makes a container anew as asked for, in the place of the one there is, which is kept to go back to. It starts if the
/// other ran; if it can't be made or started, the other is as it was.
///
/// # Errors
/// As those of `create` and `start`.
pub async fn replace(app: &App, actor: &Actor, name: &str, mut request: CreateContainer) -> Result<Created> {
    let container = get(app, actor, name)?;
    let Judged { need, mut detail, confined } = judge(app, actor, &mut request);
    detail["before"] = json!(container.id.to_string());
    let act = Act { action: "container.replace", object: container.name, detail };
    let engine = app.engine.clone();
    let replace = |leave| {
        async move {
            confined?;
            engine.replace(&container.id, request, leave).await
        }
        .boxed()
    };
    audited_with_leave(app, actor, need, act, replace).await
}

/// Puts a container back in the place that another took from it; that one is kept now.
///
/// # Errors
/// It is no previous version of this one, or can't be started; then all is as it was.
pub async fn go_back(app: &App, actor: &Actor, name: &str, previous: &str) -> Result<ContainerView> {
    let (container, back) = (get(app, actor, name)?, get(app, actor, previous)?);
    let detail = json!({ "to": back.id.to_string(), "from": container.id.to_string() });
    let act = Act { action: "container.go_back", object: container.name.clone(), detail };
    let engine = app.engine.clone();
    let go_back = |leave| {
        async move {
            engine.go_back(&container.id, &back.id, leave).await?;
            engine.container(back.id.as_str())
        }
        .boxed()
    };
    audited_with_leave(app, actor, Right::Operate, act, go_back).await
}

/// Removes a previous version; its volumes stay.
///
/// # Errors
/// It is none, or it runs.
pub async fn forget(app: &App, actor: &Actor, name: &str, previous: &str) -> Result<ContainerView> {
    let container = get(app, actor, name)?;
    let is_one = versions(app, actor, &container)?.into_iter().find(|one| one.id.as_str() == previous);
    let Some(one) = is_one else {
        return Err(runtime::error::Error::not_found(format!("No such previous version of {name}: {previous}")));
    };
    let act = Act { action: "container.forget", object: called(app, name), detail: json!({ "id": previous }) };
    let engine = app.engine.clone();
    let forget = |leave| {
        async move {
            engine.remove(&one.id, false, false, leave).await?;
            Ok(one)
        }
        .boxed()
    };
    audited_with_leave(app, actor, Right::Operate, act, forget).await
}

/// The versions of a container that are kept to go back to, the latest first.
///
/// # Errors
/// Without the right to view.
pub fn versions(app: &App, actor: &Actor, container: &ContainerView) -> Result<Vec<ContainerView>> {
    let all = list(app, actor)?;
    let leads_here = |one: &ContainerView| {
        let mut next = one.replaced_by.as_ref();
        for _ in 0..all.len() {
            match next {
                Some(id) if *id == container.id => return true,
                Some(id) => next = all.iter().find(|one| one.id == *id).and_then(|one| one.replaced_by.as_ref()),
                None => return false,
            }
        }
        false
    };
    Ok(all.iter().filter(|one| leads_here(one)).cloned().collect())
}
