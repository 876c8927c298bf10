"""Through a proxy, loopback is a stranger."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.intruding import DENIED, SECRET, Pair, intrude
from e2e.network import call
from e2e.processes import Watched, free_port
from e2e.programs import need
from e2e.proxy import ForwardingProxy

pytestmark = pytest.mark.process


def test_small_proxy(pair: Pair, tmp_path: Path) -> None:
    """Through a proxy that says so, loopback is a stranger; the token still works."""
    with ForwardingProxy(pair.one.port) as proxy:
        outcome = intrude(proxy.url, "one", tmp_path)
        assert outcome["open"].startswith("RESULT")
        assert outcome["read"].startswith(f"{DENIED} ")
        assert outcome["call"].startswith(f"{DENIED} ")
        assert "proxy" in outcome["call"]
        assert call(proxy.url, SECRET, **pair.one.as_admin) == "the administrator's"


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log stderr notice; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{told};
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
    server {{
        listen 127.0.0.1:{untold};
        location / {{ proxy_pass http://127.0.0.1:{port}; }}
    }}
}}
"""


def test_nginx(pair: Pair, tmp_path: Path) -> None:
    """Behind nginx nobody is administrator, whether or not nginx says that it is there."""
    nginx = need("nginx", "nginx-light")
    told, untold = free_port(), free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, told=told, untold=untold, port=pair.one.port))
    with Watched([nginx, "-p", tmp_path, "-c", config], tmp_path) as process:
        process.wait_for("start worker process ")
        outcome = intrude(f"http://127.0.0.1:{told}/", "one", tmp_path)
        assert outcome["call"].startswith(f"{DENIED} ")
        intrude(f"http://127.0.0.1:{untold}/", "one", tmp_path)
        url = f"http://127.0.0.1:{told}/"
        assert call(url, SECRET, **pair.one.as_admin) == "the administrator's"
