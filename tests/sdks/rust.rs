//! The bollard crate: what it finds, what it does and what it is told.

use std::collections::HashMap;

use bollard::{
    API_DEFAULT_VERSION, Docker, body_full,
    container::LogOutput,
    errors::Error,
    exec::{CreateExecOptions, StartExecResults},
    models::{
        ContainerCreateBody, ContainerUpdateBody, HostConfig, NetworkCreateRequest, PortBinding, VolumeCreateRequest,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, EventsOptionsBuilder,
        InspectContainerOptions, ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
        RemoveVolumeOptions, StartContainerOptions, StatsOptionsBuilder, StopContainerOptionsBuilder,
        UploadToContainerOptionsBuilder, WaitContainerOptions,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use harness::Darsena;
use tokio::io::AsyncWriteExt as _;

use crate::IMAGE;

const NAME: &str = "crate";

pub fn bollard(darsena: &mut Darsena) {
    let socket = darsena.socket();
    darsena.space().inside(|| async {
        let docker = Docker::connect_with_unix(socket.to_str().unwrap(), 60, API_DEFAULT_VERSION).unwrap();
        let docker = docker.negotiate_version().await.unwrap();
        assert_eq!(docker.ping().await.unwrap(), "OK");
        assert!(docker.version().await.unwrap().api_version.is_some());
        assert!(docker.info().await.unwrap().server_version.is_some());
        let id = made(&docker).await;
        shown(&docker, &id).await;
        executed(&docker).await;
        copied(&docker).await;
        ended(&docker, &id).await;
    });
}

async fn made(docker: &Docker) -> String {
    let network = NetworkCreateRequest { name: NAME.into(), ..Default::default() };
    docker.create_network(network).await.unwrap();
    docker.create_volume(VolumeCreateRequest { name: Some(NAME.into()), ..Default::default() }).await.unwrap();
    let any_port = Some(vec![PortBinding { host_ip: Some("127.0.0.1".into()), host_port: None }]);
    let body = ContainerCreateBody {
        image: Some(IMAGE.into()),
        cmd: Some(["sh", "-c", "echo up; echo bad >&2; exec sleep 1000"].map(String::from).into()),
        env: Some(vec!["A=b".into()]),
        labels: Some(HashMap::from([("x".into(), "y".into())])),
        exposed_ports: Some(vec!["80/tcp".into()]),
        host_config: Some(HostConfig {
            binds: Some(vec!["crate:/v".into()]),
            network_mode: Some(NAME.into()),
            memory: Some(64 << 20),
            port_bindings: Some(HashMap::from([("80/tcp".into(), any_port)])),
            ..Default::default()
        }),
        ..Default::default()
    };
    let named = CreateContainerOptionsBuilder::new().name(NAME).build();
    let id = docker.create_container(Some(named), body).await.unwrap().id;
    docker.start_container(NAME, None::<StartContainerOptions>).await.unwrap();
    id
}

async fn shown(docker: &Docker, id: &str) {
    let shown = docker.inspect_container(NAME, None::<InspectContainerOptions>).await.unwrap();
    assert!(shown.state.unwrap().running.unwrap());
    let settings = shown.network_settings.unwrap();
    assert!(settings.networks.unwrap()[NAME].ip_address.as_ref().is_some_and(|address| !address.is_empty()));
    let bound = settings.ports.unwrap()["80/tcp"].clone().unwrap();
    assert!(bound[0].host_port.as_ref().is_some_and(|port| port.parse::<u16>().is_ok()));
    let filters = HashMap::from([("label", vec!["x=y"])]);
    let listed = ListContainersOptionsBuilder::new().filters(&filters).build();
    let listed = docker.list_containers(Some(listed)).await.unwrap();
    assert_eq!(listed[0].id.as_deref(), Some(id));
    let once = StatsOptionsBuilder::new().stream(false).build();
    let stats = docker.stats(NAME, Some(once)).next().await.unwrap().unwrap();
    assert!(stats.memory_stats.unwrap().usage.unwrap() > 0);
    let logs = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
    let mut said: Vec<(bool, String)> = docker
        .logs(NAME, Some(logs))
        .map_ok(|line| (matches!(line, LogOutput::StdErr { .. }), line.to_string()))
        .try_collect()
        .await
        .unwrap();
    said.sort();
    assert_eq!(said, [(false, "up\n".to_owned()), (true, "bad\n".to_owned())]);
}

async fn executed(docker: &Docker) {
    let cat = CreateExecOptions {
        cmd: Some(vec!["sh", "-c", "cat; echo $A; exit 3"]),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let exec = docker.create_exec(NAME, cat).await.unwrap().id;
    let StartExecResults::Attached { output, mut input } = docker.start_exec(&exec, None).await.unwrap() else {
        panic!("it is attached")
    };
    input.write_all(b"to and fro\n").await.unwrap();
    input.shutdown().await.unwrap();
    let said: Vec<String> = output.map_ok(|piece| piece.to_string()).try_collect().await.unwrap();
    assert_eq!(said.concat(), "to and fro\nb\n");
    assert_eq!(docker.inspect_exec(&exec).await.unwrap().exit_code, Some(3));
}

async fn copied(docker: &Docker) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    archive.append_data(&mut header, "note", &b"hello"[..]).unwrap();
    let to = UploadToContainerOptionsBuilder::new().path("/v").build();
    let body = body_full(archive.into_inner().unwrap().into());
    docker.upload_to_container(NAME, Some(to), body).await.unwrap();
    let from = DownloadFromContainerOptionsBuilder::new().path("/v/note").build();
    let pieces: Vec<_> = docker.download_from_container(NAME, Some(from)).try_collect().await.unwrap();
    let bytes = pieces.concat();
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut archive.entries().unwrap().next().unwrap().unwrap(), &mut text).unwrap();
    assert_eq!(text, "hello");
}

async fn ended(docker: &Docker, id: &str) {
    docker.pause_container(NAME).await.unwrap();
    docker.unpause_container(NAME).await.unwrap();
    let more = ContainerUpdateBody { memory: Some(96 << 20), memory_swap: Some(96 << 20), ..Default::default() };
    docker.update_container(NAME, more).await.unwrap();
    let events = EventsOptionsBuilder::new().since("0").until(&now()).build();
    let events: Vec<_> = docker.events(Some(events)).try_collect().await.unwrap();
    let started = |id: &str| {
        let of = |event: &&bollard::models::EventMessage| {
            event.actor.as_ref().and_then(|actor| actor.id.as_deref()) == Some(id)
        };
        events.iter().filter(of).any(|event| event.action.as_deref() == Some("start"))
    };
    assert!(started(id), "{events:?}");
    let at_once = StopContainerOptionsBuilder::new().t(0).build();
    docker.stop_container(NAME, Some(at_once)).await.unwrap();
    // A code above 0 is an error to this library.
    match docker.wait_container(NAME, None::<WaitContainerOptions>).next().await.unwrap() {
        Err(Error::DockerContainerWaitError { code: 137, .. }) => {}
        other => panic!("{other:?}"),
    }
    let all = RemoveContainerOptionsBuilder::new().v(true).build();
    docker.remove_container(NAME, Some(all)).await.unwrap();
    docker.remove_volume(NAME, None::<RemoveVolumeOptions>).await.unwrap();
    docker.remove_network(NAME).await.unwrap();
    match docker.inspect_container(NAME, None::<InspectContainerOptions>).await {
        Err(Error::DockerResponseServerError { status_code: 404, message }) => {
            assert!(message.contains("No such container"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

fn now() -> String {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string()
}
