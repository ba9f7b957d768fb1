//! The instructions, as types. Texts are as written: unexpanded, quotes and escapes in place.

use std::time::Duration;

use super::mount::MountSpec;

/// One instruction of a stage. Which texts of it are expanded by the builder is said at each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// ADD.
    Add(Add),
    /// ARG: one or more declarations.
    Arg(Vec<ArgDeclaration>),
    /// CMD; never expanded. An empty exec form resets it.
    Cmd(Command),
    /// COPY.
    Copy(Copy),
    /// ENTRYPOINT; never expanded. An empty exec form resets it.
    Entrypoint(Command),
    /// ENV; names and values are expanded, all in the scope before the instruction.
    Env(Pairs),
    /// EXPOSE; each is expanded and then split into words, see [`ports`](super::ports).
    Expose(Vec<String>),
    /// HEALTHCHECK; never expanded.
    Healthcheck(Healthcheck),
    /// LABEL; names and values are expanded.
    Label(Pairs),
    /// MAINTAINER (deprecated); not expanded.
    Maintainer(String),
    /// ONBUILD.
    Onbuild(Onbuild),
    /// RUN.
    Run(Run),
    /// SHELL; not expanded, never empty.
    Shell(Vec<String>),
    /// STOPSIGNAL; expanded.
    StopSignal(String),
    /// USER; expanded.
    User(String),
    /// VOLUME; each is expanded to one path.
    Volume(Vec<String>),
    /// WORKDIR; expanded.
    Workdir(String),
}

impl Instruction {
    /// Its keyword, upper case.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

/// `NAME` or `NAME=default` of an ARG; both are expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgDeclaration {
    /// The name.
    pub name: String,
    /// The default.
    pub default: Option<String>,
}

/// Names and values of ENV and LABEL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// In order.
    pub pairs: Vec<(String, String)>,
    /// Written `NAME value`.
    pub legacy: bool,
}

/// A command: for the shell of the stage, or as arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Shell form: appended to SHELL as one argument.
    Shell(String),
    /// Exec (JSON) form.
    Exec(Vec<String>),
}

/// A document within the Dockerfile: `<<EOF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter without quotes; the file name for COPY and ADD.
    pub name: String,
    /// `<<-`: leading tabs are stripped.
    pub chomp: bool,
    /// The delimiter was not quoted: variables in it are expanded (by the builder for COPY and ADD, by the shell for
    /// RUN).
    pub expand: bool,
    /// The lines as written, with their ends.
    pub content: String,
}

impl Heredoc {
    /// The content, without leading tabs where it is to be so.
    pub fn text(&self) -> String {
        if !self.chomp {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}

/// RUN. The values of its `--mount` are expanded, but for `from`; the command never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// `--mount`, in order.
    pub mounts: Vec<MountSpec>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// As written, `<<EOF` included.
    pub command: Command,
    /// The documents the command names, in order.
    pub heredocs: Vec<Heredoc>,
}

/// What a RUN runs, heredocs considered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// These arguments.
    Exec(Vec<String>),
    /// This text, by the shell of the stage.
    Shell(String),
    /// A lone heredoc beginning with `#!`: a file of this name and content, executed.
    File {
        /// The heredoc's name.
        name: String,
        /// Its content.
        content: String,
    },
}

/// RUN `--network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The network of the build.
    #[default]
    Default,
    /// None but loopback.
    None,
    /// The host's.
    Host,
}

/// RUN `--security`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// An ordinary container.
    #[default]
    Sandbox,
    /// A privileged one; to be allowed by whoever builds.
    Insecure,
}

/// What COPY and ADD take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path or glob, for ADD also a URL or git repository; expanded to one word.
    Path(String),
    /// A heredoc: a file of its name. Expanded where it says so, see [`Scope::expand_document`](super::Scope).
    Inline(Heredoc),
}

/// COPY. Expanded: chown, chmod, excludes, sources, destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// `--from`: stage, number or image; no variables in it.
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`, octal or symbolic.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, in order.
    pub excludes: Vec<String>,
    /// What to copy, at least one.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: String,
}

/// ADD. Expanded: chown, chmod, checksum, excludes, sources, destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`, octal or symbolic.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--checksum`.
    pub checksum: Option<String>,
    /// `--unpack`; where not said, local archives are unpacked and fetched ones not.
    pub unpack: Option<bool>,
    /// `--exclude`, in order.
    pub excludes: Vec<String>,
    /// What to add, at least one.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: String,
}

/// HEALTHCHECK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healthcheck {
    /// Switches off that of the base image.
    None,
    /// A probe; what is not said is the engine's default.
    Probe {
        /// The command.
        command: Command,
        /// `--interval`.
        interval: Option<Duration>,
        /// `--timeout`.
        timeout: Option<Duration>,
        /// `--start-period`.
        start_period: Option<Duration>,
        /// `--start-interval`.
        start_interval: Option<Duration>,
        /// `--retries`.
        retries: Option<u32>,
    },
}

/// ONBUILD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onbuild {
    /// The trigger as written, with its heredocs: what the image config carries.
    pub text: String,
    /// The same, parsed.
    pub trigger: Box<Instruction>,
}

impl Run {
    /// What to run: a lone heredoc is a script, others are handed to the shell as written.
    pub fn script(&self) -> Script {
        let text = match &self.command {
            Command::Exec(arguments) => return Script::Exec(arguments.clone()),
            Command::Shell(text) => text,
        };
        if let [only] = self.heredocs.as_slice()
            && super::words::heredoc(text).is_some()
        {
            let content = only.text();
            if content.starts_with("#!") {
                return Script::File { name: only.name.clone(), content };
            }
            return Script::Shell(content);
        }
        let mut whole = text.clone();
        for heredoc in &self.heredocs {
            whole.push('\n');
            whole.push_str(&heredoc.content);
            whole.push_str(&heredoc.name);
        }
        Script::Shell(whole)
    }
}
