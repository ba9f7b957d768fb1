# The docker library: what it finds, what it does and what it is told.
import io, os, tarfile, time, docker
client = docker.DockerClient(base_url=os.environ["DOCKER_HOST"])
assert client.ping() and client.version()["ApiVersion"] and client.info()["ServerVersion"]
network = client.networks.create("sdk", driver="bridge", labels={"a": "b"})
volume = client.volumes.create("sdk")
box = client.containers.run("test:1", ["sh", "-c", "echo up; echo bad >&2; exec sleep 1000"], name="sdk", detach=True,
    network="sdk", volumes={"sdk": {"bind": "/v", "mode": "rw"}}, environment={"A": "b"}, labels={"x": "y"},
    mem_limit="64m", cap_drop=["NET_RAW"], ports={"80/tcp": None}, healthcheck={"test": ["NONE"]})
box.reload()
assert box.status == "running" and box.labels == {"x": "y"}, box.attrs
assert "sdk" in box.attrs["NetworkSettings"]["Networks"] and box.ports["80/tcp"][0]["HostPort"]
assert box.exec_run(["sh", "-c", "echo $A; exit 3"]) == (3, b"b\n")
for turn in range(20):
    got = box.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert got == (0, (b"out\n", b"err\n")), (turn, got)
assert b"".join(box.exec_run(["seq", "3"], stream=True).output) == b"1\n2\n3\n"
assert box.logs(stdout=True, stderr=False) == b"up\n" and box.logs(stdout=False, stderr=True) == b"bad\n"
files = io.BytesIO()
with tarfile.open(fileobj=files, mode="w") as archive:
    one = tarfile.TarInfo("note"); one.size = 5; archive.addfile(one, io.BytesIO(b"hello"))
assert box.put_archive("/v", files.getvalue())
chunks, stat = box.get_archive("/v/note")
with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
    assert archive.extractfile("note").read() == b"hello" and stat["size"] == 5
assert box.stats(stream=False)["memory_stats"]["usage"] > 0
assert any("sleep" in " ".join(row) for row in box.top()["Processes"])
box.pause(); box.reload(); assert box.status == "paused"
box.unpause(); box.rename("sdk2"); box.update(mem_limit="96m", memswap_limit="96m")
box.restart(timeout=0); box.reload(); assert box.name == "sdk2" and box.status == "running"
assert client.containers.list(filters={"label": "x=y"})[0].id == box.id
box.exec_run(["touch", "/made"]); assert any(change["Path"] == "/made" for change in box.diff()), box.diff()
image = box.commit("made", "1"); assert client.images.get("made:1").id == image.id
events = list(client.events(since=0, until=time.time(), decode=True))
assert any(event["Action"] == "start" for event in events), events
box.stop(timeout=0); assert box.wait()["StatusCode"] == 137
box.remove(v=True); client.images.remove("made:1"); volume.remove(); network.remove()
assert client.containers.run("test:1", ["echo", "hi"], remove=True) == b"hi\n"
try:
    client.containers.run("test:1", ["false"], remove=True)
    raise SystemExit("no error")
except docker.errors.ContainerError as error:
    assert error.exit_status == 1
try:
    client.containers.get("nobody")
    raise SystemExit("no error")
except docker.errors.NotFound:
    pass
assert client.containers.prune()["SpaceReclaimed"] == 0 and client.df()["Images"]
print("done")
