//! One request to a registry: scheme, authentication, redirects, limits.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::StreamExt as _;
use reqwest::{
    Body, Method, RequestBuilder, Response, StatusCode, Url,
    header::{self, HeaderMap},
};
use serde::Deserialize;

use super::{
    Error, Purpose, Repository,
    auth::{Asked, Challenge, basic},
    error::root_cause,
};

const MAX_REDIRECTS: usize = 5;
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);
const MAX_ERROR_BYTES: u64 = 64 << 10;
/// Slower than this for a whole stall period is as good as nothing.
pub(super) const MIN_BYTES_PER_SECOND: u64 = 1 << 10;
/// A registry that has received a blob may move and hash it before it answers: so many stall periods.
const THINKING: u32 = 10;

/// Where a request goes.
#[derive(Debug)]
pub(super) enum To<'a> {
    /// Below the repository.
    Path(&'a str),
    /// Where the registry said.
    Url(&'a Url),
}

/// A body that is made anew for each attempt.
pub(super) struct Sent<'a> {
    /// The bytes from the beginning.
    pub make: &'a (dyn Fn() -> Body + Send + Sync),
    /// How many there are.
    pub len: u64,
    /// How many the connection took; grows while it is sent.
    pub taken: &'a AtomicU64,
}

/// One request.
pub(super) struct Call<'a> {
    /// What is being done, for errors.
    pub step: &'static str,
    pub method: Method,
    pub to: To<'a>,
    pub headers: HeaderMap,
    pub body: Option<Sent<'a>>,
    /// Another repository that is read from.
    pub from: Option<&'a str>,
    /// Answers that are no errors though they are neither 2xx nor 416.
    pub also: &'static [u16],
}

impl<'a> Call<'a> {
    pub(super) fn new(step: &'static str, method: Method, to: To<'a>) -> Self {
        Self { step, method, to, headers: HeaderMap::new(), body: None, from: None, also: &[] }
    }

    fn path(&self) -> &str {
        match self.to {
            To::Path(path) => path,
            To::Url(_) => "",
        }
    }
}

impl Repository {
    /// Sends a GET below this repository, with what it takes to be let in. Only 2xx and 416 come back as `Ok`.
    pub(super) async fn get(&self, step: &'static str, path: &str, headers: &HeaderMap) -> Result<Response, Error> {
        self.send(&Call { headers: headers.clone(), ..Call::new(step, Method::GET, To::Path(path)) }).await
    }

    /// Sends a request, with what it takes to be let in.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Response, Error> {
        let plains = match self.endpoint.plain.or_else(|| self.client.known_plain(&self.endpoint.host)) {
            Some(plain) => vec![plain],
            None => vec![false, true],
        };
        let mut last = None;
        for plain in plains {
            match self.send_with(plain, call).await {
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

    async fn send_with(&self, plain: bool, call: &Call<'_>) -> Result<Response, Error> {
        let below = match self.name.as_ref() {
            Some(name) => format!("{}/{}", name.path(), call.path()),
            None => String::new(),
        };
        let address = self.endpoint.url(plain, &below);
        let home = Url::parse(&address).map_err(|_| Error::Setup(format!("{address} is not an address")))?;
        let url = match call.to {
            To::Path(_) => home.clone(),
            To::Url(url) => url.clone(),
        };
        let user = self.auth.as_ref().map(|auth| auth.username.clone()).unwrap_or_default();
        let scope = self.scope(call.from);
        let origin = home.origin().ascii_serialization();
        let key = (origin.clone(), scope.clone(), user);
        let cached = self.client.cached_token(&key).map(|token| format!("Bearer {token}"));
        let known = cached.is_some();
        let known_basic = || basic(self.auth.as_ref()).filter(|_| self.client.is_basic(&origin));
        let authorization = cached.or_else(known_basic);
        let response = self.follow(&home, url.clone(), call, authorization.as_deref()).await?;
        self.reached.store(true, Ordering::Relaxed);
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.checked(call, response).await;
        }
        if known {
            self.client.forget_token(&key);
        }
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
        let answer = match Challenge::parse(challenges) {
            Some(Challenge::Basic) => match basic(self.auth.as_ref()) {
                None => return Err(Error::NoCredentials),
                answer => {
                    self.client.learn_basic(&origin);
                    answer
                }
            },
            Some(Challenge::Bearer { realm, service, scope: asked_for }) => {
                let scope = if asked_for.is_empty() { &scope } else { &asked_for };
                let asked = Asked { realm: &realm, service: &service, scope, offline: self.name.is_none() };
                let token = self.client.token(&home, asked, self.endpoint.lax, self.auth.as_ref()).await?;
                let text = format!("Bearer {}", token.text);
                self.client.keep_token(key, token);
                Some(text)
            }
            None => None,
        };
        if answer.is_none() || answer == authorization {
            return self.checked(call, response).await;
        }
        let response = self.follow(&home, url, call, answer.as_deref()).await?;
        self.checked(call, response).await
    }

    /// What a token must allow; several with spaces between them.
    fn scope(&self, from: Option<&str>) -> String {
        let Some(name) = &self.name else { return String::new() };
        let actions = match self.purpose {
            Purpose::Pull => "pull",
            Purpose::Push => "pull,push",
        };
        let own = format!("repository:{}:{actions}", name.path());
        from.map_or(own.clone(), |from| format!("{own} repository:{from}:pull"))
    }

    /// Follows redirects; credentials stay with the origin they are for, and https stays https.
    async fn follow(
        &self,
        home: &Url,
        url: Url,
        call: &Call<'_>,
        authorization: Option<&str>,
    ) -> Result<Response, Error> {
        let mut url = url;
        for _ in 0..=MAX_REDIRECTS {
            let at_home = url.origin() == home.origin();
            let host = shown_host(&url);
            let http = self.client.http(&host, self.endpoint.lax && at_home)?;
            let mut request = http.request(call.method.clone(), url.clone()).headers(call.headers.clone());
            if let Some(authorization) = authorization.filter(|_| at_home) {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let response = answered(request, call.body.as_ref(), &host, self.client.config().stall).await?;
            if !response.status().is_redirection() || call.also.contains(&response.status().as_u16()) {
                return Ok(response);
            }
            if !matches!(call.method, Method::GET | Method::HEAD) {
                return Err(Error::Redirect { host, why: "it redirects an upload" });
            }
            let next = location(&response).ok_or(Error::Redirect { host, why: "it redirects to nowhere" })?;
            url = safe(&url, next)?;
        }
        Err(Error::Redirect { host: self.endpoint.host.clone(), why: "it redirects too often" })
    }

    async fn checked(&self, call: &Call<'_>, response: Response) -> Result<Response, Error> {
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
        if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE || call.also.contains(&status.as_u16()) {
            return Ok(response);
        }
        let host = self.endpoint.host.clone();
        let retry_after = retry_after(response.headers());
        let stall = self.client.config().stall;
        let body = read_capped(response, call.step, MAX_ERROR_BYTES, &host, stall).await.unwrap_or_default();
        let said = serde_json::from_slice::<Said>(&body).ok().and_then(|said| said.errors.into_iter().next());
        let code = said.as_ref().map(|one| one.code.clone()).unwrap_or_default();
        // Shown to people: one line, no control characters.
        let detail = said.map(|one| {
            let text = format!("{}: {}", one.code.to_ascii_lowercase().replace('_', " "), one.message);
            text.chars().filter(|c| !c.is_control()).take(300).collect::<String>()
        });
        let repository = self.name.as_ref().map(crate::reference::Reference::familiar_name).unwrap_or_default();
        let or = |words: &str| detail.clone().unwrap_or_else(|| words.to_owned());
        let denied = "denied: requested access to the resource is denied";
        let path = call.path();
        Err(match (status.as_u16(), code.as_str()) {
            (404, "NAME_UNKNOWN") => Error::NoRepository { repository, detail: or("") },
            (404, _) if path.starts_with("manifests/") => {
                let wanted = path.trim_start_matches("manifests/");
                let separator = if wanted.contains(':') { '@' } else { ':' };
                let detail = or("manifest unknown: manifest unknown");
                Error::NoManifest { reference: format!("{repository}{separator}{wanted}"), detail }
            }
            (401 | 403, "UNAUTHORIZED") if self.auth.is_some() => {
                Error::Unauthorized(or("unauthorized: authentication required"))
            }
            (401 | 403, _) if self.purpose == Purpose::Push => Error::Unauthorized(or(denied)),
            (401 | 403, _) => Error::Denied { repository, detail: or(denied) },
            _ => {
                let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                Error::Status { host, step: call.step, status, detail, retry_after }
            }
        })
    }
}

/// Sends one request and waits for the head of its answer, as long as something moves.
async fn answered(
    request: RequestBuilder,
    body: Option<&Sent<'_>>,
    host: &str,
    stall: Duration,
) -> Result<Response, Error> {
    let host = host.to_owned();
    let result = match body {
        None => tokio::time::timeout(stall, request.send()).await.ok(),
        Some(body) => {
            body.taken.store(0, Ordering::Relaxed);
            let sending = request.header(header::CONTENT_LENGTH, body.len).body((body.make)()).send();
            let mut sending = std::pin::pin!(sending);
            let mut before = 0;
            loop {
                let patience = if before == body.len { stall * THINKING } else { stall };
                if let Ok(result) = tokio::time::timeout(patience, &mut sending).await {
                    break Some(result);
                }
                let taken = body.taken.load(Ordering::Relaxed);
                let slow = taken - before < MIN_BYTES_PER_SECOND * stall.as_secs().max(1);
                if taken == before || (slow && taken < body.len) {
                    break None;
                }
                before = taken;
            }
        }
    };
    match result {
        None => Err(Error::Stalled { host, after: stall }),
        Some(Err(error)) if error.is_connect() || error.is_builder() => {
            Err(Error::Unreachable { host, cause: root_cause(&error) })
        }
        Some(Err(error)) => Err(Error::Broken { host, cause: root_cause(&error) }),
        Some(Ok(response)) => Ok(response),
    }
}

/// Where an answer says to go on.
pub(super) fn location(response: &Response) -> Option<Url> {
    let to = response.headers().get(header::LOCATION)?.to_str().ok()?;
    response.url().join(to).ok()
}

/// Nothing goes from https to less.
pub(super) fn safe(from: &Url, to: Url) -> Result<Url, Error> {
    if matches!((from.scheme(), to.scheme()), ("https", "https") | ("http", "http" | "https")) {
        return Ok(to);
    }
    Err(Error::Redirect { host: shown_host(from), why: "it redirects to something less safe than https" })
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
