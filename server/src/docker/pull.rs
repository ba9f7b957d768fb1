//! `POST /images/create`: pulls an image and tells how it goes, line by line.

use std::io;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use bytes::Bytes;
use futures_util::stream;
use runtime::{
    reference::Reference,
    request::{PullImage, RegistryAuth},
    view::{Progress, PulledImage},
};
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    error::{self, Failure, Result},
    model::progress::{Line, PullLines},
    query::Query,
    stream::streamed,
};
use crate::{
    app::App,
    auth::actor::Actor,
    ops::{self, operation::Watch},
};

/// Clients write the header with and without padding.
const URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) async fn create(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    if let Some(source) = query.text("fromSrc") {
        return super::import::import(&app, &actor, &query, source, body).await;
    }
    let (reference, all_tags) = reference(&query)?;
    let request = PullImage {
        reference: reference.clone(),
        platform: query.text("platform").map(str::to_owned),
        auth: auth(&headers)?,
    };
    let watch = ops::images::pull(&app, &actor, request, all_tags).await?;
    let mut lines = PullLines::default();
    let end = move |pulled: &Vec<PulledImage>| match pulled.as_slice() {
        [one] if !all_tags => PullLines::end(one).into(),
        many => vec![PullLines::end_of_all(many, &reference)],
    };
    follow(watch, &actor.request_id, "pulling an image", move |step| lines.step(step), end).await
}

/// Answers with the lines of the work's steps as they come, and of its end. Until the first step is known, a failure can
/// still be told by the status.
pub(super) async fn follow<T: Send + 'static>(
    mut watch: Watch<T>,
    request_id: &str,
    what: &'static str,
    lines: impl FnMut(&Progress) -> Vec<Line> + Send + 'static,
    end: impl FnOnce(&T) -> Vec<Line> + Send + 'static,
) -> Result<Response> {
    let Some(first) = next(&mut watch.steps).await else {
        let done = ended(watch).await?;
        return Ok(streamed("application/json", stream::once(async move { Ok(written(end(&done))) })));
    };
    let (lines, end) = (Box::new(lines), Box::new(end));
    let follower =
        Follower { request_id: request_id.to_owned(), what, rest: Some((watch, end)), first: Some(first), lines };
    Ok(streamed("application/json", stream::unfold(follower, Follower::next)))
}

/// The lines of a step.
type Steps = Box<dyn FnMut(&Progress) -> Vec<Line> + Send>;
/// The lines of an end.
type End<T> = Box<dyn FnOnce(&T) -> Vec<Line> + Send>;

struct Follower<T> {
    request_id: String,
    what: &'static str,
    rest: Option<(Watch<T>, End<T>)>,
    first: Option<Progress>,
    lines: Steps,
}

impl<T: Send + 'static> Follower<T> {
    async fn next(mut self) -> Option<(Result<Bytes, io::Error>, Self)> {
        let (mut watch, end) = self.rest.take()?;
        let step = match self.first.take() {
            Some(step) => Some(step),
            None => next(&mut watch.steps).await,
        };
        if let Some(step) = step {
            self.rest = Some((watch, end));
            return Some((Ok(written((self.lines)(&step))), self));
        }
        let lines = match ended(watch).await {
            Ok(done) => written(end(&done)),
            Err(error) => {
                error::log(&error, &self.request_id, self.what);
                written([Line::failed(error::message(&error, &self.request_id))])
            }
        };
        Some((Ok(lines), self))
    }
}

/// The next step; none when the work has ended. Steps that came too fast to be told are left out.
pub(super) async fn next(steps: &mut Receiver<Progress>) -> Option<Progress> {
    loop {
        match steps.recv().await {
            Ok(step) => return Some(step),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

/// How the work ended.
pub(super) async fn ended<T>(watch: Watch<T>) -> Result<T, runtime::error::Error> {
    watch.end.await.map_err(|panic| runtime::error::Error::internal("this failed inside; see the log", panic))?
}

/// Lines as they go over the wire.
pub(super) fn written(lines: impl IntoIterator<Item = Line>) -> Bytes {
    let mut buffer = Vec::new();
    for line in lines {
        line.write(&mut buffer);
    }
    buffer.into()
}

/// The image's name, and whether all its tags are meant, as a name alone does.
fn reference(query: &Query) -> Result<(String, bool)> {
    let Some(image) = query.text("fromImage") else {
        return Err(Failure::invalid("the name of an image is needed: fromImage=NAME"));
    };
    let is_bare = || image.parse::<Reference>().is_ok_and(|name| name.tag().is_none() && name.digest().is_none());
    Ok(match query.text("tag") {
        None => (image.to_owned(), is_bare()),
        Some(digest) if digest.contains(':') => (format!("{image}@{digest}"), false),
        Some(tag) => (format!("{image}:{tag}"), false),
    })
}

/// Credentials as clients write them.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthConfig {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl AuthConfig {
    /// None when they are empty; `wrong` names the header they came in.
    pub(super) fn credentials(self, wrong: &impl Fn(&str) -> Failure) -> Result<Option<RegistryAuth>> {
        if self.registrytoken.is_some_and(|token| !token.is_empty()) {
            return Err(Failure::unsupported("Darsena does not support registry tokens yet; use a name and password"));
        }
        let mut auth = RegistryAuth {
            username: self.username.unwrap_or_default(),
            password: self.password.unwrap_or_default(),
            identity_token: self.identitytoken.unwrap_or_default(),
        };
        if let (true, Some(joined)) = (auth.username.is_empty(), self.auth.filter(|joined| !joined.is_empty())) {
            let joined = STANDARD.decode(joined).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let (name, password) = joined
                .as_deref()
                .and_then(|text| text.split_once(':'))
                .ok_or_else(|| wrong("its auth can't be read"))?;
            (auth.username, auth.password) = (name.to_owned(), password.to_owned());
        }
        Ok(Some(auth).filter(|auth| *auth != RegistryAuth::default()))
    }
}

/// The bytes of a header in base64, of whichever alphabet.
pub(super) fn decoded(header: &[u8]) -> Option<Vec<u8>> {
    URL.decode(header).or_else(|_| STANDARD.decode(header)).ok()
}

/// The credentials a client sends; none when they are empty.
pub(super) fn auth(headers: &HeaderMap) -> Result<Option<RegistryAuth>> {
    let wrong = |why: &str| Failure::invalid(format!("invalid X-Registry-Auth header: {why}"));
    let Some(header) = headers.get("x-registry-auth").map(HeaderValue::as_bytes).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let text = decoded(header).ok_or_else(|| wrong("it is not base64"))?;
    let config: AuthConfig = serde_json::from_slice(&text).map_err(|_| wrong("it is not JSON"))?;
    config.credentials(&wrong)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE as PADDED, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn references_are_put_together() {
        let read = |text: &str| reference(&Query::parse(text)).unwrap();
        assert_eq!(read("fromImage=busybox&tag=latest"), ("busybox:latest".to_owned(), false));
        assert_eq!(read("fromImage=busybox:1"), ("busybox:1".to_owned(), false));
        assert_eq!(read("fromImage=127.0.0.1:5000/a"), ("127.0.0.1:5000/a".to_owned(), true));
        assert_eq!(read("fromImage=a&tag=sha256:00"), ("a@sha256:00".to_owned(), false));
        assert!(reference(&Query::parse("tag=x")).is_err());
    }

    #[test]
    fn credentials_are_read() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-registry-auth", text.parse().unwrap());
            auth(&headers)
        };
        let me = r#"{"username":"me","password":"s?>e","serveraddress":"x"}"#;
        for text in [PADDED.encode(me), URL_SAFE_NO_PAD.encode(me), STANDARD.encode(me)] {
            let auth = read(&text).unwrap().unwrap();
            assert_eq!((auth.username.as_str(), auth.password.as_str()), ("me", "s?>e"));
        }
        let joined = format!(r#"{{"auth":"{}"}}"#, STANDARD.encode("me:a:b"));
        assert_eq!(read(&PADDED.encode(joined)).unwrap().unwrap().password, "a:b");
        assert!(read(&PADDED.encode("{}")).unwrap().is_none());
        assert!(auth(&HeaderMap::new()).unwrap().is_none());
        for text in ["!!", &PADDED.encode("nonsense"), &PADDED.encode(r#"{"auth":"!"}"#)] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(format!("{:?}", read(&PADDED.encode(r#"{"registrytoken":"t"}"#))).contains("registry tokens"));
    }
}
