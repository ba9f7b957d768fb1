//! Sources that are git repositories, where a `git` program is there.
//!
//! It is started without a shell, with an environment of its own making, no configuration of the host, no hooks, no
//! templates and only https, http and ssh. Addresses of http and https are checked and pinned, and redirects are not
//! followed. Submodules are not fetched: where they lead is the repository's choice.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{copy::Error as CopyError, reach::Reach};
use crate::sys::{path::open_in_root, process::pidfd_open};

const MOST_ERROR_BYTES: u64 = 16 << 10;
/// How often the wish to stop is looked at.
const GLANCE_MS: u16 = 100;

/// A repository that could not be checked out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `git` here.
    #[error("git is not installed on this host: sources in git repositories can't be used")]
    NoGit,
    /// An address or a reference git must not see.
    #[error("{0:?} can't be used as a git source")]
    Refused(String),
    /// Builds may not go there.
    #[error("{0}")]
    Forbidden(io::Error),
    /// git failed.
    #[error("failed to fetch {url}: {said}")]
    Failed {
        /// The repository.
        url: String,
        /// git's last words.
        said: String,
    },
    /// The caller wants it no more.
    #[error("cancelled")]
    Cancelled,
    /// It took too long.
    #[error("git took longer than {} s", .0.as_secs())]
    Timeout(Duration),
    /// No such folder in the repository.
    #[error("{0}: no such folder in the repository")]
    NoFolder(String),
    /// A file operation failed.
    #[error("the checkout failed: {0}")]
    Io(#[from] io::Error),
    /// A checkout that can't be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        use crate::error::ErrorKind;
        let kind = match &error {
            Error::NoGit => ErrorKind::Unsupported,
            Error::Refused(_) | Error::NoFolder(_) | Error::Copy(_) => ErrorKind::Invalid,
            Error::Forbidden(_) => ErrorKind::Forbidden,
            Error::Failed { .. } | Error::Timeout(_) => ErrorKind::Upstream,
            Error::Cancelled => ErrorKind::Cancelled,
            Error::Io(_) => ErrorKind::Internal,
        };
        Self::with_source(kind, error.to_string(), error)
    }
}

/// A repository, what of it, and which folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitSource {
    /// `https://host/path.git`, `ssh://…`, `git@host:path`.
    pub url: String,
    /// A branch, tag or commit; the default branch if none.
    pub reference: Option<String>,
    /// A folder in it; all of it if empty.
    pub folder: String,
}

impl GitSource {
    /// Reads `URL#reference:folder`; `None` when it is no git source (Dockerfile reference, "Adding files from a Git
    /// repository").
    pub fn parse(text: &str) -> Option<Self> {
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        let is_git = if url.starts_with("http://") || url.starts_with("https://") {
            url.split('?').next().is_some_and(|path| path.as_bytes().ends_with(b".git"))
        } else {
            url.starts_with("ssh://") || is_scp(url)
        };
        let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
        is_git.then(|| Self {
            url: url.to_owned(),
            reference: (!reference.is_empty()).then(|| reference.to_owned()),
            folder: folder.to_owned(),
        })
    }

    /// Like [`Self::parse`], for a build's context: `github.com/…` is one too.
    pub fn parse_context(text: &str) -> Option<Self> {
        match text.strip_prefix("github.com/") {
            Some(_) => Self::parse(&format!("https://{}", with_git_suffix(text))),
            None => Self::parse(text),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let odd = |text: &str| text.starts_with('-') || text.chars().any(|c| c.is_control() || c == ' ');
        let host = self.host().map_or(String::new(), |(host, _)| host);
        for text in [Some(&self.url), self.reference.as_ref(), Some(&host)].into_iter().flatten() {
            if odd(text) {
                return Err(Error::Refused(text.clone()));
            }
        }
        if self.reference.as_deref().is_some_and(|reference| reference.contains(':')) {
            return Err(Error::Refused(self.reference.clone().unwrap_or_default()));
        }
        Ok(())
    }

    /// Host and port that are connected to.
    fn host(&self) -> Option<(String, u16)> {
        let Some((scheme, rest)) = self.url.split_once("://") else {
            let host = self.url.split(':').next()?.rsplit('@').next()?;
            return Some((host.to_owned(), 22));
        };
        let port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => 22,
        };
        let authority = rest.split(['/', '?']).next()?.rsplit('@').next()?;
        let end = authority.rfind(']').map_or(0, |at| at + 1);
        match authority[end..].rfind(':') {
            Some(at) => Some((authority[..end + at].to_owned(), authority[end + at + 1..].parse().ok()?)),
            None => Some((authority.to_owned(), port)),
        }
    }
}

fn with_git_suffix(text: &str) -> String {
    let (path, fragment) = text.split_once('#').map_or((text, None), |(path, rest)| (path, Some(rest)));
    let suffix = if path.as_bytes().ends_with(b".git") { "" } else { ".git" };
    fragment.map_or_else(|| format!("{path}{suffix}"), |fragment| format!("{path}{suffix}#{fragment}"))
}

/// `user@host:path`.
fn is_scp(url: &str) -> bool {
    let Some((who, path)) = url.split_once(':') else { return false };
    let Some((user, host)) = who.split_once('@') else { return false };
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    word(user) && word(host) && !path.is_empty() && !path.starts_with("//")
}

/// A checkout.
#[derive(Debug)]
pub struct Checkout {
    /// The folder asked for.
    pub root: OwnedFd,
    /// The commit it is at.
    pub commit: String,
}

/// Fetches a repository into the existing empty folder `dir` and checks it out there, in `tree`. `stop` ends it.
pub fn checkout(
    source: &GitSource,
    dir: &Path,
    keep_git_folder: bool,
    reach: &Reach,
    most: Duration,
    stop: &AtomicBool,
) -> Result<Checkout, Error> {
    source.check()?;
    let (host, port) = source.host().ok_or_else(|| Error::Refused(source.url.clone()))?;
    let addresses = reach.resolve(&host, port).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Error::Forbidden(error),
        _ => Error::Failed { url: source.url.clone(), said: error.to_string() },
    })?;
    let addresses: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let git = Git {
        home: dir,
        pin: format!("http.curloptResolve={host}:{port}:{}", addresses.join(",")),
        url: &source.url,
        until: Instant::now() + most,
        most,
        stop,
    };
    let tree = dir.join("tree");
    let tree_text = tree.to_string_lossy().into_owned();
    git.run(&["init", "--quiet", "--template=", "--", &tree_text])?;
    let wanted = source.reference.as_deref().unwrap_or("HEAD");
    let at = ["-C", &tree_text];
    let shallow =
        git.run(&[&at[..], &["fetch", "--quiet", "--depth=1", "--no-tags", "--", &source.url, wanted]].concat());
    let target = match shallow {
        Ok(()) => "FETCH_HEAD",
        Err(Error::Failed { .. }) => {
            // A server that has no shallow fetch, or gives no commit by its name: all of it, and the wanted looked for.
            let all = ["fetch", "--quiet", "--", &source.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            if is_commit(wanted) {
                git.run(&[&at[..], &all].concat())?;
                wanted
            } else {
                git.run(&[&at[..], &["fetch", "--quiet", "--no-tags", "--", &source.url, wanted]].concat())?;
                "FETCH_HEAD"
            }
        }
        Err(error) => return Err(error),
    };
    git.run(&[&at[..], &["checkout", "--quiet", "--force", "--detach", target, "--"]].concat())?;
    let commit = fs::read_to_string(tree.join(".git/HEAD"))?.trim().to_owned();
    if !keep_git_folder {
        fs::remove_dir_all(tree.join(".git"))?;
    }
    let root = OwnedFd::from(File::open(&tree)?);
    let folder = if source.folder.is_empty() { "." } else { &source.folder };
    let root = open_in_root(&root, folder.as_ref(), OFlag::O_RDONLY | OFlag::O_DIRECTORY)
        .map_err(|_| Error::NoFolder(source.folder.clone()))?;
    Ok(Checkout { root, commit })
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit())
}

struct Git<'a> {
    home: &'a Path,
    pin: String,
    url: &'a str,
    until: Instant,
    most: Duration,
    stop: &'a AtomicBool,
}

impl Git<'_> {
    fn run(&self, arguments: &[&str]) -> Result<(), Error> {
        let said = self.home.join("said");
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
        let child = Command::new("git")
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.autocrlf=false"])
            .args([
                "-c",
                "protocol.allow=never",
                "-c",
                "protocol.https.allow=always",
                "-c",
                "protocol.http.allow=always",
            ])
            .args(["-c", "protocol.ssh.allow=always", "-c", "http.followRedirects=false", "-c", "http.proxy="])
            .args(["-c", "submodule.recurse=false", "-c", "gc.auto=0", "-c", "credential.helper=", "-c", &self.pin])
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("GIT_ALLOW_PROTOCOL", "https:http:ssh")
            .env("GIT_SSH_COMMAND", "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=yes")
            .current_dir(self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said)?)
            .process_group(0)
            .spawn()
            .map_err(|error| if error.kind() == io::ErrorKind::NotFound { Error::NoGit } else { Error::Io(error) })?;
        if self.wait(child)?.success() {
            return Ok(());
        }
        let mut text = String::new();
        File::open(&said)?.take(MOST_ERROR_BYTES).read_to_string(&mut text).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("git failed");
        let last = last.chars().filter(|c| !c.is_control()).take(300).collect();
        Err(Error::Failed { url: self.url.to_owned(), said: last })
    }

    /// Waits for the end, the deadline or the wish to stop; in the last two the whole process group goes.
    fn wait(&self, mut child: Child) -> Result<ExitStatus, Error> {
        let id = child.id() as i32;
        let ended = pidfd_open(id)?;
        loop {
            let failure = if self.stop.load(Ordering::Relaxed) {
                Error::Cancelled
            } else if Instant::now() > self.until {
                Error::Timeout(self.most)
            } else {
                let mut wanted = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
                match poll(&mut wanted, PollTimeout::from(GLANCE_MS)) {
                    Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                    Ok(_) => return Ok(child.wait()?),
                    Err(errno) => Error::Io(errno.into()),
                }
            };
            // Not reaped yet, so the group is still the child's.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
            child.wait()?;
            return Err(failure);
        }
    }
}

#[cfg(test)]
#[path = "git_tests.rs"]
mod tests;
