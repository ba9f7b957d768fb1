//! `darsena`: arguments, configuration, logging, and the order in which things start and end.

mod app;
mod auth;
mod config;
mod db;
mod docker;
mod i18n;
mod live;
mod ops;
mod registry;
mod router;
mod serve;
mod ui;
mod unread;
mod welcome;

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    process::ExitCode,
};

use clap::Parser as _;
use runtime::{Engine, view::Verdict};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    app::App,
    auth::{origin::Hosts, seal::Vault},
    config::{Admin, Command, CommandLine, Config, Options},
    db::{Db, usage::UsageDb},
};

/// The monitor's program, inside this one.
const MONITOR: &[u8] = include_bytes!(env!("DARSENA_MONITOR_BIN"));

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let result = match line.command {
        Some(Command::Version) => {
            println!("darsena {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Some(Command::Check) => Config::decide(line.options).and_then(|config| check(&config)),
        Some(Command::Admin { act }) => run(line.options, |config| admin(config, act)),
        Some(Command::Serve) | None => run(line.options, serve_all),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("darsena: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Sets up what every command that works on data needs, then runs it.
fn run<F>(options: Options, command: impl FnOnce(Config) -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), String>>,
{
    let config = Config::decide(options)?;
    if !nix::unistd::geteuid().is_root() {
        return Err("this needs to be run as root".to_owned());
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let filter = tracing_subscriber::EnvFilter::try_from_env("DARSENA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Both ends of TLS are ring's; only the first installation counts, and this is it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no threads: {error}"))?
        .block_on(command(config))
}

fn engine_config(config: &Config) -> runtime::Config {
    runtime::Config {
        data_root: config.data.clone(),
        run_root: config.run.clone(),
        registry_mirrors: config.registry_mirrors.clone(),
        insecure_registries: config.insecure_registries.clone(),
        private_sources: config.build_private_sources,
        registry_certificates: config.registry_certs.clone(),
        monitor: MONITOR,
        metadata: config.container_metadata,
    }
}

fn check(config: &Config) -> Result<(), String> {
    let info = Engine::check(&engine_config(config));
    println!("{} · {} · {}", info.operating_system, info.kernel, info.machine);
    let mut missing = 0;
    for check in &info.checks {
        let word = match check.verdict {
            Verdict::Good => "good",
            Verdict::Limited => "limited",
            Verdict::Missing => {
                missing += 1;
                "MISSING"
            }
        };
        println!("{word:8} {:16} {}", check.name, check.found);
        if !check.remedy.is_empty() {
            println!("{:25} {}", "", check.remedy);
        }
    }
    if missing > 0 { Err(format!("{missing} of {} things are missing", info.checks.len())) } else { Ok(()) }
}

fn make_private(folder: &Path) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(wrong)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(wrong)
}

async fn open_database(config: &Config) -> Result<Db, String> {
    make_private(&config.data)?;
    Db::open(&config.database()).await.map_err(|error| error.chain())
}

async fn serve_all(config: Config) -> Result<(), String> {
    let listener = tokio::net::TcpListener::bind(config.http)
        .await
        .map_err(|error| format!("{} can't be listened on: {error}", config.http))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    make_private(&config.data)?;
    let engine = Engine::open(engine_config(&config)).await.map_err(|error| error.chain())?;
    let db = open_database(&config).await?;
    db.cut_off_open_audit().await.map_err(|error| error.chain())?;
    db.interrupt_operations().await.map_err(|error| error.chain())?;
    let desk = ops::registry_access::Desk::open(&db, config.registry_host.as_deref(), address, &config.hosts);
    let desk = desk.await.map_err(|error| error.chain())?;
    let vault = Vault::open(&config.secrets_key()).map_err(|error| error.chain())?;
    let usage = UsageDb::open(&config.usage_database()).await.map_err(|error| error.chain())?;
    let (socket, allowed) = (config.docker_socket.clone(), (config.bind_roots.clone(), config.publish_ports.clone()));
    let app = App::new((db, usage), engine, vault, &config.data, socket, desk, allowed);
    ops::builds::recover(&app).await.map_err(|error| error.chain())?;
    welcome::install_once(&app).await.map_err(|error| error.chain())?;
    let socket = config.docker_socket.as_deref().map(docker::bind).transpose().map_err(|error| error.chain())?;
    let word = ops::sessions::open_set_up(&app).await.map_err(|error| error.chain())?;
    let names: Vec<String> = config.hosts.iter().chain(&config.registry_host).cloned().collect();
    let hosts = Hosts::new(address, &names);

    let shutdown = app.shutdown.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(ops::usage::keep_reading(app.clone()));
    tasks.spawn(serve::serve(router::pages(app.clone(), hosts), listener, shutdown.clone()));
    if let Some(socket) = socket {
        let (app, shutdown) = (app.clone(), shutdown.clone());
        tasks.spawn(async move {
            if let Err(error) = docker::serve(app, socket, shutdown.cancelled_owned()).await {
                tracing::error!("the docker socket is not served any more: {}", error.chain());
            }
        });
    }

    println!("Darsena {} is ready: http://{address}/", env!("CARGO_PKG_VERSION"));
    if let Some(word) = word {
        println!("Set-up word: {word}");
    }
    let _ = std::io::stdout().flush();

    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending; containers go on");
    shutdown.cancel();
    let ended = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(serve::GRACE + std::time::Duration::from_secs(1), ended).await;
    app.engine.close();
    Ok(())
}

async fn admin(config: Config, act: Admin) -> Result<(), String> {
    let (Admin::Create { name } | Admin::ResetPassword { name }) = &act;
    let password = read_password(name)?;
    let db = open_database(&config).await?;
    let done = match &act {
        Admin::Create { name } => ops::users::create_at_command_line(&db, name, password).await,
        Admin::ResetPassword { name } => ops::users::reset_at_command_line(&db, name, password).await,
    };
    done.map_err(|refusal| match refusal {
        ops::users::Refusal::Weak(weakness) => weakness.words().to_owned(),
        ops::users::Refusal::Name => {
            "a user name has 2 to 32 letters, digits, dots, dashes or underscores and begins with a letter".to_owned()
        }
        ops::users::Refusal::Failed(error) => error.chain(),
        ops::users::Refusal::SetUpWord
        | ops::users::Refusal::WrongPassword
        | ops::users::Refusal::Suspended
        | ops::users::Refusal::Wait(_) => "refused".to_owned(),
    })?;
    match act {
        Admin::Create { name } => println!("{name} can sign in now"),
        Admin::ResetPassword { name } => println!("{name} has a new password; all sessions of {name} have ended"),
    }
    Ok(())
}

/// One line from standard input, without echo where that is a terminal.
fn read_password(name: &str) -> Result<String, String> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let input = std::io::stdin();
    let before = if input.is_terminal() { tcgetattr(&input).ok() } else { None };
    if let Some(before) = &before {
        eprint!("Password for {name}: ");
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&input, SetArg::TCSAFLUSH, &quiet).map_err(|error| error.to_string())?;
    }
    let mut line = String::new();
    let read = input.lock().read_line(&mut line);
    if let Some(before) = &before {
        tcsetattr(&input, SetArg::TCSAFLUSH, before).map_err(|error| error.to_string())?;
        eprintln!();
    }
    read.map_err(|error| error.to_string())?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
