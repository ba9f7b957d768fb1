//! What was asked for at the command line, in the environment and in the configuration file; the first of them wins.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};
use runtime::reference::Reference;

use crate::ops::publishing::PortRule;

/// Darsena: containers, from the browser and from the docker command line.
#[derive(Debug, Parser)]
#[command(name = "darsena", version, disable_version_flag = true)]
pub struct CommandLine {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where things are; before or after the command.
    #[command(flatten)]
    pub options: Options,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the pages and the docker socket (this is the default).
    Serve,
    /// Accounts, on the database file; also while the server runs.
    Admin {
        /// What to do with them.
        #[command(subcommand)]
        act: Admin,
    },
    /// Say which version this is.
    Version,
    /// Say what this host supports and what is missing.
    Check,
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Add an administrator; asks for the password.
    Create {
        /// Login name.
        name: String,
    },
    /// Set a new password and end this person's sessions; asks for the password.
    ResetPassword {
        /// Login name.
        name: String,
    },
}

/// Where things are and what is listened on.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// Durable data [default: /var/lib/darsena].
    #[arg(long, global = true, env = "DARSENA_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Sockets and other things that live as long as the system is up [default: /run/darsena].
    #[arg(long, global = true, env = "DARSENA_RUN", value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Where the pages are served [default: 127.0.0.1:8080].
    #[arg(long, global = true, env = "DARSENA_HTTP", value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,
    /// The docker socket [default: /run/darsena/docker.sock]; an empty path turns it off.
    #[arg(long, global = true, env = "DARSENA_DOCKER_SOCKET", value_name = "PATH")]
    pub docker_socket: Option<PathBuf>,
    /// Serve no docker socket.
    #[arg(long, global = true, conflicts_with = "docker_socket")]
    pub no_docker_socket: bool,
    /// A mirror of Docker Hub, tried first; may be given several times.
    #[arg(long, global = true, env = "DARSENA_REGISTRY_MIRROR", value_name = "URL", value_delimiter = ',')]
    pub registry_mirror: Vec<String>,
    /// A registry spoken to by plain http; may be given several times.
    #[arg(long, global = true, env = "DARSENA_INSECURE_REGISTRY", value_name = "HOST", value_delimiter = ',')]
    pub insecure_registry: Vec<String>,
    /// Builds may fetch files from loopback and private networks too.
    #[arg(long, global = true, env = "DARSENA_BUILD_PRIVATE_SOURCES")]
    pub build_private_sources: bool,
    /// The name images pushed here get, where it is not the address they were pushed to: `registry.example`.
    #[arg(long, global = true, env = "DARSENA_REGISTRY_HOST", value_name = "HOST")]
    pub registry_host: Option<String>,
    /// A folder with certificates by registry host, as /etc/docker/certs.d, which is read too; may be given several times.
    #[arg(long, global = true, env = "DARSENA_REGISTRY_CERTS", value_name = "DIR", value_delimiter = ',')]
    pub registry_certs: Vec<PathBuf>,
    /// Containers may reach link-local addresses such as a cloud's metadata service (169.254.169.254).
    #[arg(long, global = true, env = "DARSENA_CONTAINER_METADATA")]
    pub container_metadata: bool,
    /// The configuration file (TOML).
    #[arg(long, global = true, env = "DARSENA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The configuration file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    run: Option<PathBuf>,
    http: Option<SocketAddr>,
    docker_socket: Option<PathBuf>,
    #[serde(default)]
    registry_mirrors: Vec<String>,
    #[serde(default)]
    insecure_registries: Vec<String>,
    registry_host: Option<String>,
    #[serde(default)]
    build_private_sources: bool,
    #[serde(default)]
    registry_certs: Vec<PathBuf>,
    #[serde(default)]
    container_metadata: bool,
    /// Further names this server answers to; `https://name` where a proxy in front of it speaks https.
    #[serde(default)]
    hosts: Vec<String>,
    /// Host folders that containers of people who do not administer may mount, too.
    #[serde(default)]
    bind_roots: Vec<PathBuf>,
    /// Host ports that people who do not administer may publish; all where it is not said.
    publish_ports: Option<Vec<PortRule>>,
}

/// Everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Durable data.
    pub data: PathBuf,
    /// Alive-only data.
    pub run: PathBuf,
    /// Where the pages are served.
    pub http: SocketAddr,
    /// The docker socket, when it is on.
    pub docker_socket: Option<PathBuf>,
    /// Mirrors of Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// Registries spoken to by plain http.
    pub insecure_registries: Vec<String>,
    /// Builds may fetch files from loopback and private networks too.
    pub build_private_sources: bool,
    /// The name of the served registry.
    pub registry_host: Option<String>,
    /// Folders with certificates by registry host.
    pub registry_certs: Vec<PathBuf>,
    /// Further names this server answers to.
    pub hosts: Vec<String>,
    /// Host folders that who does not administer may mount too.
    pub bind_roots: Vec<PathBuf>,
    /// Containers may reach link-local addresses.
    pub container_metadata: bool,
    /// Host ports that who does not administer may publish; all when `None`.
    pub publish_ports: Option<Vec<PortRule>>,
}

impl Config {
    /// Joins the sources.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn decide(options: Options) -> Result<Self, String> {
        let file = match &options.config {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                toml::from_str(&text)
                    .map_err(|error| format!("{}: {}", path.display(), one_line(&error.to_string())))?
            }
            None => File::default(),
        };
        Self::join(options, file)
    }

    fn join(options: Options, file: File) -> Result<Self, String> {
        let or = |first: Vec<String>, second: Vec<String>| if first.is_empty() { second } else { first };
        let run = options.run.or(file.run).unwrap_or_else(|| "/run/darsena".into());
        let socket = options.docker_socket.or(file.docker_socket).unwrap_or_else(|| run.join("docker.sock"));
        let off = options.no_docker_socket || socket.as_os_str().is_empty();
        let config = Self {
            data: options.data.or(file.data).unwrap_or_else(|| "/var/lib/darsena".into()),
            http: options.http.or(file.http).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            docker_socket: (!off).then_some(socket),
            registry_mirrors: or(options.registry_mirror, file.registry_mirrors),
            insecure_registries: or(options.insecure_registry, file.insecure_registries),
            build_private_sources: options.build_private_sources || file.build_private_sources,
            registry_host: options.registry_host.or(file.registry_host),
            registry_certs: if options.registry_certs.is_empty() {
                file.registry_certs
            } else {
                options.registry_certs
            },
            hosts: file.hosts,
            bind_roots: file.bind_roots,
            container_metadata: options.container_metadata || file.container_metadata,
            publish_ports: file.publish_ports,
            run,
        };
        let absolute = |what: &str, path: &Path| {
            if path.is_absolute() {
                Ok(())
            } else {
                Err(format!("{what} must be an absolute path, not {}", path.display()))
            }
        };
        absolute("data", &config.data)?;
        absolute("run", &config.run)?;
        if let Some(socket) = &config.docker_socket {
            absolute("docker_socket", socket)?;
        }
        for root in &config.bind_roots {
            absolute("bind_roots", root)?;
        }
        let is_host = |host: &String| format!("{host}/x").parse::<Reference>().is_ok_and(|name| name.host() == host);
        if let Some(host) = config.registry_host.as_ref().filter(|host| !is_host(host)) {
            return Err(format!("registry_host is a name with a dot or a port, as in registry.example, not {host}"));
        }
        if let Some(mirror) =
            config.registry_mirrors.iter().find(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            return Err(format!("a registry mirror is written http://… or https://…, not {mirror}"));
        }
        Ok(config)
    }

    /// The file with the key that secrets in the database are sealed with.
    pub fn secrets_key(&self) -> PathBuf {
        self.data.join("secrets.key")
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.data.join("darsena.db")
    }

    /// The file of what containers used over time.
    pub fn usage_database(&self) -> PathBuf {
        self.data.join("usage.db")
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn options(words: &[&str]) -> Options {
        CommandLine::try_parse_from(words).expect("a right command line").options
    }

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
        assert!(CommandLine::try_parse_from(["darsena", "admin", "reset-password", "ana"]).is_ok());
        assert!(CommandLine::try_parse_from(["darsena", "--unknown"]).is_err());
        for words in [
            ["darsena", "--data", "/b", "admin", "create", "ana"],
            ["darsena", "admin", "create", "ana", "--data", "/b"],
        ] {
            assert_eq!(
                options(&words).data.as_deref(),
                Some(Path::new("/b")),
                "options stand before or after the command"
            );
        }
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let config = Config::join(options(&["darsena"]), File::default()).expect("right");
        assert_eq!(config.data, Path::new("/var/lib/darsena"));
        assert_eq!(config.http.to_string(), "127.0.0.1:8080");
        assert_eq!(config.docker_socket.as_deref(), Some(Path::new("/run/darsena/docker.sock")));
    }

    #[test]
    fn the_command_line_beats_the_file() {
        let file = || {
            toml::from_str::<File>(
                "data = '/a'\nhttp = '127.0.0.1:1'\ndocker_socket = ''\nregistry_mirrors = ['http://m']",
            )
            .expect("a file")
        };
        let from_file = Config::join(options(&["darsena", "serve"]), file()).expect("right");
        assert_eq!((from_file.data.as_path(), from_file.docker_socket.as_deref()), (Path::new("/a"), None));
        let both = Config::join(
            options(&["darsena", "--data", "/b", "--docker-socket", "/s", "--registry-mirror", "http://n"]),
            file(),
        )
        .expect("right");
        assert_eq!(both.data, Path::new("/b"));
        assert_eq!(both.http.to_string(), "127.0.0.1:1");
        assert_eq!(both.docker_socket.as_deref(), Some(Path::new("/s")));
        assert_eq!(both.registry_mirrors, ["http://n"]);
        let off = Config::join(options(&["darsena", "--no-docker-socket"]), File::default()).expect("right");
        assert_eq!(off.docker_socket, None);
        assert!(toml::from_str::<File>("dta = '/a'").is_err(), "a wrong key is said");
        let file = |text| toml::from_str::<File>(text).map_err(|error| error.to_string());
        let ports = file("publish_ports = ['127.0.0.1:8000-8999', '0.0.0.0:80', '8080']").expect("right").publish_ports;
        assert_eq!(ports.map(|rules| rules.len()), Some(3));
        let error = file("publish_ports = ['8999-8000']").expect_err("an empty range");
        assert!(error.contains("8999-8000"), "{error}");
        assert!(Config::join(options(&["darsena", "--data", "a"]), File::default()).is_err());
        assert!(Config::join(options(&["darsena", "--registry-mirror", "m"]), File::default()).is_err());
        for (host, right) in [("registry.example", true), ("muelle:5000", true), ("muelle", false), ("a.b/c", false)] {
            let config = Config::join(options(&["darsena", "--registry-host", host]), File::default());
            assert_eq!(config.is_ok(), right, "{host}");
        }
    }
}
