//! One request to a registry: scheme, authentication, redirects, limits.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{
    Response, StatusCode, Url,
    header::{self, HeaderMap},
};
use serde::Deserialize;

use super::{
    Error, Repository,
    auth::{Challenge, basic},
    error::root_cause,
};

const MAX_REDIRECTS: usize = 5;
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
const MAX_ERROR_BYTES: u64 = 64 << 10;

impl Repository {
    /// Sends a GET below this repository, with what it takes to be let in. Only 2xx and 416 come back as `Ok`.
    pub(super) async fn get(&self, step: &'static str, path: &str, headers: &HeaderMap) -> Result<Response, Error> {
        let plains = match self.endpoint.plain.or_else(|| self.client.known_plain(&self.endpoint.host)) {
            Some(plain) => vec![plain],
            None => vec![false, true],
        };
        let mut last = None;
        for plain in plains {
            match self.get_with(step, plain, path, headers).await {
                Err(error @ Error::Unreachable { .. }) => last = Some(error),
                result => {
                    if self.endpoint.plain.is_none() {
                        self.client.learn_plain(&self.endpoint.host, plain);
                    }
                    return result;
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::Setup("no protocol".to_owned())))
    }

    async fn get_with(
        &self,
        step: &'static str,
        plain: bool,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Response, Error> {
        let address = self.endpoint.url(plain, &format!("{}/{path}", self.name.path()));
        let url = Url::parse(&address).map_err(|_| Error::Setup(format!("{address} is not an address")))?;
        let user = self.auth.as_ref().map(|auth| auth.username.clone()).unwrap_or_default();
        let default_scope = format!("repository:{}:pull", self.name.path());
        let key = (url.origin().ascii_serialization(), default_scope.clone(), user);
        let mut authorization = self.client.cached_token(&key).map(|token| format!("Bearer {token}"));
        let cached = authorization.is_some();
        let response = self.follow(url.clone(), headers, authorization.as_deref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.checked(step, path, response).await;
        }
        if cached {
            self.client.forget_token(&key);
        }
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
        match Challenge::parse(challenges) {
            Some(Challenge::Basic) => authorization = basic(self.auth.as_ref()),
            Some(Challenge::Bearer { realm, service, scope }) => {
                let scope = if scope.is_empty() { default_scope } else { scope };
                let challenge = (realm.as_str(), service.as_str(), scope.as_str());
                let token = self.client.token(&url, challenge, self.endpoint.lax, self.auth.as_ref()).await?;
                authorization = Some(format!("Bearer {}", token.text));
                self.client.keep_token(key, token);
            }
            None => authorization = None,
        }
        if authorization.is_none() {
            return self.checked(step, path, response).await;
        }
        let response = self.follow(url, headers, authorization.as_deref()).await?;
        self.checked(step, path, response).await
    }

    /// Follows redirects; credentials stay with the origin they are for, and https stays https.
    async fn follow(&self, url: Url, headers: &HeaderMap, authorization: Option<&str>) -> Result<Response, Error> {
        let origin = url.origin();
        let mut url = url;
        let stall = self.client.config().stall;
        for _ in 0..=MAX_REDIRECTS {
            let at_home = url.origin() == origin;
            let host = shown_host(&url);
            let mut request = self.client.http(self.endpoint.lax && at_home)?.get(url.clone()).headers(headers.clone());
            if let Some(authorization) = authorization.filter(|_| at_home) {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let response = match tokio::time::timeout(stall, request.send()).await {
                Err(_) => return Err(Error::Stalled { host, after: stall }),
                Ok(Err(error)) if error.is_connect() || error.is_builder() => {
                    return Err(Error::Unreachable { host, cause: root_cause(&error) });
                }
                Ok(Err(error)) => return Err(Error::Broken { host, cause: root_cause(&error) }),
                Ok(Ok(response)) => response,
            };
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let target = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            let target = target.and_then(|to| url.join(to).ok());
            let next = target.ok_or(Error::Redirect { host: host.clone(), why: "it redirects to nowhere" })?;
            if !matches!((url.scheme(), next.scheme()), ("https", "https") | ("http", "http" | "https")) {
                return Err(Error::Redirect { host, why: "it redirects to something less safe than https" });
            }
            url = next;
        }
        Err(Error::Redirect { host: self.endpoint.host.clone(), why: "it redirects too often" })
    }

    async fn checked(&self, step: &'static str, path: &str, response: Response) -> Result<Response, Error> {
        #[derive(Deserialize)]
        struct Said {
            #[serde(default)]
            errors: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let status = response.status();
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        let host = self.endpoint.host.clone();
        let retry_after = retry_after(response.headers());
        let stall = self.client.config().stall;
        let body = read_capped(response, step, MAX_ERROR_BYTES, &host, stall).await.unwrap_or_default();
        let said = serde_json::from_slice::<Said>(&body).ok().and_then(|said| said.errors.into_iter().next());
        let code = said.as_ref().map(|one| one.code.clone()).unwrap_or_default();
        // Shown to people: one line, no control characters.
        let detail = said.map(|one| {
            let text = format!("{}: {}", one.code.to_ascii_lowercase().replace('_', " "), one.message);
            text.chars().filter(|c| !c.is_control()).take(300).collect::<String>()
        });
        let repository = self.name.familiar_name();
        let or = |words: &str| detail.clone().unwrap_or_else(|| words.to_owned());
        Err(match (status.as_u16(), code.as_str()) {
            (404, "NAME_UNKNOWN") => Error::NoRepository { repository, detail: or("") },
            (404, _) if path.starts_with("manifests/") => {
                let wanted = path.trim_start_matches("manifests/");
                let separator = if wanted.contains(':') { '@' } else { ':' };
                let detail = or("manifest unknown: manifest unknown");
                Error::NoManifest { reference: format!("{repository}{separator}{wanted}"), detail }
            }
            (401 | 403, "UNAUTHORIZED") if self.auth.is_some() => Error::Unauthorized(or("authentication required")),
            (401 | 403, _) => {
                Error::Denied { repository, detail: or("denied: requested access to the resource is denied") }
            }
            _ => {
                let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                Error::Status { host, step, status, detail, retry_after }
            }
        })
    }
}

/// Host and port as written.
pub(super) fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Seconds only: dates are not worth a clock comparison.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Reads a small body whole.
pub(super) async fn read_capped(
    response: Response,
    what: &'static str,
    limit: u64,
    host: &str,
    stall: Duration,
) -> Result<Vec<u8>, Error> {
    let host = host.to_owned();
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(Error::TooLarge { host, what, limit });
    }
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    let read = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| Error::Broken { host: host.clone(), cause: root_cause(&error) })?;
            if body.len() as u64 + chunk.len() as u64 > limit {
                return Err(Error::TooLarge { host: host.clone(), what, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match tokio::time::timeout(stall, read).await {
        Err(_) => Err(Error::Stalled { host, after: stall }),
        Ok(read) => read.map(|()| body),
    }
}
