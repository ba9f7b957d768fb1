# The testcontainers library: a container for the time of a test, waited for by its log and reached by its port.
import urllib.request
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

# Its own cleaner is an image of Docker Hub.
testcontainers_config.ryuk_disabled = True
serve = "mkdir /www; echo hello >/www/index.html; echo ready; exec httpd -f -p 80 -h /www"
with Network() as network:
    web = DockerContainer("test:1").with_command(["sh", "-c", serve]).with_exposed_ports(80)
    web = web.with_network(network).with_network_aliases("web").waiting_for(LogMessageWaitStrategy("ready"))
    with web as web:
        address = f"http://{web.get_container_host_ip()}:{web.get_exposed_port(80)}/"
        assert urllib.request.urlopen(address, timeout=10).read() == b"hello\n"
        assert web.exec(["cat", "/www/index.html"]).output == b"hello\n"
        other = DockerContainer("test:1").with_command(["wget", "-qO-", "http://web/"]).with_network(network)
        other = other.with_env("A", "b").waiting_for(LogMessageWaitStrategy("hello"))
        with other as other:
            assert b"hello" in other.get_logs()[0]
print("done")
