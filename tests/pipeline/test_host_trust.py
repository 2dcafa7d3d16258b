"""Who may join a run and how: endpoints, certificates, names, and that nothing else is open to the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("zenoh")

from pipeline.engines.hosts import session as sessions
from pipeline.engines.hosts.session import HostUnreachable, InvalidEndpoint, SessionSettings, Tls
from pipeline.errors import SkylaneError
from pipeline.timestamps import seconds
from tests.pipeline.host_runs import COUNTING as TOY
from tests.pipeline.host_runs import HAS_OPENSSL, CarRun, Certificates, NodeProcess, free_port

pytestmark = [pytest.mark.usefixtures("toys")]
openssl = pytest.mark.skipif(not HAS_OPENSSL, reason="the command openssl is not installed")


@pytest.fixture
def endpoint() -> str:
    return f"tcp/127.0.0.1:{free_port()}"


@pytest.fixture
def nodes() -> Iterator[list[NodeProcess]]:
    started: list[NodeProcess] = []
    yield started
    for node in started:
        node.close()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def settings(endpoint: str, **changes: object) -> SessionSettings:
    return SessionSettings(listen=endpoint, **changes)  # type: ignore[arg-type]


# -- endpoints and files, without a network --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"listen": "tcp/0.0.0.0:7447"}, "lets anybody there drive"),
        ({"connect": "tcp/car.local:7447"}, "lets anybody there drive"),
        ({"connect": "tcp/10.0.0.1:7447"}, "use tls/…, or --insecure"),
        ({"connect": "tls/car.local:7447"}, "tls needs a certificate"),
        ({"connect": "udp/127.0.0.1:7447"}, "is not an endpoint"),
        ({"connect": "tcp/127.0.0.1:7447#iface=eth0"}, "is not an endpoint"),
        ({"connect": "tcp/127.0.0.1:70000"}, "is not an endpoint"),
        ({"connect": "127.0.0.1:7447"}, "write tcp/127.0.0.1:7447"),
        ({}, "either listens or connects"),
        ({"listen": "tcp/127.0.0.1:1", "connect": "tcp/127.0.0.1:1"}, "either listens or connects"),
    ],
)
def test_an_endpoint_that_is_none_or_that_strangers_can_read_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidEndpoint, match=re.escape(says)):
        sessions.check(SessionSettings(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize("endpoint", ["tcp/127.0.0.1:1", "tcp/[::1]:1", "tcp/localhost:1", "tcp/127.8.8.8:1"])
def test_loopback_needs_no_certificate(endpoint: str) -> None:
    assert sessions.check(SessionSettings(listen=endpoint)).loopback


@openssl
def test_files_that_are_no_certificates_are_named(tmp_path: Path, certificates: Certificates) -> None:
    good, other = certificates.of("car"), certificates.of("edge")
    (tmp_path / "text.pem").write_text("hello")

    def refused(tls: Tls) -> str:
        with pytest.raises(InvalidEndpoint) as error:
            sessions.check(SessionSettings(listen="tls/0.0.0.0:7447", tls=tls))
        return str(error.value)

    assert "missing.pem: cannot be read: No such file" in refused(
        Tls(tmp_path / "missing.pem", good.key, good.authority)
    )
    assert "text.pem: is no certificate of an authority" in refused(
        Tls(good.certificate, good.key, tmp_path / "text.pem")
    )
    assert "do not fit together: key values mismatch" in refused(Tls(good.certificate, other.key, good.authority))
    assert sessions.check(SessionSettings(listen="tls/0.0.0.0:7447", tls=good)).secure


# -- who gets in -----------------------------------------------------------------------------------------------------


@openssl
@pytest.mark.real
def test_hosts_with_certificates_of_one_authority_run_together(
    certificates: Certificates, nodes: list[NodeProcess]
) -> None:
    endpoint = f"tls/127.0.0.1:{free_port()}"
    tls = certificates.of("car")
    car = CarRun(TOY, settings(endpoint, tls=tls), {"scale": "edge"}, until=seconds(1))
    nodes.append(NodeProcess("edge", endpoint, tls=certificates.of("edge")))
    car.wait()
    assert car.error is None
    assert car.gathered.sent("half.low").keys() == car.gathered.sent("count.count").keys()
    assert nodes[0].wait() == 0


@openssl
@pytest.mark.real
def test_a_host_cannot_take_another_one_s_name(certificates: Certificates, nodes: list[NodeProcess]) -> None:
    endpoint = f"tls/127.0.0.1:{free_port()}"
    car = CarRun(TOY, settings(endpoint, tls=certificates.of("car")), {"scale": "edge"}, until=seconds(1), join_s=6)
    nodes.append(NodeProcess("edge", endpoint, tls=certificates.of("front")))
    car.wait()
    assert isinstance(car.error, HostUnreachable)
    assert "edge did not join within 6 s; a certificate in the name of front is connected" in str(car.error)
    assert "is the certificate's common name 'edge'?" in nodes[0].text


@openssl
@pytest.mark.real
def test_a_stranger_s_certificate_none_at_all_and_plain_text_are_refused(
    tmp_path: Path, certificates: Certificates
) -> None:
    port = free_port()
    listening = sessions.open_session(settings(f"tls/127.0.0.1:{port}", tls=certificates.of("car")))
    (tmp_path / "strange").mkdir()
    strange = Certificates(tmp_path / "strange", "stranger").of("edge")
    own = certificates.authority_file

    def refused(endpoint: str, tls: Tls | None) -> str:
        with pytest.raises(SkylaneError) as error:
            sessions.open_session(SessionSettings(connect=endpoint, tls=tls, connect_s=1.5)).close()
        assert not listening.info.links()
        return str(error.value)

    try:
        trusting = Tls(strange.certificate, strange.key, own)
        assert "do not fit: tlsv1 alert unknown ca" in refused(f"tls/127.0.0.1:{port}", trusting)
        assert "do not fit: unable to get local issuer" in refused(f"tls/127.0.0.1:{port}", strange)
        assert "tls needs a certificate" in refused(f"tls/127.0.0.1:{port}", None)
        assert "it may want tls" in refused(f"tcp/127.0.0.1:{port}", None)
        assert "connection refused" in refused(f"tcp/127.0.0.1:{free_port()}", None)
    finally:
        listening.close()


@pytest.mark.real
def test_an_address_in_use_is_said_to_be(endpoint: str) -> None:
    first = sessions.open_session(settings(endpoint))
    try:
        with pytest.raises(SkylaneError, match="the address is in use"):
            sessions.open_session(settings(endpoint))
    finally:
        first.close()


@pytest.mark.real
def test_nobody_is_looked_for_and_nothing_listens_but_the_endpoint(endpoint: str) -> None:
    before = set(psutil.Process().net_connections())
    listening = sessions.open_session(settings(endpoint))
    joining = sessions.open_session(SessionSettings(connect=endpoint))
    try:
        opened = set(psutil.Process().net_connections()) - before
        waiting = [c for c in opened if c.status == psutil.CONN_LISTEN]
        assert [f"tcp/{c.laddr.ip}:{c.laddr.port}" for c in waiting] == [endpoint]
        assert not [c for c in opened if c.type.name == "SOCK_DGRAM"], "scouting would need a datagram socket"
    finally:
        joining.close()
        listening.close()
